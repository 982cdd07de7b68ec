//! A system that lets somebody use the heap while the heap waits for it.
//!
//! *Callers:* `ahead`, `release`. *Invariants:* before it knows its heap it is just the system.

use super::*;
use spanheap_memory::{Access, Mapping, Os, System};
use std::ptr::NonNull;
use std::sync::{OnceLock, Weak};

/// What is done meanwhile: with the heap, and with the address that the system is asked for.
pub(super) type Meanwhile = dyn Fn(&PageHeap, &ArenaIndex, usize) + Send + Sync;

/// When.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum During {
    Discard,
    Populate,
}

#[derive(Clone)]
pub(super) struct Busy {
    heap: Arc<OnceLock<(Weak<PageHeap>, ArenaIndex)>>,
    during: During,
    meanwhile: Arc<Meanwhile>,
}

impl Busy {
    /// A heap on such a system, which does not know it yet, and the system to introduce it to.
    pub(super) fn heap(
        during: During,
        meanwhile: impl Fn(&PageHeap, &ArenaIndex, usize) + Send + Sync + 'static,
    ) -> (Arc<PageHeap>, Busy) {
        let os = Busy { heap: Arc::default(), during, meanwhile: Arc::new(meanwhile) };
        let memory = Arc::new(Memory::with_os(Box::new(os.clone())));
        (Arc::new(PageHeap::new(memory, PageOptions::default())), os)
    }

    /// From now on the heap is used. Returns its index.
    pub(super) fn meet(&self, heap: &Arc<PageHeap>, index: ArenaIndex) -> &ArenaIndex {
        assert!(self.heap.set((Arc::downgrade(heap), index)).is_ok());
        self.index()
    }

    /// The index of the heap that it knows.
    pub(super) fn index(&self) -> &ArenaIndex {
        &self.heap.get().expect("it knows its heap").1
    }

    fn work(&self, during: During, start: NonNull<u8>) {
        if let (true, Some((heap, index))) = (during == self.during, self.heap.get()) {
            (self.meanwhile)(&heap.upgrade().unwrap(), index, start.as_ptr() as usize);
        }
    }
}

// SAFETY: every call is passed on to the system.
unsafe impl Os for Busy {
    fn page_size(&self) -> usize {
        System::new().page_size()
    }
    fn reserve(&self, len: usize) -> std::io::Result<Mapping> {
        System::new().reserve(len)
    }
    fn reserve_at(&self, address: usize, len: usize) -> std::io::Result<Option<Mapping>> {
        System::new().reserve_at(address, len)
    }
    fn alloc(&self, len: usize) -> std::io::Result<Mapping> {
        System::new().alloc(len)
    }
    unsafe fn protect(&self, start: NonNull<u8>, len: usize, access: Access) -> std::io::Result<()> {
        // SAFETY: the caller's promises are those that the real system asks for.
        unsafe { System::new().protect(start, len, access) }
    }
    unsafe fn discard(&self, start: NonNull<u8>, len: usize) -> std::io::Result<()> {
        self.work(During::Discard, start);
        // SAFETY: as for `protect`.
        unsafe { System::new().discard(start, len) }
    }
    unsafe fn prefer_huge(&self, start: NonNull<u8>, len: usize) -> std::io::Result<()> {
        // SAFETY: as for `protect`.
        unsafe { System::new().prefer_huge(start, len) }
    }
    unsafe fn populate(&self, start: NonNull<u8>, len: usize) -> std::io::Result<()> {
        self.work(During::Populate, start);
        // SAFETY: as for `protect`.
        unsafe { System::new().populate(start, len) }
    }
    fn resident(&self, start: NonNull<u8>, len: usize) -> std::io::Result<usize> {
        System::new().resident(start, len)
    }
}
