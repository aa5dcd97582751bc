use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use chrono::{DateTime, Utc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::config::OriginConfig;

/// Answers every request by its head and body; counts them.
async fn service(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let (answer, counted) = (Arc::new(answer), Arc::clone(&asked));
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let (answer, counted) = (Arc::clone(&answer), Arc::clone(&counted));
            tokio::spawn(async move {
                let mut request = vec![0; 16 * 1024];
                let length = connection.read(&mut request).await.unwrap();
                counted.fetch_add(1, SeqCst);
                let body = answer(std::str::from_utf8(&request[..length]).unwrap());
                let (status, body) = if body.is_empty() { ("500 Oops", "") } else { ("200 OK", body.as_str()) };
                let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            });
        }
    });
    (address, asked)
}

fn credentials(source: CredentialSource, machine: &[(&str, &str)]) -> Credentials {
    let patience = Duration::from_secs(20);
    let client = GuardedClient::new(&OriginConfig {
        connect_timeout: patience,
        tls_timeout: patience,
        first_byte_timeout: patience,
        idle_body_timeout: patience,
        max_redirects: 0,
        allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
        idle_connections_per_host: 0,
        max_body_bytes: 1,
    });
    let machine: HashMap<_, _> =
        machine.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Credentials::new(source, AwsEnvironment::of(&machine), "us-east-1".to_owned(), client)
}

async fn key_of(credentials: &Credentials) -> Option<String> {
    credentials.current().await.unwrap().map(|keys| keys.aws_access_key_id().to_owned())
}

fn moment_in(seconds: u64) -> String {
    DateTime::<Utc>::from(SystemTime::now() + Duration::from_secs(seconds)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn json(key: &str, lasting: u64) -> String {
    let expiration = moment_in(lasting);
    format!(
        r#"{{"Code":"Success","AccessKeyId":"{key}","SecretAccessKey":"s","Token":"t","Expiration":"{expiration}"}}"#
    )
}

#[tokio::test]
async fn the_environment_comes_before_everything_else() {
    let machine = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_ROLE_ARN", "arn")];
    assert_eq!(key_of(&credentials(CredentialSource::Automatic, &machine)).await.as_deref(), Some("ENV"));
}

#[tokio::test]
async fn a_machine_without_any_signs_nothing_and_a_named_place_without_any_is_a_fault() {
    let machine = [("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nowhere/at/all")];
    assert_eq!(key_of(&credentials(CredentialSource::Automatic, &machine)).await, None);
    for source in [CredentialSource::Environment, CredentialSource::Profile(None), CredentialSource::WebIdentity] {
        let fault = credentials(source, &machine).current().await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Upstream);
    }
}

#[tokio::test]
async fn that_a_machine_has_none_is_found_out_once() {
    let (address, asked) = service(|_| String::new()).await;
    let machine = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", address.as_str()), ("HOME", "/nowhere/at/all")];
    let credentials = credentials(CredentialSource::Automatic, &machine);
    assert_eq!(key_of(&credentials).await, None);
    let first = asked.load(SeqCst);
    assert_eq!(key_of(&credentials).await, None);
    assert_eq!(asked.load(SeqCst), first);
}

#[tokio::test]
async fn an_instance_is_asked_in_a_session_of_its_own() {
    let (address, _) = service(|request| match request.lines().next().unwrap_or_default() {
        "PUT /latest/api/token HTTP/1.1" if request.contains("x-aws-ec2-metadata-token-ttl-seconds") => {
            "session".into()
        }
        _ if !request.contains("x-aws-ec2-metadata-token: session") => String::new(),
        "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1" => "the-role\n".into(),
        "GET /latest/meta-data/iam/security-credentials/the-role HTTP/1.1" => json("INSTANCE", 7200),
        _ => String::new(),
    })
    .await;
    let machine = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", address.as_str())];
    let held = credentials(CredentialSource::Instance, &machine).current().await.unwrap().unwrap();
    assert_eq!((held.aws_access_key_id(), held.token().as_deref()), ("INSTANCE", Some("t")));
}

#[tokio::test]
async fn a_container_is_asked_with_its_token() {
    let (address, _) = service(|request| match request.contains("authorization: pass") {
        true => json("CONTAINER", 7200),
        false => String::new(),
    })
    .await;
    let url = format!("{address}/credentials");
    let machine = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pass")];
    assert_eq!(key_of(&credentials(CredentialSource::Automatic, &machine)).await.as_deref(), Some("CONTAINER"));
}

#[tokio::test]
async fn a_token_of_the_platform_is_exchanged_for_a_role() {
    let (address, _) = service(|request| {
        let is_exchange = request.contains("Action=AssumeRoleWithWebIdentity")
            && request.contains("WebIdentityToken=the%2Ftoken")
            && request.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx");
        let credentials = format!(
            "<AccessKeyId>WEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
             <Expiration>{}</Expiration>",
            moment_in(3600)
        );
        if is_exchange { format!("<AssumeRoleWithWebIdentityResponse>{credentials}</…>") } else { String::new() }
    })
    .await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "the/token\n").unwrap();
    let machine = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path().to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
        ("AWS_ENDPOINT_URL_STS", &address),
    ];
    assert_eq!(key_of(&credentials(CredentialSource::Automatic, &machine)).await.as_deref(), Some("WEB"));
}

/// Credentials of a container whose answers last for so many seconds, one after the other.
async fn lasting(seconds: &'static [u64]) -> (Credentials, Arc<AtomicUsize>) {
    let turn = AtomicUsize::new(0);
    let (address, asked) = service(move |_| {
        let turn = turn.fetch_add(1, SeqCst);
        seconds.get(turn).map(|lasting| json(&format!("KEY{turn}"), *lasting)).unwrap_or_default()
    })
    .await;
    let machine = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", address.as_str())];
    (credentials(CredentialSource::Container, &machine), asked)
}

#[tokio::test]
async fn many_callers_fetch_them_once() {
    let (credentials, asked) = lasting(&[7200]).await;
    let keys = futures::future::join_all((0..50).map(|_| key_of(&credentials))).await;
    assert!(keys.iter().all(|key| key.as_deref() == Some("KEY0")));
    assert_eq!(asked.load(SeqCst), 1);
}

#[tokio::test]
async fn they_are_renewed_before_they_expire_and_serve_until_then() {
    let (credentials, asked) = lasting(&[60, 7200]).await;
    assert_eq!(key_of(&credentials).await.as_deref(), Some("KEY0"));
    assert_eq!(key_of(&credentials).await.as_deref(), Some("KEY1"), "a minute is too close to the end");
    assert_eq!(key_of(&credentials).await.as_deref(), Some("KEY1"));
    assert_eq!(asked.load(SeqCst), 2);

    let (credentials, _) = lasting(&[60]).await;
    assert_eq!(key_of(&credentials).await.as_deref(), Some("KEY0"));
    assert_eq!(key_of(&credentials).await.as_deref(), Some("KEY0"), "the renewal fails, and they still hold");
}

#[tokio::test]
async fn a_failure_is_told_to_all_who_waited_and_not_repeated_for_each() {
    let (credentials, asked) = lasting(&[]).await;
    let faults = futures::future::join_all((0..50).map(|_| credentials.current())).await;
    assert!(faults.iter().all(|fault| fault.as_ref().is_err_and(|fault| fault.kind() == FaultKind::Upstream)));
    assert!(asked.load(SeqCst) < 5, "{} questions", asked.load(SeqCst));
}

#[tokio::test]
async fn those_that_were_refused_are_fetched_anew() {
    let (credentials, _) = lasting(&[7200, 7200]).await;
    let refused = credentials.current().await.unwrap().unwrap();
    credentials.forget(&refused);
    assert_eq!(key_of(&credentials).await.as_deref(), Some("KEY1"));
    credentials.forget(&refused);
    assert_eq!(key_of(&credentials).await.as_deref(), Some("KEY1"), "the new ones have not been refused");
}

/// The time of day stands still here, as if it were set back again and again.
#[tokio::test(start_paused = true)]
async fn they_grow_old_by_seconds_whatever_the_time_of_day() {
    let held = Held::lasting("KEY", "s", None).until(SystemTime::now() + Duration::from_secs(3600));
    for (minutes, expected) in [(0, Freshness::Fresh), (50, Freshness::Fresh), (7, Freshness::Expiring)] {
        tokio::time::advance(Duration::from_secs(60 * minutes)).await;
        assert!(held.freshness() == expected, "after {minutes} minutes more");
    }
    tokio::time::advance(Duration::from_secs(180)).await;
    assert!(held.freshness() == Freshness::Expired);
    let past = Held::lasting("KEY", "s", None).until(SystemTime::now() - Duration::from_secs(1));
    assert!(past.freshness() == Freshness::Expired);
}
