use serde::Serialize;

/// The results waiting to be stored.
#[derive(Clone, Debug, Serialize)]
pub struct StoreBackStats {
    /// Results waiting.
    pub queued: usize,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Results being written.
    pub writing: usize,
    /// Stored results of which it is not known yet whether their originals were replaced at another instance.
    pub doubtful: usize,
    /// Results written.
    pub written: u64,
    /// Results dropped to make room.
    pub dropped: u64,
    /// Results whose write failed.
    pub failed: u64,
    /// Results not kept because their original was replaced, or may have been.
    pub outdated: u64,
    /// Results lost to a panic.
    pub lost: u64,
}
