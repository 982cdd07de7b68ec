//! What a mutator does with stacks: make one, run on one, grow, shrink, empty it.
//!
//! *Callers:* VMs that keep their registers in a [`Stack`]. *Invariants:* none of these methods reaches a safepoint, so
//! that slots read before stay readable after (`[stack.retired]`).

use crate::error::{StackError, StackOverflow};
use crate::mutator::Mutator;
use crate::reference::Gc;
use crate::slot::Ambiguous;
use crate::stack::{AmbiguousWords, Stack, StackKind};
use spanheap_allocator::{AllocError, Reclaim, SizeClassId};

impl<'h> Mutator<'h> {
    /// Allocates a VM stack of at least `slots` nil slots, suspended, with top 0.
    ///
    /// It has as many slots as fit the heap's initial stack size
    /// ([`HeapBuilder::initial_stack`](crate::HeapBuilder::initial_stack)), or the next power of two of bytes that holds
    /// `slots`.
    ///
    /// # Errors
    /// [`StackError::Overflow`] if a stack can not be that large, [`StackError::Alloc`] if memory is short.
    pub fn alloc_stack<'m, K: StackKind>(&'m self, slots: usize) -> Result<Gc<'m, 'h, Stack<K>>, StackError> {
        let bytes = self.stack_bytes::<K>(slots, self.collector().initial_stack())?;
        let cursors = self.cursors_of::<Stack<K>>().map_err(AllocError::from)?;
        let addr = self.zeroed(cursors, size_of::<Stack<K>>(), SizeClassId::of(size_of::<Stack<K>>()))?;
        // SAFETY: fresh zeroed memory for the stack; zero words are valid atomics and mean a stack without a block.
        let stack: Gc<'m, 'h, Stack<K>> = unsafe { Gc::from_addr(addr) };
        stack.header.begin(self.collector().allocator.stack_block(bytes)?);
        self.charging().charge(bytes);
        Ok(stack)
    }

    /// The size of a block for `slots` slots, which is `least` bytes if that is enough and allowed.
    fn stack_bytes<K: StackKind>(&self, slots: usize, least: usize) -> Result<usize, StackOverflow> {
        let limit = self.collector().options().stack_limit;
        let requested = slots.saturating_mul(Stack::<K>::SLOT_BYTES);
        if requested > limit {
            return Err(StackOverflow { requested, limit });
        }
        // The limit is a power of two.
        Ok(requested.max(least.min(limit)).next_power_of_two())
    }

    /// Stops running on the present stack, if there is one, and runs on `to`: its slots may be written like registers.
    ///
    /// # Panics
    /// If another mutator runs on `to`.
    pub fn switch_stack<K: StackKind>(&self, to: Option<Gc<'_, 'h, Stack<K>>>) {
        let addr = to.map_or(0, Gc::addr);
        // SAFETY: this is the mutator's thread; a Gc is a live stack of this heap.
        unsafe { self.local().switch_stack(addr, K::SCAN, self.collector()) };
    }

    /// Promises that the first `slots` slots of the stack that this mutator runs on do not change until the mark is lowered
    /// again, but by stores with a barrier: those of the frames below the innermost ones. A collection then need not look
    /// at them while this mutator waits: the work of a handshake is bounded by what lies above the mark, however deep
    /// the stack. Half a thousand frozen slots or fewer make no difference.
    ///
    /// Lower the mark before a slot below it is written, and before the top falls below it. That costs a store, and while
    /// a collection marks, a copy of what is thawed: do it some frames at a time, where a return finds that its frame is
    /// frozen ([`Stack::frozen`]).
    ///
    /// # Panics
    /// If this mutator does not run on the stack; if the mark is raised above the top.
    #[inline]
    pub fn set_frozen<K: StackKind>(&self, stack: Gc<'_, 'h, Stack<K>>, slots: usize) {
        // SAFETY: this is the mutator's thread; a Gc is a live stack of this heap.
        unsafe { self.local().set_frozen(stack.addr(), K::SCAN, slots, self.collector()) };
    }

    /// Makes room for at least `slots` slots in the stack that this mutator runs on, or in a suspended one: the slots
    /// move to a block at least twice as large, unless there is room already. New slots are nil.
    ///
    /// `relocate` is told the addresses of the first slot before and after, so that the host can correct its own pointers
    /// into the stack; the old slots are still readable then, and hold what the new ones hold. A stack that had no slots has
    /// no such pointers, and `relocate` is not called for it.
    ///
    /// # Errors
    /// [`StackError::Overflow`] if the heap's stack limit does not allow that many slots, [`StackError::Alloc`] if memory
    /// is short. The stack is as it was.
    ///
    /// # Panics
    /// If another mutator runs on the stack.
    pub fn grow_stack<K: StackKind>(
        &self,
        stack: Gc<'_, 'h, Stack<K>>,
        slots: usize,
        relocate: impl FnOnce(*const K::Slot, *const K::Slot),
    ) -> Result<(), StackError> {
        let size = |bytes: usize, _| {
            let room = bytes / Stack::<K>::SLOT_BYTES >= slots;
            let least = (2 * bytes).max(self.collector().options().initial_stack);
            Ok(if room { None } else { Some(self.stack_bytes::<K>(slots, least)?) })
        };
        self.move_stack(stack, size, relocate).map(|_| ())
    }

    /// Moves a stack that uses less than a quarter of its slots into a smaller block: of twice what it uses, of at least
    /// `keep` slots, and of no less than the heap's initial stack size. Slots from the new length on are gone; they lie
    /// above the top. True if the slots have moved; memory that is too short for the smaller block is no error.
    ///
    /// `relocate` is as in [`Mutator::grow_stack`]. Ask [`Stack::wants_to_shrink`] first: it says so at most once per
    /// collection, so that a stack does not shrink and grow in turns.
    ///
    /// # Panics
    /// If another mutator runs on the stack.
    pub fn shrink_stack<K: StackKind>(
        &self,
        stack: Gc<'_, 'h, Stack<K>>,
        keep: usize,
        relocate: impl FnOnce(*const K::Slot, *const K::Slot),
    ) -> bool {
        let size = |bytes: usize, used: usize| {
            let keep = keep.saturating_mul(Stack::<K>::SLOT_BYTES).min(bytes);
            let least = (2 * used).max(keep).max(self.collector().options().initial_stack).next_power_of_two();
            Ok::<_, AllocError>((used < bytes / 4 && least < bytes).then_some(least))
        };
        matches!(self.move_stack(stack, size, relocate), Ok(true))
    }

    fn move_stack<K: StackKind, E: From<AllocError>>(
        &self,
        stack: Gc<'_, 'h, Stack<K>>,
        size: impl FnOnce(usize, usize) -> Result<Option<usize>, E>,
        relocate: impl FnOnce(*const K::Slot, *const K::Slot),
    ) -> Result<bool, E> {
        let relocate = |old: usize, new: usize| relocate(old as *const K::Slot, new as *const K::Slot);
        let (local, collector) = (self.local(), self.collector());
        // SAFETY: this is the mutator's thread; a Gc is a live stack of this heap.
        let moved = unsafe { local.move_stack(stack.addr(), K::SCAN, collector, size, relocate) }?;
        if let Some(bytes) = moved {
            self.charging().charge(bytes);
        }
        Ok(moved.is_some())
    }

    /// Gives a stack's slots back before the stack dies: its length is 0 afterwards, until it is grown.
    ///
    /// # Panics
    /// If another mutator runs on the stack.
    pub fn free_stack<K: StackKind>(&self, stack: Gc<'_, 'h, Stack<K>>) {
        // SAFETY: this is the mutator's thread; a Gc is a live stack of this heap.
        unsafe { self.local().empty_stack(stack.addr(), K::SCAN, self.collector()) };
    }

    /// Stores any word into a slot of a stack of ambiguous words, running or not.
    ///
    /// # Panics
    /// If `index` is not less than the stack's length.
    pub fn set_stack_word(&self, stack: Gc<'_, 'h, Stack<AmbiguousWords>>, index: usize, word: usize) {
        self.store_ambiguous(&stack.as_ref().slots()[index], word);
    }
}

impl Ambiguous {
    /// Stores without a barrier: for the registers of a VM.
    ///
    /// # Safety
    /// 1. The word lies in the calling mutator's running stack, or in a stack that it allocated since its last safepoint
    ///    and has not switched away from, and not among its frozen slots.
    #[inline(always)]
    pub unsafe fn store_running(&self, word: usize) {
        self.word().store(word, spanheap_sync::word::Ordering::Release);
    }
}
