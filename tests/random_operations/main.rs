//! Random streams of operations against a plain-Rust object graph: whatever the order of allocating, linking, rooting,
//! stacking, switching threads, collecting and trimming, what the reference reaches is alive and intact, and nothing else is.
//!
//! *Callers:* `cargo test`. What the streams are and how they are checked is the oracle's (`tests/oracle/`); here proptest makes
//! them, and where one fails, it is made smaller. *Invariants:* a seed stands for the same streams everywhere; what
//! threads do beside each other repeats as far as the system schedules them alike.
//!
//! | variable | says |
//! |---|---|
//! | `SPANHEAP_SEED=<number>` | the streams of this seed, which every run prints, instead of new ones |
//! | `SPANHEAP_INPUT=<file>` | with the test `replay`: the stream in this file, which a failing run has written, or the fuzz target |
//! | `SPANHEAP_ORACLE_SECONDS=<number>` | go on with new seeds for so long, and say now and then how far it is |
//!
//! Streams run in processes of their own (`supervise.rs`): the verifier ends the process in which it finds a fault, and a
//! stream may hang.

mod supervise;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use spanheap_tests::oracle::{Mode, RECORD, Stream, Totals};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::time::{Duration, Instant};
use supervise::{Ended, Part};

/// Streams of each mode in a round.
const STREAMS: u64 = 80;
/// Most records of a stream.
const MOST_RECORDS: usize = 220;
/// After so long a part begins no more streams, if it has had as many as show that all is there: a machine that is busy with
/// other things runs fewer.
const PART_SECONDS: u64 = 10;
/// Streams that a part runs however long they take.
const LEAST_STREAMS: u64 = 12;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

/// The streams' bytes after the first: any are a stream.
fn records() -> impl Strategy<Value = Vec<[u8; RECORD]>> {
    prop::collection::vec(any::<[u8; RECORD]>(), 1..MOST_RECORDS)
}

/// What the seed stands for.
fn tree(seed: u64) -> impl ValueTree<Value = Vec<[u8; RECORD]>> {
    let config = Config { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    records().new_tree(&mut TestRunner::new(config)).expect("nothing is filtered")
}

fn bytes(mode: Mode, records: &[[u8; RECORD]]) -> Vec<u8> {
    std::iter::once(mode.byte()).chain(records.iter().flatten().copied()).collect()
}

/// Past the test harness, which would keep it.
fn say(text: std::fmt::Arguments<'_>) {
    writeln!(std::io::stderr(), "{text}").expect("standard error is open");
}

#[test]
fn every_heap_equals_the_model() {
    let begin = Instant::now();
    let seconds = number("SPANHEAP_ORACLE_SECONDS").map(Duration::from_secs);
    let mut seed = number("SPANHEAP_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let (mut totals, mut seeds) = (Totals::default(), 0);
    loop {
        say(format_args!("random operations: SPANHEAP_SEED={seed}"));
        for (mode, made) in supervise::round(seed, STREAMS, PART_SECONDS) {
            made.assert_acted(mode);
            totals.merge(&made);
        }
        totals.assert_complete();
        seeds += 1;
        let elapsed = begin.elapsed();
        if seconds.is_none_or(|seconds| elapsed >= seconds) {
            break;
        }
        let (cycles, operations) = (totals.cycles_verified(), totals.operations());
        say(format_args!("{} s: {seeds} seeds, {operations} operations, {cycles} cycles verified", elapsed.as_secs()));
        seed = seed.wrapping_add(STREAMS);
    }
    // For the script that collects figures.
    println!("\nfigures: random_operations {totals} seeds={seeds}");
}

/// Runs a stream from a file in this process, for a debugger's sake and for that of whoever looks for a smaller one. Without a
/// file, runs the one of seed 1.
#[test]
fn replay() {
    let file = std::env::var_os("SPANHEAP_INPUT").map(std::path::PathBuf::from);
    let input = file.map(|file| std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
    let stream = Stream::decode(&input.unwrap_or_else(|| bytes(Mode::WithoutThread, &tree(1).current())));
    // The harness keeps this, if it is not told otherwise.
    println!("{}", supervise::listing(&stream));
    let totals = stream.run();
    assert_eq!(totals.operations(), stream.operations().len() as u64);
    assert_eq!((totals.streams(), totals.cycles()), (1, totals.cycles_verified()));
}

/// One part of a round, in this process.
#[test]
#[ignore = "every_heap_equals_the_model runs it, in processes of its own"]
fn a_part() {
    let part = Part::from_environment();
    let begin = Instant::now();
    let mut totals = Totals::default();
    for number in 0..part.streams {
        let seed = part.first.wrapping_add(number);
        if number >= LEAST_STREAMS && begin.elapsed() >= Duration::from_secs(part.seconds) {
            break;
        }
        part.note(seed);
        totals.merge(&Stream::decode(&bytes(part.mode, &tree(seed).current())).run());
    }
    println!("\npart: {totals}");
}

/// What a fault does not need leaves a stream that shows it.
#[test]
fn a_failing_stream_becomes_small() {
    let names = |records: &[[u8; RECORD]]| format!("{:?}", Stream::decode(&bytes(Mode::Background, records)));
    // Stands for a fault: something that one kind of operation brings about, after another.
    let fails = |records: &[[u8; RECORD]]| {
        let names = names(records);
        names.find("Text(").is_some_and(|text| names[text..].contains("Trim("))
    };
    let seed = (0..).find(|&seed| fails(&tree(seed).current())).expect("some stream has both");
    let smallest =
        supervise::smallest(tree(seed).current(), |records| if fails(records) { Ended::Failed } else { Ended::Well });
    assert_eq!(smallest.len(), 2, "{}", names(&smallest));
    assert!(fails(&smallest));
}
