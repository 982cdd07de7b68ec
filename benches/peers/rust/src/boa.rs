//! boa_gc: one thread, stop-the-world mark and sweep over boxes from malloc; roots are found by counting handles.
//! It reports neither its collections nor its pauses.

use crate::harness::*;
use crate::size_table;
use boa_gc::{Finalize, Gc, GcErased, GcRefCell, Trace, empty_trace};
use std::cell::Cell;

pub const HEAP: Heap = Heap { name: "boa", label: "boa_gc-0.22", work: WORK };

const WORK: &[(&str, Work)] = &[
    ("alloc-leaf", alloc_leaf),
    ("alloc-pair", alloc_pair),
    ("alloc-mixed", alloc_mixed),
    ("binary-trees", binary_trees),
    ("gcbench", gcbench),
    ("mark-tree", mark_tree),
    ("mark-random", mark_random),
    ("mark-list", mark_list),
    ("mark-wide", mark_wide),
    ("latency", latency),
    ("churn-threads", |_, _| unsupported("one heap a thread")),
    ("mutate", mutate),
    ("large", large),
    ("frag", frag),
];

macro_rules! finalize {
    ($t:ty $(, $($generics:tt)*)?) => {
        impl$(<$($generics)*>)? Finalize for $t {}
    };
}

trait Object: Trace {}
impl<T: Trace> Object for T {}

type Slot<T> = Cell<Option<Gc<T>>>;

fn slot<T: Trace>(x: Option<Gc<T>>) -> Slot<T> {
    Cell::new(x)
}

#[inline]
fn set<T: Trace>(s: &Slot<T>, x: Option<Gc<T>>) {
    s.set(x);
}

#[inline]
fn peek<T: Trace, R>(s: &Slot<T>, f: impl FnOnce(Option<&Gc<T>>) -> R) -> R {
    f(unsafe { &*s.as_ptr() }.as_ref()) // no f of ours writes to the slot it peeks at
}

#[inline]
fn get<T: Trace>(s: &Slot<T>) -> Option<Gc<T>> {
    peek(s, |x| x.cloned())
}

/// Pointer-free words, which the collector need not look at.
struct Words<const N: usize>([Cell<u64>; N]);

impl<const N: usize> Finalize for Words<N> {}
unsafe impl<const N: usize> Trace for Words<N> {
    empty_trace!();
}

fn words<const N: usize>(w: [u64; N]) -> Words<N> {
    Words(unsafe { std::mem::transmute_copy(&w) }) // a Cell is laid out like what it holds
}

type Any = GcErased;

fn any<T: Trace>(x: Gc<T>) -> Any {
    GcErased::new(x)
}

fn any_word(x: &Any) -> u64 {
    unsafe { x.downcast_ref_unchecked::<Plain<0>>() }.again // every sized object starts with two words
}

#[derive(Trace, Finalize)]
struct AnySlots(GcRefCell<Vec<Option<Any>>>);

fn any_slots(n: usize) -> AnySlots {
    AnySlots(GcRefCell::new((0..n).map(|_| None).collect()))
}

fn collect() {
    boa_gc::force_collect();
}

fn never_collect() {} // it only collects when something is allocated

/// The collector counts the bytes of the box itself only, so the buffer lies in it.
struct Large<const N: usize>([u8; N]);

impl<const N: usize> Finalize for Large<N> {}
unsafe impl<const N: usize> Trace for Large<N> {
    empty_trace!();
}

struct Buf(#[allow(dead_code)] Any, usize);

fn make_large<const K: usize, const N: usize>(byte: u8) -> Buf {
    let mut x = Large([0u8; N]);
    for k in (0..N).step_by(4096) {
        x.0[k] = byte;
    }
    Buf(any(Gc::new(x)), N)
}

fn buf(r: usize, byte: u8) -> Buf {
    macro_rules! pick {
        ($($k:literal)*) => { match r { $($k => make_large::<$k, { 65536 * (1 + $k) }>(byte),)* _ => unreachable!() } };
    }
    pick!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
}

fn buf_len(b: &Buf) -> usize {
    b.1
}

include!("handles.rs");

fn binary_trees(p: &Params, r: &mut Report) -> Result<(), String> {
    if p.num("threads") > 1 {
        return unsupported("one heap a thread");
    }
    binary_trees_alone(p, r)
}

fn mutate(p: &Params, r: &mut Report) -> Result<(), String> {
    if p.collects() {
        return unsupported("one heap a thread");
    }
    mutate_alone(p, r)
}

fn node_tree(depth: u64) -> Option<Gc<Node>> {
    let (a, b) = if depth == 0 { (None, None) } else { (node_tree(depth - 1), node_tree(depth - 1)) };
    Some(node(a, b, depth))
}

fn node_count(n: Option<&Gc<Node>>) -> u64 {
    n.map_or(0, |n| 1 + peek(&n.a, node_count) + peek(&n.b, node_count))
}

fn mark_tree(p: &Params, r: &mut Report) -> Result<(), String> {
    let root = node_tree(p.num("depth"));
    r.collections(p, collect);
    r.checksum = node_count(root.as_ref());
    Ok(())
}

fn mark_random(p: &Params, r: &mut Report) -> Result<(), String> {
    let n = p.num("n") as usize;
    let mut rng = Rng::new(0);
    let all = nodes(n);
    for x in all.iter() {
        let (a, b) = (rng.below(n), rng.below(n));
        peek(x, |x| {
            set(&x.unwrap().a, get(&all[a]));
            set(&x.unwrap().b, get(&all[b]));
        });
    }
    r.collections(p, collect);
    r.checksum = sum(&all, |x| peek(&x.a, |a| a.unwrap().v) + peek(&x.b, |b| b.unwrap().v));
    Ok(())
}

#[derive(Trace, Finalize)]
struct Link {
    next: Option<Gc<Link>>,
    _v: u64,
}

fn mark_list(p: &Params, r: &mut Report) -> Result<(), String> {
    let head = (0..p.num("n")).fold(None, |next, v| Some(Gc::new(Link { next, _v: v })));
    r.collections(p, collect);
    let length = std::iter::successors(head.as_ref(), |l| l.next.as_ref()).count();
    r.checksum = length as u64;
    Ok(())
}

fn mark_wide(p: &Params, r: &mut Report) -> Result<(), String> {
    let n = p.num("n");
    let all = slots::<Leaf>(n as usize);
    for i in 0..n {
        set(&all[i as usize], Some(Gc::new(Leaf { a: i, _b: 2 * i })));
    }
    r.collections(p, collect);
    r.checksum = sum(&all, |x| x.a);
    Ok(())
}
