use spanheap::{Slot, Trace};
use std::mem::ManuallyDrop;

#[derive(Trace)]
union Either {
    number: u64,
    node: ManuallyDrop<Slot<u64>>,
}

fn main() {}
