//! Panics in everything that the heap calls: whatever unwinds, and wherever the cycle is, the thread is detached or goes on,
//! what it logged is kept, and the heap works as before.
//!
//! *Callers:* `cargo test`. *Invariants:* a panic is injected by `resume_unwind`, which unwinds as any panic does and prints
//! nothing. Every one is counted where it is caught. Each heap has the verifier on, and freed slots are poisoned.

use spanheap::{
    Ambiguous, Array, Data, Event, Gc, Heap, HeapBuilder, JitView, Mutator, Pair, PairFamily, Phase, Root, RootSource,
    RootVisitor, Slot, Stack, Trace,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const NODES: u64 = 2000;

#[derive(Trace)]
struct Node {
    id: u64,
    next: Slot<Node>,
    pair: Pair<Family>,
    word: Ambiguous,
    count: Data<u64>,
}

/// Pairs that are nil or a node. A node of this id makes `encode` panic, and one of the next `decode`.
struct Family;
const NOT_ENCODED: u64 = 1 << 40;
const NOT_DECODED: u64 = NOT_ENCODED + 1;

// SAFETY: tag 1 is a node's address, and nothing else is.
unsafe impl PairFamily for Family {
    type Value<'m, 'h> = Option<Gc<'m, 'h, Node>>;
    const FIRST_REFERENCE_TAG: usize = 1;

    fn encode<'m, 'h>(value: Option<Gc<'m, 'h, Node>>) -> (usize, usize) {
        if value.is_some_and(|node| node.id == NOT_ENCODED) {
            inject();
        }
        value.map_or((0, 0), |node| (1, node.addr()))
    }

    unsafe fn decode<'m, 'h>(tag: usize, payload: usize) -> Option<Gc<'m, 'h, Node>> {
        // SAFETY: tag 1 came from a node.
        let node: Option<Gc<Node>> = (tag != 0).then(|| unsafe { Gc::from_addr(payload) });
        if node.is_some_and(|node| node.id == NOT_DECODED) {
            inject();
        }
        node
    }
}

/// What is thrown.
struct Injected;

fn inject() -> ! {
    resume_unwind(Box::new(Injected))
}

/// Calls what must unwind by an injected panic.
fn unwinds(work: impl FnOnce()) {
    let panic = catch_unwind(AssertUnwindSafe(work)).expect_err("the callback was called, and its panic came through");
    assert!(panic.is::<Injected>(), "some other panic came first");
}

fn node(cx: &Mutator<'_>, id: u64) -> Root<Node> {
    cx.root(new(cx, id))
}

fn new<'m, 'h>(cx: &'m Mutator<'h>, id: u64) -> Gc<'m, 'h, Node> {
    let (next, pair, word, count) = (Slot::null(), Pair::nil(), Ambiguous::zero(), Data::new(id));
    cx.alloc(Node { id, next, pair, word, count }).unwrap()
}

fn chain(cx: &mut Mutator<'_>, ids: std::ops::Range<u64>) -> Root<Node> {
    let mut head: Option<Root<Node>> = None;
    for id in ids.rev() {
        let node = new(cx, id);
        cx.set(node, |node| &node.next, head.map(|head| head.get(cx)));
        head = Some(cx.root(node));
        cx.safepoint();
    }
    head.expect("a chain has a node")
}

fn ids(cx: &Mutator<'_>, head: &Root<Node>) -> Vec<u64> {
    let (mut ids, mut at) = (Vec::new(), Some(head.get(cx)));
    while let Some(node) = at {
        ids.push(node.id);
        at = node.load(|node| &node.next);
    }
    ids
}

type Builder = fn() -> HeapBuilder;

/// Every way to run cycles.
const MODES: [(&str, Builder); 3] =
    [("background", || base()), ("inline", || base().background(false)), ("stopped", || base().stop_the_world(true))];

fn base() -> HeapBuilder {
    Heap::builder().verify(true).poison(true).initial_goal(1 << 20)
}

/// Lets a cycle come into marking, as far as this mutator can hold it there. False where the world stands still for it.
fn reach_marking(cx: &mut Mutator<'_>, heap: &Heap, mode: &str) -> bool {
    if mode == "stopped" {
        return false;
    }
    let begin = Instant::now();
    loop {
        if matches!(heap.phase(), Phase::Mark | Phase::Terminate) && barrier(cx) == JitView::DELETION {
            return true;
        }
        if mode == "inline" {
            cx.step(Duration::ZERO);
        } else {
            heap.request_collection();
            cx.safepoint();
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "no cycle comes into marking");
    }
}

/// What this mutator's barrier does.
fn barrier(cx: &Mutator<'_>) -> u8 {
    // SAFETY: the address is good as long as the mutator is attached, and this is its thread.
    unsafe { *cx.jit().barrier }
}

/// Something that calls a callback which panics. The mutator and a node that is rooted.
type Place = fn(&mut Mutator<'_>, &Root<Node>);

const PLACES: [(&str, Place); 22] = [
    ("attach", |_, _| inject()),
    ("native", |cx, _| cx.native(|| inject())),
    ("fork", |cx, _| cx.fork(|| inject())),
    ("scope", |cx, root| cx.scope(|cx, scope| hold_and_inject(cx, scope.hold(cx, root.get(cx)).get(cx).id))),
    ("scopes in scopes", |cx, root| {
        cx.scope(|cx, outer| {
            let held = outer.hold(cx, root.get(cx));
            cx.scope(|cx, inner| {
                inner.hold(cx, held.get(cx));
                cx.safepoint();
                cx.scope(|cx, _| hold_and_inject(cx, held.get(cx).id))
            })
        })
    }),
    ("a handle made in the wrong scope", |cx, root| {
        cx.scope(|cx, outer| {
            cx.scope(|cx, _| {
                let wrong = catch_unwind(AssertUnwindSafe(|| {
                    outer.hold(cx, root.get(cx));
                }));
                assert!(wrong.is_err());
                inject()
            })
        })
    }),
    ("initialiser of a small array", |cx, _| {
        cx.alloc_array_with(cx.array_class::<u8, ()>(), (), 100, |bytes| {
            bytes.fill(0xff);
            inject()
        })
        .map(drop)
        .unwrap()
    }),
    ("initialiser of a large array", |cx, _| {
        cx.alloc_array_with(cx.array_class::<u64, ()>(), (), 50_000, |words| {
            words.fill(u64::MAX);
            inject()
        })
        .map(drop)
        .unwrap()
    }),
    ("initialiser that allocates", |cx, _| {
        let class = cx.array_class::<u64, ()>();
        cx.alloc_array_with(class, (), 10, |_| {
            cx.alloc_array_with(class, (), 10, |_| inject()).map(drop).unwrap();
        })
        .map(drop)
        .unwrap()
    }),
    ("choice of a slot", |cx, root| cx.set(root.get(cx), |_| inject(), Some(root.get(cx)))),
    ("choice of a slot to load", |cx, root| {
        root.get(cx).load(|_| -> &Slot<Node> { inject() });
    }),
    ("choice of a word", |cx, root| cx.set_ambiguous(root.get(cx), |_| inject(), 8)),
    ("choice of a pair", |cx, root| cx.set_pair(root.get(cx), |_| -> &Pair<Family> { inject() }, None)),
    ("choice of a pair to load", |cx, root| {
        // SAFETY: there is one mutator.
        unsafe { root.get(cx).load_pair(|_| -> &Pair<Family> { inject() }) };
    }),
    ("encode", |cx, root| {
        let value = new(cx, NOT_ENCODED);
        cx.set_pair(root.get(cx), |node| &node.pair, Some(value));
    }),
    ("encode for a range", |cx, _| {
        let pairs = cx.alloc_array(cx.array_class::<Pair<Family>, ()>(), (), 40).unwrap();
        cx.fill_pair_elements(pairs, 3..30, Some(new(cx, NOT_ENCODED)));
    }),
    ("encode for a stack", |cx, _| {
        let stack = cx.alloc_stack::<Family>(40).unwrap();
        cx.switch_stack(Some(stack));
        cx.set_stack_slot(stack, 3, Some(new(cx, NOT_ENCODED)));
    }),
    ("decode", |cx, _| {
        let owner = new(cx, 0);
        cx.set_pair(owner, |node| &node.pair, Some(new(cx, NOT_DECODED)));
        // SAFETY: there is one mutator.
        unsafe { owner.load_pair(|node| &node.pair) };
    }),
    ("relocation of a running stack", |cx, root| {
        let stack = cx.alloc_stack::<Family>(4).unwrap();
        cx.switch_stack(Some(stack));
        cx.set_stack_slot(stack, 0, Some(root.get(cx)));
        stack.set_top(1);
        cx.grow_stack(stack, 4000, |_, _| inject()).unwrap();
    }),
    ("relocation of a suspended stack", |cx, _| {
        let stack = cx.alloc_stack::<Family>(4).unwrap();
        cx.grow_stack(stack, 4000, |_, _| inject()).unwrap();
    }),
    ("relocation that runs on the stack", |cx, _| {
        let stack = cx.alloc_stack::<Family>(4).unwrap();
        cx.grow_stack(stack, 4000, |_, _| {
            let twice = catch_unwind(AssertUnwindSafe(|| cx.switch_stack(Some(stack))));
            assert!(twice.is_err(), "the stack is being moved");
            inject()
        })
        .unwrap();
    }),
    ("relocation to a smaller block", |cx, _| {
        let stack = cx.alloc_stack::<Family>(4000).unwrap();
        assert!(cx.shrink_stack(stack, 0, |_, _| inject()));
    }),
];

fn hold_and_inject(cx: &mut Mutator<'_>, id: u64) {
    cx.safepoint();
    assert!(id < NODES);
    inject()
}

/// What a round of injections came to.
#[derive(Default)]
struct Count {
    injected: u64,
    while_marking: u64,
    cycles: u64,
}

/// One panic at one place, caught inside of the attachment, or outside, so that the thread detaches as it unwinds. Just before it
/// the rest of a chain is hidden behind a new object: only this mutator's log tells the marker of it.
fn inject_at(place: Place, (mode, builder): (&str, Builder), inside: bool, count: &mut Count) {
    let heap = builder().build().unwrap();
    let head = heap.attach(|cx| chain(cx, 0..NODES)).unwrap();
    let cut = heap.attach(|cx| chain(cx, 0..1)).unwrap();
    let work = |cx: &mut Mutator<'_>| {
        count.while_marking += u64::from(reach_marking(cx, &heap, mode));
        let (first, new) = (head.get(cx), new(cx, 0));
        let rest = first.load(|node| &node.next);
        cx.set(new, |node| &node.next, rest);
        cx.set(cut.get(cx), |node| &node.next, Some(new));
        cx.set(first, |node| &node.next, None);
        count.injected += 1;
        let spare = node(cx, 7);
        if !inside {
            place(cx, &spare);
        }
        unwinds(|| place(cx, &spare));
        // The mutator goes on.
        for n in 0..1000 {
            new_garbage(cx, n);
            cx.safepoint();
        }
        cx.switch_stack::<Family>(None);
        let held = cx.scope(|cx, scope| {
            let held = scope.hold(cx, head.get(cx));
            cx.collect();
            held.get(cx).id
        });
        assert_eq!(held, 0);
    };
    match (inside, catch_unwind(AssertUnwindSafe(|| heap.attach(work)))) {
        (true, ended) => ended.unwrap_or_else(|panic| resume_unwind(panic)).unwrap(),
        (false, ended) => assert!(ended.is_err_and(|panic| panic.is::<Injected>())),
    }
    // Nobody is attached, no cycle is stuck, and nothing is lost.
    assert_eq!(heap.stats().mutators, 0);
    let report = heap.collect().unwrap();
    assert!(!report.roots_failed);
    assert_eq!(report.live_of::<Node>(), NODES + 2, "what only the log told of, and nothing else");
    assert_eq!(heap.phase(), Phase::Idle);
    heap.attach(|cx| {
        assert_eq!(ids(cx, &head), [0]);
        assert_eq!(ids(cx, &cut), [0, 0].into_iter().chain(1..NODES).collect::<Vec<_>>());
        assert_eq!(cx.scope(|cx, scope| scope.hold(cx, head.get(cx)).get(cx).count.get()), 0);
    })
    .unwrap();
    drop((head, cut));
    assert_eq!(heap.collect().unwrap().live_of::<Node>(), 0);
    let stats = heap.stats();
    assert!(stats.cycles >= 2 && stats.verified_cycles == stats.cycles && stats.roots == 0);
    count.cycles += stats.cycles;
}

fn new_garbage(cx: &Mutator<'_>, n: u64) {
    new(cx, n);
}

#[test]
fn every_callback_panics() {
    for mode in MODES {
        let mut count = Count::default();
        for (name, place) in PLACES {
            for inside in [true, false] {
                let outcome = catch_unwind(AssertUnwindSafe(|| inject_at(place, mode, inside, &mut count)));
                if let Err(panic) = outcome {
                    eprintln!("in {name}, caught inside: {inside}, mode {}", mode.0);
                    resume_unwind(panic);
                }
            }
        }
        assert_eq!(count.injected, 2 * PLACES.len() as u64);
        assert_eq!(count.while_marking, if mode.0 == "stopped" { 0 } else { count.injected });
        let Count { injected, while_marking, cycles } = count;
        println!(
            "figures: faults kind=panic mode={} injected={injected} while_marking={while_marking} cycles={cycles}",
            mode.0
        );
    }
}

/// A source that panics when it is asked for the n-th time, and perhaps when it is dropped.
struct Source {
    visits: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
    thrown: Arc<AtomicU64>,
    panic_at: u64,
    panics_in_drop: bool,
    object: usize,
}

// SAFETY: the object is a root besides.
unsafe impl RootSource for Source {
    fn visit(&self, visitor: &mut RootVisitor<'_>) {
        if self.visits.fetch_add(1, Ordering::Relaxed) + 1 == self.panic_at {
            self.thrown.fetch_add(1, Ordering::Relaxed);
            inject();
        }
        visitor.object(self.object);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if self.panics_in_drop {
            self.thrown.fetch_add(1, Ordering::Relaxed);
            inject();
        }
    }
}

/// With the verifier on, a source is asked twice in a cycle: by the marker and by the verifier.
#[test]
fn root_sources_panic() {
    let (mut failed_cycles, mut in_verifier) = (0, 0);
    for (mode, builder) in MODES {
        let (mut cycles, thrown) = (0, Arc::new(AtomicU64::new(0)));
        for (panic_at, panics_in_drop) in (1..=6).flat_map(|n| [(n, false), (n, true)]) {
            for dies in [false, true] {
                let heap = builder().build().unwrap();
                let (visits, dropped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
                let head = heap.attach(|cx| chain(cx, 0..100)).unwrap();
                let ended = catch_unwind(AssertUnwindSafe(|| {
                    heap.attach(|cx| {
                        for panic_at in [panic_at, 0] {
                            cx.add_root_source(Box::new(Source {
                                visits: if panic_at > 0 { Arc::clone(&visits) } else { Arc::default() },
                                dropped: Arc::clone(&dropped),
                                thrown: Arc::clone(&thrown),
                                panic_at,
                                panics_in_drop,
                                object: head.get(cx).addr(),
                            }));
                        }
                        let mut failed = 0;
                        for _ in 0..5 {
                            new_garbage(cx, 5);
                            let report = cx.collect();
                            failed += u64::from(report.roots_failed);
                            let least = if report.roots_failed { 101 } else { 100 };
                            assert!(report.live_of::<Node>() >= least, "nothing is freed where roots were not seen");
                        }
                        assert_eq!(cx.collect().live_of::<Node>(), 100);
                        assert!(visits.load(Ordering::Relaxed) >= panic_at);
                        // A generated safepoint, which can not unwind, has nothing to unwind for.
                        heap.request_collection();
                        let view = cx.jit();
                        // SAFETY: this is the mutator's thread, and no reference is used after it that was there before.
                        unsafe { (view.safepoint)(view.mutator) };
                        failed_cycles += failed;
                        in_verifier += 1 - failed;
                        if dies {
                            inject();
                        }
                    })
                    .unwrap();
                }));
                assert_eq!(ended.is_err(), dies, "a destructor's panic does not leave the heap");
                assert_eq!((dropped.load(Ordering::Relaxed), heap.stats().mutators), (2, 0));
                assert_eq!(heap.collect().unwrap().live_of::<Node>(), 100);
                assert_eq!(heap.attach(|cx| ids(cx, &head).len()).unwrap(), 100);
                cycles += heap.stats().cycles;
            }
        }
        // One in a visit of each run, and in half of the runs two in destructors.
        let injected = thrown.load(Ordering::Relaxed);
        assert_eq!(injected, 6 * 2 * (1 + 3));
        println!("figures: faults kind=root_source mode={mode} injected={injected} cycles={cycles}");
    }
    assert!(
        failed_cycles > 0 && in_verifier > 0,
        "{failed_cycles} in the marker's time, {in_verifier} in the verifier's"
    );
}

#[test]
fn listeners_panic() {
    for (mode, builder) in MODES {
        let told = Arc::new(AtomicU64::new(0));
        let (late, pressure) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let listener = {
            let (told, late, pressure) = (Arc::clone(&told), Arc::clone(&late), Arc::clone(&pressure));
            move |event: &Event| {
                told.fetch_add(1, Ordering::Relaxed);
                match event {
                    Event::LateMutator { .. } => late.fetch_add(1, Ordering::Relaxed),
                    _ => pressure.fetch_add(1, Ordering::Relaxed),
                };
                inject()
            }
        };
        let builder = builder().soft_limit(64 << 10).late_after(Some(Duration::from_nanos(1)));
        let heap = builder.on_event(Arc::new(listener)).build().unwrap();
        std::thread::scope(|scope| {
            let heads: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        heap.attach(|cx| {
                            let head = chain(cx, 0..2 * NODES);
                            let begin = Instant::now();
                            while told.load(Ordering::Relaxed) < 20 && begin.elapsed() < Duration::from_secs(20) {
                                // Late for whatever is asked.
                                std::thread::sleep(Duration::from_micros(200));
                                cx.safepoint();
                                if mode == "background" { heap.request_collection() } else { drop(cx.collect()) }
                            }
                            head
                        })
                        .unwrap()
                    })
                })
                .collect();
            let heads: Vec<_> = heads.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert_eq!(heap.collect().unwrap().live_of::<Node>(), 4 * NODES);
            drop(heads);
        });
        // The pressure that the chains meant goes with them.
        let begin = Instant::now();
        while pressure.load(Ordering::Relaxed) == 0 && begin.elapsed() < Duration::from_secs(10) {
            heap.collect().unwrap();
        }
        assert_eq!(heap.collect().unwrap().live_of::<Node>(), 0);
        let [injected, late] = [&told, &late].map(|count| count.load(Ordering::Relaxed));
        assert!(late >= 2, "late mutators were told of");
        let stats = heap.stats();
        assert!(stats.mutators == 0 && stats.verified_cycles == stats.cycles);
        println!("figures: faults kind=listener mode={mode} injected={injected} cycles={}", stats.cycles);
    }
}

/// Threads that the host does not start, in every way: the heap does its work without them.
#[test]
fn starting_threads_panics() {
    for (mode, builder) in MODES {
        for good in 0..3 {
            let (asked, panics) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
            let spawn = {
                let (asked, panics) = (Arc::clone(&asked), Arc::clone(&panics));
                move |work: Box<dyn FnOnce() + Send>| {
                    if asked.fetch_add(1, Ordering::Relaxed) >= good {
                        panics.fetch_add(1, Ordering::Relaxed);
                        inject();
                    }
                    std::thread::Builder::new().spawn(work).map(drop)
                }
            };
            let heap = builder().marking_threads(4).cpu_share(100).spawn_threads(Arc::new(spawn)).build().unwrap();
            let head = heap.attach(|cx| chain(cx, 0..NODES)).unwrap();
            for _ in 0..4 {
                assert_eq!(heap.collect().unwrap().live_of::<Node>(), NODES);
            }
            assert_eq!(heap.attach(|cx| ids(cx, &head).len() as u64).unwrap(), NODES);
            drop(head);
            assert_eq!(heap.collect().unwrap().live_of::<Node>(), 0);
            let (injected, cycles) = (panics.load(Ordering::Relaxed), heap.stats().cycles);
            // A heap without threads asks for none.
            assert_eq!(injected > 0, mode != "inline" && asked.load(Ordering::Relaxed) > good, "{mode} {good}");
            println!("figures: faults kind=spawn mode={mode} injected={injected} cycles={cycles}");
        }
    }
}

/// What the interface refuses by a panic of its own leaves everything as it was.
#[test]
fn refusals_of_the_interface_change_nothing() {
    let (heap, other) = (base().build().unwrap(), base().build().unwrap());
    let foreign = other.attach(|cx| node(cx, 9)).unwrap();
    let mut refused = 0;
    heap.attach(|cx| {
        let head = chain(cx, 0..10);
        let table = cx.root(cx.alloc_array(cx.array_class::<Slot<Node>, ()>(), (), 4).unwrap());
        cx.fill_elements(table.get(cx), 0..4, Some(head.get(cx)));
        let stack = cx.root(cx.alloc_stack::<Family>(4).unwrap());
        let mut bytes = cx.external(100).unwrap();
        let mut refuse = |cx: &mut Mutator<'_>, work: &mut dyn FnMut(&mut Mutator<'_>)| {
            assert!(catch_unwind(AssertUnwindSafe(|| work(cx))).is_err());
            refused += 1;
        };
        refuse(cx, &mut |cx| {
            foreign.get(cx);
        });
        refuse(cx, &mut |cx| cx.set_element(table.get(cx), 4, None));
        refuse(cx, &mut |cx| cx.fill_elements(table.get(cx), 3..5, None));
        refuse(cx, &mut |cx| cx.clear_elements(table.get(cx), usize::MAX..usize::MAX));
        refuse(cx, &mut |cx| cx.copy_elements(table.get(cx), 0..4, table.get(cx), 1));
        let backwards = std::hint::black_box(3)..1;
        refuse(cx, &mut |cx| cx.copy_elements(table.get(cx), backwards.clone(), table.get(cx), 0));
        refuse(cx, &mut |cx| cx.copy_elements(table.get(cx), 0..1, table.get(cx), usize::MAX));
        refuse(cx, &mut |cx| {
            table.get(cx).element(usize::MAX);
        });
        refuse(cx, &mut |cx| stack.get(cx).set_top(usize::MAX));
        refuse(cx, &mut |cx| cx.set_frozen(stack.get(cx), 1));
        refuse(cx, &mut |cx| cx.set_stack_slot(stack.get(cx), usize::MAX, None));
        refuse(cx, &mut |cx| cx.fill_stack_slots(stack.get(cx), 0..usize::MAX, None));
        refuse(cx, &mut |_| other.attach(|cx| bytes.resize(cx, 5).unwrap()).unwrap());
        refuse(cx, &mut |cx| {
            // A slot of another object, where the borrow checker can not see it: one that lives for ever.
            static OUTSIDE: Slot<Node> = Slot::null();
            cx.set(head.get(cx), |_| &OUTSIDE, Some(head.get(cx)));
        });
        assert!(heap.attach(|_| ()).is_err() && heap.collect().is_err() && heap.step(Duration::ZERO).is_err());
        assert!(heap.fork(|| ()).is_err());
        assert_eq!(bytes.bytes(), 100);
        let table = table.get(cx);
        assert!((0..4).all(|entry| table.element(entry) == Some(head.get(cx))));
        assert_eq!((stack.get(cx).top(), ids(cx, &head)), (0, (0..10).collect::<Vec<_>>()));
        assert_eq!(cx.collect().live_of::<Node>(), 10);
        assert!(cx.alloc_array(cx.array_class::<u64, ()>(), (), usize::MAX).is_err());
        assert!(cx.alloc_stack::<Family>(usize::MAX).is_err() && cx.add_external(usize::MAX).is_err());
        let array: Gc<Array<u64>> = cx.alloc_array(cx.array_class(), (), 1).unwrap();
        assert!(cx.grow_array(array, usize::MAX).is_err() && array.len() == 1);
    })
    .unwrap();
    assert_eq!(heap.collect().unwrap().live_of::<Node>(), 0);
    println!("figures: faults kind=refusal injected={refused} cycles={}", heap.stats().cycles);
}

/// Stacks are made and moved by a mutator whose closures unwind; what they hold is kept.
#[test]
fn a_stack_whose_relocation_panics_has_moved() {
    let heap = base().build().unwrap();
    heap.attach(|cx| {
        let root = node(cx, 3);
        let stack = cx.root(cx.alloc_stack::<Family>(4).unwrap());
        for running in [false, true] {
            cx.switch_stack(running.then(|| stack.get(cx)));
            cx.set_stack_slot(stack.get(cx), 0, Some(root.get(cx)));
            stack.get(cx).set_top(1);
            let before = stack.get(cx).len();
            unwinds(|| cx.grow_stack(stack.get(cx), 4 * before, |_, _| inject()).unwrap());
            let grown: Gc<Stack<Family>> = stack.get(cx);
            assert!(grown.len() >= 4 * before && grown.top() == 1);
            // SAFETY: there is one mutator, and the slot lies below the top.
            assert_eq!(unsafe { grown.slots()[0].decode_in() }, Some(root.get(cx)));
            cx.collect();
        }
        cx.switch_stack::<Family>(None);
        cx.free_stack(stack.get(cx));
        assert_eq!(heap.stats().stack_bytes, 0);
    })
    .unwrap();
}
