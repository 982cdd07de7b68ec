use spanheap::{Heap, Trace};

#[derive(Trace)]
#[repr(u8)]
enum Colour {
    Red = 1,
    Green = 2,
}

fn main() {
    Heap::new().unwrap().attach(|cx| cx.try_array_class::<Colour, ()>().map(drop)).unwrap().unwrap();
}
