//! The scavenger: what a collection frees goes back to the system by itself, and can be used again.
//!
//! *Callers:* `cargo test`. *Invariants:* the system is the real one. A test waits for what must happen, up to a bound that
//! is far beyond what it takes.

use spanheap::{Array, Heap, Mutator, Root};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
const MOST_WAIT: Duration = Duration::from_secs(60);

/// 64 MiB of objects of 64 KiB.
fn fill(cx: &mut Mutator<'_>) -> Vec<Root<Array<u64>>> {
    let mut roots = Vec::new();
    for _ in 0..1024 {
        let object = cx.alloc_array_with(cx.array_class::<u64, ()>(), (), 8190, |elements| elements.fill(7)).unwrap();
        roots.push(cx.root(object));
        cx.safepoint();
    }
    roots
}

/// Waits until `done`, outside the heap.
fn wait_for(heap: &Heap, what: &str, done: impl Fn(&Heap) -> bool) {
    let begin = Instant::now();
    while !done(heap) {
        assert!(begin.elapsed() < MOST_WAIT, "{what}: {:?}", heap.stats());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn freed_memory_goes_back_and_is_used_again() {
    let heap = Heap::builder().initial_goal(8 << 20).scavenge(Some(Duration::from_millis(1))).build().unwrap();
    heap.attach(|cx| {
        for round in 1..=3 {
            let held = fill(cx);
            assert_eq!(held.iter().map(|root| root.get(cx).elements()[round]).sum::<u64>(), 7 * 1024);
            let freed = heap.counts().freed_objects;
            drop(held);
            let before = heap.stats().scavenged_bytes;
            // A cycle that growth has asked for may come first, and find it all.
            cx.collect();
            assert!(heap.counts().freed_objects > freed);
            // In the middle of a step the figures do not agree: wait for those at its end.
            cx.native(|| {
                wait_for(&heap, "memory does not go back", |heap| {
                    let stats = heap.stats();
                    // The goal of an empty heap is 8 MiB: with a tenth more, and less than a unit that is not worth it.
                    (6 * MIB..=11 * MIB).contains(&stats.free_bytes)
                        && stats.committed_bytes < 16 * MIB
                        && stats.absent_bytes >= 48 * MIB
                        && stats.scavenged_bytes == stats.released_bytes
                });
            });
            let given = heap.stats().scavenged_bytes - before;
            assert!(given >= 48 * MIB, "{given} in round {round}");
        }
    })
    .unwrap();
    assert!(heap.stats().reserved_bytes < 256 * MIB, "freed addresses are used again");
}

#[test]
fn nothing_goes_back_that_is_not_free_or_not_wanted() {
    let quick = Some(Duration::from_millis(1));
    let off = Heap::builder().initial_goal(8 << 20).scavenge(None).build().unwrap();
    let roomy = Heap::builder().initial_goal(256 << 20).scavenge(quick).build().unwrap();
    let full = Heap::builder().initial_goal(8 << 20).growth_percent(200).scavenge(quick).build().unwrap();
    let kept = full.attach(fill).unwrap();
    full.collect().unwrap();
    for heap in [&off, &roomy] {
        drop(heap.attach(fill).unwrap());
        heap.collect().unwrap();
        assert!(heap.stats().free_bytes >= 60 * MIB);
    }
    // Time for many intervals.
    std::thread::sleep(Duration::from_millis(100));
    for heap in [&off, &roomy, &full] {
        let stats = heap.stats();
        assert_eq!((stats.scavenged_bytes, stats.released_bytes), (0, 0), "{stats:?}");
    }
    drop(kept);
}

#[test]
fn collections_go_on_beside_the_scavenger() {
    let heap = Heap::builder().initial_goal(1 << 20).scavenge(Some(Duration::ZERO)).verify(true).build().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..4 {
                    let held = heap.attach(fill).unwrap();
                    drop(held);
                    heap.collect().unwrap();
                }
            });
        }
    });
    wait_for(&heap, "nothing was given back", |heap| heap.stats().scavenged_bytes > 0);
    // A heap ends while its thread may be giving memory back.
    drop(heap.attach(fill).unwrap());
    heap.collect().unwrap();
    let stats = heap.stats();
    assert_eq!((stats.live_bytes, stats.verified_cycles), (0, stats.cycles));
}
