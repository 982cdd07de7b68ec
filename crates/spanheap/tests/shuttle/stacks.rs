//! VM stacks wait in a queue; mutators resume them, write their registers, let them grow, and put them back, while the marker
//! scans what waits.
//!
//! *Actors:* four mutators, one of which collects; three stacks; the heap's own thread.

use crate::board::{Board, Node};
use crate::nodes::Nodes;
use crate::schedules::{Cycles, explore, heap};
use shuttle::rand::Rng;
use shuttle::sync::Mutex;
use shuttle::thread;
use spanheap::{Gc, Mutator, Root, Stack};
use std::collections::VecDeque;
use std::sync::Arc;

/// The registers hold nodes, or nothing.
type Registers = Nodes<Node>;

/// A stack that waits, and what its registers hold.
type Coroutine = (Root<Stack<Registers>>, Vec<u64>);

type Queue = Arc<Mutex<VecDeque<Coroutine>>>;

/// The node in a register below the top of the stack that the caller runs on.
fn register<'m, 'h>(stack: Gc<'m, 'h, Stack<Registers>>, index: usize) -> Gc<'m, 'h, Node> {
    // SAFETY: the caller runs on the stack, and what is below the top was written.
    unsafe { stack.slots()[index].decode_in() }.expect("a register below the top holds a node")
}

fn run(cx: &mut Mutator<'_>, board: &Board, queue: &Queue, collects: bool) {
    for turn in 0.. {
        if !board.goes_on(cx, turn) {
            return;
        }
        let taken = queue.lock().expect("no holder has panicked").pop_front();
        let Some((root, mut held)) = taken else {
            cx.native(thread::yield_now);
            continue;
        };
        cx.switch_stack(Some(root.get(cx)));
        for _ in 0..3 {
            let (stack, top) = (root.get(cx), held.len());
            match shuttle::rand::thread_rng().gen_range(0..5) {
                0..3 => {
                    if top == stack.len() {
                        cx.grow_stack(stack, top + 1, |_, _| {}).expect("a stack grows");
                    }
                    let node = board.node(cx);
                    // SAFETY: this mutator runs on the stack, none of whose slots are frozen.
                    unsafe { stack.slots()[top].store_running(Some(node)) };
                    held.push(node.id);
                }
                3 => {
                    held.pop();
                }
                _ => {
                    if let [.., below, last] = &mut *held {
                        let (one, other) = (register(stack, top - 2), register(stack, top - 1));
                        // SAFETY: as above.
                        unsafe { stack.slots()[top - 2].store_running(Some(other)) };
                        // SAFETY: as above.
                        unsafe { stack.slots()[top - 1].store_running(Some(one)) };
                        std::mem::swap(below, last);
                    }
                }
            }
            stack.set_top(held.len());
            cx.safepoint();
        }
        if collects && turn == 1 {
            cx.collect();
        }
        let stack = root.get(cx);
        for (index, &id) in held.iter().enumerate() {
            assert_eq!(register(stack, index).id, id, "a register has changed");
        }
        cx.switch_stack::<Registers>(None);
        queue.lock().expect("no holder has panicked").push_back((root, held));
    }
}

fn coroutines(cycles: &Cycles) {
    let heap = heap(true).build().expect("the options are good");
    let (board, queue) = (Board::new(&heap, 1), Queue::default());
    let make = |cx: &mut Mutator<'_>| {
        for _ in 0..3 {
            let stack = cx.alloc_stack::<Registers>(2).expect("a stack fits");
            queue.lock().expect("no holder has panicked").push_back((cx.root(stack), Vec::new()));
        }
    };
    heap.attach(make).expect("not attached yet");
    let mutators: Vec<_> = (0..4)
        .map(|number| {
            let (heap, board, queue) = (heap.clone(), board.clone(), Arc::clone(&queue));
            thread::spawn(move || heap.attach(|cx| run(cx, &board, &queue, number == 0)).expect("not attached yet"))
        })
        .collect();
    heap.collect().expect("not attached");
    board.end();
    mutators.into_iter().for_each(|mutator| mutator.join().expect("a mutator ends"));
    let waiting = queue.lock().expect("no holder has panicked");
    let held: usize = waiting.iter().map(|(_, held)| held.len()).sum();
    board.check(&heap, cycles, held as u64);
    let check = |cx: &mut Mutator<'_>| {
        for (root, held) in &*waiting {
            cx.switch_stack(Some(root.get(cx)));
            for (index, &id) in held.iter().enumerate() {
                assert_eq!(register(root.get(cx), index).id, id, "a register has changed");
            }
        }
        cx.switch_stack::<Registers>(None);
    };
    heap.attach(check).expect("not attached yet");
}

#[test]
fn stacks_are_resumed_while_they_are_scanned() {
    explore("stack resume against scan", coroutines);
}
