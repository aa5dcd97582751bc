//! Where the marks of originals are kept, and in which epoch an entry was made.

use deadpool_redis::redis::{Pipeline, pipe};
use mortar_actors::epoch::{Mark, Token};
use mortar_actors::{OriginalId, Originals};
use xxhash_rust::xxh3::xxh3_64;

use super::RedisServer;

/// In a cluster, what belongs to one original has to lie on one server, and so has the mark of its whole bucket. So
/// originals are dealt out into this many groups, each with a copy of the marks of buckets.
const GROUPS: u64 = 16;

/// The group of an original, as the part of a name that a cluster goes by.
pub(super) fn group(original: &OriginalId) -> String {
    format!("{{{}}}", xxh3_64(original.as_str().as_bytes()) % GROUPS)
}

/// The names of the marks that replacing `originals` sets. For a part of a bucket that is the mark of the whole one.
pub(super) fn names_of(server: &RedisServer, originals: &Originals) -> Vec<String> {
    match originals {
        Originals::One(one) => vec![own_name(server, one)],
        Originals::Beginning(text) => {
            let bucket = originals.bucket().unwrap_or(text);
            (0..GROUPS).map(|group| bucket_name(server, &format!("{{{group}}}"), bucket)).collect()
        }
    }
}

/// Adds the questions for the mark of an original, which are answered by two [`Option<u64>`].
pub(super) fn ask(questions: &mut Pipeline, server: &RedisServer, original: &OriginalId) {
    let bucket = bucket_name(server, &group(original), original.bucket());
    questions.cmd("GET").arg(bucket).cmd("GET").arg(own_name(server, original));
}

/// The mark that two answers make.
pub(super) fn read(bucket: Option<u64>, own: Option<u64>) -> Mark {
    let token = |token: Option<u64>| Token(token.unwrap_or(0));
    Mark { bucket: token(bucket), own: token(own) }
}

/// A mark as one number, by which an entry is told from those of other epochs.
///
/// Each replacement draws all of a token but its lowest 16 bits, which count recalls; the counts of the two tokens fall
/// on different bits. Where nothing was replaced in living memory the number is small, for the count is all there is,
/// and it begins at 1 again once the mark has expired. An entry that matches a count of before is still of the present
/// original: had that been replaced since, the mark of the replacement would be there yet.
pub(super) fn folded(mark: Mark) -> u64 {
    mark.own.0 ^ mark.bucket.0.rotate_left(32)
}

/// The questions for the mark of an original and nothing else.
pub(super) fn question(server: &RedisServer, original: &OriginalId) -> Pipeline {
    let mut questions = pipe();
    ask(&mut questions, server, original);
    questions
}

fn own_name(server: &RedisServer, original: &OriginalId) -> String {
    server.name("mark", &format!("{}:{original}", group(original)))
}

fn bucket_name(server: &RedisServer, group: &str, bucket: &str) -> String {
    server.name("mark", &format!("{group}:{bucket}"))
}
