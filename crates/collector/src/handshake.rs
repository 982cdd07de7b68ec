//! The handshake word of one mutator: how the collector asks, and who answers.
//!
//! *Callers:* the collector requests and waits (`cycle`); the mutator answers at its safepoints and crosses native
//! regions (`mutator`). *Invariants:*
//! - `[handshake.one-actor]` What the handshake protects (the mutator's local state) is touched by one thread at a
//!   time: by the mutator while it is `Running`, by the collector while it is `Acted`, by nobody while it is `Native`.
//! - `[handshake.once]` A request is answered exactly once: by whichever of the two clears it.
//!
//! ```text
//!            enter_native                try_act
//!  Running ----------------> Native ----------------> Acted
//!     ^   (mutator)           |  ^    (collector)       |
//!     +-----------------------+  +----------------------+
//!          leave_native                  end_act
//!           (mutator)                  (collector)
//! ```
//!
//! A mutator that leaves a native region while the collector acts for it waits until the collector is done. Nothing
//! here knows what a request means; the loom model in `models` runs this very code.

use spanheap_sync::atomic::{AtomicU32, Ordering};
use spanheap_sync::{Backoff, thread};

pub(crate) const RUNNING: u32 = 0;
pub(crate) const NATIVE: u32 = 1;
const ACTED: u32 = 2;

/// Bits of the request word that hold the collector's request.
pub const REQUEST_BITS: u32 = 0xff;

/// The handshake word and state of one mutator.
#[derive(Debug)]
pub struct Handshake {
    /// Low byte: the collector's request, 0 for none. Higher bits: what the mutator wants of itself at its next
    /// safepoint. One load tells a mutator whether anything waits for it. Pairs: set with release, read with acquire.
    pub(crate) pending: AtomicU32,
    /// `RUNNING`, `NATIVE` or `ACTED`.
    pub(crate) state: AtomicU32,
}

impl Handshake {
    /// A running mutator that nobody has asked for anything.
    pub fn new() -> Handshake {
        Handshake { pending: AtomicU32::new(0), state: AtomicU32::new(RUNNING) }
    }

    /// Whether something waits for the next safepoint. The one load of a poll.
    #[inline(always)]
    pub fn poll(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0
    }

    /// The address of the word that [`Handshake::poll`] looks at, for generated code. It stays there as long as the mutator's
    /// record.
    ///
    /// # Panics
    /// In a model, whose atomics are no words in memory: generated code does not run there.
    pub fn word(&self) -> *const u32 {
        #[cfg(not(any(loom, shuttle)))]
        return self.pending.as_ptr();
        #[cfg(any(loom, shuttle))]
        panic!("generated code does not run in a model")
    }

    /// Asks for `request`. Collector only, and only after the last request was answered.
    pub fn request(&self, request: u32) {
        debug_assert!(request != 0 && request & !REQUEST_BITS == 0);
        self.pending.fetch_or(request, Ordering::Release);
    }

    /// Whether the last request has been answered. What the answering thread did is then visible.
    pub fn is_answered(&self) -> bool {
        self.requested() == 0
    }

    /// Sets a bit of the mutator's own, outside [`REQUEST_BITS`].
    pub fn remind(&self, bit: u32) {
        debug_assert!(bit & REQUEST_BITS == 0);
        self.pending.fetch_or(bit, Ordering::Relaxed);
    }

    /// Takes the mutator's own bits. Mutator only.
    pub fn take_reminders(&self) -> u32 {
        self.pending.fetch_and(REQUEST_BITS, Ordering::Relaxed) & !REQUEST_BITS
    }

    /// Answers a request, if there is one, by calling `perform` with it. The request `hold` is not performed: the
    /// mutator stands in a native region until the collector lets it go, and then looks again. Mutator only, while
    /// running.
    pub fn answer(&self, hold: u32, perform: impl FnOnce(u32)) {
        debug_assert_eq!(self.state.load(Ordering::Relaxed), RUNNING);
        // One load decides what the request is: between two, a request to hold may come.
        let mut request = self.requested();
        while request == hold {
            self.enter_native();
            thread::yield_now();
            self.leave_native();
            request = self.requested();
        }
        self.finish(request, perform);
    }

    fn requested(&self) -> u32 {
        self.pending.load(Ordering::Acquire) & REQUEST_BITS
    }

    fn finish(&self, request: u32, perform: impl FnOnce(u32)) -> bool {
        if request != 0 {
            perform(request);
            // Release: pairs with the acquire in `is_answered`.
            self.pending.fetch_and(!REQUEST_BITS, Ordering::Release);
        }
        request != 0
    }

    /// Takes a request back that needs no work. Collector only, while it acts for the mutator.
    pub fn clear_request(&self) {
        debug_assert_eq!(self.state.load(Ordering::Relaxed), ACTED);
        self.pending.fetch_and(!REQUEST_BITS, Ordering::Release);
    }

    /// Starts a native region: the collector may act for this mutator from now on. Mutator only.
    pub fn enter_native(&self) {
        debug_assert_eq!(self.state.load(Ordering::Relaxed), RUNNING);
        // Release: the collector that acts sees everything this mutator did. Pairs with `try_act`.
        self.state.store(NATIVE, Ordering::Release);
    }

    /// Ends a native region; waits while the collector acts. Mutator only.
    pub fn leave_native(&self) {
        let mut backoff = Backoff::new();
        // Acquire: this mutator sees everything the collector did for it. Pairs with `end_act`.
        while self.state.compare_exchange(NATIVE, RUNNING, Ordering::Acquire, Ordering::Relaxed).is_err() {
            backoff.pause();
        }
    }

    /// Starts to act for a mutator in a native region. Collector only. False if the mutator is running.
    #[must_use]
    pub fn try_act(&self) -> bool {
        self.state.compare_exchange(NATIVE, ACTED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Stops acting. Collector only, after [`Handshake::try_act`] succeeded.
    pub fn end_act(&self) {
        debug_assert_eq!(self.state.load(Ordering::Relaxed), ACTED);
        self.state.store(NATIVE, Ordering::Release);
    }

    /// Answers the request for a mutator that is in a native region. Collector only. True if that was done.
    pub fn act(&self, perform: impl FnOnce(u32)) -> bool {
        self.try_act() && {
            let answered = self.finish(self.requested(), perform);
            self.end_act();
            answered
        }
    }
}

impl Default for Handshake {
    fn default() -> Handshake {
        Handshake::new()
    }
}
