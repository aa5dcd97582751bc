use std::time::Duration;

use rusoto_core::Region;
use rusoto_core::signature::SignedRequest;
use url::{Host, Url};

use super::credentials::Credentials;
use crate::adapters::http_client::GuardedClient;
use crate::config::{OriginConfig, S3Config, S3StorageConfig};

/// Where a bucket is reached, by whom, and how patiently.
pub(super) struct Endpoint {
    pub(super) bucket: String,
    pub(super) region: Region,
    /// Stands for `host/bucket` where the bucket is part of the host's name.
    virtual_host: Option<String>,
    pub(super) client: GuardedClient,
    pub(super) credentials: Credentials,
    pub(super) patience: Patience,
}

/// The limits of one exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the last byte sent, or taken, to the answer's headers.
    pub(super) first_byte: Duration,
    /// Between two chunks of the answer's body.
    pub(super) idle_body: Duration,
    /// Times that one request is sent at most.
    pub(super) attempts: u32,
    /// The longest wait before the second time; it doubles.
    pub(super) backoff: Duration,
}

impl Endpoint {
    pub(super) fn new(bucket: &str, storage: &S3StorageConfig, config: &S3Config) -> Self {
        let address = storage.endpoint.as_ref().map_or_else(
            || format!("https://s3.{}.amazonaws.com", storage.region),
            |endpoint| endpoint.origin().ascii_serialization(),
        );
        let client = client(config);
        let credentials = Credentials::new(
            storage.credentials.clone(),
            config.machine.clone(),
            storage.region.clone(),
            client.clone(),
        );
        Self {
            bucket: bucket.to_owned(),
            virtual_host: (!storage.path_style).then(|| virtual_host(&address, bucket)).flatten(),
            region: Region::Custom { name: storage.region.clone(), endpoint: address },
            client,
            credentials,
            patience: Patience {
                first_byte: config.first_byte_timeout,
                idle_body: config.idle_body_timeout,
                attempts: config.attempts,
                backoff: config.backoff,
            },
        }
    }

    /// Rusoto names the bucket in the path; here it moves to the host where the storage wants it there.
    pub(super) fn place(&self, request: &mut SignedRequest) {
        place(request, &self.bucket, self.virtual_host.as_deref());
    }
}

fn place(request: &mut SignedRequest, bucket: &str, virtual_host: Option<&str>) {
    let Some(host) = virtual_host else { return };
    let Some(path) = request.path.strip_prefix('/').and_then(|path| path.strip_prefix(bucket)) else { return };
    request.path = if path.is_empty() { "/".to_owned() } else { path.to_owned() };
    request.set_hostname(Some(host.to_owned()));
}

/// The guarded client with nothing guarded: any network may be reached.
fn client(config: &S3Config) -> GuardedClient {
    GuardedClient::new(&OriginConfig {
        connect_timeout: config.connect_timeout,
        tls_timeout: config.tls_timeout,
        first_byte_timeout: config.first_byte_timeout,
        idle_body_timeout: config.idle_body_timeout,
        max_redirects: 0,
        allow_networks: vec![ipnet::Ipv4Net::default().into(), ipnet::Ipv6Net::default().into()],
        idle_connections_per_host: config.idle_connections,
        max_body_bytes: u64::MAX,
    })
}

/// `None` where the address is a number: no name can stand before it.
fn virtual_host(address: &str, bucket: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    let Some(Host::Domain(host)) = url.host() else { return None };
    Some(match url.port() {
        Some(port) => format!("{bucket}.{host}:{port}"),
        None => format!("{bucket}.{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Host and path of a request for the key `a//b`.
    fn placed(address: &str, path_style: bool) -> (String, String) {
        let virtual_host = (!path_style).then(|| virtual_host(address, "photos")).flatten();
        let region = Region::Custom { name: "r".to_owned(), endpoint: address.to_owned() };
        let mut request = SignedRequest::new("GET", "s3", &region, "/photos/a//b");
        place(&mut request, "photos", virtual_host.as_deref());
        (request.hostname(), request.path)
    }

    #[test]
    fn the_bucket_stands_in_the_path_or_in_the_host() {
        let expected = |host: &str, path: &str| (host.to_owned(), path.to_owned());
        assert_eq!(placed("http://minio:9000", true), expected("minio:9000", "/photos/a//b"));
        assert_eq!(placed("http://minio:9000", false), expected("photos.minio:9000", "/a//b"));
        assert_eq!(placed("https://s3.r.amazonaws.com", false), expected("photos.s3.r.amazonaws.com", "/a//b"));
        assert_eq!(
            placed("http://10.0.0.1:9000", false),
            expected("10.0.0.1:9000", "/photos/a//b"),
            "no name before a number"
        );
    }
}
