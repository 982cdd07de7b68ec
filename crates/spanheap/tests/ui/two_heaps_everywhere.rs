use spanheap::{Array, ArrayClass, Class, Gc, Local, Mutator, Pair, PairFamily, RawLayout, Root, Scope, Slot, Stack, Trace};

#[derive(Trace)]
struct Node {
    value: u64,
    next: Slot<Node>,
}

struct Family;

// SAFETY: tag 1 is a node's address, and nothing else is.
unsafe impl PairFamily for Family {
    type Value<'m, 'h> = Option<Gc<'m, 'h, Node>>;
    const FIRST_REFERENCE_TAG: usize = 1;

    fn encode<'m, 'h>(value: Option<Gc<'m, 'h, Node>>) -> (usize, usize) {
        value.map_or((0, 0), |node| (1, node.addr()))
    }

    unsafe fn decode<'m, 'h>(tag: usize, payload: usize) -> Option<Gc<'m, 'h, Node>> {
        // SAFETY: tag 1 came from a node.
        (tag != 0).then(|| unsafe { Gc::from_addr(payload) })
    }
}

type Table = Array<Slot<Node>>;
type Pairs = Array<Pair<Family>>;

fn element<'a, 'b>(cx: &Mutator<'a>, table: Gc<'_, 'a, Table>, node: Gc<'_, 'b, Node>) {
    cx.set_element(table, 0, Some(node));
}

fn owner<'a, 'b>(cx: &Mutator<'a>, table: Gc<'_, 'b, Table>, node: Gc<'_, 'a, Node>) {
    cx.set_element(table, 0, Some(node));
}

fn filled<'a, 'b>(cx: &Mutator<'a>, table: Gc<'_, 'a, Table>, node: Gc<'_, 'b, Node>) {
    cx.fill_elements(table, 0..1, Some(node));
}

fn copied<'a, 'b>(cx: &Mutator<'a>, table: Gc<'_, 'a, Table>, other: Gc<'_, 'b, Table>) {
    cx.copy_elements(other, 0..1, table, 0);
}

fn pair<'a, 'b>(cx: &Mutator<'a>, pairs: Gc<'_, 'a, Pairs>, node: Gc<'_, 'b, Node>) {
    cx.set_pair_element(pairs, 0, Some(node));
}

fn pairs<'a, 'b>(cx: &Mutator<'a>, pairs: Gc<'_, 'a, Pairs>, node: Gc<'_, 'b, Node>) {
    cx.fill_pair_elements(pairs, 0..1, Some(node));
}

fn stack_slot<'a, 'b>(cx: &Mutator<'a>, stack: Gc<'_, 'a, Stack<Family>>, node: Gc<'_, 'b, Node>) {
    cx.set_stack_slot(stack, 0, Some(node));
}

fn stack<'a, 'b>(cx: &Mutator<'a>, stack: Gc<'_, 'b, Stack<Family>>) {
    cx.switch_stack(Some(stack));
}

fn root<'a, 'b>(cx: &Mutator<'a>, node: Gc<'_, 'b, Node>) -> Root<Node> {
    cx.root(node)
}

fn hold<'s, 'a, 'b>(cx: &Mutator<'a>, scope: &Scope<'s, 'a>, node: Gc<'_, 'b, Node>) -> Local<'s, 'a, Node> {
    scope.hold(cx, node)
}

fn handle<'m, 's, 'a, 'b>(cx: &'m Mutator<'a>, local: Local<'s, 'b, Node>) -> Gc<'m, 'a, Node> {
    local.get(cx)
}

fn class<'a, 'b>(cx: &Mutator<'a>, class: Class<'b, Node>) {
    cx.alloc_in(class, Node { value: 1, next: Slot::null() }).unwrap();
}

fn array_class<'a, 'b>(cx: &Mutator<'a>, class: ArrayClass<'b, Slot<Node>>) {
    cx.alloc_array(class, (), 3).unwrap();
}

fn raw<'a, 'b>(cx: &Mutator<'a>, layout: RawLayout<'b>) {
    cx.alloc_raw(layout, 0).unwrap();
}

fn grown<'a, 'b>(cx: &Mutator<'a>, table: Gc<'_, 'b, Table>) {
    cx.grow_array(table, 3).unwrap();
}

fn compared<'a, 'b>(one: Gc<'_, 'a, Node>, other: Gc<'_, 'b, Node>) -> bool {
    one == other
}

fn main() {}
