use spanheap::{Heap, Trace};

#[derive(Trace)]
struct Large {
    numbers: [u64; 5000],
}

#[derive(Trace)]
#[repr(align(8192))]
struct Aligned {
    number: u64,
}

fn main() {
    Heap::new().unwrap().attach(|cx| {
        cx.alloc(Large { numbers: [0; 5000] }).map(drop).unwrap();
        cx.alloc(Aligned { number: 0 }).map(drop).unwrap();
    }).unwrap();
}
