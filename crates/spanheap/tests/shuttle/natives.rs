//! Mutators enter and leave native regions around handshakes, with lists that only their handles hold, or only a root source
//! of theirs.
//!
//! *Actors:* four mutators; a thread that collects; the heap's own thread.

use crate::board::Board;
use crate::schedules::{Cycles, explore, heap};
use shuttle::sync::Mutex;
use shuttle::thread;
use spanheap::{Gc, Mutator, RootSource, RootVisitor};
use std::sync::Arc;

/// A register outside the heap.
struct Register(Arc<Mutex<usize>>);

// SAFETY: it reports what the register holds, which only its mutator changes, outside of native regions.
unsafe impl RootSource for Register {
    fn visit(&self, visitor: &mut RootVisitor<'_>) {
        visitor.object(*self.0.lock().expect("no holder has panicked"));
    }
}

fn in_and_out(cx: &mut Mutator<'_>, board: &Board, place: usize) {
    let register = Arc::new(Mutex::new(0));
    let set = |addr| *register.lock().expect("no holder has panicked") = addr;
    cx.add_root_source(Box::new(Register(Arc::clone(&register))));
    for turn in 0.. {
        if !board.goes_on(cx, turn) {
            return;
        }
        board.push(cx, place);
        cx.scope(|cx, scope| {
            let (first, taken) = board.take(cx, place);
            if turn % 2 == 0 {
                let held = first.map(|first| scope.hold(cx, first));
                cx.native(thread::yield_now);
                board.put(cx, place, held.map(|held| held.get(cx)), taken);
                return;
            }
            set(first.map_or(0, Gc::addr));
            cx.native(thread::yield_now);
            let addr = *register.lock().expect("no holder has panicked");
            // SAFETY: the source has kept what is in the register.
            let held = (addr != 0).then(|| unsafe { Gc::from_addr(addr) });
            board.put(cx, place, held, taken);
            set(0);
        });
    }
}

fn natives(cycles: &Cycles) {
    let heap = heap(true).build().expect("the options are good");
    let board = Board::new(&heap, 4);
    let mutators: Vec<_> = (0..4)
        .map(|place| {
            let (heap, board) = (heap.clone(), board.clone());
            thread::spawn(move || heap.attach(|cx| in_and_out(cx, &board, place)).expect("not attached yet"))
        })
        .collect();
    board.finish(&heap, mutators);
    board.check(&heap, cycles, 0);
}

#[test]
fn native_regions_around_handshakes() {
    explore("native regions", natives);
}
