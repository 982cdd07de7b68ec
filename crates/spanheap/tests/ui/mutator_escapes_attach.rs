use spanheap::{Heap, Mutator};

fn kept(heap: &Heap) {
    let mut kept = None;
    heap.attach(|cx| kept = Some(cx)).unwrap();
}

fn returned(heap: &Heap) {
    heap.attach(|cx| cx).unwrap();
}

fn swapped<'a, 'b>(one: &mut Mutator<'a>, other: &mut Mutator<'b>) {
    std::mem::swap(one, other);
}

fn swapped_in_closures(one: &Heap, other: &Heap) {
    one.attach(|first| other.attach(|second| std::mem::swap(first, second)).unwrap()).unwrap();
}

fn class(heap: &Heap) {
    heap.attach(|cx| cx.class::<u64>()).unwrap();
}

fn layout(heap: &Heap) {
    heap.attach(|cx| cx.register_layout("raw", spanheap::TypeLayout::leaf::<u64>(), None)).unwrap().unwrap();
}

fn main() {}
