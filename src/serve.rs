//! Running the service: bind, start, serve, and stop in order when told to.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App as WebApp, HttpServer, web};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::app::{App, StartError};
use crate::config::{Config, Listener, ServerConfig};
use crate::http::listen::{Bound, SocketFile, bind};
use crate::http::{internal, purge, traffic};
use crate::process;

/// Why the service ended, or never began.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("cannot listen on {address}: {cause}")]
    Bind { address: String, cause: io::Error },
    #[error("cannot start: {0}")]
    Start(#[from] StartError),
    #[error("told to stop twice; what was under way is lost")]
    ToldTwice,
    #[error("the {0} has failed too often; see the log")]
    GivenUp(&'static str),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Hands bound sockets to a server. Gives back the files of unix sockets, which go when they are dropped.
///
/// A macro, since the type of a server has bounds that can only be named through crates behind actix-web.
macro_rules! listen {
    ($server:expr, $sockets:expr) => {{
        let mut server = $server;
        let mut files = Vec::new();
        for socket in $sockets {
            server = match socket {
                Bound::Tcp(socket) => server.listen(socket)?,
                Bound::Unix(socket, file) => {
                    files.push(file);
                    server.listen_uds(socket)?
                }
            };
        }
        Ok((server.run(), files))
    }};
}

/// Serves until SIGTERM or SIGINT. A second signal ends the process at once.
///
/// The exit code is 0 after an orderly stop and 1 after any other end: the service could not start, an actor gave up, or
/// there was no time to stop in order.
pub fn run(config: &Config) -> ExitCode {
    match actix_rt::System::new().block_on(serve(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "mortar ends");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: &Config) -> Result<(), ServeError> {
    let mut signals = Signals::install()?;
    // Bound first: a taken address is said at once, before anything else is begun.
    let outside = bind_all(&config.server.listens)?;
    let inside = bind_all(std::slice::from_ref(&config.server.internal_listen))?;
    let addresses = |sockets: &[Bound]| sockets.iter().map(Bound::address).collect::<Vec<_>>().join(" ");
    let (listening, internal) = (addresses(&outside), addresses(&inside));
    let app = App::start(config).await?;

    let (traffic_server, _traffic_files) = traffic_server(config, &app, outside)?;
    let (internal_server, _internal_files) = internal_server(&app, inside)?;
    let (traffic_handle, internal_handle) = (traffic_server.handle(), internal_server.handle());
    let traffic_task = actix_rt::spawn(traffic_server);
    let internal_task = actix_rt::spawn(internal_server);
    tracing::info!(listening, internal, "mortar is ready");

    let outcome = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping");
            Ok(())
        }
        actor = app.failed() => Err(ServeError::GivenUp(actor)),
    };
    let stop = stop(config, app, &traffic_handle, &internal_handle);
    tokio::select! {
        () = stop => {}
        name = signals.next() => {
            tracing::warn!(signal = name, "ending at once");
            return Err(ServeError::ToldTwice);
        }
    }
    let (traffic_ended, internal_ended) = (traffic_task.await, internal_task.await);
    for ended in [traffic_ended, internal_ended] {
        ended.map_err(io::Error::other)??;
    }
    tracing::info!("stopped");
    outcome
}

/// Not ready, no new connections, running requests end within the grace period, results are flushed, actors stop in
/// reverse order; the internal pages answer until the end.
async fn stop(config: &Config, app: App, traffic: &ServerHandle, internal: &ServerHandle) {
    app.vitals.stopping();
    traffic.stop(true).await;
    app.stop(config).await;
    internal.stop(false).await;
}

fn traffic_server(config: &Config, app: &App, sockets: Vec<Bound>) -> io::Result<(Server, Vec<SocketFile>)> {
    let ServerConfig { workers, max_connections, keep_alive, client_header_timeout, shutdown_grace, .. } =
        config.server.clone();
    let (pictures, s3) = (web::Data::from(Arc::clone(&app.pictures)), web::Data::from(Arc::clone(&app.s3)));
    let (edge, runtimes) = (app.edge.clone(), app.runtimes.clone());
    let server = HttpServer::new(move || {
        runtimes.enrol_current();
        process::answer_promptly();
        let app = WebApp::new().app_data(pictures.clone()).app_data(s3.clone());
        app.wrap(edge.clone()).configure(traffic::configure)
    })
    .workers(workers)
    .max_connections((max_connections / workers.max(1)).max(1))
    .keep_alive(keep_alive)
    .client_request_timeout(client_header_timeout)
    // Small answers are not held back for more; a client that leaves by FIN is noticed as one that leaves by RST is.
    .tcp_nodelay(true)
    .h1_allow_half_closed(false)
    .shutdown_timeout(shutdown_grace.as_secs().max(1))
    .disable_signals();
    listen!(server, sockets)
}

fn internal_server(app: &App, sockets: Vec<Bound>) -> io::Result<(Server, Vec<SocketFile>)> {
    const CONNECTIONS: usize = 64;
    let (vitals, purges) = (web::Data::new(app.vitals.clone()), web::Data::new(app.purges.clone()));
    let pages = move || {
        let pages = WebApp::new().app_data(vitals.clone()).app_data(purges.clone());
        pages.configure(purge::configure).configure(internal::configure)
    };
    let server = HttpServer::new(pages)
        .workers(1)
        .max_connections(CONNECTIONS)
        .client_request_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        .disable_signals();
    listen!(server, sockets)
}

fn bind_all(listeners: &[Listener]) -> Result<Vec<Bound>, ServeError> {
    let bind_one =
        |listener: &Listener| bind(listener).map_err(|cause| ServeError::Bind { address: listener.to_string(), cause });
    listeners.iter().map(bind_one).collect()
}

/// The signals that ask the service to stop, and the one that would end it.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Where files have a limit (`ulimit -f`), a write above it raises SIGXFSZ, which ends a process that does not receive
    /// it. Received, it is passed over, and the write fails by itself.
    _file_too_large: Signal,
}

impl Signals {
    fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _file_too_large: signal(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }

    /// Waits for the next one and names it.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
