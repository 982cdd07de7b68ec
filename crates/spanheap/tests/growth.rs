//! Arrays that become longer where they stand.
//!
//! *Callers:* `cargo test`. *Invariants:* every heap checks itself in every cycle.

use proptest::prelude::*;
use spanheap::{AllocError, Array, Bytes, Heap, Root, Slot, Trace};
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Trace)]
struct Node {
    value: u64,
}

fn heap() -> Heap {
    Heap::builder().verify(true).poison(true).build().unwrap()
}

#[test]
fn a_large_array_takes_the_free_pages_behind_it() {
    heap()
        .attach(|cx| {
            let class = cx.array_class::<Slot<Node>, ()>();
            // Made before: their span would stand behind the array.
            let nodes: Vec<Root<Node>> = (0..10).map(|value| cx.root(cx.alloc(Node { value }).unwrap())).collect();
            cx.collect();
            let array = cx.root(cx.alloc_array(class, (), 10_000).unwrap());
            let at = array.get(cx).addr();
            let mut len = 10_000;
            for node in &nodes {
                cx.set_element(array.get(cx), len - 1, Some(node.get(cx)));
                len += 7_001;
                assert!(cx.grow_array(array.get(cx), len).unwrap());
                assert_eq!((array.get(cx).addr(), array.get(cx).len()), (at, len));
                assert!(array.get(cx).elements()[len - 7_001..].iter().all(Slot::is_null), "what is new is null");
                assert_eq!(cx.resolve(at + 8 * len).unwrap().slot, at);
            }
            drop(nodes);
            let report = cx.collect();
            assert_eq!(report.live_of::<Node>(), 10);
            for round in 0..10 {
                assert_eq!(array.get(cx).element(9_999 + 7_001 * round).unwrap().value, round as u64);
            }
            // Shorter, or as long: nothing to do.
            assert!(cx.grow_array(array.get(cx), 5).unwrap());
            assert_eq!(array.get(cx).len(), len);
            let bytes = cx.heap().stats().live_bytes;
            drop(array);
            let report = cx.collect();
            assert_eq!((report.live_of::<Node>(), cx.heap().stats().live_bytes), (0, 0), "of {bytes} bytes");
            assert_eq!(cx.heap().stats().span_bytes, 0);
        })
        .unwrap();
}

#[test]
fn an_array_does_not_grow_over_its_neighbour() {
    heap()
        .attach(|cx| {
            let class = cx.array_class::<u64, ()>();
            let first = cx.root(cx.alloc_array(class, (), 8_000).unwrap());
            let second = cx.root(cx.alloc_array_with(class, (), 8_000, |all| all.fill(7)).unwrap());
            assert!(!cx.grow_array(first.get(cx), 100_000).unwrap());
            assert_eq!(first.get(cx).len(), 8_000);
            assert!(second.get(cx).elements().iter().all(|&element| element == 7));
            drop(second);
            cx.collect();
            // The neighbour's pages hold its contents still; what the array gets of them is zero.
            assert!(cx.grow_array(first.get(cx), 16_000).unwrap());
            assert!(first.get(cx).elements().iter().all(|&element| element == 0));
        })
        .unwrap();
}

#[test]
fn a_small_array_grows_to_the_end_of_its_slot() {
    heap()
        .attach(|cx| {
            // 8 + 100 bytes, in a slot of 112.
            let text = cx.root(cx.alloc_bytes(&[1; 100]).unwrap());
            assert!(cx.append(text.get(cx), &[2, 3]).unwrap());
            assert!(!cx.append(text.get(cx), &[4; 3]).unwrap());
            assert!(cx.append(text.get(cx), &[5; 2]).unwrap());
            assert!(!cx.grow_array(text.get(cx), 105).unwrap());
            assert_eq!(&text.get(cx).elements()[98..], [1, 1, 2, 3, 5, 5]);
        })
        .unwrap();
}

#[test]
fn too_much_is_an_error_and_changes_nothing() {
    let heap = Heap::builder().verify(true).limit(1 << 20).build().unwrap();
    heap.attach(|cx| {
        let array = cx.root(cx.alloc_array(cx.array_class::<u32, ()>(), (), 50_000).unwrap());
        for (len, is_limit) in [(400_000, true), (usize::MAX / 2, false)] {
            let error = cx.grow_array(array.get(cx), len).unwrap_err();
            assert_eq!(matches!(error, AllocError::Limit { .. }), is_limit, "{error}");
            assert_eq!(array.get(cx).len(), 50_000);
        }
        assert!(cx.grow_array(array.get(cx), 200_000).unwrap());
        cx.collect();
    })
    .unwrap();
}

#[test]
fn threads_append_to_one_array_while_it_is_marked() {
    const THREADS: u64 = 3;
    const EACH: u64 = 30_000;
    let heap = heap();
    let shared: Root<Array<u64>> =
        heap.attach(|cx| cx.root(cx.alloc_array(cx.array_class::<u64, ()>(), (), 5_000).unwrap())).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=THREADS)
            .map(|thread| {
                let (heap, shared) = (&heap, &shared);
                scope.spawn(move || {
                    let append = |cx: &mut spanheap::Mutator<'_>| {
                        for number in 0..EACH {
                            assert!(cx.append(shared.get(cx), &[thread << 32 | number]).unwrap());
                            cx.safepoint();
                        }
                    };
                    heap.attach(append).unwrap();
                })
            })
            .collect();
        scope.spawn(|| {
            let collect = |cx: &mut spanheap::Mutator<'_>| {
                while !done.load(Ordering::Relaxed) {
                    cx.collect();
                    let seen = shared.get(cx);
                    assert!(seen.elements()[5_000..].iter().all(|&element| element != 0));
                }
            };
            heap.attach(collect).unwrap();
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    let check = |cx: &mut spanheap::Mutator<'_>| {
        let mut next = [0; THREADS as usize + 1];
        for element in &shared.get(cx).elements()[5_000..] {
            let thread = (element >> 32) as usize;
            assert_eq!(element & 0xffff_ffff, next[thread], "every thread's numbers come in order");
            next[thread] += 1;
        }
        assert!(next[1..].iter().all(|&count| count == EACH));
    };
    heap.attach(check).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Byte strings grow in place or are copied, as the host of a string buffer does it; contents and zeros are right.
    #[test]
    fn buffers_equal_vectors(steps in prop::collection::vec((0usize..3, 1usize..30_000, any::<u8>()), 1..60)) {
        let heap = heap();
        heap.attach(|cx| {
            let mut model: [Vec<u8>; 3] = Default::default();
            let mut buffers: Vec<Root<Bytes>> = (0..3).map(|_| cx.root(cx.alloc_bytes(&[]).unwrap())).collect();
            for (number, (which, count, byte)) in steps.into_iter().enumerate() {
                let more = vec![byte; count];
                if !cx.append(buffers[which].get(cx), &more).unwrap() {
                    let all = [buffers[which].get(cx).elements(), &more].concat();
                    buffers[which] = cx.root(cx.alloc_bytes(&all).unwrap());
                }
                model[which].extend(more);
                if number % 7 == 6 {
                    cx.collect();
                }
                for (buffer, model) in buffers.iter().zip(&model) {
                    assert!(buffer.get(cx).elements() == model.as_slice());
                }
            }
        })
        .unwrap();
    }
}
