//! Nanoseconds of one store of a reference, by what it overwrites: plain stores, and those of `Mutator` with the write
//! barrier off and on; and of clearing and copying a range of an array, by loops and by one call.
//!
//! What a barrier costs is a difference of a nanosecond or less. So a figure is a median of many passes, each of some
//! hundred nanoseconds; figures that are subtracted from each other are taken in turn, in rounds; and of all rounds those count
//! in which the plain stores were fastest. The barrier is on while a cycle is
//! held open (`held`). Meanwhile nobody reads the logs, so the passes are few in each of many cycles. An object is
//! overwritten *white*, not yet marked, only once in a cycle: there a cycle has one pass.
//!
//! `--quick`, or no `--bench` (as in a test run), takes a tenth of the passes.

use spanheap::{Heap, Mutator};
use spanheap_micro::{Elements, Held, Place, PlainElements, PlainNodes, Rooted, SLOTS, quiet_heap, while_marking};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Rounds: in each, every figure has its turn.
const ROUNDS: usize = 800;
/// Passes of one figure in a row, where a round has more than one.
const PASSES: usize = 8;
/// Passes elsewhere before the one that counts, where a cycle has one. The logs of more would be so large that what the host's
/// allocator does with them, page faults, is most of the figure.
const WARM_UP: usize = 2;
/// References of the ranges that are cleared and copied.
const RANGE: usize = 1000;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick") || std::env::args().all(|a| a != "--bench");
    let rounds = if quick { ROUNDS / 10 } else { ROUNDS };
    let heap = quiet_heap();
    let attached = heap.attach(|cx| {
        stores(&heap, cx, rounds);
        ranges(&heap, cx, rounds);
    });
    attached.expect("a thread without a mutator");
}

/// Nanoseconds an operation: of the passes of the round under way, and the median of every round before it.
#[derive(Default)]
struct Samples {
    passes: Vec<f64>,
    rounds: Vec<f64>,
}

impl Samples {
    /// Times `work`, which does `count` operations.
    fn time(&mut self, count: usize, work: impl FnOnce()) {
        let begin = Instant::now();
        work();
        self.passes.push(begin.elapsed().as_nanos() as f64 / count as f64);
    }

    fn end_round(&mut self) {
        self.rounds.push(median(&mut self.passes));
        self.passes.clear();
    }

    /// The median of the rounds that `chosen` names.
    fn of(&self, chosen: &[usize]) -> f64 {
        median(&mut chosen.iter().map(|&round| self.rounds[round]).collect::<Vec<_>>())
    }

    /// The quarter of the rounds in which this was fastest. A core that shares its execution units with a busy one, or a
    /// clock that was turned down, makes everything slow for a while, differences too.
    fn undisturbed(&self) -> Vec<usize> {
        let mut rounds: Vec<usize> = (0..self.rounds.len()).collect();
        rounds.sort_by(|&one, &other| self.rounds[one].total_cmp(&self.rounds[other]));
        rounds.truncate(self.rounds.len().div_ceil(4));
        rounds
    }
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples[samples.len() / 2]
}

// ---- single stores ----------------------------------------------------------------------------------------------

/// What a pass overwrites.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Old {
    /// Another object; it is marked while the barrier is on.
    Marked,
    Null,
    /// The object that is stored.
    Same,
}

/// Every case, with what it is called in the table.
const CASES: [(Old, &str); 3] = [(Old::Marked, "another, marked"), (Old::Null, "null"), (Old::Same, "the same")];

/// The figures of one kind of place.
#[derive(Default)]
struct Figures {
    plain: [Samples; CASES.len()],
    off: [Samples; CASES.len()],
    on: [Samples; CASES.len()],
    /// On, the overwritten object white: roots scanned, roots not scanned.
    white: [Samples; 2],
}

impl Figures {
    fn end_round(&mut self) {
        let Figures { plain, off, on, white } = self;
        plain.iter_mut().chain(off).chain(on).chain(white).for_each(Samples::end_round);
    }
}

/// Times passes over a place; every pass but those of `Old::Same` stores another object into each slot.
fn pass_all(place: &impl Place, shift: &mut usize, samples: &mut [Samples; CASES.len()]) {
    for (&(old, _), samples) in CASES.iter().zip(samples) {
        for _ in 0..PASSES {
            match old {
                Old::Marked => *shift += 1,
                Old::Null => place.clear(),
                Old::Same => {}
            }
            let expected = if old == Old::Null { 0 } else { SLOTS };
            assert_eq!(place.touch(), expected, "the slots do not hold what is to be overwritten");
            samples.time(SLOTS, || place.pass(black_box(*shift)));
        }
    }
}

/// Calls its argument's method with the same place of `$rooted` every time: a place is tied to a borrow of the mutator.
macro_rules! kind_of_place {
    ($figures:expr, $heap:expr, $cx:expr, $rounds:expr, $plain:expr, $place:ident) => {{
        let [measured, warm_up] = [Rooted::new($cx), Rooted::new($cx)];
        let (figures, plain): (&mut Figures, _) = ($figures, $plain);
        let mut shift = 1;
        plain.pass(shift);
        measured.$place($cx).pass(shift);
        for _ in 0..$rounds {
            pass_all(&plain, &mut shift.clone(), &mut figures.plain);
            pass_all(&measured.$place($cx), &mut shift, &mut figures.off);
            while_marking($heap, $cx, Held::Marked, |cx| pass_all(&measured.$place(cx), &mut shift, &mut figures.on));
            for (held, samples) in [Held::Fresh, Held::BeforeRoots].into_iter().zip(&mut figures.white) {
                while_marking($heap, $cx, held, |cx| {
                    // The code, but not the objects: those stay white.
                    for _ in 0..WARM_UP {
                        shift += 1;
                        warm_up.$place(cx).pass(shift);
                    }
                    let place = measured.$place(cx);
                    assert_eq!(place.touch(), SLOTS, "a slot that should refer to a white object is null");
                    shift += 1;
                    samples.time(SLOTS, || place.pass(black_box(shift)));
                });
            }
            figures.end_round();
        }
    }};
}

fn stores<'h>(heap: &Heap, cx: &mut Mutator<'h>, rounds: usize) {
    let words: Vec<[AtomicUsize; 4]> = (0..SLOTS).map(|_| Default::default()).collect();
    let slots: Box<[AtomicUsize; SLOTS]> = Box::new(std::array::from_fn(|_| AtomicUsize::new(0)));
    let mut of_nodes = Figures::default();
    kind_of_place!(&mut of_nodes, heap, cx, rounds, PlainNodes::new(&words), nodes);
    let mut of_elements = Figures::default();
    kind_of_place!(&mut of_elements, heap, cx, rounds, PlainElements::new(&slots, &words), elements);
    println!("Nanoseconds of one store, first-level cache, and how many more than those of the plain store.\n");
    println!("| store | overwrites | plain | barrier off | more | barrier on | more |");
    println!("|---|---|--:|--:|--:|--:|--:|");
    for (store, Figures { plain, off, on, white }) in [("set", &of_nodes), ("set_element", &of_elements)] {
        let chosen = plain[0].undisturbed();
        let row = |overwrites: &str, plain: &Samples, off: &Samples, on: &Samples| {
            let [plain, off, on] = [plain, off, on].map(|samples| samples.of(&chosen));
            let more = [off - plain, on - plain];
            println!(
                "| {store} | {overwrites} | {plain:.2} | {off:.2} | {:+.2} | {on:.2} | {:+.2} |",
                more[0], more[1]
            );
        };
        for (case, (_, overwrites)) in CASES.iter().enumerate() {
            row(overwrites, &plain[case], &off[case], &on[case]);
        }
        // A plain store, and one with the barrier off, know no colours.
        row("another, white", &plain[0], &off[0], &white[0]);
        row("another, white; roots not scanned", &plain[0], &off[0], &white[1]);
    }
}

// ---- ranges of an array -----------------------------------------------------------------------------------------

/// The figures of one operation on a range.
#[derive(Default)]
struct RangeFigures {
    /// What the C library does with memory that is nobody else's.
    bulk: Samples,
    /// A loop of atomic stores.
    plain: Samples,
    off: Samples,
    marked: Samples,
    white: Samples,
}

/// An operation on the first [`RANGE`] elements of an array; the second array is what is copied.
type OnRange = for<'m, 'h> fn(&Elements<'m, 'h>, &Elements<'m, 'h>);
/// The same, word by word.
type OnWords = fn(&[AtomicUsize], &[AtomicUsize]);
/// The same on memory that is nobody else's.
type InBulk = fn(&mut [usize], &[usize]);

#[inline(never)]
fn clear_elements(to: &Elements<'_, '_>, _: &Elements<'_, '_>) {
    (0..RANGE).for_each(|index| to.cx.set_element(to.array, index, None));
}

#[inline(never)]
fn copy_elements<'m, 'h>(to: &Elements<'m, 'h>, from: &Elements<'m, 'h>) {
    (0..RANGE).for_each(|index| to.cx.set_element(to.array, index, from.array.element(index)));
}

#[inline(never)]
fn clear_range(to: &Elements<'_, '_>, _: &Elements<'_, '_>) {
    to.cx.clear_elements(to.array, 0..RANGE);
}

#[inline(never)]
fn copy_range<'m, 'h>(to: &Elements<'m, 'h>, from: &Elements<'m, 'h>) {
    to.cx.copy_elements(from.array, 0..RANGE, to.array, 0);
}

#[inline(never)]
fn clear_words(to: &[AtomicUsize], _: &[AtomicUsize]) {
    to.iter().for_each(|word| word.store(0, Ordering::Release));
}

#[inline(never)]
fn copy_words(to: &[AtomicUsize], from: &[AtomicUsize]) {
    to.iter().zip(from).for_each(|(to, from)| to.store(from.load(Ordering::Acquire), Ordering::Release));
}

fn ranges<'h>(heap: &Heap, cx: &mut Mutator<'h>, rounds: usize) {
    let (zero, memcpy): (InBulk, InBulk) = (|to, _| to.fill(0), |to, from| to.copy_from_slice(from));
    let operations: [(&str, OnRange, OnWords, InBulk); 4] = [
        ("clear, a loop", clear_elements, clear_words, zero),
        ("clear, one call", clear_range, clear_words, zero),
        ("copy, a loop", copy_elements, copy_words, memcpy),
        ("copy, one call", copy_range, copy_words, memcpy),
    ];
    println!("\nNanoseconds a reference, of {RANGE} in an array whose elements are not null.\n");
    println!("| range | memset, memcpy | plain loop | barrier off | on, all marked | on, all white |");
    println!("|---|--:|--:|--:|--:|--:|");
    for (name, on_elements, on_words, in_bulk) in operations {
        let mut figures = RangeFigures::default();
        let [to, from] = [Rooted::new(cx), Rooted::new(cx)];
        let warm_up = Rooted::new(cx);
        let mut shift = 1;
        from.elements(cx).pass(shift);
        let (mut bulk_to, bulk_from) = (vec![1usize; RANGE], vec![2usize; RANGE]);
        let [words_to, words_from] =
            [1, 2].map(|value| (0..RANGE).map(|_| AtomicUsize::new(value)).collect::<Vec<_>>());
        // Times one operation on elements that refer to objects, others each time.
        let mut one = |cx: &Mutator<'h>, samples: &mut Samples, fill: bool| {
            let (to, from) = (to.elements(cx), from.elements(cx));
            if fill {
                shift += 1;
                to.pass(shift);
            }
            assert_eq!([to.touch(), from.touch()], [SLOTS; 2], "the elements are not what is to be overwritten");
            samples.time(RANGE, || on_elements(black_box(&to), black_box(&from)));
        };
        for _ in 0..rounds {
            for _ in 0..PASSES {
                figures.bulk.time(RANGE, || in_bulk(black_box(&mut bulk_to[..]), black_box(&bulk_from[..])));
                figures.plain.time(RANGE, || on_words(black_box(&words_to[..]), black_box(&words_from[..])));
                one(cx, &mut figures.off, true);
            }
            while_marking(heap, cx, Held::Marked, |cx| {
                for _ in 0..PASSES {
                    one(cx, &mut figures.marked, true);
                }
            });
            to.elements(cx).pass(0);
            while_marking(heap, cx, Held::Fresh, |cx| {
                for pass in 0..WARM_UP {
                    let (warm_to, from) = (warm_up.elements(cx), from.elements(cx));
                    warm_to.pass(pass);
                    on_elements(&warm_to, &from);
                }
                one(cx, &mut figures.white, false);
            });
            let RangeFigures { bulk, plain, off, marked, white } = &mut figures;
            [bulk, plain, off, marked, white].into_iter().for_each(Samples::end_round);
        }
        let RangeFigures { bulk, plain, off, marked, white } = &figures;
        let chosen = plain.undisturbed();
        let [bulk, plain, off, marked, white] = [bulk, plain, off, marked, white].map(|samples| samples.of(&chosen));
        println!("| {name} | {bulk:.2} | {plain:.2} | {off:.2} | {marked:.2} | {white:.2} |");
    }
}
