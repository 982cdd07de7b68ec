//! The ways in which a collection can run: on the heap's own thread, on nobody's, in slices, in a stopped world.
//!
//! *Callers:* `cargo test`. *Invariants:* the verifier is on everywhere; one program runs in every mode and must come to the
//! same counts.

use spanheap::{CycleReport, Heap, HeapBuilder, Mutator, Phase, Root, RootSource, RootVisitor, Slot, Step, Trace};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[derive(Trace)]
struct Node {
    value: u64,
    left: Slot<Node>,
    right: Slot<Node>,
}

#[derive(Trace)]
struct Leaf {
    value: u64,
}

fn node<'m, 'h>(cx: &'m Mutator<'h>, value: u64) -> spanheap::Gc<'m, 'h, Node> {
    cx.alloc(Node { value, left: Slot::null(), right: Slot::null() }).expect("there is room")
}

/// A tree of so many levels, with a safepoint after every few nodes.
fn tree(cx: &mut Mutator<'_>, levels: u32) -> Root<Node> {
    let mut level: Vec<Root<Node>> = (0..1 << levels).map(|value| cx.root(node(cx, value))).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| {
                cx.safepoint();
                let parent = node(cx, 0);
                cx.set(parent, |node| &node.left, Some(pair[0].get(cx)));
                cx.set(parent, |node| &node.right, Some(pair[1].get(cx)));
                cx.root(parent)
            })
            .collect();
    }
    level.pop().expect("a tree has a root")
}

fn modes() -> Vec<(&'static str, HeapBuilder)> {
    let builder = || Heap::builder().verify(true).poison(true).initial_goal(64 << 10);
    vec![
        ("background", builder()),
        ("inline", builder().background(false)),
        ("stopped", builder().stop_the_world(true)),
        ("stopped, inline", builder().stop_the_world(true).background(false)),
    ]
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

#[test]
fn every_mode_counts_the_same() {
    let mut outcomes = Vec::new();
    for (mode, builder) in modes() {
        let heap = builder.build().unwrap();
        let outcome = heap.attach(|cx| {
            let kept = tree(cx, 9);
            drop(tree(cx, 10));
            for value in 0..100_000 {
                cx.alloc(Leaf { value }).unwrap();
                cx.safepoint();
            }
            let report = cx.collect();
            let counts = |report: &CycleReport| (report.live_of::<Node>(), report.live_of::<Leaf>());
            let first = counts(&report);
            drop(kept);
            (first, counts(&cx.collect()))
        });
        let stats = heap.stats();
        assert_eq!(stats.verified_cycles, stats.cycles);
        assert!(stats.cycles > 2, "{mode}: growth has started cycles, too");
        assert_eq!(heap.phase(), Phase::Idle);
        outcomes.push((mode, outcome.unwrap(), stats.allocated_objects, stats.freed_objects));
    }
    for (mode, counts, allocated, freed) in outcomes {
        assert_eq!(counts, ((1023, 0), (0, 0)), "{mode}");
        assert_eq!(allocated, freed, "{mode}");
        assert_eq!(allocated, 1023 + 2047 + 100_000, "{mode}");
    }
}

/// Runs on a process of its own, where the test harness has one more thread, but no other test.
#[test]
fn no_thread_is_started_without_a_background() {
    const VARIABLE: &str = "SPANHEAP_TEST_THREADS";
    if std::env::var_os(VARIABLE).is_none() {
        let test = std::env::current_exe().unwrap();
        let name = "no_thread_is_started_without_a_background";
        let run =
            std::process::Command::new(test).args(["--exact", name, "--test-threads=1"]).env(VARIABLE, "1").output();
        let output = run.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let before = threads();
    assert!(before > 0, "this system tells how many threads there are");
    let heap = Heap::builder().background(false).verify(true).initial_goal(64 << 10).build().unwrap();
    heap.attach(|cx| {
        let kept = tree(cx, 8);
        for value in 0..100_000 {
            cx.alloc(Leaf { value }).unwrap();
            cx.safepoint();
            if value % 10_000 == 0 {
                assert_eq!(threads(), before);
            }
        }
        heap.request_collection();
        while !cx.step(Duration::from_micros(20)).is_finished() {}
        assert_eq!(cx.collect().live_of::<Node>(), 511);
        assert_eq!(kept.get(cx).value, 0);
        heap.trim(0);
    })
    .unwrap();
    assert!(heap.stats().cycles > 3);
    assert_eq!(threads(), before);
}

struct Failing(Arc<AtomicBool>);

// SAFETY: it has no references.
unsafe impl RootSource for Failing {
    fn visit(&self, _: &mut RootVisitor<'_>) {
        assert!(!self.0.load(Ordering::Relaxed), "this source fails");
    }
}

#[test]
fn a_root_source_that_panics_costs_one_cycle_in_every_mode() {
    for (mode, builder) in modes() {
        let heap = builder.build().unwrap();
        heap.attach(|cx| {
            let failing = Arc::new(AtomicBool::new(true));
            cx.add_root_source(Box::new(Failing(Arc::clone(&failing))));
            drop(tree(cx, 6));
            let report = cx.collect();
            assert_eq!((report.roots_failed, report.live_of::<Node>()), (true, 127), "{mode}");
            let step = loop {
                if let Some(report) = cx.step(Duration::from_micros(10)).finished() {
                    break report;
                }
            };
            assert!(step.roots_failed && step.freed_objects == 0, "{mode}");
            failing.store(false, Ordering::Relaxed);
            let report = cx.collect();
            assert_eq!((report.roots_failed, report.live_of::<Node>()), (false, 0), "{mode}");
        })
        .unwrap();
        assert_eq!(heap.stats().cycles, heap.stats().verified_cycles);
    }
}

#[test]
fn slices_are_short_and_come_to_an_end() {
    let heap = Heap::builder().background(false).build().unwrap();
    heap.set_automatic_collection(false);
    heap.attach(|cx| {
        let kept = tree(cx, 16);
        drop(tree(cx, 12));
        let (mut slices, mut times) = (0, Vec::new());
        let report = loop {
            let begin = Instant::now();
            let step = cx.step(Duration::from_micros(50));
            times.push(begin.elapsed());
            slices += 1;
            if let Step::Finished(report) = step {
                break report;
            }
            // A first slice may be over before the phase has changed: on a busy machine it is.
            assert!(slices == 1 || heap.phase() != Phase::Idle);
            assert!(slices < 100_000, "the cycle makes progress");
            // The mutator goes on in between, and hides what it can.
            let (left, right) = (kept.get(cx).load(|node| &node.left), kept.get(cx).load(|node| &node.right));
            cx.set(kept.get(cx), |node| &node.left, right);
            cx.set(kept.get(cx), |node| &node.right, left);
        };
        assert_eq!(report.live_of::<Node>(), (2 << 16) - 1);
        assert_eq!(report.freed_of::<Node>(), (2 << 12) - 1);
        assert!(slices > 10, "a tree of 131,071 nodes is not marked in {slices} slices");
        times.sort();
        // Other processes run meanwhile: the worst of them are theirs.
        assert!(times[times.len() / 2] < Duration::from_millis(1), "half of {slices} slices took {times:?}");
    })
    .unwrap();
}

#[test]
fn a_slice_does_not_wait_for_a_mutator_that_does_not_answer() {
    let heap = Heap::builder().background(false).verify(true).build().unwrap();
    let (attached, done) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            heap.attach(|cx| {
                attached.store(true, Ordering::Release);
                // No safepoint.
                while !done.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
                cx.safepoint();
            })
        });
        while !attached.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        for _ in 0..100 {
            assert!(!heap.step(Duration::from_millis(10)).unwrap().is_finished());
        }
        assert_eq!(heap.phase(), Phase::BarrierOn);
        done.store(true, Ordering::Release);
        while !heap.step(Duration::from_millis(10)).unwrap().is_finished() {}
    });
    assert_eq!(heap.stats().cycles, 1);
}

#[test]
fn several_mutators_advance_one_cycle() {
    let heap = Heap::builder().background(false).verify(true).initial_goal(128 << 10).build().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let heap = &heap;
            scope.spawn(move || {
                heap.attach(|cx| {
                    let kept = tree(cx, 7);
                    for round in 0..30 {
                        for value in 0..500 {
                            cx.alloc(Leaf { value }).unwrap();
                            cx.safepoint();
                        }
                        match (thread + round) % 4 {
                            0 => drop(cx.step(Duration::from_micros(100))),
                            1 => heap.request_collection(),
                            2 => assert!(cx.collect().live_of::<Node>() >= 255),
                            _ => cx.native(std::thread::yield_now),
                        }
                    }
                    assert_eq!(kept.get(cx).value, 0);
                })
            });
        }
    });
    let report = heap.collect().unwrap();
    assert_eq!((report.live_of::<Node>(), report.live_of::<Leaf>()), (0, 0));
    assert!(heap.stats().cycles > 20);
}

#[test]
fn a_step_of_a_heap_with_a_thread_lets_it_work() {
    let heap = Heap::builder().verify(true).build().unwrap();
    let before = heap.attach(|cx| {
        assert!(heap.step(Duration::ZERO).is_err(), "an attached thread steps through its mutator");
        let kept = tree(cx, 8);
        while !cx.step(Duration::from_millis(1)).is_finished() {}
        assert_eq!(kept.get(cx).value, 0);
        heap.stats().cycles
    });
    let report = loop {
        if let Some(report) = heap.step(Duration::from_millis(1)).unwrap().finished() {
            break report;
        }
    };
    assert_eq!(report.live_of::<Node>(), 0);
    assert!(report.number > before.unwrap());
}

#[test]
fn a_heap_may_end_in_the_middle_of_a_cycle() {
    for _ in 0..20 {
        let heap = Heap::builder().background(false).build().unwrap();
        heap.attach(|cx| {
            let kept = tree(cx, 10);
            while heap.phase() == Phase::Idle {
                cx.step(Duration::ZERO);
            }
            drop(kept);
        })
        .unwrap();
    }
}
