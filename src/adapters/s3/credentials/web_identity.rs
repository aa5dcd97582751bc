use hyper::Method;
use mortar_actors::Fault;
use url::form_urlencoded::Serializer;

use super::Held;
use super::ask::{Question, unusable};
use super::sources::Sources;
use crate::adapters::s3::listing::moment;
use crate::adapters::s3::refusal::element;

/// Exchanges the token that the platform keeps in a file for credentials of a role; `None` where there is no such token.
pub(super) async fn exchange(sources: &Sources) -> Result<Option<Held>, Fault> {
    let machine = &sources.machine;
    let (Some(file), Some(role)) = (machine.get("AWS_WEB_IDENTITY_TOKEN_FILE"), machine.get("AWS_ROLE_ARN")) else {
        return Ok(None);
    };
    // The platform renews the file, so it is read each time.
    let token = tokio::fs::read_to_string(file).await.map_err(|error| unusable().caused_by(error))?;
    let regional = format!("https://sts.{}.amazonaws.com", sources.region);
    let url = format!("{}/", machine.get("AWS_ENDPOINT_URL_STS").unwrap_or(&regional).trim_end_matches('/'));
    let body = Serializer::new(String::new())
        .append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", role)
        .append_pair("RoleSessionName", machine.get("AWS_ROLE_SESSION_NAME").unwrap_or("mortar"))
        .append_pair("WebIdentityToken", token.trim())
        .finish();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let question = Question { method: Method::POST, url: &url, headers: &headers, body };
    let answer = question.ask(&sources.client).await?;
    read(&answer).ok_or_else(unusable).map(Some)
}

fn read(answer: &str) -> Option<Held> {
    let token = element(answer, "SessionToken")?;
    let held = Held::lasting(element(answer, "AccessKeyId")?, element(answer, "SecretAccessKey")?, Some(token));
    Some(held.until(moment(element(answer, "Expiration")?)?))
}
