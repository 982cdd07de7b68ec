//! Two heaps with the same threads attached to both. Whatever a thread does in one heap it does in a native region of the other:
//! it may have to wait there. One of the heaps is verified: to verify both would stop two worlds, of which each may hold a thread
//! that the other one waits for.
//!
//! *Actors:* four threads with two mutators each; two threads that collect, one for each heap; one heap has a thread of its own.

use crate::board::Board;
use crate::schedules::{Cycles, explore, heap};
use shuttle::thread;

fn both(cycles: &Cycles) {
    let heaps =
        [true, false].map(|background| heap(background).verify(background).build().expect("the options are good"));
    let boards = [Board::new(&heaps[0], 3), Board::new(&heaps[1], 3)];
    let mut threads: Vec<_> = (0..4)
        .map(|number| {
            let (heaps, boards) = (heaps.clone(), boards.clone());
            thread::spawn(move || {
                let attached = heaps[0].attach(|one| {
                    let attached = heaps[1].attach(|other| {
                        for turn in 0.. {
                            if !boards[0].goes_on(one, turn) || !boards[1].goes_on(other, turn) {
                                return;
                            }
                            other.native(|| boards[0].move_once(one));
                            one.native(|| boards[1].move_once(other));
                            match (number, turn) {
                                (0, 2) => drop(one.native(|| other.collect())),
                                (1, 1) => drop(other.native(|| one.collect())),
                                _ => {}
                            }
                        }
                    });
                    attached.expect("not attached yet");
                });
                attached.expect("not attached yet");
            })
        })
        .collect();
    let collectors = [0, 1].map(|number: usize| {
        let (heap, board) = (heaps[number].clone(), boards[number].clone());
        thread::spawn(move || {
            heap.collect().expect("not attached");
            board.end();
        })
    });
    threads.extend(collectors);
    threads.into_iter().for_each(|thread| thread.join().expect("a thread ends"));
    boards[0].check(&heaps[0], cycles, 0);
    boards[1].check(&heaps[1], cycles, 0);
}

#[test]
fn two_heaps_with_the_same_threads() {
    explore("two heaps", both);
}
