//! What may live in the heap: the `Trace` trait of types, and the `Object` trait of whole objects.
//!
//! *Callers:* users derive [`Trace`]; allocation reads the layouts. *Invariants:* a `Trace` type has no destructor, may
//! be shared between threads, and its layout names every word that holds a reference, and no other.

use crate::array::Array;
use spanheap_allocator::{ObjectLayout, TypeLayout};
use std::any::TypeId;

/// A type that may be an object, a field of one, or an element of an array.
///
/// Derive it: `#[derive(Trace)]`. Fields may be [`Slot`](crate::Slot), [`Pair`](crate::Pair),
/// [`Tagged`](crate::Tagged), [`Ambiguous`](crate::Ambiguous), [`Data`](crate::Data), numbers, `bool`, arrays of
/// these, and other derived types. A plain field is written once, before the object is published; what changes later
/// must be a slot or [`Data`](crate::Data), which other threads and the marker may read meanwhile.
///
/// # Safety
/// 1. `LAYOUT` is the type's size, alignment, and the kind of every word, as
///    [`WordKind`](crate::WordKind) defines kinds. 2. The type has no destructor. 3. No safe code can change a word with a
///    kind other than through a [`Mutator`](crate::Mutator). 4. `ZERO_IS_VALID` is true only if all bytes zero is a value.
pub unsafe trait Trace: Send + Sync + Sized + 'static {
    /// The type's name in reports.
    const NAME: &'static str;
    /// The name in reports of arrays of it that have no header; arrays with one are called by their header's type.
    const ARRAY_NAME: &'static str;
    /// Where its references are.
    const LAYOUT: TypeLayout;
    /// Whether a value may come into being as zero bytes: the elements of new arrays do.
    const ZERO_IS_VALID: bool;
}

/// A type that can be allocated: a [`Trace`] type, an [`Array`], or a VM stack.
///
/// # Safety
/// 1. `layout` describes what allocation of this type creates. 2. `extent` is the number of bytes from the object's
///    first that belong to it.
pub unsafe trait Object: Send + Sync + 'static {
    /// The object's layout.
    fn layout() -> ObjectLayout;

    /// Bytes of this object.
    fn extent(&self) -> usize;
}

// SAFETY: the layout is the type's; the object is the value.
unsafe impl<T: Trace> Object for T {
    fn layout() -> ObjectLayout {
        ObjectLayout::fixed(T::NAME, T::LAYOUT)
    }

    #[inline(always)]
    fn extent(&self) -> usize {
        size_of::<T>()
    }
}

// SAFETY: head and elements are described by their own layouts at the offsets of the struct.
unsafe impl<E: Trace, H: Trace> Object for Array<E, H> {
    fn layout() -> ObjectLayout {
        let head = TypeLayout::leaf::<Array<E, H>>().with_field(std::mem::offset_of!(Array<E, H>, header), H::LAYOUT);
        let name = if TypeId::of::<H>() == TypeId::of::<()>() { E::ARRAY_NAME } else { H::NAME };
        ObjectLayout { element: Some(E::LAYOUT), ..ObjectLayout::fixed(name, head) }
    }

    #[inline(always)]
    fn extent(&self) -> usize {
        size_of::<Array<E, H>>() + self.len() * size_of::<E>()
    }
}

macro_rules! leaves {
    ($($leaf:ty),*) => {$(
        // SAFETY: a plain number (or bool): no references, no destructor, zero is a value.
        unsafe impl Trace for $leaf {
            const NAME: &'static str = stringify!($leaf);
            const ARRAY_NAME: &'static str = concat!("[", stringify!($leaf), "]");
            const LAYOUT: TypeLayout = TypeLayout::leaf::<$leaf>();
            const ZERO_IS_VALID: bool = true;
        }
    )*};
}

leaves!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, bool, ());

// SAFETY: elements in a row.
unsafe impl<T: Trace, const N: usize> Trace for [T; N] {
    const NAME: &'static str = T::ARRAY_NAME;
    const ARRAY_NAME: &'static str = T::ARRAY_NAME;
    const LAYOUT: TypeLayout = T::LAYOUT.repeated(N);
    const ZERO_IS_VALID: bool = T::ZERO_IS_VALID;
}
