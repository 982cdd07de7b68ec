use spanheap::{Local, Mutator, Scope, Slot, Trace};

#[derive(Trace)]
struct Node {
    value: u64,
    next: Slot<Node>,
}

fn sent(cx: &mut Mutator<'_>) {
    std::thread::scope(|scope| {
        scope.spawn(|| cx.safepoint());
    });
}

fn shared(cx: &Mutator<'_>) {
    std::thread::scope(|scope| {
        scope.spawn(|| cx.poll());
    });
}

fn handle<'s, 'h>(cx: &Mutator<'h>, scope: &Scope<'s, 'h>) {
    let local: Local<'s, 'h, Node> = scope.hold(cx, cx.alloc(Node { value: 1, next: Slot::null() }).unwrap());
    std::thread::scope(|threads| {
        threads.spawn(move || drop(local));
    });
}

fn generated_code(cx: &Mutator<'_>) {
    let view = cx.jit();
    std::thread::scope(|threads| {
        threads.spawn(move || drop(view));
    });
}

fn main() {}
