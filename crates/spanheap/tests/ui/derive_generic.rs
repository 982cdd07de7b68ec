use spanheap::{Heap, Trace};

#[derive(Trace)]
struct Wrapper<T> {
    inner: T,
}

fn any<T>(inner: T) {
    Heap::new().unwrap().attach(|cx| cx.alloc(Wrapper { inner }).map(drop)).unwrap().unwrap();
}

fn text(inner: String) {
    Heap::new().unwrap().attach(|cx| cx.alloc(Wrapper { inner }).map(drop)).unwrap().unwrap();
}

fn main() {}
