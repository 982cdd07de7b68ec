//! The marking loop of one worker.
//!
//! *Callers:* `marker`. *Invariants:* those of `marker` and `batch`.
//!
//! Marking works in batches. Up to 16 objects leave the ring and are read; their references are written to a row of
//! *edges*, and the mark word of each is fetched; then the edges are claimed, and the white ones pushed. So the loops
//! are short, each load was asked for long before, and nothing waits for the store before it. Where there is just one grey
//! object, it is followed like a list, without a look at ring or row.

use super::Classes;
use super::batch::{
    ADDRESS, BATCH, BYTE_SHIFT, CONTINUED, EDGES, Owner, RING, byte_of, claim_and_push, claim_batch, load,
    mark_address, read_batch, refill, set_mark, set_tiny,
};
use super::share::Share;
use crate::grey::{Block, GreyQueue};
use spanheap_allocator::span::{Bits, PAGE_TINY, object_bit};
use spanheap_allocator::{Allocator, TagScheme, WORD, prefetch};
use spanheap_sync::word::Ordering;

/// How far ahead of the claim a received reference's mark word is fetched.
const AHEAD: usize = 16;

/// With fewer objects in the ring than this, other sources are looked at first: reading one that was just fetched
/// means waiting for it.
const LOW: usize = 48;

/// How many objects are scanned between two looks at the budget.
const STRIDE: u64 = 256;

/// Work besides objects after which the budget is looked at.
const MUCH: u64 = 1024;

/// What one worker keeps from one drain to the next.
pub(super) struct Lane {
    stack: Vec<usize>,
    edges: Box<[usize]>,
    /// References to objects of others, on their way.
    out: Vec<Block>,
    scanned_objects: u64,
}

impl Lane {
    pub(super) fn new(workers: usize) -> Lane {
        Lane {
            stack: Vec::with_capacity(4096),
            edges: vec![0; EDGES].into(),
            out: vec![Block::new(); workers],
            scanned_objects: 0,
        }
    }

    pub(super) fn begin(&mut self, workers: usize) {
        self.out.resize_with(workers, Block::new);
        self.scanned_objects = 0;
    }

    /// Gives memory back beyond so many bytes. Returns how many objects were looked into, and the bytes that the mark stack
    /// had come to.
    pub(super) fn end(&mut self, kept: usize) -> (u64, usize) {
        let bytes = self.stack.capacity() * WORD;
        if bytes > kept {
            self.stack.shrink_to(4096);
        }
        (self.scanned_objects, bytes)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.stack.is_empty()
    }
}

/// One worker at work.
pub(super) struct Worker<'a> {
    pub(super) heap: &'a Allocator,
    pub(super) classes: &'a Classes,
    pub(super) tags: Option<TagScheme>,
    pub(super) cycle: usize,
    pub(super) queue: &'a GreyQueue,
    pub(super) share: &'a Share,
    pub(super) me: usize,
    pub(super) lane: &'a mut Lane,
    pub(super) found_white: bool,
    /// Entries of the ring that are used, at most [`RING`].
    pub(super) ring: usize,
    /// Work that `tick` has not been told of, besides objects.
    pub(super) units: u64,
}

/// Why the hot loop was left.
enum Pause {
    /// Nothing is grey here.
    Empty,
    /// More room on the mark stack, or the clock.
    Look,
    /// Others have sent something, and here is little left.
    Mail,
    /// A piece of a large object comes next.
    Piece,
    /// This object needs the slow way.
    Slow(usize),
}

impl Worker<'_> {
    /// Marks until nothing is grey: here, and where others work too, anywhere. Or until `tick` says so, which is told every
    /// few hundred objects how much has been done: false then, and what is left lies on the mark stack.
    pub(super) fn work<const SMALL: bool, const SHARED: bool>(&mut self, tick: impl Fn(u64) -> bool) -> bool {
        loop {
            if !self.run::<SMALL, SHARED>(&tick) {
                return false;
            }
            if let Some(block) = self.queue.pop() {
                self.take_logged::<SHARED>(block);
                if tick(std::mem::take(&mut self.units)) {
                    return false;
                }
                continue;
            }
            if SHARED {
                (0..self.share.workers()).for_each(|owner| self.send(owner));
                if self.share.rest(self.me) {
                    continue;
                }
            }
            tick(std::mem::take(&mut self.units));
            return true;
        }
    }

    /// Takes what mutators and roots have logged: many of these objects were marked long ago, or are new.
    ///
    /// Some may be none any more. Where a word of any kind is overwritten, or a pair that was never written, what was logged is
    /// the slot that it named: of an object that a mutator was about to sweep away after the last cycle, or one that a cache
    /// had ready, whose mutator has detached since. Now that all spans are swept and what caches offer is new, a slot with an
    /// allocation bit holds an object.
    fn take_logged<const SHARED: bool>(&mut self, mut block: Block) {
        self.reserve(block.len());
        let heap = self.heap;
        let is_white = |&object: &usize| {
            let has = |bits| {
                // SAFETY: logs and roots hold addresses that are, or were, bases of objects of this heap.
                let (word, mask) = unsafe { object_bit(object, bits) };
                word.load(Ordering::Acquire) & mask != 0
            };
            !has(Bits::New) && !has(Bits::Mark) && heap.is_base(object, Bits::Alloc)
        };
        self.found_white |= self.mark_row::<SHARED>(block.drain(..).filter(is_white));
        self.queue.recycle(block);
    }

    /// Takes what others have found.
    fn take_mail(&mut self) {
        let Some(block) = self.share.receive(self.me) else { return };
        self.reserve(block.len());
        block.iter().take(AHEAD).for_each(|&object| prefetch::near(mark_address(object)));
        let row = block.iter().enumerate().map(|(index, &object)| {
            if let Some(&later) = block.get(index + AHEAD) {
                prefetch::near(mark_address(later));
            }
            object
        });
        self.found_white |= self.mark_row::<false>(row);
        self.share.received(block);
    }

    /// Keeps a reference for its owner.
    fn pass(&mut self, object: usize) {
        let owner = Share::owner(object, self.share.workers());
        let block = &mut self.lane.out[owner];
        block.push(object);
        if block.len() >= self.share.sent() {
            self.send(owner);
        }
    }

    fn send(&mut self, owner: usize) {
        if !self.lane.out[owner].is_empty() {
            let block = std::mem::replace(&mut self.lane.out[owner], self.share.empty_block());
            self.share.send(owner, block);
        }
    }

    /// Sends the little that there is to those who have nothing.
    fn feed(&mut self) {
        for owner in 0..self.share.workers() {
            if !self.lane.out[owner].is_empty() && self.share.is_at_rest(owner) {
                self.send(owner);
            }
        }
    }

    /// Makes room for so many more entries.
    #[inline(always)]
    pub(super) fn reserve(&mut self, entries: usize) {
        let stack = &mut self.lane.stack;
        if stack.capacity() - stack.len() < entries {
            stack.reserve(entries.max(4096));
        }
    }

    /// Empties the mark stack.
    ///
    /// The frequent case, an object with nothing but references in its fixed part, is worked on here, with all state in
    /// local variables: through `self`, every push and pop would wait for the store before it. `SMALL`: the heap fits the
    /// second-level cache, and nothing is fetched ahead.
    fn run<const SMALL: bool, const SHARED: bool>(&mut self, tick: &impl Fn(u64) -> bool) -> bool {
        let mut ring = [0usize; RING];
        let (mut head, mut tail) = (0usize, 0usize);
        let mut next_look = STRIDE;
        let (mut scanned, mut told) = (0u64, 0u64);
        let mut batches = 0u32;
        let finished = loop {
            self.reserve(2 * EDGES);
            let (base, mut top) = (self.lane.stack.as_mut_ptr(), self.lane.stack.len());
            let room = self.lane.stack.capacity() - EDGES;
            let (me, workers, width) = (self.me, self.share.workers(), self.ring);
            let pause = loop {
                if top >= room || scanned >= next_look {
                    break Pause::Look;
                }
                let gap = if SMALL { 1 } else { width } - (tail - head);
                // SAFETY: entries below `top` are initialised.
                let taken = unsafe { refill::<SMALL>(base, top, &mut ring, tail, gap) };
                (top, tail) = (top - taken, tail + taken);
                // SAFETY: as above.
                if taken < gap && top > 0 && unsafe { base.add(top - 1).read() } == CONTINUED {
                    top -= 1;
                    break Pause::Piece;
                }
                let waiting = tail - head;
                if SHARED && waiting < LOW && self.share.has_mail(me) {
                    break Pause::Mail;
                }
                if waiting == 0 {
                    break Pause::Empty;
                }
                if waiting == 1 {
                    let entry = ring[head % RING];
                    head += 1;
                    // Address and byte apart: the next address must not wait for the look-up of its page.
                    let (mut object, mut byte) = (entry & ADDRESS, entry >> BYTE_SHIFT);
                    let slow = loop {
                        let mut mask = self.classes.references[byte];
                        if mask == 0 {
                            break object;
                        }
                        scanned += 1;
                        let (mut white, mut white_byte) = (0, 0);
                        while mask != 0 {
                            let word = 63 - mask.leading_zeros() as usize;
                            mask ^= 1 << word;
                            let reference = load(object + word * WORD);
                            if reference == 0 {
                                continue;
                            }
                            if SHARED && Share::owner(reference, workers) != me {
                                self.pass(reference);
                                continue;
                            }
                            let (push, byte) = self.claim(reference);
                            if push {
                                // SAFETY: an object pushes no more than `REFERENCES`, and the loop ends when there is
                                // no room for as many.
                                unsafe { base.add(top).write(white | white_byte << BYTE_SHIFT) };
                                top += (white != 0) as usize;
                                (white, white_byte) = (reference, byte as usize);
                            }
                        }
                        if white == 0 {
                            break 0;
                        }
                        if top > 0 || scanned >= next_look {
                            // SAFETY: as above.
                            unsafe { base.add(top).write(white | white_byte << BYTE_SHIFT) };
                            top += 1;
                            break 0;
                        }
                        (object, byte) = (white, white_byte);
                    };
                    if SHARED {
                        self.feed();
                    }
                    if slow != 0 {
                        break Pause::Slow(slow);
                    }
                    continue;
                }
                // A batch ends where the ring is divided, so that it lies in a row, and the next one too.
                let (at, next) = (head % RING, (head / BATCH + 1) * BATCH % RING);
                let len = waiting.min(BATCH - at % BATCH);
                let part = |from: usize| -> &[usize] { &ring[from..from + len] };
                let owner = Owner { me, workers };
                let found = read_batch::<SHARED>(self.classes, part(at), part(next), &mut self.lane.edges, owner);
                head += found.read;
                scanned += (found.read - (found.slow != 0) as usize) as u64;
                // SAFETY: `top` is `EDGES` below the capacity at least.
                top = unsafe { claim_batch(self.classes, &self.lane.edges[..found.own], base, top) };
                if SHARED {
                    for at in found.foreign..EDGES {
                        self.pass(self.lane.edges[at]);
                    }
                    batches = batches.wrapping_add(1);
                    if batches.is_multiple_of(4) {
                        self.feed();
                    }
                }
                if found.slow != 0 {
                    break Pause::Slow(found.slow);
                }
            };
            // SAFETY: entries below `top` are initialised.
            unsafe { self.lane.stack.set_len(top) };
            match pause {
                Pause::Empty => break true,
                Pause::Piece => {
                    self.resume_piece::<SHARED>();
                    next_look = 0;
                }
                Pause::Slow(object) => {
                    scanned += 1;
                    self.scan::<SHARED>(object);
                    if self.units >= MUCH {
                        next_look = 0;
                    }
                }
                Pause::Mail => self.take_mail(),
                Pause::Look => {}
            }
            if scanned >= next_look {
                next_look = scanned + STRIDE;
                if tick(std::mem::take(&mut self.units) + scanned - told) {
                    self.reserve(RING);
                    (head..tail).for_each(|at| self.lane.stack.push(ring[at % RING]));
                    break false;
                }
                told = scanned;
            }
        };
        self.lane.scanned_objects += scanned;
        self.units += if finished { scanned - told } else { 0 };
        finished
    }

    /// Sets the mark of the object at `addr`, one of this worker's. Whether it was white and is to be pushed, which leaves
    /// are not, and the class byte of its page.
    ///
    /// Without a branch on the mark, which no predictor would guess.
    #[inline(always)]
    fn claim(&self, addr: usize) -> (bool, u8) {
        let byte = byte_of(addr);
        if byte == PAGE_TINY {
            set_tiny(addr);
            return (false, byte);
        }
        (set_mark(addr) & !self.classes.leaf[byte as usize], byte)
    }

    /// Marks the objects of a short row (or nulls). Room must be reserved. Whether one of this worker's own was white.
    #[inline(always)]
    pub(super) fn mark_row<const SHARED: bool>(&mut self, row: impl Iterator<Item = usize>) -> bool {
        // The top in a local variable, as in `run`.
        let (base, mut top) = (self.lane.stack.as_mut_ptr(), self.lane.stack.len());
        let mut found_white = false;
        for reference in row {
            if reference == 0 {
                continue;
            }
            if SHARED && Share::owner(reference, self.share.workers()) != self.me {
                self.pass(reference);
                continue;
            }
            debug_assert!(top < self.lane.stack.capacity());
            // SAFETY: the caller reserved room for one more entry.
            found_white |= unsafe { claim_and_push(self.classes, reference, base, &mut top) };
        }
        // SAFETY: entries below `top` are initialised.
        unsafe { self.lane.stack.set_len(top) };
        found_white
    }

    /// Marks the object at `addr` (or null) and pushes it if need be, or keeps it for its owner. Room must be reserved.
    #[inline(always)]
    pub(super) fn mark<const SHARED: bool>(&mut self, addr: usize) {
        self.mark_row::<SHARED>(std::iter::once(addr));
    }

    /// Pushes what is left of a large object: everything from byte `from` on.
    pub(super) fn push_piece(&mut self, object: usize, from: usize) {
        self.reserve(3);
        self.lane.stack.extend([from, object, CONTINUED]);
    }

    /// Goes on with a large object whose top word has been taken off the stack.
    #[cold]
    fn resume_piece<const SHARED: bool>(&mut self) {
        let (Some(object), Some(from)) = (self.lane.stack.pop(), self.lane.stack.pop()) else {
            unreachable!("a continuation has an object and an offset");
        };
        if SHARED {
            // A row of millions is not sent to a worker that does not keep up. All who wait here take their own mail, so
            // that somebody's wait ends.
            while (0..self.share.workers()).any(|owner| owner != self.me && self.share.is_flooded(owner)) {
                if self.share.has_mail(self.me) {
                    self.take_mail();
                } else {
                    self.share.yield_now();
                }
            }
        }
        self.scan_piece::<SHARED>(object, from);
    }
}
