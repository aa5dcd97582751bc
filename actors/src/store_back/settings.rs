use std::time::Duration;

/// Bounds and times of the task that stores results back.
#[derive(Clone, Debug)]
pub struct StoreBackSettings {
    /// Results waiting to be written; beyond them the oldest is dropped. Default 256.
    pub items: usize,
    /// Bytes of the results waiting to be written; beyond them the oldest are dropped. Default 128 MiB.
    pub bytes: u64,
    /// Writes at once. Default 4.
    pub writers: usize,
    /// How long one write may take. Default 30 s.
    pub write_timeout: Duration,
}

impl Default for StoreBackSettings {
    fn default() -> Self {
        Self { items: 256, bytes: 128 << 20, writers: 4, write_timeout: Duration::from_secs(30) }
    }
}
