//! Stands in for `hyper-tls` under `rusoto_core`, which must have the name of a TLS connector to compile.
//!
//! Mortar sends every S3 request through its own dispatcher over hyper 1 and rustls, so rusoto's HTTP client is never
//! made. With this crate in its place neither OpenSSL nor an old TLS library gets into the tree, and a client that was
//! made by mistake says so instead of talking in plain text.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper::client::HttpConnector;
use hyper::service::Service;
use tokio::net::TcpStream;

/// A connector that never connects.
#[derive(Clone, Debug)]
pub struct HttpsConnector<T>(std::marker::PhantomData<fn() -> T>);

impl HttpsConnector<HttpConnector> {
    /// The connector.
    #[expect(clippy::new_without_default, reason = "the interface is hyper-tls's")]
    pub fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T> Service<Uri> for HttpsConnector<T> {
    type Response = TcpStream;
    type Error = io::Error;
    type Future = Ready<io::Result<TcpStream>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(Err(io::Error::new(io::ErrorKind::Unsupported, "rusoto's own HTTP client is not used")))
    }
}
