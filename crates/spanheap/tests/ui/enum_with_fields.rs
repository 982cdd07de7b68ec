use spanheap::{Slot, Trace};

#[derive(Trace)]
enum Either {
    Number(u64),
    Node(Slot<Either>),
}

fn main() {}
