//! The services of `docker-compose.yml` as plain processes: Redis, an S3 server, two instances and the front, with the
//! files of `deploy/` that are shipped, only their addresses replaced.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../harness/s3.rs"]
mod s3;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use harness::redis::{Redis, free_port};
use harness::{Answer, Mortar, PATIENCE, drawn_jpeg, files_below, send, wait_for};
use rusoto_core::Region;
use rusoto_core::credential::AwsCredentials;
use rusoto_core::signature::SignedRequest;
use s3::S3Server;
use tempfile::TempDir;

const REDIS_PASSWORD: &str = "redis-password";
const MEDIA_ACCESS_KEY: &str = "media-writer";
const MEDIA_SECRET_KEY: &str = "media-secret-key";

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

/// All services, ended when dropped.
struct Topology {
    front: Front,
    instances: [Mortar; 2],
    redis: Redis,
    s3: S3Server,
}

impl Topology {
    /// Starts in the order of docker-compose.yml.
    fn start() -> Self {
        let redis = Redis::with(&["--requirepass", REDIS_PASSWORD]);
        let s3 = S3Server::on_disk();
        for bucket in ["media", "media-results"] {
            fs::create_dir(bucket_of(&s3, bucket)).unwrap();
        }
        let instances = [instance(&redis, &s3), instance(&redis, &s3)];
        let front = Front::start(&instances);
        Self { front, instances, redis, s3 }
    }

    /// Puts an object into the bucket of originals, as the server keeps it.
    fn put(&self, key: &str, bytes: &[u8]) {
        fs::write(bucket_of(&self.s3, "media").join(key), bytes).unwrap();
    }

    /// How many objects are in a bucket.
    fn count(&self, bucket: &str) -> usize {
        files_below(&bucket_of(&self.s3, bucket)).len()
    }

    /// Renders by all instances, ever.
    fn renders(&self) -> u64 {
        self.instances.iter().map(|mortar| mortar.actor("transform")["handled"].as_u64().unwrap()).sum()
    }

    /// Asks both instances so often at the same time, and gives back the one answer that all got.
    fn ask_both(&self, times: usize, path: &str) -> Vec<u8> {
        let asking = (0..times).flat_map(|_| self.instances.each_ref().map(|mortar| mortar.get_meanwhile(path)));
        let asking: Vec<_> = asking.collect();
        let mut answers = asking.into_iter().map(|asked| asked.join().unwrap());
        let first = answers.next().unwrap();
        assert_eq!(first.status, 200, "{path}: {}", first.text());
        for answer in answers {
            assert_eq!(
                (answer.status, answer.header("etag")),
                (200, first.header("etag")),
                "{path}: {}",
                answer.text()
            );
            assert!(answer.body == first.body, "{path}: the same picture for everybody");
        }
        first.body
    }
}

/// Where the objects of a bucket lie.
fn bucket_of(s3: &S3Server, bucket: &str) -> PathBuf {
    s3.bucket().with_file_name(bucket)
}

/// An instance with the shipped configuration.
fn instance(redis: &Redis, s3: &S3Server) -> Mortar {
    let (redis, s3) = (redis.address(), s3.url());
    let environment = [
        ("REDIS_PASSWORD", REDIS_PASSWORD),
        ("S3_ACCESS_KEY", s3::ACCESS_KEY),
        ("S3_SECRET_KEY", s3::SECRET_KEY),
        ("MEDIA_ACCESS_KEY", MEDIA_ACCESS_KEY),
        ("MEDIA_SECRET_KEY", MEDIA_SECRET_KEY),
        ("MORTAR__SERVER__LISTEN", "127.0.0.1:0"),
        ("MORTAR__SERVER__INTERNAL_LISTEN", "127.0.0.1:0"),
        ("MORTAR__SERVER__CACHE__ADDRESS", &redis),
        ("MORTAR__SERVER__LOCK__ADDRESS", &redis),
        ("MORTAR__BUCKETS__MEDIA__STORAGES__BASIC__ENDPOINT", &s3),
        ("MORTAR__BUCKETS__MEDIA__STORAGES__TRANSFORM__ENDPOINT", &s3),
        // Limits that a busy machine keeps; their defaults have tests of their own.
        ("MORTAR__SERVER__CACHE__WAIT_TIMEOUT", "5s"),
        ("MORTAR__SERVER__LOCK__WAIT_TIMEOUT", "5s"),
        ("MORTAR__ACTORS__CACHE__SHARED_TIMEOUT", "5s"),
        ("MORTAR__ACTORS__LOCK__LEASE_TIMEOUT", "1s"),
    ];
    Mortar::configured(shipped("mortar.toml"), &environment)
}

/// nginx with the shipped configuration.
struct Front {
    child: Child,
    address: String,
    _directory: TempDir,
}

impl Front {
    fn start(instances: &[Mortar]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().to_str().unwrap();
        let (port, own_port) = (free_port(), free_port());
        let servers =
            instances.iter().map(|mortar| format!("server {};", mortar.address.trim_start_matches("http://")));
        let mut text = fs::read_to_string(shipped("nginx.conf")).unwrap();
        for (shipped, here) in [
            ("listen 8080;", format!("listen 127.0.0.1:{port};")),
            ("listen 127.0.0.1:8082;", format!("listen 127.0.0.1:{own_port};")),
            // What Docker's name server tells, told by hand.
            ("resolver 127.0.0.11 valid=5s ipv6=off;", format!("upstream all {{ {} }}", servers.collect::<String>())),
            ("set $instances mortar:8080;", "set $instances all;".to_owned()),
        ] {
            assert_eq!(text.matches(shipped).count(), 1, "{shipped}");
            text = text.replace(shipped, &here);
        }
        let config = directory.path().join("nginx.conf");
        fs::write(&config, text.replace("/tmp/", &format!("{here}/"))).unwrap();
        let program = ["/usr/sbin/nginx", "nginx"].into_iter().find(|program| Path::new(program).exists());
        let child = Command::new(program.unwrap_or("nginx"))
            .args(["-p", here, "-c", config.to_str().unwrap(), "-g", "daemon off;"])
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is installed by scripts/setup tests");
        let front = Self { child, address: format!("http://127.0.0.1:{port}"), _directory: directory };
        let own = format!("127.0.0.1:{own_port}");
        wait_for("nginx", || std::net::TcpStream::connect(&own).ok());
        assert_eq!(send("GET", &format!("http://{own}/"), &[]).status, 204, "what its health check asks");
        front
    }

    fn get(&self, path: &str) -> Answer {
        send("GET", &format!("{}{path}", self.address), &[])
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // Killed, it would leave its workers behind.
        drop(Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status());
        drop(self.child.wait());
    }
}

#[test]
fn what_all_instances_are_asked_for_at_once_is_rendered_once_and_kept_for_all() {
    let topology = Topology::start();
    let original = drawn_jpeg(900, 600);
    topology.put("photo.jpg", &original);
    assert!(topology.front.get("/media/photo.jpg").body == original, "unchanged through the front");
    topology.ask_both(10, "/media/photo.jpg?width=321&format=webp");
    assert_eq!(topology.renders(), 1);
    topology.ask_both(1, "/media/photo.jpg/small");
    assert_eq!(topology.renders(), 2);
    assert_eq!(topology.front.get("/media/photo.jpg/square").picture().dimensions(), (300, 300));
    wait_for("the results in their own bucket", || (topology.count("media-results") == 3).then_some(()));
    assert_eq!(topology.count("media"), 1, "the bucket of originals has nothing else");
    // A new instance, with empty memory, renders nothing of this.
    let newcomer = instance(&topology.redis, &topology.s3);
    assert_eq!(newcomer.get("/media/photo.jpg?width=321&format=webp").status, 200);
    assert_eq!(newcomer.actor("transform")["handled"], 0);
}

#[test]
fn a_signed_upload_passes_the_front_and_every_instance_shows_it() {
    let topology = Topology::start();
    let region = Region::Custom { name: "us-east-1".to_owned(), endpoint: topology.front.address.clone() };
    let signed_with = |secret: &str| {
        let keys = AwsCredentials::new(MEDIA_ACCESS_KEY, secret, None, None);
        SignedRequest::new("PUT", "s3", &region, "/media/new.jpg").generate_presigned_url(&keys, &PATIENCE, false)
    };
    let put = |url: String| ureq::put(&url).content_type("image/jpeg").send(&drawn_jpeg(300, 200)[..]);
    assert!(matches!(put(signed_with("another secret")), Err(ureq::Error::StatusCode(403))));
    assert_eq!(put(signed_with(MEDIA_SECRET_KEY)).unwrap().status(), 200);
    assert_eq!(topology.count("media"), 1);
    for mortar in &topology.instances {
        assert_eq!(mortar.get("/media/new.jpg?width=50").picture().width(), 50);
    }
}

#[test]
fn without_redis_everybody_is_answered_and_with_it_again_they_work_as_one_again() {
    let mut topology = Topology::start();
    topology.put("photo.jpg", &drawn_jpeg(900, 600));
    topology.ask_both(3, "/media/photo.jpg?width=100");
    topology.redis.kill();
    topology.ask_both(3, "/media/photo.jpg?width=100");
    topology.ask_both(3, "/media/photo.jpg?width=101");
    assert_eq!(topology.front.get("/media/photo.jpg?width=102").status, 200);
    for mortar in &topology.instances {
        assert_eq!(mortar.internal("/ready").status, 200, "a Redis that is gone is no reason to send nobody");
    }
    topology.redis.revive();
    let mut width = 200;
    wait_for("one render for both", || {
        let before = topology.renders();
        width += 1;
        topology.ask_both(1, &format!("/media/photo.jpg?width={width}"));
        (topology.renders() == before + 1).then_some(())
    });
}

#[test]
fn without_s3_what_is_known_is_served_and_the_rest_fails_clearly_until_it_is_back() {
    let mut topology = Topology::start();
    topology.put("photo.jpg", &drawn_jpeg(900, 600));
    topology.ask_both(1, "/media/photo.jpg?width=100");
    topology.s3.kill();
    topology.ask_both(3, "/media/photo.jpg?width=100");
    let failed = topology.front.get("/media/photo.jpg?width=101");
    assert_eq!((failed.status, failed.error_code().as_str()), (502, "upstream_error"));
    topology.s3.start_again();
    wait_for("S3 to be asked again", || (topology.front.get("/media/photo.jpg?width=101").status == 200).then_some(()));
}

#[test]
fn an_instance_that_is_killed_is_not_missed_at_the_front() {
    let mut topology = Topology::start();
    topology.put("photo.jpg", &drawn_jpeg(900, 600));
    assert_eq!(topology.front.get("/media/photo.jpg?width=100").status, 200);
    topology.instances[0].signal("KILL");
    topology.instances[0].wait();
    for width in 101..121 {
        let answer = topology.front.get(&format!("/media/photo.jpg?width={width}"));
        assert_eq!(answer.status, 200, "{width}: {}", answer.text());
    }
    assert_eq!(topology.instances[1].terminate().code(), Some(0), "the other one stops in order");
}

#[test]
fn the_front_changes_neither_faults_nor_paths() {
    let topology = Topology::start();
    let missing = topology.front.get("/media/a%20b%2Fc/none.jpg?width=10&format=webp");
    let asked_directly = topology.instances[0].get("/media/a%20b%2Fc/none.jpg?width=10&format=webp");
    assert_eq!((missing.status, missing.error_code()), (asked_directly.status, asked_directly.error_code()));
    topology.put("a b.jpg", &drawn_jpeg(40, 30));
    assert_eq!(topology.front.get("/media/a%20b.jpg?width=20").picture().width(), 20);
    let whole = topology.front.get("/media/a%20b.jpg");
    let headers = [("range", "bytes=5-9"), ("if-range", whole.header("etag"))];
    let part = send("GET", &format!("{}/media/a%20b.jpg", topology.front.address), &headers);
    assert_eq!((part.status, part.body.as_slice()), (206, &whole.body[5..=9]));
    let headers = [("if-none-match", whole.header("etag"))];
    assert_eq!(send("GET", &format!("{}/media/a%20b.jpg", topology.front.address), &headers).status, 304);
}
