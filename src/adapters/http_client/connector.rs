use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::Uri;
use hyper_rustls::{ConfigBuilderExt, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use mortar_actors::{Fault, FaultKind};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::address::AddressPolicy;
use crate::config::OriginConfig;

/// Addresses of one name that are tried at most.
const MAX_ATTEMPTS: usize = 4;

/// Makes connections: resolves the name, checks each address, and connects to exactly what it checked. A name that
/// resolves differently a moment later therefore gains nothing.
#[derive(Clone)]
pub(super) struct GuardedConnector {
    limits: Arc<Limits>,
    tls: TlsConnector,
}

struct Limits {
    policy: AddressPolicy,
    connect: Duration,
    tls: Duration,
}

impl GuardedConnector {
    pub(super) fn new(config: &OriginConfig) -> Self {
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions of TLS")
            .with_webpki_roots()
            .with_no_client_auth();
        Self::with_tls(config, tls)
    }

    fn with_tls(config: &OriginConfig, tls: ClientConfig) -> Self {
        let limits = Limits {
            policy: AddressPolicy::allowing(config.allow_networks.clone()),
            connect: config.connect_timeout,
            tls: config.tls_timeout,
        };
        Self { limits: Arc::new(limits), tls: TlsConnector::from(Arc::new(tls)) }
    }

    async fn connect(self, uri: Uri) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, Fault> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let is_https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let tcp = TokioIo::new(self.limits.dial(host, port).await?);
        if !is_https {
            return Ok(MaybeHttpsStream::Http(tcp));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| unreachable().caused_by(error))?;
        match timeout(self.limits.tls, self.tls.connect(name, TokioIo::new(tcp))).await {
            Ok(Ok(tls)) => Ok(MaybeHttpsStream::Https(TokioIo::new(tls))),
            Ok(Err(error)) => {
                Err(Fault::new(FaultKind::Upstream, "the origin's TLS handshake failed").caused_by(error))
            }
            Err(_) => Err(Fault::new(FaultKind::TimedOut, "the origin's TLS handshake took too long")),
        }
    }
}

impl Limits {
    /// Connects to the first address of `host` that may be reached and answers.
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, Fault> {
        let resolved = self.resolve(host, port).await?;
        let permitted: Vec<_> = resolved.into_iter().filter(|address| self.policy.permits(address.ip())).collect();
        let mut failure = Fault::new(FaultKind::Forbidden, "this address may not be reached");
        for address in permitted.into_iter().take(MAX_ATTEMPTS) {
            failure = match timeout(self.connect, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    tcp.set_nodelay(true).map_err(|error| unreachable().caused_by(error))?;
                    return Ok(tcp);
                }
                Ok(Err(error)) => unreachable().caused_by(error),
                Err(_) => Fault::new(FaultKind::TimedOut, "the origin could not be connected in time"),
            };
        }
        Err(failure)
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        match timeout(self.connect, tokio::net::lookup_host((host, port))).await {
            Ok(Ok(addresses)) => {
                let addresses: Vec<_> = addresses.collect();
                if addresses.is_empty() { Err(unreachable()) } else { Ok(addresses) }
            }
            Ok(Err(error)) => Err(unreachable().caused_by(error)),
            Err(_) => Err(Fault::new(FaultKind::TimedOut, "the origin's name could not be resolved in time")),
        }
    }
}

impl Service<Uri> for GuardedConnector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Self::Response, Fault>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        self.clone().connect(uri).boxed()
    }
}

impl fmt::Debug for GuardedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedConnector").field("policy", &self.limits.policy).finish_non_exhaustive()
    }
}

fn unreachable() -> Fault {
    Fault::new(FaultKind::Upstream, "the origin cannot be reached")
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{RootCertStore, ServerConfig};
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A TLS server for the name `localhost`, and its certificate.
    async fn server() -> (u16, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                if let Ok(mut tls) = acceptor.accept(tcp).await {
                    let _ = tls.read_u8().await;
                }
            }
        });
        (port, certificate)
    }

    fn config() -> OriginConfig {
        let patience = Duration::from_secs(20);
        OriginConfig {
            connect_timeout: patience,
            tls_timeout: patience,
            first_byte_timeout: patience,
            idle_body_timeout: patience,
            max_redirects: 0,
            allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
            idle_connections_per_host: 1,
            max_body_bytes: 1,
        }
    }

    fn trusting(certificate: CertificateDer<'static>) -> GuardedConnector {
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        GuardedConnector::with_tls(&config(), tls)
    }

    async fn connect(connector: &GuardedConnector, host: &str, port: u16) -> Result<bool, FaultKind> {
        let uri = format!("https://{host}:{port}/").parse().unwrap();
        let stream = connector.clone().call(uri).await.map_err(|fault| fault.kind())?;
        Ok(matches!(stream, MaybeHttpsStream::Https(_)))
    }

    #[tokio::test]
    async fn a_trusted_server_is_connected_by_tls_under_its_own_name_only() {
        let (port, certificate) = server().await;
        let connector = trusting(certificate);
        assert_eq!(connect(&connector, "localhost", port).await, Ok(true));
        assert_eq!(connect(&connector, "127.0.0.1", port).await, Err(FaultKind::Upstream));
    }

    #[tokio::test]
    async fn a_server_that_nobody_vouches_for_is_refused() {
        let (port, _) = server().await;
        let connector = GuardedConnector::new(&config());
        assert_eq!(connect(&connector, "localhost", port).await, Err(FaultKind::Upstream));
    }
}
