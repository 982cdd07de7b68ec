use spanheap::{Mutator, Scope, Slot, Trace};

#[derive(Trace)]
struct Node {
    value: u64,
    next: Slot<Node>,
}

fn inner_handle_outside(cx: &mut Mutator<'_>) {
    let mut kept = None;
    cx.scope(|cx, scope| kept = Some(scope.hold(cx, cx.alloc(Node { value: 1, next: Slot::null() }).unwrap())));
}

fn handles_of_two_scopes<'s, 'h>(cx: &mut Mutator<'h>, outer: &Scope<'s, 'h>) {
    let mut handles = vec![outer.hold(cx, cx.alloc(Node { value: 1, next: Slot::null() }).unwrap())];
    cx.scope(|cx, inner| handles.push(inner.hold(cx, cx.alloc(Node { value: 2, next: Slot::null() }).unwrap())));
}

fn outer_mutator_inside(cx: &mut Mutator<'_>) {
    cx.scope(|_, scope| scope.hold(cx, cx.alloc(Node { value: 1, next: Slot::null() }).unwrap()).get(cx).value);
}

fn scope_outside(cx: &mut Mutator<'_>) {
    let mut kept = None;
    cx.scope(|_, scope| kept = Some(scope));
}

fn scope_of_another_heap<'a, 'b>(one: &mut Mutator<'a>, other: &Mutator<'b>) {
    one.scope(|_, scope| {
        scope.hold(other, other.alloc(Node { value: 1, next: Slot::null() }).unwrap());
    });
}

fn main() {}
