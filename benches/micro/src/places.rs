//! What the barrier's benchmark stores into: slots in memory of the program's own, in objects, and in an array.
//!
//! *Callers:* `benches/barrier.rs`. *Invariants:* every place has [`SLOTS`] slots and as many objects to refer to, and a pass
//! stores into each slot once, in order; after one pass every slot refers to another object. Slots, objects that
//! are written and the list of objects together stay within 24 KiB, so that they are in the first-level cache.

use crate::Node;
use spanheap::{Array, Class, Gc, Mutator, Root, Slot};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Slots of a place: a power of two.
pub const SLOTS: usize = 1024;

/// Slots that can be stored into.
pub trait Place {
    /// Stores into every slot: slot `n` gets the object `n + shift`, modulo their number.
    fn pass(&self, shift: usize);
    /// Makes every slot null.
    fn clear(&self);
    /// Reads every slot: it is in the cache afterwards. Returns how many are not null.
    fn touch(&self) -> usize;
}

/// Calls `store` for the two slots of every owner, with the index of the object that each gets.
#[inline(always)]
fn pairs(shift: usize, mut store: impl FnMut(usize, usize, usize)) {
    for owner in 0..SLOTS / 2 {
        store(owner, (2 * owner + shift) % SLOTS, (2 * owner + 1 + shift) % SLOTS);
    }
}

/// Calls `store` for every slot, with the index of the object that it gets.
#[inline(always)]
fn singles(shift: usize, mut store: impl FnMut(usize, usize)) {
    for slot in 0..SLOTS {
        store(slot, (slot + shift) % SLOTS);
    }
}

/// Four words of the program's own, as large as a [`Node`].
type Words = [AtomicUsize; 4];

/// The plain twin of [`Nodes`]: slots in memory that no heap knows.
pub struct PlainNodes<'a>([&'a Words; SLOTS]);

impl<'a> PlainNodes<'a> {
    /// The slots are the first two words of the first half of `words`.
    ///
    /// # Panics
    /// If there are fewer than [`SLOTS`].
    pub fn new(words: &'a [Words]) -> PlainNodes<'a> {
        PlainNodes(std::array::from_fn(|index| &words[index]))
    }
}

impl Place for PlainNodes<'_> {
    #[inline(never)]
    fn pass(&self, shift: usize) {
        pairs(shift, |owner, first, second| {
            self.0[owner][0].store(self.0[first].as_ptr() as usize, Ordering::Release);
            self.0[owner][1].store(self.0[second].as_ptr() as usize, Ordering::Release);
        });
    }

    fn clear(&self) {
        for owner in &self.0[..SLOTS / 2] {
            owner[0].store(0, Ordering::Release);
            owner[1].store(0, Ordering::Release);
        }
    }

    fn touch(&self) -> usize {
        let slots = self.0[..SLOTS / 2].iter().flat_map(|owner| &owner[..2]);
        slots.filter(|slot| slot.load(Ordering::Acquire) != 0).count()
    }
}

/// The plain twin of [`Elements`].
pub struct PlainElements<'a> {
    /// The slots.
    pub slots: &'a [AtomicUsize; SLOTS],
    /// What they refer to.
    pub targets: [&'a Words; SLOTS],
}

impl<'a> PlainElements<'a> {
    /// Slots that refer to `words`.
    ///
    /// # Panics
    /// If there are fewer than [`SLOTS`].
    pub fn new(slots: &'a [AtomicUsize; SLOTS], words: &'a [Words]) -> PlainElements<'a> {
        PlainElements { slots, targets: std::array::from_fn(|index| &words[index]) }
    }
}

impl Place for PlainElements<'_> {
    #[inline(never)]
    fn pass(&self, shift: usize) {
        singles(shift, |slot, new| self.slots[slot].store(self.targets[new].as_ptr() as usize, Ordering::Release));
    }

    fn clear(&self) {
        self.slots.iter().for_each(|slot| slot.store(0, Ordering::Release));
    }

    fn touch(&self) -> usize {
        self.slots.iter().filter(|slot| slot.load(Ordering::Acquire) != 0).count()
    }
}

/// Both slots of objects, stored into with [`Mutator::set`].
pub struct Nodes<'m, 'h> {
    cx: &'m Mutator<'h>,
    list: [Gc<'m, 'h, Node>; SLOTS],
}

impl Place for Nodes<'_, '_> {
    #[inline(never)]
    fn pass(&self, shift: usize) {
        pairs(shift, |owner, first, second| {
            self.cx.set(self.list[owner], |node| &node.left, Some(self.list[first]));
            self.cx.set(self.list[owner], |node| &node.right, Some(self.list[second]));
        });
    }

    fn clear(&self) {
        for &owner in &self.list[..SLOTS / 2] {
            self.cx.set(owner, |node| &node.left, None);
            self.cx.set(owner, |node| &node.right, None);
        }
    }

    fn touch(&self) -> usize {
        let slots = self.list[..SLOTS / 2].iter().flat_map(|owner| [&owner.left, &owner.right]);
        slots.filter(|slot| !slot.is_null()).count()
    }
}

/// The elements of an array, stored into with [`Mutator::set_element`].
pub struct Elements<'m, 'h> {
    /// The mutator.
    pub cx: &'m Mutator<'h>,
    /// The array.
    pub array: Gc<'m, 'h, Array<Slot<Node>>>,
    list: [Gc<'m, 'h, Node>; SLOTS],
}

impl Place for Elements<'_, '_> {
    #[inline(never)]
    fn pass(&self, shift: usize) {
        singles(shift, |slot, new| self.cx.set_element(self.array, slot, Some(self.list[new])));
    }

    fn clear(&self) {
        (0..SLOTS).for_each(|slot| self.cx.set_element(self.array, slot, None));
    }

    fn touch(&self) -> usize {
        (0..SLOTS).filter(|&slot| self.array.element(slot).is_some()).count()
    }
}

/// Objects and an array in the heap, kept alive by handles; references to them are loaded anew after every safepoint.
pub struct Rooted {
    list: Root<Array<Slot<Node>>>,
    array: Root<Array<Slot<Node>>>,
}

impl Rooted {
    /// Objects that refer to nothing, and an array of null slots.
    ///
    /// # Panics
    /// If the system has no memory left.
    pub fn new(cx: &Mutator<'_>) -> Rooted {
        let (class, arrays): (Class<'_, Node>, _) = (cx.class(), cx.array_class::<Slot<Node>, ()>());
        let array = || cx.alloc_array(arrays, (), SLOTS).expect("memory for an array");
        let list = array();
        for index in 0..SLOTS {
            let node = Node { left: Slot::null(), right: Slot::null(), v: index as u64, w: 0 };
            cx.set_element(list, index, Some(cx.alloc_in(class, node).expect("memory for an object")));
        }
        Rooted { list: cx.root(list), array: cx.root(array()) }
    }

    fn list<'m, 'h>(&self, cx: &'m Mutator<'h>) -> [Gc<'m, 'h, Node>; SLOTS] {
        let list = self.list.get(cx);
        std::array::from_fn(|index| list.element(index).expect("the list is full"))
    }

    /// The objects' slots.
    pub fn nodes<'m, 'h>(&self, cx: &'m Mutator<'h>) -> Nodes<'m, 'h> {
        Nodes { cx, list: self.list(cx) }
    }

    /// The array's elements.
    pub fn elements<'m, 'h>(&self, cx: &'m Mutator<'h>) -> Elements<'m, 'h> {
        Elements { cx, array: self.array.get(cx), list: self.list(cx) }
    }
}
