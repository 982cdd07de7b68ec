//! From any word to what lies there: for debuggers, for hosts that find addresses in places the heap does not know.
//!
//! *Callers:* users, through [`Heap::resolve`] and [`Mutator::resolve`]. *Invariants:* the answer is a plain value, which
//! keeps nothing alive; no word can make the question go wrong.

use crate::heap::Heap;
use crate::mutator::Mutator;
use spanheap_allocator::Allocator;
use spanheap_allocator::geometry::PAGE_SIZE;

/// What an address belongs to: a slot of a span of an arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Address of the arena.
    pub arena: usize,
    /// Address of the span's first slot.
    pub span: usize,
    /// Bytes of the span's pages.
    pub span_bytes: usize,
    /// Address of the slot: of its object's first byte, if it holds one.
    pub slot: usize,
    /// Bytes of the slot; those of the object, if it is large.
    pub slot_bytes: usize,
    /// Name of the type of the slot's objects. Where rare types share the span: of the last one, `None` if there was none.
    pub type_name: Option<&'static str>,
    /// Whether the slot holds an object. Slots that a mutator has ready for its next objects count as if they did, until
    /// the next collection.
    pub allocated: bool,
    /// Whether the span holds one object, above 32 KiB.
    pub large: bool,
}

/// What is read are atomics in tables that stay as long as the heap. Where a span begins or ends meanwhile, the parts of the
/// answer may be those of different spans.
fn resolve(allocator: &Allocator, word: usize) -> Option<Resolution> {
    let found = allocator.slot_at(word)?;
    let span = found.span;
    Some(Resolution {
        arena: span.arena(),
        span: span.base(),
        span_bytes: span.pages() * PAGE_SIZE,
        slot: found.base,
        slot_bytes: span.slot_size(),
        type_name: allocator.layout_of(found).map(|layout| allocator.classes.layout(layout).layout.name),
        allocated: span.holds(found.base),
        large: span.is_large(),
    })
}

impl Heap {
    /// The slot that an address belongs to, whether it holds an object or not: from the slot's first byte to its last.
    /// `None` for addresses elsewhere, in the side tables, in free pages, and in the bytes at a span's end that make no slot.
    ///
    /// Any word may be asked for, from any thread. If other threads use the heap meanwhile, the answer may be out of date
    /// when it comes; where a span ends and its pages become another one at that very moment, it may mix both.
    pub fn resolve(&self, word: usize) -> Option<Resolution> {
        resolve(&self.shared.collector.allocator, word)
    }
}

impl Heap {
    /// What is known of the object at an address, dead or alive, in words: its type, where it was allocated, and which
    /// collection freed it. `None` in a heap that does not [watch its host](crate::HeapBuilder::check_host), and for
    /// addresses where no object has begun.
    pub fn describe(&self, addr: usize) -> Option<String> {
        self.shared.collector.note(addr).map(|note| note.to_string())
    }
}

impl Mutator<'_> {
    /// The object that an address belongs to, from its first byte to the end of its slot. As [`Heap::resolve`], but only for
    /// slots that hold objects.
    pub fn resolve(&self, addr: usize) -> Option<Resolution> {
        resolve(&self.collector().allocator, addr).filter(|found| found.allocated)
    }
}
