//! spike
#![cfg(loom)]
use spanheap::{Heap, Slot, Trace};
use std::sync::Arc;

#[derive(Trace)]
struct Node {
    value: u64,
    next: Slot<Node>,
}

#[test]
fn spike() {
    let mut b = loom::model::Builder::new();
    b.preemption_bound = Some(std::env::var("PB").map_or(0, |p| p.parse().unwrap()));
    b.max_branches = 100_000;
    let n = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let m = n.clone();
    let t = std::time::Instant::now();
    b.check(move || {
        m.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let heap = Heap::builder()
            .background(false)
            .ignore_cgroup_limit(true)
            .late_after(None)
            .scavenge(None)
            .build()
            .unwrap();
        let other = heap.clone();
        let th = loom::thread::spawn(move || {
            other
                .attach(|cx| {
                    let root = cx.root(cx.alloc(Node { value: 1, next: Slot::null() }).unwrap());
                    cx.safepoint();
                    assert_eq!(root.get(cx).value, 1);
                })
                .unwrap();
        });
        let report = heap
            .attach(|cx| {
                cx.alloc(Node { value: 2, next: Slot::null() }).unwrap();
                cx.collect()
            })
            .unwrap();
        assert!(report.freed_of::<Node>() >= 1);
        th.join().unwrap();
    });
    eprintln!("{:?} {:?}", n, t.elapsed());
}
