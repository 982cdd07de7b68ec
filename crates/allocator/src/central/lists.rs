//! What goes into the lists comes out of them once, from the list that it belongs to.
//!
//! *Callers:* `cargo test`. *Invariants:* one thread; what several do at once is checked by the models.

use super::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

/// A span by number, and the generation in which it was swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span(usize, u32);

impl Listed for Span {
    fn generation(self) -> u32 {
        self.1
    }
}

const NOW: u32 = 7;

/// Lists with so many swept spans with free slots; and one full one, and two that are not swept.
fn lists(swept: usize) -> Central<Span> {
    let central = Central::default();
    central.put_all((0..swept).map(|number| (Span(number, NOW), false)));
    central.put_all([(Span(1000, NOW), true), (Span(1001, NOW - 1), false), (Span(1002, NOW - 1), true)]);
    central
}

/// What is in the lists, and whether it stands among the full ones.
fn contents(central: &Central<Span>) -> BTreeSet<(Span, bool)> {
    let mut all = BTreeSet::new();
    central.for_each(|span, full| assert!(all.insert((span, full)), "{span:?} is there twice"));
    assert_eq!((central.len(), central.is_empty()), (all.len(), all.is_empty()));
    all
}

#[test]
fn a_generation_grows_by_one() {
    let generation = Generation::new(NOW);
    assert_eq!(generation.get(), NOW);
    generation.advance();
    assert_eq!(generation.get(), NOW + 1);
}

#[test]
fn nothing_is_in_new_lists() {
    let central = Central::<Span>::new();
    central.put_all([]);
    assert!(contents(&central).is_empty() && central.take(NOW).is_none() && central.take(NOW + 1).is_none());
}

#[test]
fn every_swept_span_with_free_slots_is_visited_once_and_comes_back() {
    for swept in [0, 1, VISITED_AT_ONCE - 1, VISITED_AT_ONCE, VISITED_AT_ONCE + 1, 5 * VISITED_AT_ONCE + 3] {
        let (central, generation) = (lists(swept), Generation::new(NOW));
        let before = contents(&central);
        assert_eq!(before.len(), swept + 3);
        let mut visited = BTreeSet::new();
        central.visit_swept(&generation, |span| {
            assert!(visited.insert(span), "{span:?} is visited twice");
            assert!(before.len() - contents(&central).len() <= VISITED_AT_ONCE, "most stay in the list");
        });
        assert_eq!(visited, (0..swept).map(|number| Span(number, NOW)).collect());
        assert_eq!(contents(&central), before);
    }
}

#[test]
fn visits_end_when_mutators_take_spans_meanwhile() {
    for (takes, swept) in [(1, 300), (3, 300), (1000, 300), (1000, VISITED_AT_ONCE), (1, VISITED_AT_ONCE + 1)] {
        let (central, generation) = (lists(swept), Generation::new(NOW));
        let (mut visited, mut taken) = (BTreeSet::new(), BTreeSet::new());
        central.visit_swept(&generation, |span| {
            // Where others take from the list, one that has come back may be visited again.
            visited.insert(span);
            assert!(!taken.contains(&span));
            for _ in 0..takes {
                match central.take(NOW) {
                    Some(Taken::Swept(other)) => assert!(taken.insert(other)),
                    Some(Taken::Unswept(other)) => central.put(other, other.0 == 1002),
                    None => {}
                }
            }
        });
        let left: BTreeSet<Span> = contents(&central).into_iter().map(|(span, _)| span).collect();
        assert!(left.is_disjoint(&taken));
        assert_eq!(left.len() + taken.len(), swept + 3, "nothing is lost");
        assert!((0..swept).all(|number| taken.contains(&Span(number, NOW)) || visited.contains(&Span(number, NOW))));
    }
}

#[test]
fn the_sweeper_gets_what_is_unswept_and_no_more_than_it_wants() {
    for most in [1, 2, 3, 4, 7, 100] {
        let central = Central::new();
        central.put_all((0..9).map(|number| (Span(number, NOW), number < 4)));
        central.put(Span(100, NOW + 1), false);
        let mut batch = vec![Span(200, NOW), Span(201, NOW)];
        let mut left = 9;
        while left > 0 {
            let (taken, before) = (central.take_unswept(NOW + 1, most, &mut batch), batch.len());
            assert_eq!((taken, before), (most.min(left), 2 + 9 - left + taken));
            left -= taken;
        }
        assert_eq!(central.take_unswept(NOW + 1, most, &mut batch), 0);
        assert_eq!(batch.split_off(2).into_iter().collect::<BTreeSet<_>>(), (0..9).map(|n| Span(n, NOW)).collect());
        assert_eq!((batch.len(), contents(&central)), (2, [(Span(100, NOW + 1), false)].into()));
    }
}

/// A span that is swept now and then.
#[derive(Clone, Copy)]
struct Aging<'a>(usize, &'a Cell<u32>);

impl Listed for Aging<'_> {
    fn generation(self) -> u32 {
        self.1.get()
    }
}

/// Takes a span where the spans in `free` have free slots. Returns it and what was swept for it.
fn acquired(central: &Central<Aging<'_>>, generation: u32, free: &[usize]) -> (Option<usize>, Vec<usize>) {
    let swept = RefCell::new(Vec::new());
    let sweep = |span: Aging<'_>| {
        assert_ne!(span.1.replace(generation), generation, "it has been swept before");
        swept.borrow_mut().push(span.0);
        free.contains(&span.0)
    };
    let span = central.acquire(&Generation::new(generation), |span| free.contains(&span.0), sweep);
    (span.map(|span| span.0), swept.into_inner())
}

#[test]
fn a_span_is_acquired_swept_or_is_swept_for_it() {
    let ages = [NOW, NOW, NOW - 1, NOW - 1].map(Cell::new);
    let central = Central::new();
    central.put_all((0..4).map(|number| (Aging(number, &ages[number]), number % 2 == 1)));
    assert_eq!(acquired(&central, NOW, &[]), (Some(0), vec![]), "what the list says needs no look");
    // Then those that are not swept, the partial ones first; what turns out full goes among the full ones.
    assert_eq!(acquired(&central, NOW, &[3]), (Some(3), vec![2, 3]));
    let mut left = BTreeSet::new();
    central.for_each(|span, full| assert!(left.insert((span.0, span.1.get(), full))));
    assert_eq!(left, [(1, NOW, true), (2, NOW, true)].into());
    // All that was swept in one generation is unswept in the next.
    let (none, mut swept) = acquired(&central, NOW + 1, &[]);
    swept.sort();
    assert_eq!((none, swept), (None, vec![1, 2]));
    assert_eq!(acquired(&central, NOW + 1, &[1, 2]), (None, vec![]), "full ones are not looked at");
    assert_eq!(acquired(&central, NOW + 2, &[2]).0, Some(2));
}

/// Where the generation grows after a list was chosen, only the span's own generation says whether it is swept.
#[test]
fn an_old_list_may_hold_swept_spans() {
    let age = Cell::new(NOW - 1);
    let central = Central::new();
    central.put(Aging(0, &age), false);
    // Somebody else has swept it in the meantime, and put nothing back.
    age.set(NOW);
    assert_eq!(acquired(&central, NOW, &[]), (None, vec![]));
    assert_eq!(acquired(&central, NOW + 1, &[0]), (Some(0), vec![0]));
    central.put(Aging(0, &age), true);
    age.set(NOW + 2);
    assert_eq!(acquired(&central, NOW + 2, &[0]), (Some(0), vec![]), "it has free slots and need not be swept");
}
