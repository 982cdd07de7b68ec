//! Nanoseconds of one store of a reference: a plain store against `Mutator::set`, with the write barrier off and on.
//!
//! The objects fit into the first-level cache, and every store changes the slot. The barrier is on while a cycle marks,
//! which would soon be over: a second mutator holds the cycle open by leaving one handshake unanswered. Meanwhile
//! nobody reads the barrier's logs, so the stores are made in portions, with a whole cycle after each, untimed.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spanheap::{Array, Gc, Heap, Mutator, Root, Slot};
use spanheap_micro::{Node, quiet_heap};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Objects that are written: 8 KiB.
const OBJECTS: usize = 256;
/// Most stores before the log is read.
const PORTION: u64 = 1 << 20;

/// How far the held cycle has come for the mutator that is measured: handshakes that it has answered. The mutator that
/// holds answers one less.
#[derive(Clone, Copy)]
enum Held {
    /// The barrier is on and the mutator's roots are not scanned: it logs what is overwritten and what is stored.
    BeforeRoots = 2,
    /// The roots are scanned: it logs what is overwritten.
    AfterRoots = 3,
}

fn stores(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store a reference");
    group.throughput(Throughput::Elements(1));
    group.bench_function("plain", |bencher| {
        let objects: Vec<[AtomicUsize; 4]> = (0..OBJECTS).map(|_| Default::default()).collect();
        let objects: Vec<&[AtomicUsize; 4]> = black_box(objects.iter().collect());
        bencher.iter_custom(|count| {
            store_all(count, |owner, target| {
                objects[owner][0].store(objects[target].as_ptr() as usize, Ordering::Release);
            })
        });
    });
    group.bench_function("Mutator::set, barrier off", |bencher| {
        with_objects(|_, cx, table| {
            let objects = load(cx, table);
            bencher.iter_custom(|count| store_objects(cx, &objects, count));
        });
    });
    for (name, held) in [("before", Held::BeforeRoots), ("after", Held::AfterRoots)] {
        group.bench_function(format!("Mutator::set, barrier on, {name} roots"), |bencher| {
            with_objects(|heap, cx, table| {
                bencher.iter_custom(|count| {
                    let (mut left, mut time) = (count, Duration::ZERO);
                    while left > 0 {
                        let portion = left.min(PORTION);
                        time += while_marking(heap, cx, held, |cx| store_objects(cx, &load(cx, table), portion));
                        left -= portion;
                    }
                    time
                });
            });
        });
    }
    group.finish();
}

/// Times `count` stores. Every object is written in turn, each round with another target.
#[inline(always)]
fn store_all(count: u64, mut store: impl FnMut(usize, usize)) -> Duration {
    let begin = Instant::now();
    for n in 0..count as usize {
        store(n % OBJECTS, (n + n / OBJECTS) % OBJECTS);
    }
    begin.elapsed()
}

#[inline(never)]
fn store_objects<'h>(cx: &Mutator<'h>, objects: &[Gc<'_, 'h, Node>], count: u64) -> Duration {
    store_all(count, |owner, target| cx.set(objects[owner], |node| &node.left, Some(objects[target])))
}

/// Calls `work` with a heap that holds the objects, in a table.
fn with_objects(work: impl for<'h> FnOnce(&Heap, &mut Mutator<'h>, &Root<Array<Slot<Node>>>)) {
    let heap = quiet_heap();
    let attached = heap.attach(|cx| {
        let (class, tables) = (cx.class::<Node>(), cx.array_class::<Slot<Node>, ()>());
        let table = cx.alloc_array(tables, (), OBJECTS).expect("memory for a table");
        for index in 0..OBJECTS {
            let node = Node { left: Slot::null(), right: Slot::null(), v: index as u64, w: 0 };
            cx.set_element(table, index, Some(cx.alloc_in(class, node).expect("memory for an object")));
        }
        let table = cx.root(table);
        work(&heap, cx, &table);
    });
    attached.expect("a thread without a mutator");
}

fn load<'m, 'h>(cx: &'m Mutator<'h>, table: &Root<Array<Slot<Node>>>) -> Vec<Gc<'m, 'h, Node>> {
    let table = table.get(cx);
    (0..OBJECTS).map(|index| table.element(index).expect("the table is full")).collect()
}

/// Calls `work` while a cycle is held open, and ends the cycle.
fn while_marking<'h, R>(heap: &Heap, cx: &mut Mutator<'h>, held: Held, work: impl FnOnce(&Mutator<'h>) -> R) -> R {
    let (attached, release) = (AtomicBool::new(false), AtomicBool::new(false));
    let answers = held as usize;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let holder = heap.attach(|other| {
                attached.store(true, Ordering::Release);
                answer(other, answers - 1);
                while !release.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
            });
            holder.expect("a thread without a mutator");
        });
        while !attached.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        heap.request_collection();
        answer(cx, answers);
        let result = work(cx);
        release.store(true, Ordering::Release);
        // Waits for the held cycle, and then for one of its own.
        cx.collect();
        result
    })
}

/// Answers that many handshakes.
fn answer(cx: &mut Mutator<'_>, count: usize) {
    for _ in 0..count {
        while !cx.poll() {
            std::thread::yield_now();
        }
        cx.safepoint();
    }
}

criterion_group!(benches, stores);
criterion_main!(benches);
