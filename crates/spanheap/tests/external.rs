//! External bytes: they start collections, count against the limit, and go away.
//!
//! *Callers:* `cargo test`.

use proptest::prelude::*;
use spanheap::{AllocError, External, ExternalUnderflow, Heap, Trace};
use std::time::Duration;

const MIB: usize = 1 << 20;

/// A small object that stands for much memory elsewhere.
#[derive(Trace)]
struct Picture {
    number: u64,
}

/// Makes `count` pictures of a MiB that die at once, and gives their memory up when a cycle that began after their death
/// has ended, as a host does that learns from the heap what has died. Returns the most external bytes at one time.
fn draw(heap: &Heap, count: u64, external: bool) -> u64 {
    let mut most = 0;
    heap.attach(|cx| {
        let mut held: Vec<(u64, External)> = Vec::new();
        for number in 0..count {
            let picture = cx.alloc(Picture { number }).unwrap();
            assert_eq!(picture.number, number);
            // To fill a picture takes time, which the collector has, too.
            cx.native(|| std::thread::sleep(Duration::from_micros(100)));
            if external {
                held.push((cx.cycle_number(), cx.external(MIB).unwrap()));
                most = most.max(heap.stats().external_bytes);
            }
            cx.safepoint();
            let completed = heap.stats().cycles;
            held.retain(|&(begun, _)| completed <= begun);
        }
    })
    .unwrap();
    most
}

#[test]
fn small_objects_with_large_memory_elsewhere_are_collected_often() {
    let heap = Heap::builder().initial_goal(16 * MIB).build().unwrap();
    draw(&heap, 2000, false);
    assert_eq!(heap.stats().cycles, 0);
    let most = draw(&heap, 2000, true);
    let stats = heap.stats();
    // Two GB were held for 2000 objects of 16 bytes, never much of it at a time.
    assert!(stats.cycles >= 10, "{} cycles", stats.cycles);
    assert!(most < 400 << 20, "{most} bytes at a time");
    assert_eq!(stats.external_bytes, 0);
}

#[test]
fn the_goal_follows_what_is_added_and_removed() {
    let heap = Heap::builder().initial_goal(4 * MIB).build().unwrap();
    heap.set_automatic_collection(false);
    heap.attach(|cx| {
        let mut held = cx.external(100 * MIB).unwrap();
        assert_eq!(heap.stats().goal_bytes, 4 * MIB as u64, "planned before they came");
        cx.collect();
        let goal = heap.stats().goal_bytes;
        assert!(goal > 100 * MIB as u64, "{goal}");
        // What comes and goes changes nothing; what the plan knew of does.
        drop(cx.external(10 * MIB).unwrap());
        assert_eq!(heap.stats().goal_bytes, goal);
        held.resize(cx, 50 * MIB).unwrap();
        let less = heap.stats().goal_bytes;
        assert!(less < goal && less > 50 * MIB as u64, "{less}");
        assert_eq!((held.bytes(), heap.stats().external_bytes), (50 * MIB, 50 * MIB as u64));
        drop(held);
        assert_eq!((heap.stats().external_bytes, heap.stats().goal_bytes), (0, 4 * MIB as u64));
    })
    .unwrap();
}

#[test]
fn the_limit_holds_for_external_bytes() {
    let heap = Heap::builder().limit(8 * MIB).build().unwrap();
    heap.attach(|cx| {
        let object = cx.root(cx.alloc_bytes(&[1; MIB]).unwrap());
        let mut held = cx.external(4 * MIB).unwrap();
        for _ in 0..2 {
            let error = cx.add_external(4 * MIB).unwrap_err();
            assert!(
                matches!(error, AllocError::Limit { requested, limit } if (requested, limit) == (4 * MIB, 8 * MIB))
            );
            assert!(matches!(held.resize(cx, 8 * MIB), Err(AllocError::Limit { .. })));
            assert_eq!((held.bytes(), heap.stats().external_bytes), (4 * MIB, 4 * MIB as u64));
        }
        drop(held);
        let again = cx.external(6 * MIB).unwrap();
        drop((again, object));
        cx.collect();
        // The object's pages are free: there is room for all of the limit.
        drop(cx.external(8 * MIB).unwrap());
    })
    .unwrap();
    let unlimited = Heap::builder().limit(usize::MAX).build().unwrap();
    unlimited
        .attach(|cx| {
            cx.add_external(usize::MAX - 1).unwrap();
            assert!(matches!(cx.add_external(2), Err(AllocError::TooLarge { .. })));
            cx.remove_external(usize::MAX - 1).unwrap();
        })
        .unwrap();
    assert_eq!(unlimited.stats().external_bytes, 0);
}

#[test]
fn a_guard_may_outlive_its_mutator_and_go_on_another_thread() {
    let heap = Heap::new().unwrap();
    let held = heap.attach(|cx| cx.external(MIB).unwrap()).unwrap();
    assert_eq!(heap.stats().external_bytes, MIB as u64);
    std::thread::spawn(move || drop(held)).join().unwrap();
    assert_eq!(heap.stats().external_bytes, 0);
    // Removed behind its back: it takes what is left.
    let held = heap.attach(|cx| cx.external(MIB).unwrap()).unwrap();
    heap.remove_external(1000).unwrap();
    drop(held);
    assert_eq!(heap.remove_external(1), Err(ExternalUnderflow { removed: 1, external: 0 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_order_of_additions_and_removals_loses_a_byte(
        steps in prop::collection::vec((0..4u8, 0..3 * MIB), 1..60),
    ) {
        let heap = Heap::builder().limit(16 * MIB).build().unwrap();
        heap.set_automatic_collection(false);
        heap.attach(|cx| {
            let mut expected = 0;
            for (step, bytes) in steps {
                match step {
                    0 | 1 => match cx.add_external(bytes) {
                        Ok(()) => expected += bytes,
                        Err(error) => {
                            let is_limit = matches!(error, AllocError::Limit { .. });
                            prop_assert!(is_limit);
                            prop_assert!(expected + bytes > 16 * MIB);
                        }
                    },
                    2 => match cx.remove_external(bytes) {
                        Ok(()) => expected -= bytes,
                        Err(error) => {
                            prop_assert_eq!(error, ExternalUnderflow { removed: bytes, external: expected });
                            prop_assert!(bytes > expected);
                        }
                    },
                    _ => {
                        cx.collect();
                    }
                }
                prop_assert_eq!(heap.stats().external_bytes, expected as u64);
            }
            Ok(())
        })
        .unwrap()?;
    }
}
