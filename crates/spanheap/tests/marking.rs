//! Marking graphs of extreme shapes, with one thread and with several: everything that is reachable is found, and in how
//! much memory.
//!
//! *Callers:* `cargo test`. *Invariants:* counts are exact, because nothing else is allocated.

use spanheap::{Array, CycleReport, Data, Heap, Mutator, Root, Slot, Trace};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Trace)]
struct Link {
    next: Slot<Link>,
    number: u64,
}

#[derive(Trace)]
struct Leaf {
    number: Data<u64>,
    _more: u64,
}

#[derive(Trace)]
struct Branch {
    left: Slot<Branch>,
    right: Slot<Branch>,
}

/// Objects in a long list or a wide array.
const MANY: usize = 10_000_000;

/// The most that the mark stacks of a list or an array may take, however many objects there are.
const CONSTANT: usize = 1 << 20;

/// A collection of what `build` makes, which is held by one root.
fn collected<T: 'static>(threads: usize, build: impl Fn(&mut Mutator<'_>) -> Root<T>) -> CycleReport {
    let builder = Heap::builder().marking_threads(threads).cpu_share(100).ignore_cgroup_limit(true);
    let heap = builder.build().unwrap();
    heap.attach(|cx| {
        heap.set_automatic_collection(false);
        let _root = build(cx);
        // The first one empties the new spans.
        cx.collect();
        cx.collect()
    })
    .unwrap()
}

fn list(cx: &mut Mutator<'_>, len: usize) -> Root<Link> {
    let class = cx.class();
    let head = cx.root(cx.alloc_array::<Slot<Link>, ()>(cx.array_class(), (), 1).unwrap());
    for number in 0..len as u64 {
        let link = cx.alloc_in(class, Link { next: Slot::null(), number }).unwrap();
        cx.set(link, |link| &link.next, head.get(cx).element(0));
        cx.set_element(head.get(cx), 0, Some(link));
    }
    let first = head.get(cx).element(0).unwrap();
    assert_eq!(first.number, len as u64 - 1);
    cx.root(first)
}

fn wide(cx: &mut Mutator<'_>, len: usize) -> Root<Array<Slot<Leaf>>> {
    let class = cx.class();
    let all = cx.root(cx.alloc_array(cx.array_class(), (), len).unwrap());
    for index in 0..len {
        let leaf = cx.alloc_in(class, Leaf { number: Data::new(index as u64), _more: 0 }).unwrap();
        assert_eq!(leaf.number.get(), index as u64);
        cx.set_element(all.get(cx), index, Some(leaf));
    }
    all
}

fn wide_of_branches(cx: &mut Mutator<'_>, len: usize) -> Root<Array<Slot<Branch>>> {
    let class = cx.class();
    let all = cx.root(cx.alloc_array(cx.array_class(), (), len).unwrap());
    for index in 0..len {
        let branch = cx.alloc_in(class, Branch { left: Slot::null(), right: Slot::null() }).unwrap();
        cx.set_element(all.get(cx), index, Some(branch));
    }
    all
}

/// A perfect binary tree, made level by level.
fn bushes(cx: &mut Mutator<'_>, depth: usize) -> Root<Branch> {
    let branch = |cx: &Mutator<'_>| cx.root(cx.alloc(Branch { left: Slot::null(), right: Slot::null() }).unwrap());
    let top = branch(cx);
    let mut level = vec![branch(cx), branch(cx)];
    cx.set(top.get(cx), |top| &top.left, Some(level[0].get(cx)));
    cx.set(top.get(cx), |top| &top.right, Some(level[1].get(cx)));
    for _ in 1..depth {
        let mut next = Vec::new();
        for node in &level {
            let (left, right) = (branch(cx), branch(cx));
            cx.set(node.get(cx), |node| &node.left, Some(left.get(cx)));
            cx.set(node.get(cx), |node| &node.right, Some(right.get(cx)));
            next.extend([left, right]);
        }
        level = next;
    }
    top
}

#[test]
fn a_long_list_is_marked_in_constant_memory() {
    let threads = 1;
    let report = collected(threads, |cx| list(cx, MANY));
    assert_eq!(report.live_of::<Link>(), MANY as u64);
    let bytes = report.mark_stack_bytes;
    assert!(bytes <= CONSTANT, "{bytes} bytes of mark stack, {threads} threads");
}

#[test]
fn a_wide_array_is_marked_in_constant_memory() {
    for threads in [1, 2] {
        let report = collected(threads, |cx| wide(cx, MANY));
        assert_eq!(report.live_of::<Leaf>(), MANY as u64);
        let bytes = report.mark_stack_bytes;
        assert!(bytes <= CONSTANT, "{bytes} bytes of mark stack, {threads} threads");
        let report = collected(threads, |cx| wide_of_branches(cx, MANY));
        assert_eq!(report.live_of::<Branch>(), MANY as u64);
        let bytes = report.mark_stack_bytes;
        assert!(bytes <= CONSTANT, "{bytes} bytes of mark stack, {threads} threads");
    }
}

#[test]
fn several_threads_find_what_one_finds() {
    for threads in [1, 2, 4, 8] {
        let report = collected(threads, |cx| list(cx, 100_000));
        assert_eq!(report.live_of::<Link>(), 100_000, "{threads} threads");
        let report = collected(threads, |cx| bushes(cx, 16));
        assert_eq!(report.live_of::<Branch>(), (1 << 17) - 1, "{threads} threads");
        assert_eq!(report.scanned_objects, (1 << 17) - 1, "{threads} threads");
    }
}

#[test]
fn the_host_starts_the_threads() {
    let started = Arc::new(AtomicUsize::new(0));
    let (running, counter) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&started));
    let ends = Arc::clone(&running);
    let spawn = move |work: Box<dyn FnOnce() + Send>| {
        counter.fetch_add(1, Ordering::Relaxed);
        let ends = Arc::clone(&ends);
        ends.fetch_add(1, Ordering::Relaxed);
        std::thread::Builder::new().name("of the host".into()).spawn(move || {
            work();
            ends.fetch_sub(1, Ordering::Release);
        })?;
        Ok(())
    };
    let heap = Heap::builder().marking_threads(2).verify(true).spawn_threads(Arc::new(spawn)).build().unwrap();
    heap.attach(|cx| {
        let _bushes = bushes(cx, 10);
        // A verified heap takes its ways of marking in turn.
        (0..3).for_each(|_| assert_eq!(cx.collect().live_of::<Branch>(), (1 << 11) - 1));
    })
    .unwrap();
    assert!(started.load(Ordering::Relaxed) > 0);
    drop(heap);
    while running.load(Ordering::Acquire) > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_heap_does_without_threads_that_the_host_does_not_start() {
    let refuse = |_| Err(std::io::Error::other("no thread"));
    let heap = Heap::builder().marking_threads(8).verify(true).spawn_threads(Arc::new(refuse)).build().unwrap();
    heap.attach(|cx| {
        let _bushes = bushes(cx, 10);
        (0..3).for_each(|_| assert_eq!(cx.collect().live_of::<Branch>(), (1 << 11) - 1));
    })
    .unwrap();
}
