//! `Mutator`: one thread's access to a heap. Every allocation, every store, every safepoint goes through it.
//!
//! *Callers:* users, inside [`Heap::attach`]. *Invariants:* methods that take `&self` never run a handshake, so that every
//! [`Gc`] borrowed from the mutator stays good; methods that take `&mut self` may, and no `Gc` survives them: the
//! borrow checker sees to both.

use crate::array::{Array, Bytes, Check};
use crate::heap::{Heap, HeapShared};
use crate::reference::{Brand, Gc};
use crate::root::Root;
use crate::slot::{Ambiguous, Pair, PairFamily, Slot, Tagged};
use crate::stack::Stack;
use crate::stats::CycleReport;
use crate::trace::{Object, Trace};
use spanheap_allocator::{AllocError, CursorRef, LayoutCursors, LayoutError, LayoutId, SizeClassId};
use spanheap_collector::{BarrierMode, Charging, Collector, Local, MutatorRecord};
use spanheap_collector::{REMIND_COLLECT, REMIND_THROTTLE};
use spanheap_sync::Arc;
use spanheap_sync::word::{AtomicUsize, Ordering};
use std::any::TypeId;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Duration;

/// Entries of the table that finds a type's cursors without a lock.
const KNOWN_TYPES: usize = 64;

/// A type, and the cursors of its layout in the mutator's cache.
type Known = (TypeId, NonNull<LayoutCursors>);

/// One thread's access to the heap of brand `'h`.
///
/// A thread that is attached must reach a [safepoint](Mutator::safepoint) now and then, or be in a
/// [native region](Mutator::native): a cycle waits for it otherwise.
pub struct Mutator<'h> {
    record: Arc<MutatorRecord>,
    heap: Arc<HeapShared>,
    /// The cursors of types seen lately, by a hash of the type.
    known: [Cell<Option<Known>>; KNOWN_TYPES],
    /// Open handle scopes.
    pub(crate) scopes: Cell<usize>,
    brand: Brand<'h>,
    /// Handshakes reach this mutator by its thread: it must stay there.
    not_send: PhantomData<*mut ()>,
}

/// Where objects of type `T` are allocated; ask [`Mutator::class`] once and keep it.
///
/// It leads straight to the place in the mutator's cache from which slots are taken: a class is good for the mutator that
/// gave it, which its brand says.
pub struct Class<'h, T> {
    cursor: CursorRef,
    layout: LayoutId,
    brand: Brand<'h>,
    target: PhantomData<fn() -> T>,
}

/// Where arrays of `E` with header `H` are allocated; ask [`Mutator::array_class`] once and keep it.
pub struct ArrayClass<'h, E, H = ()> {
    cursors: NonNull<LayoutCursors>,
    brand: Brand<'h>,
    target: PhantomData<fn() -> Array<E, H>>,
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
struct Fits<T>(PhantomData<T>);

impl<T: Trace> Fits<T> {
    const SLOT: usize = {
        assert!(align_of::<T>() <= 16, "objects are aligned to 16 bytes");
        match SizeClassId::of(if size_of::<T>() == 0 { 1 } else { size_of::<T>() }) {
            Some(class) => class.get().size as usize,
            None => panic!("a type above 32 KiB can not be an object: use an array"),
        }
    };
    const CLASS: SizeClassId = match SizeClassId::of(Self::SLOT) {
        Some(class) => class,
        None => unreachable!(),
    };
}

impl<'h> Mutator<'h> {
    pub(crate) fn attach(heap: &Heap) -> Mutator<'h> {
        Mutator {
            record: heap.shared.collector.attach(),
            heap: Arc::clone(&heap.shared),
            known: [const { Cell::new(None) }; KNOWN_TYPES],
            scopes: Cell::new(0),
            brand: PhantomData,
            not_send: PhantomData,
        }
    }

    /// The heap.
    pub fn heap(&self) -> Heap {
        Heap { shared: Arc::clone(&self.heap) }
    }

    #[inline(always)]
    pub(crate) fn collector(&self) -> &Arc<Collector> {
        &self.heap.collector
    }

    #[inline(always)]
    pub(crate) fn local(&self) -> &Local {
        // SAFETY: a Mutator stays on its thread and is running, except inside `native`, which has it borrowed.
        unsafe { self.record.local() }
    }

    #[inline(always)]
    pub(crate) fn charging(&self) -> Charging<'_> {
        Charging { collector: &self.heap.collector, record: &self.record }
    }

    // ---- classes --------------------------------------------------------------------------------------------

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
    fn cursor(&self, cursors: &LayoutCursors, size: SizeClassId) -> Result<CursorRef, LayoutError> {
        match cursors.get(size) {
            Some(cursor) => Ok(cursor),
            None => self.local().cache.cursor_for(&self.collector().allocator, cursors, size),
        }
    }

    pub(crate) fn layout_of<T: Object>(&self) -> Result<LayoutId, LayoutError> {
        self.heap.types.layout::<T>(&self.collector().allocator.classes)
    }

    // ---- allocation -----------------------------------------------------------------------------------------

    /// Allocates an object. Looks the class up by type; [`Mutator::alloc_in`] is faster still.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`]. Allocation never collects: on an error, drop to a point
    /// without references, [`collect`](Mutator::collect), and try again.
    #[inline]
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
    pub fn alloc_in<'m, T: Trace>(&'m self, class: Class<'h, T>, value: T) -> Result<Gc<'m, 'h, T>, AllocError> {
        if T::LAYOUT.rare { self.alloc_rare(class.layout, value) } else { self.alloc_at(class.cursor, value) }
    }

    #[inline(always)]
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
    fn alloc_slow(&self, cursor: CursorRef) -> Result<usize, AllocError> {
        let (allocator, charging) = (&self.collector().allocator, self.charging());
        // SAFETY: the cursor is of this mutator's cache.
        unsafe { self.local().cache.alloc_slow(allocator, &charging, cursor) }
    }

    #[cold]
    fn alloc_rare<'m, T: Trace>(&'m self, layout: LayoutId, value: T) -> Result<Gc<'m, 'h, T>, AllocError> {
        let (allocator, charging) = (&self.collector().allocator, self.charging());
        let addr = self.local().cache.alloc_mixed(allocator, &charging, layout, Fits::<T>::SLOT)?;
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
    pub fn alloc_bytes<'m>(&'m self, bytes: &[u8]) -> Result<Gc<'m, 'h, Bytes>, AllocError> {
        self.alloc_array_with(self.try_array_class()?, (), bytes.len(), |elements| elements.copy_from_slice(bytes))
    }

    /// Zeroed memory for an array.
    #[inline]
    fn array_memory<E: Trace, H: Trace>(&self, class: ArrayClass<'h, E, H>, len: usize) -> Result<usize, AllocError> {
        let elements = len.checked_mul(size_of::<E>());
        let bytes = elements.and_then(|bytes| bytes.checked_add(size_of::<Array<E, H>>()));
        let bytes = bytes.ok_or(AllocError::TooLarge { requested: usize::MAX })?;
        // SAFETY: the brand says that the class is of this mutator, whose cache lives as long as it does.
        self.zeroed(unsafe { class.cursors.as_ref() }, bytes)
    }

    /// Zeroed memory for an object of a layout that is not rare.
    pub(crate) fn memory(&self, layout: LayoutId, bytes: usize) -> Result<usize, AllocError> {
        self.zeroed(self.local().cache.layout(layout), bytes)
    }

    /// Zeroed memory for an object of a layout that is not rare.
    #[inline]
    pub(crate) fn zeroed(&self, cursors: &LayoutCursors, bytes: usize) -> Result<usize, AllocError> {
        let Some(size) = SizeClassId::of(bytes) else { return self.large(cursors.layout(), bytes) };
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
    fn large(&self, layout: LayoutId, bytes: usize) -> Result<usize, AllocError> {
        self.local().cache.alloc_large(&self.collector().allocator, &self.charging(), layout, bytes)
    }

    /// # Safety
    /// `addr` is fresh memory for an array of `len` elements, which are initialised.
    #[inline(always)]
    unsafe fn place_array<'m, E, H>(&'m self, addr: usize, header: H, len: usize) -> Gc<'m, 'h, Array<E, H>> {
        let array = addr as *mut Array<E, H>;
        // SAFETY: fresh memory for the array's fixed part.
        unsafe { (&raw mut (*array).len).write(len) };
        // SAFETY: as above.
        unsafe { (&raw mut (*array).header).write(header) };
        // SAFETY: initialised just now; no collection frees it before this mutator's next safepoint.
        unsafe { Gc::from_addr(addr) }
    }

    // ---- stores ---------------------------------------------------------------------------------------------

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
        let barrier = &self.local().barrier;
        if barrier.is_on() {
            barrier.before_store(word.load(Ordering::Relaxed), new, &self.collector().grey);
        }
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
        pair.store(new);
    }

    #[cold]
    #[inline(never)]
    fn before_pair_store<F: PairFamily>(&self, pair: &Pair<F>, (tag, payload): (usize, usize)) {
        let (old_tag, old) = pair.words();
        if old_tag >= F::FIRST_REFERENCE_TAG {
            self.shade_word(old);
        }
        if tag >= F::FIRST_REFERENCE_TAG && self.local().barrier.mode() == BarrierMode::Both {
            self.local().barrier.shade(payload, &self.collector().grey);
        }
    }

    /// Logs the object that a word stands for, if it is one: two mutators may tear a pair, so the word is checked.
    fn shade_word(&self, word: usize) {
        let collector = self.collector();
        if let Some(found) = collector.allocator.resolve(word) {
            self.local().barrier.shade(found.base, &collector.grey);
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
            self.shade_word(slot.get());
            if self.local().barrier.mode() == BarrierMode::Both {
                self.shade_word(word);
            }
        }
        slot.word().store(word, Ordering::Release);
    }

    // ---- roots ----------------------------------------------------------------------------------------------

    /// A handle that keeps an object alive until it is dropped.
    pub fn root<T>(&self, object: Gc<'_, 'h, T>) -> Root<T> {
        let barrier = &self.local().barrier;
        if barrier.is_on() {
            barrier.before_store(0, object.addr(), &self.collector().grey);
        }
        Root::new(self.collector(), object.addr())
    }

    // ---- safepoints -----------------------------------------------------------------------------------------

    /// Whether someone waits for this mutator's safepoint: one load.
    #[inline(always)]
    pub fn poll(&self) -> bool {
        self.record.handshake.poll()
    }

    /// Number of cycles begun.
    pub fn cycle_number(&self) -> u64 {
        self.collector().cycle_number()
    }

    /// A point at which this thread holds no references but rooted ones. Costs one load unless someone waits.
    #[inline(always)]
    pub fn safepoint(&mut self) {
        if self.poll() {
            self.answer();
        }
    }

    #[cold]
    fn answer(&mut self) {
        let reminders = self.collector().safepoint(&self.record);
        if reminders & REMIND_COLLECT != 0 {
            self.collect();
        } else if reminders & REMIND_THROTTLE != 0 {
            let collector = Arc::clone(self.collector());
            self.native(|| collector.await_running_cycle());
        }
    }

    /// Runs a whole collection that begins now, and waits for it: what this thread does not hold rooted, and nothing else
    /// holds, is dead afterwards.
    pub fn collect(&mut self) -> CycleReport {
        let collector = Arc::clone(self.collector());
        let report = self.native(|| collector.collect());
        CycleReport::new(report, Arc::clone(&self.heap))
    }

    /// Asks for a cycle if none runs and gives it up to a millisecond. True if a cycle was completed meanwhile.
    pub fn step(&mut self) -> bool {
        let collector = Arc::clone(self.collector());
        self.native(|| collector.progress(Duration::from_millis(1)))
    }

    /// Runs code that does not touch the heap and may take long: reading a file, sleeping, waiting for another thread.
    /// The collector acts for this mutator meanwhile.
    pub fn native<R>(&mut self, work: impl FnOnce() -> R) -> R {
        struct Leave<'a>(&'a MutatorRecord);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.handshake.leave_native();
            }
        }
        let result = {
            self.record.handshake.enter_native();
            let _leave = Leave(&self.record);
            work()
        };
        if self.poll() {
            let reminders = self.collector().safepoint(&self.record);
            // A wish to collect, or to wait, is kept for the next safepoint: this one may stand inside it.
            if reminders != 0 {
                self.record.handshake.remind(reminders);
            }
        }
        result
    }
}

impl Drop for Mutator<'_> {
    fn drop(&mut self) {
        self.heap.collector.detach(&self.record);
    }
}

/// A slot that a closure picked must lie in the object that it was picked from. With a field of the object's own type the
/// test is decided when the program is compiled.
#[inline(always)]
fn inside<T: Object, S>(owner: Gc<'_, '_, T>, slot: &S) {
    let offset = (std::ptr::from_ref(slot) as usize).wrapping_sub(owner.addr());
    assert!(offset < owner.as_ref().extent(), "the slot does not lie in the object that is written");
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
