//! How an embedder checks his own host against the heap: the models that `docs/guide/model-checking.md` shows.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p spanheap --release --test model_host`; an ordinary build has no tests here.
//! *Claims:* those of the three hosts below. *Runs as it ships:* all of the heap. *Stand-ins:* loom's locks and threads for the
//! host's. Each host has a mutant: the same host with one mistake, which the model must find.
#![cfg(loom)]

use loom::sync::{Condvar, Mutex};
use loom::thread;
use spanheap::{Gc, Heap, Mutator, PairFamily, Root, RootSource, RootVisitor, Slot, Stack, Trace};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Explores all schedules of `body` with at most `preemptions` switches away from a thread that could go on.
fn explore(name: &str, preemptions: usize, body: impl Fn(Heap) + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.max_branches = model.max_branches.max(20_000); // a collection takes some thousand steps
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executions);
    let begin = Instant::now();
    model.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        // Made inside the model: all that loom follows must be. Collections run where they are asked for, on no thread of
        // the heap's own, and nothing depends on the machine.
        let heap = Heap::builder().background(false).ignore_cgroup_limit(true).late_after(None).build();
        body(heap.expect("the options are good"));
    });
    let (executions, seconds) = (executions.load(Ordering::Relaxed), begin.elapsed().as_secs_f64());
    eprintln!("figures: model name=\"{name}\" bound={preemptions} executions={executions} seconds={seconds:.1}");
}

/// What the hosts' programs are made of.
#[derive(Trace)]
struct Node {
    value: u64,
    next: Slot<Node>,
}

fn node<'m, 'h>(cx: &'m Mutator<'h>, value: u64) -> Gc<'m, 'h, Node> {
    cx.alloc(Node { value, next: Slot::null() }).expect("a node fits")
}

/// The registers of the hosts' programs: a node, or nothing.
struct Registers;

// SAFETY: tag 1 is a node's address, and nothing else is.
unsafe impl PairFamily for Registers {
    type Value<'m, 'h> = Option<Gc<'m, 'h, Node>>;
    const FIRST_REFERENCE_TAG: usize = 1;

    fn encode<'m, 'h>(value: Option<Gc<'m, 'h, Node>>) -> (usize, usize) {
        value.map_or((0, 0), |node| (1, node.addr()))
    }

    unsafe fn decode<'m, 'h>(tag: usize, payload: usize) -> Option<Gc<'m, 'h, Node>> {
        // SAFETY: by the trait's rules, tag 1 comes with the address of a node that is alive.
        (tag == 1).then(|| unsafe { Gc::from_addr(payload) })
    }
}

// ---- a run queue: coroutines go from thread to thread -----------------------------------------------------------

/// Coroutines that wait for a thread to run on.
#[derive(Default)]
struct RunQueue {
    waiting: Mutex<VecDeque<Root<Stack<Registers>>>>,
}

impl RunQueue {
    /// Stops running on `stack`, and lets any thread go on with it.
    fn park<'h>(&self, cx: &mut Mutator<'h>, stack: Root<Stack<Registers>>, mistake: bool) {
        if mistake {
            // Whoever takes it may run on it while this thread still does.
            self.waiting.lock().unwrap().push_back(stack);
            cx.switch_stack::<Registers>(None);
            return;
        }
        cx.switch_stack::<Registers>(None);
        self.waiting.lock().unwrap().push_back(stack);
    }

    /// Takes a coroutine that waits, and runs on its stack.
    fn take(&self, cx: &Mutator<'_>) -> Option<Root<Stack<Registers>>> {
        let stack = self.waiting.lock().unwrap().pop_front()?;
        cx.switch_stack(Some(stack.get(cx)));
        Some(stack)
    }
}

fn coroutines(name: &str, mistake: bool) {
    explore(name, 2, move |heap| {
        let queue = Arc::new(RunQueue::default());
        let first = {
            let (heap, queue) = (heap.clone(), Arc::clone(&queue));
            thread::spawn(move || {
                let run = |cx: &mut Mutator<'_>| {
                    let stack = cx.alloc_stack::<Registers>(4).expect("a stack fits");
                    let stack = cx.root(stack);
                    cx.switch_stack(Some(stack.get(cx)));
                    // SAFETY: this thread runs on the stack.
                    unsafe { stack.get(cx).slots()[0].store_running(Some(node(cx, 7))) };
                    stack.get(cx).set_top(1);
                    cx.safepoint();
                    queue.park(cx, stack, mistake);
                };
                heap.attach(run).expect("not attached yet");
            })
        };
        let run = |cx: &mut Mutator<'_>| {
            cx.collect();
            let Some(stack) = queue.take(cx) else { return };
            cx.safepoint();
            // SAFETY: this thread runs on the stack, and the slot lies below its top.
            let held = unsafe { stack.get(cx).slots()[0].decode_in() };
            assert_eq!(held.map(|node: Gc<'_, '_, Node>| node.as_ref().value), Some(7), "a register has changed");
            cx.switch_stack::<Registers>(None);
        };
        heap.attach(run).expect("not attached yet");
        first.join().unwrap();
    });
}

#[test]
fn a_coroutine_goes_on_where_another_thread_has_parked_it() {
    coroutines("host, run queue", false);
}

#[test]
#[should_panic(expected = "a stack is already running")]
fn mutant_that_queues_a_stack_on_which_it_still_runs() {
    coroutines("host, run queue, queues too early", true);
}

// ---- a letter box: a table of the host's own, outside the heap, that holds bare addresses -----------------------------

/// A place outside the heap for one node, by address: 0 for none.
#[derive(Default)]
struct LetterBox {
    letter: Mutex<usize>,
}

impl LetterBox {
    /// Puts a node into the box. To the collector the box is one more place that refers to objects, so that a store into it
    /// needs the barrier as a store into an object does; and no safepoint comes in between, as this takes the mutator by
    /// shared reference.
    fn post<'h>(&self, cx: &Mutator<'h>, node: Gc<'_, 'h, Node>, mistake: bool) {
        let mut letter = self.letter.lock().unwrap();
        if !mistake {
            // SAFETY: the box holds `letter`, and both are 0 or a node of this heap.
            unsafe { cx.barrier_raw(*letter, node.addr()) };
        }
        *letter = node.addr();
    }

    /// The node in the box.
    fn read<'m, 'h>(&self, cx: &'m Mutator<'h>) -> Option<Gc<'m, 'h, Node>> {
        let letter = *self.letter.lock().unwrap();
        assert!(letter == 0 || cx.resolve(letter).is_some(), "the letter is dead");
        // SAFETY: the source below keeps what is in the box.
        (letter != 0).then(|| unsafe { Gc::from_addr(letter) })
    }
}

/// Tells the collector what is in the box.
struct Letters(Arc<LetterBox>);

// SAFETY: it reports what the box holds, under the lock that guards it, and does nothing else.
unsafe impl RootSource for Letters {
    fn visit(&self, visitor: &mut RootVisitor<'_>) {
        visitor.object(*self.0.letter.lock().unwrap());
    }
}

fn letters(name: &str, mistake: bool) {
    explore(name, 2, move |heap| {
        let letters = Arc::new(LetterBox::default());
        let receive = |cx: &mut Mutator<'_>| {
            cx.add_root_source(Box::new(Letters(Arc::clone(&letters))));
            let (heap, letters_of_sender) = (cx.heap(), Arc::clone(&letters));
            let sender = thread::spawn(move || {
                let send = |cx: &mut Mutator<'_>| {
                    cx.scope(|cx, scope| {
                        let letter = scope.hold(cx, node(cx, 7));
                        cx.native(thread::yield_now); // it reads a file
                        letters_of_sender.post(cx, letter.get(cx), mistake);
                    });
                };
                heap.attach(send).expect("not attached yet");
            });
            cx.collect();
            if let Some(letter) = letters.read(cx) {
                assert_eq!(letter.as_ref().value, 7);
            }
            cx.native(|| sender.join().unwrap());
        };
        heap.attach(receive).expect("not attached yet");
    });
}

#[test]
fn a_letter_is_alive_as_long_as_it_is_in_the_box() {
    letters("host, letter box", false);
}

#[test]
#[should_panic(expected = "the letter is dead")]
fn mutant_that_posts_without_a_barrier() {
    letters("host, letter box, no barrier", true);
}

// ---- a future: one thread waits for another one's result ----------------------------------------------------------

/// A result that is waited for.
#[derive(Default)]
struct Future {
    result: Mutex<Option<Root<Node>>>,
    ready: Condvar,
}

impl Future {
    fn complete(&self, result: Root<Node>) {
        *self.result.lock().unwrap() = Some(result);
        self.ready.notify_one();
    }

    fn wait(&self) -> Root<Node> {
        let mut result = self.result.lock().unwrap();
        loop {
            match result.take() {
                Some(result) => return result,
                None => result = self.ready.wait(result).unwrap(),
            }
        }
    }
}

fn futures(name: &str, mistake: bool) {
    explore(name, 2, move |heap| {
        let future = Arc::new(Future::default());
        let waiter = {
            let (heap, future) = (heap.clone(), Arc::clone(&future));
            thread::spawn(move || {
                let wait = |cx: &mut Mutator<'_>| {
                    // A thread that waits for another one's work does so in a native region: the other one may collect,
                    // and would wait for this one's safepoint.
                    let result = if mistake { future.wait() } else { cx.native(|| future.wait()) };
                    assert_eq!(result.get(cx).value, 7);
                };
                heap.attach(wait).expect("not attached yet");
            })
        };
        let work = |cx: &mut Mutator<'_>| {
            let result = cx.root(node(cx, 7));
            let report = cx.collect();
            assert_eq!((report.live_of::<Node>(), report.freed_of::<Node>()), (1, 0));
            future.complete(result);
        };
        heap.attach(work).expect("not attached yet");
        waiter.join().unwrap();
    });
}

#[test]
fn a_result_reaches_who_waits_for_it() {
    futures("host, future", false);
}

/// The collection waits for ever, until loom has had enough of it; what unwinds then fails once more, and ends the process. So
/// this runs in one of its own: see below.
#[test]
#[ignore = "ends the process: run by the next test"]
fn mutant_that_waits_outside_of_a_native_region() {
    futures("host, future, waits outside of a native region", true);
}

#[test]
fn a_wait_outside_of_a_native_region_is_found() {
    let program = std::env::current_exe().expect("a test program has a path");
    let mutant = ["--exact", "mutant_that_waits_outside_of_a_native_region", "--ignored", "--nocapture"];
    let output = std::process::Command::new(program).args(mutant).output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("Model exceeded maximum number of branches"), "{said}");
}
