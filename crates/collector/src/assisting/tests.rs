//! Accounts, credit and debts of one collector that has no thread.
//!
//! *Callers:* `cargo test`. *Invariants:* one thread; where a plan matters, the test publishes it.

use super::*;
use crate::options::Options;
use crate::pacer::Observation;
use spanheap_allocator::{Cache, ObjectLayout, SizeClassId, TypeLayout, WordKind};
use spanheap_memory::Memory;
use spanheap_sync::Arc;

fn collector() -> Arc<Collector> {
    let options = Options { background: false, initial_goal: 1 << 30, ..Options::default() };
    Arc::new(Collector::new(Arc::new(Memory::new()), options))
}

/// A pace of which everything is known: 4000 units in a cycle.
fn known() -> Pace {
    let marking = Marking {
        seconds: 0.1,
        allocated: 1 << 20,
        work: 4000,
        workers: 1,
        mutators: 1,
        cores: 8,
        ..Marking::default()
    };
    let seen = Observation { cycle: 0.1, allocated: 4 << 20, elapsed: 1.0, marking: Some(marking) };
    Pace::learn(None, &seen).unwrap()
}

/// A unit for each byte, and slices of 100.
const PLAN: AssistPlan = AssistPlan { work_per_byte: 1 << 32, slice: 100 };

#[test]
fn credit_is_drawn_once() {
    let credit = Credit::default();
    credit.set(10);
    assert_eq!((credit.draw(3), credit.draw(100), credit.draw(5)), (3, 7, 0));
    credit.add(4);
    credit.add(1);
    assert_eq!((credit.draw(0), credit.draw(2), credit.draw(9)), (0, 2, 3));
    credit.set(8);
    assert_eq!(credit.draw(u64::MAX), 8);
}

#[test]
fn an_account_begins_with_a_grant_and_follows_the_work() {
    let collector = collector();
    let (pace, room) = (known(), 8 << 20);
    {
        let mut pacing = collector.pacing.lock();
        (pacing.pace, pacing.room, pacing.bytes_per_unit) = (Some(pace), room, 64);
    }
    let assisting = &collector.assisting;
    assisting.done.store(77, Ordering::Relaxed);
    collector.count_waiting(Duration::from_secs(9));
    let account = collector.open_account(3);
    assert_eq!((assisting.done(), assisting.plan()), (0, pace.assist(0, 0, room, 64)));
    assert!(assisting.plan().slice > 0, "what marking takes is known");
    assert_eq!(assisting.credit.draw(u64::MAX), assist::grant(4000));
    assert!(assist::grant(4000) > 0);
    // The collector's work is everybody's credit, a mutator's is not.
    collector.report_work(&account, 1000);
    assert_eq!((assisting.done(), assisting.plan()), (1000, pace.assist(1000, 0, room, 64)));
    assert_ne!(assisting.plan(), pace.assist(0, 0, room, 64));
    assert_eq!(assisting.credit.draw(u64::MAX), 1000);
    assisting.by_mutator.store(true, Ordering::Relaxed);
    collector.report_work(&account, 500);
    assert_eq!((assisting.done(), assisting.credit.draw(u64::MAX)), (1500, 0));

    collector.count_waiting(Duration::from_millis(250));
    assisting.assisted.store(500, Ordering::Relaxed);
    assisting.assist_nanos.store(500_000_000, Ordering::Relaxed);
    let marking = collector.close_account(&account, 5000);
    assert_eq!(assisting.plan(), AssistPlan::OFF);
    assert_eq!((marking.work, marking.assisted, marking.allocated, marking.workers), (1500, 500, 5000, 3));
    assert!((marking.assist_seconds - 0.5).abs() < 1e-9 && (marking.waited_seconds - 0.25).abs() < 1e-9);
}

#[test]
fn nothing_is_owed_before_anything_is_known() {
    let collector = collector();
    let record = collector.attach();
    let account = collector.open_account(1);
    assert_eq!(collector.assisting.plan(), AssistPlan::OFF);
    assert_eq!(collector.assisting.credit.draw(u64::MAX), 0);
    assert!(!collector.owe(&record, usize::MAX));
    // SAFETY: the mutator's thread, running.
    assert_eq!(unsafe { record.local() }.debt.get(), Debt::default());
    collector.close_account(&account, 0);
    collector.detach(&record);
}

#[test]
fn a_debt_is_paid_from_credit_first_and_then_in_slices() {
    let collector = collector();
    let record = collector.attach();
    // SAFETY: the mutator's thread, running.
    let debt = || unsafe { record.local() }.debt.get().owed();
    collector.assisting.publish(PLAN);
    collector.assisting.credit.set(50);
    assert!(!collector.owe(&record, 50) && debt() == 0, "credit is enough");
    assert!(!collector.owe(&record, 99) && debt() == 99);
    assert!(collector.owe(&record, 1) && debt() == 100, "a slice is due");
    assert!(!collector.pay(&record, (60, 1e-6)) && debt() == 40);
    // More than half of what a mutator can owe.
    collector.owe(&record, PLAN.cap() as usize - 1000);
    assert!(collector.pay(&record, (10, 1e-6)), "another slice follows");
    assert!(!collector.pay(&record, (0, 0.0)), "this one has brought nothing");
    collector.assisting.credit.set(PLAN.cap() / 2);
    assert!(!collector.pay(&record, (10, 1e-6)), "credit has paid the most of it");
    let left = debt();
    assert!(left > 0 && left < PLAN.cap() / 2);
    // SAFETY: as above.
    collector.drop_debt(&unsafe { record.local() }.debt);
    assert_eq!((debt(), collector.take_unpaid(), collector.take_unpaid()), (0, left, 0));
    collector.detach(&record);
}

#[test]
fn where_there_is_nothing_to_advance_a_slice_is_waited_for() {
    let collector = collector();
    let waited = || collector.assisting.waited_nanos.swap(0, Ordering::Relaxed);
    collector.assisting.publish(PLAN);
    assert_eq!(collector.assist(), (0, 0.0));
    assert!(waited() >= (assist::SLICE * 1e9) as u64);
    // Marking is over: nobody waits for it. The shortest of many, as the thread may lose its core.
    collector.assisting.publish(AssistPlan::OFF);
    let shortest = (0..200).map(|_| {
        assert_eq!(collector.assist(), (0, 0.0));
        waited()
    });
    assert!(shortest.min().unwrap() < (assist::SLICE * 1e9) as u64);
}

#[test]
fn who_assists_marks_and_says_how_much() {
    let collector = collector();
    let allocator = &collector.allocator;
    let holder =
        allocator.classes.register(ObjectLayout::fixed("holder", TypeLayout::word(WordKind::Reference))).unwrap();
    let cache = Cache::new(0);
    let cursor = cache.cursor_for(allocator, cache.layout(holder), SizeClassId::of(32).unwrap()).unwrap();
    for _ in 0..1000 {
        // SAFETY: the cache's own cursor.
        collector.roots.add(unsafe { cache.alloc(allocator, &*collector, cursor) }.unwrap());
    }
    cache.flush(allocator, &*collector);
    collector.request_cycle();
    let (mut all, mut seconds, mut slices) = (0, 0.0, 0);
    while collector.is_collecting() {
        slices += 1;
        assert!(slices < 1_000_000, "slices bring the cycle to its end");
        let (done, took) = collector.assist();
        assert!(took > 0.0, "it is this thread that advances the cycle");
        all += done;
        seconds += took;
    }
    let assisting = &collector.assisting;
    assert!(all >= 1000, "{all} units for a thousand objects");
    assert_eq!((assisting.done(), assisting.credit.draw(u64::MAX)), (all, 0));
    assert!(seconds > 0.0 && assisting.by_mutator.load(Ordering::Relaxed));
    collector.shut_down();
}
