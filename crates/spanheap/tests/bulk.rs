//! Stores of ranges: they do what as many single stores do, for the elements and for a collection under way.
//!
//! *Callers:* `cargo test`. *Invariants:* the verifier is on, so that a reference that the barrier misses ends the process.

mod before_roots;

use before_roots::before_roots;
use spanheap::{
    Array, Data, Gc, Heap, Mutator, Pair, PairFamily, Phase, Root, Slot, Stack, Trace, TypeLayout, WordKind,
};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

#[derive(Trace)]
struct Node {
    value: usize,
    note: Data<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value<'m, 'h> {
    Nil,
    Number(usize),
    Node(Gc<'m, 'h, Node>),
    Slots(Gc<'m, 'h, Slots>),
    Pairs(Gc<'m, 'h, Pairs>),
}

struct Family;

// SAFETY: tags from 2 up are addresses of objects, and nothing else is; each is one type's.
unsafe impl PairFamily for Family {
    type Value<'m, 'h> = Value<'m, 'h>;
    const FIRST_REFERENCE_TAG: usize = 2;

    fn encode<'m, 'h>(value: Value<'m, 'h>) -> (usize, usize) {
        match value {
            Value::Nil => (0, 0),
            Value::Number(number) => (1, number),
            Value::Node(node) => (2, node.addr()),
            Value::Slots(slots) => (3, slots.addr()),
            Value::Pairs(pairs) => (4, pairs.addr()),
        }
    }

    unsafe fn decode<'m, 'h>(tag: usize, payload: usize) -> Value<'m, 'h> {
        match tag {
            0 => Value::Nil,
            1 => Value::Number(payload),
            // SAFETY: tag 2 came from a node.
            2 => Value::Node(unsafe { Gc::from_addr(payload) }),
            // SAFETY: tag 3 came from an array of slots.
            3 => Value::Slots(unsafe { Gc::from_addr(payload) }),
            // SAFETY: the last tag came from an array of pairs.
            _ => Value::Pairs(unsafe { Gc::from_addr(payload) }),
        }
    }
}

type Slots = Array<Slot<Node>>;
type Pairs = Array<Pair<Family>, Data<u64>>;

const LEN: usize = 1500;

fn heap() -> Heap {
    Heap::builder().verify(true).poison(true).initial_goal(1 << 30).background(false).build().unwrap()
}

fn node<'m, 'h>(cx: &'m Mutator<'h>, value: usize) -> Gc<'m, 'h, Node> {
    cx.alloc(Node { value, note: Data::new(0) }).unwrap()
}

fn slots(cx: &Mutator<'_>, first: usize) -> Root<Slots> {
    let array = cx.alloc_array(cx.array_class(), (), LEN).unwrap();
    (0..LEN).for_each(|index| cx.set_element(array, index, Some(node(cx, first + index))));
    cx.root(array)
}

/// Every fifth pair is nil, and every fifth a number.
fn pairs(cx: &Mutator<'_>, first: usize) -> Root<Pairs> {
    let array = cx.alloc_array(cx.array_class(), Data::new(7), LEN).unwrap();
    for index in 0..LEN {
        let value = match index % 5 {
            0 => Value::Nil,
            1 => Value::Number(first + index),
            _ => Value::Node(node(cx, first + index)),
        };
        cx.set_pair_element(array, index, value);
    }
    cx.root(array)
}

fn values(cx: &Mutator<'_>, array: &Root<Slots>) -> Vec<Option<usize>> {
    let array = array.get(cx);
    (0..LEN).map(|index| array.element(index).map(|node| node.value)).collect()
}

/// What the pairs are: 0 for nil, else a number, and whether it is a node's.
fn pair_values(cx: &Mutator<'_>, array: &Root<Pairs>) -> Vec<(usize, bool)> {
    let array = array.get(cx);
    let elements = array.as_ref().elements().iter();
    // SAFETY: one mutator; the array is rooted.
    elements
        .map(|pair| match unsafe { pair.decode_in() } {
            Value::Nil => (0, false),
            Value::Number(number) => (number, false),
            Value::Node(node) => (node.value, true),
            other => panic!("{other:?} is not in an array"),
        })
        .collect()
}

/// Begins a cycle and advances it until this mutator's barrier is on and its roots are not scanned, or until marking runs.
fn begin(cx: &mut Mutator<'_>, until: fn(Phase) -> bool) {
    while !until(cx.heap().phase()) {
        cx.step(Duration::ZERO);
    }
}

fn finish(cx: &mut Mutator<'_>) {
    while !cx.step(Duration::from_micros(20)).is_finished() {}
}

/// Ranges, and where they are copied to: apart, overlapping both ways, onto themselves, shorter and longer than the lanes and
/// slices of a copy, and empty.
fn moves() -> Vec<(Range<usize>, usize)> {
    let mut moves = vec![(0..0, LEN), (LEN..LEN, 0), (0..LEN, 0), (0..LEN - 1, 1), (1..LEN, 0), (0..700, 800)];
    for len in [1, 7, 8, 9, 16, 23, 255, 256, 257, 511, 512, 513, 1030] {
        for distance in [1, 3, 8, 300] {
            moves.extend([(5..5 + len, 5 + distance), (5 + distance..5 + distance + len, 5)]);
        }
    }
    moves
}

#[test]
fn a_copy_within_an_array_moves_what_was_there() {
    let heap = heap();
    heap.attach(|cx| {
        let (array, other) = (slots(cx, 1), pairs(cx, 1));
        for on in [false, true] {
            if on {
                begin(cx, |phase| phase == Phase::Mark);
            }
            for (range, at) in moves() {
                let (mut expected, mut pairs) = (values(cx, &array), pair_values(cx, &other));
                cx.copy_elements(array.get(cx), range.clone(), array.get(cx), at);
                cx.copy_pair_elements(other.get(cx), range.clone(), other.get(cx), at);
                expected.copy_within(range.clone(), at);
                pairs.copy_within(range.clone(), at);
                assert!(values(cx, &array) == expected, "{range:?} to {at}, barrier on: {on}");
                assert!(pair_values(cx, &other) == pairs, "{range:?} to {at}, barrier on: {on}");
            }
        }
        finish(cx);
    })
    .unwrap();
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}

#[test]
fn a_fill_is_as_many_stores() {
    let heap = heap();
    heap.attach(|cx| {
        let (array, other) = (slots(cx, 1), pairs(cx, 1));
        let stack = cx.root(cx.alloc_stack::<Family>(LEN).unwrap());
        let kept = cx.root(node(cx, 9999));
        for range in [0..0, 3..4, 10..17, 20..28, 40..57, 100..900, LEN - 3..LEN] {
            let (mut expected, mut pairs) = (values(cx, &array), pair_values(cx, &other));
            cx.fill_elements(array.get(cx), range.clone(), Some(kept.get(cx)));
            expected[range.clone()].fill(Some(9999));
            assert!(values(cx, &array) == expected, "{range:?}");
            cx.clear_elements(array.get(cx), range.clone());
            expected[range.clone()].fill(None);
            assert!(values(cx, &array) == expected, "{range:?}");
            for (value, is) in [(Value::Node(kept.get(cx)), (9999, true)), (Value::Number(4), (4, false))] {
                cx.fill_pair_elements(other.get(cx), range.clone(), value);
                pairs[range.clone()].fill(is);
                assert!(pair_values(cx, &other) == pairs, "{range:?}");
                cx.fill_stack_slots(stack.get(cx), range.clone(), value);
                let stack: Gc<'_, '_, Stack<Family>> = stack.get(cx);
                // SAFETY: one mutator, which has just written the slots.
                let is = |pair: &Pair<Family>| value == unsafe { pair.decode_in() };
                assert!(stack.as_ref().slots()[range.clone()].iter().all(is));
            }
            cx.clear_pair_elements(other.get(cx), range.clone());
            pairs[range.clone()].fill((0, false));
            assert!(pair_values(cx, &other) == pairs, "{range:?}");
        }
        assert_eq!(other.get(cx).header().get(), 7, "what stands before the elements stays");
    })
    .unwrap();
}

#[test]
fn what_a_range_overwrites_while_marking_runs_is_kept() {
    let heap = heap();
    heap.attach(|cx| {
        for round in 0..6 {
            let (array, other) = (slots(cx, 0), pairs(cx, 0));
            let (spare, spare_pairs) = (slots(cx, LEN), pairs(cx, LEN));
            let stack = cx.root(cx.alloc_stack::<Family>(LEN).unwrap());
            cx.copy_into_stack(stack.get(cx), other.get(cx));
            begin(cx, |phase| phase == Phase::Mark);
            // Nothing is marked yet: of these objects the collector hears by the barrier alone. The stack is looked at when
            // it is found, and may not have been.
            let before = cx.heap().stats().cycles;
            match round {
                0 => cx.copy_elements(spare.get(cx), 0..LEN, array.get(cx), 0),
                1 => cx.fill_elements(array.get(cx), 0..LEN, spare.get(cx).element(3)),
                2 => cx.clear_elements(array.get(cx), 0..LEN),
                3 => cx.copy_pair_elements(spare_pairs.get(cx), 0..LEN, other.get(cx), 0),
                4 => cx.fill_pair_elements(other.get(cx), 0..LEN, Value::Number(1)),
                _ => cx.clear_pair_elements(other.get(cx), 0..LEN),
            }
            cx.fill_stack_slots(stack.get(cx), 0..LEN, Value::Nil);
            assert_eq!(cx.heap().stats().cycles, before, "one cycle is under way all the time");
            let report = loop {
                if let Some(report) = cx.step(Duration::from_micros(20)).finished() {
                    break report;
                }
            };
            // All that was there when marking began: of the pairs three of five are nodes.
            let nodes = 2 * LEN + 2 * LEN / 5 * 3;
            assert_eq!(report.live_of::<Node>(), nodes as u64, "round {round}");
            drop((array, other, spare, spare_pairs, stack));
            assert_eq!(cx.collect().live_of::<Node>(), 0);
        }
    })
    .unwrap();
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}

/// Puts pairs of an array into a stack, and lets all of it count.
trait CopyIntoStack<'h> {
    fn copy_into_stack(&self, stack: Gc<'_, 'h, Stack<Family>>, from: Gc<'_, 'h, Pairs>);
}

impl<'h> CopyIntoStack<'h> for Mutator<'h> {
    fn copy_into_stack(&self, stack: Gc<'_, 'h, Stack<Family>>, from: Gc<'_, 'h, Pairs>) {
        for (slot, pair) in from.as_ref().elements().iter().enumerate() {
            // SAFETY: one mutator.
            self.set_stack_slot(stack, slot, unsafe { pair.decode_in() });
        }
        self.switch_stack(Some(stack));
        stack.set_top(LEN);
        self.switch_stack::<Family>(None);
    }
}

#[test]
fn what_a_range_stores_before_the_roots_are_scanned_is_kept() {
    let heap = Heap::builder().verify(true).poison(true).initial_goal(1 << 30).build().unwrap();
    heap.attach(|cx| {
        for round in 0..6 {
            let stack = cx.root(cx.alloc_stack::<Family>(10).unwrap());
            cx.switch_stack(Some(stack.get(cx)));
            let (white, white_pairs) = (slots(cx, 0), pairs(cx, 0));
            // Only registers hold what is stored: the array that it is copied from, or the node itself.
            let registers = [Value::Slots(white.get(cx)), Value::Pairs(white_pairs.get(cx)), Value::Node(node(cx, 77))];
            for (register, value) in registers.into_iter().enumerate() {
                // SAFETY: this mutator runs on the stack.
                unsafe { stack.get(cx).slots()[register].store_running(value) };
            }
            stack.get(cx).set_top(3);
            drop((white, white_pairs));
            // Without this the table of roots would still have to tell of the arrays.
            cx.collect();
            let mut black = None;
            before_roots(cx, |cx| {
                let stack = stack.get(cx);
                // SAFETY: one mutator; the slot lies below the top.
                let register = |register: usize| unsafe { stack.as_ref().slots()[register].decode_in() };
                let (Value::Slots(white), Value::Pairs(white_pairs), Value::Node(single)) =
                    (register(0), register(1), register(2))
                else {
                    panic!("registers hold what was put there");
                };
                let to = cx.alloc_array(cx.array_class(), (), LEN).unwrap();
                let to_pairs = cx.alloc_array(cx.array_class(), Data::new(7), LEN).unwrap();
                match round {
                    0 => cx.copy_elements(white, 0..LEN, to, 0),
                    1 => cx.fill_elements(to, 3..100, Some(single)),
                    2 => cx.copy_pair_elements(white_pairs, 0..LEN, to_pairs, 0),
                    3 => cx.fill_pair_elements(to_pairs, 3..100, Value::Node(single)),
                    4 => {
                        let from = std::ptr::from_ref(&white.as_ref().elements()[0]).cast();
                        let slot = std::ptr::from_ref(&to.as_ref().elements()[0]).cast();
                        // SAFETY: slots of two live arrays of this length.
                        unsafe { cx.store_range_raw(slot, from, LEN) };
                    }
                    _ => {
                        let slot: *const AtomicUsize = std::ptr::from_ref(&to.as_ref().elements()[0]).cast();
                        // SAFETY: a slot of a live array; what is stored is this node.
                        unsafe { cx.barrier_range_raw(slot, 1, &[single.addr()]) };
                        // SAFETY: as above.
                        unsafe { &*slot }.store(single.addr(), std::sync::atomic::Ordering::Release);
                    }
                }
                black = Some((cx.root(to), cx.root(to_pairs)));
                for slot in &stack.as_ref().slots()[..3] {
                    // SAFETY: this mutator runs on the stack.
                    unsafe { slot.store_running(Value::Nil) };
                }
            });
            let (black, black_pairs) = black.unwrap();
            let (seen, seen_pairs) = (values(cx, &black), pair_values(cx, &black_pairs));
            let nodes = match round {
                0 | 4 => seen.iter().enumerate().filter(|(index, value)| **value == Some(*index)).count(),
                1 => seen[3..100].iter().filter(|value| **value == Some(77)).count(),
                2 => seen_pairs.iter().enumerate().filter(|(index, value)| **value == (*index, true)).count(),
                3 => seen_pairs[3..100].iter().filter(|value| **value == (77, true)).count(),
                _ => seen.iter().filter(|value| **value == Some(77)).count(),
            };
            assert_eq!(nodes, [LEN, 97, LEN / 5 * 3, 97, LEN, 1][round], "round {round}");
            cx.switch_stack::<Family>(None);
        }
    })
    .unwrap();
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}

#[test]
fn ranges_that_do_not_fit_are_refused() {
    let heap = heap();
    heap.attach(|cx| {
        let (array, other) = (slots(cx, 1), pairs(cx, 1));
        let (before, pairs_before) = (values(cx, &array), pair_values(cx, &other));
        let refused = |work: &dyn Fn()| catch_unwind(AssertUnwindSafe(work)).is_err();
        let (slots, pairs) = (array.get(cx), other.get(cx));
        assert!(refused(&|| cx.copy_elements(slots, 0..LEN + 1, slots, 0)));
        assert!(refused(&|| cx.copy_elements(slots, 0..2, slots, LEN - 1)));
        assert!(refused(&|| cx.copy_elements(slots, 0..0, slots, LEN + 1)));
        #[expect(clippy::reversed_empty_ranges, reason = "a range that ends before it begins is refused")]
        let backwards = 3..2;
        assert!(refused(&|| cx.copy_elements(slots, backwards.clone(), slots, 0)));
        assert!(refused(&|| cx.fill_elements(slots, LEN..LEN + 1, None)));
        assert!(refused(&|| cx.clear_elements(slots, 0..usize::MAX)));
        assert!(refused(&|| cx.copy_pair_elements(pairs, 1..LEN, pairs, 2)));
        assert!(refused(&|| cx.fill_pair_elements(pairs, 0..LEN + 1, Value::Nil)));
        assert!(refused(&|| cx.clear_pair_elements(pairs, LEN + 1..LEN + 1)));
        assert!(values(cx, &array) == before && pair_values(cx, &other) == pairs_before);
    })
    .unwrap();
}

#[test]
fn raw_ranges_have_the_barrier_inside() {
    let heap = heap();
    heap.attach(|cx| {
        let reference = TypeLayout::word(WordKind::Reference);
        let layout = cx.register_layout("row", TypeLayout::leaf::<usize>(), Some(reference)).unwrap();
        for (round, until) in [Phase::Idle, Phase::SyncRound, Phase::Mark].into_iter().enumerate() {
            let nodes: Vec<Root<Node>> = (0..LEN).map(|value| cx.root(node(cx, value))).collect();
            let row = cx.alloc_raw(layout, LEN).unwrap();
            // Something that the collector knows refers to the row: a slot of the array.
            let holder = cx.alloc_array::<Slot<Node>, ()>(cx.array_class(), (), 1).unwrap();
            let first = |object: usize| (object + size_of::<usize>()) as *const AtomicUsize;
            let slot = std::ptr::from_ref(&holder.as_ref().elements()[0]).cast::<AtomicUsize>();
            // SAFETY: a reference slot of a live object, and a live object of this heap.
            unsafe { cx.store_raw(slot, row.as_ptr() as usize) };
            let (holder, row) = (cx.root(holder), row.as_ptr() as usize);
            let words: Vec<AtomicUsize> = nodes.iter().map(|node| AtomicUsize::new(node.get(cx).addr())).collect();
            // SAFETY: the row has `LEN` reference slots, and the words are live objects of this heap.
            unsafe { cx.store_range_raw(first(row), words.as_ptr(), LEN) };
            drop(nodes);
            match until {
                Phase::Idle => {}
                Phase::SyncRound => begin(cx, |phase| phase == Phase::SyncRound),
                _ => begin(cx, |phase| phase == Phase::Mark),
            }
            // SAFETY: as above: the slots move down by one, and the first node is lost.
            unsafe { cx.store_range_raw(first(row), first(row).wrapping_add(1), LEN - 1) };
            let last = node(cx, LEN);
            // SAFETY: all that is stored is null and this object.
            unsafe { cx.barrier_range_raw(first(row), 10, &[last.addr()]) };
            for index in 0..10 {
                let new = if index == 9 { last.addr() } else { 0 };
                // SAFETY: a slot of the row, which is alive.
                unsafe { &*first(row).wrapping_add(index) }.store(new, std::sync::atomic::Ordering::Release);
            }
            if until != Phase::Idle {
                finish(cx);
            }
            // Left are the new one, and the last of the old ones twice.
            assert_eq!(cx.collect().live_of::<Node>(), (LEN - 11) as u64 + 1, "round {round}");
            let seen: Vec<usize> = (0..LEN)
                .filter_map(|index| {
                    // SAFETY: a slot of the row, which is alive.
                    let word = unsafe { &*first(row).wrapping_add(index) }.load(std::sync::atomic::Ordering::Acquire);
                    // SAFETY: the word is a node of this heap, which the row keeps alive.
                    (word != 0).then(|| unsafe { Gc::<Node>::from_addr(word) }.value)
                })
                .collect();
            let expected: Vec<usize> = [LEN].into_iter().chain(11..LEN).chain([LEN - 1]).collect();
            assert_eq!(seen, expected);
            drop(holder);
            assert_eq!(cx.collect().live_of::<Node>(), 0);
        }
    })
    .unwrap();
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}
