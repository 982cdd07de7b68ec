//! The host check: watches what a host does through the unsafe parts of the interface, and names the rule that it breaks.
//! An option for debugging.
//!
//! *Callers:* the mutator layer reports allocations and stores and asks about words; `verify` compares once a cycle.
//! *Invariants:*
//! - `[check.every-store]` In a heap with this option the barrier of no mutator is ever off: every store of the interface
//!   comes here, with its slot where the call names one.
//! - `[check.every-object]` Slots are handed out one by one, and each is recorded here with the place in the program that
//!   asked for it. The record stays when the object dies, until its slot is handed out again.
//! - What is reported is wrong. A mistake can go unseen where memory is used again, where two mutators store into one slot
//!   between two collections, and where a barrier call does not name the slot.
//!
//! `slots` remembers what references held, `misuse` says what is wrong. *Locks:* `Rank::HostCheck`, one at a time.

mod misuse;
mod slots;

pub use misuse::{Misuse, Note, Rule};
pub(crate) use slots::Held;

use crate::collector::Collector;
use slots::Slots;
use spanheap_allocator::span::Bits;
use spanheap_allocator::{Allocator, LayoutId, Resolved, WordKind};
use spanheap_sync::word::{AtomicU64, AtomicUsize, Ordering};
use spanheap_sync::{Mutex, Rank};
use std::collections::BTreeMap;
use std::panic::Location;

/// What is known of one object.
#[derive(Clone, Copy)]
struct Record {
    bytes: usize,
    serial: u64,
    layout: LayoutId,
    at: &'static Location<'static>,
    allocated_in: u64,
    freed_in: Option<u64>,
}

/// What has been watched so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCheckFigures {
    /// Objects recorded.
    pub objects: u64,
    /// Stores that the interface was told of.
    pub stores: u64,
    /// Slots compared with what they should hold.
    pub compared: u64,
}

/// The records of one heap.
pub struct HostCheck {
    /// By address. No two overlap.
    records: Mutex<BTreeMap<usize, Record>>,
    slots: Slots,
    serial: AtomicU64,
}

impl HostCheck {
    /// Not inlined: its parts would lie on the stack of whoever makes a collector, and a model's is small.
    #[cold]
    #[inline(never)]
    pub(crate) fn new() -> Box<HostCheck> {
        let records = Mutex::new(Rank::HostCheck, BTreeMap::new());
        Box::new(HostCheck { records, slots: Slots::new(), serial: AtomicU64::new(0) })
    }

    /// What has been watched so far.
    pub fn figures(&self) -> HostCheckFigures {
        let (stores, compared) = self.slots.figures();
        HostCheckFigures { objects: self.serial.load(Ordering::Relaxed), stores, compared }
    }

    /// The object that began at an address.
    fn record(&self, addr: usize) -> Option<Record> {
        self.records.lock().get(&addr).copied()
    }

    /// Whether the object at an address is dead. Its span may not be swept yet.
    fn has_freed(&self, addr: usize) -> bool {
        self.record(addr).is_some_and(|record| record.freed_in.is_some())
    }

    /// Where the object began that lay at an address.
    fn base_of(&self, word: usize) -> Option<usize> {
        let records = self.records.lock();
        let (&base, record) = records.range(..=word).next_back()?;
        (word < base + record.bytes).then_some(base)
    }

    fn note(&self, allocator: &Allocator, addr: usize) -> Option<Note> {
        let Record { serial, layout, at, allocated_in, freed_in, .. } = self.record(addr)?;
        let name = allocator.classes.layout(layout).layout.name;
        Some(Note { addr, name, serial, at, allocated_in, freed_in })
    }
}

/// What a word is to the heap.
enum Found {
    /// The first byte of an object.
    Object,
    /// Within an object, which begins elsewhere.
    Inside(Resolved),
    /// In the object that began at this address and is gone.
    Freed(usize),
    /// Nothing that the heap knows.
    Foreign,
}

/// What the interface asks of the host. The functions called `expect` panic with a [`Misuse`]; they work without the option,
/// too, but then know nothing of the dead. Their callers decide whether to ask.
impl Collector {
    /// The records, where the heap watches its host.
    #[inline(always)]
    pub fn host_check(&self) -> Option<&HostCheck> {
        self.host_check.as_deref()
    }

    /// Records an object that is about to be handed out.
    pub(crate) fn record_object(&self, addr: usize, layout: LayoutId, at: &'static Location<'static>) {
        let Some(check) = self.host_check() else { return };
        let serial = check.serial.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.allocator.slot_at(addr).map_or(1, |found| found.span.slot_size());
        let record = Record { bytes, serial, layout, at, allocated_in: self.cycle_number(), freed_in: None };
        let mut records = check.records.lock();
        // Spans come and go: the dead in the way may have had another size.
        let before = records.range(..addr).next_back().filter(|(base, record)| *base + record.bytes > addr);
        let overlapping = before.into_iter().chain(records.range(addr..addr + bytes)).map(|(&base, _)| base);
        let overlapping: Vec<usize> = overlapping.collect();
        for base in overlapping {
            records.remove(&base);
        }
        records.insert(addr, record);
    }

    /// What is known of the object at an address, dead or alive.
    pub fn note(&self, addr: usize) -> Option<Note> {
        self.host_check()?.note(&self.allocator, addr)
    }

    fn find(&self, word: usize) -> Found {
        let check = self.host_check();
        match self.allocator.resolve(word) {
            Some(found) if check.is_some_and(|check| check.has_freed(found.base)) => Found::Freed(found.base),
            Some(found) if found.base == word => Found::Object,
            Some(found) => Found::Inside(found),
            None => check.and_then(|check| check.base_of(word)).map_or(Found::Foreign, Found::Freed),
        }
    }

    /// `word` is to be 0 or a live object. `what` says what the host does with it.
    pub fn expect_object(&self, rule: Rule, what: &'static str, word: usize) {
        if word == 0 {
            return;
        }
        let misuse = match self.find(word) {
            Found::Object => return,
            Found::Freed(base) => Misuse::Freed { rule, what, object: self.known(base) },
            Found::Inside(object) => Misuse::Inside { what, word, object: self.known(object.base) },
            Found::Foreign => Misuse::Foreign { what, word },
        };
        panic!("{misuse}");
    }

    /// `addr` is to be a live object of a layout.
    pub fn expect_type(&self, addr: usize, layout: LayoutId) {
        self.expect_object(Rule::R1, "is used", addr);
        let found = self.allocator.resolve(addr).and_then(|found| self.allocator.layout_of(found));
        if found != Some(layout) {
            let taken_for = self.allocator.classes.layout(layout).layout.name;
            panic!("{}", Misuse::Type { object: self.known(addr), taken_for });
        }
    }

    /// A reference is about to be stored into `slot`, which is to be a reference of a live object.
    pub fn expect_store(&self, slot: usize, new: usize) {
        self.expect_object(Rule::R1, "is stored", new);
        self.expect_slot(slot);
        self.expect_word_store(slot, new);
    }

    /// Any word is about to be stored into the `slot` of an object, or of a stack.
    pub fn expect_word_store(&self, slot: usize, word: usize) {
        if let Some(check) = self.host_check() {
            check.slots.stored(slot, word);
        }
    }

    /// References are about to be stored into slots in a row: `new` over and over, in this order.
    pub fn expect_stores(&self, slots: &[AtomicUsize], new: &[usize]) {
        for (slot, &new) in slots.iter().zip(new.iter().cycle()) {
            self.expect_store(std::ptr::from_ref(slot) as usize, new);
        }
    }

    /// Pairs are about to be stored into pairs in a row: the words `new` over and over. Tags from `threshold` on refer.
    pub fn expect_pair_stores(&self, slots: &[AtomicUsize], threshold: usize, new: &[usize]) {
        for (slot, new) in slots.chunks_exact(2).zip(new.chunks_exact(2).cycle()) {
            let slot = std::ptr::from_ref(&slot[1]) as usize;
            if new[0] < threshold {
                self.expect_word_store(slot, 0);
            }
            // In any case: two mutators may have torn it.
            self.expect_word_store(slot, new[1]);
        }
    }

    /// References are about to be stored somewhere among these slots.
    pub fn expect_some_stores(&self, slots: &[AtomicUsize], new: &[usize]) {
        new.iter().for_each(|&new| self.expect_object(Rule::R1, "is stored", new));
        for slot in slots {
            self.expect_slot(std::ptr::from_ref(slot) as usize);
        }
        if let Some(check) = self.host_check() {
            let start = slots.as_ptr() as usize;
            check.slots.stored_among(start..start + size_of_val(slots), new);
        }
    }

    /// `new` is about to replace `old` in a slot that the host does not name.
    pub fn expect_store_somewhere(&self, old: usize, new: usize) {
        self.expect_object(Rule::R1, "is overwritten", old);
        self.expect_object(Rule::R1, "is stored", new);
        if let Some(check) = self.host_check() {
            check.slots.stored_somewhere(new);
        }
    }

    /// `slot` is to be a reference of a live object.
    fn expect_slot(&self, slot: usize) {
        let what = "is written to";
        let owner = match (self.find(slot), self.allocator.resolve(slot)) {
            (Found::Freed(base), _) => panic!("{}", Misuse::Freed { rule: Rule::R1, what, object: self.known(base) }),
            (_, Some(owner)) => owner,
            (_, None) => panic!("{}", Misuse::Foreign { what, word: slot }),
        };
        let Some(layout) = self.allocator.layout_of(owner) else { return };
        let (offset, plan) = (slot - owner.base, &self.allocator.classes.layout(layout).plan);
        let found = plan.kind_at(offset);
        if found != Some(WordKind::Reference) {
            panic!("{}", Misuse::Word { object: self.known(owner.base), offset, found });
        }
    }

    fn known(&self, addr: usize) -> Note {
        let name = || self.allocator.layout_of(self.allocator.resolve(addr)?);
        let name = || name().map_or("object", |layout| self.allocator.classes.layout(layout).layout.name);
        self.note(addr).unwrap_or_else(|| Note::unrecorded(addr, name()))
    }

    /// Compares what slots hold with what the interface was told, and notes which objects die in this cycle. The world is
    /// stopped, and all that is reachable is marked.
    pub(crate) fn compare_slots(&self, held: Vec<Held>) -> Vec<Misuse> {
        let Some(check) = self.host_check() else { return Vec::new() };
        let is_old = |object: usize, since: u64| check.record(object).is_some_and(|record| record.serial <= since);
        let changed = check.slots.compare(held, check.serial.load(Ordering::Relaxed), is_old);
        let cycle = self.cycle_number();
        for (&addr, record) in check.records.lock().iter_mut().filter(|(_, record)| record.freed_in.is_none()) {
            let lives = |bits| self.allocator.is_base(addr, bits);
            if !lives(Bits::Mark) && !lives(Bits::New) {
                record.freed_in = Some(cycle);
            }
        }
        let misuse = |(held, should): (Held, Option<usize>)| {
            let Held { object, slot, value } = held;
            Misuse::Barrier { object: self.known(object), offset: slot - object, holds: value, should }
        };
        changed.into_iter().map(misuse).collect()
    }
}
