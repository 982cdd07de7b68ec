//! The verifier: with the world stopped, checks what the collector claims, by other means.
//!
//! *Callers:* `cycle`, where the option asks for it. *Invariants:* shares no code and no bits with the marker: it walks
//! the graph breadth first with a mark set of its own, resolves every reference through the arena index, and reads
//! layouts word by word. *Phases:* `marks` between the proof that all is marked and the new generation; `spans` after
//! the sweep. The world is stopped in both.

use crate::collector::Collector;
use crate::host_check::{Held, Misuse, Note};
use crate::mutator::MutatorRecord;
use crate::stack::StackHeader;
use bitvec::vec::BitVec;
use spanheap_allocator::geometry::{ARENA_SIZE, PAGE_SIZE, arena_of};
use spanheap_allocator::span::{Bits, SpanRef};
use spanheap_allocator::{Allocator, Resolved, Shape, SpanClass, TagScheme, WORD, WordKinds};
use spanheap_sync::word::{AtomicUsize, Ordering};
use spanheap_sync::{Arc, fatal};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

/// What the verifier found wrong.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A root or a field does not hold an object's address. What is known of both, where the heap watches its host.
    Dangling { from: usize, word: usize, was: Option<Note>, holder: Option<Note> },
    /// An object can be reached but is neither marked nor new: it would be freed.
    Lost { from: usize, object: usize, name: &'static str, was: Option<Note>, holder: Option<Note> },
    /// The host broke a rule.
    Host(Misuse),
    /// A span breaks an invariant.
    Span { base: usize, name: &'static str, what: &'static str },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Dangling { from, word, was, holder } => {
                write!(f, "{} holds {word:#x}, which is no object", Place(*from))?;
                remarks(f, [("it was", was), ("the holder is", holder)])
            }
            Fault::Lost { from, object, name, was, holder } => {
                write!(f, "the {name} at {object:#x}, to which {} refers, is not marked", Place(*from))?;
                remarks(f, [("it is", was), ("the holder is", holder)])
            }
            Fault::Host(misuse) => write!(f, "{misuse}"),
            Fault::Span { base, name, what } => write!(f, "the span at {base:#x} ({name}): {what}"),
        }
    }
}

/// Where a reference stands: in the object at an address, or in a root, for which 0 stands.
struct Place(usize);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => write!(f, "a root"),
            from => write!(f, "the object at {from:#x}"),
        }
    }
}

fn remarks(f: &mut fmt::Formatter<'_>, notes: [(&str, &Option<Note>); 2]) -> fmt::Result {
    notes.into_iter().try_for_each(|(what, note)| match note {
        Some(note) => write!(f, "; {what} {note}"),
        None => Ok(()),
    })
}

/// Most faults that are worth telling.
const MOST_FAULTS: usize = 16;

/// Ends the process (or the model): the heap is corrupt, and every mutator waits for the caller.
pub(crate) fn abort(cycle: u64, faults: &[Fault]) -> ! {
    match faults.iter().all(|fault| matches!(fault, Fault::Host(_))) {
        true => eprintln!("spanheap: the host has broken a rule, as the verifier found in cycle {cycle}:"),
        false => eprintln!("spanheap: the verifier found the heap corrupt in cycle {cycle}:"),
    }
    faults.iter().take(MOST_FAULTS).for_each(|fault| eprintln!("  {fault}"));
    if faults.len() > MOST_FAULTS {
        eprintln!("  and {} more", faults.len() - MOST_FAULTS);
    }
    fatal(Box::new("the verifier found the heap corrupt"))
}

/// Objects seen, one bit per word, by arena base (any 64 MiB unit in a huge arena).
#[derive(Default)]
struct Seen {
    arenas: HashMap<usize, BitVec<u64>>,
    count: u64,
}

impl Seen {
    fn insert(&mut self, object: usize) -> bool {
        let bits = self.arenas.entry(arena_of(object)).or_insert_with(|| BitVec::repeat(false, ARENA_SIZE / WORD));
        let new = !bits.replace((object % ARENA_SIZE) / WORD, true);
        self.count += new as u64;
        new
    }
}

struct Walk<'a> {
    collector: &'a Collector,
    allocator: &'a Allocator,
    tags: Option<TagScheme>,
    seen: Seen,
    queue: VecDeque<Resolved>,
    faults: Vec<Fault>,
    /// What slots hold, where the heap watches its host.
    held: Option<Vec<Held>>,
}

/// Traces the heap anew and compares. Returns how many marked or new objects nothing reaches.
pub(crate) fn marks(collector: &Collector, records: &[Arc<MutatorRecord>]) -> Result<u64, Vec<Fault>> {
    let allocator = &collector.allocator;
    let mut roots = collector.roots.snapshot();
    for record in records {
        // SAFETY: the world is stopped: the collector acts for every mutator.
        unsafe { record.local() }.list_roots(collector, &mut roots);
    }
    let tags = collector.options.tags;
    let held = collector.host_check().map(|_| Vec::new());
    let mut walk =
        Walk { collector, allocator, tags, seen: Seen::default(), queue: VecDeque::new(), faults: Vec::new(), held };
    roots.into_iter().for_each(|root| walk.reach(0, root));
    while let Some(object) = walk.queue.pop_front() {
        walk.visit(object);
    }
    if let Some(held) = walk.held {
        walk.faults.extend(collector.compare_slots(held).into_iter().map(Fault::Host));
    }
    if !walk.faults.is_empty() {
        return Err(walk.faults);
    }
    let mut marked = 0;
    allocator.for_each_span(|span, _| {
        for word in 0..span.words() {
            let bits = |bits| span.word(bits, word).load(Ordering::Relaxed);
            marked += (bits(Bits::Mark) | bits(Bits::New)).count_ones() as u64;
        }
    });
    // Slots that caches hold ready are new bits without objects; they are not reached and count as floating.
    Ok(marked.saturating_sub(walk.seen.count))
}

impl Walk<'_> {
    /// A precise reference from the object at `from` (0: a root).
    fn reach(&mut self, from: usize, word: usize) {
        if word == 0 {
            return;
        }
        match self.allocator.resolve(word) {
            Some(found) if found.base == word => self.object(from, found),
            _ => {
                let (was, holder) = (self.collector.note(word), self.collector.note(from));
                self.faults.push(Fault::Dangling { from, word, was, holder });
            }
        }
    }

    fn object(&mut self, from: usize, found: Resolved) {
        if !self.seen.insert(found.base) {
            return;
        }
        if !found.span.bit(Bits::Mark, found.base) && !found.span.bit(Bits::New, found.base) {
            let name = self.name(found);
            let (was, holder) = (self.collector.note(found.base), self.collector.note(from));
            self.faults.push(Fault::Lost { from, object: found.base, name, was, holder });
        }
        self.queue.push_back(found);
    }

    fn name(&self, object: Resolved) -> &'static str {
        match self.allocator.layout_of(object) {
            Some(layout) => self.allocator.classes.layout(layout).layout.name,
            None => "object",
        }
    }

    fn visit(&mut self, object: Resolved) {
        let Some(layout) = self.allocator.layout_of(object) else {
            let what = "a slot in use has no layout";
            return self.faults.push(Fault::Span { base: object.span.base(), name: "mixed", what });
        };
        let plan = &self.allocator.classes.layout(layout).plan;
        self.words(object.base, object.base, plan.head, plan.pair_threshold, false);
        let step = plan.element_size as usize;
        if step == 0 {
            return;
        }
        let elements = match plan.shape {
            // SAFETY: an object of a stack layout is a StackHeader.
            Shape::Stack => unsafe { &*(object.base as *const StackHeader) }.live(step),
            _ => object.base + plan.head_size as usize..object.base + object.span.slot_size(),
        };
        let (mut at, end) = (elements.start, elements.end);
        while at + step <= end {
            self.words(object.base, at, plan.element, plan.pair_threshold, plan.shape == Shape::Stack);
            at += step;
        }
    }

    /// A register that was not written since its frame began may hold what a dead frame left there. An ambiguous one that
    /// names an unmarked object counts as such, too: see `Local::list_roots`.
    fn is_stale(&self, word: usize) -> bool {
        !self.allocator.is_base(word, Bits::Alloc)
    }

    /// Whether what an ambiguous word names is an object to be looked at. A slot that a cache holds ready has a new bit as an
    /// object has that was born in this cycle, and which nobody looks into either.
    fn is_object(&self, found: Resolved, in_stack: bool) -> bool {
        found.span.bit(Bits::Mark, found.base) || !in_stack && !found.span.bit(Bits::New, found.base)
    }

    fn words(&mut self, from: usize, base: usize, kinds: WordKinds, threshold: usize, in_stack: bool) {
        for word in 0..64 {
            let is = |mask: u64| mask >> word & 1 != 0;
            let value = |word: usize| {
                // SAFETY: the layout names words of a live object.
                unsafe { &*((base + word * WORD) as *const AtomicUsize) }.load(Ordering::Relaxed)
            };
            if let (false, Some(held)) = (in_stack, &mut self.held) {
                // A pair's second word is what refers.
                let word = word + is(kinds.pairs) as usize;
                let is_null = is(kinds.pairs) && value(word - 1) < threshold;
                if is(kinds.pairs | kinds.references | kinds.tagged | kinds.ambiguous) {
                    let value = if is_null { 0 } else { value(word) };
                    held.push(Held { object: from, slot: base + word * WORD, value });
                }
            }
            if is(kinds.references) {
                self.reach(from, value(word));
            }
            if let Some(tags) = self.tags.filter(|_| is(kinds.tagged)) {
                self.reach(from, tags.reference(value(word)));
            }
            if is(kinds.ambiguous)
                && let Some(found) = self.allocator.resolve(value(word))
                && self.is_object(found, in_stack)
            {
                self.object(from, found);
            }
            if is(kinds.pairs) && value(word) >= threshold && !(in_stack && self.is_stale(value(word + 1))) {
                self.reach(from, value(word + 1));
            }
        }
    }
}

/// Checks every span and every list of spans.
pub(crate) fn spans(collector: &Collector) -> Result<(), Vec<Fault>> {
    let allocator = &collector.allocator;
    let mut all: Vec<(SpanRef, &SpanClass)> = Vec::new();
    allocator.for_each_span(|span, class| all.push((span, class)));
    let mut faults = collector.workers.gather(&all, |&(span, class), faults| check(allocator, span, class, faults));
    let known: HashSet<SpanRef> = all.iter().map(|&(span, _)| span).collect();
    let mut listed = HashSet::new();
    for class in allocator.classes.span_classes() {
        class.central.for_each(|span, full| {
            let what = if !known.contains(&span) {
                "stands in a central list but is no span"
            } else if !listed.insert(span) {
                "stands in two central lists"
            } else if span.class() != Some(class.id) {
                "stands in the list of another class"
            } else if full && allocator.reuses_at_once() && free_slots(span, class) != 0 {
                "stands among the full spans but has free slots"
            } else {
                return;
            };
            faults.push(Fault::Span { base: span.base(), name: name_of(allocator, class), what });
        });
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn name_of(allocator: &Allocator, class: &SpanClass) -> &'static str {
    class.layout.map_or("mixed", |layout| allocator.classes.layout(layout).layout.name)
}

fn free_slots(span: SpanRef, class: &SpanClass) -> u32 {
    if span.is_large() {
        return 0;
    }
    (0..class.starts.len())
        .map(|word| (class.starts[word] & !span.word(Bits::Alloc, word).load(Ordering::Relaxed)).count_ones())
        .sum()
}

fn check(allocator: &Allocator, span: SpanRef, class: &SpanClass, faults: &mut Vec<Fault>) {
    let mut fault = |what| faults.push(Fault::Span { base: span.base(), name: name_of(allocator, class), what });
    if span.generation() != allocator.generation() {
        fault("was not swept");
    }
    let (mut live, mut off_start, mut marked, mut new) = (0, 0, 0, 0);
    for word in 0..span.words() {
        let starts = if span.is_large() { 1 } else { class.starts[word] };
        let alloc = span.word(Bits::Alloc, word).load(Ordering::Relaxed);
        live += alloc.count_ones() as usize;
        off_start |= alloc & !starts;
        marked |= span.word(Bits::Mark, word).load(Ordering::Relaxed);
        new |= span.word(Bits::New, word).load(Ordering::Relaxed);
    }
    if off_start != 0 {
        fault("an allocation bit stands where no slot starts");
    }
    if marked != 0 {
        fault("a mark bit outlived the sweep");
    }
    if new != 0 {
        fault("a new bit outlived the sweep");
    }
    if live > span.slots() {
        fault("more allocation bits than slots");
    }
    if class.is_mixed() != span.layout_cell(0).is_some() {
        fault("the layout table does not go with the class");
    }
    for page in span.page()..(span.page() + span.pages()).min(ARENA_SIZE / PAGE_SIZE) {
        if allocator.pages.is_free(span.arena(), page) {
            fault("one of its pages is free");
        }
    }
    let last = span.base() + span.slots() * span.slot_size() - 1;
    if allocator.slot_at(last).is_none_or(|found| found.span != span || found.slot != span.slots() - 1) {
        fault("its last slot is not found by address");
    }
}
