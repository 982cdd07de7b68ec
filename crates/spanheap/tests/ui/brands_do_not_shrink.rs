use spanheap::{Class, Gc, Local, Mutator, Slot, Trace};

#[derive(Trace)]
struct Node {
    value: u64,
    next: Slot<Node>,
}

fn reference<'m, 'long: 'short, 'short>(node: Gc<'m, 'long, Node>) -> Gc<'m, 'short, Node> {
    node
}

fn longer<'m, 'long: 'short, 'short>(node: Gc<'m, 'short, Node>) -> Gc<'m, 'long, Node> {
    node
}

fn mutator<'b, 'long: 'short, 'short: 'b>(cx: &'b Mutator<'long>) -> &'b Mutator<'short> {
    cx
}

fn handle<'s, 'long: 'short, 'short>(local: Local<'s, 'long, Node>) -> Local<'s, 'short, Node> {
    local
}

fn scope<'h, 'long: 'short, 'short>(local: Local<'long, 'h, Node>) -> Local<'short, 'h, Node> {
    local
}

fn class<'long: 'short, 'short>(class: Class<'long, Node>) -> Class<'short, Node> {
    class
}

fn borrow<'long: 'short, 'short, 'h>(node: Gc<'short, 'h, Node>) -> Gc<'long, 'h, Node> {
    node
}

fn main() {}
