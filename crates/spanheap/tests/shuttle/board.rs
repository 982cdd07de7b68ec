//! A board of slots that several mutators change, with a reference graph beside it.
//!
//! *Callers:* scenarios. *Invariants:* each place holds a list of nodes, and beside it, under a lock, stands which ones.
//! A mutator changes both while it has the lock, and reaches no safepoint meanwhile: others may wait for the lock.

use crate::schedules::{Cycles, Turns};
use shuttle::rand::Rng;
use shuttle::sync::{Mutex, MutexGuard};
use shuttle::thread::JoinHandle;
use spanheap::{AllocError, Array, Gc, Heap, Mutator, Phase, Root, Slot, Trace};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What the lists consist of.
#[derive(Trace)]
pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) next: Slot<Node>,
}

type Places = Array<Slot<Node>>;

/// The board, shared by all mutators of a scenario.
#[derive(Clone)]
pub(crate) struct Board {
    root: Arc<Root<Places>>,
    lists: Arc<Vec<Mutex<Vec<u64>>>>,
    ids: Arc<AtomicU64>,
    /// Those who collect have done so: the others may end.
    done: Arc<AtomicBool>,
    turns: Arc<Turns>,
}

/// A mutator ends after so many turns if nobody tells it to. A schedule may let it run all the time.
const MOST_TURNS: usize = 80;

/// What a mutator has taken off the board.
pub(crate) type Taken = Vec<u64>;

impl Board {
    /// An empty board with so many places.
    pub(crate) fn new(heap: &Heap, places: usize) -> Board {
        let make = |cx: &mut Mutator<'_>| {
            let board = cx.alloc_array(cx.array_class(), (), places).expect("a board fits");
            Arc::new(cx.root(board))
        };
        let root = heap.attach(make).expect("not attached yet");
        let lists = (0..places).map(|_| Mutex::new(Vec::new())).collect();
        let (ids, done, turns) = (AtomicU64::new(1), AtomicBool::new(false), Arc::default());
        Board { root, lists: Arc::new(lists), ids: ids.into(), done: done.into(), turns }
    }

    /// Lets the mutators end.
    pub(crate) fn end(&self) {
        self.done.store(true, Ordering::Relaxed);
    }

    /// Collects twice while the threads go on, lets them end, and waits for them. Returns what they return.
    pub(crate) fn finish<T>(&self, heap: &Heap, threads: Vec<JoinHandle<T>>) -> Vec<T> {
        for _ in 0..2 {
            heap.collect().expect("not attached");
        }
        self.end();
        threads.into_iter().map(|thread| thread.join().expect("a thread ends")).collect()
    }

    /// Whether a mutator goes on, which has taken so many turns.
    pub(crate) fn goes_on(&self, cx: &Mutator<'_>, turns: usize) -> bool {
        let phase = cx.heap().phase();
        self.turns.in_cycles.fetch_add(u64::from(phase != Phase::Idle), Ordering::Relaxed);
        let is_marking = matches!(phase, Phase::Mark | Phase::Terminate);
        self.turns.in_marking.fetch_add(u64::from(is_marking), Ordering::Relaxed);
        turns < MOST_TURNS && !self.done.load(Ordering::Relaxed)
    }

    /// Does things at random, as long as it may.
    pub(crate) fn play(&self, cx: &mut Mutator<'_>) {
        for turn in 0.. {
            if !self.goes_on(cx, turn) {
                return;
            }
            self.move_once(cx);
        }
    }

    pub(crate) fn places(&self) -> usize {
        self.lists.len()
    }

    fn lock(&self, place: usize) -> MutexGuard<'_, Vec<u64>> {
        self.lists[place].lock().expect("no holder has panicked")
    }

    fn board<'m, 'h>(&self, cx: &'m Mutator<'h>) -> Gc<'m, 'h, Places> {
        self.root.get(cx)
    }

    /// A new node that nothing refers to.
    pub(crate) fn node<'m, 'h>(&self, cx: &'m Mutator<'h>) -> Gc<'m, 'h, Node> {
        self.try_node(cx).expect("a node fits")
    }

    fn try_node<'m, 'h>(&self, cx: &'m Mutator<'h>) -> Result<Gc<'m, 'h, Node>, AllocError> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        cx.alloc(Node { id, next: Slot::null() })
    }

    /// Puts a new node before a list.
    pub(crate) fn push(&self, cx: &Mutator<'_>, place: usize) {
        self.try_push(cx, place).expect("a node fits");
    }

    fn try_push(&self, cx: &Mutator<'_>, place: usize) -> Result<(), AllocError> {
        let mut list = self.lock(place);
        let (board, node) = (self.board(cx), self.try_node(cx)?);
        cx.set(node, |node| &node.next, board.element(place));
        cx.set_element(board, place, Some(node));
        list.insert(0, node.id);
        Ok(())
    }

    /// Takes the first node off a list; it is garbage.
    pub(crate) fn pop(&self, cx: &Mutator<'_>, place: usize) {
        let mut list = self.lock(place);
        let board = self.board(cx);
        if let Some(first) = board.element(place) {
            cx.set_element(board, place, first.load(|node| &node.next));
            list.remove(0);
        }
    }

    /// Cuts off all that follows the first node.
    pub(crate) fn cut(&self, cx: &Mutator<'_>, place: usize) {
        let mut list = self.lock(place);
        if let Some(first) = self.board(cx).element(place) {
            cx.set(first, |node| &node.next, None);
            list.truncate(1);
        }
    }

    /// Moves a list to another place, where it replaces what is there.
    pub(crate) fn shift(&self, cx: &Mutator<'_>, from: usize, to: usize) {
        if from == to {
            return;
        }
        let (mut low, mut high) = (self.lock(from.min(to)), self.lock(from.max(to)));
        let board = self.board(cx);
        let list = board.element(from);
        cx.set_element(board, from, None);
        cx.set_element(board, to, list);
        let (from, to) = if from < to { (&mut low, &mut high) } else { (&mut high, &mut low) };
        **to = std::mem::take(from);
    }

    /// Takes a list off the board: the caller keeps it alive, if it wants to.
    pub(crate) fn take<'m, 'h>(&self, cx: &'m Mutator<'h>, place: usize) -> (Option<Gc<'m, 'h, Node>>, Taken) {
        let mut list = self.lock(place);
        let board = self.board(cx);
        let first = board.element(place);
        cx.set_element(board, place, None);
        (first, std::mem::take(&mut list))
    }

    /// Puts a list on the board that was taken off it.
    pub(crate) fn put<'h>(&self, cx: &Mutator<'h>, place: usize, first: Option<Gc<'_, 'h, Node>>, taken: Taken) {
        let mut list = self.lock(place);
        cx.set_element(self.board(cx), place, first);
        *list = taken;
    }

    /// Does one thing at random. Where the heap is full it collects.
    pub(crate) fn move_once(&self, cx: &mut Mutator<'_>) {
        let mut random = shuttle::rand::thread_rng();
        let (one, other) = (random.gen_range(0..self.places()), random.gen_range(0..self.places()));
        match random.gen_range(0..8) {
            0..3 => {
                if self.try_push(cx, one).is_err() {
                    cx.collect();
                }
            }
            3 => self.pop(cx, one),
            4 => self.cut(cx, one),
            5 => self.shift(cx, one, other),
            6 => cx.scope(|cx, scope| {
                // Only this mutator's handle holds the list, over a safepoint.
                let (first, taken) = self.take(cx, one);
                let first = first.map(|first| scope.hold(cx, first));
                cx.safepoint();
                self.put(cx, other, first.map(|first| first.get(cx)), taken);
            }),
            _ => cx.safepoint(),
        }
    }

    /// Collects, with nobody else about, and compares: what the board holds, and that nothing else of its type is alive but
    /// `besides` nodes.
    pub(crate) fn check(&self, heap: &Heap, cycles: &Cycles, besides: u64) {
        let check = |cx: &mut Mutator<'_>| {
            let report = cx.collect();
            let mut expected = besides;
            for place in 0..self.places() {
                let list = self.lock(place);
                expected += list.len() as u64;
                let mut node = self.board(cx).element(place);
                for &id in &*list {
                    let found = node.expect("a list is as long as it should be");
                    assert!(cx.resolve(found.addr()).is_some(), "a node is dead");
                    assert_eq!(found.id, id, "a node has changed");
                    node = found.load(|node| &node.next);
                }
                assert!(node.is_none(), "a list is longer than it should be");
            }
            assert_eq!(report.live_of::<Node>(), expected, "garbage is alive");
            cycles.count(cx.cycle_number(), &self.turns);
        };
        heap.attach(check).expect("not attached yet");
    }
}
