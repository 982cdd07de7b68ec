//! The quarantine: freed memory that is not used again for a while, so that a stale reference shows. An option for tests.
//!
//! *Callers:* `allocator`, where spans are swept and made. *Invariants:*
//! - `[quarantine.slots]` A slot that a sweep has freed is not handed out before a later sweep of its span, one that frees
//!   nothing: until then the span stands among the full ones.
//! - `[quarantine.pages]` The pages of a span that a sweep has found empty fault when touched. They count as in use, stay so
//!   until [`MOST_PAGES`] younger ones are here or somebody lacks memory, and are nobody's until then.
//!
//! A page that the system does not guard goes back at once; one whose guard it does not take back stays here.
//! *Locks:* `Rank::Quarantine`, with system calls under it: nobody is in a hurry here.

use crate::page_heap::{PageHeap, PageRun};
use spanheap_sync::word::{AtomicU64, Ordering};
use spanheap_sync::{Mutex, Rank};
use std::collections::VecDeque;

/// Pages that are kept: 32 MiB.
const MOST_PAGES: usize = 4096;

/// Freed pages, the oldest first.
pub(crate) struct Quarantine {
    runs: Mutex<Runs>,
    /// Pages that ever were guarded.
    guarded: AtomicU64,
}

#[derive(Default)]
struct Runs {
    runs: VecDeque<PageRun>,
    pages: usize,
}

impl Quarantine {
    pub(crate) fn new() -> Quarantine {
        Quarantine { runs: Mutex::new(Rank::Quarantine, Runs::default()), guarded: AtomicU64::new(0) }
    }

    /// Number of pages that were ever guarded.
    pub(crate) fn guarded(&self) -> u64 {
        self.guarded.load(Ordering::Relaxed)
    }

    /// Takes pages that nobody uses any more. They go back to `pages` later.
    pub(crate) fn admit(&self, freed: &[PageRun], pages: &PageHeap) {
        let (mut runs, mut home) = (self.runs.lock(), Vec::new());
        for &run in freed {
            if pages.guard(run, true) {
                self.guarded.fetch_add(run.pages as u64, Ordering::Relaxed);
                runs.pages += run.pages;
                runs.runs.push_back(run);
            } else {
                home.push(run);
            }
        }
        runs.release(MOST_PAGES, pages, &mut home);
        pages.give_back_all(&home);
    }

    /// Gives everything back: memory is short. Returns whether there was anything.
    pub(crate) fn relieve(&self, pages: &PageHeap) -> bool {
        let (mut runs, mut home) = (self.runs.lock(), Vec::new());
        runs.release(0, pages, &mut home);
        pages.give_back_all(&home);
        !home.is_empty()
    }
}

impl Runs {
    /// Ends the oldest runs' time here until no more than `most` pages are left.
    fn release(&mut self, most: usize, pages: &PageHeap, home: &mut Vec<PageRun>) {
        while self.pages > most
            && let Some(&oldest) = self.runs.front()
            && pages.guard(oldest, false)
        {
            self.runs.pop_front();
            self.pages -= oldest.pages;
            home.push(oldest);
        }
    }
}
