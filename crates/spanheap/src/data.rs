//! `Data`: a mutable number in an object.
//!
//! *Callers:* users put it into their types. *Invariants:* reads and writes are relaxed atomics of the number's size, so
//! that threads that share the object do not race; on the usual machines they cost what plain ones do.

use crate::trace::Trace;
use spanheap_allocator::TypeLayout;
use spanheap_sync::word::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::fmt;

/// What only this crate can implement: [`Data`] trusts its numbers to hold no reference, to have no destructor, and to be valid
/// where all bytes are zero.
mod sealed {
    pub trait Sealed {}
}

/// A number that can be in a [`Data`]: `bool`, or a number of up to 64 bits. There are no others.
pub trait Scalar: sealed::Sealed + Copy + Send + Sync + 'static {
    #[doc(hidden)]
    type Atomic: Send + Sync;
    #[doc(hidden)]
    fn atomic(self) -> Self::Atomic;
    #[doc(hidden)]
    fn load(atomic: &Self::Atomic) -> Self;
    #[doc(hidden)]
    fn store(self, atomic: &Self::Atomic);
}

macro_rules! scalars {
    ($($number:ty as $atomic:ty: $to:expr, $from:expr;)*) => {$(
        impl sealed::Sealed for $number {}

        impl Scalar for $number {
            type Atomic = $atomic;

            #[inline(always)]
            fn atomic(self) -> $atomic {
                <$atomic>::new($to(self))
            }

            #[inline(always)]
            fn load(atomic: &$atomic) -> $number {
                $from(atomic.load(Ordering::Relaxed))
            }

            #[inline(always)]
            fn store(self, atomic: &$atomic) {
                atomic.store($to(self), Ordering::Relaxed);
            }
        }
    )*};
}

scalars! {
    u8 as AtomicU8: |n| n, |n| n;
    i8 as AtomicU8: |n| n as u8, |n| n as i8;
    bool as AtomicU8: |n| n as u8, |n| n != 0;
    u16 as AtomicU16: |n| n, |n| n;
    i16 as AtomicU16: |n| n as u16, |n| n as i16;
    u32 as AtomicU32: |n| n, |n| n;
    i32 as AtomicU32: |n| n as u32, |n| n as i32;
    f32 as AtomicU32: f32::to_bits, f32::from_bits;
    u64 as AtomicU64: |n| n, |n| n;
    i64 as AtomicU64: |n| n as u64, |n| n as i64;
    f64 as AtomicU64: f64::to_bits, f64::from_bits;
    usize as AtomicUsize: |n| n, |n| n;
    isize as AtomicUsize: |n| n as usize, |n| n as isize;
}

/// A mutable number in an object; no reference, and no order with other memory.
#[repr(transparent)]
pub struct Data<T: Scalar>(T::Atomic);

impl<T: Scalar> Data<T> {
    /// With this value.
    #[inline(always)]
    pub fn new(value: T) -> Data<T> {
        Data(value.atomic())
    }

    /// The value now.
    #[inline(always)]
    pub fn get(&self) -> T {
        T::load(&self.0)
    }

    /// Replaces the value.
    #[inline(always)]
    pub fn set(&self, value: T) {
        value.store(&self.0);
    }
}

impl<T: Scalar + fmt::Debug> fmt::Debug for Data<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

// SAFETY: a number; zero is one.
unsafe impl<T: Scalar> Trace for Data<T> {
    const NAME: &'static str = "Data";
    const ARRAY_NAME: &'static str = "[Data]";
    const LAYOUT: TypeLayout = TypeLayout::leaf::<Data<T>>();
    const ZERO_IS_VALID: bool = true;
}
