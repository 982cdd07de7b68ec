//! Mutators attach and detach at any moment of a cycle.
//!
//! *Actors:* four threads, each of which attaches again and again; a thread that collects; the heap's own thread.

use crate::board::Board;
use crate::schedules::{Cycles, explore, heap};
use shuttle::thread;
use spanheap::Mutator;

fn come_and_go(cycles: &Cycles) {
    let heap = heap(true).build().expect("the options are good");
    let board = Board::new(&heap, 4);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (heap, board) = (heap.clone(), board.clone());
            thread::spawn(move || {
                let stay = |cx: &mut Mutator<'_>, time| {
                    (0..3).for_each(|_| board.move_once(cx));
                    board.goes_on(cx, time)
                };
                for time in 0.. {
                    if !heap.attach(|cx| stay(cx, time)).expect("not attached yet") {
                        return;
                    }
                }
            })
        })
        .collect();
    board.finish(&heap, threads);
    board.check(&heap, cycles, 0);
}

#[test]
fn mutators_come_and_go_during_cycles() {
    explore("attach and detach", come_and_go);
}
