use spanheap::{Gc, Slot, Trace, TypeLayout};

#[derive(Trace)]
struct Node {
    value: u64,
    next: Slot<Node>,
}

struct Text<'a>(&'a str);

// SAFETY: text that lives for ever: no reference into the heap, no destructor, written once.
unsafe impl Trace for Text<'static> {
    const NAME: &'static str = "Text";
    const ARRAY_NAME: &'static str = "[Text]";
    const LAYOUT: TypeLayout = TypeLayout::leaf::<Text<'static>>();
    const ZERO_IS_VALID: bool = false;
}

#[derive(Trace)]
struct Marked<M> {
    mark: M,
}

// A slot of another heap, taken for one of the object because it lives as long as the object's type.
fn by_a_borrowed_type<'m, 'h, 'a: 'm>(text: Gc<'m, 'h, Text<'a>>, other: &'a Slot<Node>) -> Option<Gc<'m, 'h, Node>> {
    text.load(move |_| other)
}

fn by_the_slot<'m, 'h, 'a: 'm>(node: Gc<'m, 'h, Node>, other: &'a Slot<Text<'a>>) -> Option<Gc<'m, 'h, Text<'a>>> {
    node.load(move |_| other)
}

fn by_a_field<'m, 'h, 'a: 'm>(
    marked: Gc<'m, 'h, Marked<Slot<&'static u8>>>,
    other: &'a Slot<Node>,
) -> Option<Gc<'m, 'h, Node>> {
    let marked: Gc<'m, 'h, Marked<Slot<&'a u8>>> = marked;
    marked.load(move |_| other)
}

fn captured<'m, 'h, 'n, 'o>(node: Gc<'m, 'h, Node>, other: Gc<'n, 'o, Node>) -> Option<Gc<'m, 'h, Node>> {
    node.load(|_| &other.as_ref().next)
}

fn main() {}
