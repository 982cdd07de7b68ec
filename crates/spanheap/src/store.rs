//! Stores: what an object, an array or a stack holds is changed here, with the write barrier inside.
//!
//! *Callers:* users, through [`Mutator`]. *Invariants:* while the collector marks, what is overwritten is logged before the
//! store, and until the mutator's roots are scanned, what is stored is logged too; between barrier and store there is no
//! safepoint.

use crate::array::Array;
use crate::mutator::Mutator;
use crate::reference::Gc;
use crate::slot::{Ambiguous, Pair, PairFamily, Slot, Tagged};
use crate::stack::Stack;
use crate::trace::Object;
use spanheap_collector::{Barrier, BarrierMode, Collector, Rule};
use spanheap_sync::word::{AtomicUsize, Ordering, may_switch};

impl<'h> Mutator<'h> {
    /// Lets a slot of `owner` refer to `new`. The write barrier is inside.
    ///
    /// # Panics
    /// If `slot` returns a slot that does not lie in `owner`.
    #[inline(always)]
    pub fn set<T: Object, U>(
        &self,
        owner: Gc<'_, 'h, T>,
        slot: impl for<'x> FnOnce(&'x T) -> &'x Slot<U>,
        new: Option<Gc<'_, 'h, U>>,
    ) {
        let slot = slot(owner.as_ref());
        inside(owner, slot);
        self.store_word(slot.word(), new.map_or(0, Gc::addr));
    }

    /// Lets an element of an array of slots refer to `new`.
    ///
    /// # Panics
    /// If `index` is not less than the array's length.
    #[inline(always)]
    pub fn set_element<U, H>(&self, array: Gc<'_, 'h, Array<Slot<U>, H>>, index: usize, new: Option<Gc<'_, 'h, U>>) {
        self.store_word(array.as_ref().elements()[index].word(), new.map_or(0, Gc::addr));
    }

    #[inline(always)]
    pub(crate) fn store_word(&self, word: &AtomicUsize, new: usize) {
        if self.local().barrier.is_on() {
            before_word_store(&self.local().barrier, self.collector(), word, new);
        }
        may_switch();
        // Release: what `new` refers to was written before.
        word.store(new, Ordering::Release);
    }

    /// Stores a host value into a pair of `owner`.
    ///
    /// # Panics
    /// If `pair` returns a pair that does not lie in `owner`.
    #[inline(always)]
    pub fn set_pair<T: Object, F: PairFamily>(
        &self,
        owner: Gc<'_, 'h, T>,
        pair: impl for<'x> FnOnce(&'x T) -> &'x Pair<F>,
        new: F::Value<'_, 'h>,
    ) {
        let pair = pair(owner.as_ref());
        inside(owner, pair);
        self.store_pair(pair, new);
    }

    /// Stores a host value into an element of an array of pairs.
    ///
    /// # Panics
    /// If `index` is not less than the array's length.
    #[inline(always)]
    pub fn set_pair_element<F: PairFamily, H>(
        &self,
        array: Gc<'_, 'h, Array<Pair<F>, H>>,
        index: usize,
        new: F::Value<'_, 'h>,
    ) {
        self.store_pair(&array.as_ref().elements()[index], new);
    }

    /// Stores a host value into a slot of a stack, running or not.
    ///
    /// # Panics
    /// If `index` is not less than the stack's length.
    #[inline(always)]
    pub fn set_stack_slot<F: PairFamily>(&self, stack: Gc<'_, 'h, Stack<F>>, index: usize, new: F::Value<'_, 'h>) {
        self.store_pair(&stack.as_ref().slots()[index], new);
    }

    #[inline(always)]
    fn store_pair<F: PairFamily>(&self, pair: &Pair<F>, new: F::Value<'_, 'h>) {
        if self.local().barrier.is_on() {
            self.before_pair_store(pair, F::encode(new));
        }
        may_switch();
        pair.store(new);
    }

    #[cold]
    #[inline(never)]
    fn before_pair_store<F: PairFamily>(&self, pair: &Pair<F>, (tag, payload): (usize, usize)) {
        if self.local().barrier.is_watched() {
            if tag >= F::FIRST_REFERENCE_TAG {
                self.collector().expect_object(Rule::R1, "is stored", payload);
            }
            let words = Pair::words_of(std::slice::from_ref(pair));
            self.collector().expect_pair_stores(words, F::FIRST_REFERENCE_TAG, &[tag, payload]);
        }
        let (old_tag, old) = pair.words();
        if old_tag >= F::FIRST_REFERENCE_TAG {
            self.shade_word(old);
        }
        if tag >= F::FIRST_REFERENCE_TAG && self.local().barrier.mode() == BarrierMode::Both {
            self.local().barrier.shade(payload, &self.collector().grey);
        }
    }

    /// Logs the object that a word stands for, if it is one: two mutators may tear a pair, so the word is checked.
    pub(crate) fn shade_word(&self, word: usize) {
        if let Some(found) = self.collector().allocator.resolve(word) {
            self.local().barrier.shade(found.base, &self.collector().grey);
        }
    }

    /// Stores a tagged word into `owner`. `new` is a word of the heap's tag scheme.
    ///
    /// # Safety
    /// 1. If `word` hides a reference, it is to a live object of this heap.
    ///
    /// # Panics
    /// If `slot` returns a word that does not lie in `owner`.
    pub unsafe fn set_tagged<T: Object>(
        &self,
        owner: Gc<'_, 'h, T>,
        slot: impl for<'x> FnOnce(&'x T) -> &'x Tagged,
        word: usize,
    ) {
        let slot = slot(owner.as_ref());
        inside(owner, slot);
        let barrier = &self.local().barrier;
        if let (true, Some(tags)) = (barrier.is_on(), self.collector().options().tags) {
            if barrier.is_watched() {
                self.collector().expect_object(Rule::R1, "is stored", tags.reference(word));
                self.collector().expect_word_store(addr_of(slot.word()), word);
            }
            let old = tags.reference(slot.get());
            barrier.before_store(old, tags.reference(word), &self.collector().grey);
        }
        slot.word().store(word, Ordering::Release);
    }

    /// Stores any word into `owner`: if it is an address in an object of this heap, it keeps that object.
    ///
    /// # Panics
    /// If `slot` returns a word that does not lie in `owner`.
    pub fn set_ambiguous<T: Object>(
        &self,
        owner: Gc<'_, 'h, T>,
        slot: impl for<'x> FnOnce(&'x T) -> &'x Ambiguous,
        word: usize,
    ) {
        let slot = slot(owner.as_ref());
        inside(owner, slot);
        self.store_ambiguous(slot, word);
    }

    pub(crate) fn store_ambiguous(&self, slot: &Ambiguous, word: usize) {
        if self.local().barrier.is_on() {
            self.collector().expect_word_store(addr_of(slot.word()), word);
            self.shade_word(slot.get());
            if self.local().barrier.mode() == BarrierMode::Both {
                self.shade_word(word);
            }
        }
        slot.word().store(word, Ordering::Release);
    }
}

/// What comes before the store of a reference while the barrier is on. It is given no [`Mutator`], so that a loop can keep its
/// fields in registers: see `answer`.
#[cold]
#[inline(never)]
fn before_word_store(barrier: &Barrier, collector: &Collector, word: &AtomicUsize, new: usize) {
    if barrier.is_watched() {
        collector.expect_store(addr_of(word), new);
    }
    barrier.before_store(word.load(Ordering::Relaxed), new, &collector.grey);
}

fn addr_of(word: &AtomicUsize) -> usize {
    std::ptr::from_ref(word) as usize
}

/// A slot that a closure picked must lie in the object that it was picked from. With a field of the object's own type the
/// test is decided when the program is compiled.
#[inline(always)]
fn inside<T: Object, S>(owner: Gc<'_, '_, T>, slot: &S) {
    let offset = (std::ptr::from_ref(slot) as usize).wrapping_sub(owner.addr());
    assert!(offset < owner.as_ref().extent(), "the slot does not lie in the object that is written");
}
