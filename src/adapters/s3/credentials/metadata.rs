//! Services that hand credentials to whatever runs on an instance or in a container.

use hyper::Method;
use mortar_actors::Fault;
use serde::Deserialize;

use super::Held;
use super::ask::{Question, unusable};
use super::sources::Sources;
use crate::adapters::s3::listing::moment;

const INSTANCE: &str = "http://169.254.169.254";
const CONTAINER: &str = "http://169.254.170.2";

/// Seconds that a session with the instance metadata service lasts; one lookup needs only a moment of it.
const SESSION_SECONDS: &str = "60";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

/// The credentials of the role of this instance, by version 2 of the protocol; `None` where it is switched off.
pub(super) async fn of_instance(sources: &Sources) -> Result<Option<Held>, Fault> {
    if sources.machine.get("AWS_EC2_METADATA_DISABLED") == Some("true") {
        return Ok(None);
    }
    let base = sources.machine.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(INSTANCE).trim_end_matches('/');
    let session = Question {
        method: Method::PUT,
        url: &format!("{base}/latest/api/token"),
        headers: &[("x-aws-ec2-metadata-token-ttl-seconds", SESSION_SECONDS)],
        body: String::new(),
    };
    let session = session.ask(&sources.client).await?;
    let headers = [("x-aws-ec2-metadata-token", session.as_str())];
    let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
    let role = get(sources, &roles, &headers).await?;
    let role = role.lines().next().unwrap_or_default().trim().to_owned();
    read(&get(sources, &format!("{roles}{role}"), &headers).await?).map(Some)
}

/// The credentials of the task that this container belongs to; `None` where the machine names no place for them.
pub(super) async fn of_container(sources: &Sources) -> Result<Option<Held>, Fault> {
    let machine = &sources.machine;
    let full = || machine.get("AWS_CONTAINER_CREDENTIALS_FULL_URI").map(str::to_owned);
    let relative = machine.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let Some(url) = relative.map(|path| format!("{CONTAINER}{path}")).or_else(full) else { return Ok(None) };
    let token = match machine.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => tokio::fs::read_to_string(file).await.map(Some).map_err(|error| unusable().caused_by(error))?,
        None => machine.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned),
    };
    let headers: Vec<_> = token.iter().map(|token| ("authorization", token.as_str())).collect();
    read(&get(sources, &url, &headers).await?).map(Some)
}

async fn get(sources: &Sources, url: &str, headers: &[(&'static str, &str)]) -> Result<String, Fault> {
    Question { method: Method::GET, url, headers, body: String::new() }.ask(&sources.client).await
}

fn read(json: &str) -> Result<Held, Fault> {
    // The error quotes no value of the text, only what was expected where.
    let told: Told = serde_json::from_str(json).map_err(|error| unusable().caused_by(error))?;
    let held = Held::lasting(&told.access_key_id, &told.secret_access_key, told.token.as_deref());
    Ok(match told.expiration.as_deref().and_then(moment) {
        Some(expires) => held.until(expires),
        None => held,
    })
}
