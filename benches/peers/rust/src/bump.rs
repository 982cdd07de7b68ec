//! The floor: bump allocation and initialising, no collector. Two 512 MiB arenas are used in turn, each reset when
//! its turn comes, so that 1 GiB is in use and the ring's objects outlive their last use.

use crate::harness::{Heap, Params, Report, Rng, Work};
use bumpalo::Bump;
use std::alloc::Layout;
use std::ptr::null_mut;

pub const HEAP: Heap = Heap { name: "bumpalo", label: "bumpalo-3", work: WORK };

const WORK: &[(&str, Work)] = &[("alloc-leaf", alloc_leaf), ("alloc-pair", alloc_pair), ("alloc-mixed", alloc_mixed)];

const HALF: usize = 512 << 20;

struct Halves {
    bumps: [Bump; 2],
    current: usize,
    left: usize,
    resets: u64,
}

impl Halves {
    fn new() -> Halves {
        Halves { bumps: [Bump::with_capacity(HALF), Bump::with_capacity(HALF)], current: 0, left: HALF, resets: 0 }
    }

    /// Memory for one object, not zeroed.
    #[inline(always)]
    fn alloc(&mut self, bytes: usize) -> *mut u64 {
        if self.left < bytes {
            self.turn();
        }
        self.left -= bytes;
        let layout = unsafe { Layout::from_size_align_unchecked(bytes, 8) };
        self.bumps[self.current].alloc_layout(layout).as_ptr().cast()
    }

    #[cold]
    fn turn(&mut self) {
        self.current ^= 1;
        self.bumps[self.current].reset();
        self.left = HALF;
        self.resets += 1;
    }
}

struct Leaf {
    a: u64,
    _b: u64,
}

fn alloc_leaf(p: &Params, r: &mut Report) -> Result<(), String> {
    let n = p.num("n");
    let mut heap = Halves::new();
    let mut ring = vec![null_mut::<Leaf>(); 1024];
    r.begin();
    for i in 0..n {
        let x = heap.alloc(16).cast::<Leaf>();
        unsafe { x.write(Leaf { a: i, _b: 2 * i }) };
        ring[i as usize % 1024] = x;
    }
    r.end();
    r.checksum = ring.iter().filter(|x| !x.is_null()).map(|x| unsafe { (**x).a }).sum();
    r.extra = vec![("resets", heap.resets as f64)];
    Ok(())
}

struct Node {
    left: *mut Node,
    right: *mut Node,
    v: u64,
    _w: u64,
}

fn alloc_pair(p: &Params, r: &mut Report) -> Result<(), String> {
    let n = p.num("n");
    let mut heap = Halves::new();
    let mut ring = vec![null_mut::<Node>(); 1024];
    r.begin();
    for i in 0..n {
        let left = if i % 64 != 0 { ring[i as usize * 7 % 1024] } else { null_mut() };
        if !left.is_null() {
            unsafe { ((*left).left, (*left).right) = (null_mut(), null_mut()) };
        }
        let x = heap.alloc(32).cast::<Node>();
        unsafe { x.write(Node { left, right: null_mut(), v: i, _w: 0 }) };
        ring[i as usize % 1024] = x;
    }
    r.end();
    r.checksum = ring.iter().filter(|x| !x.is_null()).map(|x| unsafe { (**x).v }).sum();
    r.extra = vec![("resets", heap.resets as f64)];
    Ok(())
}

fn alloc_mixed(p: &Params, r: &mut Report) -> Result<(), String> {
    let n = p.num("n");
    let mut heap = Halves::new();
    let mut rng = Rng::new(0);
    let mut ring = vec![null_mut::<u64>(); 65536];
    r.begin();
    for i in 0..n {
        let words = 2 + rng.mixed();
        let x = heap.alloc(words * 8);
        unsafe {
            x.write_bytes(0, words);
            x.add(1).write(i);
        }
        ring[i as usize % 65536] = x;
    }
    r.end();
    r.checksum = ring.iter().filter(|x| !x.is_null()).map(|x| unsafe { *x.add(1) }).sum();
    r.extra = vec![("resets", heap.resets as f64)];
    Ok(())
}
