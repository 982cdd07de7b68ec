//! Model: while the collector stops the world, no mutator runs, and nobody waits forever.
//!
//! *Claim:* what the look of [`Collector::stopped`] reads is not written meanwhile, and all of what the mutator wrote
//! before is visible to it; a mutator that answers, reads statistics, or detaches at that moment neither answers a stop
//! as if it were work nor waits for the collector that waits for it. *Actors:* the collector, which stops the world
//! and then asks for a flush; one mutator that works between safepoints, crosses a native region, has a reminder of
//! its own pending, and detaches. *Runs as it ships:* `Collector::{attach, safepoint, detach, stopped, handshake}`,
//! `MutatorRecord`, `Handshake`, `Barrier`. *Not modelled:* the heap (the look reads a cell in its stead).

use super::explore;
use crate::collector::{Collector, Options};
use crate::mutator::{MutatorRecord, REMIND_COLLECT, Request};
use spanheap_memory::Memory;
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::{Arc, thread};

struct Work(UnsafeCell<u32>);

// SAFETY: loom checks the accesses; that they never overlap is the claim.
unsafe impl Sync for Work {}
// SAFETY: as above.
unsafe impl Send for Work {}

impl Work {
    fn add(&self) {
        // SAFETY: loom panics if another access overlaps.
        self.0.with_mut(|work| unsafe { *work += 1 });
    }

    fn look(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|work| unsafe { *work })
    }
}

fn world() -> (Arc<Collector>, Arc<MutatorRecord>, Arc<Work>) {
    let collector = Arc::new(Collector::new(Arc::new(Memory::new()), Options::default()));
    let record = collector.attach();
    (collector, record, Arc::new(Work(UnsafeCell::new(0))))
}

fn poll(collector: &Collector, record: &MutatorRecord) -> u32 {
    if record.handshake.poll() { collector.safepoint(record) } else { 0 }
}

#[test]
fn a_stopped_mutator_does_not_run() {
    explore("stop", 3, || {
        let (collector, record, work) = world();
        let mutator = {
            let (collector, work) = (Arc::clone(&collector), Arc::clone(&work));
            thread::spawn(move || {
                work.add();
                record.handshake.remind(REMIND_COLLECT);
                let mut reminders = poll(&collector, &record);
                work.add();
                reminders += poll(&collector, &record);
                assert_eq!(reminders, REMIND_COLLECT, "a reminder is kept, and given once");
                assert_eq!(collector.mutators(), 1);
                record.handshake.enter_native();
                thread::yield_now();
                record.handshake.leave_native();
                work.add();
                collector.detach(&record);
            })
        };
        let seen = collector.stopped(|_| (work.look(), work.look()));
        assert_eq!(seen.0, seen.1);
        collector.handshake(Request::Flush);
        mutator.join().expect("the mutator ends");
        assert_eq!(work.look(), 3);
    });
}
