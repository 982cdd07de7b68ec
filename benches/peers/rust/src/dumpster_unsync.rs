//! dumpster: reference counting, with cycles found by tracing from suspects. One thread uses the `unsync` half; the
//! workloads with several use `sync` (dumpster_sync.rs). A collection never visits the whole heap, so there is nothing
//! to time in `mark-*`. It reports neither its collections nor its pauses.

use crate::harness::*;
use crate::dumpster_sync;
use crate::size_table;
use dumpster::unsync::{Gc, coerce_gc, set_collect_condition};
use dumpster::{Trace, TraceWith, Visitor};
use std::cell::{Cell, RefCell};

pub const HEAP: Heap = Heap { name: "dumpster", label: "dumpster-2.1", work: WORK };

const MARK: Work = |_, _| unsupported("reference counting: a collection visits suspects, not the whole heap");

const WORK: &[(&str, Work)] = &[
    ("alloc-leaf", alloc_leaf),
    ("alloc-pair", alloc_pair),
    ("alloc-mixed", alloc_mixed),
    (
        "binary-trees",
        |p, r| if p.num("threads") > 1 { dumpster_sync::binary_trees(p, r) } else { binary_trees_alone(p, r) },
    ),
    ("gcbench", gcbench),
    ("mark-tree", MARK),
    ("mark-random", MARK),
    ("mark-list", MARK),
    ("mark-wide", MARK),
    ("latency", latency),
    ("churn-threads", dumpster_sync::churn_threads),
    ("mutate", |p, r| if p.collects() { dumpster_sync::mutate(p, r) } else { mutate_alone(p, r) }),
    ("large", large),
    ("frag", frag),
];

macro_rules! finalize {
    ($($any:tt)*) => {};
}

trait Object: Trace {}
impl<T: Trace> Object for T {}

type Slot<T> = RefCell<Option<Gc<T>>>;

fn slot<T: Trace>(x: Option<Gc<T>>) -> Slot<T> {
    RefCell::new(x)
}

#[inline]
fn set<T: Trace>(s: &Slot<T>, x: Option<Gc<T>>) {
    drop(s.replace(x));
}

#[inline]
fn peek<T: Trace, R>(s: &Slot<T>, f: impl FnOnce(Option<&Gc<T>>) -> R) -> R {
    f(s.borrow().as_ref())
}

#[inline]
fn get<T: Trace>(s: &Slot<T>) -> Option<Gc<T>> {
    s.borrow().clone()
}

/// Pointer-free words, which the collector need not look at.
struct Words<const N: usize>([Cell<u64>; N]);

unsafe impl<V: Visitor, const N: usize> TraceWith<V> for Words<N> {
    fn accept(&self, _: &mut V) -> Result<(), ()> {
        Ok(())
    }
}

fn words<const N: usize>(w: [u64; N]) -> Words<N> {
    Words(unsafe { std::mem::transmute_copy(&w) }) // a Cell is laid out like what it holds
}

/// An object of any size.
trait AnySize: Trace {
    fn word(&self) -> u64;
}

impl<const R: usize> AnySize for Mixed<R> {
    fn word(&self) -> u64 {
        self.i
    }
}

impl<const R: usize> AnySize for Plain<R> {
    fn word(&self) -> u64 {
        self.again
    }
}

type Any = Gc<dyn AnySize>;

fn any<T: AnySize>(x: Gc<T>) -> Any {
    coerce_gc!(x)
}

fn any_word(x: &Any) -> u64 {
    x.word()
}

#[derive(Trace)]
struct AnySlots(RefCell<Vec<Option<Any>>>);

fn any_slots(n: usize) -> AnySlots {
    AnySlots(RefCell::new((0..n).map(|_| None).collect()))
}

fn collect() {
    dumpster::unsync::collect();
}

fn never_collect() {
    set_collect_condition(|_| false);
}

type Buf = Gc<Box<[u8]>>;

fn buf(r: usize, byte: u8) -> Buf {
    let mut x = vec![0; 65536 * (1 + r)].into_boxed_slice();
    for k in (0..x.len()).step_by(4096) {
        x[k] = byte;
    }
    Gc::new(x)
}

fn buf_len(b: &Buf) -> usize {
    b.len()
}

include!("handles.rs");
