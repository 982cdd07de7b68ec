//! Model: when workers that own their objects stop marking, everything reachable is marked.
//!
//! *Claim:* `[share.credit]`: a worker is told that all is marked only when no worker has work and no block is under way;
//! and every worker is told. What a worker marked is visible when both have ended. *Actors:* two workers; even objects
//! belong to the first, odd ones to the second. *Runs as it ships:* [`Share`], `GreyQueue` over its stand-in for loom.
//! *Stand-ins:* a graph of a few numbered objects with plain marks, which loom checks for races, and a worker that keeps
//! no stack across a rest. *Not modelled:* the mark stack, rings, flooding.

use crate::marker::ModelledShare as Share;
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::model::explore;
use spanheap_sync::{Arc, thread};

/// Objects and what they refer to: from the only root one path ends with the other worker, and one comes back.
const EDGES: [&[usize]; 5] = [&[1, 2], &[], &[3], &[4], &[]];

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// A worker rests before it has sent what it found.
    RestsFirst,
    /// A block is on its way before its credit is taken: a worker leaves too early, and the other waits for it forever.
    SendsOnTick,
}

struct World {
    share: Share,
    mutant: Mutant,
    marks: [UnsafeCell<bool>; EDGES.len()],
}

// SAFETY: loom checks the accesses; that only owners make them is the claim.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

fn owner(object: usize) -> usize {
    object & 1
}

impl World {
    /// Marks what hangs from the worker's own `stack`; sends the rest, or returns it.
    fn trace(&self, me: usize, mut stack: Vec<usize>) -> Vec<usize> {
        let mut unsent = Vec::new();
        while let Some(object) = stack.pop() {
            assert_eq!(owner(object), me);
            // SAFETY: loom panics if another access overlaps.
            let marked = self.marks[object].with_mut(|mark| std::mem::replace(unsafe { &mut *mark }, true));
            if marked {
                continue;
            }
            let (mine, others): (Vec<_>, Vec<_>) = EDGES[object].iter().partition(|&&to| owner(to) == me);
            stack.extend(mine);
            match (others.is_empty(), self.mutant) {
                (true, _) => {}
                (_, Mutant::RestsFirst) => unsent.extend(others),
                (_, Mutant::SendsOnTick) => self.share.send_on_tick(1 - me, others),
                _ => self.share.send(1 - me, others),
            }
        }
        unsent
    }

    fn work(&self, me: usize, roots: Vec<usize>) {
        let mut unsent = self.trace(me, roots);
        loop {
            while let Some(block) = self.share.receive(me) {
                unsent.extend(self.trace(me, block.clone()));
                self.share.received(block);
            }
            let more = self.share.rest(me);
            if !unsent.is_empty() {
                self.share.send(1 - me, std::mem::take(&mut unsent));
            }
            if !more {
                return;
            }
        }
    }
}

fn model(name: &str, mutant: Mutant) {
    explore(name, 3, move || {
        let marks = std::array::from_fn(|_| UnsafeCell::new(false));
        let world = Arc::new(World { share: Share::new(2, 2), mutant, marks });
        let other = Arc::clone(&world);
        let thread = thread::spawn(move || other.work(1, Vec::new()));
        world.work(0, vec![0]);
        thread.join().expect("a worker ends");
        for (object, mark) in world.marks.iter().enumerate() {
            // SAFETY: both workers have ended.
            assert!(mark.with(|mark| unsafe { *mark }), "object {object} is reachable and not marked");
        }
    });
}

#[test]
fn what_hangs_from_one_root_is_marked_by_both() {
    model("share", Mutant::Shipped);
}

#[test]
#[should_panic(expected = "is reachable and not marked")]
fn mutant_that_rests_before_it_has_sent() {
    model("share, rests first", Mutant::RestsFirst);
}

#[test]
#[should_panic(expected = "exceeded maximum number of branches")]
fn mutant_that_sends_without_a_credit() {
    model("share, sends on tick", Mutant::SendsOnTick);
}
