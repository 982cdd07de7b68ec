use spanheap::Trace;
use std::cell::{RefCell, UnsafeCell};
use std::sync::atomic::AtomicUsize;

#[derive(Trace)]
struct Shared {
    number: RefCell<u64>,
}

#[derive(Trace)]
struct Unchecked {
    number: UnsafeCell<u64>,
}

#[derive(Trace)]
struct Word {
    number: AtomicUsize,
}

#[derive(Trace)]
struct Pointer {
    address: *mut u64,
}

#[derive(Trace)]
struct Owner {
    boxed: Box<u64>,
}

#[derive(Trace)]
struct Function {
    call: fn(),
}

#[derive(Trace)]
struct Tuple {
    both: (u64, u64),
}

#[derive(Trace)]
struct Letter {
    letter: char,
}

fn main() {}
