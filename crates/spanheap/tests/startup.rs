//! What a heap costs before it is used: time, memory, requests to the system; and what its first types cost.
//!
//! *Callers:* `cargo test`. *Invariants:* one test, so that no other thread allocates while it measures. What the heap takes
//! from the host's allocator is counted by an allocator of the test's own, not estimated.

use spanheap::mock::MockOs;
use spanheap::{AllocError, Heap, LayoutError, Slot, Trace};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Most bytes that an empty heap may hold, from the system and from the host's allocator together.
const MOST_BYTES: usize = 200 << 10;
/// Most time that building a heap may take, the best of [`BUILDS`].
const MOST_TIME: Duration = Duration::from_millis(1);
const BUILDS: usize = 50;

/// The host's allocator, with the bytes counted that it has handed out.
struct Counting(AtomicUsize);

#[global_allocator]
static HOST: Counting = Counting(AtomicUsize::new(0));

// SAFETY: every call is passed on as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        self.0.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

/// Bytes that the host's allocator has handed out now.
fn host_bytes() -> usize {
    HOST.0.load(Ordering::Relaxed)
}

#[derive(Trace)]
struct Node {
    next: Slot<Node>,
}

#[test]
fn an_empty_heap_costs_next_to_nothing() {
    let mut best = Duration::MAX;
    for _ in 0..BUILDS {
        let begin = Instant::now();
        let heap = Heap::new().unwrap();
        best = best.min(begin.elapsed());
        drop(heap);
    }
    assert!(best <= MOST_TIME, "building a heap took {best:?}");

    let os = MockOs::new();
    let before = host_bytes();
    let heap = Heap::builder().os(Box::new(os.clone())).build().unwrap();
    let from_host = host_bytes() - before;
    assert!(from_host > size_of::<Heap>(), "the counter does not count");
    let stats = heap.stats();
    let bytes = stats.committed_bytes as usize + from_host;
    assert!(bytes <= MOST_BYTES, "{} bytes from the system, {from_host} from the host", stats.committed_bytes);
    assert_eq!((stats.reserved_bytes, stats.metadata_bytes, os.calls()), (0, 0, 0));

    heap.attach(|cx| {
        // A thread that attaches asks the system for nothing.
        assert_eq!(os.calls(), 0);
        // The first types: records, and still no arena.
        let class = cx.class::<Node>();
        cx.array_class::<u8, ()>();
        let stats = heap.stats();
        assert!(stats.metadata_bytes > 0);
        assert_eq!((stats.committed_bytes, stats.reserved_bytes), (stats.metadata_bytes, stats.metadata_bytes));
        assert!(stats.committed_bytes <= MOST_BYTES as u64, "{} bytes of records", stats.metadata_bytes);
        // The first object: an arena.
        cx.alloc_in(class, Node { next: Slot::null() }).unwrap();
        assert!(heap.stats().committed_bytes > stats.committed_bytes);
    })
    .unwrap();

    drop(heap);
    assert_eq!((os.live_mappings(), os.live_bytes()), (0, 0));
    every_refusal_is_an_error();
}

/// The system refuses each request of a heap's first allocations in turn: each time it is an error, and then all goes on.
fn every_refusal_is_an_error() {
    for refused in 1.. {
        let os = MockOs::new();
        os.fail_at(refused);
        let heap = Heap::builder().os(Box::new(os.clone())).build().unwrap();
        heap.attach(|cx| {
            let node = || Node { next: Slot::null() };
            let first = cx.try_class::<Node>().map(|_| ()).err();
            let second = cx.alloc(node()).map(|_| ()).err();
            let third = cx.alloc_bytes(b"text").map(|_| ()).err();
            assert!(matches!(first, None | Some(LayoutError::Memory { .. })), "{first:?}");
            for error in [&second, &third].into_iter().flatten() {
                assert!(matches!(error, AllocError::Exhausted { .. }), "{error}");
            }
            let errors = first.is_some() as u64 + second.is_some() as u64 + third.is_some() as u64;
            // A place for an arena that is refused is no failure: another place is asked for.
            assert!(errors <= os.failed_calls());
            cx.alloc(node()).unwrap();
            cx.alloc_bytes(b"text").unwrap();
        })
        .unwrap();
        if os.failed_calls() == 0 {
            assert!(refused > 3, "only {refused} requests were made");
            return;
        }
    }
}
