//! `Gc`: a reference to an object that is good until the mutator's next safepoint.
//!
//! *Callers:* everything that users do with objects. *Invariants:* a `Gc<'m, 'h, T>` points to a live, initialised `T` in
//! the heap of brand `'h`; `'m` is a shared borrow of the mutator, and every safepoint needs that borrow to have ended.

use crate::array::Array;
use crate::slot::{Pair, PairFamily, Slot};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

/// Ties a value to one heap: invariant, so that two brands never unify.
pub(crate) type Brand<'h> = PhantomData<fn(&'h ()) -> &'h ()>;

/// Ties a value to just this type: for what is written through shared references.
pub(crate) type Invariant<T> = PhantomData<fn(T) -> T>;

/// A reference to an object: `'m` until the next safepoint, `'h` in this heap.
///
/// Copy it freely. To keep an object across a safepoint, store it in another object, in a VM stack, or make a
/// [`Root`](crate::Root).
pub struct Gc<'m, 'h, T> {
    object: NonNull<T>,
    until_safepoint: PhantomData<&'m T>,
    heap: Brand<'h>,
}

impl<T> Clone for Gc<'_, '_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Gc<'_, '_, T> {}

impl<T> PartialEq for Gc<'_, '_, T> {
    /// Whether both are the same object.
    fn eq(&self, other: &Self) -> bool {
        self.object == other.object
    }
}

impl<T> Eq for Gc<'_, '_, T> {}

impl<T> std::hash::Hash for Gc<'_, '_, T> {
    fn hash<S: std::hash::Hasher>(&self, state: &mut S) {
        self.object.hash(state);
    }
}

impl<T> fmt::Debug for Gc<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gc({:p})", self.object)
    }
}

impl<T> Deref for Gc<'_, '_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        self.as_ref()
    }
}

impl<'m, 'h, T> Gc<'m, 'h, T> {
    /// The object, for as long as this reference is good.
    #[inline(always)]
    #[allow(clippy::should_implement_trait, reason = "AsRef would shorten the lifetime to the borrow of the handle")]
    pub fn as_ref(self) -> &'m T {
        // SAFETY: the invariant of Gc; nobody has a `&mut` to an object.
        unsafe { self.object.as_ref() }
    }

    /// The object's address. It never changes: objects do not move.
    #[inline(always)]
    pub fn addr(self) -> usize {
        self.object.as_ptr() as usize
    }

    /// The reference that an address stands for.
    ///
    /// # Safety
    /// 1. `addr` is the address of a live `T` in the heap of brand `'h`. 2. It stays alive for `'m`: something that a
    ///    collection treats as a root, or an object reached from one, refers to it.
    #[inline(always)]
    pub unsafe fn from_addr(addr: usize) -> Gc<'m, 'h, T> {
        // SAFETY: an object's address is not 0.
        let object = unsafe { NonNull::new_unchecked(addr as *mut T) };
        Gc { object, until_safepoint: PhantomData, heap: PhantomData }
    }

    /// What one of the object's slots refers to.
    ///
    /// The types live for ever, so that the closure's slot is one of the object that it is given, or one that lives for
    /// ever itself: were there a lifetime in them, a slot that lives as long would do, in whatever heap.
    #[inline(always)]
    pub fn load<U: 'static>(self, slot: impl for<'x> FnOnce(&'x T) -> &'x Slot<U>) -> Option<Gc<'m, 'h, U>>
    where
        T: 'static,
    {
        let addr = slot(self.as_ref()).addr();
        // SAFETY: a slot that lives for ever is in no object and always null; one of this object holds null or an object of
        // the same heap, which stays alive until the next safepoint because this object does or the barrier notes its
        // removal.
        (addr != 0).then(|| unsafe { Gc::from_addr(addr) })
    }

    /// The host value in one of the object's pairs.
    ///
    /// # Safety
    /// 1. No other mutator writes this pair at the same time: its two words could be torn.
    #[inline(always)]
    pub unsafe fn load_pair<F: PairFamily>(self, pair: impl for<'x> FnOnce(&'x T) -> &'x Pair<F>) -> F::Value<'m, 'h>
    where
        T: 'static,
    {
        // SAFETY: by 1 the words belong together; a reference in them is alive as in `load`.
        unsafe { pair(self.as_ref()).decode_in() }
    }
}

impl<'m, 'h, U, H> Gc<'m, 'h, Array<Slot<U>, H>> {
    /// What an element refers to.
    ///
    /// # Panics
    /// If `index` is not less than the array's length.
    #[inline(always)]
    pub fn element(self, index: usize) -> Option<Gc<'m, 'h, U>> {
        let addr = self.as_ref().elements()[index].addr();
        // SAFETY: as in `load`.
        (addr != 0).then(|| unsafe { Gc::from_addr(addr) })
    }
}
