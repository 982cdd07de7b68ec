use spanheap::{Gc, Mutator, PairFamily, Slot, Stack, Trace};

#[derive(Trace)]
struct Node {
    value: u64,
    next: Slot<Node>,
}

fn initialiser(cx: &mut Mutator<'_>) {
    let class = cx.array_class::<u8, ()>();
    cx.alloc_array_with(class, (), 3, |_| cx.safepoint()).unwrap();
}

fn relocation<'h, F: PairFamily>(cx: &mut Mutator<'h>, stack: Gc<'_, 'h, Stack<F>>) {
    cx.grow_stack(stack, 100, |_, _| cx.safepoint()).unwrap();
}

fn choice_of_a_slot<'h>(cx: &mut Mutator<'h>, node: Gc<'_, 'h, Node>) {
    cx.set(node, |node| { cx.safepoint(); &node.next }, None);
}

fn native(cx: &mut Mutator<'_>) {
    cx.native(|| cx.alloc_bytes(b"abc").unwrap().len());
}

fn fork(cx: &mut Mutator<'_>) {
    cx.fork(|| cx.alloc_bytes(b"abc").unwrap().len());
}

fn main() {}
