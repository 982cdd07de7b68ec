//! Forking a process whose heap is at work.
//!
//! *Callers:* `cargo test`. *Invariants:* a child ends without destructors, by a code that tells what it found; nothing of the
//! test harness runs in it.

#![cfg(target_os = "linux")]

use spanheap::{Heap, HeapBuilder, Mutator, Phase, Root, RootSource, RootVisitor, Slot, Trace};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[derive(Trace)]
struct Node {
    next: Slot<Node>,
}

#[derive(Trace)]
struct Other {
    value: u64,
}

fn chain(cx: &mut Mutator<'_>, len: usize) -> Root<Node> {
    let mut root = cx.root(cx.alloc(Node { next: Slot::null() }).unwrap());
    for _ in 1..len {
        let node = cx.alloc(Node { next: Slot::null() }).unwrap();
        cx.set(node, |node| &node.next, Some(root.get(cx)));
        root = cx.root(node);
        cx.safepoint();
    }
    root
}

fn fork() -> libc::pid_t {
    // SAFETY: the child calls nothing but the heap, which is whole, and the host's allocator, which the system's library
    // makes whole.
    unsafe { libc::fork() }
}

/// In the child: ends it, well or not.
fn end(work: impl FnOnce()) -> ! {
    let code = if catch_unwind(AssertUnwindSafe(work)).is_ok() { 7 } else { 8 };
    // SAFETY: no destructors, no handlers.
    unsafe { libc::_exit(code) }
}

/// In the parent: waits for a child that ends well in a minute.
fn await_child(child: libc::pid_t) {
    assert!(child > 0, "the system forks");
    let begin = Instant::now();
    let mut status = 0;
    // SAFETY: a child of this process, and a place for its status.
    while unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } == 0 {
        if begin.elapsed() > Duration::from_secs(60) {
            // SAFETY: the child is this process's.
            unsafe { libc::kill(child, libc::SIGKILL) };
            panic!("the child hangs");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7, "the child ended with status {status:#x}");
}

fn builders() -> Vec<HeapBuilder> {
    let builder = || Heap::builder().verify(true).poison(true).initial_goal(128 << 10).scavenge(Some(Duration::ZERO));
    vec![builder(), builder().background(false), builder().stop_the_world(true)]
}

#[test]
fn a_child_goes_on_with_one_mutator() {
    for builder in builders() {
        let heap = builder.build().unwrap();
        let (stop, ready) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (heap, stop, ready) = (&heap, &stop, &ready);
                scope.spawn(move || {
                    heap.attach(|cx| {
                        cx.scope(|cx, scope| {
                            let held = scope.hold(cx, cx.alloc(Other { value: thread }).unwrap());
                            let mut counted = false;
                            while !stop.load(Ordering::Relaxed) {
                                for value in 0..100 {
                                    cx.alloc(Other { value }).unwrap();
                                    cx.safepoint();
                                }
                                if !counted {
                                    counted = true;
                                    ready.fetch_add(1, Ordering::Relaxed);
                                }
                                match thread {
                                    0 => cx.native(|| std::thread::sleep(Duration::from_millis(1))),
                                    1 => assert!(cx.collect().live_of::<Other>() >= 1),
                                    _ => {}
                                }
                            }
                            assert_eq!(held.get(cx).value, thread);
                        });
                    })
                });
            }
            // Attaches and detaches, drops roots, asks for cycles.
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    drop(heap.attach(|cx| chain(cx, 3)));
                    heap.request_collection();
                }
            });
            heap.attach(|cx| {
                let kept = chain(cx, 500);
                while ready.load(Ordering::Relaxed) < 3 {
                    cx.native(std::thread::yield_now);
                }
                for _ in 0..8 {
                    let child = cx.fork(fork);
                    if child == 0 {
                        end(|| {
                            assert_eq!(heap.phase(), Phase::Idle);
                            assert_eq!(heap.stats().mutators, 1);
                            // The other threads' roots can be in the table; what their mutators held is not alive.
                            for _ in 0..3 {
                                let report = cx.collect();
                                assert!((500..510).contains(&report.live_of::<Node>()), "{}", report.live_of::<Node>());
                                assert_eq!(report.live_of::<Other>(), 0);
                                for value in 0..10_000 {
                                    cx.alloc(Other { value }).unwrap();
                                    cx.safepoint();
                                }
                            }
                            assert!(kept.get(cx).load(|node| &node.next).is_some());
                            // A thread of the child's own.
                            let threads = std::thread::scope(|scope| {
                                let other = scope.spawn(|| heap.attach(|cx| drop(chain(cx, 10))));
                                cx.native(|| other.join())
                            });
                            assert!(threads.is_ok());
                            cx.collect();
                            let stats = heap.stats();
                            assert_eq!(stats.verified_cycles, stats.cycles);
                        });
                    }
                    await_child(child);
                }
                stop.store(true, Ordering::Relaxed);
                let report = cx.collect();
                assert!(report.live_of::<Node>() >= 500);
                drop(kept);
            })
            .unwrap();
        });
        let report = heap.collect().unwrap();
        assert_eq!((report.live_of::<Node>(), report.live_of::<Other>()), (0, 0));
    }
}

#[test]
fn a_thread_that_is_not_attached_forks_an_idle_heap() {
    let heap = Heap::builder().verify(true).build().unwrap();
    heap.attach(|cx| {
        assert!(heap.fork(|| ()).is_err(), "an attached thread forks through its mutator");
        drop(chain(cx, 100));
    })
    .unwrap();
    heap.collect().unwrap();
    let child = heap.fork(fork).unwrap();
    if child == 0 {
        end(|| {
            let kept = heap.attach(|cx| chain(cx, 50)).unwrap();
            assert_eq!(heap.collect().unwrap().live_of::<Node>(), 50);
            drop(kept);
            // A child may fork again.
            let child = heap.fork(fork).unwrap();
            if child == 0 {
                end(|| assert_eq!(heap.collect().unwrap().live_of::<Node>(), 0));
            }
            await_child(child);
        });
    }
    await_child(child);
    assert_eq!(heap.collect().unwrap().live_of::<Node>(), 0);
}

#[test]
fn a_fork_that_fails_changes_nothing() {
    let heap = Heap::builder().verify(true).build().unwrap();
    heap.attach(|cx| {
        let kept = chain(cx, 10);
        let failed = catch_unwind(AssertUnwindSafe(|| cx.fork(|| -> () { panic!("no fork today") })));
        assert!(failed.is_err());
        assert_eq!(cx.fork(|| -1), -1);
        assert_eq!(cx.collect().live_of::<Node>(), 10);
        drop(kept);
    })
    .unwrap();
}

/// Ends the threads that look at it, also where a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A source that takes its time, and holds nothing.
struct Slow;

// SAFETY: it holds no reference.
unsafe impl RootSource for Slow {
    fn visit(&self, _: &mut RootVisitor<'_>) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A cycle is asked for just before the fork, which holds off what has not begun: the parent runs it when it goes on. In the child
/// it is not wanted any more. If it has begun, a slow root source draws it out, and the fork waits. What a child has
/// found it says through a pipe.
#[test]
fn a_cycle_is_wanted_while_the_process_forks() {
    let mut inherited = 0;
    for builder in builders() {
        let heap = builder.build().unwrap();
        let (stop, attached) = (AtomicBool::new(false), AtomicUsize::new(0));
        let mut pipe = [0; 2];
        // SAFETY: a place for two numbers.
        assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
        std::thread::scope(|scope| {
            // Has a slow source.
            scope.spawn(|| {
                heap.attach(|cx| {
                    cx.add_root_source(Box::new(Slow));
                    attached.fetch_add(1, Ordering::Relaxed);
                    cx.native(|| {
                        while !stop.load(Ordering::Relaxed) {
                            std::thread::sleep(Duration::from_millis(1))
                        }
                    });
                })
            });
            // Comes late to its safepoints.
            scope.spawn(|| {
                heap.attach(|cx| {
                    attached.fetch_add(1, Ordering::Relaxed);
                    while !stop.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(2));
                        cx.safepoint();
                    }
                })
            });
            let stopping = Stop(&stop);
            heap.attach(|cx| {
                let kept = chain(cx, 100);
                while attached.load(Ordering::Relaxed) < 2 {
                    cx.native(std::thread::yield_now);
                }
                for _ in 0..4 {
                    cx.collect();
                    let before = heap.stats().cycles;
                    heap.request_collection();
                    let child = cx.fork(fork);
                    let cycles = heap.stats().cycles;
                    if child == 0 {
                        end(|| {
                            let wanted = [u8::from(cycles == before)];
                            // SAFETY: the byte is there.
                            assert_eq!(unsafe { libc::write(pipe[1], wanted.as_ptr().cast(), 1) }, 1);
                            for _ in 0..20 {
                                assert_eq!(
                                    (heap.phase(), heap.stats().cycles),
                                    (Phase::Idle, cycles),
                                    "nobody wants it"
                                );
                                cx.safepoint();
                                cx.native(|| std::thread::sleep(Duration::from_millis(1)));
                            }
                            assert_eq!(cx.collect().live_of::<Node>(), 100);
                            // A thread of its own runs what is asked for here.
                            heap.request_collection();
                            for value in 0..1000 {
                                cx.alloc(Other { value }).unwrap();
                                cx.safepoint();
                            }
                            assert_eq!(cx.collect().live_of::<Other>(), 0);
                            let stats = heap.stats();
                            assert!(stats.cycles > cycles + 1 && stats.verified_cycles == stats.cycles);
                            assert!(kept.get(cx).load(|node| &node.next).is_some());
                        });
                    }
                    cx.native(|| await_child(child));
                    let mut wanted = [0_u8];
                    // SAFETY: there is room for the byte, which the child has written.
                    assert_eq!(unsafe { libc::read(pipe[0], wanted.as_mut_ptr().cast(), 1) }, 1);
                    inherited += u64::from(wanted[0]);
                    assert_eq!(cx.collect().live_of::<Node>(), 100);
                    assert!(heap.stats().cycles > before, "what the parent wanted it has run");
                }
                drop(kept);
            })
            .unwrap();
            drop(stopping);
        });
        assert_eq!(heap.collect().unwrap().live_of::<Node>(), 0);
        println!("figures: faults kind=fork injected={inherited} cycles={}", heap.stats().cycles);
    }
    assert!(inherited > 2, "{inherited} children inherited a cycle that was wanted");
}
