use spanheap::{Heap, Slot, Trace};

#[derive(Trace)]
struct Node {
    next: Slot<Node>,
}

fn main() {
    Heap::new().unwrap().attach(|cx| {
        let node = cx.alloc(Node { next: Slot::null() }).unwrap();
        cx.safepoint();
        println!("{}", node.addr());
    }).unwrap();
}
