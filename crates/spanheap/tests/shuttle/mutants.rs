//! Mistakes that random schedules must find, and the proof that a schedule that failed can be replayed.
//!
//! *Actors:* a mutator that moves nodes from pocket to pocket; one that does other things; a thread that collects. *Mistake:* the
//! first one clears a pocket without the barrier, so that nothing is logged.

use crate::board::{Board, Node};
use crate::schedules::{Cycles, explore_by, heap, replay, seed};
use shuttle::FailurePersistence;
use shuttle::rand::Rng;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::thread;
use spanheap::{Array, Mutator, Root, Slot};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Schedules within which the mistake is found.
const SCHEDULES: usize = 5_000;

/// Places for nodes, of which every second one has one at the start.
const POCKETS: usize = 8;

type Pockets = Array<Slot<Node>>;

/// Stores null into a slot, as generated code would that has forgotten the test.
fn clear_unlogged(slot: &Slot<Node>) {
    // SAFETY: a slot is an atomic word, and null is a value of it. (What the barrier is for is the mistake.)
    unsafe { &*std::ptr::from_ref(slot).cast::<AtomicUsize>() }.store(0, Ordering::Release);
}

/// Moves nodes from pocket to empty pocket.
fn carry(cx: &mut Mutator<'_>, board: &Board, pockets: &Root<Pockets>, logs: bool) {
    for turn in 0.. {
        if !board.goes_on(cx, turn) {
            return;
        }
        let mut random = shuttle::rand::thread_rng();
        let (from, to) = (random.gen_range(0..POCKETS), random.gen_range(0..POCKETS));
        let places = pockets.get(cx);
        if let (Some(node), None) = (places.element(from), places.element(to)) {
            if logs {
                cx.set_element(places, from, None);
            } else {
                clear_unlogged(&places.elements()[from]);
            }
            // The node is in a register only, and this mutator's roots may have been scanned before.
            thread::yield_now();
            cx.set_element(places, to, Some(node));
        }
        cx.safepoint();
    }
}

fn pockets(cycles: &Cycles, logs: bool) {
    let heap = heap(false).build().expect("the options are good");
    let board = Board::new(&heap, 2);
    let make = |cx: &mut Mutator<'_>| {
        let pockets = cx.alloc_array(cx.array_class(), (), POCKETS).expect("pockets fit");
        (0..POCKETS).step_by(2).for_each(|place| cx.set_element(pockets, place, Some(board.node(cx))));
        Arc::new(cx.root(pockets))
    };
    let root = heap.attach(make).expect("not attached yet");
    let (other, carried, theirs) = (heap.clone(), board.clone(), Arc::clone(&root));
    let carrier =
        thread::spawn(move || other.attach(|cx| carry(cx, &carried, &theirs, logs)).expect("not attached yet"));
    let (other, player) = (heap.clone(), board.clone());
    let player = thread::spawn(move || other.attach(|cx| player.play(cx)).expect("not attached yet"));
    heap.collect().expect("not attached");
    board.end();
    carrier.join().expect("a mutator ends");
    player.join().expect("a mutator ends");
    board.check(&heap, cycles, POCKETS as u64 / 2);
}

#[test]
fn what_is_carried_is_kept() {
    crate::schedules::explore("pockets", |cycles| pockets(cycles, true));
}

#[test]
#[should_panic(expected = "the verifier found the heap corrupt")]
fn mutant_without_a_log_by_random_schedules() {
    let scheduler = RandomScheduler::new_from_seed(seed(), SCHEDULES);
    explore_by("pockets, no log", "random", scheduler, FailurePersistence::None, |cycles| pockets(cycles, false));
}

#[test]
#[should_panic(expected = "the verifier found the heap corrupt")]
fn mutant_without_a_log_by_priorities() {
    let scheduler = PctScheduler::new_from_seed(seed(), 4, SCHEDULES);
    explore_by("pockets, no log", "pct", scheduler, FailurePersistence::None, |cycles| pockets(cycles, false));
}

#[test]
fn a_schedule_that_failed_fails_again() {
    let folder = std::env::temp_dir().join(format!("spanheap-shuttle-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("there is a folder for temporary files");
    let said = |run: Box<dyn FnOnce()>| {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).expect_err("the mutant fails");
        panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|text| text.to_string()))
    };
    let scheduler = RandomScheduler::new_from_seed(seed(), SCHEDULES);
    let persistence = FailurePersistence::File(Some(folder.clone()));
    let found = said(Box::new(|| {
        explore_by("pockets, no log", "random", scheduler, persistence, |cycles| pockets(cycles, false));
    }));
    let file = std::fs::read_dir(&folder).expect("the folder is there").next().expect("a schedule was written");
    let file = file.expect("the folder can be read").path();
    for _ in 0..3 {
        let file = file.clone();
        let again = said(Box::new(move || replay(file.as_os_str(), |cycles| pockets(cycles, false))));
        assert_eq!(again, found);
    }
    std::fs::remove_dir_all(folder).expect("the folder is this test's own");
}
