//! spike
#![cfg(shuttle)]
use spanheap::{Heap, Slot, Trace};

#[derive(Trace)]
struct Node {
    value: u64,
    next: Slot<Node>,
}

#[test]
fn spike() {
    let mut config = shuttle::Config::new();
    config.stack_size = 256 << 10;
    config.silence_warnings = true;
    let t = std::time::Instant::now();
    let n: usize = std::env::var("N").map_or(100, |p| p.parse().unwrap());
    for bg in [false, true] {
        shuttle::Runner::new(shuttle::scheduler::RandomScheduler::new(n), config.clone()).run(move || {
            let heap = Heap::builder()
                .background(bg)
                .ignore_cgroup_limit(true)
                .late_after(None)
                .scavenge(None)
                .verify(true)
                .build()
                .unwrap();
            let other = heap.clone();
            let th = shuttle::thread::spawn(move || {
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
        eprintln!("{bg} {:?}", t.elapsed());
    }
}
