//! The public API on one thread: what lives, what dies, and what is reported.

mod values;

use spanheap::{Ambiguous, Array, Data, Gc, Heap, HeapBuilder, Mutator, Slot, TagScheme, Tagged, Trace};
use spanheap::{Description, RootSource, RootVisitor, TypeLayout, WordKind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use values::{Value, Values};

#[derive(Trace)]
struct Node {
    left: Slot<Node>,
    right: Slot<Node>,
    value: u64,
    hits: Data<u32>,
}

#[derive(Trace)]
#[trace(rare)]
struct Registry {
    first: Slot<Node>,
    all: Slot<Array<Slot<Node>>>,
}

#[derive(Trace)]
struct Odd {
    word: Ambiguous,
    value: Tagged,
    inline: [Slot<Node>; 3],
}

fn node(value: u64) -> Node {
    Node { left: Slot::null(), right: Slot::null(), value, hits: Data::new(0) }
}

fn checked() -> HeapBuilder {
    Heap::builder().verify(true).poison(true)
}

fn tree<'m, 'h>(cx: &'m Mutator<'h>, depth: u32) -> Gc<'m, 'h, Node> {
    let top = cx.alloc(node(depth as u64)).unwrap();
    if depth > 0 {
        cx.set(top, |node| &node.left, Some(tree(cx, depth - 1)));
        cx.set(top, |node| &node.right, Some(tree(cx, depth - 1)));
    }
    top
}

fn count(top: Gc<'_, '_, Node>) -> u64 {
    let side = |slot: fn(&Node) -> &Slot<Node>| top.load(slot).map_or(0, count);
    1 + side(|node| &node.left) + side(|node| &node.right)
}

#[test]
fn what_a_root_reaches_lives_and_the_rest_dies() {
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        let root = cx.root(tree(cx, 12));
        tree(cx, 10);
        let report = cx.collect();
        assert_eq!(report.live_of::<Node>(), (1 << 13) - 1);
        assert_eq!(report.freed_of::<Node>(), (1 << 11) - 1);
        assert_eq!(count(root.get(cx)), (1 << 13) - 1);
        root.get(cx).hits.set(7);
        cx.set(root.get(cx), |node| &node.left, None);
        let report = cx.collect();
        assert_eq!(report.live_of::<Node>(), 1 << 12);
        assert_eq!(root.get(cx).hits.get(), 7);
        drop(root);
        let report = cx.collect();
        assert_eq!((report.live_of::<Node>(), report.live_objects), (0, 0));
    })
    .unwrap();
    assert_eq!(heap.stats().span_bytes, 0);
    assert_eq!(heap.stats().verified_cycles, 3);
}

#[test]
fn arrays_bytes_and_rare_types_hold_what_they_refer_to() {
    // No cycle but the ones that are asked for: each must find just what the last round left.
    let heap = checked().initial_goal(1 << 30).build().unwrap();
    heap.attach(|cx| {
        for len in [0, 1, 7, 1000, 100_000, 20_000_000] {
            let class = cx.array_class::<Slot<Node>, ()>();
            let registry = cx.alloc(Registry { first: Slot::null(), all: Slot::null() }).unwrap();
            let all = cx.alloc_array(class, (), len).unwrap();
            cx.set(registry, |registry| &registry.all, Some(all));
            let mut held = 0;
            for index in (0..len).step_by(1 + len / 1000) {
                cx.set_element(all, index, Some(cx.alloc(node(index as u64)).unwrap()));
                cx.alloc(node(0)).unwrap();
                held += 1;
            }
            let text = cx.root(cx.alloc_bytes(format!("length {len}").as_bytes()).unwrap());
            let root = cx.root(registry);
            let report = cx.collect();
            assert_eq!(report.live_of::<Node>(), held);
            assert_eq!(report.freed_of::<Node>(), held);
            assert_eq!((report.live_of::<Registry>(), report.live_of::<Array<Slot<Node>>>()), (1, 1));
            let all = root.get(cx).load(|registry| &registry.all).unwrap();
            assert_eq!(all.len(), len);
            for index in (0..len).step_by(1 + len / 1000) {
                assert_eq!(all.element(index).unwrap().value, index as u64);
            }
            assert_eq!(text.get(cx).elements(), format!("length {len}").as_bytes());
            drop((root, text));
            assert_eq!(cx.collect().live_objects, 0);
        }
    })
    .unwrap();
}

#[test]
fn ambiguous_words_hold_objects_by_any_address() {
    let scheme = TagScheme { mask: 7, tag: 1, address: !7 };
    let heap = checked().tags(scheme).build().unwrap();
    heap.attach(|cx| {
        let odd = cx.alloc(Odd { word: Ambiguous::zero(), value: Tagged::zero(), inline: Default::default() }).unwrap();
        let inner = cx.alloc(node(1)).unwrap();
        cx.set_ambiguous(odd, |odd| &odd.word, inner.addr() + 17);
        let tagged = cx.alloc(node(2)).unwrap();
        // SAFETY: the word hides a live object's address.
        unsafe { cx.set_tagged(odd, |odd| &odd.value, tagged.addr() | 1) };
        cx.set(odd, |odd| &odd.inline[2], Some(cx.alloc(node(3)).unwrap()));
        let root = cx.root(odd);
        assert_eq!(cx.collect().live_of::<Node>(), 3);
        let odd = root.get(cx);
        assert_eq!(odd.load(|odd| &odd.inline[2]).unwrap().value, 3);
        cx.set_ambiguous(odd, |odd| &odd.word, 17);
        // SAFETY: the word hides no reference.
        unsafe { cx.set_tagged(odd, |odd| &odd.value, 4 << 3) };
        assert_eq!(cx.collect().live_of::<Node>(), 1);
    })
    .unwrap();
}

type Family = Values<Node>;

#[test]
fn stacks_keep_what_lies_below_their_top() {
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        let stack = cx.alloc_stack::<Family>(64).unwrap();
        let root = cx.root(stack);
        cx.switch_stack(Some(stack));
        for slot in 0..10 {
            let value =
                if slot % 2 == 0 { Value::Node(cx.alloc(node(slot)).unwrap()) } else { Value::Int(slot as usize) };
            // SAFETY: the stack runs on this mutator.
            unsafe { stack.slots()[slot as usize].store_running(value) };
        }
        stack.set_top(10);
        assert_eq!(cx.collect().live_of::<Node>(), 5);
        root.get(cx).set_top(5);
        assert_eq!(cx.collect().live_of::<Node>(), 3);
        // Slots above the top are not cleared: what they refer to is dead now and must not be followed.
        root.get(cx).set_top(64);
        assert_eq!(cx.collect().live_of::<Node>(), 3);
        let stack = root.get(cx);
        // SAFETY: no other mutator writes the stack.
        let first = unsafe { stack.slots()[4].decode_in() };
        assert!(matches!(first, Value::Node(node) if node.value == 4));
        cx.switch_stack::<Family>(None);
        cx.set_stack_slot(stack, 4, Value::Nil);
        assert_eq!(cx.collect().live_of::<Node>(), 2);
        drop(root);
        assert_eq!(cx.collect().live_objects, 0);
    })
    .unwrap();
}

#[test]
fn handle_scopes_hold_until_they_end() {
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        cx.scope(|cx, outer| {
            let kept = outer.hold(cx, tree(cx, 3));
            cx.scope(|cx, inner| {
                let more = inner.hold(cx, tree(cx, 2));
                assert_eq!(cx.collect().live_of::<Node>(), 15 + 7);
                assert_eq!((count(kept.get(cx)), count(more.get(cx))), (15, 7));
                let misuse = std::panic::AssertUnwindSafe(|| outer.hold(cx, more.get(cx)));
                assert!(std::panic::catch_unwind(misuse).is_err(), "the outer scope is not the innermost");
            });
            assert_eq!(cx.collect().live_of::<Node>(), 15);
            assert_eq!(count(kept.get(cx)), 15);
        });
        assert_eq!(cx.collect().live_objects, 0);
    })
    .unwrap();
}

#[test]
fn a_limit_is_an_error_value_and_the_heap_works_on() {
    let heap = checked().limit(1 << 20).build().unwrap();
    heap.attach(|cx| {
        let root = cx.root(cx.alloc(node(0)).unwrap());
        let mut made = 1u64;
        let error = loop {
            match cx.alloc(node(made)) {
                Ok(next) => cx.set(next, |node| &node.left, Some(root.get(cx))),
                Err(error) => break error,
            }
            made += 1;
        };
        assert!(error.to_string().contains("1048576"), "{error}");
        assert!(made > 10_000);
        // Growth may have asked for a cycle before: what both freed counts.
        assert_eq!(cx.collect().live_of::<Node>(), 1);
        assert_eq!(heap.stats().freed_objects, made - 1);
        assert!(cx.alloc(node(1)).is_ok());
    })
    .unwrap();
}

#[test]
fn growth_starts_cycles_without_being_asked() {
    let heap = checked().initial_goal(1 << 20).build().unwrap();
    heap.attach(|cx| {
        for round in 0..400_000 {
            cx.alloc(node(round)).unwrap();
            cx.safepoint();
        }
    })
    .unwrap();
    let stats = heap.stats();
    assert!(stats.cycles > 3, "{stats:?}");
    heap.collect().unwrap();
    heap.set_automatic_collection(false);
    let before = heap.stats().cycles;
    heap.attach(|cx| {
        for round in 0..400_000 {
            cx.alloc(node(round)).unwrap();
            cx.safepoint();
        }
    })
    .unwrap();
    assert_eq!(heap.stats().cycles, before);
    assert_eq!(stats.allocated_objects, 400_000);
    assert!(stats.peak_committed_bytes < 32 << 20, "{stats:?}");
}

#[test]
fn an_empty_heap_costs_nothing_and_a_shrunken_one_gives_back() {
    let heap = Heap::new().unwrap();
    assert_eq!((heap.stats().reserved_bytes, heap.stats().committed_bytes), (0, 0));
    heap.attach(|cx| {
        let root = cx.root(cx.alloc_array(cx.array_class::<u64, ()>(), (), 4 << 20).unwrap());
        cx.collect();
        drop(root);
        cx.collect();
    })
    .unwrap();
    let before = heap.stats().committed_bytes;
    let given = heap.trim(4 << 20) as u64;
    assert!(given >= 24 << 20, "{given}");
    let stats = heap.stats();
    assert_eq!((stats.committed_bytes, stats.released_bytes), (before - given, given));
}

#[test]
fn a_wrong_root_or_slot_is_refused() {
    let (one, two) = (Heap::new().unwrap(), Heap::new().unwrap());
    let root = one.attach(|cx| cx.root(cx.alloc(node(1)).unwrap())).unwrap();
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| two.attach(|cx| root.get(cx).value)));
    assert!(refused.is_err());
    assert!(two.attach(|_| two.attach(|_| ())).unwrap().is_err(), "a thread attaches once");
    assert!(one.attach(|_| one.collect().is_err()).unwrap(), "an attached thread can not wait for itself");
    assert_eq!(one.collect().unwrap().live_of::<Node>(), 1);
}

struct Failing(Arc<AtomicBool>);

// SAFETY: it holds no references, and touches no heap.
unsafe impl RootSource for Failing {
    fn visit(&self, _: &mut RootVisitor<'_>) {
        assert!(!self.0.load(Ordering::Relaxed), "this source fails on purpose");
    }
}

#[test]
fn a_root_source_that_panics_costs_a_cycle_and_nothing_else() {
    let heap = checked().build().unwrap();
    let fail = Arc::new(AtomicBool::new(true));
    heap.attach(|cx| {
        cx.add_root_source(Box::new(Failing(Arc::clone(&fail))));
        cx.alloc(node(1)).unwrap();
        let report = cx.collect();
        assert_eq!((report.roots_failed, report.live_of::<Node>()), (true, 1));
        fail.store(false, Ordering::Relaxed);
        let report = cx.collect();
        assert_eq!((report.roots_failed, report.live_of::<Node>()), (false, 0));
    })
    .unwrap();
}

struct Held(Vec<AtomicUsize>);

// SAFETY: it reports all it holds; it changes only between safepoints of its mutator.
unsafe impl RootSource for Held {
    fn visit(&self, visitor: &mut RootVisitor<'_>) {
        visitor.object(self.0[0].load(Ordering::Relaxed));
        visitor.ambiguous(self.0[1].load(Ordering::Relaxed));
    }
}

#[test]
fn the_raw_layer_lays_objects_out_at_run_time() {
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        let mut description = Description::new(24);
        description.set(1, WordKind::Reference);
        let head = description.finish().unwrap();
        let single = cx.register_layout("single", head, None).unwrap();
        let array = cx.register_layout("array", head, Some(TypeLayout::word(WordKind::Reference))).unwrap();
        let held: &'static Held = Box::leak(Box::new(Held(vec![AtomicUsize::new(0), AtomicUsize::new(0)])));
        struct Borrowed(&'static Held);
        // SAFETY: as Held.
        unsafe impl RootSource for Borrowed {
            fn visit(&self, visitor: &mut RootVisitor<'_>) {
                self.0.visit(visitor);
            }
        }
        cx.add_root_source(Box::new(Borrowed(held)));
        let owner = cx.alloc_raw(array, 5000).unwrap().as_ptr() as usize;
        for element in 0..5000 {
            let target = cx.alloc_raw(single, 0).unwrap().as_ptr() as usize;
            if element % 2 == 0 {
                let slot = (owner + 24 + element * 8) as *const AtomicUsize;
                // SAFETY: a reference slot of a live object, and a live object.
                unsafe { cx.store_raw(slot, target) };
            }
        }
        let other = cx.alloc_raw(single, 0).unwrap().as_ptr() as usize;
        held.0[0].store(owner, Ordering::Relaxed);
        held.0[1].store(other + 9, Ordering::Relaxed);
        let report = cx.collect();
        assert_eq!((report.live_objects, report.freed_objects), (2502, 2500));
        let found = cx.resolve(owner + 30_000).unwrap();
        assert_eq!((found.slot, found.type_name), (owner, Some("array")));
        assert_eq!(cx.resolve(8), None);
        held.0[0].store(0, Ordering::Relaxed);
        assert_eq!(cx.collect().live_objects, 1);
    })
    .unwrap();
}

#[test]
fn threads_in_native_regions_do_not_delay_a_cycle() {
    let heap = checked().build().unwrap();
    let (asleep, done) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            heap.attach(|cx| {
                let kept = cx.root(cx.alloc(node(5)).unwrap());
                cx.alloc(node(6)).unwrap();
                cx.native(|| {
                    asleep.wait();
                    done.wait();
                });
                assert_eq!(kept.get(cx).value, 5);
            })
            .unwrap();
        });
        asleep.wait();
        let report = heap.collect().unwrap();
        assert_eq!((report.live_of::<Node>(), report.freed_of::<Node>()), (1, 1));
        done.wait();
    });
}

#[test]
fn options_are_checked() {
    assert!(Heap::builder().initial_goal(1).build().is_err());
    assert!(Heap::builder().growth_percent(0).build().is_err());
    let error = Heap::builder().collect_every(Some(0)).build().unwrap_err();
    assert_eq!(error.to_string(), "collect_every must be at least 1, not 0");
}
