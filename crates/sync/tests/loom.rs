//! A model of the crate's own primitives under loom, and the proof that the switch reaches them.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p spanheap-sync --test loom --release`; an ordinary build has no
//! tests here.
#![cfg(loom)]

use spanheap_sync::atomic::{AtomicBool, Ordering, fence};
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::{Arc, Backoff, Condvar, Mutex, Rank, thread};

/// A hand-over by flag: the cell may be read once the flag is seen, and loom checks that the orderings carry it.
#[test]
fn a_released_flag_publishes_a_cell() {
    struct Slot {
        ready: AtomicBool,
        value: UnsafeCell<u32>,
    }
    // SAFETY: `value` is written before `ready` is released and read only after it was acquired.
    unsafe impl Sync for Slot {}

    loom::model(|| {
        let slot = Arc::new(Slot { ready: AtomicBool::new(false), value: UnsafeCell::new(0) });
        let writer = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                // SAFETY: the reader does not look before `ready` is set, so this is the only access.
                slot.value.with_mut(|value| unsafe { *value = 7 });
                slot.ready.store(true, Ordering::Release);
            })
        };
        let mut backoff = Backoff::new();
        while !slot.ready.load(Ordering::Relaxed) {
            backoff.pause();
        }
        fence(Ordering::Acquire);
        // SAFETY: `ready` was seen set and the fence acquired the write; the writer does not write again.
        assert_eq!(slot.value.with(|value| unsafe { *value }), 7);
        writer.join().unwrap();
    });
}

/// A condition variable under the ranked mutex: no wake-up is lost in any order of the two threads.
#[test]
fn a_waiter_sees_the_notification() {
    loom::model(|| {
        let shared = Arc::new((Mutex::new(Rank::Handshake, false), Condvar::new()));
        let setter = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                *shared.0.lock() = true;
                shared.1.notify_one();
            })
        };
        let mut ready = shared.0.lock();
        while !*ready {
            ready = shared.1.wait(ready);
        }
        drop(ready);
        setter.join().unwrap();
    });
}
