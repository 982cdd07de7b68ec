//! Root handles go to another thread, which is not attached and drops some of them, at any moment of a cycle.
//!
//! *Actors:* three mutators that make handles; one that puts what they hold on the board; a thread without a mutator that drops
//! handles; a thread that collects; the heap's own thread.

use crate::board::{Board, Node};
use crate::schedules::{Cycles, explore, heap};
use shuttle::sync::Mutex;
use shuttle::thread;
use spanheap::{Mutator, Root};
use std::sync::Arc;

/// Handles on their way, each with the list that hangs from it.
type Post = Arc<Mutex<Vec<(Root<Node>, Vec<u64>)>>>;

fn next(post: &Post) -> Option<(Root<Node>, Vec<u64>)> {
    post.lock().expect("no holder has panicked").pop()
}

fn handles(cycles: &Cycles) {
    let heap = heap(true).build().expect("the options are good");
    let (board, post) = (Board::new(&heap, 4), Post::default());
    let mut threads: Vec<_> = (0..3)
        .map(|place| {
            let (heap, board, post) = (heap.clone(), board.clone(), Arc::clone(&post));
            let make = move |cx: &mut Mutator<'_>| {
                for turn in 0.. {
                    if !board.goes_on(cx, turn) {
                        return;
                    }
                    board.push(cx, place);
                    board.push(cx, place);
                    let (first, taken) = board.take(cx, place);
                    let sent = (cx.root(first.expect("a list that was pushed to")), taken);
                    post.lock().expect("no holder has panicked").push(sent);
                    cx.safepoint();
                }
            };
            thread::spawn(move || heap.attach(make).expect("not attached yet"))
        })
        .collect();
    let dropped = Arc::clone(&post);
    threads.push(thread::spawn(move || {
        for _ in 0..40 {
            drop(next(&dropped));
            thread::yield_now();
        }
    }));
    let (other, kept, received) = (heap.clone(), board.clone(), Arc::clone(&post));
    let keep = move |cx: &mut Mutator<'_>| {
        for turn in 0.. {
            if !kept.goes_on(cx, turn) {
                return;
            }
            if let Some((root, taken)) = next(&received) {
                kept.put(cx, 3, Some(root.get(cx)), taken);
            }
            cx.safepoint();
        }
    };
    threads.push(thread::spawn(move || other.attach(keep).expect("not attached yet")));
    board.finish(&heap, threads);
    let left = post.lock().expect("no holder has panicked");
    board.check(&heap, cycles, left.iter().map(|(_, taken)| taken.len() as u64).sum());
    let check = |cx: &mut Mutator<'_>| {
        for (root, taken) in &*left {
            let mut node = Some(root.get(cx));
            for &id in taken {
                let found = node.expect("a list is as long as it should be");
                assert_eq!(found.id, id, "a node has changed");
                node = found.load(|node| &node.next);
            }
        }
    };
    heap.attach(check).expect("not attached yet");
}

#[test]
fn handles_are_dropped_by_others() {
    explore("handles dropped elsewhere", handles);
}
