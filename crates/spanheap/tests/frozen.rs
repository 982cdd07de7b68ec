//! Stacks of which a part is frozen: nothing is lost, and a handshake is as short as if the part were not there.
//!
//! *Callers:* `cargo test`. *Invariants:* the verifier is on, but where times are taken.

mod nodes;

use nodes::Nodes;
use spanheap::{Gc, Heap, HeapBuilder, Mutator, Pair, Phase, Root, Slot, Stack, Trace};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

#[derive(Trace)]
struct Node {
    value: usize,
    next: Slot<Node>,
}

fn node<'m, 'h>(cx: &'m Mutator<'h>, value: usize) -> Gc<'m, 'h, Node> {
    cx.alloc(Node { value, next: Slot::null() }).unwrap()
}

type Family = Nodes<Node>;

type Registers = Stack<Family>;

fn read<'m, 'h>(stack: Gc<'m, 'h, Registers>, slot: usize) -> Option<Gc<'m, 'h, Node>> {
    let pair: &'m Pair<Family> = &stack.as_ref().slots()[slot];
    // SAFETY: one mutator; the slot lies below the top.
    unsafe { pair.decode_in() }
}

fn write<'h>(stack: Gc<'_, 'h, Registers>, slot: usize, value: Option<Gc<'_, 'h, Node>>) {
    assert!(slot >= stack.frozen());
    // SAFETY: the callers run on the stack, and the slot is not frozen.
    unsafe { stack.as_ref().slots()[slot].store_running(value) };
}

/// A running stack of so many slots with a node in each.
fn full(cx: &mut Mutator<'_>, slots: usize) -> Root<Registers> {
    let root = cx.root(cx.alloc_stack::<Family>(slots).unwrap());
    let stack = root.get(cx);
    cx.switch_stack(Some(stack));
    for slot in 0..slots {
        write(stack, slot, Some(node(cx, slot)));
        stack.set_top(slot + 1);
    }
    root
}

fn checked() -> HeapBuilder {
    Heap::builder().verify(true).poison(true).initial_goal(1 << 30).background(false)
}

/// Begins a cycle and advances it until marking runs.
fn begin(cx: &mut Mutator<'_>) {
    while !matches!(cx.heap().phase(), Phase::Mark) {
        cx.step(Duration::ZERO);
    }
}

fn finish(cx: &mut Mutator<'_>) -> spanheap::CycleReport {
    loop {
        if let Some(report) = cx.step(Duration::from_micros(20)).finished() {
            return report;
        }
    }
}

const SLOTS: usize = 8000;

#[test]
fn what_is_thawed_while_marking_runs_is_kept() {
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        let root = full(cx, SLOTS);
        let holder = cx.root(node(cx, 0));
        cx.set_frozen(root.get(cx), SLOTS - 10);
        for round in 0..20 {
            begin(cx);
            // The holder may be black by now: what goes from frozen slots to it is seen by nobody but the thaw.
            cx.step(Duration::ZERO);
            let stack = root.get(cx);
            let slot = round * 397 % (SLOTS - 10);
            cx.set_frozen(stack, slot);
            cx.set(holder.get(cx), |node| &node.next, read(stack, slot));
            (slot..SLOTS).for_each(|slot| write(stack, slot, None));
            let report = finish(cx);
            assert!(report.live_of::<Node>() > slot as u64);
            assert_eq!(holder.get(cx).load(|node| &node.next).unwrap().value, slot);
            let stack = root.get(cx);
            assert!((0..slot).all(|slot| read(stack, slot).unwrap().value == slot));
            (slot..SLOTS).for_each(|slot| write(stack, slot, Some(node(cx, slot))));
            cx.set_frozen(stack, SLOTS - 10);
        }
        let report = cx.collect();
        assert_eq!(report.live_of::<Node>(), SLOTS as u64 + 2);
        cx.switch_stack::<Family>(None);
        drop(root);
        assert_eq!(cx.collect().live_of::<Node>(), 2);
    })
    .unwrap();
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}

#[test]
fn a_frozen_stack_moves_and_goes_while_marking_runs() {
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        for round in 0..12 {
            let root = full(cx, SLOTS);
            cx.set_frozen(root.get(cx), SLOTS);
            begin(cx);
            let stack = root.get(cx);
            let kept = cx.root(read(stack, 7).unwrap());
            match round % 3 {
                0 => cx.grow_stack(stack, 2 * SLOTS, |_, _| ()).unwrap(),
                1 => cx.free_stack(stack),
                _ => cx.switch_stack::<Family>(None),
            }
            assert_eq!(stack.frozen(), if round % 3 == 1 { 0 } else { SLOTS });
            let report = finish(cx);
            assert!(report.live_of::<Node>() >= SLOTS as u64, "what the stack held when marking began");
            assert_eq!(kept.get(cx).value, 7);
            cx.switch_stack::<Family>(None);
            drop((root, kept));
            assert_eq!(cx.collect().live_of::<Node>(), 0);
        }
    })
    .unwrap();
}

#[test]
fn marks_that_make_no_sense_are_refused() {
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        let root = full(cx, 100);
        let other = cx.root(cx.alloc_stack::<Family>(10).unwrap());
        let refused = |work: &dyn Fn()| catch_unwind(AssertUnwindSafe(work)).is_err();
        assert!(refused(&|| cx.set_frozen(root.get(cx), 101)), "above the top");
        assert!(refused(&|| cx.set_frozen(other.get(cx), 0)), "not running");
        cx.set_frozen(root.get(cx), 100);
        assert_eq!(root.get(cx).frozen(), 100);
        assert_eq!(cx.collect().live_of::<Node>(), 100);
        assert!(!root.get(cx).wants_to_shrink());
        assert_eq!(root.get(cx).frozen(), 100, "a scan does not move the mark");
    })
    .unwrap();
}

/// A VM of frames of 16 slots, all but the innermost two of which are frozen.
#[test]
fn a_handshake_takes_no_longer_on_a_deep_stack() {
    const FRAME: usize = 16;
    const ROUNDS: usize = 25;
    /// What a mutator's own work may take.
    const MOST: Duration = Duration::from_micros(50);
    for frozen in [false, true] {
        for frames in [10, 100, 1000, 10_000] {
            let heap = Heap::builder().initial_goal(1 << 30).build().unwrap();
            let mut longest: Vec<Duration> = heap
                .attach(|cx| {
                    let root = full(cx, frames * FRAME);
                    if frozen {
                        cx.set_frozen(root.get(cx), (frames - 2) * FRAME);
                    }
                    (0..ROUNDS).map(|_| cx.collect().longest_handshake).collect()
                })
                .unwrap();
            let times = heap.handshake_times();
            longest.sort();
            eprintln!(
                "frames {frames}, frozen {frozen}: best {:?}, median {:?}, {times:?}",
                longest[0],
                longest[ROUNDS / 2]
            );
            // Half of the cycles: the others may have been interrupted by other processes.
            assert!(!frozen || longest[ROUNDS / 2] <= MOST, "{frames} frames: {longest:?}");
        }
    }
}
