use spanheap::{Gc, Local, Mutator, Root, Scope, Slot, Stack, Trace, PairFamily};
use std::time::Duration;

#[derive(Trace)]
struct Node {
    value: u64,
    next: Slot<Node>,
}

fn collect(cx: &mut Mutator<'_>, root: &Root<Node>) -> u64 {
    let node = root.get(cx);
    cx.collect();
    node.value
}

fn step(cx: &mut Mutator<'_>, root: &Root<Node>) -> u64 {
    let node = root.get(cx);
    cx.step(Duration::ZERO);
    node.value
}

fn fork(cx: &mut Mutator<'_>, root: &Root<Node>) -> u64 {
    let node = root.get(cx);
    cx.fork(|| ());
    node.value
}

fn scope(cx: &mut Mutator<'_>, root: &Root<Node>) -> u64 {
    let node = root.get(cx);
    cx.scope(|cx, _| cx.safepoint());
    node.value
}

fn from_a_handle<'s, 'h>(cx: &mut Mutator<'h>, local: Local<'s, 'h, Node>, _: &Scope<'s, 'h>) -> u64 {
    let node = local.get(cx);
    cx.safepoint();
    node.value
}

fn loaded(cx: &mut Mutator<'_>, root: &Root<Node>) -> u64 {
    let next = root.get(cx).load(|node| &node.next).unwrap();
    cx.safepoint();
    next.value
}

fn field(cx: &mut Mutator<'_>, root: &Root<Node>) -> u64 {
    let value = &root.get(cx).as_ref().value;
    cx.safepoint();
    *value
}

fn slots_of_a_stack<F: PairFamily>(cx: &mut Mutator<'_>, root: &Root<Stack<F>>) -> usize {
    let slots = root.get(cx).as_ref().slots();
    cx.safepoint();
    slots.len()
}

fn main() {}
