//! What generated code needs of a mutator: the addresses of the two values that it tests, and plain functions for the rare
//! case.
//!
//! *Callers:* JIT compilers, through [`Mutator::jit`]. *Invariants:* both values lie in the mutator's record, at the same
//! distance from each other in every mutator, and stay there until it detaches; they change at its safepoints only,
//! but for the poll's word, which others set. The functions know their mutator by an address that stays good as long
//! as it is attached, whatever the host does with the [`Mutator`] meanwhile.

use crate::mutator::{Mutator, answer};
use spanheap_collector::{BarrierMode, Collector, Local, MutatorRecord, Rule};
use spanheap_sync::Arc;
use std::ffi::c_void;
use std::mem::offset_of;

/// What the functions are given.
pub(crate) struct JitContext {
    record: Arc<MutatorRecord>,
    collector: Arc<Collector>,
}

/// A mutator as generated code sees it. [`Mutator::jit`] makes it.
///
/// A store of a reference to the slot of an object is, in generated code, a load of one byte, a test, and the store:
///
/// ```text
///     cmp   byte [barrier], 0
///     jne   slow                  ; before_store(mutator, slot, [slot], new); jmp store
///   store:
///     mov   [slot], new           ; with release order
/// ```
///
/// and a safepoint is `cmp dword [poll], 0; jne slow`, where `slow` calls `safepoint(mutator)`. Code that several mutators
/// run takes both addresses from a register: the distance from one to the other is the same in all of them
/// ([`JitView::poll_distance`]).
///
/// The functions follow the C calling convention of the platform and do not unwind: a panic in them ends the process. They are
/// unsafe to call. The rules, for the caller and for the stores of generated code:
///
/// - **J1** The thread is the one to which the mutator belongs, which is attached and not in a native region.
/// - **J2** A store of a reference into a word of kind `Reference` of an object of this heap, where the object was not
///   allocated since the last safepoint to be initialised now, is preceded by a test of the byte at `barrier`; if it is not 0,
///   `before_store` is called, where `slot` is the word's address, `old` what it holds, and `new` what is about to be
///   stored, each 0 for null or an object's address. Between the test and the store there is no safepoint. The store
///   has release order.
/// - **J3** For words of other kinds, and for slots of stacks but those of J4, that is `before_word_store`, where `old` and `new`
///   are any words: the payload of a pair, or 0 where its tag says that it is no reference; an ambiguous word; a tagged
///   word without its tag.
/// - **J4** The registers of a VM that lie in the stack that the mutator runs on, above its frozen slots, are stored
///   without a test.
/// - **J5** A safepoint is a test of the word at `poll` and, if it is not 0, a call of `safepoint`: after it what was not rooted is
///   gone (rule R1 of the raw layer). Before it registers that hold references are in the running stack, below its top,
///   or in something else that a collection sees. The test is a relaxed load.
/// - **J6** To the host's Rust code, a call of generated code that may reach a safepoint is one: no `Gc` is used after it that was
///   there before it. A function that enters generated code sees to that if it takes the [`Mutator`] by `&mut`.
///
/// The byte at `barrier` changes at safepoints only, so that code may keep what it has loaded until the next one.
///
/// ```
/// use spanheap::{Heap, JitView, Slot, Trace};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// #[derive(Trace)]
/// struct Node {
///     next: Slot<Node>,
/// }
///
/// /// What the code for `owner.next = new; safepoint` does.
/// unsafe extern "C" fn generated(view: &JitView, slot: *const AtomicUsize, new: usize) {
///     // SAFETY: the caller keeps J1, J2 and J5, and the view is that of its mutator.
///     unsafe {
///         if *view.barrier != JitView::OFF {
///             (view.before_store)(view.mutator, slot.cast(), (*slot).load(Ordering::Relaxed), new);
///         }
///         (*slot).store(new, Ordering::Release);
///         if (*view.poll.cast::<std::sync::atomic::AtomicU32>()).load(Ordering::Relaxed) != 0 {
///             (view.safepoint)(view.mutator);
///         }
///     }
/// }
///
/// let heap = Heap::new()?;
/// heap.attach(|cx| {
///     let owner = cx.alloc(Node { next: Slot::null() })?;
///     let next = cx.alloc(Node { next: Slot::null() })?;
///     let (root, slot) = (cx.root(owner), owner.addr() + std::mem::offset_of!(Node, next));
///     // SAFETY: J1, J2 and J5: this is the mutator's thread, the slot is the rooted node's, and what is stored is a node.
///     unsafe { generated(&cx.jit(), slot as *const AtomicUsize, next.addr()) };
///     assert!(root.get(cx).load(|node| &node.next).is_some());
///     Ok::<_, spanheap::AllocError>(())
/// })??;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct JitView {
    /// Offset 0: the first argument of the functions.
    pub mutator: *const c_void,
    /// Offset 8: address of the byte that says whether stores are logged: [`JitView::OFF`], [`JitView::BOTH`],
    /// [`JitView::DELETION`] or [`JitView::WATCH`].
    pub barrier: *const u8,
    /// Offset 16: address of the word that is not 0 when somebody waits for this mutator's safepoint. Read it as an atomic:
    /// other threads set it.
    pub poll: *const u32,
    /// Offset 24: the barrier of a store of a reference: (`mutator`, slot, old, new). Where debug assertions are on, it checks
    /// that the slot lies in an object and that old and new are objects.
    pub before_store: unsafe extern "C" fn(*const c_void, *const c_void, usize, usize),
    /// Offset 32: the barrier of a store of any word: (`mutator`, slot, old, new).
    pub before_word_store: unsafe extern "C" fn(*const c_void, *const c_void, usize, usize),
    /// Offset 40: does what waits for a safepoint: (`mutator`).
    pub safepoint: unsafe extern "C" fn(*const c_void),
}

const _: () = {
    assert!(offset_of!(JitView, mutator) == 0 && offset_of!(JitView, barrier) == 8 && offset_of!(JitView, poll) == 16);
    assert!(offset_of!(JitView, before_store) == 24 && offset_of!(JitView, before_word_store) == 32);
    assert!(offset_of!(JitView, safepoint) == 40 && size_of::<JitView>() == 48);
};

impl JitView {
    /// The byte at `barrier`: stores are just made.
    pub const OFF: u8 = BarrierMode::Off as u8;
    /// The byte at `barrier`: what is overwritten and what is stored is logged first.
    pub const BOTH: u8 = BarrierMode::Both as u8;
    /// The byte at `barrier`: what is overwritten is logged first.
    pub const DELETION: u8 = BarrierMode::Deletion as u8;
    /// The byte at `barrier`: nothing is logged, and the heap [watches its host](crate::HeapBuilder::check_host).
    pub const WATCH: u8 = BarrierMode::Watch as u8;

    /// Bytes from the address in `barrier` to that in `poll`: the same for every mutator of the program.
    pub fn poll_distance(&self) -> isize {
        (self.poll as isize).wrapping_sub(self.barrier as isize)
    }
}

impl Mutator<'_> {
    /// This mutator as generated code sees it. It is the same each time, and good until the mutator detaches.
    pub fn jit(&self) -> JitView {
        let new =
            || Arc::new(JitContext { record: Arc::clone(self.record()), collector: Arc::clone(self.collector()) });
        JitView {
            mutator: Arc::as_ptr(self.jit.get_or_init(new)).cast(),
            barrier: self.local().barrier.flag(),
            poll: self.record().handshake.word(),
            before_store,
            before_word_store,
            safepoint,
        }
    }
}

impl JitContext {
    /// # Safety
    /// 1. `mutator` comes from a [`JitView`] whose mutator is attached (J1).
    unsafe fn of<'a>(mutator: *const c_void) -> &'a JitContext {
        // SAFETY: by 1 the mutator, which is still there, owns it.
        unsafe { &*mutator.cast() }
    }

    /// # Safety
    /// 1. The thread is the mutator's, which is running (J1).
    unsafe fn local(&self) -> &Local {
        // SAFETY: by 1.
        unsafe { self.record.local() }
    }
}

unsafe extern "C" fn before_store(mutator: *const c_void, slot: *const c_void, old: usize, new: usize) {
    // SAFETY: J1.
    let context = unsafe { JitContext::of(mutator) };
    // SAFETY: J1.
    let barrier = unsafe { &context.local().barrier };
    if cfg!(debug_assertions) || barrier.is_watched() {
        context.collector.expect_object(Rule::R1, "is overwritten", old);
        context.collector.expect_store(slot as usize, new);
    }
    // Once more: code may call this without a test of its own.
    if barrier.is_on() {
        barrier.before_store(old, new, &context.collector.grey);
    }
}

unsafe extern "C" fn before_word_store(mutator: *const c_void, slot: *const c_void, old: usize, new: usize) {
    // SAFETY: J1.
    let context = unsafe { JitContext::of(mutator) };
    let allocator = &context.collector.allocator;
    // SAFETY: J1.
    let barrier = unsafe { &context.local().barrier };
    if barrier.is_watched() {
        context.collector.expect_word_store(slot as usize, new);
    }
    if barrier.is_on() {
        let object = |word| allocator.resolve(word).map_or(0, |found| found.base);
        barrier.before_store(object(old), object(new), &context.collector.grey);
    }
}

unsafe extern "C" fn safepoint(mutator: *const c_void) {
    // SAFETY: J1.
    let context = unsafe { JitContext::of(mutator) };
    if context.record.handshake.poll() {
        answer(&context.record, &context.collector);
    }
}
