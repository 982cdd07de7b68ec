use spanheap::{Gc, Slot, Trace};

#[derive(Trace)]
struct Node {
    value: u64,
    next: Slot<Node>,
}

fn moved(node: Gc<'_, '_, Node>) -> Slot<Node> {
    node.as_ref().next
}

fn taken(node: Gc<'_, '_, Node>) -> Slot<Node> {
    std::mem::take(&mut node.next)
}

fn cloned(node: Gc<'_, '_, Node>) -> Slot<Node> {
    node.next.clone()
}

fn whole(node: Gc<'_, '_, Node>) -> Node {
    *node
}


fn main() {}
