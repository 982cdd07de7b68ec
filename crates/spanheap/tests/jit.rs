//! What generated code does, done by raw pointers: the tests that it has inline, and the calls of the rare case.
//!
//! *Callers:* `cargo test`. *Invariants:* the verifier is on; nothing here stores through [`Mutator`] what it means to store as
//! generated code does.

mod before_roots;
mod nodes;

use before_roots::before_roots;
use nodes::Nodes;
use spanheap::{Array, Gc, Heap, HeapBuilder, JitView, Mutator, Pair, Phase, Slot, Stack, Trace};
use std::ffi::c_void;
use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

#[derive(Trace)]
struct Node {
    value: usize,
    next: Slot<Node>,
    pair: Pair<Family>,
}

type Family = Nodes<Node>;

/// The view as generated code has it: a block of memory of which it knows the offsets.
struct Code {
    view: Box<JitView>,
    /// Calls of the slow paths: stores, word stores, safepoints.
    slow: [usize; 3],
}

impl Code {
    fn new(cx: &Mutator<'_>) -> Code {
        Code { view: Box::new(cx.jit()), slow: [0; 3] }
    }

    /// The word at an offset of the view.
    fn at<T: Copy>(&self, offset: usize) -> T {
        // SAFETY: the callers name a field's offset and its type.
        unsafe { std::ptr::from_ref(&*self.view).wrapping_byte_add(offset).cast::<T>().read() }
    }

    fn flag(&self) -> u8 {
        // SAFETY: the byte stays as long as the mutator, whose thread this is.
        unsafe { self.at::<*const u8>(8).read_volatile() }
    }

    /// `[slot] = new`.
    unsafe fn store(&mut self, slot: *const AtomicUsize, new: usize) {
        if self.flag() != 0 {
            self.slow[0] += 1;
            let before: unsafe extern "C" fn(*const c_void, *const c_void, usize, usize) = self.at(24);
            // SAFETY: J1, J2: the callers pass slots of live nodes, and nodes.
            unsafe { before(self.at(0), slot.cast(), (*slot).load(Ordering::Relaxed), new) };
        }
        // SAFETY: as above.
        unsafe { (*slot).store(new, Ordering::Release) };
    }

    /// The same for a pair's payload and its tag.
    unsafe fn store_pair(&mut self, pair: *const [AtomicUsize; 2], new: usize) {
        // SAFETY: the callers pass a pair of a live node, and a node.
        let [tag, payload] = unsafe { &*pair };
        if self.flag() != 0 {
            self.slow[1] += 1;
            let before: unsafe extern "C" fn(*const c_void, *const c_void, usize, usize) = self.at(32);
            let old = if tag.load(Ordering::Relaxed) == 0 { 0 } else { payload.load(Ordering::Relaxed) };
            // SAFETY: J1, J3.
            unsafe { before(self.at(0), pair.cast(), old, new) };
        }
        payload.store(new, Ordering::Release);
        tag.store(usize::from(new != 0), Ordering::Release);
    }

    fn safepoint(&mut self) {
        let poll: *const AtomicU32 = self.at(16);
        // SAFETY: the word stays as long as the mutator.
        if unsafe { &*poll }.load(Ordering::Relaxed) != 0 {
            self.slow[2] += 1;
            let safepoint: unsafe extern "C" fn(*const c_void) = self.at(40);
            // SAFETY: J1, J5: the callers hold nothing but what the array holds.
            unsafe { safepoint(self.at(0)) };
        }
    }
}

const NODES: usize = 2000;

/// Lets generated code exchange what nodes refer to until `done`, which is asked now and then. Every node stays reachable:
/// by a slot or a pair of some node, or for a moment by a register alone.
fn exchange(cx: &mut Mutator<'_>, done: impl Fn(&Heap) -> bool) -> [usize; 3] {
    let all = cx.alloc_array::<Slot<Node>, ()>(cx.array_class(), (), NODES).unwrap();
    let node = |value| Node { value, next: Slot::null(), pair: Pair::nil() };
    for index in 0..NODES {
        let (outer, next, paired) = (node(index), cx.alloc(node(index)).unwrap(), cx.alloc(node(index)).unwrap());
        let outer = cx.alloc(outer).unwrap();
        cx.set(outer, |node| &node.next, Some(next));
        cx.set_pair(outer, |node| &node.pair, Some(paired));
        cx.set_element(all, index, Some(outer));
    }
    let root = cx.root(all);
    let mut code = Code::new(cx);
    let first = all.as_ref().elements().as_ptr() as usize;
    let mut state = 1usize;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % NODES
    };
    let heap = cx.heap();
    for round in 0.. {
        if round % 64 == 0 && done(&heap) {
            break;
        }
        // SAFETY: an element of the array, which the root keeps.
        let load = |index: usize| unsafe { &*((first + 8 * index) as *const AtomicUsize) }.load(Ordering::Acquire);
        let (one, other) = (load(random()), load(random()));
        let next = |node: usize| (node + offset_of!(Node, next)) as *const AtomicUsize;
        let pair = |node: usize| (node + offset_of!(Node, pair)) as *const [AtomicUsize; 2];
        // SAFETY: words of two live nodes, and what they hold; no safepoint lies in between.
        unsafe {
            let (this, that) = ((*next(one)).load(Ordering::Acquire), (*next(other)).load(Ordering::Acquire));
            code.store(next(one), that);
            code.store(next(other), this);
            let (this, that) = ((*next(one)).load(Ordering::Acquire), (*pair(other))[1].load(Ordering::Acquire));
            code.store(next(one), 0);
            code.store_pair(pair(other), 0);
            code.store(next(one), that);
            code.store_pair(pair(other), this);
        }
        // What is allocated is what slices of a cycle are for.
        cx.alloc([0u64; 16]).unwrap();
        code.safepoint();
    }
    let mut sum = 0;
    let all = root.get(cx);
    for index in 0..NODES {
        let node = all.element(index).unwrap();
        // SAFETY: one mutator writes these nodes.
        let paired = unsafe { node.load_pair(|node| &node.pair) };
        sum += node.value + node.load(|node| &node.next).unwrap().value + paired.unwrap().value;
    }
    assert_eq!(sum, 3 * NODES * (NODES - 1) / 2);
    code.slow
}

fn checked() -> HeapBuilder {
    Heap::builder().verify(true).poison(true).initial_goal(1 << 30)
}

#[test]
fn generated_code_hides_nothing_from_a_collection() {
    let heap = checked().build().unwrap();
    let slow = heap.attach(|cx| {
        exchange(cx, |heap| {
            heap.request_collection();
            heap.stats().cycles >= 30
        })
    });
    let slow = slow.unwrap();
    assert!(slow.iter().all(|&count| count > 30), "{slow:?}");
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}

#[test]
fn what_generated_code_stores_before_the_roots_are_scanned_is_kept() {
    let heap = checked().build().unwrap();
    heap.attach(|cx| {
        for word in [false, true] {
            let stack = cx.root(cx.alloc_stack::<Family>(10).unwrap());
            cx.switch_stack(Some(stack.get(cx)));
            let node = |value| Node { value, next: Slot::null(), pair: Pair::nil() };
            // Only a register holds it.
            let white = cx.alloc(node(5)).unwrap();
            // SAFETY: this mutator runs on the stack.
            unsafe { stack.get(cx).slots()[0].store_running(Some(white)) };
            stack.get(cx).set_top(1);
            let mut black = None;
            before_roots(cx, |cx| {
                let (register, owner) = (&stack.get(cx).as_ref().slots()[0], cx.alloc(node(6)).unwrap());
                let (held, mut code) = (register.words().1, Code::new(cx));
                assert_eq!(code.flag(), JitView::BOTH);
                // SAFETY: words of the new node, and the node that the register holds.
                unsafe {
                    match word {
                        false => code.store((owner.addr() + offset_of!(Node, next)) as *const AtomicUsize, held),
                        true => code.store_pair((owner.addr() + offset_of!(Node, pair)) as *const _, held),
                    }
                }
                black = Some(cx.root(owner));
                // SAFETY: this mutator runs on the stack.
                unsafe { register.store_running(None) };
            });
            let black = black.unwrap();
            let owner = black.get(cx);
            // SAFETY: one mutator writes the node.
            let paired = unsafe { owner.load_pair(|node| &node.pair) };
            assert_eq!(owner.load(|node| &node.next).or(paired).unwrap().value, 5);
            cx.switch_stack::<Family>(None);
        }
    })
    .unwrap();
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}

#[test]
fn safepoints_of_generated_code_advance_the_cycles_of_an_inline_heap() {
    let heap = checked().background(false).build().unwrap();
    let slow = heap.attach(|cx| {
        exchange(cx, |heap| {
            heap.request_collection();
            heap.stats().cycles >= 10
        })
    });
    let slow = slow.unwrap();
    assert!(slow.iter().all(|&count| count > 10), "{slow:?}");
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}

#[test]
fn threads_run_the_same_code() {
    let heap = checked().build().unwrap();
    let (stop, others) = (AtomicBool::new(false), 2);
    let distances: Vec<isize> = std::thread::scope(|scope| {
        let run = || {
            heap.attach(|cx| {
                exchange(cx, |heap| {
                    heap.request_collection();
                    heap.stats().cycles >= 10 || stop.load(Ordering::Relaxed)
                });
                cx.jit().poll_distance()
            })
        };
        let threads: Vec<_> = (0..others).map(|_| scope.spawn(run)).collect();
        let distances = threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect();
        stop.store(true, Ordering::Relaxed);
        distances
    });
    assert!(distances.windows(2).all(|pair| pair[0] == pair[1]), "{distances:?}");
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}

#[test]
fn the_flag_says_how_far_a_cycle_has_come() {
    let heap = checked().background(false).build().unwrap();
    heap.attach(|cx| {
        let code = Code::new(cx);
        assert_eq!(code.flag(), JitView::OFF);
        let mut seen = Vec::new();
        loop {
            let ended = cx.step(Duration::ZERO).is_finished();
            match heap.phase() {
                Phase::Mark => assert_eq!(code.flag(), JitView::DELETION),
                Phase::SyncRound => assert_eq!(code.flag(), JitView::BOTH),
                Phase::Sweep | Phase::Idle => assert_eq!(code.flag(), JitView::OFF),
                _ => {}
            }
            seen.push(code.flag());
            if ended {
                break;
            }
        }
        seen.dedup();
        assert_eq!(seen, [JitView::OFF, JitView::BOTH, JitView::DELETION, JitView::OFF][usize::from(seen[0] != 0)..]);
    })
    .unwrap();
}

#[test]
fn a_view_is_the_same_each_time_and_knows_its_mutator_wherever_it_is() {
    let heap = checked().collect_every(Some(1)).build().unwrap();
    heap.attach(|cx| {
        let (one, other) = (cx.jit(), cx.jit());
        assert_eq!((one.mutator, one.barrier, one.poll), (other.mutator, other.barrier, other.poll));
        let cycles = cx.cycle_number();
        cx.alloc(Node { value: 0, next: Slot::null(), pair: Pair::nil() }).unwrap();
        // SAFETY: the word stays as long as the mutator.
        assert_ne!(unsafe { &*one.poll.cast::<AtomicU32>() }.load(Ordering::Relaxed), 0, "a collection waits");
        // SAFETY: J1, J5: nothing is held.
        unsafe { (one.safepoint)(one.mutator) };
        assert!(cx.cycle_number() > cycles, "the safepoint has collected");
    })
    .unwrap();
}

#[test]
fn slots_of_a_suspended_stack_are_written_as_words() {
    let heap = checked().background(false).build().unwrap();
    heap.attach(|cx| {
        let node = |value| Node { value, next: Slot::null(), pair: Pair::nil() };
        let holder = cx.alloc_array::<Slot<Node>, ()>(cx.array_class(), (), 1).unwrap();
        let holder = cx.root(holder);
        let stack = cx.root(cx.alloc_stack::<Family>(1000).unwrap());
        cx.switch_stack(Some(stack.get(cx)));
        let filled: Gc<'_, '_, Stack<Family>> = stack.get(cx);
        for slot in 0..1000 {
            cx.set_stack_slot(filled, slot, Some(cx.alloc(node(slot)).unwrap()));
        }
        filled.set_top(1000);
        cx.set_frozen(filled, 900);
        while heap.phase() != Phase::Mark {
            cx.step(Duration::ZERO);
        }
        let mut code = Code::new(cx);
        let holder_slot: *const Array<Slot<Node>> = holder.get(cx).as_ref();
        // SAFETY: the array is alive.
        let holder_slot: *const AtomicUsize = unsafe { &*holder_slot }.elements().as_ptr().cast();
        for slot in 0..900 {
            let pair: *const [AtomicUsize; 2] = stack.get(cx).base().wrapping_add(slot).cast();
            // SAFETY: a frozen slot of the stack that this mutator runs on; what it holds is a node.
            unsafe {
                let held = (*pair)[1].load(Ordering::Acquire);
                code.store(holder_slot, held);
                code.store_pair(pair, 0);
            }
        }
        assert_eq!(code.slow[..2], [900, 900]);
        let report = loop {
            if let Some(report) = cx.step(Duration::from_micros(20)).finished() {
                break report;
            }
        };
        assert_eq!(report.live_of::<Node>(), 1000, "what the stack held when marking began");
        assert_eq!(holder.get(cx).element(0).unwrap().value, 899);
        assert_eq!(cx.collect().live_of::<Node>(), 101);
    })
    .unwrap();
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}
