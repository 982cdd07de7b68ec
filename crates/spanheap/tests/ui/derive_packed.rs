use spanheap::{Slot, Trace};

#[derive(Trace)]
#[repr(C, packed)]
struct Packed {
    next: Slot<u64>,
    number: u64,
}

#[derive(Trace)]
#[repr(C, packed(4))]
struct Half {
    number: u32,
    next: Slot<u64>,
}

fn main() {}
