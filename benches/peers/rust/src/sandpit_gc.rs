//! sandpit (with its feature multi_threaded): concurrent, generational mark and sweep over 16 KiB blocks that are
//! filled by bumping; objects of more than 16,256 bytes come from malloc. A monitor thread looks every 10 ms whether
//! the heap has grown by half, and two tracer threads mark while a mutation runs on, but nothing is freed before all
//! mutations have ended and none can begin while a collection runs. So the work is done in mutations that last until
//! `gc_yield` asks them to end. Objects carry 8 bytes of header, arrays 16. The configuration is the default one, but
//! that there is no monitor where each collection is asked for. No pauses are reported.

use crate::harness::*;
use crate::size_table;
use sandpit::{Arena, Config, Gc, GcOpt, GcSync, Mutator, Root, Trace, Tracer, field};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

pub const HEAP: Heap = Heap { name: "sandpit", label: "sandpit-0.5", work: WORK };

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
    ("churn-threads", churn_threads),
    ("mutate", mutate),
    ("large", large),
    ("frag", frag),
];

/// Calls `step(mutator, root, i)` for i in 0..n, in as few mutations as the collector allows.
fn steps<R, F>(arena: &Arena<R>, n: u64, mut step: F)
where
    R: Root + 'static,
    for<'a> R::Of<'a>: Trace,
    F: for<'gc> FnMut(&'gc Mutator<'gc>, &'gc R::Of<'gc>, u64),
{
    let mut i = 0;
    while i < n {
        arena.mutate(|mu, root| {
            while i < n {
                step(mu, root, i);
                i += 1;
                if mu.gc_yield() {
                    break;
                }
            }
        });
    }
}

/// What one look at the root finds.
fn look<R, T: Default>(arena: &Arena<R>, f: impl for<'gc> FnOnce(&'gc R::Of<'gc>) -> T) -> T
where
    R: Root + 'static,
    for<'a> R::Of<'a>: Trace,
{
    let mut found = T::default();
    arena.mutate(|_, root| found = f(root));
    found
}

/// Begins the measured part; what it returns ends it and counts the collections within.
fn begin<'a, R>(arena: &'a Arena<R>, r: &mut Report) -> impl FnOnce(&mut Report) + use<'a, R>
where
    R: Root + 'static,
    for<'b> R::Of<'b>: Trace,
{
    let count = || arena.metrics().get_major_collections() + arena.metrics().get_minor_collections();
    let before = count();
    r.begin();
    move |r| {
        r.end();
        r.cycles = Some(count() - before);
    }
}

/// No collections but those that are asked for.
fn on_demand() -> Config {
    Config { monitor_on: false, ..Config::default() }
}

// An array of references on the heap.
type Slots<'gc, T> = Gc<'gc, [GcOpt<'gc, T>]>;

fn slots<'gc, T: Trace + ?Sized>(mu: &'gc Mutator<'gc>, n: usize) -> Slots<'gc, T> {
    mu.alloc_array_from_fn(n, |_| GcOpt::new_none())
}

/// Stores into a short array, all of which is traced again when it was marked already.
#[inline]
fn put<'gc, T: Trace>(mu: &'gc Mutator<'gc>, s: &Slots<'gc, T>, i: usize, x: Gc<'gc, T>) {
    s.write_barrier(mu, |b| b.at(i).set(x));
}

/// Stores into a long array, of which only this slot is traced again.
#[inline]
fn put_one<'gc, T>(mu: &'gc Mutator<'gc>, s: &Slots<'gc, T>, i: usize, x: Gc<'gc, T>)
where
    T: Trace + ?Sized + 'gc,
{
    GcOpt::update_array(mu, s.clone(), i, x.into());
}

fn sum<'gc, T: Trace + ?Sized + 'gc>(s: &Slots<'gc, T>, f: impl Fn(&T) -> u64) -> u64 {
    s.iter().filter_map(|x| x.as_option()).map(|x| f(&x)).sum()
}

/// a and b. A derived type would be taken for one with references in it.
type Leaf = (u64, u64);

#[derive(Trace)]
struct Node<'gc> {
    a: Field<'gc>,
    b: Field<'gc>,
    v: u64,
    w: u64,
}

type Ref<'gc> = GcOpt<'gc, Node<'gc>>;

/// A reference that may be set to null while it is traced. A tracer reads a GcOpt twice, first to see that it is not
/// null, and so may follow null (one run of churn-threads in 35 crashed); here it reads a copy.
struct Field<'gc> {
    to: Ref<'gc>,
}

unsafe impl Trace for Field<'_> {
    const IS_LEAF: bool = false;

    fn trace(&self, tracer: &mut Tracer) {
        self.to.clone().trace(tracer);
    }
}

#[inline]
fn node<'gc>(mu: &'gc Mutator<'gc>, a: Ref<'gc>, b: Ref<'gc>, v: u64) -> Gc<'gc, Node<'gc>> {
    Gc::new(mu, Node { a: Field { to: a }, b: Field { to: b }, v, w: 0 })
}

type NodesArena = Arena<Root![Slots<'_, Node<'_>>]>;

fn alloc_leaf(p: &Params, r: &mut Report) -> Result<(), String> {
    let arena = Arena::<Root![Slots<'_, Leaf>]>::new(|mu| slots(mu, 1024));
    let end = begin(&arena, r);
    steps(&arena, p.num("n"), |mu, ring, i| put(mu, ring, i as usize % 1024, Gc::new(mu, (i, 2 * i))));
    end(r);
    r.checksum = look(&arena, |ring| sum(ring, |x| x.0));
    Ok(())
}

fn alloc_pair(p: &Params, r: &mut Report) -> Result<(), String> {
    let arena = NodesArena::new(|mu| slots(mu, 1024));
    let end = begin(&arena, r);
    steps(&arena, p.num("n"), |mu, ring, i| {
        let left = if i % 64 != 0 { ring[i as usize * 7 % 1024].clone() } else { GcOpt::new_none() };
        if let Some(left) = left.as_option() {
            left.a.to.set_none();
            left.b.to.set_none();
        }
        put(mu, ring, i as usize % 1024, node(mu, left, GcOpt::new_none(), i));
    });
    end(r);
    r.checksum = look(&arena, |ring| sum(ring, |x| x.v));
    Ok(())
}

/// An object of 16 + 8 * R bytes.
#[derive(Trace)]
#[repr(C)]
struct Mixed<'gc, const R: usize> {
    first: GcOpt<'gc, Leaf>,
    i: u64,
    rest: [u64; R],
}

/// A reference to a Mixed of any size: the size is not in the object, so R is kept in the reference's upper 16 bits.
struct Any<'gc>(AtomicU64, PhantomData<Gc<'gc, Mixed<'gc, 0>>>);

impl<'gc> Any<'gc> {
    fn null() -> Any<'gc> {
        Any(AtomicU64::new(0), PhantomData)
    }

    /// The object as one of the shortest, with whose fields a longer one starts.
    fn get(&self) -> Option<&'gc Mixed<'gc, 0>> {
        let bits = self.0.load(Ordering::Relaxed);
        unsafe { ((bits << 16 >> 16) as *const Mixed<0>).as_ref() }
    }
}

impl Clone for Any<'_> {
    fn clone(&self) -> Self {
        Any(AtomicU64::new(self.0.load(Ordering::Relaxed)), PhantomData)
    }
}

unsafe impl Trace for Any<'_> {
    const IS_LEAF: bool = false;

    fn trace(&self, tracer: &mut Tracer) {
        type Mark = fn(u64, &mut Tracer);
        const MARK: [[Mark; 16]; 16] = size_table!(16, mark_mixed);
        let bits = self.0.load(Ordering::Relaxed);
        let size = (bits >> 48) as usize;
        MARK[size / 16][size % 16](bits << 16 >> 16, tracer);
    }
}

impl<'gc> GcSync<'gc> for Any<'gc> {
    unsafe fn gc_swap(old: &Self, new: Self, _: &'gc Mutator) {
        old.0.store(new.0.load(Ordering::Relaxed), Ordering::SeqCst);
    }
}

fn mark_mixed<const R: usize>(address: u64, tracer: &mut Tracer) {
    let x = unsafe { GcOpt::from_ptr(address as *mut Mixed<R>) };
    x.trace(tracer);
}

fn mixed<'gc, const R: usize>(mu: &'gc Mutator<'gc>, i: u64) -> Any<'gc> {
    let x = Gc::new(mu, Mixed { first: GcOpt::new_none(), i, rest: [0; R] });
    let address = x.scoped_deref() as *const Mixed<R> as u64;
    Any(AtomicU64::new(address | (R as u64) << 48), PhantomData)
}

fn alloc_mixed(p: &Params, r: &mut Report) -> Result<(), String> {
    type Make = for<'gc> fn(&'gc Mutator<'gc>, u64) -> Any<'gc>;
    const MAKE: [[Make; 16]; 16] = size_table!(16, mixed);
    let mut rng = Rng::new(0);
    let arena = Arena::<Root![Gc<'_, [Any<'_>]>]>::new(|mu| mu.alloc_array_from_fn(65536, |_| Any::null()));
    let end = begin(&arena, r);
    steps(&arena, p.num("n"), |mu, ring, i| {
        let size = rng.mixed();
        Any::update_array(mu, ring.clone(), i as usize % 65536, MAKE[size / 16][size % 16](mu, i));
    });
    end(r);
    r.checksum = look(&arena, |ring| {
        let all = ring.iter().filter_map(|x| x.get());
        all.inspect(|x| assert!(x.first.is_none() && x.rest.is_empty())).map(|x| x.i).sum()
    });
    Ok(())
}

#[derive(Trace)]
struct Tree<'gc> {
    left: GcOpt<'gc, Tree<'gc>>,
    right: GcOpt<'gc, Tree<'gc>>,
}

fn tree<'gc>(mu: &'gc Mutator<'gc>, depth: u64) -> Gc<'gc, Tree<'gc>> {
    if depth == 0 {
        return Gc::new(mu, Tree { left: GcOpt::new_none(), right: GcOpt::new_none() });
    }
    let (left, right) = (tree(mu, depth - 1).into(), tree(mu, depth - 1).into());
    Gc::new(mu, Tree { left, right })
}

fn check(t: &Tree) -> u64 {
    1 + t.left.as_option().map_or(0, |l| check(&l)) + t.right.as_option().map_or(0, |r| check(&r))
}

/// A root that threads may share: sandpit counts its mutators and its references are atomic, but not marked Sync.
#[derive(Trace)]
struct Shared<T: Trace>(T);

unsafe impl<T: Trace> Sync for Shared<T> {}

fn binary_trees(p: &Params, r: &mut Report) -> Result<(), String> {
    let (depth, threads) = (binary_trees_depth(p), p.num("threads"));
    let arena = Arena::<Root![Shared<Gc<'_, GcOpt<'_, Tree<'_>>>>]>::new(|mu| Shared(Gc::new(mu, GcOpt::new_none())));
    let end = begin(&arena, r);
    let mut total = 0;
    steps(&arena, 1, |mu, _, _| total = check(&tree(mu, depth + 1)));
    steps(&arena, 1, |mu, lasting, _| {
        let kept = tree(mu, depth);
        lasting.0.write_barrier(mu, |b| b.set(kept));
    });
    let share = |t: u64| {
        let mut sum = 0;
        for d in (4..=depth).step_by(2) {
            let mine = (t..binary_trees_iterations(depth, d)).step_by(threads as usize).count();
            steps(&arena, mine as u64, |mu, _, _| sum += check(&tree(mu, d)));
        }
        sum
    };
    total += if threads == 1 {
        share(0)
    } else {
        thread::scope(|s| {
            let share = &share;
            let all: Vec<_> = (0..threads).map(|t| s.spawn(move || share(t))).collect();
            all.into_iter().map(|t| t.join().expect("a share")).sum()
        })
    };
    total += look(&arena, |lasting| check(&lasting.0.unwrap()));
    end(r);
    r.checksum = total;
    Ok(())
}

#[derive(Trace)]
struct Bench<'gc> {
    left: GcOpt<'gc, Bench<'gc>>,
    right: GcOpt<'gc, Bench<'gc>>,
    i: i32,
    j: i32,
}

#[derive(Trace)]
struct BenchRoot<'gc> {
    lasting: GcOpt<'gc, Bench<'gc>>,
    array: GcOpt<'gc, [f64]>,
}

/// Makes GCBench's nodes and counts them.
struct Maker<'a>(&'a Cell<u64>);

impl Maker<'_> {
    fn node<'gc>(
        &self,
        mu: &'gc Mutator<'gc>,
        left: GcOpt<'gc, Bench<'gc>>,
        right: GcOpt<'gc, Bench<'gc>>,
    ) -> Gc<'gc, Bench<'gc>> {
        self.0.set(self.0.get() + 1);
        Gc::new(mu, Bench { left, right, i: 0, j: 0 })
    }

    fn bottom_up<'gc>(&self, mu: &'gc Mutator<'gc>, depth: u64) -> Gc<'gc, Bench<'gc>> {
        if depth == 0 {
            return self.node(mu, GcOpt::new_none(), GcOpt::new_none());
        }
        let (left, right) = (self.bottom_up(mu, depth - 1).into(), self.bottom_up(mu, depth - 1).into());
        self.node(mu, left, right)
    }

    fn top_down<'gc>(&self, mu: &'gc Mutator<'gc>, depth: u64) -> Gc<'gc, Bench<'gc>> {
        let root = self.node(mu, GcOpt::new_none(), GcOpt::new_none());
        self.populate(mu, &root, depth);
        root
    }

    fn populate<'gc>(&self, mu: &'gc Mutator<'gc>, t: &Gc<'gc, Bench<'gc>>, depth: u64) {
        if depth == 0 {
            return;
        }
        let left = self.node(mu, GcOpt::new_none(), GcOpt::new_none());
        let right = self.node(mu, GcOpt::new_none(), GcOpt::new_none());
        t.write_barrier(mu, |b| {
            field!(b, Bench, left).set(left.clone());
            field!(b, Bench, right).set(right.clone());
        });
        self.populate(mu, &left, depth - 1);
        self.populate(mu, &right, depth - 1);
    }
}

fn bench_count(t: &GcOpt<Bench>) -> u64 {
    t.as_option().map_or(0, |t| 1 + bench_count(&t.left) + bench_count(&t.right))
}

fn gcbench(p: &Params, r: &mut Report) -> Result<(), String> {
    let depth = p.num("depth");
    let made = Cell::new(0);
    let make = Maker(&made);
    let arena = Arena::<Root![Gc<'_, BenchRoot<'_>>]>::new(|mu| {
        Gc::new(mu, BenchRoot { lasting: GcOpt::new_none(), array: GcOpt::new_none() })
    });
    let end = begin(&arena, r);
    steps(&arena, 1, |mu, _, _| _ = make.bottom_up(mu, depth + 2));
    steps(&arena, 1, |mu, root, _| {
        let lasting = make.top_down(mu, depth);
        let array = mu.alloc_array_from_fn(500_000, |i| if 0 < i && i < 250_000 { 1.0 / i as f64 } else { 0.0 });
        root.write_barrier(mu, |b| {
            field!(b, BenchRoot, lasting).set(lasting);
            field!(b, BenchRoot, array).set(array);
        });
    });
    for d in (4..=depth).step_by(2) {
        steps(&arena, gcbench_iterations(depth, d), |mu, _, _| _ = make.top_down(mu, d));
        steps(&arena, gcbench_iterations(depth, d), |mu, _, _| _ = make.bottom_up(mu, d));
    }
    end(r);
    let walked = look(&arena, |root| {
        assert_eq!(root.array.unwrap()[1000], 1.0 / 1000.0);
        bench_count(&root.lasting)
    });
    r.checksum = made.get() - tree_size(depth) + walked;
    Ok(())
}

/// The measured part of `mark-*`, after one collection that is not measured.
fn collections<R>(p: &Params, r: &mut Report, arena: &Arena<R>)
where
    R: Root + 'static,
    for<'a> R::Of<'a>: Trace,
{
    arena.major_collect();
    r.collections(p, || arena.major_collect());
}

fn node_tree<'gc>(mu: &'gc Mutator<'gc>, depth: u64) -> Ref<'gc> {
    if depth == 0 {
        return node(mu, GcOpt::new_none(), GcOpt::new_none(), 0).into();
    }
    let (a, b) = (node_tree(mu, depth - 1), node_tree(mu, depth - 1));
    node(mu, a, b, depth).into()
}

fn node_count(n: &Ref) -> u64 {
    n.as_option().map_or(0, |n| 1 + node_count(&n.a.to) + node_count(&n.b.to))
}

fn mark_tree(p: &Params, r: &mut Report) -> Result<(), String> {
    let arena = Arena::<Root![Ref<'_>]>::new_with_config(on_demand(), |mu| node_tree(mu, p.num("depth")));
    collections(p, r, &arena);
    r.checksum = look(&arena, node_count);
    Ok(())
}

type Nodes<'gc> = Gc<'gc, [Gc<'gc, Node<'gc>>]>;

/// n nodes in one array, v = i.
fn nodes<'gc>(mu: &'gc Mutator<'gc>, n: usize) -> Nodes<'gc> {
    mu.alloc_array_from_fn(n, |i| node(mu, GcOpt::new_none(), GcOpt::new_none(), i as u64))
}

#[inline]
fn set_a<'gc>(mu: &'gc Mutator<'gc>, x: &Gc<'gc, Node<'gc>>, to: Gc<'gc, Node<'gc>>) {
    x.write_barrier(mu, |w| field!(&field!(w, Node, a), Field, to).set(to));
}

fn mark_random(p: &Params, r: &mut Report) -> Result<(), String> {
    let n = p.num("n") as usize;
    let mut rng = Rng::new(0);
    let arena = Arena::<Root![Nodes<'_>]>::new_with_config(on_demand(), |mu| {
        let all = nodes(mu, n);
        for x in all.iter() {
            set_a(mu, x, all[rng.below(n)].clone());
            x.write_barrier(mu, |w| field!(&field!(w, Node, b), Field, to).set(all[rng.below(n)].clone()));
        }
        all
    });
    collections(p, r, &arena);
    r.checksum = look(&arena, |all| all.iter().map(|x| x.a.to.unwrap().v + x.b.to.unwrap().v).sum());
    Ok(())
}

#[derive(Trace)]
struct Link<'gc> {
    next: GcOpt<'gc, Link<'gc>>,
    v: u64,
}

fn mark_list(p: &Params, r: &mut Report) -> Result<(), String> {
    let arena = Arena::<Root![GcOpt<'_, Link<'_>>]>::new_with_config(on_demand(), |mu| {
        (0..p.num("n")).fold(GcOpt::new_none(), |next, v| GcOpt::new(mu, Link { next, v }))
    });
    collections(p, r, &arena);
    r.checksum = look(&arena, |head| std::iter::successors(head.as_option(), |l| l.next.as_option()).count() as u64);
    Ok(())
}

fn mark_wide(p: &Params, r: &mut Report) -> Result<(), String> {
    let arena = Arena::<Root![Gc<'_, [Gc<'_, Leaf>]>]>::new_with_config(on_demand(), |mu| {
        mu.alloc_array_from_fn(p.num("n") as usize, |i| Gc::new(mu, (i as u64, 2 * i as u64)))
    });
    collections(p, r, &arena);
    r.checksum = look(&arena, |all| all.iter().map(|x| x.0).sum());
    Ok(())
}

type Buffer = [Cell<u8>; 1024];

#[derive(Trace)]
struct Message<'gc> {
    buf: Gc<'gc, Buffer>,
    prev: GcOpt<'gc, Message<'gc>>,
    id: u64,
    len: u64,
}

fn latency(p: &Params, r: &mut Report) -> Result<(), String> {
    let (live, n) = (p.num("live"), p.num("n"));
    let bits = table_bits(live);
    let mask = (1 << bits) - 1;
    let arena = Arena::<Root![Slots<'_, Message<'_>>]>::new(|mu| slots(mu, 1 << bits));
    let end = begin(&arena, r);
    let mut laps = Laps::new(n);
    steps(&arena, n, |mu, table, id| {
        let buf = Gc::new(mu, [const { Cell::new(0) }; 1024]);
        for k in (0..1024).step_by(64) {
            buf[k].set(id as u8);
        }
        let key = id % live;
        let mut s = home(key, bits);
        while table[s].as_option().is_some_and(|m| m.id % live != key) {
            s = (s + 1) & mask;
        }
        put_one(mu, table, s, Gc::new(mu, Message { buf, prev: GcOpt::new_none(), id, len: 1024 }));
        laps.lap();
    });
    end(r);
    r.latencies(laps.took);
    r.checksum = look(&arena, |table| {
        sum(table, |m| {
            assert!(m.prev.is_none() && m.len == 1024 && m.buf[0].get() == m.id as u8);
            m.id
        })
    });
    Ok(())
}

const TABLE: usize = 65536;
type Tables<'gc> = Gc<'gc, [Slots<'gc, Node<'gc>>]>;

/// The tables lie behind the root; a thread has the number of its own, the exchanger that of the one parked.
fn churn_threads(p: &Params, r: &mut Report) -> Result<(), String> {
    let (threads, n) = (p.num("threads"), p.num("n"));
    let arena = Arena::<Root![Shared<Tables<'_>>]>::new(|mu| {
        Shared(mu.alloc_array_from_fn(threads as usize + 1, |_| slots(mu, TABLE)))
    });
    let parked = Mutex::new(threads as usize);
    let one = |t: u64| {
        let mut rng = Rng::new(t);
        let (mut mine, mut done) = (t as usize, 0);
        steps(&arena, n, |mu, tables, i| {
            let table = &tables.0[mine];
            let s = rng.below(TABLE);
            let right = table[(s + 1) % TABLE].clone();
            if let Some(right) = right.as_option() {
                right.a.to.set_none();
                right.b.to.set_none();
            }
            put_one(mu, table, s, node(mu, right, GcOpt::new_none(), i));
            if i % 1024 == 1023 {
                std::mem::swap(&mut mine, &mut parked.lock().unwrap());
            }
            done += 1;
        });
        done
    };
    let end = begin(&arena, r);
    r.checksum = thread::scope(|s| {
        let one = &one;
        let all: Vec<_> = (0..threads).map(|t| s.spawn(move || one(t))).collect();
        all.into_iter().map(|t| t.join().expect("a thread")).sum()
    });
    end(r);
    Ok(())
}

fn mutate(p: &Params, r: &mut Report) -> Result<(), String> {
    let n = p.num("n") as usize;
    let mut rng = Rng::new(0);
    let arena = Arena::<Root![Shared<Nodes<'_>>]>::new_with_config(on_demand(), |mu| Shared(nodes(mu, n)));
    let over = AtomicBool::new(false);
    thread::scope(|s| {
        let end = begin(&arena, r);
        if p.collects() {
            s.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    arena.major_collect();
                }
            });
        }
        steps(&arena, p.num("ops"), |mu, all, _| {
            let x = &all.0[rng.below(n)];
            set_a(mu, x, all.0[rng.below(n)].clone());
        });
        end(r);
        over.store(true, Ordering::Relaxed);
    });
    r.checksum = look(&arena, |all| all.0.iter().map(|x| x.a.to.as_option().map_or(0, |a| a.v)).sum());
    Ok(())
}

fn large(p: &Params, r: &mut Report) -> Result<(), String> {
    let mut rng = Rng::new(0);
    type Buf = [Cell<u8>];
    let arena = Arena::<Root![Slots<'_, Buf>]>::new(|mu| slots(mu, 64));
    let end = begin(&arena, r);
    steps(&arena, p.num("n"), |mu, ring, i| {
        let buf = mu.alloc_array_from_fn(65536 * (1 + rng.below(16)), |_| Cell::new(0));
        for k in (0..buf.len()).step_by(4096) {
            buf[k].set(i as u8);
        }
        put_one(mu, ring, i as usize % 64, buf);
    });
    end(r);
    r.checksum = look(&arena, |ring| sum(ring, |b| b.len() as u64 / 1024));
    Ok(())
}

fn frag(p: &Params, r: &mut Report) -> Result<(), String> {
    let live = p.num("live_mb") << 20;
    let mut rng = Rng::new(0);
    let arena = Arena::<Root![Slots<'_, [u64]>]>::new(|mu| slots(mu, frag_capacity(live)));
    let (mut bytes, mut used) = (0, 0);
    let end = begin(&arena, r);
    while bytes < live {
        arena.mutate(|mu, table| {
            while bytes < live {
                let words = 2 + rng.below(1023);
                put_one(mu, table, used, mu.alloc_array(8 * words as u64, words));
                bytes += 8 * words as u64;
                used += 1;
                if mu.gc_yield() {
                    break;
                }
            }
        });
    }
    for _ in 0..p.num("rounds") {
        steps(&arena, used as u64 / 4, |mu, table, _| {
            let slot = rng.below(used);
            let words = 2 + rng.below(1023);
            put_one(mu, table, slot, mu.alloc_array(8 * words as u64, words));
        });
    }
    end(r);
    let live = look(&arena, |table| {
        sum(table, |x| {
            assert!(x[0] == 8 * x.len() as u64 && x[x.len() - 1] == x[0]);
            x[0]
        })
    });
    arena.major_collect();
    r.frag_full(live);
    arena.mutate(|_, table| table.iter().enumerate().filter(|(i, _)| i % 10 != 0).for_each(|(_, x)| x.set_none()));
    arena.major_collect();
    unsafe { libc::malloc_trim(0) };
    r.frag_after();
    Ok(())
}
