use spanheap::Heap;

fn main() {
    Heap::new().unwrap().attach(|cx| {
        let text = cx.alloc_bytes(b"abc").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| println!("{}", text.len()));
        });
    }).unwrap();
}
