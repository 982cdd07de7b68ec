//! Model: a request is performed exactly once, by one thread at a time, and the requester sees what was done.
//!
//! *Claim:* `[handshake.one-actor]` and `[handshake.once]`: the mutator's local state (a cell) is never touched by two
//! threads at once; each of two requests in a row is performed once; when `is_answered` or `act` says so, the
//! requester sees what the performer wrote. *Actors:* a collector; a mutator that works, polls, crosses a native region
//! and ends in one. *Runs as it ships:* all of `Handshake`; the collector's wait is that of `Collector::handshake`,
//! which the models `stop` and `termination` run itself. *Not modelled:* what the requests do.

use crate::handshake::{Handshake, NATIVE, REQUEST_BITS, RUNNING};
use spanheap_sync::atomic::Ordering;
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::model::explore;
use spanheap_sync::{Arc, thread};

const REQUESTS: u32 = 2;
/// A request that nobody makes: this model has no stop.
const HOLD: u32 = REQUEST_BITS;

/// What the mutator's side does; a mutant replaces one step by a wrong one.
trait Mutator: 'static {
    fn answer(handshake: &Handshake, perform: impl FnOnce(u32)) {
        handshake.answer(HOLD, perform);
    }

    fn enter(handshake: &Handshake) {
        handshake.enter_native();
    }

    fn leave(handshake: &Handshake) {
        handshake.leave_native();
    }

    fn try_act(handshake: &Handshake, perform: impl FnOnce(u32)) -> bool {
        handshake.act(perform)
    }
}

struct Shipped;
impl Mutator for Shipped {}

struct IgnoresActed;
impl Mutator for IgnoresActed {
    fn leave(handshake: &Handshake) {
        handshake.state.swap(RUNNING, Ordering::Acquire);
    }
}

struct AnswersRelaxed;
impl Mutator for AnswersRelaxed {
    fn answer(handshake: &Handshake, perform: impl FnOnce(u32)) {
        let request = handshake.pending.load(Ordering::Acquire) & REQUEST_BITS;
        if request != 0 {
            perform(request);
            handshake.pending.fetch_and(!REQUEST_BITS, Ordering::Relaxed);
        }
    }
}

struct EntersRelaxed;
impl Mutator for EntersRelaxed {
    fn enter(handshake: &Handshake) {
        handshake.state.store(NATIVE, Ordering::Relaxed);
    }
}

struct ActsUnasked;
impl Mutator for ActsUnasked {
    fn try_act(handshake: &Handshake, perform: impl FnOnce(u32)) -> bool {
        let request = handshake.pending.load(Ordering::Acquire) & REQUEST_BITS;
        if request != 0 {
            perform(request);
            handshake.pending.fetch_and(!REQUEST_BITS, Ordering::Release);
        }
        request != 0
    }
}

struct Shared {
    handshake: Handshake,
    /// The mutator's local state: its own work, and the requests performed so far.
    local: UnsafeCell<u32>,
    /// Written by performers, read by the requester.
    performed: UnsafeCell<Vec<u32>>,
}

// SAFETY: loom checks the accesses to the cells; that they never overlap is the claim.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn touch(&self) {
        // SAFETY: loom panics if another access overlaps.
        self.local.with_mut(|local| unsafe { *local += 1 });
    }

    fn perform(&self, request: u32) {
        self.touch();
        // SAFETY: as above.
        self.performed.with_mut(|performed| unsafe { &mut *performed }.push(request));
    }

    fn performed(&self) -> Vec<u32> {
        // SAFETY: as above.
        self.performed.with(|performed| unsafe { &*performed }.clone())
    }
}

fn model<M: Mutator>(name: &str) {
    explore(name, 3, || {
        let shared = Arc::new(Shared {
            handshake: Handshake::new(),
            local: UnsafeCell::new(0),
            performed: UnsafeCell::new(Vec::new()),
        });
        let mutator = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let handshake = &shared.handshake;
                let poll = || {
                    if handshake.poll() {
                        M::answer(handshake, |request| shared.perform(request));
                    }
                };
                shared.touch();
                poll();
                M::enter(handshake);
                thread::yield_now();
                M::leave(handshake);
                shared.touch();
                poll();
                shared.touch();
                M::enter(handshake);
            })
        };
        for request in 1..=REQUESTS {
            shared.handshake.request(request);
            while !shared.handshake.is_answered() {
                if !M::try_act(&shared.handshake, |request| shared.perform(request)) {
                    thread::yield_now();
                }
            }
            assert_eq!(shared.performed(), Vec::from_iter(1..=request), "each request once, in order, and visible");
        }
        mutator.join().expect("the mutator ends");
        // SAFETY: as in `touch`.
        assert_eq!(shared.local.with(|local| unsafe { *local }), 3 + REQUESTS);
    });
}

#[test]
fn every_request_is_performed_once_and_seen() {
    model::<Shipped>("handshake");
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_leaves_while_it_is_acted_for() {
    model::<IgnoresActed>("handshake, ignores ACTED");
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_answers_relaxed() {
    model::<AnswersRelaxed>("handshake, answers relaxed");
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_enters_relaxed() {
    model::<EntersRelaxed>("handshake, enters relaxed");
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_collector_that_acts_for_a_running_mutator() {
    model::<ActsUnasked>("handshake, acts for a running mutator");
}
