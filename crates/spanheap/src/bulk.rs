//! Stores of whole ranges: copy, fill and clear elements of arrays, with one look at the barrier for the whole call.
//!
//! *Callers:* users, through [`Mutator`]: where a table grows, where items are moved or cleared. *Invariants:* those of
//! `store`: while the collector marks, what is overwritten is logged before the store, and until the mutator's roots are
//! scanned, what is stored is logged too. What is logged is what is stored: a copy takes words out of their slots once,
//! logs them, and stores them, some at a time. No safepoint lies in a call, however long the range: the collector
//! waits for it, so that a host that cares bounds the range, or makes several calls with safepoints between them.
//!
//! Every word is loaded and stored by itself, as an atomic. Eight at a time are loaded before the first of them is stored:
//! otherwise each load would wait for the store before it, which may have changed its word.

use crate::array::Array;
use crate::mutator::Mutator;
use crate::reference::Gc;
use crate::slot::{Pair, PairFamily, Slot};
use crate::stack::Stack;
use spanheap_collector::BarrierMode;
use spanheap_sync::word::{AtomicUsize, Ordering, may_switch};
use std::ops::Range;

/// Words that are loaded before the first of them is stored.
const LANE: usize = 8;
/// Words that are logged before the first of them is stored, where a copy logs them: as many lanes as fit the first-level
/// cache beside the slots.
const SLICE: usize = 64 * LANE;

impl<'h> Mutator<'h> {
    /// Copies the elements `range` of `from` to `to`, from its element `at` on, as if each were loaded and then all were
    /// stored: both may be the same array, and the ranges may overlap. The write barrier is inside.
    ///
    /// # Panics
    /// If `range` does not lie in `from`, or `to` is not long enough. Nothing has been stored then.
    pub fn copy_elements<U, F, T>(
        &self,
        from: Gc<'_, 'h, Array<Slot<U>, F>>,
        range: Range<usize>,
        to: Gc<'_, 'h, Array<Slot<U>, T>>,
        at: usize,
    ) {
        let from = &from.as_ref().elements()[range];
        let to = &to.as_ref().elements()[at..][..from.len()];
        self.store_references(Slot::words_of(to), Slot::words_of(from));
    }

    /// Lets the elements `range` of an array of slots refer to `new`. The write barrier is inside.
    ///
    /// # Panics
    /// If `range` does not lie in the array. Nothing has been stored then.
    pub fn fill_elements<U, H>(
        &self,
        array: Gc<'_, 'h, Array<Slot<U>, H>>,
        range: Range<usize>,
        new: Option<Gc<'_, 'h, U>>,
    ) {
        let (words, new) = (Slot::words_of(&array.as_ref().elements()[range]), new.map_or(0, Gc::addr));
        let (barrier, grey) = (&self.local().barrier, &self.collector().grey);
        if barrier.is_on() {
            self.expect_stores(words, &[new]);
            barrier.before_overwrite(words, grey);
            barrier.before_publish(&[new], grey);
        }
        fill(words, [new; LANE]);
    }

    /// Makes the elements `range` of an array of slots null. The write barrier is inside.
    ///
    /// # Panics
    /// As [`Mutator::fill_elements`].
    pub fn clear_elements<U, H>(&self, array: Gc<'_, 'h, Array<Slot<U>, H>>, range: Range<usize>) {
        self.fill_elements(array, range, None);
    }

    /// Copies the elements `range` of `from` to `to`, from its element `at` on: [`Mutator::copy_elements`] for pairs. A pair
    /// that another mutator writes meanwhile may come out with a tag and a payload that do not belong together, as
    /// [`Pair::decode_in`] warns.
    ///
    /// # Panics
    /// As [`Mutator::copy_elements`].
    pub fn copy_pair_elements<P: PairFamily, F, T>(
        &self,
        from: Gc<'_, 'h, Array<Pair<P>, F>>,
        range: Range<usize>,
        to: Gc<'_, 'h, Array<Pair<P>, T>>,
        at: usize,
    ) {
        let from = &from.as_ref().elements()[range];
        let to = &to.as_ref().elements()[at..][..from.len()];
        let (from, to) = (Pair::words_of(from), Pair::words_of(to));
        if self.local().barrier.is_on() {
            copy_slices(from, to, |slots, words| self.before_pairs::<P>(slots, words));
        } else {
            copy(from, to);
        }
    }

    /// Stores a host value into the elements `range` of an array of pairs. The write barrier is inside.
    ///
    /// # Panics
    /// If `range` does not lie in the array. Nothing has been stored then.
    pub fn fill_pair_elements<P: PairFamily, H>(
        &self,
        array: Gc<'_, 'h, Array<Pair<P>, H>>,
        range: Range<usize>,
        new: P::Value<'_, 'h>,
    ) {
        self.fill_pairs(&array.as_ref().elements()[range], new);
    }

    /// Makes the elements `range` of an array of pairs tag 0 with payload 0. The write barrier is inside.
    ///
    /// # Panics
    /// As [`Mutator::fill_pair_elements`].
    pub fn clear_pair_elements<P: PairFamily, H>(&self, array: Gc<'_, 'h, Array<Pair<P>, H>>, range: Range<usize>) {
        self.fill_words::<P>(&array.as_ref().elements()[range], (0, 0));
    }

    /// Stores a host value into the slots `range` of a stack, running or not, frozen or not. The write barrier is inside.
    ///
    /// # Panics
    /// If `range` does not lie in the stack. Nothing has been stored then.
    pub fn fill_stack_slots<P: PairFamily>(
        &self,
        stack: Gc<'_, 'h, Stack<P>>,
        range: Range<usize>,
        new: P::Value<'_, 'h>,
    ) {
        self.fill_pairs(&stack.as_ref().slots()[range], new);
    }

    fn fill_pairs<P: PairFamily>(&self, pairs: &[Pair<P>], new: P::Value<'_, 'h>) {
        self.fill_words(pairs, P::encode(new));
    }

    fn fill_words<P: PairFamily>(&self, pairs: &[Pair<P>], (tag, payload): (usize, usize)) {
        let words = Pair::words_of(pairs);
        if self.local().barrier.is_on() {
            self.before_pairs::<P>(words, &[tag, payload]);
        }
        fill(words, std::array::from_fn(|index| if index % 2 == 0 { tag } else { payload }));
    }

    /// Stores references: what `from` holds goes to `to`, which is as long.
    pub(crate) fn store_references(&self, to: &[AtomicUsize], from: &[AtomicUsize]) {
        if self.local().barrier.is_on() {
            copy_slices(from, to, |slots, words| {
                self.expect_stores(slots, words);
                self.before_references(slots, words);
            });
        } else {
            copy(from, to);
        }
    }

    /// Tells a heap that watches its host which references are about to be stored: `words` over and over.
    fn expect_stores(&self, slots: &[AtomicUsize], words: &[usize]) {
        if self.local().barrier.is_watched() {
            self.collector().expect_stores(slots, words);
        }
    }

    /// The barrier for the references `words`, which are about to be stored somewhere in `slots`.
    pub(crate) fn before_references(&self, slots: &[AtomicUsize], words: &[usize]) {
        self.local().barrier.before_overwrite(slots, &self.collector().grey);
        self.local().barrier.before_publish(words, &self.collector().grey);
        may_switch();
    }

    /// The same for pairs, of which two mutators may have torn some: the words are checked.
    #[cold]
    #[inline(never)]
    fn before_pairs<P: PairFamily>(&self, slots: &[AtomicUsize], words: &[usize]) {
        if self.local().barrier.is_watched() {
            self.collector().expect_pair_stores(slots, P::FIRST_REFERENCE_TAG, words);
        }
        for pair in slots.chunks_exact(2) {
            if pair[0].load(Ordering::Relaxed) >= P::FIRST_REFERENCE_TAG {
                self.shade_word(pair[1].load(Ordering::Relaxed));
            }
        }
        if self.local().barrier.mode() == BarrierMode::Both {
            for pair in words.chunks_exact(2).filter(|pair| pair[0] >= P::FIRST_REFERENCE_TAG) {
                self.shade_word(pair[1]);
            }
        }
    }
}

/// Whether a copy of words to `to` has to begin with the last of them, as it would overwrite words that are still to be
/// copied.
fn backwards(from: &[AtomicUsize], to: &[AtomicUsize]) -> bool {
    from.as_ptr_range().contains(&to.as_ptr())
}

/// Copies words, as `memmove` does. Both slices are equally long.
fn copy(from: &[AtomicUsize], to: &[AtomicUsize]) {
    if backwards(from, to) {
        let ((first, lanes), (to_first, to_lanes)) = (from.as_rchunks::<LANE>(), to.as_rchunks::<LANE>());
        lanes.iter().zip(to_lanes).rev().for_each(|(from, to)| copy_lane(from, to));
        first.iter().zip(to_first).rev().for_each(|(from, to)| copy_word(from, to));
    } else {
        let ((lanes, rest), (to_lanes, to_rest)) = (from.as_chunks::<LANE>(), to.as_chunks::<LANE>());
        lanes.iter().zip(to_lanes).for_each(|(from, to)| copy_lane(from, to));
        rest.iter().zip(to_rest).for_each(|(from, to)| copy_word(from, to));
    }
}

#[inline(always)]
fn copy_lane(from: &[AtomicUsize; LANE], to: &[AtomicUsize; LANE]) {
    let words = from.each_ref().map(load);
    store_lane(to, words);
}

#[inline(always)]
fn store_lane(to: &[AtomicUsize; LANE], words: [usize; LANE]) {
    for (to, word) in to.iter().zip(words) {
        to.store(word, Ordering::Release);
    }
}

#[inline(always)]
fn copy_word(from: &AtomicUsize, to: &AtomicUsize) {
    to.store(load(from), Ordering::Release);
}

/// Acquire: what the word refers to was written before it was stored here, and is so for who finds the copy.
#[inline(always)]
fn load(word: &AtomicUsize) -> usize {
    word.load(Ordering::Acquire)
}

/// Copies words, as `memmove` does, in slices: `before` is told of each which slots are about to get which words.
#[cold]
#[inline(never)]
fn copy_slices(from: &[AtomicUsize], to: &[AtomicUsize], before: impl Fn(&[AtomicUsize], &[usize])) {
    let mut buffer = [0; SLICE];
    let mut slice = |range: Range<usize>| {
        let words = &mut buffer[..range.len()];
        words.iter_mut().zip(&from[range.clone()]).for_each(|(to, from)| *to = load(from));
        before(&to[range.clone()], words);
        to[range].iter().zip(words).for_each(|(to, word)| to.store(*word, Ordering::Release));
    };
    let slices = (0..from.len()).step_by(SLICE).map(|begin| begin..from.len().min(begin + SLICE));
    if backwards(from, to) { slices.rev().for_each(&mut slice) } else { slices.for_each(&mut slice) }
}

/// Stores the same words over and over.
fn fill(to: &[AtomicUsize], words: [usize; LANE]) {
    let (lanes, rest) = to.as_chunks::<LANE>();
    lanes.iter().for_each(|to| store_lane(to, words));
    rest.iter().zip(words).for_each(|(to, word)| to.store(word, Ordering::Release));
}
