//! An S3 client that signs as it is told, right or wrong.

use std::io::Read;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use s3s::dto::{Timestamp, TimestampFormat};
use sha2::{Digest, Sha256};
use ureq::http::Request;

use super::{Answer, Mortar, agent};

/// The key that [`KEYS`] has for writers.
pub const WRITER: (&str, &str) = ("writer", "writer's secret");
/// The key that [`KEYS`] has for readers.
pub const READER: (&str, &str) = ("reader", "reader's secret");

/// A bucket `remote` at an S3 endpoint with those keys, which [`WRITER`] may write.
pub fn s3_bucket(endpoint: &str, keys: (&str, &str)) -> String {
    s3_storage("remote", "basic", endpoint, keys) + &key_of_writer("remote")
}

/// A storage of a bucket at an S3 endpoint with those keys.
pub fn s3_storage(
    bucket: &str,
    storage: &str,
    endpoint: &str,
    (access_key, secret_access_key): (&str, &str),
) -> String {
    format!(
        r#"
[buckets.{bucket}.storages.{storage}]
kind = "s3"
endpoint = "{endpoint}"
bucket = "photos"
access_key = "{access_key}"
secret_access_key = "{secret_access_key}"
"#
    )
}

/// The key by which [`WRITER`] may write a bucket.
pub fn key_of_writer(bucket: &str) -> String {
    let (access_key, secret_access_key) = WRITER;
    format!("[[buckets.{bucket}.keys]]\naccess_key = \"{access_key}\"\nsecret_access_key = \"{secret_access_key}\"\n")
}

/// Keys for the bucket `media`, and another bucket that has none.
pub const KEYS: &str = r#"
[[buckets.media.keys]]
access_key = "writer"
secret_access_key = "writer's secret"
[[buckets.media.keys]]
access_key = "reader"
secret_access_key = "reader's secret"
read_only = true
[buckets.other.storages.basic]
kind = "local-meta"
root_path = "{root}"
"#;

/// What `x-amz-content-sha256` says of a body that is not signed.
pub const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// How requests are signed.
#[derive(Clone)]
pub struct Signer {
    pub key: (&'static str, &'static str),
    pub region: &'static str,
    pub at: SystemTime,
}

/// A signed request, not yet sent.
#[derive(Clone)]
pub struct Signed {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// The signature, for the chunks that follow.
    pub seed: String,
    pub scope: String,
    pub time: String,
    pub signing_key: Vec<u8>,
}

impl Signer {
    pub fn new(key: (&'static str, &'static str)) -> Self {
        Self { key, region: "us-east-1", at: SystemTime::now() }
    }

    pub fn in_region(self, region: &'static str) -> Self {
        Self { region, ..self }
    }

    pub fn ago(self, time: Duration) -> Self {
        Self { at: self.at - time, ..self }
    }

    /// Signs a request with a header. `path` has its query and stands as it is to be sent; `content` is what
    /// `x-amz-content-sha256` says.
    pub fn sign(&self, mortar: &Mortar, method: &str, path: &str, headers: &[(&str, &str)], content: &str) -> Signed {
        let (time, scope) = self.scope();
        let mut headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        headers.push(("host".to_owned(), host(mortar).to_owned()));
        headers.push(("x-amz-content-sha256".to_owned(), content.to_owned()));
        headers.push(("x-amz-date".to_owned(), time.clone()));
        headers.sort();
        let signed: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let signed = signed.join(";");
        let (resource, query) = path.split_once('?').unwrap_or((path, ""));
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("{method}\n{resource}\n{}\n{lines}\n{signed}\n{content}", sorted(query));
        let signing_key = self.signing_key(&scope);
        let seed = self.signature(&signing_key, &time, &scope, &canonical);
        let access_key = self.key.0;
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={seed}");
        headers.push(("authorization".to_owned(), authorization));
        Signed { method: method.to_owned(), path: path.to_owned(), headers, seed, scope, time, signing_key }
    }

    /// A URL that anybody may use for so many seconds.
    pub fn presign(&self, mortar: &Mortar, method: &str, path: &str, seconds: u64) -> String {
        let (time, scope) = self.scope();
        let (resource, query) = path.split_once('?').unwrap_or((path, ""));
        let credential = format!("{}/{scope}", self.key.0).replace('/', "%2F");
        let own = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={time}\
             &X-Amz-Expires={seconds}&X-Amz-SignedHeaders=host"
        );
        let query = if query.is_empty() { own } else { format!("{query}&{own}") };
        let host = host(mortar);
        let canonical = format!("{method}\n{resource}\n{}\nhost:{host}\n\nhost\n{UNSIGNED}", sorted(&query));
        let signature = self.signature(&self.signing_key(&scope), &time, &scope, &canonical);
        format!("{resource}?{query}&X-Amz-Signature={signature}")
    }

    /// Signs a request and sends it, with the right hash of its body.
    pub fn send(&self, mortar: &Mortar, method: &str, path: &str, body: &[u8]) -> Answer {
        self.sign(mortar, method, path, &[], &sha256(body)).send(mortar, body)
    }

    fn scope(&self) -> (String, String) {
        let mut text = Vec::new();
        Timestamp::from(self.at).format(TimestampFormat::DateTime, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let digits: String = text.split('.').next().unwrap().chars().filter(|c| !"-:Z".contains(*c)).collect();
        let scope = format!("{}/{}/s3/aws4_request", &digits[..8], self.region);
        (format!("{digits}Z"), scope)
    }

    fn signing_key(&self, scope: &str) -> Vec<u8> {
        let secret = format!("AWS4{}", self.key.1).into_bytes();
        scope.split('/').fold(secret, |key, part| hmac(&key, part.as_bytes()))
    }

    fn signature(&self, key: &[u8], time: &str, scope: &str, canonical: &str) -> String {
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
        hex(&hmac(key, text.as_bytes()))
    }
}

impl Signed {
    /// Sends it with a body, whose length is told.
    pub fn send(&self, mortar: &Mortar, body: &[u8]) -> Answer {
        send_with_body(mortar, &self.method, &self.path, &self.headers, body)
    }

    /// The frame of a signed chunk, in front of which `previous` was signed, and its own signature.
    pub fn chunk(&self, previous: &str, content: &[u8]) -> (Vec<u8>, String) {
        let empty = sha256(b"");
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{previous}\n{empty}\n{}",
            self.time,
            self.scope,
            sha256(content)
        );
        let signature = hex(&hmac(&self.signing_key, text.as_bytes()));
        let mut frame = format!("{:x};chunk-signature={signature}\r\n", content.len()).into_bytes();
        frame.extend_from_slice(content);
        frame.extend_from_slice(b"\r\n");
        (frame, signature)
    }

    /// The head as it goes over the wire, with these headers besides.
    pub fn head(&self, more: &str) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{} {} HTTP/1.1\r\n{headers}{more}\r\n", self.method, self.path)
    }
}

/// Sends a request with a body, whose length is told.
pub fn send_with_body(mortar: &Mortar, method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
    let request = Request::builder().method(method).uri(format!("{}{path}", mortar.address));
    let headers = headers.iter().filter(|(name, _)| name != "host");
    let request = headers.fold(request, |request, (name, value)| request.header(name, value));
    let answer = if matches!(method, "PUT" | "POST") {
        agent().run(request.header("content-length", body.len().to_string()).body(body).unwrap())
    } else {
        agent().run(request.body(()).unwrap())
    };
    let (parts, mut answer) = answer.unwrap().into_parts();
    let mut bytes = Vec::new();
    answer.as_reader().read_to_end(&mut bytes).unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes }
}

/// The SHA-256 of bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn host(mortar: &Mortar) -> &str {
    mortar.address.strip_prefix("http://").unwrap()
}

/// Parameters as they are signed.
fn sorted(query: &str) -> String {
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Answer {
    /// The code of an XML error body.
    pub fn s3_code(&self) -> String {
        let text = self.text();
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        code.map_or_else(|| panic!("no S3 error: {} {text}", self.status), |(code, _)| code.to_owned())
    }
}
