//! Tests of the ranked mutex: exclusion, no poison, the order check, and the record across waits.

use super::{Condvar, Mutex};
use crate::{Arc, Rank, thread};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

#[test]
fn threads_exclude_each_other() {
    const ROUNDS: usize = 1000;
    let total = Arc::new(Mutex::new(Rank::Central, 0usize));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let total = Arc::clone(&total);
            thread::spawn(move || (0..ROUNDS).for_each(|_| *total.lock() += 1))
        })
        .collect();
    let count = threads.len();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(*total.lock(), count * ROUNDS);
}

#[test]
fn a_panic_of_the_holder_leaves_the_value_usable() {
    let mut mutex = Mutex::new(Rank::Central, 1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut guard = mutex.lock();
        *guard = 2;
        panic!("the holder fails");
    }));
    assert!(panicked.is_err());
    assert_eq!(*mutex.lock(), 2);
    assert_eq!(*mutex.try_lock().unwrap(), 2);
    assert_eq!(*mutex.get_mut(), 2);
    assert_eq!(mutex.into_inner(), 2);
}

#[test]
fn try_lock_fails_while_another_thread_holds_the_lock() {
    let mutex = Mutex::new(Rank::Central, ());
    let guard = mutex.lock();
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(mutex.try_lock().is_none())).join().unwrap();
    });
    drop(guard);
    assert!(mutex.try_lock().is_some());
}

#[test]
fn every_rank_may_be_taken_inside_the_one_before() {
    let locks = Rank::ALL.map(|rank| Mutex::new(rank, rank));
    let guards: Vec<_> = locks.iter().map(Mutex::lock).collect();
    assert!(guards.iter().map(|guard| **guard).eq(Rank::ALL));
    // Dropped front to back, outermost first: the release order is free.
    drop(guards);
    assert_eq!(*locks[0].lock(), Rank::Cycle);
}

#[cfg(debug_assertions)]
mod checked {
    use super::*;

    #[test]
    #[should_panic(expected = "lock order: Central taken while PageHeap is held")]
    fn an_outer_rank_inside_an_inner_one_panics() {
        let (central, pages) = (Mutex::new(Rank::Central, ()), Mutex::new(Rank::PageHeap, ()));
        let _pages = pages.lock();
        let _central = central.lock();
    }

    #[test]
    #[should_panic(expected = "lock order: Central taken while Central is held")]
    fn two_locks_of_one_rank_panic() {
        let (one, two) = (Mutex::new(Rank::Central, ()), Mutex::new(Rank::Central, ()));
        let _one = one.lock();
        let _two = two.try_lock();
    }

    #[test]
    fn the_record_survives_a_wait_and_a_failed_attempt() {
        let (outer, inner) = (Mutex::new(Rank::Types, ()), Mutex::new(Rank::Central, ()));
        let condvar = Condvar::new();
        let (guard, timed_out) = condvar.wait_timeout(inner.lock(), Duration::from_millis(1));
        assert!(timed_out);
        let refused = catch_unwind(AssertUnwindSafe(|| drop(outer.lock())));
        assert!(refused.is_err(), "after the wait the inner rank is still on record");
        drop(guard);
        drop(outer.lock());
    }

    #[test]
    #[should_panic(expected = "wait on a lock of rank Types while Some(Central) is held")]
    fn a_wait_with_an_inner_lock_held_panics() {
        let (outer, inner) = (Mutex::new(Rank::Types, ()), Mutex::new(Rank::Central, ()));
        let condvar = Condvar::new();
        let outer = outer.lock();
        let _inner = inner.lock();
        let _ = condvar.wait(outer);
    }
}

#[test]
fn a_notification_wakes_a_waiter_before_its_time_is_up() {
    let shared = Arc::new((Mutex::new(Rank::Handshake, false), Condvar::new()));
    let setter = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            *shared.0.lock() = true;
            shared.1.notify_all();
        })
    };
    let mut ready = shared.0.lock();
    while !*ready {
        let (again, timed_out) = shared.1.wait_timeout(ready, Duration::from_secs(60));
        assert!(!timed_out);
        ready = again;
    }
    drop(ready);
    setter.join().unwrap();
}
