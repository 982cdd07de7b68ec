//! gc-arena: one thread, incremental mark and sweep. Nothing is collected within `mutate`, so the work is cut into
//! steps of BATCH operations with `collect_debt` between them (one operation a step where each is timed or large).
//! Its pacing, the default one, counts objects, not bytes. No pauses are reported.

use crate::harness::*;
use crate::size_table;
use gc_arena::barrier::{Write, unlock};
use gc_arena::{Arena, Collect, Gc, Lock, Mutation, Rootable};
use std::cell::Cell;

pub const HEAP: Heap = Heap { name: "gc-arena", label: "gc-arena-0.7", work: WORK };

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
    ("churn-threads", |_, _| unsupported("one thread an arena")),
    ("mutate", mutate),
    ("large", large),
    ("frag", frag),
];

const BATCH: u64 = 1024;

/// Calls `step(from, to)` for the batches of 0..n.
fn batches(n: u64, mut step: impl FnMut(u64, u64)) {
    let mut from = 0;
    while from < n {
        let to = n.min(from + BATCH);
        step(from, to);
        from = to;
    }
}

// An array of references on the heap.
type Slots<'gc, T> = Gc<'gc, Box<[Lock<Option<Gc<'gc, T>>>]>>;

fn slots<'gc, T>(mc: &Mutation<'gc>, n: usize) -> Slots<'gc, T>
where
    T: Collect<'gc>,
{
    Gc::new(mc, (0..n).map(|_| Lock::new(None)).collect())
}

#[inline]
fn put<'gc, T>(mc: &Mutation<'gc>, s: Slots<'gc, T>, i: usize, x: Gc<'gc, T>)
where
    T: Collect<'gc>,
{
    let all: &Write<Box<[_]>> = Gc::write(mc, s);
    all.as_deref()[i].unlock().set(Some(x));
}

fn sum<'gc, T>(s: Slots<'gc, T>, f: impl Fn(&T) -> u64) -> u64
where
    T: Collect<'gc>,
{
    s.iter().filter_map(|x| x.get()).map(|x| f(&x)).sum()
}

#[derive(Collect)]
#[collect(require_static)]
struct Leaf {
    a: u64,
    _b: u64,
}

#[derive(Collect)]
#[collect(no_drop)]
struct Node<'gc> {
    a: Lock<Option<Gc<'gc, Node<'gc>>>>,
    b: Lock<Option<Gc<'gc, Node<'gc>>>>,
    v: u64,
    _w: u64,
}

type Ref<'gc> = Option<Gc<'gc, Node<'gc>>>;

#[inline]
fn node<'gc>(mc: &Mutation<'gc>, a: Ref<'gc>, b: Ref<'gc>, v: u64) -> Gc<'gc, Node<'gc>> {
    Gc::new(mc, Node { a: Lock::new(a), b: Lock::new(b), v, _w: 0 })
}

type NodesArena = Arena<Rootable![Slots<'_, Node<'_>>]>;

fn alloc_leaf(p: &Params, r: &mut Report) -> Result<(), String> {
    let mut arena = Arena::<Rootable![Slots<'_, Leaf>]>::new(|mc| slots(mc, 1024));
    r.begin();
    batches(p.num("n"), |from, to| {
        arena.mutate(|mc, ring| {
            for i in from..to {
                put(mc, *ring, i as usize % 1024, Gc::new(mc, Leaf { a: i, _b: 2 * i }));
            }
        });
        arena.collect_debt();
    });
    r.end();
    r.checksum = arena.mutate(|_, ring| sum(*ring, |x| x.a));
    Ok(())
}

fn alloc_pair(p: &Params, r: &mut Report) -> Result<(), String> {
    let mut arena = NodesArena::new(|mc| slots(mc, 1024));
    r.begin();
    batches(p.num("n"), |from, to| {
        arena.mutate(|mc, ring| {
            for i in from..to {
                let left = if i % 64 != 0 { ring[i as usize * 7 % 1024].get() } else { None };
                if let Some(left) = left {
                    left.a.take();
                    left.b.take();
                }
                put(mc, *ring, i as usize % 1024, node(mc, left, None, i));
            }
        });
        arena.collect_debt();
    });
    r.end();
    r.checksum = arena.mutate(|_, ring| sum(*ring, |x| x.v));
    Ok(())
}

/// An object of 16 + 8 * R bytes.
#[derive(Collect)]
#[collect(no_drop)]
#[repr(C)]
struct Mixed<'gc, const R: usize> {
    first: Lock<Option<Gc<'gc, ()>>>,
    i: u64,
    rest: Words<R>,
}

#[derive(Collect)]
#[collect(require_static)]
struct Words<const N: usize>([u64; N]);

fn mixed<'gc, const R: usize>(mc: &Mutation<'gc>, i: u64) -> Gc<'gc, Mixed<'gc, 0>> {
    let x = Gc::new(mc, Mixed { first: Lock::new(None), i, rest: Words([0; R]) });
    unsafe { Gc::cast(x) } // a longer object starts with the fields of the shortest
}

fn alloc_mixed(p: &Params, r: &mut Report) -> Result<(), String> {
    type Make = for<'gc> fn(&Mutation<'gc>, u64) -> Gc<'gc, Mixed<'gc, 0>>;
    const MAKE: [[Make; 16]; 16] = size_table!(16, mixed);
    let mut rng = Rng::new(0);
    let mut arena = Arena::<Rootable![Slots<'_, Mixed<'_, 0>>]>::new(|mc| slots(mc, 65536));
    r.begin();
    batches(p.num("n"), |from, to| {
        arena.mutate(|mc, ring| {
            for i in from..to {
                let size = rng.mixed();
                put(mc, *ring, i as usize % 65536, MAKE[size / 16][size % 16](mc, i));
            }
        });
        arena.collect_debt();
    });
    r.end();
    r.checksum = arena.mutate(|_, ring| sum(*ring, |x| x.i));
    Ok(())
}

#[derive(Collect)]
#[collect(no_drop)]
struct Tree<'gc> {
    left: Option<Gc<'gc, Tree<'gc>>>,
    right: Option<Gc<'gc, Tree<'gc>>>,
}

fn tree<'gc>(mc: &Mutation<'gc>, depth: u64) -> Gc<'gc, Tree<'gc>> {
    if depth == 0 {
        return Gc::new(mc, Tree { left: None, right: None });
    }
    let (left, right) = (Some(tree(mc, depth - 1)), Some(tree(mc, depth - 1)));
    Gc::new(mc, Tree { left, right })
}

fn check(t: &Tree) -> u64 {
    1 + t.left.as_ref().map_or(0, |l| check(l)) + t.right.as_ref().map_or(0, |r| check(r))
}

fn binary_trees(p: &Params, r: &mut Report) -> Result<(), String> {
    if p.num("threads") > 1 {
        return unsupported("one thread an arena");
    }
    let depth = binary_trees_depth(p);
    let mut arena = Arena::<Rootable![Option<Gc<'_, Tree<'_>>>]>::new(|_| None);
    let once = |arena: &mut Arena<_>, d| {
        let sum = arena.mutate(|mc, _| check(&tree(mc, d)));
        arena.collect_debt();
        sum
    };
    r.begin();
    let mut total = once(&mut arena, depth + 1);
    arena.mutate_root(|mc, lasting| *lasting = Some(tree(mc, depth)));
    for d in (4..=depth).step_by(2) {
        for _ in 0..binary_trees_iterations(depth, d) {
            total += once(&mut arena, d);
        }
    }
    total += arena.mutate(|_, lasting| check(&lasting.unwrap()));
    r.end();
    r.checksum = total;
    Ok(())
}

#[derive(Collect)]
#[collect(no_drop)]
struct Bench<'gc> {
    left: Lock<Option<Gc<'gc, Bench<'gc>>>>,
    right: Lock<Option<Gc<'gc, Bench<'gc>>>>,
    _i: i32,
    _j: i32,
}

#[derive(Collect)]
#[collect(no_drop)]
struct BenchRoot<'gc> {
    lasting: Option<Gc<'gc, Bench<'gc>>>,
    array: Option<Gc<'gc, Box<[f64]>>>,
}

/// Makes GCBench's nodes and counts them.
struct Maker<'a>(&'a Cell<u64>);

impl Maker<'_> {
    fn node<'gc>(
        &self,
        mc: &Mutation<'gc>,
        left: Option<Gc<'gc, Bench<'gc>>>,
        right: Option<Gc<'gc, Bench<'gc>>>,
    ) -> Gc<'gc, Bench<'gc>> {
        self.0.set(self.0.get() + 1);
        Gc::new(mc, Bench { left: Lock::new(left), right: Lock::new(right), _i: 0, _j: 0 })
    }

    fn bottom_up<'gc>(&self, mc: &Mutation<'gc>, depth: u64) -> Gc<'gc, Bench<'gc>> {
        if depth == 0 {
            return self.node(mc, None, None);
        }
        let (left, right) = (self.bottom_up(mc, depth - 1), self.bottom_up(mc, depth - 1));
        self.node(mc, Some(left), Some(right))
    }

    fn top_down<'gc>(&self, mc: &Mutation<'gc>, depth: u64) -> Gc<'gc, Bench<'gc>> {
        let root = self.node(mc, None, None);
        self.populate(mc, root, depth);
        root
    }

    fn populate<'gc>(&self, mc: &Mutation<'gc>, t: Gc<'gc, Bench<'gc>>, depth: u64) {
        if depth == 0 {
            return;
        }
        let (left, right) = (self.node(mc, None, None), self.node(mc, None, None));
        let w = Gc::write(mc, t);
        unlock!(w, Bench, left).set(Some(left));
        unlock!(w, Bench, right).set(Some(right));
        self.populate(mc, left, depth - 1);
        self.populate(mc, right, depth - 1);
    }
}

fn bench_count(t: Option<Gc<Bench>>) -> u64 {
    t.map_or(0, |t| 1 + bench_count(t.left.get()) + bench_count(t.right.get()))
}

fn gcbench(p: &Params, r: &mut Report) -> Result<(), String> {
    let depth = p.num("depth");
    let made = Cell::new(0);
    let make = Maker(&made);
    let mut arena = Arena::<Rootable![BenchRoot<'_>]>::new(|_| BenchRoot { lasting: None, array: None });
    r.begin();
    arena.mutate(|mc, _| {
        make.bottom_up(mc, depth + 2);
    });
    arena.collect_debt();
    arena.mutate_root(|mc, root| {
        root.lasting = Some(make.top_down(mc, depth));
        let mut array = vec![0.0; 500_000].into_boxed_slice();
        fill_array(&mut array);
        root.array = Some(Gc::new(mc, array));
    });
    arena.collect_debt();
    for d in (4..=depth).step_by(2) {
        for bottom_up in [false, true] {
            for _ in 0..gcbench_iterations(depth, d) {
                arena.mutate(|mc, _| _ = if bottom_up { make.bottom_up(mc, d) } else { make.top_down(mc, d) });
                arena.collect_debt();
            }
        }
    }
    r.end();
    let walked = arena.mutate(|_, root| {
        assert_eq!(root.array.unwrap()[1000], 1.0 / 1000.0);
        bench_count(root.lasting)
    });
    r.checksum = made.get() - tree_size(depth) + walked;
    Ok(())
}

fn node_tree<'gc>(mc: &Mutation<'gc>, depth: u64) -> Ref<'gc> {
    let (a, b) = if depth == 0 { (None, None) } else { (node_tree(mc, depth - 1), node_tree(mc, depth - 1)) };
    Some(node(mc, a, b, depth))
}

fn node_count(n: Ref) -> u64 {
    n.map_or(0, |n| 1 + node_count(n.a.get()) + node_count(n.b.get()))
}

fn mark_tree(p: &Params, r: &mut Report) -> Result<(), String> {
    let mut arena = Arena::<Rootable![Ref<'_>]>::new(|mc| node_tree(mc, p.num("depth")));
    arena.finish_cycle();
    r.collections(p, || arena.finish_cycle());
    r.checksum = arena.mutate(|_, root| node_count(*root));
    Ok(())
}

/// n nodes in one array, v = i.
fn nodes(n: usize) -> NodesArena {
    NodesArena::new(|mc| Gc::new(mc, (0..n as u64).map(|i| Lock::new(Some(node(mc, None, None, i)))).collect()))
}

fn mark_random(p: &Params, r: &mut Report) -> Result<(), String> {
    let n = p.num("n") as usize;
    let mut rng = Rng::new(0);
    let mut arena = nodes(n);
    arena.mutate(|mc, all| {
        for x in all.iter() {
            let w = Gc::write(mc, x.get().unwrap());
            unlock!(w, Node, a).set(all[rng.below(n)].get());
            unlock!(w, Node, b).set(all[rng.below(n)].get());
        }
    });
    arena.finish_cycle();
    r.collections(p, || arena.finish_cycle());
    r.checksum = arena.mutate(|_, all| sum(*all, |x| x.a.get().unwrap().v + x.b.get().unwrap().v));
    Ok(())
}

#[derive(Collect)]
#[collect(no_drop)]
struct Link<'gc> {
    next: Option<Gc<'gc, Link<'gc>>>,
    _v: u64,
}

fn mark_list(p: &Params, r: &mut Report) -> Result<(), String> {
    let mut arena = Arena::<Rootable![Option<Gc<'_, Link<'_>>>]>::new(|mc| {
        (0..p.num("n")).fold(None, |next, i| Some(Gc::new(mc, Link { next, _v: i })))
    });
    arena.finish_cycle();
    r.collections(p, || arena.finish_cycle());
    r.checksum = arena.mutate(|_, head| std::iter::successors(*head, |l| l.next).count() as u64);
    Ok(())
}

fn mark_wide(p: &Params, r: &mut Report) -> Result<(), String> {
    let mut arena = Arena::<Rootable![Slots<'_, Leaf>]>::new(|mc| {
        Gc::new(mc, (0..p.num("n")).map(|i| Lock::new(Some(Gc::new(mc, Leaf { a: i, _b: 2 * i })))).collect())
    });
    arena.finish_cycle();
    r.collections(p, || arena.finish_cycle());
    r.checksum = arena.mutate(|_, all| sum(*all, |x| x.a));
    Ok(())
}

type Buffer = [Cell<u8>; 1024];

#[derive(Collect)]
#[collect(no_drop)]
struct Message<'gc> {
    buf: Gc<'gc, Buffer>,
    prev: Option<Gc<'gc, Message<'gc>>>,
    id: u64,
    len: u64,
}

fn latency(p: &Params, r: &mut Report) -> Result<(), String> {
    let (live, n) = (p.num("live"), p.num("n"));
    let bits = table_bits(live);
    let mask = (1 << bits) - 1;
    let mut arena = Arena::<Rootable![Slots<'_, Message<'_>>]>::new(|mc| slots(mc, 1 << bits));
    r.begin();
    let mut laps = Laps::new(n);
    for id in 0..n {
        arena.mutate(|mc, table| {
            let buf = Gc::new_static(mc, [const { Cell::new(0) }; 1024]);
            for k in (0..1024).step_by(64) {
                buf[k].set(id as u8);
            }
            let key = id % live;
            let mut s = home(key, bits);
            while table[s].get().is_some_and(|m| m.id % live != key) {
                s = (s + 1) & mask;
            }
            put(mc, *table, s, Gc::new(mc, Message { buf, prev: None, id, len: 1024 }));
        });
        arena.collect_debt();
        laps.lap();
    }
    r.end();
    r.latencies(laps.took);
    r.checksum = arena.mutate(|_, table| {
        sum(*table, |m| {
            assert!(m.prev.is_none() && m.len == 1024 && m.buf[0].get() == m.id as u8);
            m.id
        })
    });
    Ok(())
}

fn mutate(p: &Params, r: &mut Report) -> Result<(), String> {
    let n = p.num("n") as usize;
    if p.collects() {
        return unsupported("one thread an arena");
    }
    let mut rng = Rng::new(0);
    let arena = nodes(n);
    r.begin();
    arena.mutate(|mc, all| {
        for _ in 0..p.num("ops") {
            let x = all[rng.below(n)].get().unwrap();
            unlock!(Gc::write(mc, x), Node, a).set(all[rng.below(n)].get());
        }
    });
    r.end();
    r.checksum = arena.mutate(|_, all| sum(*all, |x| x.a.get().map_or(0, |a| a.v)));
    Ok(())
}

fn large(p: &Params, r: &mut Report) -> Result<(), String> {
    let mut rng = Rng::new(0);
    let mut arena = Arena::<Rootable![Slots<'_, Box<[u8]>>]>::new(|mc| slots(mc, 64));
    r.begin();
    for i in 0..p.num("n") {
        let mut buf = vec![0u8; 65536 * (1 + rng.below(16))].into_boxed_slice();
        for k in (0..buf.len()).step_by(4096) {
            buf[k] = i as u8;
        }
        arena.mutate(|mc, ring| put(mc, *ring, i as usize % 64, Gc::new(mc, buf)));
        arena.collect_debt();
    }
    r.end();
    r.checksum = arena.mutate(|_, ring| sum(*ring, |b| b.len() as u64 / 1024));
    Ok(())
}

/// A pointer-free object of 16 + 8 * R bytes.
#[derive(Collect)]
#[collect(require_static)]
#[repr(C)]
struct Plain<const R: usize> {
    size: u64,
    again: u64,
    rest: [u64; R],
}

fn plain<'gc, const R: usize>(mc: &Mutation<'gc>) -> Gc<'gc, Plain<0>> {
    let size = 16 + 8 * R as u64;
    unsafe { Gc::cast(Gc::new(mc, Plain { size, again: size, rest: [size; R] })) }
}

fn frag(p: &Params, r: &mut Report) -> Result<(), String> {
    type Make = for<'gc> fn(&Mutation<'gc>) -> Gc<'gc, Plain<0>>;
    const MAKE: [[Make; 16]; 64] = size_table!(64, plain);
    let live = p.num("live_mb") << 20;
    let mut rng = Rng::new(0);
    let mut arena = Arena::<Rootable![Slots<'_, Plain<0>>]>::new(|mc| slots(mc, frag_capacity(live)));
    let (mut bytes, mut used) = (0, 0);
    r.begin();
    while bytes < live {
        arena.mutate(|mc, table| {
            for _ in 0..BATCH {
                if bytes < live {
                    let size = rng.below(1023);
                    put(mc, *table, used, MAKE[size / 16][size % 16](mc));
                    bytes += 16 + 8 * size as u64;
                    used += 1;
                }
            }
        });
        arena.collect_debt();
    }
    for _ in 0..p.num("rounds") {
        batches(used as u64 / 4, |from, to| {
            arena.mutate(|mc, table| {
                for _ in from..to {
                    let slot = rng.below(used);
                    let size = rng.below(1023);
                    put(mc, *table, slot, MAKE[size / 16][size % 16](mc));
                }
            });
            arena.collect_debt();
        });
    }
    r.end();
    let live = arena.mutate(|_, table| {
        sum(*table, |x| {
            assert_eq!(x.again, x.size);
            x.size + x.rest.len() as u64
        })
    });
    arena.finish_cycle(); // the one under way, if any
    arena.finish_cycle();
    r.frag_full(live);
    arena.mutate(|_, table| table.iter().enumerate().filter(|(i, _)| i % 10 != 0).for_each(|(_, x)| _ = x.take()));
    arena.finish_cycle();
    unsafe { libc::malloc_trim(0) };
    r.frag_after();
    Ok(())
}
