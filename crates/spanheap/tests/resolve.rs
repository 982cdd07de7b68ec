//! Resolving words: every kind of word, and words while the heap changes.
//!
//! *Callers:* `cargo test`. *Invariants:* an answer is checked against what the test made, never against another answer alone.

use proptest::prelude::*;
use spanheap::{Array, Heap, Mutator, Resolution, Root, Slot, Trace};
use std::sync::atomic::{AtomicBool, Ordering};

/// 48 bytes: a page has 32 more than its slots.
#[derive(Trace)]
struct Six {
    words: [u64; 6],
}

#[derive(Trace)]
#[trace(rare)]
struct Rare {
    next: Slot<Six>,
}

fn six() -> Six {
    Six { words: [6; 6] }
}

fn address<T>(root: &Root<T>, cx: &Mutator<'_>) -> usize {
    std::ptr::from_ref(&*root.get(cx)) as usize
}

/// What must hold of every answer.
fn check(found: Resolution, word: usize) {
    assert!(found.slot <= word && word - found.slot < found.slot_bytes, "{word:#x} in {found:x?}");
    assert!(found.span <= found.slot && found.slot + found.slot_bytes <= found.span + found.span_bytes, "{found:x?}");
    assert!(found.arena.is_multiple_of(64 << 20) && found.span > found.arena, "{found:x?}");
}

#[test]
fn objects_slots_and_what_is_neither() {
    let heap = Heap::builder().initial_goal(1 << 30).build().unwrap();
    heap.attach(|cx| {
        let object = cx.root(cx.alloc(six()).unwrap());
        let dead = cx.root(cx.alloc(six()).unwrap());
        let (base, freed) = (address(&object, cx), address(&dead, cx));
        drop(dead);
        cx.collect();
        let found = heap.resolve(base).unwrap();
        let expected = Resolution {
            arena: base & !((64 << 20) - 1),
            span: base & !((8 << 10) - 1),
            span_bytes: 8 << 10,
            slot: base,
            slot_bytes: 48,
            type_name: Some(found.type_name.unwrap()),
            allocated: true,
            large: false,
        };
        assert_eq!(found, expected);
        assert!(found.type_name.unwrap().ends_with("Six"));
        for interior in 1..48 {
            assert_eq!(heap.resolve(base + interior), Some(expected));
        }
        assert_eq!(cx.resolve(base + 47), Some(expected));
        // A freed slot is a slot, and no object.
        let free = heap.resolve(freed + 5).unwrap();
        assert_eq!(free, Resolution { slot: freed, allocated: false, ..expected });
        assert_eq!(cx.resolve(freed + 5), None);
        // One past the object's end is the next slot, one past the last slot is none.
        assert_eq!(heap.resolve(base + 48).unwrap().slot, base + 48);
        let last = found.span + 48 * ((8 << 10) / 48) - 1;
        assert_eq!(heap.resolve(last).unwrap().slot, last - 47);
        for loss in last + 1..found.span + found.span_bytes {
            assert_eq!(heap.resolve(loss), None);
        }
        assert_eq!(heap.resolve(found.span + found.span_bytes), None, "a free page");
        // Words from elsewhere.
        let local = 5u64;
        let boxed = Box::new(5u64);
        let elsewhere = [0, 1, 8, usize::MAX, usize::MAX - 7, 1 << 47, std::ptr::from_ref(&local) as usize];
        for word in elsewhere
            .into_iter()
            .chain([&*boxed as *const u64 as usize, objects_slots_and_what_is_neither as *const () as usize])
        {
            assert_eq!(heap.resolve(word), None, "{word:#x}");
        }
        // The arena's own tables, up to its first page.
        for offset in (0..2080 << 10).step_by(1000) {
            assert_eq!(heap.resolve(found.arena + offset), None, "{offset:#x}");
        }
        assert_eq!(heap.resolve(found.arena - 1), None);
        assert_eq!(heap.resolve(found.arena + (64 << 20)), None);
    })
    .unwrap();
}

#[test]
fn large_and_rare_objects() {
    let heap = Heap::builder().initial_goal(1 << 30).build().unwrap();
    heap.attach(|cx| {
        let array = |cx: &mut Mutator<'_>, len| {
            cx.root::<Array<u8>>(cx.alloc_array(cx.array_class::<u8, ()>(), (), len).unwrap())
        };
        for len in [40_000, 100 << 20] {
            let root = array(cx, len);
            let base = address(&root, cx);
            let found = heap.resolve(base).unwrap();
            check(found, base);
            assert!(found.large && found.allocated && found.slot == base && found.slot_bytes >= len, "{found:x?}");
            assert!(found.type_name.unwrap().contains("u8"));
            for interior in [1, len / 2, len - 1, found.slot_bytes - 1] {
                assert_eq!(heap.resolve(base + interior), Some(found));
            }
            for beyond in found.slot_bytes..found.span_bytes + 8 {
                assert_eq!(heap.resolve(base + beyond), None, "{beyond}");
            }
            drop(root);
            cx.collect();
            assert_eq!(heap.resolve(base), None, "its pages are free");
        }
        let rare = cx.root(cx.alloc(Rare { next: Slot::null() }).unwrap());
        let base = address(&rare, cx);
        let found = heap.resolve(base + 3).unwrap();
        assert!(found.type_name.unwrap().ends_with("Rare") && found.slot == base && !found.large);
        let other = heap.resolve(base + found.slot_bytes).unwrap();
        assert_eq!(other.type_name, None, "no object was there");
        drop(rare);
        cx.collect();
        assert_eq!(heap.resolve(base), None);
    })
    .unwrap();
}

#[test]
fn words_may_be_asked_for_while_spans_come_and_go() {
    let heap = Heap::builder().initial_goal(1 << 20).build().unwrap();
    let arena = heap
        .attach(|cx| {
            let first = cx.root(cx.alloc(six()).unwrap());
            heap.resolve(address(&first, cx)).unwrap().arena
        })
        .unwrap();
    let done = AtomicBool::new(false);
    let mut answers = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..150 {
                heap.attach(|cx| {
                    for n in 0..400 {
                        cx.alloc(Rare { next: Slot::null() }).unwrap();
                        cx.alloc(six()).unwrap();
                        if n % 16 == 0 {
                            cx.alloc_array(cx.array_class::<u64, ()>(), (), 4000 + 100 * n).unwrap();
                        }
                        cx.safepoint();
                    }
                    cx.collect();
                })
                .unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut word = arena;
        while !done.load(Ordering::Relaxed) {
            // A step that meets every page and many places in slots, over the first 4 MiB of pages.
            word = arena + (2080 << 10) + (word - arena + 6151) % (4 << 20);
            answers += heap.resolve(word).is_some() as u64;
        }
    });
    assert!(answers > 1000, "{answers} answers");
    heap.collect().unwrap();
    assert_eq!(heap.stats().live_bytes, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_word_goes_wrong(
        sizes in prop::collection::vec(1..50_000usize, 1..40),
        words in prop::collection::vec(any::<usize>(), 200),
        offsets in prop::collection::vec(0..(70usize << 20), 200),
    ) {
        let heap = Heap::builder().initial_goal(1 << 30).build().unwrap();
        heap.attach(|cx| {
            let mut objects = Vec::new();
            for size in sizes {
                let root = cx.root::<Array<u8>>(cx.alloc_array(cx.array_class::<u8, ()>(), (), size).unwrap());
                objects.push((address(&root, cx), size, root));
            }
            let arena = heap.resolve(objects[0].0).unwrap().arena;
            let near = offsets.iter().map(|offset| arena + offset);
            let inside = offsets.iter().map(|offset| {
                let (base, size, _) = &objects[offset % objects.len()];
                base + offset % size
            });
            for word in words.into_iter().chain(near).chain(inside) {
                let owner = objects.iter().find(|(base, size, _)| (*base..*base + *size).contains(&word));
                let found = heap.resolve(word);
                if let Some(found) = found {
                    check(found, word);
                    prop_assert_eq!(heap.resolve(found.slot), Some(found));
                    prop_assert_eq!(cx.resolve(word), Some(found).filter(|found| found.allocated));
                }
                if let Some((base, _, _)) = owner {
                    prop_assert_eq!(found.map(|found| (found.slot, found.allocated)), Some((*base, true)));
                }
            }
            Ok(())
        })
        .unwrap()?;
    }
}
