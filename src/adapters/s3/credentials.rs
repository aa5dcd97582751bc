//! Whose name requests are signed in: found where the storage says, kept, and renewed before it expires.

mod ask;
mod metadata;
mod profile;
mod sources;
mod web_identity;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use mortar_actors::{Fault, FaultKind};
use rusoto_core::credential::AwsCredentials;
use tokio::time::Instant;

use self::sources::Sources;
use crate::adapters::http_client::GuardedClient;
use crate::config::{AwsEnvironment, CredentialSource};

/// Credentials are renewed this long before they expire; those that still hold serve meanwhile.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// How long it is taken for granted that the machine has none.
const NONE_HOLDS: Duration = Duration::from_secs(600);

/// After a failure, those who waited for the same credentials hear of it instead of trying one after the other.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);

/// The credentials of one storage. They are fetched by one caller at a time.
pub(super) struct Credentials {
    sources: Sources,
    held: Mutex<Option<Held>>,
    turn: tokio::sync::Mutex<Option<(Instant, Fault)>>,
}

/// Credentials, or that there are none, and the moment from which on that no longer holds.
///
/// The time of day is asked once, when they are found: how long they hold after that is counted in seconds, so that a clock
/// that is set back does not keep them, and one that is set ahead does not drop them.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) keys: Option<AwsCredentials>,
    expires: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Fresh,
    /// They hold, but not for long.
    Expiring,
    Expired,
}

impl Credentials {
    pub(super) fn new(
        source: CredentialSource,
        machine: AwsEnvironment,
        region: String,
        client: GuardedClient,
    ) -> Self {
        Self {
            sources: Sources::new(source, machine, region, client),
            held: Mutex::default(),
            turn: Default::default(),
        }
    }

    /// Those to sign with now; `None` where the machine has none, and requests go unsigned.
    ///
    /// # Errors
    /// `Upstream` or `TimedOut` when they cannot be fetched and none are left.
    pub(super) async fn current(&self) -> Result<Option<AwsCredentials>, Fault> {
        match self.held() {
            (Some(held), Freshness::Fresh) => return Ok(held.keys),
            (Some(held), Freshness::Expiring) => {
                let Ok(mut turn) = self.turn.try_lock() else { return Ok(held.keys) };
                let renewed = self.renew(&mut turn).await.ok().filter(|renewed| renewed.keys.is_some());
                return Ok(renewed.unwrap_or(held).keys);
            }
            _ => {}
        }
        let mut turn = self.turn.lock().await;
        match self.held() {
            (Some(held), Freshness::Fresh | Freshness::Expiring) => Ok(held.keys),
            _ => Ok(self.renew(&mut turn).await?.keys),
        }
    }

    /// Lets go of credentials that the endpoint no longer takes, unless newer ones are held by now.
    pub(super) fn forget(&self, refused: &AwsCredentials) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |keys: &AwsCredentials| {
            keys.aws_access_key_id() == refused.aws_access_key_id() && keys.token() == refused.token()
        };
        if held.as_ref().and_then(|held| held.keys.as_ref()).is_some_and(is_same) {
            *held = None;
        }
    }

    fn held(&self) -> (Option<Held>, Freshness) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let freshness = held.as_ref().map_or(Freshness::Expired, Held::freshness);
        (held, freshness)
    }

    async fn renew(&self, turn: &mut Option<(Instant, Fault)>) -> Result<Held, Fault> {
        if let Some((since, fault)) = turn.as_ref()
            && since.elapsed() < FAILURE_HOLDS
        {
            return Err(fault.clone());
        }
        let found = self.sources.find().await;
        *turn = None;
        match found {
            Ok(found) => {
                let held = found.unwrap_or_else(Held::nothing);
                *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held.clone());
                Ok(held)
            }
            Err(fault) => {
                tracing::warn!(
                    error = &fault as &dyn std::error::Error,
                    "the credentials of a storage cannot be fetched"
                );
                let fault = Fault::new(FaultKind::Upstream, "the storage has no valid credentials").caused_by(fault);
                *turn = Some((Instant::now(), fault.clone()));
                Err(fault)
            }
        }
    }
}

impl Held {
    pub(super) fn lasting(access_key: &str, secret: &str, token: Option<&str>) -> Self {
        let keys = AwsCredentials::new(access_key, secret, token.map(str::to_owned), None);
        Self { keys: Some(keys), expires: None }
    }

    /// That there are none; looking for them asks the network, so it is not done for each request.
    fn nothing() -> Self {
        Self { keys: None, expires: None }.holding(NONE_HOLDS)
    }

    /// The same, to be looked up again at that moment, as the clock shows it now.
    pub(super) fn until(self, expires: SystemTime) -> Self {
        self.holding(expires.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// The same, to be looked up again after that time.
    pub(super) fn holding(self, time: Duration) -> Self {
        Self { expires: Instant::now().checked_add(time), ..self }
    }

    fn freshness(&self) -> Freshness {
        let Some(expires) = self.expires else { return Freshness::Fresh };
        match expires.saturating_duration_since(Instant::now()) {
            left if left > RENEW_BEFORE => Freshness::Fresh,
            left if !left.is_zero() => Freshness::Expiring,
            _ => Freshness::Expired,
        }
    }
}

#[cfg(test)]
mod tests;
