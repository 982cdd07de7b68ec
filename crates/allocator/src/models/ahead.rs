//! Model: one thread prepares a growth unit ahead while another takes pages, writes to them, or trims the heap.
//!
//! *Claim:* while a unit is populated nobody else is given a page of it; what is handed out then is zero, keeps its
//! contents, and is the lowest there is; and after a trim nothing stands prepared, whenever the preparation began. *Actors:* a
//! preparer; a mutator that grows the heap meanwhile, or somebody who trims. *Runs as it ships:* the page heap and the memory
//! layer. *Replaced:* the system's populating, by the worst that its contract allows: it reads, lets others run, and
//! writes back what it read. Only the locks are loom's; the pages are not.

use crate::geometry::{GROWTH_UNIT, PAGE_SIZE};
use crate::page_heap::{BaseAddress, HugePages, PageHeap, PageOptions, Run, Unit};
use crate::{ArenaIndex, page_heap};
use page_heap::Position;
use spanheap_memory::{Access, Mapping, Memory, Os, System};
use spanheap_sync::model::explore;
use spanheap_sync::{Arc, thread};
use std::io;
use std::ptr::NonNull;

const UNIT_PAGES: usize = GROWTH_UNIT / PAGE_SIZE;
/// Enough for memory to be prepared ahead.
const PAGES: usize = (20 << 20) / PAGE_SIZE;

/// The system, with another way to populate.
struct Slow(System);

// SAFETY: every call is passed on to the system, but for one, which does what the system would, page by page.
unsafe impl Os for Slow {
    fn page_size(&self) -> usize {
        self.0.page_size()
    }
    fn reserve(&self, len: usize) -> io::Result<Mapping> {
        self.0.reserve(len)
    }
    fn reserve_at(&self, address: usize, len: usize) -> io::Result<Option<Mapping>> {
        self.0.reserve_at(address, len)
    }
    fn alloc(&self, len: usize) -> io::Result<Mapping> {
        self.0.alloc(len)
    }
    unsafe fn protect(&self, start: NonNull<u8>, len: usize, access: Access) -> io::Result<()> {
        // SAFETY: the caller's promises are those that the real system asks for.
        unsafe { self.0.protect(start, len, access) }
    }
    unsafe fn discard(&self, start: NonNull<u8>, len: usize) -> io::Result<()> {
        // SAFETY: as for `protect`.
        unsafe { self.0.discard(start, len) }
    }
    unsafe fn prefer_huge(&self, start: NonNull<u8>, len: usize) -> io::Result<()> {
        // SAFETY: as for `protect`.
        unsafe { self.0.prefer_huge(start, len) }
    }
    unsafe fn populate(&self, start: NonNull<u8>, len: usize) -> io::Result<()> {
        // SAFETY: the range may be read and written, and by the contract nobody else does.
        let byte = |offset: usize| unsafe { start.add(offset) };
        let offsets = || (0..len).step_by(PAGE_SIZE);
        // SAFETY: as above.
        let found: Vec<u8> = offsets().map(|offset| unsafe { byte(offset).read() }).collect();
        thread::yield_now();
        // SAFETY: as above.
        offsets().zip(found).for_each(|(offset, value)| unsafe { byte(offset).write(value) });
        Ok(())
    }
    fn resident(&self, start: NonNull<u8>, len: usize) -> io::Result<usize> {
        self.0.resident(start, len)
    }
}

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// The unit is among the free pages while it is populated.
    StaysFree,
    /// A trim gives back what is free, and overlooks what is being prepared.
    OverlooksPreparation,
}

fn first_byte(run: Run, page: usize) -> *mut u8 {
    (run.arena + (run.page + page) * PAGE_SIZE) as *mut u8
}

fn holds(run: Run, pages: usize, byte: u8) -> bool {
    // SAFETY: the caller holds the run.
    (0..pages).all(|page| unsafe { first_byte(run, page).read() } == byte)
}

/// A heap that has grown and wants more, with nothing usable left.
fn grown() -> (Arc<PageHeap>, ArenaIndex) {
    // No addresses that another model may have at the same time: an execution that finds them taken would take other steps
    // than the one that it repeats.
    let options = PageOptions { limit: usize::MAX, base: BaseAddress::Random, huge_pages: HugePages::Never };
    let heap = Arc::new(PageHeap::new(Arc::new(Memory::with_os(Box::new(Slow(System::new())))), options));
    let index = ArenaIndex::new();
    heap.take(PAGES, &index).unwrap();
    heap.take(heap.figures().free_ready / PAGE_SIZE, &index).unwrap();
    assert!(heap.is_more_wanted());
    (heap, index)
}

fn preparer(heap: &Arc<PageHeap>, mutant: Mutant) -> thread::JoinHandle<()> {
    let heap = Arc::clone(heap);
    thread::spawn(move || {
        let Some(ahead) = heap.begin_ahead() else { return };
        if mutant == Mutant::StaysFree {
            let claimed = ahead.clone_for_mutant();
            heap.end_ahead(ahead);
            claimed.populate();
        } else {
            ahead.populate();
            heap.end_ahead(ahead);
        }
    })
}

fn preparing_beside_a_mutator(name: &str, mutant: Mutant) {
    explore(name, 2, move || {
        let (heap, index) = grown();
        let preparer = preparer(&heap, mutant);
        // More than half a unit, so that what it does not find in one place it takes from the next.
        let held = [40, UNIT_PAGES - 50].map(|pages| {
            let run = heap.take(pages, &index).unwrap();
            assert!(run.zero && holds(run, pages, 0), "a fresh run is not zero");
            // SAFETY: the run is this thread's.
            (0..pages).for_each(|page| unsafe { first_byte(run, page).write(2) });
            (run, pages)
        });
        preparer.join().unwrap();
        assert!(held.iter().all(|&(run, pages)| holds(run, pages, 2)), "contents are gone");
        let figures = heap.figures();
        assert!(figures.free_ready % GROWTH_UNIT == 10 * PAGE_SIZE, "{figures:?}");
        let free = heap.take(10, &index).unwrap();
        assert!(free.zero && holds(free, 10, 0), "what was prepared is not zero");
    });
}

fn preparing_beside_a_trim(name: &str, mutant: Mutant) {
    explore(name, 3, move || {
        let (heap, _index) = grown();
        let preparer = preparer(&heap, mutant);
        // Loom switches at its own operations only: the preparation may begin before anything is called off.
        thread::yield_now();
        if mutant == Mutant::OverlooksPreparation {
            heap.call_off();
            let mut position = Position::TOP;
            while let Some(release) = heap.begin_release(&mut position, usize::MAX, Unit::Whole) {
                let taken = release.unused();
                heap.end_release(release, taken);
            }
        } else {
            heap.trim(0);
        }
        preparer.join().unwrap();
        assert_eq!(heap.figures().free_ready, 0, "a unit stands prepared after a trim");
    });
}

#[test]
fn a_unit_that_is_populated_belongs_to_nobody_else() {
    preparing_beside_a_mutator("ahead", Mutant::Shipped);
}

#[test]
fn a_trim_leaves_nothing_prepared() {
    preparing_beside_a_trim("ahead, trim", Mutant::Shipped);
}

#[test]
#[should_panic(expected = "contents are gone")]
fn mutant_that_leaves_the_unit_free() {
    preparing_beside_a_mutator("ahead, unit stays free", Mutant::StaysFree);
}

#[test]
#[should_panic(expected = "a unit stands prepared after a trim")]
fn mutant_that_overlooks_the_preparation() {
    preparing_beside_a_trim("ahead, trim overlooks it", Mutant::OverlooksPreparation);
}
