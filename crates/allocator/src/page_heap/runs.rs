//! Runs of set bits: in one word, across two, and in the bitmap of a whole arena with its summary.
//!
//! *Callers:* `arena` and `cache`. *Invariants:* a summary says of each word of the bitmap the longest run of set bits
//! that *starts* in it, reaching into the next word where it must, and counts no more than 64 of them. So the first
//! word whose summary is at least `n` holds the lowest place of a run of `n <= 64`: a lower place would show in the
//! summary of its own word. Longer runs begin in words whose summary is 64. Adjacent runs are one run by being
//! adjacent bits: there is nothing to merge.

use crate::geometry::ARENA_PAGES;
use std::ops::Range;

/// Words of a bitmap with one bit per page of an arena.
pub(super) const WORDS: usize = ARENA_PAGES / 64;

/// One bit per page of an arena.
pub(super) type Bitmap = [u64; WORDS];

/// The top bit of each byte of a word.
const TOPS: u64 = 0x8080_8080_8080_8080;
/// The lowest bit of each byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;

const _: () = assert!(ARENA_PAGES.is_multiple_of(64 * 8));

/// The words that hold the bits of a range that is not empty, each with a mask of those bits.
#[inline]
pub(super) fn masks(range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let (first, last) = (range.start / 64, (range.end - 1) / 64);
    let (low, high) = (u64::MAX << (range.start % 64), u64::MAX >> (63 - (range.end - 1) % 64));
    (first..=last).map(move |word| {
        let from = if word == first { low } else { u64::MAX };
        let to = if word == last { high } else { u64::MAX };
        (word, from & to)
    })
}

/// The number of bits set in a range.
pub(super) fn count(bits: &Bitmap, range: Range<usize>) -> usize {
    if range.is_empty() { 0 } else { masks(range).map(|(word, mask)| (bits[word] & mask).count_ones() as usize).sum() }
}

/// The length of the longest run of set bits.
#[inline]
pub(super) fn longest(word: u64) -> usize {
    if word == 0 || word == u64::MAX {
        return if word == 0 { 0 } else { 64 };
    }
    // starts[k] has a bit set where a run of at least 2^k starts. Most words have short runs only.
    let mut starts = [word; 6];
    for k in 1..4 {
        starts[k] = starts[k - 1] & starts[k - 1] >> (1 << (k - 1));
    }
    let short = starts[3] == 0;
    if !short {
        starts[4] = starts[3] & starts[3] >> 8;
        starts[5] = starts[4] & starts[4] >> 16;
    }
    // The length is put together from the largest power of two down.
    let (mut length, mut found) = (0, u64::MAX);
    let mut add = |k: usize| {
        let longer = found & starts[k] >> length;
        if longer != 0 {
            found = longer;
            length += 1 << k;
        }
    };
    if !short {
        (3..6).rev().for_each(&mut add);
    }
    (0..3).rev().for_each(&mut add);
    length
}

/// Where in `low` the first run of `len` bits, from 1 to 64, starts; it may reach into `high`, which continues `low`.
#[inline]
pub(super) fn first_run(low: u64, high: u64, len: usize) -> Option<usize> {
    let mut starts = low as u128 | (high as u128) << 64;
    let mut have = 1;
    while have < len {
        let more = have.min(len - have);
        starts &= starts >> more;
        have += more;
    }
    let starts = starts as u64;
    (starts != 0).then(|| starts.trailing_zeros() as usize)
}

/// The end of the run of set bits that starts at `start`, or `limit` if that comes first.
pub(super) fn run_end(bits: &Bitmap, start: usize, limit: usize) -> usize {
    let mut clear = !bits[start / 64] & u64::MAX << (start % 64);
    let mut word = start / 64;
    while clear == 0 && (word + 1) * 64 < limit {
        word += 1;
        clear = !bits[word];
    }
    if clear == 0 { limit } else { (word * 64 + clear.trailing_zeros() as usize).min(limit) }
}

/// The highest run of at least `least` set bits that ends at or below `below`. `bits` gives the words of the bitmap.
pub(super) fn last_run(bits: impl Fn(usize) -> u64, below: usize, least: usize) -> Option<Range<usize>> {
    let is_set = |flip: u64, below: usize| {
        let mut end = below;
        while end > 0 {
            let word = (end - 1) / 64;
            let found = (bits(word) ^ flip) & u64::MAX >> (63 - (end - 1) % 64);
            if found != 0 {
                return word * 64 + 64 - found.leading_zeros() as usize;
            }
            end = word * 64;
        }
        0
    };
    let mut below = below;
    loop {
        let end = is_set(0, below);
        let start = is_set(u64::MAX, end);
        if end == 0 || end - start >= least {
            return (end != 0).then_some(start..end);
        }
        below = start;
    }
}

/// What is known of the runs in an arena's bitmap of free pages.
#[derive(PartialEq, Eq)]
pub(super) struct Summary {
    /// The longest run within each word.
    inside: [u8; WORDS],
    /// The longest run that starts in each word, up to 64.
    starting: [u8; WORDS],
}

impl Summary {
    /// The summary of a bitmap.
    pub(super) fn of(free: &Bitmap) -> Summary {
        let mut summary = Summary { inside: [0; WORDS], starting: [0; WORDS] };
        summary.update(free, 0, WORDS - 1);
        summary
    }

    /// Takes note that the words `first..=last` of the bitmap have changed. Returns the longest run, up to 64, that
    /// starts in one of them or in the word before.
    #[inline]
    pub(super) fn update(&mut self, free: &Bitmap, first: usize, last: usize) -> usize {
        for (inside, &word) in self.inside[first..=last].iter_mut().zip(&free[first..=last]) {
            *inside = longest(word) as u8;
        }
        let mut most = if first == 0 { 0 } else { self.update_starting(free, first - 1) };
        for word in first..=last {
            most = most.max(self.update_starting(free, word));
        }
        most as usize
    }

    #[inline]
    fn update_starting(&mut self, free: &Bitmap, word: usize) -> u8 {
        let next = if word + 1 < WORDS { free[word + 1] } else { 0 };
        let across = match free[word].leading_ones() {
            0 => 0,
            here => (here + next.trailing_ones()).min(64) as u8,
        };
        self.starting[word] = self.inside[word].max(across);
        self.starting[word]
    }

    /// The longest run, up to 64.
    pub(super) fn longest(&self) -> usize {
        self.starting.iter().fold(0, |most, &run| most.max(run)) as usize
    }

    /// The lowest place of a run of `len` bits, in the words from `from` on. No bit is set in the words below.
    #[inline]
    pub(super) fn find(&self, free: &Bitmap, from: usize, len: usize) -> Option<usize> {
        let word = first_at_least(&self.starting, from, len.min(64))?;
        if len > 64 {
            return self.find_long(free, word, len);
        }
        let next = if word + 1 < WORDS { free[word + 1] } else { 0 };
        first_run(free[word], next, len).map(|bit| word * 64 + bit)
    }

    fn find_long(&self, free: &Bitmap, first: usize, len: usize) -> Option<usize> {
        let mut from = first;
        while let Some(word) = (from..WORDS).find(|&word| self.starting[word] == 64) {
            let next = if word + 1 < WORDS { free[word + 1] } else { 0 };
            let start = word * 64 + first_run(free[word], next, 64)?;
            let end = run_end(free, start, ARENA_PAGES.min(start + len));
            if end - start == len {
                return Some(start);
            }
            // Whatever starts below the end of this run is a part of it.
            from = end / 64;
        }
        None
    }

    /// The lowest word, from `from` on, with a run of `len` bits, from 1 to 64, within it.
    #[inline]
    pub(super) fn find_inside(&self, from: usize, len: usize) -> Option<usize> {
        first_at_least(&self.inside, from, len)
    }
}

/// The first place, from about `from` on, whose number is at least `least`, eight numbers at a time. No number exceeds
/// 64, and `least` is from 1 to 64; the numbers below `from` are 0.
#[inline]
fn first_at_least(numbers: &[u8; WORDS], from: usize, least: usize) -> Option<usize> {
    let (eights, _) = numbers.as_chunks::<8>();
    for (place, &eight) in eights.iter().enumerate().skip(from / 8) {
        // In each byte 128 + number - least, which no borrow leaves: the top bit says whether number >= least.
        let reached = ((u64::from_le_bytes(eight) | TOPS) - ONES * least as u64) & TOPS;
        if reached != 0 {
            return Some(place * 8 + reached.trailing_zeros() as usize / 8);
        }
    }
    None
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive_runs(bits: &[bool]) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (place, _) in bits.iter().enumerate().filter(|bit| *bit.1) {
            match runs.last_mut() {
                Some(run) if run.end == place => run.end += 1,
                _ => runs.push(place..place + 1),
            }
        }
        runs
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Every search against a vector of booleans, while runs of the bitmap change.
        #[test]
        fn searches_equal_naive_ones(
            changes in prop::collection::vec((0..ARENA_PAGES, 1usize..600, any::<bool>()), 1..40),
            len in prop_oneof![1usize..20, 50usize..80, 100usize..1000],
            below in 0..=ARENA_PAGES,
        ) {
            let (mut free, mut naive) = ([0; WORDS], vec![false; ARENA_PAGES]);
            let mut summary = Summary::of(&free);
            for (start, length, set) in changes {
                let range = start..(start + length).min(ARENA_PAGES);
                naive[range.clone()].fill(set);
                for (word, mask) in masks(range.clone()) {
                    if set { free[word] |= mask } else { free[word] &= !mask }
                }
                summary.update(&free, range.start / 64, (range.end - 1) / 64);
            }
            let runs = naive_runs(&naive);
            let expected = runs.iter().find(|run| run.len() >= len).map(|run| run.start);
            prop_assert_eq!(summary.find(&free, 0, len), expected);
            let most = runs.iter().map(|run| run.len()).max().unwrap_or(0);
            prop_assert_eq!(summary.longest(), most.min(64));
            prop_assert_eq!(count(&free, 0..below), naive[..below].iter().filter(|&&bit| bit).count());
            let expected = naive_runs(&naive[..below]).into_iter().rfind(|run| run.len() >= len);
            prop_assert_eq!(last_run(|word| free[word], below, len), expected);
            let inside = (0..WORDS).find(|word| {
                naive_runs(&naive[word * 64..word * 64 + 64]).iter().any(|run| run.len() >= len)
            });
            if len <= 64 {
                prop_assert_eq!(summary.find_inside(0, len), inside);
            }
        }

        #[test]
        fn a_word_s_longest_run_is_found(word in any::<u64>(), other in any::<u64>(), fill in 0u32..3) {
            let word = match fill { 0 => word & other, 1 => word, _ => word | other };
            let mut naive = (0, 0);
            for bit in 0..64 {
                naive.1 = if word >> bit & 1 != 0 { naive.1 + 1 } else { 0 };
                naive.0 = naive.0.max(naive.1);
            }
            prop_assert_eq!(longest(word), naive.0);
        }
    }

    #[test]
    fn full_and_empty_words_have_their_runs() {
        assert_eq!((longest(0), longest(u64::MAX), longest(u64::MAX >> 1), longest(1)), (0, 64, 63, 1));
        assert_eq!(first_run(u64::MAX, 0, 64), Some(0));
        assert_eq!(first_run(u64::MAX << 63, u64::MAX >> 1, 64), Some(63));
        assert_eq!(first_run(u64::MAX << 63, u64::MAX >> 2, 64), None);
    }
}

#[cfg(all(test, not(loom)))]
mod ends;
