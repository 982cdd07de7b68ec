use spanheap::{Data, Heap, Root, Slot, Trace};

#[derive(Trace)]
struct Node {
    value: u64,
    count: Data<u64>,
    next: Slot<Node>,
}

fn sendable<T: Send + Sync>(_: &T) {}

fn main() {
    let heap = Heap::new().unwrap();
    sendable(&heap);
    let root: Root<Node> = heap
        .attach(|cx| {
            let node = cx.alloc(Node { value: 5, count: Data::new(0), next: Slot::null() }).unwrap();
            // What a reference leads to may be looked at by other threads, as long as this one may.
            let plain: &Node = node.as_ref();
            std::thread::scope(|scope| {
                scope.spawn(|| plain.count.set(plain.value));
            });
            cx.root(node)
        })
        .unwrap();
    sendable(&root);
    let other = std::thread::spawn(move || heap.attach(|cx| root.get(cx).count.get()).unwrap());
    assert_eq!(other.join().unwrap(), 5);
}
