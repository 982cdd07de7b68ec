use spanheap::{Heap, Slot, Trace};

#[derive(Trace)]
struct Node {
    next: Slot<Node>,
}

fn main() {
    let (one, two) = (Heap::new().unwrap(), Heap::new().unwrap());
    one.attach(|first| {
        two.attach(|second| {
            let owner = first.alloc(Node { next: Slot::null() }).unwrap();
            let other = second.alloc(Node { next: Slot::null() }).unwrap();
            first.set(owner, |node| &node.next, Some(other));
        }).unwrap();
    }).unwrap();
}
