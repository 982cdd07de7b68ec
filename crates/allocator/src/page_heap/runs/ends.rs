//! Runs at the ends of words and of the bitmap, where a search must not look further.
//!
//! *Callers:* `cargo test`. *Invariants:* none; nothing here touches an arena.

use super::*;

fn bitmap(runs: impl IntoIterator<Item = Range<usize>>) -> Bitmap {
    let mut bits = [0; WORDS];
    for run in runs {
        masks(run).for_each(|(word, mask)| bits[word] |= mask);
    }
    bits
}

#[test]
fn runs_are_found_up_to_the_last_page() {
    for len in [1, 2, 63, 64, 65, 127, 128, 129, 200, 1000] {
        let place = ARENA_PAGES - len;
        let free = bitmap([3..3 + len.min(64) - 1, place..ARENA_PAGES]);
        let summary = Summary::of(&free);
        assert_eq!(summary.find(&free, 0, len), Some(place), "{len} pages");
        assert_eq!(summary.find(&free, 0, len + 1), None);
        assert_eq!(summary.longest(), len.min(64));
        assert_eq!(run_end(&free, place, ARENA_PAGES), ARENA_PAGES);
        assert_eq!(last_run(|word| free[word], ARENA_PAGES, len), Some(place..ARENA_PAGES));
        assert_eq!(count(&free, place..ARENA_PAGES), len);
    }
}

#[test]
fn a_run_ends_where_it_ends_or_at_the_limit() {
    for start in [0, 1, 63, 64, 65, 100] {
        for end in [start + 1, 128, 129, 191, 192, 193, 256] {
            let free = bitmap(Some(start..end));
            for limit in [end - 1, end, end + 1, end + 64, ARENA_PAGES] {
                if limit > start {
                    assert_eq!(run_end(&free, start, limit), end.min(limit), "{start}..{end}, at most {limit}");
                }
            }
        }
    }
}

#[test]
fn long_runs_are_found_behind_shorter_ones() {
    for len in [65, 128, 130, 200] {
        for gap in [1, 2, 60, 64, 65] {
            // Runs that are a page too short, wherever they start in their words, and then one that is not.
            let mut runs: Vec<Range<usize>> = Vec::new();
            let mut start = 5;
            for _ in 0..6 {
                runs.push(start..start + len - 1);
                start += len - 1 + gap;
            }
            runs.push(start..start + len);
            let free = bitmap(runs.clone());
            let summary = Summary::of(&free);
            assert_eq!(summary.find(&free, 0, len), Some(start), "{len} pages, {gap} apart");
            assert_eq!(summary.find(&free, 0, len - 1), Some(5));
            assert_eq!(summary.find(&free, 0, len + 1), None);
            assert_eq!(last_run(|word| free[word], start, len - 1), Some(runs[5].clone()));
            assert_eq!(last_run(|word| free[word], start, len), None);
        }
    }
}

#[test]
fn a_change_tells_the_longest_run_that_it_touches() {
    let mut free = bitmap(Some(60..64));
    let mut summary = Summary::of(&free);
    // The word behind: the run that starts in the word before becomes longer.
    free[1] = 0b111;
    assert_eq!(summary.update(&free, 1, 1), 7);
    free[0] = 1;
    assert_eq!(summary.update(&free, 0, 0), 1);
    assert!(summary == Summary::of(&free));
    assert_eq!(summary.find_inside(0, 3), Some(1));
    assert_eq!(summary.find_inside(0, 4), None);
}

#[test]
fn a_search_may_begin_at_any_word_below_the_run() {
    for word in [0, 1, 7, 8, 9, 30, 64, WORDS - 1] {
        let place = word * 64 + 3;
        let free = bitmap(Some(place..place + 5));
        let summary = Summary::of(&free);
        for from in 0..=word {
            assert_eq!((summary.find(&free, from, 5), summary.find(&free, from, 6)), (Some(place), None));
            assert_eq!((summary.find_inside(from, 5), summary.find_inside(from, 6)), (Some(word), None));
        }
    }
}
