//! Threads that end in the midst of something, or never: a panic detaches them wherever they are, with all that they have
//! logged; one that waits for ever in a native region costs nobody anything; a process may end at any time.
//!
//! *Callers:* `cargo test`. *Invariants:* a panic is injected by `resume_unwind`, which prints nothing; every one is counted
//! where its thread is joined. What has to end the process happens in a process of its own: this binary again, with a variable
//! set.

use spanheap::{Ambiguous, Array, Event, Heap, HeapBuilder, JitView, Mutator, Phase, Root, Slot, Trace};
use spanheap_tests::Random;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

const ENTRIES: usize = 64;
const MODES: [&str; 3] = ["background", "inline", "stopped"];

#[derive(Trace)]
struct Node {
    id: u64,
    next: Slot<Node>,
}

type Table = Array<Slot<Node>>;

struct Injected;

fn builder(mode: &str) -> HeapBuilder {
    let builder = Heap::builder().verify(true).poison(true).initial_goal(128 << 10);
    match mode {
        "inline" => builder.background(false),
        "stopped" => builder.stop_the_world(true),
        _ => builder,
    }
}

fn table(heap: &Heap) -> Root<Table> {
    heap.attach(|cx| cx.root(cx.alloc_array(cx.array_class(), (), ENTRIES).unwrap())).unwrap()
}

/// Works on its own part of the table until it dies: entries are filled, and what they hold is moved about, so that now and
/// then only the thread's log knows of a node. Never returns.
fn live_and_die(heap: &Heap, table: &Root<Table>, reference: &Mutex<Vec<Option<u64>>>, thread: usize, seed: u64) {
    let mut random = Random::new(seed);
    let own = |random: &mut Random| thread * 16 + random.below(16);
    heap.attach(|cx| {
        let mut life = 20 + random.below(2000);
        let mut step = |cx: &mut Mutator<'_>, random: &mut Random| {
            let (from, to) = (own(random), own(random));
            let node = match table.get(cx).element(from) {
                Some(node) if random.below(3) > 0 => node,
                _ => cx.alloc(Node { id: seed << 32 | life as u64, next: Slot::null() }).unwrap(),
            };
            let mut reference = reference.lock().unwrap();
            // Hidden behind nothing, for a moment.
            cx.set_element(table.get(cx), from, None);
            reference[from] = None;
            cx.set_element(table.get(cx), to, Some(node));
            reference[to] = Some(node.id);
            drop(reference);
            life -= 1;
            let dies = life == 0;
            if dies && random.below(2) == 0 {
                cx.native(|| resume_unwind(Box::new(Injected)));
            }
            if dies {
                resume_unwind(Box::new(Injected));
            }
        };
        loop {
            if random.below(10) == 0 {
                cx.scope(|cx, scope| {
                    let held = scope.hold(cx, cx.alloc(Node { id: 5, next: Slot::null() }).unwrap());
                    let kept = cx.root(held.get(cx));
                    for _ in 0..5 {
                        step(cx, &mut random);
                        cx.safepoint();
                        assert!(held.get(cx) == kept.get(cx) && held.get(cx).id == 5);
                    }
                });
            } else {
                step(cx, &mut random);
            }
            cx.safepoint();
        }
    })
    .unwrap();
}

#[test]
fn threads_die_while_collections_run() {
    for mode in MODES {
        let heap = builder(mode).build().unwrap();
        let (table, reference) = (table(&heap), Mutex::new(vec![None; ENTRIES]));
        let (mut died, mut while_marking, done) = (0, 0, AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    heap.collect().unwrap();
                }
            });
            for generation in 0..40 {
                let threads: Vec<_> = (0..4)
                    .map(|thread| {
                        let (heap, table, reference) = (&heap, &table, &reference);
                        scope.spawn(move || {
                            let seed = generation * 4 + thread as u64 + 1;
                            live_and_die(heap, table, reference, thread, seed);
                        })
                    })
                    .collect();
                for thread in threads {
                    let panic = thread.join().expect_err("no thread comes back");
                    assert!(panic.is::<Injected>(), "{:?}", panic.downcast_ref::<String>());
                    died += 1;
                    while_marking += u64::from(!matches!(heap.phase(), Phase::Idle | Phase::Sweep));
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        let report = heap.collect().unwrap();
        let reference = reference.into_inner().unwrap();
        let mut alive: Vec<u64> = reference.iter().flatten().copied().collect();
        alive.sort();
        alive.dedup();
        assert_eq!(report.live_of::<Node>(), alive.len() as u64, "mode {mode}");
        heap.attach(|cx| {
            for (entry, &id) in reference.iter().enumerate() {
                assert_eq!(table.get(cx).element(entry).map(|node| node.id), id);
            }
        })
        .unwrap();
        let stats = heap.stats();
        assert!(stats.mutators == 0 && stats.roots == 1 && stats.verified_cycles == stats.cycles && stats.cycles > 10);
        println!(
            "figures: faults kind=thread_death mode={mode} injected={died} cycles={} joined_while_marking={while_marking}",
            stats.cycles
        );
    }
}

/// A thread that will never do anything again keeps what it holds, and nobody waits for it.
#[test]
fn a_thread_parks_for_ever() {
    for mode in MODES {
        let heap = builder(mode).build().unwrap();
        let (parked, is_parked) = mpsc::channel();
        let forever = heap.clone();
        std::thread::spawn(move || {
            forever.attach(|cx| {
                cx.scope(|cx, scope| {
                    scope.hold(cx, cx.alloc(Node { id: 1, next: Slot::null() }).unwrap());
                    std::mem::forget(cx.root(cx.alloc(Node { id: 2, next: Slot::null() }).unwrap()));
                    cx.alloc(Node { id: 3, next: Slot::null() }).unwrap();
                    cx.native(|| {
                        parked.send(()).unwrap();
                        loop {
                            std::thread::park();
                        }
                    })
                })
            })
        });
        is_parked.recv().unwrap();
        for _ in 0..5 {
            assert_eq!(heap.collect().unwrap().live_of::<Node>(), 2, "the handle's and the forgotten root's");
        }
        heap.attach(|cx| {
            for id in 0..5000 {
                cx.alloc(Node { id, next: Slot::null() }).unwrap();
                cx.safepoint();
            }
            assert_eq!(cx.collect().live_of::<Node>(), 2);
        })
        .unwrap();
        let stats = heap.stats();
        assert_eq!((stats.mutators, stats.verified_cycles), (1, stats.cycles));
        println!("figures: faults kind=parked mode={mode} injected={} cycles={}", stats.mutators, stats.cycles);
        // The thread has the heap still.
        drop(heap);
    }
}

#[derive(Trace)]
struct Words {
    words: [Ambiguous; 32],
}

/// A word may name a slot that some thread has ready for its next object. While a cycle marks, the word is overwritten, and the
/// slot logged with it; then that thread ends, and the slot is free: it must not be marked.
#[test]
fn a_thread_ends_whose_ready_slots_were_logged() {
    let (mut logged, mut cycles) = (0, 0);
    for poisoned in [false, true] {
        let heap = builder("inline").build().unwrap();
        let (ready, named) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let attached = &heap;
            let other = scope.spawn(move || {
                attached
                    .attach(|cx| {
                        if poisoned {
                            for id in 0..3000 {
                                cx.alloc(Node { id, next: Slot::null() }).unwrap();
                            }
                            cx.collect();
                        }
                        let last = cx.alloc(Node { id: 1, next: Slot::null() }).unwrap().addr();
                        cx.native(|| {
                            ready.send(last).unwrap();
                            ends.recv().unwrap();
                        });
                    })
                    .unwrap();
            });
            heap.attach(|cx| {
                let owner = cx.alloc(Words { words: Default::default() }).unwrap();
                let owner = cx.root(owner);
                let last = cx.native(|| named.recv().unwrap());
                for n in 0..32 {
                    let word = last + (n + 1) * size_of::<Node>();
                    assert!(heap.resolve(word).is_some_and(|found| found.allocated && found.slot == word), "not ready");
                    cx.set_ambiguous(owner.get(cx), |owner| &owner.words[n], word);
                }
                // SAFETY: the address is good as long as the mutator is attached, and this is its thread.
                while heap.phase() != Phase::Mark || unsafe { *cx.jit().barrier } != JitView::DELETION {
                    cx.step(Duration::ZERO);
                }
                for n in 0..32 {
                    cx.set_ambiguous(owner.get(cx), |owner| &owner.words[n], 0);
                    logged += 1;
                }
                end.send(()).unwrap();
                cx.native(|| other.join().unwrap());
                for _ in 0..3 {
                    assert_eq!(cx.collect().live_of::<Node>(), 0);
                }
            })
            .unwrap();
        });
        cycles += heap.stats().verified_cycles;
    }
    println!("figures: faults kind=ready_slot injected={logged} cycles={cycles}");
}

/// The last handle goes on the thread that tells of an event: the heap's own, which can not wait for itself.
#[test]
fn the_last_handle_goes_on_the_heaps_own_thread() {
    let last: Arc<Mutex<Option<Heap>>> = Arc::default();
    let (told, outcome) = mpsc::channel();
    let listener = {
        let last = Arc::clone(&last);
        move |_: &Event| {
            let heap = last.lock().unwrap().take();
            if let Some(heap) = heap {
                let cycles = heap.stats().cycles;
                let dropped = catch_unwind(AssertUnwindSafe(|| drop(heap))).is_ok();
                told.send((dropped, cycles)).unwrap();
            }
        }
    };
    // More is live than the limit allows: the end of the first cycle tells.
    let heap = builder("background").soft_limit(64 << 10).on_event(Arc::new(listener)).build().unwrap();
    let live = heap.attach(|cx| cx.root(cx.alloc_bytes(&[1; 300_000]).unwrap())).unwrap();
    let handle = last.lock().unwrap().insert(heap).clone();
    let mut slot = last.lock().unwrap();
    handle.request_collection();
    drop(handle);
    assert!(slot.as_mut().is_some());
    drop(slot);
    let (dropped, cycles) = outcome.recv_timeout(Duration::from_secs(60)).expect("the event comes");
    assert!(dropped, "the heap ends without a panic");
    drop(live);
    println!("figures: faults kind=last_handle injected={} cycles={cycles}", u64::from(dropped));
}

/// Set in a process that is to end while its heap works: says how.
const ENDS: &str = "SPANHEAP_TEST_ENDS";
const CODE: i32 = 7;

const WAYS: [&str; 6] = ["running", "native", "native forever", "not attached", "listener", "scope of a late thread"];

/// In the child: ends the process in this way, while a cycle is in progress, with other mutators at work.
fn end(way: &str) {
    let exits = Arc::new(AtomicBool::new(false));
    let listener = {
        let exits = Arc::clone(&exits);
        move |_: &Event| {
            if exits.load(Ordering::Relaxed) {
                std::process::exit(CODE);
            }
        }
    };
    let builder = Heap::builder().initial_goal(64 << 10).poison(true).late_after(Some(Duration::from_micros(1)));
    let heap = builder.on_event(Arc::new(listener)).build().unwrap();
    for _ in 0..2 {
        let heap = heap.clone();
        std::thread::spawn(move || {
            heap.attach(|cx| {
                let mut kept = Vec::new();
                for id in 0.. {
                    kept.push(cx.root(cx.alloc(Node { id, next: Slot::null() }).unwrap()));
                    kept.truncate(10_000);
                    cx.safepoint();
                }
            })
        });
    }
    let collecting = |heap: &Heap| {
        heap.request_collection();
        let collects = !matches!(heap.phase(), Phase::Idle);
        if collects {
            println!("\nin cycle {}", heap.stats().cycles + 1);
        }
        collects
    };
    match way {
        "not attached" => {
            while !collecting(&heap) {}
            std::process::exit(CODE);
        }
        "native forever" => {
            let (parked, is_parked) = mpsc::channel();
            let forever = heap.clone();
            std::thread::spawn(move || {
                forever.attach(|cx| {
                    cx.native(|| {
                        parked.send(()).unwrap();
                        loop {
                            std::thread::park();
                        }
                    })
                })
            });
            is_parked.recv().unwrap();
            heap.collect().unwrap();
            while !collecting(&heap) {}
            std::process::exit(CODE);
        }
        _ => {}
    }
    heap.attach(|cx| {
        cx.scope(|cx, scope| {
            scope.hold(cx, cx.alloc(Node { id: 1, next: Slot::null() }).unwrap());
            while !collecting(&heap) {
                cx.safepoint();
            }
            match way {
                "native" => cx.native(|| std::process::exit(CODE)),
                // Cycles wait for this thread, and an event of that ends the process.
                "listener" => {
                    exits.store(true, Ordering::Relaxed);
                    loop {
                        std::thread::sleep(Duration::from_millis(1));
                        cx.safepoint();
                        heap.request_collection();
                    }
                }
                "scope of a late thread" => std::thread::sleep(Duration::from_millis(30)),
                _ => {}
            }
            std::process::exit(CODE)
        })
    })
    .unwrap();
}

#[test]
fn a_process_ends_while_its_heap_works() {
    if let Ok(way) = std::env::var(ENDS) {
        return end(&way);
    }
    let (mut ended, mut cycles) = (0, 0);
    for way in WAYS {
        for _ in 0..3 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "a_process_ends_while_its_heap_works", "--nocapture"])
                .env(ENDS, way)
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let begin = Instant::now();
            let status = loop {
                match child.try_wait().unwrap() {
                    Some(status) => break status,
                    None if begin.elapsed() > Duration::from_secs(60) => {
                        child.kill().unwrap();
                        panic!("the process hangs where it should end: {way}");
                    }
                    None => std::thread::sleep(Duration::from_millis(2)),
                }
            };
            assert_eq!(status.code(), Some(CODE), "{way}: {status}");
            let said = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
            let cycle = said.lines().find_map(|line| line.strip_prefix("in cycle ")?.parse::<u64>().ok());
            cycles += cycle.expect("a cycle was in progress");
            ended += 1;
        }
    }
    println!("figures: faults kind=exit injected={ended} cycles={cycles}");
}
