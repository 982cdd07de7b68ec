//! Stacks: growth with references kept across it, limits, shrinking, reuse of blocks, the three ways of scanning, and two
//! threads on one stack.

mod values;

use spanheap::{AllocError, Slot, Stack, StackError, StackKind, StackOverflow, Trace};
use spanheap::{AmbiguousWords, Data, Gc, Heap, HeapBuilder, Mutator, Pair, Root, RootSource, RootVisitor};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use values::{Value, Values};

#[derive(Trace)]
struct Node {
    value: usize,
    next: Slot<Node>,
}

fn node<'m, 'h>(cx: &'m Mutator<'h>, value: usize) -> Gc<'m, 'h, Node> {
    cx.alloc(Node { value, next: Slot::null() }).unwrap()
}

type Family = Values<Node>;

type Registers = Stack<Family>;

const MIN_SLOTS: usize = 128;
const SLOT: usize = size_of::<Pair<Family>>();

fn checked() -> HeapBuilder {
    Heap::builder().verify(true).poison(true).initial_goal(1 << 30)
}

fn number_in(stack: Gc<'_, '_, Registers>, slot: usize) -> Option<usize> {
    // SAFETY: no other mutator writes the stack; the callers ask for slots below the top.
    match unsafe { stack.as_ref().slots()[slot].decode_in() } {
        Value::Nil => None,
        Value::Int(number) => Some(number),
        Value::Node(node) => Some(node.value),
    }
}

fn no_pointers<T>(_: *const T, _: *const T) {}

/// Writes `value` into the running stack, as a VM does.
fn write<'h>(stack: Gc<'_, 'h, Registers>, slot: usize, value: Value<'_, 'h, Node>) {
    // SAFETY: the callers run on the stack.
    unsafe { stack.as_ref().slots()[slot].store_running(value) };
}

/// A host's recursion: a node per frame, and a pointer into the stack that growth must correct.
struct Machine<'a> {
    stack: &'a Root<Registers>,
    /// The address of slot 0, as the host sees it.
    base: Cell<*const Pair<Family>>,
    moves: Cell<usize>,
}

impl Machine<'_> {
    fn recurse(&self, cx: &mut Mutator<'_>, depth: usize, most: usize) {
        let stack = self.stack.get(cx);
        let relocate = |old, new: *const Pair<Family>| {
            assert_eq!(self.base.replace(new), old);
            self.moves.set(self.moves.get() + 1);
            // SAFETY: the old slots are readable until the next safepoint.
            let words = |base: *const Pair<Family>| unsafe { &*base }.words();
            assert_eq!(words(old), words(new));
        };
        cx.grow_stack(stack, depth + 1, relocate).unwrap();
        write(stack, depth, Value::Node(node(cx, depth)));
        stack.set_top(depth + 1);
        if depth.is_multiple_of(500) {
            cx.collect();
        } else {
            cx.safepoint();
        }
        if depth + 1 < most {
            self.recurse(cx, depth + 1, most);
        }
        let stack = self.stack.get(cx);
        assert_eq!(stack.base(), self.base.get());
        assert_eq!(number_in(stack, depth), Some(depth));
        stack.set_top(depth);
    }
}

#[test]
fn a_deep_recursion_grows_its_stack_and_loses_nothing() {
    let work = || {
        let heap = checked().collect_every(Some(701)).build().unwrap();
        heap.attach(|cx| {
            let stack = cx.alloc_stack(0).unwrap();
            assert_eq!(stack.len(), MIN_SLOTS);
            cx.switch_stack(Some(stack));
            let base = Cell::new(stack.base());
            let stack = cx.root(stack);
            let machine = Machine { stack: &stack, base, moves: Cell::new(0) };
            machine.recurse(cx, 0, 5000);
            assert_eq!(machine.moves.get(), 6, "from 128 slots to 8192");
            assert_eq!(stack.get(cx).len(), 8192);
            let report = cx.collect();
            assert_eq!(report.live_of::<Node>(), 0);
            let stats = heap.stats();
            assert_eq!((stats.stacks, stats.stack_bytes, stats.stack_retired_bytes), (1, 8192 * SLOT as u64, 0));
            assert!(stats.verified_cycles > 10);
        })
        .unwrap();
    };
    std::thread::Builder::new().stack_size(64 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn a_stack_beyond_the_limit_is_an_error_and_the_stack_stays() {
    let limit = 64 << 10;
    let heap = checked().stack_limit(limit).build().unwrap();
    heap.attach(|cx| {
        let overflow = |result: Result<(), StackError>| match result {
            Err(StackError::Overflow(StackOverflow { requested, limit })) => (requested, limit),
            other => panic!("{other:?}"),
        };
        assert_eq!(overflow(cx.alloc_stack::<Family>(4097).map(|_| ())), (4097 * SLOT, limit));
        let stack = cx.alloc_stack::<Family>(1000).unwrap();
        assert_eq!(stack.len(), 1024);
        cx.switch_stack(Some(stack));
        write(stack, 1023, Value::Int(7));
        cx.grow_stack(stack, 4096, no_pointers).unwrap();
        assert_eq!((stack.len(), number_in(stack, 1023), number_in(stack, 4095)), (4096, Some(7), None));
        let moved = |_, _| panic!("nothing moves");
        assert_eq!(overflow(cx.grow_stack(stack, 4097, moved)), (4097 * SLOT, limit));
        assert_eq!(overflow(cx.grow_stack(stack, usize::MAX, moved)), (usize::MAX, limit));
        cx.grow_stack(stack, 4096, moved).unwrap();
        assert_eq!((stack.len(), number_in(stack, 1023)), (4096, Some(7)));
    })
    .unwrap();
    let refused = |builder: HeapBuilder| builder.build().unwrap_err().to_string();
    assert!(refused(checked().stack_limit(3000)).contains("stack_limit must be a power of two"));
    assert!(refused(checked().stack_limit(4096).initial_stack(8192)).contains("initial_stack must be"));
}

#[test]
fn memory_that_is_short_is_an_error_and_the_stack_stays() {
    let heap = checked().limit(256 << 10).build().unwrap();
    heap.attach(|cx| {
        let stack = cx.alloc_stack::<Family>(0).unwrap();
        cx.switch_stack(Some(stack));
        write(stack, 5, Value::Int(5));
        let result = cx.grow_stack(stack, 32 << 10, no_pointers);
        assert!(matches!(result, Err(StackError::Alloc(AllocError::Limit { .. }))), "{result:?}");
        assert_eq!((stack.len(), number_in(stack, 5)), (MIN_SLOTS, Some(5)));
        cx.grow_stack(stack, 4 << 10, no_pointers).unwrap();
        assert_eq!((stack.len(), number_in(stack, 5)), (4 << 10, Some(5)));
    })
    .unwrap();
}

#[test]
fn a_suspended_stack_shrinks_once_a_cycle_and_keeps_what_it_holds() {
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        let stack = cx.alloc_stack::<Family>(4096).unwrap();
        cx.switch_stack(Some(stack));
        for slot in 0..300 {
            write(stack, slot, Value::Node(node(cx, slot)));
        }
        stack.set_top(300);
        let root = cx.root(stack);
        cx.switch_stack::<Family>(None);
        assert!(!root.get(cx).wants_to_shrink(), "nobody has looked yet");
        cx.collect();
        let stack = root.get(cx);
        assert!(stack.wants_to_shrink());
        let old = stack.slots();
        let moved = Cell::new(None);
        assert!(cx.shrink_stack(stack, 0, |old, new| moved.set(Some((old, new)))));
        assert_eq!(moved.get(), Some((old.as_ptr(), stack.base())));
        assert_eq!((stack.len(), old.len(), old[299].words()), (1024, 4096, stack.slots()[299].words()));
        assert!(!stack.wants_to_shrink());
        assert!(!cx.shrink_stack(stack, 0, |_, _| panic!("it uses more than a quarter")));
        assert_eq!(cx.collect().live_of::<Node>(), 300);
        assert!(!root.get(cx).wants_to_shrink());
        let stack = root.get(cx);
        (0..300).for_each(|slot| assert_eq!(number_in(stack, slot), Some(slot)));
        // What the host keeps is a lower bound; so is the initial size.
        stack.set_top(10);
        cx.collect();
        let stack = root.get(cx);
        assert!(!cx.shrink_stack(stack, 600, no_pointers));
        assert!(cx.shrink_stack(stack, 200, no_pointers));
        assert_eq!(stack.len(), 256);
        cx.collect();
        assert!(cx.shrink_stack(root.get(cx), 0, no_pointers));
        assert_eq!(root.get(cx).len(), MIN_SLOTS);
        cx.collect();
        assert!(!cx.shrink_stack(root.get(cx), 0, no_pointers));
        assert_eq!(cx.collect().live_of::<Node>(), 10);
    })
    .unwrap();
}

#[test]
fn blocks_come_back_and_are_used_again() {
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        let mut most = 0;
        for round in 0..20 {
            // Half of the stacks are emptied, the others are left to die; all have grown.
            for count in 0..64 {
                let stack = cx.alloc_stack::<Family>(0).unwrap();
                cx.switch_stack(Some(stack));
                assert!(stack.slots().iter().all(|slot| slot.words() == (0, 0)), "round {round}");
                write(stack, 127, Value::Node(node(cx, count)));
                stack.set_top(128);
                cx.grow_stack(stack, 129, no_pointers).unwrap();
                assert!(stack.slots()[128..].iter().all(|slot| slot.words() == (0, 0)), "round {round}");
                if count % 2 == 0 {
                    cx.free_stack(stack);
                    assert_eq!((stack.len(), stack.top(), stack.slots().len()), (0, 0, 0));
                }
            }
            cx.switch_stack::<Family>(None);
            let stats = heap.stats();
            assert_eq!((stats.stacks, stats.stack_bytes), (32, 32 * 256 * SLOT as u64));
            assert_eq!(stats.stack_retired_bytes, (64 * MIN_SLOTS + 32 * 256) as u64 * SLOT as u64);
            most = most.max(stats.span_bytes);
            let report = cx.collect();
            assert_eq!(report.live_objects, 0);
            let stats = heap.stats();
            assert_eq!((stats.stacks, stats.stack_bytes, stats.stack_retired_bytes), (0, 0, 0));
            assert_eq!(stats.span_bytes, 0, "all pages are home");
        }
        assert!(most < 1 << 20, "{most}");
        let stack = cx.alloc_stack::<Family>(0).unwrap();
        cx.free_stack(stack);
        cx.grow_stack(stack, 5, |_, _| panic!("there was nothing to move")).unwrap();
        assert_eq!(stack.len(), MIN_SLOTS);
    })
    .unwrap();
}

#[test]
fn ten_thousand_stacks_cost_their_blocks_and_little_more() {
    const STACKS: usize = 10_000;
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        let class = cx.array_class::<Slot<Registers>, ()>();
        let all = cx.alloc_array(class, (), STACKS).unwrap();
        for index in 0..STACKS {
            let stack = cx.alloc_stack::<Family>(0).unwrap();
            cx.set_stack_slot(stack, 0, Value::Node(node(cx, index)));
            stack.set_top(1);
            cx.set_element(all, index, Some(stack));
        }
        let root = cx.root(all);
        assert_eq!(cx.collect().live_of::<Node>(), STACKS as u64);
        let stats = heap.stats();
        assert_eq!((stats.stacks, stats.stack_bytes), (STACKS, (STACKS * MIN_SLOTS * SLOT) as u64));
        assert!(stats.span_bytes < stats.stack_bytes * 106 / 100, "{stats:?}");
        let all = root.get(cx);
        for index in 0..STACKS {
            assert_eq!(number_in(all.element(index).unwrap(), 0), Some(index));
            if index % 2 == 0 {
                cx.set_element(all, index, None);
            }
        }
        assert_eq!(cx.collect().live_of::<Node>(), STACKS as u64 / 2);
        assert_eq!(heap.stats().stacks, STACKS / 2);
        drop(root);
        assert_eq!(cx.collect().live_objects, 0);
        assert_eq!(heap.stats().span_bytes, 0);
    })
    .unwrap();
}

#[test]
fn ambiguous_stacks_hold_what_their_words_point_into() {
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        let stack = cx.alloc_stack::<AmbiguousWords>(0).unwrap();
        assert_eq!(stack.len(), 256);
        cx.switch_stack(Some(stack));
        for slot in 0..300 {
            cx.grow_stack(stack, slot + 1, no_pointers).unwrap();
            // An interior address, a base address, or a word that is none.
            let word = [node(cx, slot).addr() + 7, node(cx, slot).addr(), slot][slot % 3];
            // SAFETY: this mutator runs on the stack.
            unsafe { stack.slots()[slot].store_running(word) };
        }
        stack.set_top(300);
        let root = cx.root(stack);
        // Scanned in the handshake, and by the marker.
        assert_eq!(cx.collect().live_of::<Node>(), 200);
        cx.switch_stack::<AmbiguousWords>(None);
        assert_eq!(cx.collect().live_of::<Node>(), 200);
        cx.set_stack_word(root.get(cx), 0, 0);
        root.get(cx).set_top(150);
        assert_eq!(cx.collect().live_of::<Node>(), 99);
        root.get(cx).set_top(10);
        cx.collect();
        assert!(cx.shrink_stack(root.get(cx), 0, no_pointers));
        assert_eq!(cx.collect().live_of::<Node>(), 6);
        cx.free_stack(root.get(cx));
        assert_eq!(cx.collect().live_of::<Node>(), 0);
    })
    .unwrap();
}

/// Scanning by callback. The host knows by itself which slots hold references, say from its compiler's stack maps. It keeps
/// the top of its stack at 0, so that the heap looks at no slot, and reports the references through a root source. Its
/// stack object is kept by a root; the address of the slots is corrected whenever they move.
struct StackMap {
    base: Cell<*const <AmbiguousWords as StackKind>::Slot>,
    /// Per slot, whether it holds a reference now.
    references: std::cell::RefCell<Vec<bool>>,
}

struct Callback(Rc<StackMap>);

// SAFETY: it reports the references that the map names, which are addresses of live objects that the host stored; stack
// and map change only between safepoints of the mutator.
unsafe impl RootSource for Callback {
    fn visit(&self, visitor: &mut RootVisitor<'_>) {
        for (slot, _) in self.0.references.borrow().iter().enumerate().filter(|(_, is_reference)| **is_reference) {
            // SAFETY: the map covers slots of the stack at `base`.
            visitor.object(unsafe { &*self.0.base.get().add(slot) }.get());
        }
    }
}

#[test]
fn a_host_that_knows_better_scans_its_stack_by_callback() {
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        let stack = cx.alloc_stack::<AmbiguousWords>(0).unwrap();
        cx.switch_stack(Some(stack));
        let root = cx.root(stack);
        let map = Rc::new(StackMap { base: Cell::new(stack.base()), references: Default::default() });
        cx.add_root_source(Box::new(Callback(Rc::clone(&map))));
        for slot in 0..1000 {
            let stack = root.get(cx);
            cx.grow_stack(stack, slot + 1, |_, new| map.base.set(new)).unwrap();
            // Every third slot is a number that looks like a reference.
            let word = node(cx, slot).addr();
            // SAFETY: this mutator runs on the stack.
            unsafe { stack.slots()[slot].store_running(word) };
            map.references.borrow_mut().push(slot % 3 != 0);
            if slot % 400 == 0 {
                cx.collect();
            }
        }
        assert_eq!(cx.collect().live_of::<Node>(), 666);
        map.references.borrow_mut().truncate(500);
        assert_eq!(cx.collect().live_of::<Node>(), 333);
        for slot in (0..500).filter(|slot| slot % 3 != 0) {
            // SAFETY: the map named the slot, so that its object lives.
            let kept: Gc<'_, '_, Node> = unsafe { Gc::from_addr(root.get(cx).slots()[slot].get()) };
            assert_eq!(kept.value, slot);
        }
        map.references.borrow_mut().clear();
        assert_eq!(cx.collect().live_of::<Node>(), 0);
    })
    .unwrap();
}

#[test]
fn new_stacks_follow_the_average_where_that_is_wanted() {
    for (adaptive, len) in [(false, MIN_SLOTS), (true, 1024)] {
        let heap = checked().adaptive_stacks(adaptive).build().unwrap();
        heap.attach(|cx| {
            let mut roots = Vec::new();
            for used in [100, 600, 1000] {
                let stack = cx.alloc_stack::<Family>(used).unwrap();
                stack.set_top(used);
                roots.push(cx.root(stack));
            }
            cx.collect();
            assert_eq!(cx.alloc_stack::<Family>(0).unwrap().len(), len);
            roots.iter().for_each(|root| root.get(cx).set_top(1));
            cx.collect();
            assert_eq!(cx.alloc_stack::<Family>(0).unwrap().len(), MIN_SLOTS);
        })
        .unwrap();
    }
}

#[test]
fn a_stack_that_another_mutator_runs_on_can_not_be_moved() {
    let heap = checked().build().unwrap();
    let stack = heap.attach(|cx| cx.root(cx.alloc_stack::<Family>(0).unwrap())).unwrap();
    let (running, done) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            heap.attach(|cx| {
                cx.switch_stack(Some(stack.get(cx)));
                running.store(true, Ordering::Release);
                while !done.load(Ordering::Acquire) {
                    cx.safepoint();
                }
                cx.switch_stack::<Family>(None);
            })
            .unwrap();
        });
        while !running.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        heap.attach(|cx| {
            let attempt = |work: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err();
            let cx = &*cx;
            assert!(attempt(&|| cx.grow_stack(stack.get(cx), 1000, no_pointers).unwrap()));
            assert!(attempt(&|| cx.free_stack(stack.get(cx))));
            assert!(attempt(&|| cx.switch_stack(Some(stack.get(cx)))));
            assert!(attempt(&|| cx.free_stack(stack.get(cx))), "it is still the other's");
            done.store(true, Ordering::Release);
        })
        .unwrap();
    });
    heap.attach(|cx| {
        // A callback that panics leaves the stack in its new place, suspended.
        let stack = stack.get(cx);
        let panics = || cx.grow_stack(stack, 1000, |_, _| panic!("on purpose"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        assert_eq!(stack.len(), 1024);
        cx.switch_stack(Some(stack));
    })
    .unwrap();
    drop(stack);
    assert_eq!(heap.collect().unwrap().live_objects, 0);
    assert_eq!((heap.stats().stacks, heap.stats().stack_retired_bytes), (0, 0));
}

/// A VM that raises its top over words that it has not written: they may name objects that died before the cycle began,
/// which a collection may keep or free.
#[test]
fn stale_ambiguous_words_are_no_fault() {
    let heap = checked().build().unwrap();
    let (rounds, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            heap.attach(|cx| {
                let root = cx.root(cx.alloc_stack::<AmbiguousWords>(0).unwrap());
                cx.switch_stack(Some(root.get(cx)));
                for round in 0usize.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let stack = root.get(cx);
                    if round % 64 == 0 {
                        // SAFETY: this mutator runs on the stack.
                        unsafe { stack.slots()[round / 64 % 256].store_running(node(cx, 1).addr() + 3) };
                    }
                    stack.set_top(round * 89 % 256);
                    rounds.store(round, Ordering::Relaxed);
                    cx.safepoint();
                }
            })
            .unwrap();
        });
        for cycle in 1..=100 {
            while rounds.load(Ordering::Relaxed) < cycle * 64 * 256 {
                std::thread::yield_now();
            }
            heap.collect().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(heap.collect().unwrap().live_objects, 0);
    assert_eq!(heap.stats().verified_cycles, 101);
}

#[derive(Trace)]
struct Shared {
    stack: Slot<Registers>,
    rounds: Data<u64>,
}

/// One thread grows, shrinks, empties and abandons a stack; others read its slots meanwhile. Freed blocks are poisoned, so
/// that a slot that was read from a block used again would show.
#[test]
fn others_may_read_a_stack_that_moves() {
    let heap = Heap::builder().poison(true).build().unwrap();
    let shared = heap
        .attach(|cx| {
            let shared = cx.alloc(Shared { stack: Slot::null(), rounds: Data::new(0) }).unwrap();
            cx.set(shared, |shared| &shared.stack, Some(cx.alloc_stack(0).unwrap()));
            cx.root(shared)
        })
        .unwrap();
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let read = || {
            let mut seen = 0u64;
            heap.attach(|cx| {
                while !done.load(Ordering::Relaxed) {
                    for _ in 0..8 {
                        let stack = shared.get(cx).load(|shared| &shared.stack).unwrap();
                        let slots = stack.as_ref().slots();
                        assert!(slots.is_empty() || slots.len().is_power_of_two() && slots.len() >= MIN_SLOTS);
                        for (index, slot) in slots.iter().enumerate() {
                            let (tag, payload) = slot.words();
                            assert!(tag <= 1 && (payload == 0 || payload == index), "{tag} {payload:#x} at {index}");
                            seen += tag as u64;
                        }
                        assert!(stack.top() <= 4096);
                    }
                    cx.safepoint();
                }
            })
            .unwrap();
            seen
        };
        let readers = [scope.spawn(read), scope.spawn(read)];
        heap.attach(|cx| {
            for round in 0..300 {
                let stack = shared.get(cx).load(|shared| &shared.stack).unwrap();
                cx.switch_stack(Some(stack));
                for slot in 0..4096 {
                    if slot >= stack.len() {
                        cx.grow_stack(stack, slot + 1, no_pointers).unwrap();
                    }
                    write(stack, slot, Value::Int(slot));
                }
                stack.set_top(10);
                cx.switch_stack::<Family>(None);
                cx.collect();
                let stack = shared.get(cx).load(|shared| &shared.stack).unwrap();
                assert!(cx.shrink_stack(stack, 0, no_pointers));
                match round % 3 {
                    0 => cx.free_stack(stack),
                    1 => cx.set(shared.get(cx), |shared| &shared.stack, Some(cx.alloc_stack(0).unwrap())),
                    _ => {}
                }
                shared.get(cx).rounds.set(round + 1);
            }
            done.store(true, Ordering::Relaxed);
        })
        .unwrap();
        readers.map(|reader| reader.join().unwrap()).iter().sum::<u64>()
    });
    assert!(seen > 0, "the readers saw slots in use");
    assert_eq!(heap.attach(|cx| shared.get(cx).rounds.get()).unwrap(), 300);
    drop(shared);
    assert_eq!(heap.collect().unwrap().live_objects, 0);
    assert_eq!((heap.stats().stacks, heap.stats().stack_retired_bytes), (0, 0));
}
