//! The state of each page of one reservation.
//!
//! Owns: [`State`] and [`PageStates`]. Callers: `reservation.rs`, under the reservation's lock.
//! Invariant: a ready page is also marked prepared, so the two bits of a page are one of three values; the state
//! `None` has no bits, because a page without a reservation has no table. The two counts equal the bits set.

use core::fmt;
use core::ops::Range;

/// The state of a page. The crate's documentation has the table and the transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Not held by this program, or not by this crate.
    None,
    /// Address space is held; touching it faults.
    Reserved,
    /// May be touched, but holds nothing that matters.
    Prepared,
    /// In use.
    Ready,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::None => "none",
            State::Reserved => "reserved",
            State::Prepared => "prepared",
            State::Ready => "ready",
        })
    }
}

/// Two bits per page, and how many of each are set.
#[derive(Debug)]
pub(crate) struct PageStates {
    prepared: Bits,
    ready: Bits,
}

impl PageStates {
    /// A table for `pages` pages, all reserved.
    pub(crate) fn new(pages: usize) -> Self {
        Self { prepared: Bits::new(pages), ready: Bits::new(pages) }
    }

    pub(crate) fn get(&self, page: usize) -> State {
        match (self.prepared.get(page), self.ready.get(page)) {
            (false, _) => State::Reserved,
            (true, false) => State::Prepared,
            (true, true) => State::Ready,
        }
    }

    /// The first page of `range` that is still reserved.
    pub(crate) fn first_reserved(&self, range: Range<usize>) -> Option<usize> {
        self.prepared.first_clear(range)
    }

    /// Reserved pages of `range` become prepared; returns how many did.
    pub(crate) fn prepare(&mut self, range: Range<usize>) -> usize {
        self.prepared.set(range)
    }

    /// Prepared pages of `range` become ready; returns how many did. None of the range may be reserved.
    pub(crate) fn ready(&mut self, range: Range<usize>) -> usize {
        debug_assert_eq!(self.first_reserved(range.clone()), None);
        self.ready.set(range)
    }

    /// Ready pages of `range` become prepared; returns how many did.
    pub(crate) fn unready(&mut self, range: Range<usize>) -> usize {
        self.ready.clear(range)
    }

    /// Prepared pages of `range` become reserved; returns how many did. None of the range may be ready.
    pub(crate) fn unprepare(&mut self, range: Range<usize>) -> usize {
        debug_assert!(range.clone().all(|page| !self.ready.get(page)));
        self.prepared.clear(range)
    }

    /// Pages that are prepared or ready.
    pub(crate) fn prepared_pages(&self) -> usize {
        self.prepared.ones
    }

    /// Pages that are ready.
    pub(crate) fn ready_pages(&self) -> usize {
        self.ready.ones
    }
}

/// A fixed number of bits with range operations that report how many bits they changed.
#[derive(Debug)]
struct Bits {
    // Zeroed by the allocator, so a large table costs no memory before its bits are set.
    words: Vec<u64>,
    ones: usize,
}

impl Bits {
    fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], ones: 0 }
    }

    fn get(&self, bit: usize) -> bool {
        self.words[bit / 64] & 1 << (bit % 64) != 0
    }

    fn set(&mut self, range: Range<usize>) -> usize {
        let mut changed = 0;
        for (word, mask) in masks(range) {
            changed += (mask & !self.words[word]).count_ones() as usize;
            self.words[word] |= mask;
        }
        self.ones += changed;
        changed
    }

    fn clear(&mut self, range: Range<usize>) -> usize {
        let mut changed = 0;
        for (word, mask) in masks(range) {
            changed += (mask & self.words[word]).count_ones() as usize;
            self.words[word] &= !mask;
        }
        self.ones -= changed;
        changed
    }

    fn first_clear(&self, range: Range<usize>) -> Option<usize> {
        masks(range).find_map(|(word, mask)| {
            let clear = mask & !self.words[word];
            (clear != 0).then(|| word * 64 + clear.trailing_zeros() as usize)
        })
    }
}

/// The words that hold the bits of `range`, each with a mask of those bits.
fn masks(range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let Range { start, end } = range;
    (start / 64..end.div_ceil(64)).map(move |word| {
        let first = start.saturating_sub(word * 64).min(63);
        let last = (end - 1 - word * 64).min(63);
        (word, u64::MAX << first & u64::MAX >> (63 - last))
    })
}

#[cfg(test)]
mod tests {
    use super::{PageStates, State};

    /// The bit table against a plain vector, over ranges that begin and end at every position around word borders.
    #[test]
    fn ranges_change_exactly_their_pages() {
        const PAGES: usize = 200;
        let edges = [0, 1, 62, 63, 64, 65, 127, 128, 129, 191, 192, 199, PAGES];
        for (&start, &end) in edges.iter().flat_map(|start| edges.iter().map(move |end| (start, end))) {
            if start > end {
                continue;
            }
            let mut states = PageStates::new(PAGES);
            assert_eq!(states.prepare(start..end), end - start);
            assert_eq!(states.prepare(start..end), 0, "a second time changes nothing");
            assert_eq!(states.first_reserved(start..end), None);
            let middle = start.midpoint(end);
            assert_eq!(states.ready(start..middle), middle - start);
            let expected = |page| match page {
                _ if page < start || page >= end => State::Reserved,
                _ if page < middle => State::Ready,
                _ => State::Prepared,
            };
            assert!((0..PAGES).all(|page| states.get(page) == expected(page)), "{start}..{end}");
            assert_eq!((states.prepared_pages(), states.ready_pages()), (end - start, middle - start));
            assert_eq!(states.first_reserved(0..PAGES), (0..PAGES).find(|&page| expected(page) == State::Reserved));
            assert_eq!(states.unready(0..PAGES), middle - start);
            assert_eq!(states.unprepare(middle..end), end - middle);
            assert_eq!((states.prepared_pages(), states.ready_pages()), (middle - start, 0));
        }
    }
}
