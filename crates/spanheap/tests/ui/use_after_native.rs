use spanheap::Heap;

fn main() {
    Heap::new().unwrap().attach(|cx| {
        let text = cx.alloc_bytes(b"abc").unwrap();
        cx.native(|| println!("{}", text.len()));
    }).unwrap();
}
