//! The workloads on MMTk (mmtk_vm.rs is the virtual machine): stop-the-world, parallel, not moving. Every object has
//! a header word, so a 16-byte leaf takes 24 bytes. Local references are kept alive by the thread's root stack.

use crate::harness::*;
use crate::mmtk_vm::*;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::thread;

pub const IMMIX: Heap = Heap { name: "mmtk-immix", label: "mmtk-0.33-immix", work: &workloads!("Immix") };
pub const MARK_SWEEP: Heap =
    Heap { name: "mmtk-marksweep", label: "mmtk-0.33-marksweep", work: &workloads!("MarkSweep") };

/// The workloads, each starting MMTk with a plan first.
macro_rules! workloads {
    ($plan:literal) => {
        [
            ("alloc-leaf", |p, r| on($plan, alloc_leaf, p, r)),
            ("alloc-pair", |p, r| on($plan, alloc_pair, p, r)),
            ("alloc-mixed", |p, r| on($plan, alloc_mixed, p, r)),
            ("binary-trees", |p, r| on($plan, binary_trees, p, r)),
            ("gcbench", |p, r| on($plan, gcbench, p, r)),
            ("mark-tree", |p, r| on($plan, mark_tree, p, r)),
            ("mark-random", |p, r| on($plan, mark_random, p, r)),
            ("mark-list", |p, r| on($plan, mark_list, p, r)),
            ("mark-wide", |p, r| on($plan, mark_wide, p, r)),
            ("latency", |p, r| on($plan, latency, p, r)),
            ("churn-threads", |p, r| on($plan, churn_threads, p, r)),
            ("mutate", |p, r| match p.collects() {
                true => unsupported("no collection beside running mutators"),
                false => on($plan, mutate, p, r),
            }),
            ("large", |p, r| on($plan, large, p, r)),
            ("frag", |p, r| on($plan, frag, p, r)),
        ]
    };
}
use workloads;

/// The report, with the collections of the measured part.
struct Meter<'a> {
    report: &'a mut Report,
    before: u64,
}

impl Meter<'_> {
    fn begin(&mut self) {
        self.before = collections();
        reset_longest_pause();
        self.report.begin();
    }

    fn end(&mut self) {
        self.report.end();
        self.count();
    }

    fn count(&mut self) {
        self.report.cycles = Some(collections() - self.before);
        self.report.max_pause_us = Some(longest_pause_ns() as f64 / 1e3);
    }

    fn collections(&mut self, p: &Params, t: &mut Thread) {
        self.begin();
        self.report.collections(p, || t.collect());
        self.count();
    }
}

fn on(
    plan: &str,
    work: fn(&Params, &mut Thread, &mut Meter) -> u64,
    p: &Params,
    report: &mut Report,
) -> Result<(), String> {
    start(plan);
    let mut thread = Thread::new();
    let checksum = work(p, &mut thread, &mut Meter { report, before: 0 });
    report.checksum = checksum;
    std::mem::forget(thread);
    Ok(())
}

// -------------------------------------------------------------------------------------------------------- objects

#[repr(C)]
struct Leaf {
    _header: u64,
    a: u64,
    b: u64,
}

#[repr(C)]
struct Node {
    _header: u64,
    a: *mut Node,
    b: *mut Node,
    v: u64,
    _w: u64,
}

#[inline(always)]
fn leaf(t: &mut Thread, i: u64) -> *mut Leaf {
    let x = t.new_object::<Leaf>(Shape::Plain);
    unsafe { ((*x).a, (*x).b) = (i, 2 * i) };
    x
}

/// a and b must be kept alive by other roots.
#[inline(always)]
fn node(t: &mut Thread, a: *mut Node, b: *mut Node, v: u64) -> *mut Node {
    let x = t.new_object::<Node>(Shape::FirstTwo);
    unsafe { ((*x).a, (*x).b, (*x).v) = (a, b, v) };
    x
}

/// A new array that is also pushed as a root.
fn rooted_array<T>(t: &mut Thread, n: usize) -> *mut *mut T {
    let array = t.new_array(n);
    t.push(array);
    array
}

/// The sum of f over an array's n references, null ones counting 0.
fn sum<T>(array: *mut *mut T, n: usize, f: impl Fn(&T) -> u64) -> u64 {
    (0..n).map(|i| unsafe { at(array, i).as_ref() }.map_or(0, &f)).sum()
}

// ------------------------------------------------------------------------------------------------------ workloads

fn alloc_leaf(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    let ring = rooted_array::<Leaf>(t, 1024);
    m.begin();
    for i in 0..p.num("n") {
        *at(ring, i as usize % 1024) = leaf(t, i);
    }
    m.end();
    sum(ring, 1024, |x| x.a)
}

fn alloc_pair(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    let ring = rooted_array::<Node>(t, 1024);
    m.begin();
    for i in 0..p.num("n") {
        let left = if i % 64 != 0 { *at(ring, i as usize * 7 % 1024) } else { null_mut() };
        if !left.is_null() {
            unsafe { ((*left).a, (*left).b) = (null_mut(), null_mut()) };
        }
        *at(ring, i as usize % 1024) = node(t, left, null_mut(), i);
    }
    m.end();
    sum(ring, 1024, |x| x.v)
}

/// An object of 16 bytes and more besides its header.
#[repr(C)]
struct Mixed {
    _header: u64,
    first: *mut Mixed,
    i: u64,
}

fn alloc_mixed(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    let mut rng = Rng::new(0);
    let ring = rooted_array::<Mixed>(t, 65536);
    m.begin();
    for i in 0..p.num("n") {
        let x = t.alloc(Shape::FirstWord, 24 + 8 * rng.mixed()).cast::<Mixed>();
        unsafe { (*x).i = i };
        *at(ring, i as usize % 65536) = x;
    }
    m.end();
    sum(ring, 65536, |x| x.i)
}

#[repr(C)]
struct Tree {
    _header: u64,
    left: *mut Tree,
    right: *mut Tree,
}

fn tree(t: &mut Thread, depth: u64) -> *mut Tree {
    if depth == 0 {
        return t.new_object(Shape::FirstTwo);
    }
    let left = tree(t, depth - 1);
    t.push(left);
    let right = tree(t, depth - 1);
    t.push(right);
    let x = t.new_object::<Tree>(Shape::FirstTwo);
    unsafe { ((*x).left, (*x).right) = (left, right) };
    t.pop(2);
    x
}

fn check(t: *const Tree) -> u64 {
    unsafe { t.as_ref() }.map_or(0, |t| 1 + check(t.left) + check(t.right))
}

fn binary_trees(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    let (depth, threads) = (binary_trees_depth(p), p.num("threads"));
    m.begin();
    let mut total = check(tree(t, depth + 1));
    let lasting = tree(t, depth);
    t.push(lasting);
    let share = move |t: &mut Thread, index: u64| {
        let mut sum = 0;
        for d in (4..=depth).step_by(2) {
            for _ in (index..binary_trees_iterations(depth, d)).step_by(threads as usize) {
                sum += check(tree(t, d));
            }
        }
        sum
    };
    let others: Vec<_> = (1..threads)
        .map(|index| {
            thread::spawn(move || {
                let mut t = Thread::new();
                let sum = share(&mut t, index);
                t.leave();
                sum
            })
        })
        .collect();
    total += share(t, 0);
    total += t.outside(|| others.into_iter().map(|o| o.join().expect("a share")).sum::<u64>());
    total += check(lasting);
    m.end();
    total
}

#[repr(C)]
struct Bench {
    _header: u64,
    left: *mut Bench,
    right: *mut Bench,
    _i: i32,
    _j: i32,
}

/// Makes GCBench's nodes and counts them.
struct Maker<'a>(&'a mut Thread, u64);

impl Maker<'_> {
    fn node(&mut self) -> *mut Bench {
        self.1 += 1;
        self.0.new_object(Shape::FirstTwo)
    }

    fn bottom_up(&mut self, depth: u64) -> *mut Bench {
        if depth == 0 {
            return self.node();
        }
        let left = self.bottom_up(depth - 1);
        self.0.push(left);
        let right = self.bottom_up(depth - 1);
        self.0.push(right);
        let x = self.node();
        unsafe { ((*x).left, (*x).right) = (left, right) };
        self.0.pop(2);
        x
    }

    fn top_down(&mut self, depth: u64) -> *mut Bench {
        let root = self.node();
        self.0.push(root);
        self.populate(root, depth);
        self.0.pop(1);
        root
    }

    /// `x` is reachable from a root already.
    fn populate(&mut self, x: *mut Bench, depth: u64) {
        if depth > 0 {
            unsafe {
                (*x).left = self.node();
                (*x).right = self.node();
                self.populate((*x).left, depth - 1);
                self.populate((*x).right, depth - 1);
            }
        }
    }
}

fn bench_count(x: *const Bench) -> u64 {
    unsafe { x.as_ref() }.map_or(0, |x| 1 + bench_count(x.left) + bench_count(x.right))
}

fn gcbench(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    let depth = p.num("depth");
    m.begin();
    let mut make = Maker(t, 0);
    make.bottom_up(depth + 2);
    let lasting = make.top_down(depth);
    make.0.push(lasting);
    let array = make.0.alloc(Shape::Plain, 8 * 500_001);
    make.0.push(array);
    let doubles = unsafe { std::slice::from_raw_parts_mut(array.add(1).cast::<f64>(), 500_000) };
    fill_array(doubles);
    for d in (4..=depth).step_by(2) {
        for _ in 0..gcbench_iterations(depth, d) {
            make.top_down(d);
        }
        for _ in 0..gcbench_iterations(depth, d) {
            make.bottom_up(d);
        }
    }
    m.end();
    assert_eq!(doubles[1000], 1.0 / 1000.0);
    make.1 - tree_size(depth) + bench_count(lasting)
}

fn node_tree(t: &mut Thread, depth: u64) -> *mut Node {
    if depth == 0 {
        return node(t, null_mut(), null_mut(), 0);
    }
    let a = node_tree(t, depth - 1);
    t.push(a);
    let b = node_tree(t, depth - 1);
    t.push(b);
    let x = node(t, a, b, depth);
    t.pop(2);
    x
}

fn node_count(x: *const Node) -> u64 {
    unsafe { x.as_ref() }.map_or(0, |x| 1 + node_count(x.a) + node_count(x.b))
}

fn mark_tree(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    let root = node_tree(t, p.num("depth"));
    t.push(root);
    m.collections(p, t);
    node_count(root)
}

/// n nodes in one rooted array, v = i.
fn nodes(t: &mut Thread, n: usize) -> *mut *mut Node {
    let all = rooted_array(t, n);
    for i in 0..n {
        *at(all, i) = node(t, null_mut(), null_mut(), i as u64);
    }
    all
}

fn mark_random(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    let n = p.num("n") as usize;
    let mut rng = Rng::new(0);
    let all = nodes(t, n);
    for i in 0..n {
        unsafe {
            (**at(all, i)).a = *at(all, rng.below(n));
            (**at(all, i)).b = *at(all, rng.below(n));
        }
    }
    m.collections(p, t);
    sum(all, n, |x| unsafe { (*x.a).v + (*x.b).v })
}

#[repr(C)]
struct Link {
    _header: u64,
    next: *mut Link,
    v: u64,
}

fn mark_list(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    t.push(null_mut::<Link>());
    for i in 0..p.num("n") {
        let x = t.new_object::<Link>(Shape::FirstWord);
        unsafe { ((*x).next, (*x).v) = (t.root(0), i) };
        t.set_root(0, x);
    }
    m.collections(p, t);
    let (mut length, mut x) = (0, t.root::<Link>(0));
    while !x.is_null() {
        length += 1;
        x = unsafe { (*x).next };
    }
    length
}

fn mark_wide(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    let n = p.num("n") as usize;
    let all = rooted_array::<Leaf>(t, n);
    for i in 0..n {
        *at(all, i) = leaf(t, i as u64);
    }
    m.collections(p, t);
    sum(all, n, |x| x.a)
}

#[repr(C)]
struct Message {
    _header: u64,
    buf: *mut u64,
    prev: *mut Message,
    id: u64,
    len: u64,
}

fn latency(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    let (live, n) = (p.num("live"), p.num("n"));
    let bits = table_bits(live);
    let mask = (1 << bits) - 1;
    let table = rooted_array::<Message>(t, 1 << bits);
    m.begin();
    let mut laps = Laps::new(n);
    for id in 0..n {
        let x = t.new_object::<Message>(Shape::FirstTwo);
        t.push(x);
        let buf = t.alloc(Shape::Plain, 8 + 1024);
        t.pop(1);
        unsafe {
            ((*x).buf, (*x).id, (*x).len) = (buf, id, 1024);
            for k in (0..1024).step_by(64) {
                buf.add(1).cast::<u8>().add(k).write(id as u8);
            }
        }
        let key = id % live;
        let mut s = home(key, bits);
        while unsafe { at(table, s).as_ref() }.is_some_and(|x| x.id % live != key) {
            s = (s + 1) & mask;
        }
        *at(table, s) = x;
        laps.lap();
    }
    m.end();
    m.report.latencies(laps.took);
    sum(table, 1 << bits, |x| x.id)
}

const TABLE: usize = 65536;

fn churn_one(t: &mut Thread, n: u64, index: u64, exchange: &Mutex<()>) -> u64 {
    let mut rng = Rng::new(index);
    let base = rooted_array::<Node>(t, TABLE);
    let mut table = base;
    let mut done = 0;
    for i in 0..n {
        let s = rng.below(TABLE);
        let right = *at(table, (s + 1) % TABLE);
        if !right.is_null() {
            unsafe { ((*right).a, (*right).b) = (null_mut(), null_mut()) };
        }
        *at(table, s) = node(t, right, null_mut(), i);
        if i % 1024 == 1023 {
            let guard = exchange.lock().unwrap(); // no safepoint while it is held
            table = swap_shared_root(table);
            t.set_root(0, table);
            drop(guard);
        }
        done += 1;
    }
    done
}

fn churn_threads(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    static EXCHANGE: Mutex<()> = Mutex::new(());
    let n = p.num("n");
    swap_shared_root(t.new_array::<Node>(TABLE));
    m.begin();
    let others: Vec<_> = (0..p.num("threads"))
        .map(|index| {
            thread::spawn(move || {
                let mut t = Thread::new();
                let done = churn_one(&mut t, n, index, &EXCHANGE);
                t.leave();
                done
            })
        })
        .collect();
    let done = t.outside(|| others.into_iter().map(|o| o.join().expect("a thread")).sum());
    m.end();
    done
}

fn mutate(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    let n = p.num("n") as usize;
    let mut rng = Rng::new(0);
    let all = nodes(t, n);
    m.begin();
    for _ in 0..p.num("ops") {
        let (i, j) = (rng.below(n), rng.below(n));
        unsafe { (**at(all, i)).a = *at(all, j) };
    }
    m.end();
    sum(all, n, |x| unsafe { x.a.as_ref() }.map_or(0, |a| a.v))
}

fn large(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    let mut rng = Rng::new(0);
    let mut kib = [0; 64];
    let ring = rooted_array::<u64>(t, 64);
    m.begin();
    for i in 0..p.num("n") as usize {
        let size = 65536 * (1 + rng.below(16));
        *at(ring, i % 64) = null_mut();
        let buf = t.alloc(Shape::Plain, 8 + size);
        for k in (0..size).step_by(4096) {
            unsafe { buf.add(1).cast::<u8>().add(k).write(i as u8) };
        }
        *at(ring, i % 64) = buf;
        kib[i % 64] = size as u64 / 1024;
    }
    m.end();
    kib.iter().sum()
}

fn frag_object(t: &mut Thread, rng: &mut Rng) -> *mut u64 {
    let size = 16 + 8 * rng.below(1023);
    let x = t.alloc(Shape::Plain, 8 + size);
    for k in 1..=size / 8 {
        unsafe { x.add(k).write(size as u64) };
    }
    x
}

fn frag(p: &Params, t: &mut Thread, m: &mut Meter) -> u64 {
    let live = p.num("live_mb") << 20;
    let mut rng = Rng::new(0);
    let table = rooted_array::<u64>(t, frag_capacity(live));
    let (mut bytes, mut used) = (0, 0);
    m.begin();
    while bytes < live {
        let x = frag_object(t, &mut rng);
        *at(table, used) = x;
        bytes += unsafe { *x.add(1) };
        used += 1;
    }
    for _ in 0..p.num("rounds") {
        for _ in 0..used / 4 {
            let slot = rng.below(used);
            *at(table, slot) = frag_object(t, &mut rng);
        }
    }
    m.end();
    let live = (0..used).map(|i| unsafe { *at(table, i).add(1) }).sum();
    t.collect();
    m.report.frag_full(live);
    for i in 0..used {
        if i % 10 != 0 {
            *at(table, i) = null_mut();
        }
    }
    t.collect();
    m.report.frag_after();
    live
}
