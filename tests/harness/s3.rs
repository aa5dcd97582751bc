//! A real S3 server in a process of its own, to be killed, frozen and started again.
//!
//! A test program starts itself anew as that server: the test [`server_process`] serves when it is asked to by
//! [`S3Server`]. A program without tests calls [`serve_if_asked`] first of all.

#![expect(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses its own part of it; one that cannot set itself up has failed"
)]

#[path = "s3_memory.rs"]
mod memory;

use std::env;
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use rusoto_core::Region;
use rusoto_core::credential::AwsCredentials;
use rusoto_core::signature::SignedRequest;
use s3s::S3;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;

use self::memory::Memory;

/// Who may do everything.
pub(crate) const ACCESS_KEY: &str = "mortar-test";
/// Their secret.
pub(crate) const SECRET_KEY: &str = "not-a-secret";

/// Names of the variables by which a server is told what to do.
const PLACE: &str = "MORTAR_TEST_S3_PLACE";
const PORT: &str = "MORTAR_TEST_S3_PORT";

/// A running server with one bucket, `photos`; killed when dropped.
pub(crate) struct S3Server {
    process: Child,
    /// Where it keeps objects; nowhere for one that keeps them in memory.
    directory: Option<TempDir>,
    port: u16,
}

impl S3Server {
    /// A server that keeps objects in memory, and every rule of S3 about keys, conditions and listings.
    pub(crate) fn start() -> Self {
        Self::run(None, free_port())
    }

    /// A server that keeps objects on disk, so that they outlive it: `s3s-fs`.
    pub(crate) fn on_disk() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("photos")).unwrap();
        Self::run(Some(directory), free_port())
    }

    /// Its endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where the bucket's objects lie, if on disk.
    pub(crate) fn bucket(&self) -> PathBuf {
        self.directory.as_ref().expect("it keeps them on disk").path().join("photos")
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again at the same place after [`S3Server::kill`].
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(self.directory.as_ref().map(TempDir::path), self.port);
        self.wait();
    }

    /// Stops it without ending it: connections stay open, and nothing answers.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// Uploads in parts that were begun and neither finished nor aborted.
    pub(crate) fn uploads(&self) -> usize {
        let mut request = request(&self.url(), "GET", "");
        request.add_param("uploads", "");
        let url = presigned(request);
        let text = ureq::get(&url).call().unwrap().into_body().read_to_string().unwrap();
        text.matches("<UploadId>").count()
    }

    /// A URL by which anyone may do that with an object.
    pub(crate) fn signed(&self, method: &str, key: &str) -> String {
        signed(&self.url(), method, key)
    }

    /// Puts an object.
    pub(crate) fn put(&self, key: &str, body: &[u8]) {
        ureq::put(&self.signed("PUT", key)).send(body).unwrap();
    }

    fn run(directory: Option<TempDir>, port: u16) -> Self {
        let process = spawn(directory.as_ref().map(TempDir::path), port);
        let server = Self { process, directory, port };
        server.wait();
        server
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end, "the S3 server does not start");
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The process that [`S3Server`] starts. By itself it sees that what it starts is an S3 server.
#[test]
fn server_process() {
    if serve_if_asked() {
        return;
    }
    let server = S3Server::start();
    server.put("a", b"b");
    let read = ureq::get(&server.signed("GET", "a")).call().unwrap().into_body().read_to_vec().unwrap();
    assert_eq!(read, b"b");
    assert!(ureq::get(&format!("{}/photos/a", server.url())).call().is_err(), "it lets nobody in without a key");
}

/// Serves for as long as the program lives that asked for it; `false` where none has.
pub(crate) fn serve_if_asked() -> bool {
    let Some(port) = env::var_os(PORT).and_then(|port| port.to_str()?.parse().ok()) else { return false };
    // The one that started it holds the other end: when that is gone, so is this.
    thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    match env::var_os(PLACE) {
        Some(root) => serve(s3s_fs::FileSystem::new(PathBuf::from(root)).unwrap(), port),
        None => serve(Memory::with_bucket("photos"), port),
    }
    true
}

fn serve(store: impl S3, port: u16) {
    let mut builder = S3ServiceBuilder::new(store);
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = builder.build();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(async move {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            connection.set_nodelay(true).unwrap();
            let service = service.clone();
            tokio::spawn(async move {
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(connection), service)
                    .await;
            });
        }
    });
}

fn spawn(root: Option<&Path>, port: u16) -> Child {
    let (_, module) = module_path!().split_once("::").expect("this is a module of a test program");
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::server_process")]);
    command.env(PORT, port.to_string()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(root) = root {
        command.env(PLACE, root);
    }
    command.spawn().unwrap()
}

/// A URL by which anyone may do that with an object of the bucket at `endpoint`, whose keys are those of these tests.
pub(crate) fn signed(endpoint: &str, method: &str, key: &str) -> String {
    presigned(request(endpoint, method, &format!("/{key}")))
}

fn request(endpoint: &str, method: &str, below: &str) -> SignedRequest {
    let region = Region::Custom { name: "eu-central-1".to_owned(), endpoint: endpoint.to_owned() };
    SignedRequest::new(method, "s3", &region, &format!("/photos{below}"))
}

fn presigned(mut request: SignedRequest) -> String {
    let keys = AwsCredentials::new(ACCESS_KEY, SECRET_KEY, None, None);
    request.generate_presigned_url(&keys, &Duration::from_secs(3600), false)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
