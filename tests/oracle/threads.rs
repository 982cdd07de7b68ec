//! Operations of several threads.
//!
//! *Callers:* `run.rs`. *Invariants:* no two threads change the same object, so that their changes come to the same in whatever
//! order.

use super::change::change;
use super::operation::{Change, Target, pick};
use super::run::Run;
use super::totals::Count;
use spanheap::{AllocError, Mutator};

/// Threads beside the one that runs the stream.
const THREADS: u64 = 2;
/// Most times that each of them makes its changes.
const MOST_ROUNDS: usize = 2000;

impl Run {
    /// Several threads make the changes, while cycles run: each those to objects that are its own.
    pub(super) fn threads(&mut self, cx: &mut Mutator<'_>, changes: &[Change], cycles: u64) {
        let Run { model, roots, totals, .. } = self;
        let (heap, ids, last) = (cx.heap(), model.roots.clone(), cx.cycle_number() + cycles);
        // What would change the objects of two threads is left out.
        let owner = |change: &Change| {
            let Some((from, to)) = change.targets() else { return Some(0) };
            let own = |target: Target| {
                let root = pick(target.root, ids.len()).filter(|_| target.through.is_none())?;
                Some(ids[root] % (THREADS + 1))
            };
            own(from).filter(|&from| own(to) == Some(from))
        };
        let changes: Vec<_> = changes.iter().filter(|change| owner(change).is_some()).collect();
        // Returns how often it has made all its changes.
        let own = |cx: &mut Mutator<'_>, thread: u64| {
            let own: Vec<_> = changes.iter().filter(|change| owner(change) == Some(thread)).collect();
            for round in 1..=MOST_ROUNDS {
                for wanted in &own {
                    // Only litter can fail, and only at the limit.
                    if let Err(error) = change(cx, roots, wanted) {
                        assert!(matches!(error, AllocError::Limit { .. }), "{error}");
                    }
                    cx.safepoint();
                }
                if own.is_empty() || cx.cycle_number() >= last {
                    return round;
                }
                cx.heap().request_collection();
            }
            MOST_ROUNDS
        };
        let ended = std::thread::scope(|scope| {
            let spawn = |thread| {
                let (heap, own) = (&heap, &own);
                scope.spawn(move || heap.attach(|cx| own(cx, thread)).expect("a new thread is not attached"))
            };
            let workers: Vec<_> = (1..=THREADS).map(spawn).collect();
            let mut rounds = vec![own(cx, 0)];
            cx.native(|| workers.into_iter().try_for_each(|worker| worker.join().map(|made| rounds.push(made))))
                .map(|()| rounds)
        });
        let rounds = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // No two threads have changed the same object, so that one after the other comes to the same.
        let owners: Vec<_> = changes.iter().map(|change| owner(change)).collect();
        for (thread, rounds) in rounds.into_iter().enumerate() {
            for _ in 0..rounds {
                for (change, _) in changes.iter().zip(&owners).filter(|(_, owner)| **owner == Some(thread as u64)) {
                    model.change(change);
                    totals.add(Count::changes_by_threads, 1);
                }
            }
        }
    }
}
