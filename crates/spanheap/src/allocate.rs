//! Allocation: a slot from the cursor of a class, and a value moved into it.
//!
//! *Callers:* users, through [`Mutator`]. *Invariants:* allocation never runs a handshake, and never collects; an object
//! is known to nobody else before it is initialised.

use crate::array::{Array, Bytes, Check};
use crate::class::{ArrayClass, Class, Fits};
use crate::mutator::Mutator;
use crate::reference::Gc;
use crate::trace::Trace;
use spanheap_allocator::{AllocError, CursorRef, LayoutCursors, LayoutId, SizeClassId, WORD};
use spanheap_sync::word::AtomicUsize;

impl<'h> Mutator<'h> {
    /// Allocates an object. Looks the class up by type; [`Mutator::alloc_in`] is faster still.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`]. Allocation never collects: on an error, drop to a point
    /// without references, [`collect`](Mutator::collect), and try again.
    #[inline]
    #[track_caller]
    pub fn alloc<'m, T: Trace>(&'m self, value: T) -> Result<Gc<'m, 'h, T>, AllocError> {
        if T::LAYOUT.rare {
            return self.alloc_rare(self.layout_of::<T>()?, value);
        }
        let cursor = self.cursor(self.cursors_of::<T>()?, Fits::<T>::CLASS)?;
        self.alloc_at(cursor, value)
    }

    /// Allocates an object in its class: the fast path of allocation.
    ///
    /// # Errors
    /// As [`Mutator::alloc`].
    #[inline(always)]
    #[track_caller]
    pub fn alloc_in<'m, T: Trace>(&'m self, class: Class<'h, T>, value: T) -> Result<Gc<'m, 'h, T>, AllocError> {
        if T::LAYOUT.rare { self.alloc_rare(class.layout, value) } else { self.alloc_at(class.cursor, value) }
    }

    #[inline(always)]
    #[track_caller]
    fn alloc_at<'m, T: Trace>(&'m self, cursor: CursorRef, value: T) -> Result<Gc<'m, 'h, T>, AllocError> {
        // SAFETY: the cursor is of this mutator's cache, and for T's size.
        let addr = match unsafe { cursor.bump(Fits::<T>::SLOT) } {
            Some(addr) => addr,
            None => self.alloc_slow(cursor)?,
        };
        // SAFETY: a fresh slot of T's class.
        Ok(unsafe { self.place(addr, value) })
    }

    /// A slot from a cursor whose run is used up.
    #[inline(never)]
    #[track_caller]
    fn alloc_slow(&self, cursor: CursorRef) -> Result<usize, AllocError> {
        let (allocator, charging) = (&self.collector().allocator, self.charging());
        // SAFETY: the cursor is of this mutator's cache.
        unsafe { self.local().cache.alloc_slow(allocator, &charging, cursor) }
    }

    #[cold]
    #[track_caller]
    fn alloc_rare<'m, T: Trace>(&'m self, layout: LayoutId, value: T) -> Result<Gc<'m, 'h, T>, AllocError> {
        let (allocator, charging) = (&self.collector().allocator, self.charging());
        let addr = self.local().cache.alloc_mixed(allocator, &charging, layout, Fits::<T>::CLASS)?;
        // SAFETY: a fresh slot of T's size class.
        Ok(unsafe { self.place(addr, value) })
    }

    /// # Safety
    /// `addr` is a fresh slot that holds at least a `T`.
    #[inline(always)]
    unsafe fn place<'m, T>(&'m self, addr: usize, value: T) -> Gc<'m, 'h, T> {
        // SAFETY: the slot is this mutator's; the marker does not look into it before it is published.
        unsafe { (addr as *mut T).write(value) };
        // SAFETY: initialised just now; no collection frees it before this mutator's next safepoint.
        unsafe { Gc::from_addr(addr) }
    }

    /// Allocates an array of `len` elements, all zero: null slots, nil pairs, zeros.
    ///
    /// # Errors
    /// As [`Mutator::alloc`], and [`AllocError::TooLarge`].
    #[inline]
    #[track_caller]
    pub fn alloc_array<'m, E: Trace, H: Trace>(
        &'m self,
        class: ArrayClass<'h, E, H>,
        header: H,
        len: usize,
    ) -> Result<Gc<'m, 'h, Array<E, H>>, AllocError> {
        let addr = self.array_memory(class, len)?;
        // SAFETY: fresh zeroed memory for just this array.
        Ok(unsafe { self.place_array(addr, header, len) })
    }

    /// Allocates an array of plain elements, which `fill` writes before anyone else sees them. They start as zeros and do
    /// not change afterwards.
    ///
    /// # Errors
    /// As [`Mutator::alloc_array`].
    #[inline]
    #[track_caller]
    pub fn alloc_array_with<'m, E: Trace + Copy, H: Trace>(
        &'m self,
        class: ArrayClass<'h, E, H>,
        header: H,
        len: usize,
        fill: impl FnOnce(&mut [E]),
    ) -> Result<Gc<'m, 'h, Array<E, H>>, AllocError> {
        const { Check::<E, H>::LEAF };
        let addr = self.array_memory(class, len)?;
        let first = (addr + std::mem::offset_of!(Array<E, H>, elements)) as *mut E;
        // SAFETY: fresh memory for `len` elements, all zero, which is a value of E; nobody else knows it.
        fill(unsafe { std::slice::from_raw_parts_mut(first, len) });
        // SAFETY: as above; the elements are initialised.
        Ok(unsafe { self.place_array(addr, header, len) })
    }

    /// Allocates a byte string.
    ///
    /// # Errors
    /// As [`Mutator::alloc_array`].
    #[track_caller]
    pub fn alloc_bytes<'m>(&'m self, bytes: &[u8]) -> Result<Gc<'m, 'h, Bytes>, AllocError> {
        self.alloc_array_with(self.try_array_class()?, (), bytes.len(), |elements| elements.copy_from_slice(bytes))
    }

    /// Makes an array at least `len` elements long, where it stands: within its slot, or, above 32 KiB, by the free pages
    /// behind it. New elements are zero. False if there is no room, and nothing has changed.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`], [`AllocError::TooLarge`]. Nothing has changed then.
    pub fn grow_array<E: Trace, H: Trace>(
        &self,
        array: Gc<'_, 'h, Array<E, H>>,
        len: usize,
    ) -> Result<bool, AllocError> {
        self.extend(array, |_| len, |_, _| {})
    }

    /// Writes plain elements behind those that an array has, where it stands, as [`Mutator::grow_array`]. False if there
    /// is no room, and nothing has changed.
    ///
    /// # Errors
    /// As [`Mutator::grow_array`].
    pub fn append<E: Trace + Copy, H: Trace>(
        &self,
        array: Gc<'_, 'h, Array<E, H>>,
        more: &[E],
    ) -> Result<bool, AllocError> {
        const { Check::<E, H>::LEAF };
        let first = array.addr() + std::mem::offset_of!(Array<E, H>, elements);
        self.extend(
            array,
            |old| old.saturating_add(more.len()),
            |old, _| {
                // SAFETY: room for `more` behind `old` elements was made, and nobody looks at it before the length says so.
                unsafe { std::ptr::copy_nonoverlapping(more.as_ptr(), (first as *mut E).add(old), more.len()) };
            },
        )
    }

    fn extend<E: Trace, H: Trace>(
        &self,
        array: Gc<'_, 'h, Array<E, H>>,
        wanted: impl FnOnce(usize) -> usize,
        fill: impl FnOnce(usize, usize),
    ) -> Result<bool, AllocError> {
        let (cache, allocator) = (&self.local().cache, &self.collector().allocator);
        let room = |len| {
            let bytes = array_bytes::<E, H>(len)?;
            // SAFETY: whoever has the reference keeps the object until its next safepoint; `grow` calls this under its lock.
            unsafe { cache.make_room(allocator, array.addr(), bytes) }
        };
        let grown = allocator.growth.grow(&array.as_ref().len, wanted, room, fill)?;
        cache.settle(&self.charging());
        Ok(grown)
    }

    /// Zeroed memory for an array.
    #[inline]
    #[track_caller]
    fn array_memory<E: Trace, H: Trace>(&self, class: ArrayClass<'h, E, H>, len: usize) -> Result<usize, AllocError> {
        let bytes = array_bytes::<E, H>(len)?;
        let align = align_of::<Array<E, H>>();
        let size = if align > WORD { SizeClassId::fitting(bytes, align, false) } else { SizeClassId::of(bytes) };
        // SAFETY: the brand says that the class is of this mutator, whose cache lives as long as it does.
        self.zeroed(unsafe { class.cursors.as_ref() }, bytes, size)
    }

    /// Zeroed memory for an object of a layout that is not rare, in a slot of a size class; `None` is for objects above
    /// 32 KiB.
    #[inline]
    #[track_caller]
    pub(crate) fn zeroed(
        &self,
        cursors: &LayoutCursors,
        bytes: usize,
        size: Option<SizeClassId>,
    ) -> Result<usize, AllocError> {
        let Some(size) = size else { return self.large(cursors.layout(), bytes) };
        let cursor = self.cursor(cursors, size)?;
        // SAFETY: the cursor is of this mutator's cache.
        let slot = unsafe { cursor.slot_size() };
        // SAFETY: as above, and the size is the cursor's.
        let addr = match unsafe { cursor.bump(slot) } {
            Some(addr) => addr,
            None => self.alloc_slow(cursor)?,
        };
        // SAFETY: a fresh slot of this many bytes.
        unsafe { std::ptr::write_bytes(addr as *mut u8, 0, slot) };
        Ok(addr)
    }

    /// Zeroed memory for an object above 32 KiB.
    #[cold]
    #[track_caller]
    fn large(&self, layout: LayoutId, bytes: usize) -> Result<usize, AllocError> {
        self.local().cache.alloc_large(&self.collector().allocator, &self.charging(), layout, bytes)
    }

    /// # Safety
    /// `addr` is fresh memory for an array of `len` elements, which are initialised.
    #[inline(always)]
    unsafe fn place_array<'m, E, H>(&'m self, addr: usize, header: H, len: usize) -> Gc<'m, 'h, Array<E, H>> {
        let array = addr as *mut Array<E, H>;
        // SAFETY: fresh memory for the array's fixed part.
        unsafe { (&raw mut (*array).len).write(AtomicUsize::new(len)) };
        // SAFETY: as above.
        unsafe { (&raw mut (*array).header).write(header) };
        // SAFETY: initialised just now; no collection frees it before this mutator's next safepoint.
        unsafe { Gc::from_addr(addr) }
    }
}

/// Bytes of an array of `len` elements.
#[inline(always)]
fn array_bytes<E, H>(len: usize) -> Result<usize, AllocError> {
    let elements = len.checked_mul(size_of::<E>());
    let bytes = elements.and_then(|bytes| bytes.checked_add(size_of::<Array<E, H>>()));
    bytes.ok_or(AllocError::TooLarge { requested: usize::MAX })
}
