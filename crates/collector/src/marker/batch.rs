//! The stages of a batch: entries go from the mark stack to the ring, objects are read, edges are claimed.
//!
//! *Callers:* `lane`. *Invariants:* those of `marker`; here: an entry of the mark stack is an object's address with its
//! page's class byte in the eight bits above, or belongs to a continuation, which is three words: where to go on, the
//! large object, and [`CONTINUED`] on top.

use super::Classes;
use super::share::Share;
use spanheap_allocator::geometry::{arena_of, bit_of, page_of};
use spanheap_allocator::span::{Bits, PAGE_TINY, bitmap_word, page_class, tiny_bit};
use spanheap_allocator::{WORD, prefetch};
use spanheap_sync::word::{AtomicUsize, BitWord, Ordering, may_switch};

/// Entries of the prefetch ring.
pub(crate) const RING: usize = 64;

/// Objects that are read in a row.
pub(super) const BATCH: usize = 16;

/// The most references that an object has if its class says where they are.
pub(super) const REFERENCES: usize = 64;

/// References that a batch finds at most.
pub(super) const EDGES: usize = BATCH * REFERENCES;

/// The top word of a continuation.
pub(super) const CONTINUED: usize = 1;

/// Log2 of the first number that is no address.
pub(super) const BYTE_SHIFT: u32 = 56;
pub(super) const ADDRESS: usize = (1 << BYTE_SHIFT) - 1;

/// Moves up to `room` entries from the top of a mark stack to the ring, from `tail` on, up to the next continuation. Returns
/// how many.
///
/// This and the next two are functions of their own so that each has the registers to itself.
///
/// # Safety
/// 1. The `top` entries from `base` on are initialised.
#[inline(never)]
pub(super) unsafe fn refill<const SMALL: bool>(
    base: *const usize,
    top: usize,
    ring: &mut [usize; RING],
    tail: usize,
    room: usize,
) -> usize {
    let most = room.min(top);
    for taken in 0..most {
        // SAFETY: by 1.
        let entry = unsafe { base.add(top - 1 - taken).read() };
        if entry == CONTINUED {
            return taken;
        }
        if !SMALL {
            prefetch::far(entry & ADDRESS);
        }
        ring[(tail + taken) % RING] = entry;
    }
    most
}

/// Whose references are whose.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) me: usize,
    pub(super) workers: usize,
}

/// What a batch of objects has come to.
pub(super) struct Found {
    /// Entries that were read, that of the slow object included.
    pub(super) read: usize,
    /// An object that needs the slow way; 0 for none.
    pub(super) slow: usize,
    /// The worker's own references lie in the row of edges up to here,
    pub(super) own: usize,
    /// and those of others from here on.
    pub(super) foreign: usize,
}

/// Reads the objects of a batch, writes their references to the row of edges and fetches their mark words; `ahead` are the
/// entries that come later, which are fetched into the first-level cache.
#[inline(never)]
pub(super) fn read_batch<const SHARED: bool>(
    classes: &Classes,
    batch: &[usize],
    ahead: &[usize],
    edges: &mut [usize],
    owner: Owner,
) -> Found {
    debug_assert!(batch.len() <= BATCH && edges.len() == EDGES);
    let edges = edges.as_mut_ptr();
    let (mut own, mut foreign) = (0, EDGES);
    let mut note = |reference: usize| {
        if reference == 0 {
            return;
        }
        let mine = !SHARED || Share::owner(reference, owner.workers) == owner.me;
        let at = if mine { own } else { foreign - 1 };
        // SAFETY: a batch finds `EDGES` references at most; its own fill the row from the front, those of others from the
        // back.
        let edge = unsafe { edges.add(at) };
        // SAFETY: as above.
        unsafe { edge.write(reference) };
        prefetch::near(if mine { mark_address(reference) } else { edge as usize });
        own += mine as usize;
        foreign -= !mine as usize;
    };
    let (mut read, mut slow) = (0, 0);
    for (entry, later) in batch.iter().zip(ahead) {
        prefetch::near(later & ADDRESS);
        read += 1;
        let (object, byte) = (entry & ADDRESS, entry >> BYTE_SHIFT);
        let (first, end) = classes.rows[byte];
        let (first, mut word) = (object + first as usize, object + end as usize);
        if first == word {
            let mut mask = classes.references[byte];
            if mask == 0 {
                slow = object;
                break;
            }
            while mask != 0 {
                let word = 63 - mask.leading_zeros() as usize;
                mask ^= 1 << word;
                note(load(object + word * WORD));
            }
        }
        while word != first {
            word -= WORD;
            note(load(word));
        }
    }
    Found { read, slow, own, foreign }
}

/// Claims the edges of a batch, and pushes what is to be pushed. Returns the new top.
///
/// # Safety
/// 1. There is room for as many entries above the `top` entries from `base` on.
#[inline(never)]
pub(super) unsafe fn claim_batch(classes: &Classes, edges: &[usize], base: *mut usize, mut top: usize) -> usize {
    for &reference in edges {
        // SAFETY: by 1.
        unsafe { claim_and_push(classes, reference, base, &mut top) };
    }
    top
}

/// Marks an object, and pushes it if it was white and is no leaf. Whether it was white.
///
/// # Safety
/// 1. There is room for one more entry above the `top` entries from `base` on.
#[inline(always)]
pub(super) unsafe fn claim_and_push(classes: &Classes, object: usize, base: *mut usize, top: &mut usize) -> bool {
    let byte = byte_of(object);
    // Leaves often come in rows, and so does what is none.
    if classes.leaf[byte as usize] {
        return if byte == PAGE_TINY { set_tiny(object) } else { set_mark(object) };
    }
    // Without a branch on the mark, which no predictor would guess.
    let white = set_mark(object);
    // SAFETY: by 1.
    unsafe { base.add(*top).write(object | (byte as usize) << BYTE_SHIFT) };
    *top += white as usize;
    white
}

/// The class byte of an object's page.
#[inline(always)]
pub(super) fn byte_of(addr: usize) -> u8 {
    // SAFETY: `addr` is the base of an object of this heap (the contract of reference slots): its arena's tables are
    // mapped.
    unsafe { page_class(arena_of(addr), page_of(addr)) }.load(Ordering::Acquire)
}

/// Sets the mark of an object, which is not tiny. Whether it was white.
#[inline(always)]
pub(super) fn set_mark(addr: usize) -> bool {
    let (index, mask) = bit_of(addr);
    // SAFETY: as in `byte_of`.
    set(unsafe { bitmap_word(arena_of(addr), Bits::Mark, index) }, mask)
}

/// Sets the mark of a tiny object. Whether it was white.
#[inline(always)]
pub(super) fn set_tiny(addr: usize) -> bool {
    // SAFETY: as in `byte_of`.
    let (word, mask) = unsafe { tiny_bit(addr, Bits::Mark) };
    set(word, mask)
}

/// Sets a mark: nobody else writes to its word. Whether it was clear.
#[inline(always)]
pub(crate) fn set<W: BitWord>(word: &W, mask: u64) -> bool {
    let before = word.load(Ordering::Relaxed);
    word.store(before | mask, Ordering::Relaxed);
    before & mask == 0
}

/// Where the mark bit of the object at `addr` stands, unless it is tiny.
#[inline(always)]
pub(super) fn mark_address(addr: usize) -> usize {
    arena_of(addr) + Bits::Mark as usize + bit_of(addr).0 * 8
}

/// A word of an object. Acquire: whoever published the reference that led here wrote the object before.
#[inline(always)]
pub(super) fn load(addr: usize) -> usize {
    may_switch();
    // SAFETY: the address lies in a live object, at a word that its layout names; slots are atomics.
    unsafe { &*(addr as *const AtomicUsize) }.load(Ordering::Acquire)
}
