//! The private actix actor that hosts our state, fences its handlers and starts its work.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::fault::Fault;
use crate::fence::{fenced, fenced_async};
use crate::handle::{Ask, Envelope, Opened};
use crate::meter::Meter;
use crate::ticket::Ticket;

/// The state of an actor: built by its factory, dropped with its incarnation.
pub trait State: Unpin + 'static {
    /// How often [`State::tick`] is called; never by default.
    fn tick_every(&self) -> Option<Duration> {
        None
    }

    /// Housekeeping in place, in microseconds.
    fn tick(&mut self) {}
}

/// Serves one kind of message.
pub trait Serve<M: Ask>: State {
    /// Answers in microseconds or hands back the work to be done; it never blocks.
    fn serve(&mut self, message: M, ticket: &Ticket) -> Work<M::Reply>;
}

/// How a message is answered.
pub enum Work<R> {
    /// At once.
    Done(Result<R, Fault>),
    /// By a future, run as a task of its own, which is dropped when the requester leaves or its deadline passes.
    Later(Pending<R>),
    /// By a future that is run to its end, whoever leaves; it bounds its own time.
    Kept(Pending<R>),
}

/// Work under way.
pub type Pending<R> = Pin<Box<dyn Future<Output = Result<R, Fault>> + Send>>;

/// Why an incarnation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was told to.
    Stopped,
    /// It panicked by its own fault; charged to the restart budget.
    Panicked,
    /// Work panicked by the fault of its input; not charged.
    PoisonedInput,
}

/// One incarnation of an actor, as seen by its work and its keeper.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) meter: Arc<Meter>,
    exit: OnceLock<Exit>,
    ended: CancellationToken,
}

/// The actor around the state.
pub(crate) struct Host<S: State> {
    state: S,
    life: Arc<Life>,
    /// Dropped with the host: the keeper sees the end of the incarnation however it came.
    _gone: oneshot::Sender<()>,
}

impl<R> Work<R> {
    /// Work that is dropped when the requester leaves.
    pub fn later(work: impl Future<Output = Result<R, Fault>> + Send + 'static) -> Self {
        Self::Later(Box::pin(work))
    }

    /// Work that is run to its end.
    pub fn kept(work: impl Future<Output = Result<R, Fault>> + Send + 'static) -> Self {
        Self::Kept(Box::pin(work))
    }
}

impl Life {
    pub(crate) fn new(meter: Arc<Meter>) -> Arc<Self> {
        Arc::new(Self { meter, exit: OnceLock::new(), ended: CancellationToken::new() })
    }

    /// Ends the incarnation; the first reason stands.
    pub(crate) fn end(&self, exit: Exit) {
        self.exit.get_or_init(|| exit);
        self.ended.cancel();
    }

    /// Why it ended. An end without a reason is a panic that no fence saw.
    pub(crate) fn exit(&self) -> Exit {
        self.exit.get().copied().unwrap_or(Exit::Panicked)
    }
}

impl<S: State> Host<S> {
    /// Starts the actor on the current arbiter. The receiver resolves when the incarnation is gone.
    pub(crate) fn start_here(state: S, life: Arc<Life>, mailbox: usize) -> (actix::Addr<Self>, oneshot::Receiver<()>) {
        let (gone, end) = oneshot::channel();
        let address = Self::create(|context: &mut Context<Self>| {
            context.set_mailbox_capacity(mailbox);
            Self { state, life, _gone: gone }
        });
        (address, end)
    }

    fn panicked(&self, context: &mut Context<Self>) {
        self.life.meter.panicked();
        self.life.end(Exit::Panicked);
        context.stop();
    }
}

impl<S: State> Actor for Host<S> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let ended = self.life.ended.clone();
        context.spawn(async move { ended.cancelled().await }.into_actor(self).map(|(), _, context| context.stop()));
        if let Some(period) = self.state.tick_every() {
            context.run_interval(period, |host, context| {
                if fenced(|| host.state.tick()).is_err() {
                    host.panicked(context);
                }
            });
        }
    }
}

impl<S: Serve<M>, M: Ask> Handler<Envelope<M>> for Host<S> {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<M>, context: &mut Self::Context) {
        let Some(Opened { message, ticket, reply }) = envelope.open(&self.life) else { return };
        let begun = Begun::now(&self.life.meter);
        let span = ticket.span().clone();
        let served = span.in_scope(|| fenced(|| self.state.serve(message, &ticket)));
        let (work, kept) = match served {
            Ok(Work::Done(answer)) => return begun.answer(reply, ticket, answer),
            Ok(Work::Later(work)) => (work, false),
            Ok(Work::Kept(work)) => (work, true),
            Err(panic) => {
                begun.answer(reply, ticket, Err(panic));
                return self.panicked(context);
            }
        };
        let task = async move {
            let answer = if kept { finish(work, &ticket).await } else { finish_while_wanted(work, &ticket).await };
            begun.answer(reply, ticket, answer);
        };
        drop(tokio::spawn(task.instrument(span)));
    }
}

/// Runs work to its end. A panic ends the incarnation that started it, for its state may be broken.
async fn finish<R>(work: Pending<R>, ticket: &Ticket) -> Result<R, Fault> {
    fenced_async(work).await.unwrap_or_else(|panic| {
        ticket.life.meter.panicked();
        ticket.life.end(Exit::Panicked);
        Err(panic)
    })
}

async fn finish_while_wanted<R>(work: Pending<R>, ticket: &Ticket) -> Result<R, Fault> {
    tokio::select! {
        biased;
        fault = ticket.stop().raised() => Err(fault),
        answer = finish(work, ticket) => answer,
    }
}

/// Counts work as running until it is answered or dropped.
struct Begun {
    meter: Arc<Meter>,
    at: Instant,
}

impl Begun {
    fn now(meter: &Arc<Meter>) -> Self {
        meter.running.fetch_add(1, Relaxed);
        Self { meter: Arc::clone(meter), at: Instant::now() }
    }

    /// Answers after everything is given back, so that whoever hears the answer finds a clean tree.
    fn answer<R>(self, reply: oneshot::Sender<Result<R, Fault>>, ticket: Ticket, answer: Result<R, Fault>) {
        self.meter.worked(self.at.elapsed(), &answer);
        drop(ticket);
        drop(self);
        // A requester that left meanwhile is the ordinary case; the answer is dropped with its channel.
        drop(reply.send(answer));
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.meter.running.fetch_sub(1, Relaxed);
    }
}
