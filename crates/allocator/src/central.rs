//! Central lists: the spans of one class that no cache holds, passed between mutators and the sweeper.
//!
//! *Callers:* caches take and return spans; the sweeper drains what is unswept. *Invariants:* `[span.one-owner]`: a
//! span enters exactly one list once, and whoever takes it out owns it. Each list exists twice, by the parity of the
//! span's generation: when marking ends the heap's generation grows by one, and with it, without touching a span, what
//! was swept becomes unswept. The sweeper empties the unswept pair before the next marking begins, so that two
//! parities suffice. *Locks:* one mutex per class, rank `Central`; nothing is called while it is held. `Rank::Generation`
//! while the generation grows.

use crate::span::SpanRef;
use spanheap_sync::atomic::{AtomicU32, Ordering};
use spanheap_sync::{Mutex, Rank};

/// The generation of a heap: spans of another one must be swept before use.
pub struct Generation {
    number: AtomicU32,
    /// Held while it grows, and while somebody has swept spans that neither a cache nor a list has.
    growing: Mutex<()>,
}

impl Generation {
    /// A heap's first generation is not 0, which is that of a header that was never used.
    pub fn new(first: u32) -> Generation {
        Generation { number: AtomicU32::new(first), growing: Mutex::new(Rank::Generation, ()) }
    }

    /// The generation. What its marking decided is then visible.
    #[inline]
    pub fn get(&self) -> u32 {
        self.number.load(Ordering::Acquire)
    }

    /// Makes every span unswept. Only when marking has ended and all older spans have been swept.
    pub fn advance(&self) {
        let _nobody_holds_spans = self.growing.lock();
        self.number.fetch_add(1, Ordering::Release);
    }
}

/// What a central list needs to know of a span; loom models bring a small stand-in.
pub trait Listed: Copy {
    /// Generation in which it was last swept.
    fn generation(self) -> u32;
}

impl Listed for SpanRef {
    fn generation(self) -> u32 {
        SpanRef::generation(self)
    }
}

/// Spans that [`Central::visit_swept`] takes from mutators at once.
const VISITED_AT_ONCE: usize = 64;

/// The unowned spans of one span class.
pub struct Central<S> {
    lists: Mutex<[Lists<S>; 2]>,
}

struct Lists<S> {
    /// Spans with free slots (when swept), or that may have some (when not).
    partial: Vec<S>,
    /// Spans without free slots, until they are swept again.
    full: Vec<S>,
}

/// A span out of a central list; the taker owns it.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Taken<S> {
    /// Swept in this generation, with free slots.
    Swept(S),
    /// To be swept before use; may turn out full or empty.
    Unswept(S),
}

impl<S: Listed> Central<S> {
    /// Empty lists.
    pub fn new() -> Central<S> {
        let lists = || Lists { partial: Vec::new(), full: Vec::new() };
        Central { lists: Mutex::new(Rank::Central, [lists(), lists()]) }
    }

    /// Takes a span with free slots, or one that must be swept first. `generation` is the heap's.
    pub fn take(&self, generation: u32) -> Option<Taken<S>> {
        let mut lists = self.lists.lock();
        let (now, before) = (parity(generation), parity(generation.wrapping_sub(1)));
        if let Some(span) = lists[now].partial.pop() {
            return Some(Taken::Swept(span));
        }
        let span = lists[before].partial.pop().or_else(|| lists[before].full.pop())?;
        Some(Taken::Unswept(span))
    }

    /// Takes spans until one is swept and has free slots, which the caller then owns. `has_free_slots` is asked about
    /// swept spans; `sweep` sweeps a span, which the caller owns meanwhile, and says whether it then has free slots.
    pub fn acquire(
        &self,
        generation: &Generation,
        has_free_slots: impl Fn(S) -> bool,
        sweep: impl Fn(S) -> bool,
    ) -> Option<S> {
        while let Some(taken) = self.take(generation.get()) {
            let (Taken::Swept(span) | Taken::Unswept(span)) = taken;
            // The generation may have grown since the list was chosen; only the span's own generation counts.
            let free = if span.generation() != generation.get() {
                sweep(span)
            } else {
                matches!(taken, Taken::Swept(_)) || has_free_slots(span)
            };
            if free {
                return Some(span);
            }
            self.put(span, true);
        }
        None
    }

    /// Calls `visit` with every swept span with free slots, a few of which leave the list at a time. The visitor owns the
    /// span meanwhile. The generation does not grow before all have been visited: the sweeper would miss those that are away.
    pub fn visit_swept(&self, generation: &Generation, mut visit: impl FnMut(S)) {
        let _not_growing = generation.growing.lock();
        let now = generation.get();
        // The list is turned round once: mutators take from its end, where visited spans come back.
        let mut left = self.lists.lock()[parity(now)].partial.len();
        let mut away = Vec::new();
        while left > 0 {
            {
                let partial = &mut self.lists.lock()[parity(now)].partial;
                let count = left.min(VISITED_AT_ONCE).min(partial.len());
                away.extend(partial.drain(..count));
            }
            if away.is_empty() {
                return;
            }
            left -= away.len();
            away.iter().filter(|span| span.generation() == now).for_each(|&span| visit(span));
            self.put_all(away.drain(..).map(|span| (span, false)));
        }
    }

    /// Gives a span back; the caller no longer owns it. It goes to the lists of its own generation.
    pub fn put(&self, span: S, full: bool) {
        self.put_all([(span, full)]);
    }

    /// Gives spans back, each with whether it is full, as [`Central::put`]. Takes no lock for none.
    pub fn put_all(&self, spans: impl IntoIterator<Item = (S, bool)>) {
        let mut spans = spans.into_iter().peekable();
        if spans.peek().is_none() {
            return;
        }
        let mut lists = self.lists.lock();
        for (span, full) in spans {
            let list = &mut lists[parity(span.generation())];
            if full { list.full.push(span) } else { list.partial.push(span) }
        }
    }

    /// Moves up to `most` unswept spans into `batch`, for the sweeper. Returns how many.
    pub fn take_unswept(&self, generation: u32, most: usize, batch: &mut Vec<S>) -> usize {
        let mut lists = self.lists.lock();
        let before = &mut lists[parity(generation.wrapping_sub(1))];
        let start = batch.len();
        for list in [&mut before.full, &mut before.partial] {
            let wanted = most - (batch.len() - start);
            let rest = list.len().saturating_sub(wanted);
            batch.extend(list.drain(rest..));
        }
        batch.len() - start
    }

    /// Spans in all lists.
    pub fn len(&self) -> usize {
        self.lists.lock().iter().map(|list| list.partial.len() + list.full.len()).sum()
    }

    /// Whether no list holds a span.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `visit` with every span and whether it stands in a list of full spans. For the verifier.
    pub fn for_each(&self, mut visit: impl FnMut(S, bool)) {
        let lists = self.lists.lock();
        for list in lists.iter() {
            list.partial.iter().for_each(|&span| visit(span, false));
            list.full.iter().for_each(|&span| visit(span, true));
        }
    }
}

impl<S: Listed> Default for Central<S> {
    fn default() -> Central<S> {
        Central::new()
    }
}

fn parity(generation: u32) -> usize {
    generation as usize & 1
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Fake(u32, u32);

    impl Listed for Fake {
        fn generation(self) -> u32 {
            self.1
        }
    }

    #[test]
    fn a_new_generation_makes_swept_spans_unswept() {
        let central = Central::new();
        central.put(Fake(1, 6), false);
        central.put(Fake(2, 6), true);
        assert_eq!(central.take(6), Some(Taken::Swept(Fake(1, 6))));
        assert_eq!(central.take(6), None);
        central.put(Fake(1, 6), false);
        assert_eq!(central.take(7), Some(Taken::Unswept(Fake(1, 6))));
        assert_eq!(central.take(7), Some(Taken::Unswept(Fake(2, 6))));
        assert!(central.is_empty());
    }

    #[test]
    fn the_sweeper_takes_batches_of_unswept_spans_only() {
        let central = Central::new();
        for number in 0..5 {
            central.put(Fake(number, 6), number % 2 == 0);
        }
        central.put(Fake(9, 7), false);
        let mut batch = Vec::new();
        assert_eq!(central.take_unswept(7, 4, &mut batch), 4);
        assert_eq!(central.take_unswept(7, 4, &mut batch), 1);
        assert_eq!(central.take_unswept(7, 4, &mut batch), 0);
        assert_eq!(central.len(), 1);
    }
}

#[cfg(all(test, not(loom)))]
mod lists;
