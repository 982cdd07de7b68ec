use spanheap::{Heap, Trace};

#[derive(Trace)]
struct Named<T> {
    id: T,
}

impl<T> Drop for Named<T> {
    fn drop(&mut self) {}
}

fn main() {
    Heap::new().unwrap().attach(|cx| cx.alloc(Named { id: 1_u64 }).map(drop)).unwrap().unwrap();
}
