//! Mutators move lists about on one board while cycles run, and store to one slot all at once.
//!
//! *Actors:* four mutators; a thread that collects; in one variant the heap's own thread.

use crate::board::Board;
use crate::schedules::{Cycles, explore, heap};
use shuttle::thread;

fn moves(cycles: &Cycles, background: bool) {
    let heap = heap(background).build().expect("the options are good");
    let board = Board::new(&heap, 5);
    let mutators: Vec<_> = (0..4)
        .map(|_| {
            let (heap, board) = (heap.clone(), board.clone());
            thread::spawn(move || {
                heap.attach(|cx| board.play(cx)).expect("not attached yet");
            })
        })
        .collect();
    board.finish(&heap, mutators);
    board.check(&heap, cycles, 0);
}

#[test]
fn lists_move_while_a_thread_of_the_heap_marks() {
    explore("shared graph, the heap's thread", |cycles| moves(cycles, true));
}

#[test]
fn lists_move_while_others_mark() {
    explore("shared graph, inline", |cycles| moves(cycles, false));
}

/// All store to the same place, without a lock: what is there at the end was stored by one of them, and is whole.
fn contest(cycles: &Cycles) {
    use crate::board::Node;
    use spanheap::{Mutator, Slot, Trace};
    use std::sync::Arc;

    #[derive(Trace)]
    struct Prize {
        node: Slot<Node>,
    }

    let heap = heap(true).build().expect("the options are good");
    let board = Board::new(&heap, 1);
    let prize = heap.attach(|cx| cx.root(cx.alloc(Prize { node: Slot::null() }).expect("a prize fits")));
    let prize = Arc::new(prize.expect("not attached yet"));
    let mutators: Vec<_> = (0..4)
        .map(|_| {
            let (heap, board, prize) = (heap.clone(), board.clone(), Arc::clone(&prize));
            let run = move |cx: &mut Mutator<'_>| {
                for turn in 0.. {
                    if !board.goes_on(cx, turn) {
                        return;
                    }
                    let (node, prize) = (board.node(cx), prize.get(cx));
                    cx.set(node, |node| &node.next, prize.load(|prize| &prize.node));
                    cx.set(prize, |prize| &prize.node, Some(node));
                    cx.set(node, |node| &node.next, None);
                    cx.safepoint();
                }
            };
            thread::spawn(move || heap.attach(run).expect("not attached yet"))
        })
        .collect();
    board.finish(&heap, mutators);
    let last = |cx: &mut Mutator<'_>| {
        let node = prize.get(cx).load(|prize| &prize.node);
        assert!(node.is_none_or(|node| node.next.is_null() && node.id != 0), "the node has changed");
        node.is_some()
    };
    let has_one = heap.attach(last).expect("not attached yet");
    board.check(&heap, cycles, has_one.into());
    assert_eq!(heap.attach(last).expect("not attached yet"), has_one);
}

#[test]
fn many_store_to_one_slot() {
    explore("contested slot", contest);
}
