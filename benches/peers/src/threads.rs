//! Several mutators: `churn-threads`.
//!
//! *Callers:* `main`. *Invariants:* a table belongs to one thread at a time: whoever holds its root.

use crate::clock::Meter;
use crate::objects::{Node, Slots, node, repeat, slots};
use crate::params::Params;
use crate::rng::Rng;
use spanheap::{Heap, Mutator, Root};
use std::sync::{Arc, Mutex};

const TABLE: usize = 65536;
const TURN: u64 = 1024;

type Table = Root<Slots<Node>>;

/// Threads that replace objects in tables, which they exchange.
pub(crate) fn churn(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let n = params.number("n");
    let parked = Arc::new(Mutex::new(slots(cx, TABLE)));
    meter.begin();
    let threads: Vec<_> = (0..params.number("threads"))
        .map(|index| {
            let (heap, parked) = (cx.heap(), Arc::clone(&parked));
            std::thread::spawn(move || replace(&heap, index, n, &parked))
        })
        .collect();
    let done = cx.native(|| threads.into_iter().map(|thread| thread.join().expect("threads do not panic")).sum());
    meter.end();
    done
}

/// One thread's work. Returns how many objects it placed.
fn replace(heap: &Heap, index: u64, n: u64, parked: &Mutex<Table>) -> u64 {
    let work = |cx: &mut Mutator<'_>| {
        let mut rng = Rng::new(index);
        let (mut table, class): (Table, _) = (slots(cx, TABLE), cx.class());
        let mut done = 0;
        while done < n {
            let turn = TURN.min(n - done);
            repeat(cx, &table, turn, |cx, table, i| {
                let slot = rng.below(TABLE);
                let right = table.element((slot + 1) % TABLE);
                if let Some(right) = right {
                    cx.set(right, |node| &node.a, None);
                    cx.set(right, |node| &node.b, None);
                }
                let fresh = node(cx, class, done + i);
                cx.set(fresh, |node| &node.a, right);
                cx.set_element(table, slot, Some(fresh));
            });
            done += turn;
            if turn == TURN {
                // Nobody reaches a safepoint while holding the lock, so that waiting for it is short.
                std::mem::swap(&mut table, &mut *parked.lock().expect("threads do not panic"));
            }
        }
        done
    };
    heap.attach(work).expect("a new thread is not attached")
}
