//! Model: one thread gives free pages back to the system while another takes pages, writes to them and keeps them.
//!
//! *Claim:* a page that somebody holds keeps its contents, and a page that is said to be zero is; at the end every page
//! is held, free, or free and given back. *Actors:* a scavenger that takes a free unit out, calls the system, and puts
//! the unit back; a mutator that takes that much and more, and writes to it. *Runs as it ships:* the page heap and the
//! memory layer with the real system. Only the locks are loom's; the pages are
//! not, so the mutator touches a lock after its writes that the memory layer takes before each system call.

use crate::geometry::{GROWTH_UNIT, PAGE_SIZE};
use crate::page_heap::{BaseAddress, HugePages, PageHeap, PageOptions, Position, Run, Unit};
use crate::{ArenaIndex, geometry};
use spanheap_memory::Memory;
use spanheap_sync::model::explore;
use spanheap_sync::{Arc, thread};

const UNIT_PAGES: usize = GROWTH_UNIT / PAGE_SIZE;
/// Up to the end of the second unit that is wholly data.
const PAGES: usize = 4 * UNIT_PAGES - geometry::FIRST_DATA_PAGE;

fn first_byte(run: Run, page: usize) -> *mut u8 {
    (run.arena + (run.page + page) * PAGE_SIZE) as *mut u8
}

fn write(run: Run, pages: usize, byte: u8) {
    // SAFETY: the caller holds the run.
    (0..pages).step_by(64).for_each(|page| unsafe { first_byte(run, page).write(byte) });
}

fn holds(run: Run, pages: usize, byte: u8) -> bool {
    // SAFETY: the caller holds the run.
    (0..pages).step_by(64).all(|page| unsafe { first_byte(run, page).read() } == byte)
}

/// With `keeps_free`, the scavenger leaves the pages among the free ones while it calls the system.
fn scavenging_beside_a_mutator(name: &str, keeps_free: bool) {
    explore(name, 2, move || {
        let options = PageOptions { limit: usize::MAX, base: BaseAddress::Seeded(3), huge_pages: HugePages::Never };
        let heap = Arc::new(PageHeap::new(Arc::new(Memory::new()), options));
        let index = ArenaIndex::new();
        let all = heap.take(PAGES, &index).unwrap();
        write(all, PAGES, 1);
        heap.give_back(all.arena, all.page, PAGES);
        let scavenger = {
            let heap = Arc::clone(&heap);
            thread::spawn(move || {
                let mut position = Position::TOP;
                let Some(release) = heap.begin_release(&mut position, UNIT_PAGES, Unit::Whole) else { return };
                if keeps_free {
                    let (pages, taken) = (release.clone_for_mutant(), false);
                    heap.end_release(release, taken);
                    pages.unused();
                } else {
                    let taken = release.unused();
                    heap.end_release(release, taken);
                }
            })
        };
        let held = heap.take(PAGES, &index).unwrap();
        assert!(!held.zero || holds(held, PAGES, 0), "a run is said to be zero and is not");
        write(held, PAGES, 2);
        // Loom does not see the pages: this lock is also taken around the system call, so that both orders are explored.
        heap.memory().counters();
        scavenger.join().unwrap();
        assert!(holds(held, PAGES, 2), "contents are gone");
        let before = heap.figures();
        assert_eq!(before.in_use, PAGES * PAGE_SIZE);
        heap.give_back(held.arena, held.page, PAGES);
        let again = heap.take(PAGES, &index).unwrap();
        assert_eq!((again.arena, again.page), (all.arena, all.page), "the lowest pages are free again");
    });
}

#[test]
fn pages_given_back_belong_to_nobody() {
    scavenging_beside_a_mutator("release", false);
}

#[test]
#[should_panic(expected = "contents are gone")]
fn mutant_that_leaves_the_pages_free() {
    scavenging_beside_a_mutator("release, pages stay free", true);
}
