use spanheap::{Gc, Heap, Slot, Trace};
use std::any::Any;
use std::cell::RefCell;

#[derive(Trace)]
struct Node {
    value: u64,
    next: Slot<Node>,
}

static GLOBAL: std::sync::Mutex<Option<Gc<'static, 'static, Node>>> = std::sync::Mutex::new(None);

thread_local! {
    static LOCAL: RefCell<Option<Gc<'static, 'static, Node>>> = const { RefCell::new(None) };
}

fn thread_local(heap: &Heap) {
    heap.attach(|cx| {
        let node = cx.alloc(Node { value: 1, next: Slot::null() }).unwrap();
        LOCAL.set(Some(node));
    }).unwrap();
}

fn any(heap: &Heap) -> Box<dyn Any> {
    heap.attach(|cx| {
        let node = cx.alloc(Node { value: 1, next: Slot::null() }).unwrap();
        Box::new(node) as Box<dyn Any>
    }).unwrap()
}

fn closure(heap: &Heap) {
    let mut kept: Option<Box<dyn Fn() -> u64 + '_>> = None;
    heap.attach(|cx| {
        let node = cx.alloc(Node { value: 1, next: Slot::null() }).unwrap();
        kept = Some(Box::new(move || node.value));
    }).unwrap();
}

fn main() {}
