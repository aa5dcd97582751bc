//! Counts what this thread allocates. The actors of a test share its thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATED: Cell<Allocated> = const { Cell::new(Allocated { count: 0, bytes: 0, large: 0 }) };
}

/// Allocations from here on are large: as large as a body in these tests, and larger than anything else in them.
pub(crate) const LARGE: usize = 1 << 20;

/// Allocations so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allocated {
    /// How many.
    pub(crate) count: u64,
    /// Their bytes, whether freed again or not.
    pub(crate) bytes: u64,
    /// How many of at least [`LARGE`] bytes.
    pub(crate) large: u64,
}

impl Allocated {
    /// What this thread has allocated so far.
    pub(crate) fn so_far() -> Self {
        ALLOCATED.get()
    }

    /// What it has allocated since then.
    pub(crate) fn since(self) -> Self {
        let now = Self::so_far();
        Self { count: now.count - self.count, bytes: now.bytes - self.bytes, large: now.large - self.large }
    }

    fn count(layout: Layout) {
        let so_far = ALLOCATED.get();
        ALLOCATED.set(Self {
            count: so_far.count + 1,
            bytes: so_far.bytes + layout.size() as u64,
            large: so_far.large + u64::from(layout.size() >= LARGE),
        });
    }
}

struct Counting;

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Allocated::count(layout);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
