//! What a body costs in allocations. They are counted on the threads that say so, so that tests beside this one do not
//! matter.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::File;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use futures::TryStreamExt;
use mortar::adapters::{FileThreads, Layout as FileLayout, LocalStore};
use mortar_actors::storage::{ListPage, ListRequest, Store as _};
use mortar_actors::{Body, ObjectKey};

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);
/// Tests that count do so one after the other.
static COUNTING: Mutex<()> = Mutex::new(());

struct Counting;

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTED.get() {
            ALLOCATIONS.fetch_add(1, Relaxed);
            ALLOCATED.fetch_add(layout.size() as u64, Relaxed);
            let size = layout.size() as i64;
            PEAK.fetch_max(LIVE.fetch_add(size, Relaxed) + size, Relaxed);
        }
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if COUNTED.get() {
            LIVE.fetch_sub(layout.size() as i64, Relaxed);
        }
        // SAFETY: the caller keeps the contract of `dealloc`, and `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A runtime all of whose threads are counted.
fn counted_runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).enable_all().on_thread_start(|| COUNTED.set(true)).build().unwrap()
}

/// A file of so many MiB is streamed from disk: allocations and bytes allocated for it.
fn streamed(mebibytes: u64) -> (u64, u64) {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("box")).unwrap();
    File::create(root.path().join("box/large.bin")).unwrap().set_len(mebibytes << 20).unwrap();
    let (path, runtime) = (root.path().to_owned(), counted_runtime());
    let reading = runtime.spawn(async move {
        let store = LocalStore::open(path, "box", FileLayout::Plain, FileThreads::new(4)).await.unwrap();
        let Body::Stream(stream) = store.fetch(&ObjectKey::new("large.bin"), None).await.unwrap().body else {
            panic!("a large body streams")
        };
        let (before, bytes_before) = (ALLOCATIONS.load(Relaxed), ALLOCATED.load(Relaxed));
        let read = stream.into_chunks().try_fold(0, async |sum, chunk| Ok(sum + chunk.len() as u64)).await.unwrap();
        assert_eq!(read, mebibytes << 20);
        (ALLOCATIONS.load(Relaxed) - before, ALLOCATED.load(Relaxed) - bytes_before)
    });
    runtime.block_on(reading).unwrap()
}

/// A body that streams costs the same few allocations for each MiB, however long it is: a buffer for each chunk of
/// 128 KiB, which is passed on as it is, and what the hop to the disk's thread takes. Chunks of 32 KiB, or a copy on the
/// way, would be many more.
///
/// Red when the chunks are small: 32 KiB in `CHUNK_BYTES` (`src/adapters/local/object.rs`), or when they are copied:
/// `BytesMut::from(&chunk[..])` in `in_chunks`.
#[test]
fn fault_10_a_streamed_body_costs_few_allocations_for_each_mebibyte() {
    let _alone = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let ((few, few_bytes), (many, many_bytes)) = (streamed(8), streamed(64));
    assert!(few <= 8 * 64 && many <= 64 * 64, "{few} allocations for 8 MiB, {many} for 64 MiB");
    assert!(many <= few * 9, "{few} allocations for 8 MiB, {many} for 64 MiB");
    let (few_copies, many_copies) = (few_bytes as f64 / f64::from(8 << 20), many_bytes as f64 / f64::from(64 << 20));
    assert!(few_copies < 1.5 && many_copies < 1.5, "{few_copies} and {many_copies} bytes for each");
}

/// One page, and the most memory that was held at a time to make it.
async fn listed(store: &LocalStore, request: &ListRequest) -> (ListPage, i64) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let page = store.list(request).await.unwrap();
    (page, PEAK.load(Relaxed) - before)
}

/// 100,000 keys in 81 directories are listed with a delimiter, ten to a page, and the largest of the directories key by
/// key, 100 to a page: a page costs memory for itself and the next names to come, far less than a map of all keys or of all common
/// prefixes would.
///
/// Red when a directory is gathered whole before the page is cut out of it: a batch of `usize::MAX` names in `Walk::new`
/// (`src/adapters/local/listing.rs`).
#[test]
fn fault_16_a_page_of_a_listing_costs_a_page() {
    const MOST: i64 = 128 << 10;
    let _alone = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let root = tempfile::tempdir().unwrap();
    for directory in 0..=80 {
        let path = root.path().join(format!("box/directory-{directory:03}"));
        std::fs::create_dir_all(&path).unwrap();
        let keys = if directory == 80 { 20_000 } else { 1_000 };
        (0..keys).for_each(|key| drop(File::create(path.join(format!("key-{key:05}"))).unwrap()));
    }
    let (path, runtime) = (root.path().to_owned(), counted_runtime());
    let listing = runtime.spawn(async move {
        let store = LocalStore::open(path, "box", FileLayout::Plain, FileThreads::new(4)).await.unwrap();
        let slash = Some("/".to_owned());
        let mut request = ListRequest { delimiter: slash.clone(), max_keys: 10, ..ListRequest::default() };
        let (mut prefixes, mut pages) = (0, 0);
        loop {
            let (page, peak) = listed(&store, &request).await;
            assert!(peak < MOST, "{peak} bytes for a page of prefixes");
            prefixes += page.prefixes.len();
            pages += 1;
            request.start_after = page.next;
            if request.start_after.is_none() {
                break;
            }
        }
        assert_eq!((prefixes, pages), (81, 9));
        let prefix = "directory-080/".to_owned();
        let mut request = ListRequest { prefix, delimiter: slash, max_keys: 100, ..ListRequest::default() };
        for number in 0..3 {
            let (page, peak) = listed(&store, &request).await;
            assert!(peak < MOST, "{peak} bytes for a page of keys");
            assert_eq!(page.objects[0].key.as_str(), format!("directory-080/key-{:05}", number * 100));
            request.start_after = page.next;
        }
    });
    runtime.block_on(listing).unwrap();
}
