use spanheap::{Heap, Slot, Trace};

#[derive(Trace)]
struct Node {
    next: Slot<Node>,
}

fn main() {
    Heap::new().unwrap().attach(|cx| {
        let one = cx.alloc(Node { next: Slot::null() }).unwrap();
        let two = cx.alloc(Node { next: Slot::null() }).unwrap();
        cx.set(one, |_| &two.next, Some(two));
    }).unwrap();
}
