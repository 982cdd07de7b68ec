//! Operations that bring a cycle to some place, and those of handle scopes, which last over several slices.
//!
//! *Callers:* `run.rs`. *Invariants:* a slice of no time does one step of the cycle, in a heap without a thread: from one phase
//! to the next, or a few hundred objects.

use super::change::{find, load, store};
use super::graph::{Node, make};
use super::operation::{Place, Shape, Target, pick};
use super::run::Run;
use super::totals::Count;
use spanheap::{AllocError, Mutator, Phase};
use std::time::Duration;

/// Cycles in which it may come: the one under way may be past it.
const MOST_CYCLES: usize = 2;

impl Run {
    /// True if a cycle has ended.
    pub(super) fn slice(&mut self, cx: &mut Mutator<'_>, budget: Duration) -> bool {
        let ended = cx.step(budget).is_finished();
        self.totals.add(Count::stepped, u64::from(ended));
        ended
    }

    /// Slices until the cycle is in a phase, and so many more.
    pub(super) fn advance(&mut self, cx: &mut Mutator<'_>, phase: Phase, slices: usize) {
        let (heap, mut cycles) = (cx.heap(), 0);
        let (most, budget) = self.most_slices;
        for _ in 0..most {
            if heap.phase() == phase || cycles == MOST_CYCLES {
                break;
            }
            cycles += usize::from(self.slice(cx, budget));
        }
        for _ in 0..slices.min(most - 1) {
            cycles += usize::from(self.slice(cx, budget));
        }
        if cycles > 0 {
            self.compare(cx);
        }
    }

    /// A handle alone has what one place referred to, for some slices; then another place gets it.
    pub(super) fn carry(
        &mut self,
        cx: &mut Mutator<'_>,
        (from, place): (Target, Place),
        slices: usize,
        (to, other): (Target, Place),
    ) {
        let Some(id) = self.model.find(from) else { return };
        let Some(Some(held)) = self.model.load(id, place) else { return };
        cx.scope(|cx, scope| {
            let node = find(cx, &self.roots, from).expect("the model has the object");
            let handle = load(node, place).flatten().expect("the model has the reference");
            let handle = scope.hold(cx, handle);
            store(cx, node, place, None);
            (0..slices).for_each(|_| {
                self.slice(cx, Duration::ZERO);
            });
            assert_eq!(handle.get(cx).id, held);
            let node =
                find(cx, &self.roots, to).expect("the object that it was taken from is rooted, or behind one that is");
            store(cx, node, other, Some(handle.get(cx)));
        });
        self.model.store(id, place, None);
        if let Some(to) = self.model.find(to) {
            self.model.store(to, other, Some(held));
        }
    }

    /// Handles keep what they hold over a collection, and no longer.
    pub(super) fn scope(&mut self, cx: &mut Mutator<'_>, index: usize) -> Result<(), AllocError> {
        let Run { model, roots, .. } = self;
        let live = model.reachable().len() as u64;
        cx.scope(|cx, scope| {
            let held = pick(index, roots.len()).map(|n| (scope.hold(cx, roots[n].get(cx)), model.roots[n]));
            let fresh = scope.hold(cx, make(cx, u64::MAX, Shape::default())?);
            assert_eq!(cx.collect().live_of::<Node>(), live + 1);
            assert_eq!(fresh.get(cx).id, u64::MAX);
            if let Some((node, id)) = held {
                assert_eq!(node.get(cx).id, id);
            }
            Ok::<_, AllocError>(())
        })?;
        self.collect(cx);
        Ok(())
    }
}
