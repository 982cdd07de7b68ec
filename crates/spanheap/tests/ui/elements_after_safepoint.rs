use spanheap::{Bytes, Heap, Mutator, Root};

fn array(cx: &mut Mutator<'_>, root: &Root<Bytes>) -> u8 {
    let elements = root.get(cx).as_ref().elements();
    cx.safepoint();
    elements[0]
}

fn main() {
    Heap::new().unwrap().attach(|cx| {
        let text = cx.alloc_bytes(b"abc").unwrap();
        let bytes = text.elements();
        cx.collect();
        println!("{bytes:?}");
    }).unwrap();
}
