use spanheap::{Slot, Trace};
use std::cell::Cell;

#[derive(Trace)]
struct Node {
    next: Cell<Slot<Node>>,
}

fn main() {}
