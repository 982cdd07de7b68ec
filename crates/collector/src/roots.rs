//! Roots that belong to no mutator, and what a mutator's own root sources look like.
//!
//! *Callers:* the mutator layer makes and drops handles from any thread; the collector scans the table once a cycle.
//! *Invariants:* the table is treated like an object of the heap: from the moment the first mutator has the barrier on
//! until marking ends, an entry that is removed is pushed to the grey queue first (`[barrier.deletion]`). What is put
//! into the table is shaded by its mutator's barrier. *Locks:* `Rank::RootTable`.

use crate::barrier::Barrier;
use crate::collector::Collector;
use crate::grey::GreyQueue;
use crate::host_check::Rule;
use spanheap_sync::{Mutex, MutexGuard, Rank};

/// The heap-wide table of root handles.
pub struct RootTable {
    inner: Mutex<Table>,
}

pub(crate) struct Table {
    /// Addresses of objects; 0 in free entries.
    entries: Vec<usize>,
    free: Vec<usize>,
    marking: bool,
}

impl RootTable {
    /// An empty table.
    pub fn new() -> RootTable {
        let table = Table { entries: Vec::new(), free: Vec::new(), marking: false };
        RootTable { inner: Mutex::new(Rank::RootTable, table) }
    }

    /// Adds an object and returns the entry's number.
    pub fn add(&self, object: usize) -> usize {
        let mut table = self.inner.lock();
        match table.free.pop() {
            Some(entry) => {
                table.entries[entry] = object;
                entry
            }
            None => {
                table.entries.push(object);
                table.entries.len() - 1
            }
        }
    }

    /// Removes an entry.
    pub fn remove(&self, entry: usize, queue: &GreyQueue) {
        let mut table = self.inner.lock();
        let object = std::mem::take(&mut table.entries[entry]);
        table.free.push(entry);
        if table.marking {
            queue.push(vec![object]);
        }
    }

    /// From now on removals are noted.
    pub(crate) fn begin_marking(&self) {
        self.inner.lock().marking = true;
    }

    /// Removals need not be noted any more.
    pub(crate) fn end_marking(&self) {
        self.inner.lock().marking = false;
    }

    /// All objects in the table.
    pub(crate) fn snapshot(&self) -> Vec<usize> {
        self.inner.lock().entries.iter().copied().filter(|&object| object != 0).collect()
    }

    /// Holds the table as it is, for as long as what is returned lives.
    pub(crate) fn hold(&self) -> MutexGuard<'_, Table> {
        self.inner.lock()
    }

    /// Number of handles.
    pub fn len(&self) -> usize {
        let table = self.inner.lock();
        table.entries.len() - table.free.len()
    }

    /// Whether there is no handle.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for RootTable {
    fn default() -> RootTable {
        RootTable::new()
    }
}

/// A host's own roots, attached to one mutator: native stacks, register files, tables outside the heap.
///
/// # Safety
/// 1. `visit` reports every reference into the heap that the source holds and that no other root covers. 2. What it
///    reports through [`RootVisitor::object`] is null or the address of a live object's first byte. 3. `visit` is called
///    on the mutator's own thread at a safepoint, or on another thread while the mutator is in a native region; what it
///    reads must not change meanwhile. 4. It neither allocates, nor enters the heap in any other way.
///
/// A `visit` that panics has not reported what it holds: the cycle goes on, and frees nothing. The source is dropped when its
/// mutator has detached; that its destructor panics changes nothing.
pub unsafe trait RootSource {
    /// Reports the source's references.
    fn visit(&self, visitor: &mut RootVisitor<'_>);
}

/// Takes the references that a [`RootSource`] reports.
pub struct RootVisitor<'a> {
    collector: &'a Collector,
    sink: Sink<'a>,
}

enum Sink<'a> {
    Log(&'a Barrier, &'a GreyQueue),
    List(&'a mut Vec<usize>),
}

impl<'a> RootVisitor<'a> {
    pub(crate) fn into_log(collector: &'a Collector, barrier: &'a Barrier) -> RootVisitor<'a> {
        RootVisitor { collector, sink: Sink::Log(barrier, &collector.grey) }
    }

    pub(crate) fn into_list(collector: &'a Collector, list: &'a mut Vec<usize>) -> RootVisitor<'a> {
        RootVisitor { collector, sink: Sink::List(list) }
    }

    /// An object, by the address of its first byte; 0 is ignored.
    pub fn object(&mut self, addr: usize) {
        if addr != 0 {
            if self.collector.host_check().is_some() {
                self.collector.expect_object(Rule::S2, "is reported by a root source", addr);
            }
            match &mut self.sink {
                Sink::Log(barrier, queue) => barrier.shade(addr, queue),
                Sink::List(list) => list.push(addr),
            }
        }
    }

    /// Any word: if it is an address in an object, it keeps that object.
    pub fn ambiguous(&mut self, word: usize) {
        if let Some(found) = self.collector.allocator.resolve(word) {
            self.object(found.base);
        }
    }

    /// Words of a range of memory, each ambiguous.
    ///
    /// # Safety
    /// 1. `words` words from `start` are readable, and nobody writes them meanwhile. 2. `start` is word aligned.
    pub unsafe fn ambiguous_range(&mut self, start: *const usize, words: usize) {
        for index in 0..words {
            // SAFETY: by 1 and 2.
            self.ambiguous(unsafe { start.add(index).read_volatile() });
        }
    }
}
