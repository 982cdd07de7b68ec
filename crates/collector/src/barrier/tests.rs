//! What a barrier logs, when a log is handed over, and what it keeps.
//!
//! *Callers:* `cargo test`. *Invariants:* one thread; the addresses are numbers that nobody follows, so that each test says
//! itself what marking knows.

use super::*;
use std::collections::BTreeSet;

/// Entries of a log.
const LOG_ENTRIES: usize = 512;

const MODES: [BarrierMode; 3] = [BarrierMode::Off, BarrierMode::Both, BarrierMode::Deletion];

fn knows_nothing() -> GreyQueue {
    GreyQueue::with_filter(Box::new(|_| {}))
}

fn barrier(mode: BarrierMode) -> Barrier {
    let barrier = Barrier::new(LOG_ENTRIES, false);
    barrier.set_mode(mode);
    barrier
}

/// The blocks that wait, oldest first.
fn blocks(queue: &GreyQueue) -> Vec<Block> {
    std::iter::from_fn(|| queue.pop()).collect()
}

/// What a barrier hands over when it is asked to.
fn flushed(barrier: &Barrier, queue: &GreyQueue) -> Vec<usize> {
    barrier.flush(queue);
    blocks(queue).concat()
}

#[test]
fn the_flag_is_the_mode() {
    for mode in MODES {
        let barrier = barrier(mode);
        assert_eq!((barrier.mode(), barrier.is_on()), (mode, mode != BarrierMode::Off));
        // SAFETY: the barrier is alive and nobody changes it.
        assert_eq!(unsafe { *barrier.flag() }, mode as u8);
    }
}

#[test]
fn a_store_logs_the_old_and_before_the_roots_the_new() {
    for mode in [BarrierMode::Both, BarrierMode::Deletion] {
        for old in [0, 16, 32] {
            for new in [0, 16, 32] {
                let (barrier, queue) = (barrier(mode), knows_nothing());
                barrier.before_store(old, new, &queue);
                let mut expected: Vec<usize> = [old].into_iter().filter(|&old| old != 0).collect();
                expected.extend((mode == BarrierMode::Both && new != 0).then_some(new));
                if old == new {
                    expected.clear();
                }
                assert_eq!(flushed(&barrier, &queue), expected, "{old} becomes {new}, {mode:?}");
                assert!(flushed(&barrier, &queue).is_empty(), "an entry is handed over once");
            }
        }
    }
}

#[test]
fn a_range_logs_as_many_stores() {
    let slots = [16, 0, 32, 16, 0, 48].map(AtomicUsize::new);
    for mode in [BarrierMode::Both, BarrierMode::Deletion] {
        let (barrier, queue) = (barrier(mode), knows_nothing());
        barrier.before_overwrite(&slots, &queue);
        assert_eq!(flushed(&barrier, &queue), [16, 32, 16, 48]);
        barrier.before_publish(&[64, 0, 80], &queue);
        let expected: &[usize] = if mode == BarrierMode::Both { &[64, 80] } else { &[] };
        assert_eq!(flushed(&barrier, &queue), expected, "{mode:?}");
    }
}

#[test]
fn what_is_discarded_is_not_handed_over() {
    let (barrier, queue) = (barrier(BarrierMode::Deletion), knows_nothing());
    (1..100).for_each(|object| barrier.shade(object, &queue));
    barrier.discard();
    barrier.shade(500, &queue);
    assert_eq!(flushed(&barrier, &queue), [500]);
}

/// Logs many objects, one by one or as a range.
fn log_many(barrier: &Barrier, objects: &[usize], queue: &GreyQueue, one_by_one: bool) {
    if one_by_one {
        objects.iter().for_each(|&object| barrier.shade(object, queue));
    } else {
        barrier.before_publish(objects, queue);
    }
}

#[test]
fn a_full_log_is_handed_over_and_nothing_is_lost() {
    let objects: Vec<usize> = (1..10 * LOG_ENTRIES).collect();
    for one_by_one in [true, false] {
        let (barrier, queue) = (barrier(BarrierMode::Both), knows_nothing());
        log_many(&barrier, &objects, &queue, one_by_one);
        let early = blocks(&queue);
        assert!(early.len() >= 9, "a log is no longer than a block");
        assert!(early.iter().all(|block| block.len() == LOG_ENTRIES), "and no shorter");
        assert_eq!([early.concat(), flushed(&barrier, &queue)].concat(), objects);
    }
}

#[test]
fn a_log_keeps_what_marking_does_not_know_until_it_is_half_a_block() {
    let knows_most = || GreyQueue::with_filter(Box::new(|block| block.retain(|object| object % 8 == 0)));
    let objects: Vec<usize> = (1..100 * LOG_ENTRIES).collect();
    for one_by_one in [true, false] {
        let (barrier, queue) = (barrier(BarrierMode::Both), knows_most());
        log_many(&barrier, &objects, &queue, one_by_one);
        let early = blocks(&queue);
        assert!(early.iter().all(|block| (LOG_ENTRIES / 2..=LOG_ENTRIES).contains(&block.len())));
        let seen: BTreeSet<usize> = early.concat().into_iter().chain(flushed(&barrier, &queue)).collect();
        let unknown: BTreeSet<usize> = objects.iter().copied().filter(|object| object % 8 == 0).collect();
        assert_eq!(seen, unknown);
    }
}

#[test]
fn what_marking_knows_is_never_handed_over() {
    let knows_all = GreyQueue::with_filter(Box::new(Vec::clear));
    let barrier = barrier(BarrierMode::Both);
    for object in 1..10 * LOG_ENTRIES {
        barrier.shade(object, &knows_all);
        assert!(knows_all.is_empty());
    }
    assert!(flushed(&barrier, &knows_all).is_empty());
}

#[test]
fn a_watching_barrier_is_on_and_logs_nothing() {
    let (queue, barrier) = (knows_nothing(), Barrier::new(LOG_ENTRIES, true));
    assert!(barrier.is_on() && barrier.is_watched() && barrier.mode() == BarrierMode::Watch);
    barrier.before_store(8, 16, &queue);
    barrier.before_overwrite(&[AtomicUsize::new(8)], &queue);
    barrier.shade(8, &queue);
    assert!(flushed(&barrier, &queue).is_empty());
    barrier.set_mode(BarrierMode::Deletion);
    barrier.before_store(8, 16, &queue);
    assert_eq!(flushed(&barrier, &queue), [8]);
    barrier.rest();
    assert_eq!(barrier.mode(), BarrierMode::Watch, "where marking ends the watch goes on");
}

#[test]
fn a_short_log_is_handed_over_when_it_is_full() {
    let (queue, barrier) = (knows_nothing(), Barrier::new(3, false));
    barrier.set_mode(BarrierMode::Deletion);
    (1..=7).for_each(|object| barrier.shade(object, &queue));
    assert_eq!(blocks(&queue), [vec![1, 2, 3], vec![4, 5, 6]]);
    assert_eq!(queue.full_logs(), 2);
    assert_eq!(flushed(&barrier, &queue), [7]);
}
