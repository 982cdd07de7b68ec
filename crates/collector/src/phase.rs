//! The phase of the cycle: one word, changed by the collector, read by anybody.
//!
//! *Callers:* `marking` and `cycle` enter phases; statistics and allocation look. *Invariants:* the word changes along the
//! transitions of [`Phase::leads_to`] only. It says where the cycle is and decides nothing: what a mutator must do
//! reaches it by handshake.

use spanheap_sync::word::{AtomicU8, Ordering};

/// Where a cycle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// No cycle runs.
    Idle = 0,
    /// Mutators switch their barriers on.
    BarrierOn = 1,
    /// Stores begun before that are over; what is handed out is new.
    SyncRound = 2,
    /// Mutators scan their roots.
    Roots = 3,
    /// The marker follows references.
    Mark = 4,
    /// A round of flushes is to show that all is marked.
    Terminate = 5,
    /// The verifier compares.
    Verify = 6,
    /// Mutators switch their barriers off; spans are unswept from here on.
    BarrierOff = 7,
    /// Spans are swept.
    Sweep = 8,
}

impl Phase {
    const ALL: [Phase; 9] = [
        Phase::Idle,
        Phase::BarrierOn,
        Phase::SyncRound,
        Phase::Roots,
        Phase::Mark,
        Phase::Terminate,
        Phase::Verify,
        Phase::BarrierOff,
        Phase::Sweep,
    ];

    /// Whether `next` may follow: the table of transitions.
    pub fn leads_to(self, next: Phase) -> bool {
        use Phase::*;
        matches!(
            (self, next),
            (Idle, BarrierOn)
                | (BarrierOn, SyncRound)
                | (SyncRound, Roots)
                | (Roots, Mark)
                | (Mark, Terminate)
                | (Terminate, Mark | Verify | BarrierOff)
                | (Verify, BarrierOff)
                | (BarrierOff, Sweep)
                | (Sweep, Idle)
        )
    }
}

/// The phase of one heap.
pub(crate) struct PhaseWord(AtomicU8);

impl PhaseWord {
    pub(crate) fn new() -> PhaseWord {
        PhaseWord(AtomicU8::new(Phase::Idle as u8))
    }

    pub(crate) fn get(&self) -> Phase {
        Phase::ALL[self.0.load(Ordering::Relaxed) as usize]
    }

    /// Makes a transition. Only whoever advances the cycle.
    pub(crate) fn enter(&self, next: Phase) {
        let now = self.get();
        debug_assert!(now.leads_to(next), "a cycle does not go from {now:?} to {next:?}");
        self.0.store(next as u8, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_phase_has_its_number_and_a_way_back_to_idle() {
        for (number, start) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(start as usize, number);
            let mut reached = vec![start];
            for _ in Phase::ALL {
                let next = |&from: &Phase| Phase::ALL.into_iter().filter(move |&to| from.leads_to(to));
                reached.extend(reached.clone().iter().flat_map(next));
                reached.dedup();
                reached.sort_by_key(|&phase| phase as u8);
                reached.dedup();
            }
            assert_eq!(reached.len(), Phase::ALL.len(), "from {start:?}");
            assert!(!start.leads_to(start));
        }
    }

    #[test]
    fn a_round_that_brought_something_goes_back_to_marking() {
        let word = PhaseWord::new();
        use Phase::*;
        for phase in [BarrierOn, SyncRound, Roots, Mark, Terminate, Mark, Terminate, Verify, BarrierOff, Sweep, Idle] {
            word.enter(phase);
            assert_eq!(word.get(), phase);
        }
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "does not go from Idle to Sweep")]
    fn a_phase_can_not_be_skipped() {
        PhaseWord::new().enter(Phase::Sweep);
    }
}
