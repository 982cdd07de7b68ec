use spanheap::Mutator;

fn kept(cx: &Mutator<'_>) {
    let mut kept = None;
    cx.alloc_array_with(cx.array_class::<u8, ()>(), (), 3, |elements| kept = Some(elements)).unwrap();
}

fn references(cx: &Mutator<'_>) {
    cx.alloc_array_with(cx.array_class::<spanheap::Slot<u64>, ()>(), (), 3, |_| ()).unwrap();
}

fn main() {}
