//! `Class` and `ArrayClass`: from a type to the place in the mutator's cache where its objects are allocated.
//!
//! *Callers:* users ask a mutator for classes; `allocate` uses them. *Invariants:* a class leads to cursors of the one
//! mutator that gave it, which the brand says; they live as long as its cache. A type that was seen lately is found
//! without a lock.

use crate::array::{Array, Check};
use crate::mutator::Mutator;
use crate::reference::{Brand, Invariant};
use crate::trace::{Object, Trace};
use spanheap_allocator::{CursorRef, LayoutCursors, LayoutError, LayoutId, MAX_ALIGN, SizeClassId};
use std::any::TypeId;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Entries of the table that finds a type's cursors without a lock.
pub(crate) const KNOWN_TYPES: usize = 64;

/// A type, and the cursors of its layout in the mutator's cache.
pub(crate) type Known = (TypeId, NonNull<LayoutCursors>);

/// Where objects of type `T` are allocated; ask [`Mutator::class`] once and keep it.
///
/// It leads straight to the place in the mutator's cache from which slots are taken: a class is good for the mutator that
/// gave it, which its brand says.
pub struct Class<'h, T> {
    pub(crate) cursor: CursorRef,
    pub(crate) layout: LayoutId,
    brand: Brand<'h>,
    target: Invariant<T>,
}

/// Where arrays of `E` with header `H` are allocated; ask [`Mutator::array_class`] once and keep it.
pub struct ArrayClass<'h, E, H = ()> {
    pub(crate) cursors: NonNull<LayoutCursors>,
    brand: Brand<'h>,
    target: Invariant<Array<E, H>>,
}

impl<T> Clone for Class<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Class<'_, T> {}

impl<E, H> Clone for ArrayClass<'_, E, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, H> Copy for ArrayClass<'_, E, H> {}

/// What a type must be to be allocated by value, checked when the program is compiled.
pub(crate) struct Fits<T>(PhantomData<T>);

impl<T: Trace> Fits<T> {
    pub(crate) const CLASS: SizeClassId = {
        assert!(align_of::<T>() <= MAX_ALIGN, "objects are aligned to 4096 bytes at most");
        // The slots of mixed spans, where rare objects live, are no smaller than 16 bytes.
        let leaf = T::LAYOUT.kinds.is_none() && !T::LAYOUT.rare;
        match SizeClassId::fitting(size_of::<T>(), align_of::<T>(), leaf) {
            Some(class) => class,
            None => panic!("a type above 32 KiB can not be an object: use an array"),
        }
    };
    pub(crate) const SLOT: usize = Self::CLASS.get().size as usize;
}

impl<'h> Mutator<'h> {
    /// Where objects of type `T` are allocated.
    ///
    /// # Panics
    /// Where [`Mutator::try_class`] has an error.
    pub fn class<T: Trace>(&self) -> Class<'h, T> {
        self.try_class().unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Mutator::class`], with an error in place of a panic.
    ///
    /// # Errors
    /// [`LayoutError::TooMany`], and [`LayoutError::Memory`] if the system gives none for the heap's record of the type.
    pub fn try_class<T: Trace>(&self) -> Result<Class<'h, T>, LayoutError> {
        let cursors = self.cursors_of::<T>()?;
        let cursor = self.cursor(cursors, Fits::<T>::CLASS)?;
        Ok(Class { cursor, layout: cursors.layout(), brand: PhantomData, target: PhantomData })
    }

    /// Where arrays of `E` behind a header `H` are allocated.
    ///
    /// # Panics
    /// Where [`Mutator::try_array_class`] has an error.
    pub fn array_class<E: Trace, H: Trace>(&self) -> ArrayClass<'h, E, H> {
        self.try_array_class().unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Mutator::array_class`], with an error in place of a panic.
    ///
    /// # Errors
    /// As [`Mutator::try_class`].
    pub fn try_array_class<E: Trace, H: Trace>(&self) -> Result<ArrayClass<'h, E, H>, LayoutError> {
        const { Check::<E, H>::ZEROED };
        let cursors = NonNull::from(self.cursors_of::<Array<E, H>>()?);
        Ok(ArrayClass { cursors, brand: PhantomData, target: PhantomData })
    }

    #[inline(always)]
    pub(crate) fn cursors_of<T: Object>(&self) -> Result<&LayoutCursors, LayoutError> {
        let key = TypeId::of::<T>();
        match self.known[hash(&key) % KNOWN_TYPES].get() {
            // SAFETY: cursors live as long as the cache, and the cache as long as this mutator.
            Some((known, cursors)) if known == key => Ok(unsafe { cursors.as_ref() }),
            _ => self.learn::<T>(key),
        }
    }

    #[cold]
    #[inline(never)]
    fn learn<T: Object>(&self, key: TypeId) -> Result<&LayoutCursors, LayoutError> {
        let cursors = self.local().cache.layout(self.layout_of::<T>()?);
        self.known[hash(&key) % KNOWN_TYPES].set(Some((key, NonNull::from(cursors))));
        Ok(cursors)
    }

    /// The cursor for objects of a layout in slots of a size class.
    #[inline(always)]
    pub(crate) fn cursor(&self, cursors: &LayoutCursors, size: SizeClassId) -> Result<CursorRef, LayoutError> {
        match cursors.get(size) {
            Some(cursor) => Ok(cursor),
            None => self.local().cache.cursor_for(&self.collector().allocator, cursors, size),
        }
    }

    pub(crate) fn layout_of<T: Object>(&self) -> Result<LayoutId, LayoutError> {
        self.heap.types.layout::<T>(&self.collector().allocator.classes)
    }
}

/// Spreads a type's identity over the table of known classes.
#[inline(always)]
fn hash(key: &TypeId) -> usize {
    struct Low(u64);
    impl std::hash::Hasher for Low {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for chunk in bytes.chunks(8) {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                self.0 ^= u64::from_ne_bytes(word);
            }
        }
        fn write_u64(&mut self, word: u64) {
            self.0 ^= word;
        }
    }
    let mut low = Low(0);
    std::hash::Hash::hash(key, &mut low);
    low.0 as usize
}
