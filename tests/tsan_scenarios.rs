//! Threads that do everything at once, for ThreadSanitizer (`just tsan`) to watch.
//!
//! *Callers:* `just tsan`, and `cargo test`, where no sanitizer watches: the scenarios then check values alone. *Invariants:*
//! - The standard library is not compiled for the sanitizer, which therefore does not see what its locks, channels and
//!   the ends of its `Arc`s order. The scenarios use none of them: threads are started and joined, what they share is
//!   leaked, and everything else goes through the heap and through atomics. The heap's own locks tell the sanitizer of
//!   themselves (`spanheap-sync`, `edge_on.rs`). There is no verifier and no second marker here: their threads are rayon's.
//! - A race that is planted must be found by the same build, or the run says nothing.
//!
//! The heap's addresses are left to the system: the sanitizer keeps its records where a heap would begin else.

use spanheap::{Array, BaseAddress, Data, Gc, Heap, HeapBuilder, Mutator, PairFamily, Root, Slot, Stack, Trace};
use spanheap_tests::Random;
use std::marker::PhantomData;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

const THREADS: usize = 3;
const MAGIC: u64 = 0x5af3_11e4_9d27_c0de;
/// Names a race that the process is to run, and nothing else.
const PLANT: &str = "SPANHEAP_TSAN_PLANT";
/// How many times the scenarios' operations are done.
const ROUNDS: &str = "SPANHEAP_TSAN_ROUNDS";

#[derive(Trace)]
struct Node {
    id: u64,
    magic: u64,
    next: Slot<Node>,
    wide: Slot<Table>,
    visits: Data<u64>,
}

type Table = Array<Slot<Node>>;

/// Host values of stacks: a node, or nothing.
struct Nodes(PhantomData<Node>);

// SAFETY: tag 1 is an object's address, and nothing else is.
unsafe impl PairFamily for Nodes {
    type Value<'m, 'h> = Option<Gc<'m, 'h, Node>>;
    const FIRST_REFERENCE_TAG: usize = 1;

    fn encode<'m, 'h>(value: Option<Gc<'m, 'h, Node>>) -> (usize, usize) {
        value.map_or((0, 0), |node| (1, node.addr()))
    }

    unsafe fn decode<'m, 'h>(tag: usize, payload: usize) -> Option<Gc<'m, 'h, Node>> {
        // SAFETY: tag 1 came from a node.
        (tag == 1).then(|| unsafe { Gc::from_addr(payload) })
    }
}

fn node<'m, 'h>(cx: &'m Mutator<'h>, id: u64) -> Gc<'m, 'h, Node> {
    let (next, wide) = (Slot::null(), Slot::null());
    cx.alloc(Node { id, magic: MAGIC ^ id, next, wide, visits: Data::new(0) }).unwrap()
}

fn check(node: Gc<'_, '_, Node>) {
    assert_eq!(node.magic, MAGIC ^ node.id, "a slot holds something that is no node");
    node.visits.set(node.visits.get() + 1);
}

fn table<'m, 'h>(cx: &'m Mutator<'h>, len: usize) -> Gc<'m, 'h, Table> {
    cx.alloc_array(cx.array_class(), (), len).unwrap()
}

/// What the threads of a scenario share, for ever: its end would be one that the sanitizer misunderstands.
fn shared<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn builder() -> HeapBuilder {
    Heap::builder().base_address(BaseAddress::Os).initial_goal(64 << 10).poison(true)
}

/// A heap in which one cycle has run before anyone else sees it, so that what is made at its first use is there.
fn heap(builder: HeapBuilder) -> &'static Heap {
    let heap = shared(builder.build().unwrap());
    heap.attach(|cx| {
        cx.alloc_stack::<Nodes>(8).unwrap();
        table(cx, 1);
        node(cx, 0);
        cx.collect();
    })
    .unwrap();
    heap
}

/// Runs `work` on all threads, with the thread's number, and waits for them.
fn together(work: impl Fn(usize) + Clone + Send + 'static) {
    let start = |thread| {
        let work = work.clone();
        std::thread::spawn(move || work(thread))
    };
    let threads: Vec<_> = (0..THREADS).map(start).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Several mutators change one graph without any lock.
fn graph(heap: &'static Heap, operations: usize) {
    let ids = shared(AtomicU64::new(1));
    let root: &'static Root<Table> = shared(heap.attach(|cx| cx.root(table(cx, ENTRIES))).unwrap());
    together(move |thread| {
        let mut random = Random::new(thread as u64 + 1);
        for _ in 0..4 {
            heap.attach(|cx| {
                for operation in 0..operations / 4 {
                    change(cx, root.get(cx), ids, &mut random);
                    if operation % 500 == 0 {
                        heap.request_collection();
                    }
                    cx.safepoint();
                }
            })
            .unwrap();
        }
    });
}

/// Entries of the graph's table.
const ENTRIES: usize = 64;

/// One change of the graph.
fn change<'h>(cx: &Mutator<'h>, entries: Gc<'_, 'h, Table>, ids: &AtomicU64, random: &mut Random) {
    let from = entries.element(random.below(ENTRIES));
    from.inspect(|&node| check(node));
    match random.below(8) {
        0..3 => {
            let new = node(cx, ids.fetch_add(1, Ordering::Relaxed));
            cx.set(new, |node| &node.next, from);
            cx.set_element(entries, random.below(ENTRIES), Some(new));
        }
        3 => cx.set_element(entries, random.below(ENTRIES), None),
        4 => {
            if let Some(from) = from {
                let wide = table(cx, 1 + random.below(40));
                cx.set_element(wide, 0, entries.element(random.below(ENTRIES)));
                cx.set(from, |node| &node.wide, Some(wide));
            }
        }
        5 => {
            let mut at = from;
            for _ in 0..8 {
                at = at.and_then(|node| node.load(|node| &node.next)).inspect(|&node| check(node));
            }
            if let (Some(from), Some(at)) = (from, at) {
                cx.set(from, |node| &node.next, at.load(|node| &node.next));
            }
        }
        6 => {
            if let Some(wide) = from.and_then(|node| node.load(|node| &node.wide)) {
                wide.element(0).inspect(|&node| check(node));
                cx.fill_elements(wide, 0..wide.len(), from);
            }
        }
        _ => {
            let (at, to) = (random.below(ENTRIES / 2), random.below(ENTRIES / 2));
            cx.copy_elements(entries, at..at + ENTRIES / 2, entries, to);
        }
    }
}

/// Mutators run on stacks of their own, and on suspended ones that go from hand to hand; others read them all.
fn stacks(heap: &'static Heap, operations: usize) {
    const STACKS: usize = 4;
    type Registers = Stack<Nodes>;
    let root: &'static Root<Array<Slot<Registers>>> = shared(
        heap.attach(|cx| {
            let all = cx.alloc_array(cx.array_class(), (), STACKS).unwrap();
            (0..STACKS).for_each(|at| cx.set_element(all, at, Some(cx.alloc_stack::<Nodes>(64).unwrap())));
            cx.root(all)
        })
        .unwrap(),
    );
    let taken: &'static [AtomicBool; STACKS] = shared(Default::default());
    together(move |thread| {
        let mut random = Random::new(thread as u64 + 77);
        heap.attach(|cx| {
            for operation in 0..operations {
                let at = random.below(STACKS);
                if operation % 2 == 0 {
                    let stack = root.get(cx).element(at).unwrap();
                    let slots = stack.slots();
                    assert!(slots.iter().take(stack.top()).all(|slot| slot.words().0 <= 1), "a tag that nobody stored");
                } else if !taken[at].swap(true, Ordering::Acquire) {
                    run_on(cx, root, at, &mut random);
                    taken[at].store(false, Ordering::Release);
                }
                cx.safepoint();
            }
        })
        .unwrap();
    });

    fn run_on(cx: &mut Mutator<'_>, root: &Root<Array<Slot<Registers>>>, at: usize, random: &mut Random) {
        cx.switch_stack(root.get(cx).element(at));
        for _ in 0..1 + random.below(8) {
            let stack = root.get(cx).element(at).unwrap();
            let top = stack.top();
            match random.below(6) {
                0 if top > 4 => {
                    let left = random.below(top);
                    if left < stack.frozen() {
                        cx.set_frozen(stack, left);
                    }
                    stack.set_top(left);
                }
                1 => cx.set_frozen(stack, top.saturating_sub(2)),
                2 if stack.wants_to_shrink() => drop(cx.shrink_stack(stack, 8, |_, _| ())),
                3 if top > 0 => cx.set_stack_slot(stack, random.below(top), Some(node(cx, top as u64))),
                _ => {
                    if top + 40 > stack.len() && stack.len() < 4096 {
                        cx.grow_stack(stack, top + 40, |_, _| ()).unwrap();
                    }
                    let end = (top + 40).min(stack.len());
                    for slot in top..end {
                        // SAFETY: this mutator runs on the stack, and the slot lies above its frozen ones.
                        unsafe { stack.as_ref().slots()[slot].store_running(Some(node(cx, slot as u64))) };
                    }
                    stack.set_top(end);
                }
            }
            cx.safepoint();
        }
        cx.switch_stack::<Nodes>(None);
    }
}

/// Mutators come and go, and spend their time in native regions, where the collector acts for them.
fn comings_and_goings(heap: &'static Heap, operations: usize) {
    let inside = shared(AtomicUsize::new(0));
    together(move |thread| {
        let mut random = Random::new(thread as u64 + 1234);
        for _ in 0..operations / 10 {
            let root = heap
                .attach(|cx| {
                    let root = cx.root(node(cx, thread as u64));
                    for id in 0..random.below(10) {
                        let next = node(cx, id as u64);
                        cx.set(root.get(cx), |node| &node.next, Some(next));
                        cx.native(|| {
                            inside.fetch_add(1, Ordering::Relaxed);
                            std::thread::yield_now();
                            inside.fetch_sub(1, Ordering::Relaxed);
                        });
                        check(root.get(cx));
                    }
                    root
                })
                .unwrap();
            heap.request_collection();
            drop(root);
        }
    });
}

/// Arrays become longer while others read them and the collector marks them.
fn growth(heap: &'static Heap, operations: usize) {
    let roots: &'static (Root<Array<u64>>, Root<Table>) = shared(
        heap.attach(|cx| {
            let numbers = cx.alloc_array(cx.array_class::<u64, ()>(), (), 4200).unwrap();
            (cx.root(numbers), cx.root(table(cx, 4200)))
        })
        .unwrap(),
    );
    together(move |thread| {
        heap.attach(|cx| {
            for operation in 0..operations / 10 {
                let (numbers, nodes) = (roots.0.get(cx), roots.1.get(cx));
                if thread == 0 {
                    if operation % 50 == 0 {
                        heap.request_collection();
                    }
                    cx.append(numbers, &[MAGIC; 7]).unwrap();
                    cx.grow_array(nodes, nodes.len() + 3).unwrap();
                }
                assert!(numbers.elements()[4200..].iter().all(|&number| number == MAGIC));
                let new = node(cx, operation as u64);
                cx.set_element(nodes, nodes.len() - 1 - thread, Some(new));
                nodes.element(nodes.len() - 1).inspect(|&node| check(node));
                cx.safepoint();
            }
        })
        .unwrap();
    });
}

/// Cycles as the mutators' own slices, and steps of threads that are not attached.
fn slices(heap: &'static Heap, operations: usize) {
    together(move |thread| match thread {
        0 => (0..operations / 10).for_each(|_| drop(heap.step(Duration::from_micros(20)).unwrap())),
        _ => heap
            .attach(|cx| {
                let root = cx.root(node(cx, 1));
                for id in 0..operations as u64 {
                    let new = node(cx, id);
                    cx.set(new, |node| &node.next, root.get(cx).load(|node| &node.next));
                    if id % 100 != 0 {
                        cx.set(root.get(cx), |node| &node.next, Some(new));
                    } else {
                        cx.set(root.get(cx), |node| &node.next, None);
                    }
                    if id % 16 == 0 {
                        cx.step(Duration::ZERO);
                    }
                    cx.safepoint();
                }
            })
            .unwrap(),
    });
}

/// Every scenario: its name, its heap, what runs there.
type Scenario = (&'static str, fn() -> HeapBuilder, fn(&'static Heap, usize));

const SCENARIOS: &[Scenario] = &[
    ("graph", builder, graph),
    ("graph, inline", || builder().background(false), graph),
    ("graph, stopped world", || builder().stop_the_world(true), graph),
    ("graph, collection after every few allocations", || builder().collect_every(Some(50)), graph),
    ("stacks", builder, stacks),
    ("stacks, inline", || builder().background(false), stacks),
    ("comings and goings", builder, comings_and_goings),
    ("growth", builder, growth),
    ("slices", || builder().background(false), slices),
];

/// Plain stores to slots while another mutator loads them, or while the collector marks.
fn plant(by_marker: bool) {
    /// So many that the marker takes a while to read them.
    const SLOTS: usize = 50_000;
    let heap = heap(builder());
    let root: &'static Root<Table> = shared(heap.attach(|cx| cx.root(table(cx, SLOTS))).unwrap());
    let (begun, seen) = (shared(AtomicUsize::new(0)), shared(AtomicUsize::new(0)));
    together(move |thread| {
        heap.attach(|cx| {
            // All at once; relaxed, because anything more would order what is to race.
            begun.fetch_add(1, Ordering::Relaxed);
            while begun.load(Ordering::Relaxed) < THREADS {
                cx.safepoint();
                std::thread::yield_now();
            }
            for round in 0..10 * SLOTS {
                let table = root.get(cx);
                if thread == 0 {
                    let slot = std::ptr::from_ref(&table.as_ref().elements()[round % SLOTS]).cast_mut().cast::<usize>();
                    // SAFETY: none is claimed, for this is the race that is to be found; the word is null already.
                    unsafe { slot.write_volatile(0) };
                    if round % 5000 == 0 {
                        heap.request_collection();
                    }
                } else if !by_marker {
                    seen.fetch_add(table.element(round % SLOTS).is_some().into(), Ordering::Relaxed);
                }
                cx.safepoint();
            }
        })
        .unwrap();
    });
}

/// Runs this program again with a planted race. Returns whether it was reported.
fn is_found(plant: &str) -> bool {
    let child = Command::new(std::env::current_exe().unwrap()).env(PLANT, plant).output().unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    let found = !child.status.success() && said.contains("ThreadSanitizer: data race") && said.contains("::plant");
    if !found {
        eprintln!("the planted race with {plant} was not found:\n{said}");
    }
    found
}

fn main() -> ExitCode {
    if let Ok(planted) = std::env::var(PLANT) {
        plant(planted == "the marker");
        return ExitCode::SUCCESS;
    }
    let rounds: usize = std::env::var(ROUNDS).ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let operations = rounds * 4000;
    let mut cycles = 0;
    for &(name, builder, run) in SCENARIOS {
        let heap = heap(builder());
        run(heap, operations);
        heap.collect().unwrap();
        let stats = heap.stats();
        assert!(stats.cycles > 2 && stats.freed_objects > 0, "{name}: {} cycles", stats.cycles);
        cycles += stats.cycles;
        eprintln!("{name}: {} cycles, {} objects freed", stats.cycles, stats.freed_objects);
    }
    let mut planted = 0;
    if cfg!(spanheap_tsan) {
        for plant in ["another mutator", "the marker"] {
            if !is_found(plant) {
                return ExitCode::FAILURE;
            }
            planted += 1;
        }
    }
    eprintln!(
        "figures: tsan scenarios={} operations={} cycles={cycles} planted_found={planted}",
        SCENARIOS.len(),
        SCENARIOS.len() * THREADS * operations
    );
    ExitCode::SUCCESS
}
