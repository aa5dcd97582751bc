use std::sync::Arc;

use super::LockSettings;
use super::errand::Errand;
use super::flight::{Flight, NoSeat, Seat};
use super::leased::Leased;
use super::roll::Roll;
use crate::epoch::Epochs;
use crate::fault::{Fault, FaultKind};
use crate::gate::Gate;
use crate::handle::Ask;
use crate::host::{Serve, State, Work};
use crate::ticket::Ticket;
use crate::vocab::{Deadline, Key};

/// The actor's state: the one that starts flights, so that no key ever gets two by accident.
pub(crate) struct Lock<T> {
    settings: LockSettings,
    flights: Gate,
    lease: Arc<Leased>,
    epochs: Epochs,
    roll: Arc<Roll<T>>,
}

/// Asks for a seat on the flight for a key.
pub(super) struct Join<T> {
    pub(super) key: Key,
    pub(super) errand: Errand<T>,
}

impl<T: Clone + Send + Sync + 'static> Ask for Join<T> {
    type Reply = Seat<T>;
}

impl<T: Clone + Send + Sync + 'static> Lock<T> {
    pub(super) fn new(
        settings: LockSettings,
        flights: Gate,
        lease: Arc<Leased>,
        epochs: Epochs,
        roll: Arc<Roll<T>>,
    ) -> Self {
        roll.strike_out_ended();
        Self { settings, flights, lease, epochs, roll }
    }

    fn join(&self, key: Key, errand: Errand<T>) -> Result<Seat<T>, Fault> {
        // What a flight under an ended epoch makes is for those who asked before its original was replaced.
        if let Some(flight) = self.roll.find(&key).filter(|flight| !flight.is_outdated()) {
            match flight.sit(self.settings.max_waiters_per_key) {
                Ok(seat) => {
                    self.roll.joined();
                    return Ok(seat);
                }
                Err(NoSeat::Full) => return Err(Fault::new(FaultKind::Overloaded, "too many wait for this picture")),
                Err(NoSeat::Ending) => {}
            }
        }
        let permit = self.flights.try_enter(1)?;
        let epoch = self.epochs.enter(&key);
        let (flight, seat) = Flight::new(key, epoch, Deadline::within(self.settings.flight_timeout));
        self.roll.enter(&flight);
        let (lease, epochs, roll) = (Arc::clone(&self.lease), self.epochs.clone(), Arc::clone(&self.roll));
        drop(tokio::spawn(flight.run(errand, lease, epochs, roll, permit)));
        Ok(seat)
    }
}

impl<T: Clone + Send + Sync + 'static> State for Lock<T> {}

impl<T: Clone + Send + Sync + 'static> Serve<Join<T>> for Lock<T> {
    fn serve(&mut self, Join { key, errand }: Join<T>, _ticket: &Ticket) -> Work<Seat<T>> {
        Work::Done(self.join(key, errand))
    }
}
