use spanheap::Heap;

fn main() {
    let escaped = Heap::new().unwrap().attach(|cx| cx.alloc_bytes(b"abc").unwrap()).unwrap();
    println!("{}", escaped.len());
}
