//! Marking: the handshakes from the first barrier to the proof that all is marked, as a machine that is advanced in steps.
//!
//! *Callers:* `cycle`; the loom model `termination`, which runs this very code. *Invariants:* those that `cycle` proves its
//! verdict from. A step does a bounded amount of work, or finds that somebody has not answered yet; it never waits.
//! A round of flushes begins with an empty queue and an idle marker, nothing is marked before it has ended, and whatever
//! white objects it brought count, in how many steps soever they are marked.

use crate::asking::Asking;
use crate::collector::Collector;
use crate::grey::GreyQueue;
use crate::mutator::Request;
use crate::phase::Phase;
use spanheap_sync::word::Ordering;

/// What draining the grey queue came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drained {
    /// A block held a white object.
    pub found_white: bool,
    /// Nothing is grey any more. If not, the time is over.
    pub finished: bool,
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    /// All is done.
    Done,
    /// There is more to do.
    More,
    /// A mutator has not answered.
    Waiting,
}

/// Marking in progress.
pub(crate) struct Marking {
    state: State,
    /// What has been drained since the last round brought a white object.
    found_white: bool,
}

enum State {
    Start,
    /// Everybody is being asked.
    Asking(Asking, Phase),
    /// Marking, before the first round or after one.
    Draining,
}

impl Marking {
    pub(crate) fn new() -> Marking {
        Marking { state: State::Start, found_white: true }
    }

    /// Does one step. `drain` marks what hangs from the queue's blocks, as long as it may.
    pub(crate) fn advance(&mut self, collector: &Collector, drain: impl FnOnce(&GreyQueue) -> Drained) -> Advance {
        let ask = |phase, request| {
            collector.enter(phase);
            State::Asking(collector.ask(request), phase)
        };
        let next = match &mut self.state {
            State::Start => {
                // What a handle's drop pushed after the last verdict is marked or dead.
                while collector.grey.pop().is_some() {}
                collector.roots.begin_marking();
                ask(Phase::BarrierOn, Request::BarrierOn)
            }
            State::Asking(asking, phase) => {
                if !collector.answered(asking) {
                    return Advance::Waiting;
                }
                match phase {
                    Phase::BarrierOn => {
                        // Whoever still swept a span of the last cycle has passed a safepoint.
                        collector.keep_all.store(false, Ordering::Relaxed);
                        ask(Phase::SyncRound, Request::SyncRound)
                    }
                    Phase::SyncRound => ask(Phase::Roots, Request::Roots),
                    Phase::Roots => {
                        collector.enter(Phase::Mark);
                        let roots = collector.roots.snapshot();
                        roots.chunks(collector.buffers.roots).for_each(|block| collector.grey.push(block.to_vec()));
                        // A first round is due whatever is found.
                        self.found_white = true;
                        State::Draining
                    }
                    // The round is over: what it brought decides.
                    _ => {
                        self.found_white = false;
                        State::Draining
                    }
                }
            }
            State::Draining => {
                let drained = drain(&collector.grey);
                self.found_white |= drained.found_white;
                if !drained.finished {
                    return Advance::More;
                }
                if !self.found_white {
                    return Advance::Done;
                }
                if collector.phase.get() == Phase::Terminate {
                    collector.enter(Phase::Mark);
                }
                // The marker is idle, so that no mark changes during the round, and all that it brings is still there.
                ask(Phase::Terminate, Request::Flush)
            }
        };
        self.state = next;
        Advance::More
    }

    /// Waits a little for mutators that have not answered.
    pub(crate) fn pause(&mut self) {
        if let State::Asking(asking, _) = &mut self.state {
            asking.pause();
        }
    }
}

#[cfg(all(test, loom))]
impl Collector {
    /// All of marking: when it returns, everything reachable is marked.
    pub(crate) fn mark(&self, mut drain: impl FnMut(&GreyQueue) -> Drained) {
        let mut marking = Marking::new();
        loop {
            match marking.advance(self, &mut drain) {
                Advance::Done => return,
                Advance::More => {}
                Advance::Waiting => marking.pause(),
            }
        }
    }
}
