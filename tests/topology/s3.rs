//! A real S3 server over a directory.

use std::fs;
use std::thread;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime;

use crate::{S3_ACCESS_KEY, S3_SECRET_KEY};

/// A server on a thread of its own, which ends with the test program.
pub(crate) struct S3 {
    address: String,
    directory: TempDir,
}

impl S3 {
    /// Starts with these buckets.
    pub(crate) fn start(buckets: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for bucket in buckets {
            fs::create_dir(directory.path().join(bucket)).unwrap();
        }
        let mut service = S3ServiceBuilder::new(FileSystem::new(directory.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(S3_ACCESS_KEY, S3_SECRET_KEY));
        let service = service.build();
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || runtime.block_on(serve(&listener, &service)));
        Self { address, directory }
    }

    /// As `http://127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// Puts an object into a bucket, as the server keeps it.
    pub(crate) fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        fs::write(self.directory.path().join(bucket).join(key), bytes).unwrap();
    }

    /// How many objects are in a bucket.
    pub(crate) fn count(&self, bucket: &str) -> usize {
        crate::harness::files_below(&self.directory.path().join(bucket)).len()
    }
}

async fn serve(listener: &TcpListener, service: &S3Service) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        // Connections that break are the business of whoever opened them.
        tokio::spawn(async move { drop(connection.await) });
    }
}
