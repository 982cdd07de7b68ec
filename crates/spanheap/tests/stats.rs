//! The figures of a heap: they are what the test allocated, and their sums agree.
//!
//! *Callers:* `cargo test`. *Invariants:* sums are compared while no other thread changes the heap.

use spanheap::{ClassKind, ClassStats, Heap, HeapStats, Slot, Trace};

#[derive(Trace)]
struct Pair {
    left: Slot<Pair>,
    right: Slot<Pair>,
}

/// Objects of rare types share spans.
#[derive(Trace)]
#[trace(rare)]
struct Rare {
    next: Slot<Pair>,
    numbers: [u64; 5],
}

fn pair() -> Pair {
    Pair { left: Slot::null(), right: Slot::null() }
}

fn class<'a>(stats: &'a HeapStats, kind: ClassKind, name: &str) -> &'a ClassStats {
    let mut found = stats.classes.iter().filter(|class| class.kind == kind && class.name.contains(name));
    let class = found.next().unwrap_or_else(|| panic!("no class {name} in {stats:?}"));
    assert!(found.next().is_none(), "two classes {name}");
    class
}

/// `huge` are the bytes of objects above 64 MiB, of which only the first page has tables.
fn check_sums(stats: &HeapStats, huge: u64) {
    let sum = |field: fn(&ClassStats) -> u64| stats.classes.iter().map(field).sum::<u64>();
    let stacks = stats.stack_bytes + stats.stack_retired_bytes + stats.stack_pooled_bytes;
    assert_eq!(sum(|class| class.span_bytes) + stacks, stats.span_bytes, "{stats:?}");
    assert!(stats.classes.iter().all(|class| class.live_bytes <= class.span_bytes && class.spans > 0), "{stats:?}");
    assert!(stats.committed_bytes <= stats.mapped_bytes && stats.mapped_bytes <= stats.reserved_bytes, "{stats:?}");
    assert!(stats.resident_bytes <= stats.committed_bytes, "{stats:?}");
    // The tables of a page take 256 bytes of it, and those of an arena 32 KiB beyond.
    let pages = stats.span_bytes + stats.free_bytes + stats.absent_bytes - huge;
    let arenas = stats.reserved_bytes.div_ceil(64 << 20);
    assert!(stats.table_bytes >= pages / 32, "{stats:?}");
    assert!(stats.table_bytes <= pages / 32 + arenas * (64 << 10), "{stats:?}");
}

#[test]
fn classes_show_what_their_spans_hold() {
    let heap = Heap::builder().initial_goal(1 << 30).verify(true).build().unwrap();
    heap.attach(|cx| {
        let mut roots = Vec::new();
        for n in 0..10_000 {
            let pair = cx.alloc(pair()).unwrap();
            if n % 4 == 0 {
                roots.push(cx.root(pair));
            }
        }
        let rare = cx.root(cx.alloc(Rare { next: Slot::null(), numbers: [1; 5] }).unwrap());
        let large = cx.root(cx.alloc_array(cx.array_class::<u64, ()>(), (), 50_000).unwrap());
        let huge = cx.root(cx.alloc_array(cx.array_class::<u8, ()>(), (), 100 << 20).unwrap());
        let report = cx.collect();
        let stats = heap.stats();
        check_sums(&stats, 100 << 20);
        let (pairs, mixed) = (class(&stats, ClassKind::Uniform, "Pair"), class(&stats, ClassKind::Mixed, "mixed"));
        assert_eq!((pairs.slot_bytes, pairs.live_objects, pairs.live_bytes), (16, 2500, 40_000));
        assert!(pairs.span_bytes >= 160_000, "every fourth slot is live: {pairs:?}");
        assert_eq!((mixed.slot_bytes, mixed.live_objects, mixed.spans), (48, 1, 1));
        let mut larges: Vec<_> = stats.classes.iter().filter(|class| class.kind == ClassKind::Large).collect();
        larges.sort_by_key(|class| class.live_bytes);
        assert_eq!(larges.len(), 2);
        assert_eq!((larges[0].slot_bytes, larges[0].spans, larges[0].live_objects), (0, 1, 1));
        assert!((400_000..410_000).contains(&larges[0].live_bytes), "{larges:?}");
        assert!(larges[1].live_bytes > 100 << 20 && larges[1].span_bytes - larges[1].live_bytes < 8 << 10);
        let live: u64 = stats.classes.iter().map(|class| class.live_objects).sum();
        assert_eq!((live, stats.live_bytes), (report.live_objects, report.live_bytes));

        // What was never collected is not known to live.
        for _ in 0..10_000 {
            cx.alloc(pair()).unwrap();
        }
        assert_eq!(class(&heap.stats(), ClassKind::Uniform, "Pair").live_objects, 2500);

        drop((roots, rare, large, huge));
        cx.collect();
        let stats = heap.stats();
        check_sums(&stats, 0);
        assert_eq!((stats.classes.len(), stats.span_bytes, stats.live_bytes), (0, 0, 0), "{stats:?}");
    })
    .unwrap();
}

#[test]
fn the_resident_estimate_follows_what_is_handed_out_and_given_back() {
    let heap = Heap::builder().initial_goal(1 << 30).build().unwrap();
    assert_eq!((heap.stats().resident_bytes, heap.stats().mapped_bytes), (0, 0));
    heap.attach(|cx| {
        cx.alloc(pair()).unwrap();
        let stats = heap.stats();
        check_sums(&stats, 0);
        // One page of the first unit of 2 MiB is in use.
        assert!(stats.free_bytes > 1 << 20 && stats.resident_bytes < 1 << 20, "{stats:?}");
        let mut roots = Vec::new();
        for _ in 0..400 {
            roots.push(cx.root(cx.alloc_array(cx.array_class::<u64, ()>(), (), 10_000).unwrap()));
        }
        let stats = heap.stats();
        check_sums(&stats, 0);
        assert!(stats.resident_bytes >= 32_000_000 && stats.resident_bytes < 37_000_000, "{stats:?}");
        // What was used stays resident when it is free, until it is given back.
        drop(roots);
        cx.collect();
        assert!(heap.stats().resident_bytes >= 32_000_000);
    })
    .unwrap();
    let given = heap.trim(0) as u64;
    let stats = heap.stats();
    check_sums(&stats, 0);
    assert!(stats.resident_bytes < 2 << 20, "{stats:?}");
    assert_eq!((stats.free_bytes, stats.released_bytes), (0, given));
    assert!(stats.absent_bytes >= 30 << 20);
}

#[test]
fn figures_may_be_taken_while_spans_come_and_go() {
    let heap = Heap::builder().initial_goal(1 << 20).build().unwrap();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            heap.attach(|cx| {
                for round in 0..2000 {
                    cx.alloc_array(cx.array_class::<u64, ()>(), (), 1 + round * 37 % 20_000).unwrap();
                    for _ in 0..50 {
                        cx.alloc(pair()).unwrap();
                    }
                    cx.safepoint();
                }
            })
            .unwrap();
        });
        while !worker.is_finished() {
            let stats = heap.stats();
            assert!(stats.classes.iter().all(|class| class.spans > 0 && class.span_bytes > 0), "{stats:?}");
        }
    });
    heap.collect().unwrap();
    assert_eq!(heap.stats().classes, []);
}
