use spanheap::Heap;

fn main() {
    Heap::new().unwrap().attach(|cx| {
        let local = cx.scope(|cx, scope| scope.hold(cx, cx.alloc_bytes(b"abc").unwrap()));
        println!("{}", local.get(cx).len());
    }).unwrap();
}
