//! dumpster's thread-safe half, for the workloads with several threads.

use crate::harness::*;
use dumpster::Trace;
use dumpster::sync::Gc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[derive(Trace)]
struct Tree {
    left: Option<Gc<Tree>>,
    right: Option<Gc<Tree>>,
}

fn tree(depth: u64) -> Gc<Tree> {
    if depth == 0 {
        return Gc::new(Tree { left: None, right: None });
    }
    let (left, right) = (Some(tree(depth - 1)), Some(tree(depth - 1)));
    Gc::new(Tree { left, right })
}

fn check(t: &Tree) -> u64 {
    1 + t.left.as_ref().map_or(0, |l| check(l)) + t.right.as_ref().map_or(0, |r| check(r))
}

pub fn binary_trees(p: &Params, r: &mut Report) -> Result<(), String> {
    let (depth, threads) = (binary_trees_depth(p), p.num("threads"));
    r.begin();
    let mut total = check(&tree(depth + 1));
    let lasting = tree(depth);
    let share = |t: u64| {
        let mut sum = 0;
        for d in (4..=depth).step_by(2) {
            for _ in (t..binary_trees_iterations(depth, d)).step_by(threads as usize) {
                sum += check(&tree(d));
            }
        }
        sum
    };
    total += thread::scope(|s| {
        let all: Vec<_> = (0..threads).map(|t| s.spawn(move || share(t))).collect();
        all.into_iter().map(|t| t.join().expect("a share")).sum::<u64>()
    });
    total += check(&lasting);
    r.end();
    r.checksum = total;
    Ok(())
}

#[derive(Trace)]
struct Node {
    a: Mutex<Option<Gc<Node>>>,
    b: Mutex<Option<Gc<Node>>>,
    v: u64,
    _w: u64,
}

fn node(a: Option<Gc<Node>>, v: u64) -> Gc<Node> {
    Gc::new(Node { a: Mutex::new(a), b: Mutex::new(None), v, _w: 0 })
}

/// Stores x and lets go of what was there with the lock released.
fn set(s: &Mutex<Option<Gc<Node>>>, x: Option<Gc<Node>>) {
    let old = std::mem::replace(&mut *s.lock().unwrap(), x);
    drop(old);
}

const TABLE: usize = 65536;
type Table = Box<[Option<Gc<Node>>]>;

fn churn_one(n: u64, thread: u64, parked: &Mutex<Table>) -> u64 {
    let mut rng = Rng::new(thread);
    let mut table: Table = vec![None; TABLE].into();
    let mut done = 0;
    for i in 0..n {
        let s = rng.below(TABLE);
        let right = table[(s + 1) % TABLE].clone();
        if let Some(right) = &right {
            set(&right.a, None);
            set(&right.b, None);
        }
        table[s] = Some(node(right, i));
        if i % 1024 == 1023 {
            std::mem::swap(&mut table, &mut parked.lock().unwrap());
        }
        done += 1;
    }
    std::mem::forget(table); // letting go of it is not part of the work
    done
}

pub fn churn_threads(p: &Params, r: &mut Report) -> Result<(), String> {
    let n = p.num("n");
    let parked = Mutex::new(vec![None; TABLE].into());
    r.begin();
    r.checksum = thread::scope(|s| {
        let parked = &parked;
        let all: Vec<_> = (0..p.num("threads")).map(|t| s.spawn(move || churn_one(n, t, parked))).collect();
        all.into_iter().map(|t| t.join().expect("a thread")).sum()
    });
    r.end();
    std::mem::forget(parked);
    Ok(())
}

/// `mutate gc=on`.
pub fn mutate(p: &Params, r: &mut Report) -> Result<(), String> {
    let n = p.num("n") as usize;
    let mut rng = Rng::new(0);
    let all: Vec<_> = (0..n as u64).map(|i| node(None, i)).collect();
    let over = AtomicBool::new(false);
    thread::scope(|s| {
        r.begin();
        thread::Builder::new()
            .stack_size(2 << 30) // it recurses as deep as the graph
            .spawn_scoped(s, || {
                while !over.load(Ordering::Relaxed) {
                    dumpster::sync::collect();
                }
            })
            .expect("a thread");
        for _ in 0..p.num("ops") {
            let (i, j) = (rng.below(n), rng.below(n));
            set(&all[i].a, Some(all[j].clone()));
        }
        r.end();
        over.store(true, Ordering::Relaxed);
    });
    r.checksum = all.iter().map(|x| x.a.lock().unwrap().as_ref().map_or(0, |a| a.v)).sum();
    std::mem::forget(all);
    Ok(())
}
