//! Mutators allocate up to the heap's limit while cycles run; whoever hits it collects, and goes on.
//!
//! *Actors:* four mutators that keep little and drop much; a thread that collects; the heap's own thread.

use crate::board::Board;
use crate::schedules::{Cycles, explore, heap};
use shuttle::thread;
use spanheap::{AllocError, Bytes, Mutator, Phase, Root};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of pages that the heap may have.
const LIMIT: usize = 416 << 10;

/// Bytes of one string, which is a span by itself.
const STRING: usize = 40 << 10;

/// How often the limit was hit, and how often so while a cycle ran.
#[derive(Default)]
struct Hits {
    all: AtomicUsize,
    in_cycles: AtomicUsize,
}

fn string(cx: &mut Mutator<'_>, number: u8, hits: &Hits) -> Root<Bytes> {
    loop {
        match cx.alloc_bytes(&[number; STRING]) {
            Ok(string) => return cx.root(string),
            Err(AllocError::Limit { .. }) => {
                hits.all.fetch_add(1, Ordering::Relaxed);
                hits.in_cycles.fetch_add(usize::from(cx.heap().phase() != Phase::Idle), Ordering::Relaxed);
            }
            Err(error) => panic!("{error}"),
        }
        cx.collect();
    }
}

fn full(cycles: &Cycles, hits: &Arc<Hits>) {
    let heap = heap(true).limit(LIMIT).build().expect("the options are good");
    let board = Board::new(&heap, 4);
    let mutators: Vec<_> = (0..4u8)
        .map(|number| {
            let (heap, board, hits) = (heap.clone(), board.clone(), Arc::clone(hits));
            let run = move |cx: &mut Mutator<'_>| {
                let mut kept = string(cx, number, &hits);
                for turn in 0.. {
                    if !board.goes_on(cx, turn) {
                        break;
                    }
                    board.move_once(cx);
                    // What was kept is garbage from here on.
                    kept = string(cx, number, &hits);
                    assert!(kept.get(cx).elements().iter().all(|&byte| byte == number), "a string has changed");
                }
                kept
            };
            thread::spawn(move || heap.attach(run).expect("not attached yet"))
        })
        .collect();
    let kept = board.finish(&heap, mutators);
    board.check(&heap, cycles, 0);
    let check = |cx: &mut Mutator<'_>| {
        assert_eq!(cx.collect().live_of::<Bytes>(), kept.len() as u64, "garbage is alive");
        for (number, string) in kept.iter().enumerate() {
            assert!(string.get(cx).elements().iter().all(|&byte| byte == number as u8), "a string has changed");
        }
    };
    heap.attach(check).expect("not attached yet");
}

#[test]
fn the_limit_is_hit_while_cycles_run() {
    let hits = Arc::new(Hits::default());
    let counted = Arc::clone(&hits);
    explore("limit", move |cycles| full(cycles, &counted));
    let [all, in_cycles] = [&hits.all, &hits.in_cycles].map(|hits| hits.load(Ordering::Relaxed));
    eprintln!("figures: shuttle name=\"limit\" hits={all} hits_in_cycles={in_cycles}");
    assert!(
        in_cycles > 0 || std::env::var_os("SPANHEAP_SHUTTLE_REPLAY").is_some(),
        "nobody has hit the limit while a cycle ran"
    );
}
