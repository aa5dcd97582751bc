use std::time::Duration;

use mortar_actors::{Fault, FaultKind};

use super::{Held, metadata, profile, web_identity};
use crate::adapters::http_client::GuardedClient;
use crate::config::{AwsEnvironment, CredentialSource};

/// A file is read again after this time, so that new keys in it are noticed.
const FILE_HOLDS: Duration = Duration::from_secs(600);

/// Where credentials are looked for.
pub(super) struct Sources {
    source: CredentialSource,
    pub(super) machine: AwsEnvironment,
    pub(super) region: String,
    pub(super) client: GuardedClient,
}

impl Sources {
    pub(super) fn new(
        source: CredentialSource,
        machine: AwsEnvironment,
        region: String,
        client: GuardedClient,
    ) -> Self {
        Self { source, machine, region, client }
    }

    /// Looks once. `None` only where every place of the automatic search is empty.
    pub(super) async fn find(&self) -> Result<Option<Held>, Fault> {
        let found = match &self.source {
            CredentialSource::Static(keys) => {
                let token = keys.session_token.as_deref();
                Some(Held::lasting(&keys.access_key, &keys.secret_access_key, token))
            }
            CredentialSource::Automatic => return self.first_found().await,
            CredentialSource::Environment => self.environment(),
            CredentialSource::Profile(name) => self.profile(name.as_deref()).await?,
            CredentialSource::WebIdentity => web_identity::exchange(self).await?,
            CredentialSource::Container => metadata::of_container(self).await?,
            CredentialSource::Instance => metadata::of_instance(self).await?,
        };
        let missing = || Fault::new(FaultKind::Upstream, "there are no credentials where the storage says");
        found.ok_or_else(missing).map(Some)
    }

    /// A place that has something but fails ends the search: signing in another name would hide it.
    async fn first_found(&self) -> Result<Option<Held>, Fault> {
        if let Some(held) = self.environment() {
            return Ok(Some(held));
        }
        if let Some(held) = web_identity::exchange(self).await? {
            return Ok(Some(held));
        }
        if let Some(held) = self.profile(None).await? {
            return Ok(Some(held));
        }
        if let Some(held) = metadata::of_container(self).await? {
            return Ok(Some(held));
        }
        // Most machines are no instance, which shows only in that nobody answers.
        match metadata::of_instance(self).await {
            Ok(held) => Ok(held),
            Err(fault) => {
                tracing::debug!(%fault, "this machine is no instance with credentials");
                Ok(None)
            }
        }
    }

    fn environment(&self) -> Option<Held> {
        let access_key = self.machine.get("AWS_ACCESS_KEY_ID")?;
        let secret = self.machine.get("AWS_SECRET_ACCESS_KEY")?;
        Some(Held::lasting(access_key, secret, self.machine.get("AWS_SESSION_TOKEN")))
    }

    async fn profile(&self, name: Option<&str>) -> Result<Option<Held>, Fault> {
        let Some(file) = self.machine.credentials_file() else { return Ok(None) };
        let name = name.or_else(|| self.machine.get("AWS_PROFILE")).unwrap_or("default");
        let text = match tokio::fs::read_to_string(&file).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Fault::new(FaultKind::Upstream, "the credentials file cannot be read").caused_by(error));
            }
        };
        Ok(profile::keys(&text, name).map(|held| held.holding(FILE_HOLDS)))
    }
}
