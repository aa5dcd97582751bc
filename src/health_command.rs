//! `mortar health`: asks a running instance how it is, for container health checks in images without a shell.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use actix_web::http::StatusCode;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};

use crate::cli::HealthArgs;
use crate::config::Listener;

/// Connecting, asking and reading together. An instance that needs longer for these pages is not well.
const PATIENCE: Duration = Duration::from_secs(4);

/// The pages are far smaller.
const MAX_BODY_BYTES: usize = 64 << 10;

/// Why the instance does not count as well.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The configuration lets the system choose the port, so nobody can know it.
    #[error("server.internal_listen has port 0, which cannot be asked")]
    NoPort,
    /// Nobody listens there, or the conversation broke off.
    #[error("no answer from {address}: {source}")]
    Unreachable {
        /// Who was asked.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The page was answered with another status than 200.
    #[error("{address} answered {status}{reasons}")]
    Unwell {
        /// Who was asked.
        address: String,
        /// What it answered.
        status: u16,
        /// What `/ready` names, after a colon; empty where there is nothing.
        reasons: String,
    },
}

/// Asks the internal listener of the instance that runs with the same configuration on this machine, and gives back the
/// one word to print.
///
/// # Errors
/// The instance does not answer within a few seconds, or says that it is not well.
pub fn run(args: &HealthArgs, internal: &Listener) -> Result<&'static str, HealthError> {
    let (page, word) = if args.ready { ("/ready", "ready") } else { ("/health", "alive") };
    let target = reachable(internal).ok_or(HealthError::NoPort)?;
    let unreachable = |source| HealthError::Unreachable { address: target.to_string(), source };
    let (status, body) = actix_rt::System::new().block_on(ask_in_time(&target, page)).map_err(unreachable)?;
    if status == StatusCode::OK.as_u16() {
        return Ok(word);
    }
    Err(HealthError::Unwell { address: target.to_string(), status, reasons: reasons(&body) })
}

/// Where a listener is reached from its own machine: one that listens everywhere is asked on loopback.
fn reachable(listener: &Listener) -> Option<Listener> {
    let Listener::Tcp(address) = listener else { return Some(listener.clone()) };
    let host = match address.ip() {
        IpAddr::V4(host) if host.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(host) if host.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        host => host,
    };
    (address.port() != 0).then(|| Listener::Tcp(SocketAddr::new(host, address.port())))
}

async fn ask_in_time(target: &Listener, page: &str) -> io::Result<(u16, Bytes)> {
    let conversation = async {
        match target {
            Listener::Tcp(address) => ask(TokioIo::new(TcpStream::connect(address).await?), page).await,
            Listener::Unix(path) => ask(TokioIo::new(UnixStream::connect(path).await?), page).await,
        }
    };
    tokio::time::timeout(PATIENCE, conversation).await?
}

/// One request over a fresh connection: the status and the body.
async fn ask<Io>(io: Io, page: &str) -> io::Result<(u16, Bytes)>
where
    Io: Read + Write + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(io).await.map_err(io::Error::other)?;
    // It ends when the sender is dropped; what goes wrong in it is told by the sender.
    actix_rt::spawn(connection);
    let request =
        Request::get(page).header("host", "localhost").body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_BODY_BYTES).collect().await.map_err(io::Error::other)?;
    Ok((status, body.to_bytes()))
}

/// The reasons in the body of `/ready`, as the end of a sentence.
fn reasons(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let reasons: Vec<&str> = body["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str) -> Listener {
        Listener::Tcp(address.parse().unwrap())
    }

    #[test]
    fn an_instance_that_listens_everywhere_is_asked_on_loopback() {
        assert_eq!(reachable(&tcp("0.0.0.0:8081")), Some(tcp("127.0.0.1:8081")));
        assert_eq!(reachable(&tcp("[::]:8081")), Some(tcp("[::1]:8081")));
        assert_eq!(reachable(&tcp("10.1.2.3:8081")), Some(tcp("10.1.2.3:8081")));
        let socket = Listener::Unix("/run/mortar.sock".into());
        assert_eq!(reachable(&socket), Some(socket));
    }

    #[test]
    fn a_port_that_the_system_chooses_is_refused() {
        let told = run(&HealthArgs { ready: false }, &tcp("127.0.0.1:0")).unwrap_err().to_string();
        assert!(told.contains("server.internal_listen"), "{told}");
    }

    #[test]
    fn reasons_end_the_sentence_and_other_bodies_add_nothing() {
        assert_eq!(reasons(br#"{"ready":false,"reasons":["one","two"]}"#), ": one; two");
        assert_eq!(reasons(br#"{"ready":false,"reasons":[]}"#), "");
        assert_eq!(reasons(b"<html>"), "");
    }
}
