//! The operating system refuses request after request of a heap at work: two mutators allocate, grow arrays and stacks and
//! trim, while cycles run, the scavenger gives memory back, and forks are announced. Then a child that was forked is refused
//! what it asks for, and a process in which no thread can be started collects all the same.
//!
//! *Callers:* `cargo test`. *Invariants:* which request is the n-th differs from run to run, as threads run side by side:
//! every number is refused that a run comes to, in each way to run cycles. `failing_os` has the runs that repeat.

use spanheap::mock::{MockOs, Request};
use spanheap::{AllocError, Array, Heap, HeapBuilder, Mutator, Phase, Root, Slot, Stack, StackError, Trace};
use spanheap_tests::Random;
use spanheap_tests::nodes::Nodes;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const KIB: usize = 1 << 10;
const ENTRIES: usize = 24;
const STEPS: usize = 60;

#[derive(Trace)]
struct Node {
    id: u64,
    numbers: Slot<Array<u64>>,
}

type Table = Array<Slot<Node>>;

/// Registers hold nodes, or nothing.
type Family = Nodes<Node>;

/// What one mutator has and what that must hold: a table of nodes with numbers, and a stack with the last of them.
struct Worker<'a> {
    os: &'a MockOs,
    errors: &'a AtomicU64,
    random: Random,
    table: Root<Table>,
    expected: [Option<(u64, usize)>; ENTRIES],
    stack: Root<Stack<Family>>,
    on_stack: Option<u64>,
}

/// Tries until it succeeds. Only what the system refused may fail, and it refuses no more than a few times.
fn insist<'h, R>(
    os: &MockOs,
    errors: &AtomicU64,
    cx: &mut Mutator<'h>,
    operation: impl Fn(&Mutator<'h>) -> Result<R, AllocError>,
) -> R {
    for _ in 0..100 {
        match operation(cx) {
            Ok(done) => return done,
            Err(AllocError::Exhausted { source, .. }) => {
                assert!(source.is_out_of_memory() && os.failed_calls() > 0, "{source}");
                errors.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("that is not what the system said: {error}"),
        }
        os.fail_from(0);
        cx.collect();
    }
    panic!("the system works again, and the operation fails still");
}

fn from_stack<R>(outcome: Result<R, StackError>) -> Result<R, AllocError> {
    outcome.map_err(|error| match error {
        StackError::Alloc(error) => error,
        StackError::Overflow(error) => panic!("{error}"),
    })
}

impl<'a> Worker<'a> {
    fn new(cx: &mut Mutator<'_>, os: &'a MockOs, errors: &'a AtomicU64, seed: u64) -> Worker<'a> {
        let table = insist(os, errors, cx, |cx| Ok(cx.root(cx.alloc_array(cx.try_array_class()?, (), ENTRIES)?)));
        let stack = insist(os, errors, cx, |cx| Ok(cx.root(from_stack(cx.alloc_stack(4))?)));
        Worker { os, errors, random: Random::new(seed), table, expected: [None; ENTRIES], stack, on_stack: None }
    }

    fn step(&mut self, cx: &mut Mutator<'_>, id: u64) {
        let (os, errors, table, stack) = (self.os, self.errors, &self.table, &self.stack);
        let entry = self.random.below(ENTRIES);
        let len = [3, 400, 5 * KIB, 40 * KIB][self.random.below(4)];
        insist(os, errors, cx, |cx| {
            let node = cx.alloc(Node { id, numbers: Slot::null() })?;
            let numbers = cx.alloc_array_with(cx.try_array_class()?, (), len, |numbers| numbers[len - 1] = id)?;
            cx.set(node, |node| &node.numbers, Some(numbers));
            cx.set_element(table.get(cx), entry, Some(node));
            Ok(())
        });
        // Longer where it stands, if there is room: what it held stays, and what is new is zero.
        let longer = len + 1 + self.random.below(3 * len);
        let grown = insist(os, errors, cx, |cx| {
            let node = table.get(cx).element(entry).expect("just made");
            cx.grow_array(node.load(|node| &node.numbers).expect("just made"), longer)
        });
        self.expected[entry] = Some((id, if grown { longer } else { len }));
        // On the stack, which grows and shrinks.
        let slots = 10 << self.random.below(10);
        insist(os, errors, cx, |cx| from_stack(cx.grow_stack(stack.get(cx), slots, |_, _| ())));
        cx.set_stack_slot(stack.get(cx), slots - 1, table.get(cx).element(entry));
        cx.set_stack_slot(stack.get(cx), 0, table.get(cx).element(entry));
        stack.get(cx).set_top(1);
        self.on_stack = Some(id);
        cx.shrink_stack(stack.get(cx), 0, |_, _| ());
        cx.safepoint();
        match self.random.below(12) {
            0 => drop(cx.collect()),
            1 => drop(cx.heap().trim(0)),
            2 => drop(cx.step(Duration::from_micros(100))),
            3 => assert_eq!(cx.fork(|| 5), 5),
            4 => {
                for entry in 0..ENTRIES {
                    cx.set_element(self.table.get(cx), entry, None);
                }
                self.expected = [None; ENTRIES];
            }
            _ => cx.heap().request_collection(),
        }
        self.compare(cx);
    }

    fn compare(&self, cx: &Mutator<'_>) {
        for (entry, &expected) in self.expected.iter().enumerate() {
            let node = self.table.get(cx).element(entry);
            assert_eq!(node.map(|node| node.id), expected.map(|(id, _)| id));
            let (Some(node), Some((id, len))) = (node, expected) else { continue };
            let numbers = node.load(|node| &node.numbers).expect("every node has some").as_ref().elements();
            assert_eq!((numbers.len(), numbers.iter().filter(|&&number| number != 0).count()), (len, 1));
            assert!(numbers.contains(&id));
        }
        // SAFETY: no other mutator has the stack, and the slot lies below the top.
        let held = unsafe { self.stack.get(cx).slots()[0].decode_in() };
        assert_eq!(held.map(|node| node.id), self.on_stack);
    }

    fn nodes(&self) -> u64 {
        let in_table = |id: &u64| self.expected.iter().flatten().any(|(other, _)| other == id);
        self.expected.iter().flatten().count() as u64 + self.on_stack.iter().filter(|&id| !in_table(id)).count() as u64
    }
}

type Builder = fn() -> HeapBuilder;

const MODES: [(&str, Builder); 3] =
    [("background", base), ("inline", || base().background(false)), ("stopped", || base().stop_the_world(true))];

fn base() -> HeapBuilder {
    Heap::builder().verify(true).poison(true).initial_goal(256 * KIB).scavenge(Some(Duration::ZERO))
}

/// One run, in which the n-th request is refused, and some after it. Returns the requests that were made.
fn run(os: &MockOs, builder: Builder, errors: &AtomicU64) -> (u64, u64) {
    let heap = builder().os(Box::new(os.clone())).build().unwrap();
    let workers = std::thread::scope(|scope| {
        let work = |seed: u64| {
            let heap = &heap;
            move || {
                heap.attach(|cx| {
                    let mut worker = Worker::new(cx, os, errors, seed);
                    (0..STEPS).for_each(|step| worker.step(cx, seed << 32 | (step + 1) as u64));
                    worker
                })
                .unwrap()
            }
        };
        [scope.spawn(work(3)), scope.spawn(work(4))].map(|thread| thread.join().unwrap())
    });
    os.fail_from(0);
    let live = heap.collect().unwrap().live_of::<Node>();
    assert_eq!(live, workers.iter().map(Worker::nodes).sum(), "lost nodes, or garbage");
    heap.attach(|cx| workers.iter().for_each(|worker| worker.compare(cx))).unwrap();
    drop(workers);
    assert_eq!(heap.collect().unwrap().live_of::<Node>(), 0);
    assert_eq!(heap.phase(), Phase::Idle);
    let stats = heap.stats();
    assert!(stats.mutators == 0 && stats.stacks == 0 && stats.verified_cycles == stats.cycles);
    let calls = os.calls();
    drop(heap);
    assert_eq!((os.live_mappings(), os.live_bytes()), (0, 0));
    (calls, stats.cycles)
}

#[test]
fn requests_of_a_heap_at_work_are_refused() {
    for (mode, builder) in MODES {
        let (mut failures, mut cycles, errors, mut kinds) = (0, 0, AtomicU64::new(0), [0; Request::ALL.len()]);
        let mut positions = 0;
        for several in [false, true] {
            // Beyond the requests of any run none is refused.
            for n in (1..).step_by(if several { 3 } else { 1 }) {
                let os = MockOs::new();
                if several {
                    os.fail_from(n)
                } else {
                    os.fail_at(n)
                }
                let (calls, ran) = run(&os, builder, &errors);
                cycles += ran;
                failures += os.failed_calls();
                positions += u64::from(os.failed_calls() > 0);
                kinds.iter_mut().zip(Request::ALL).for_each(|(sum, kind)| *sum += os.failed_calls_of(kind));
                if n > calls.min(150) {
                    break;
                }
            }
        }
        assert!(positions > 30 && failures >= positions && errors.load(Ordering::Relaxed) > 0, "{mode}: {positions}");
        let of = |kind: Request| kinds[kind as usize];
        assert!(of(Request::ReserveAt) > 0 && of(Request::Protect) > 0 && of(Request::Discard) > 0, "{kinds:?}");
        println!(
            "figures: failing_os mode={mode} positions={positions} failures={failures} errors={} cycles={cycles}",
            errors.load(Ordering::Relaxed)
        );
    }
}

/// In the child of a fork the system refuses the n-th request from there on.
#[test]
fn a_child_is_refused() {
    let os = MockOs::new();
    let heap = base().os(Box::new(os.clone())).build().unwrap();
    let errors = AtomicU64::new(0);
    let (mut refused, mut n) = (0, 1);
    heap.attach(|cx| {
        let mut worker = Worker::new(cx, &os, &errors, 5);
        (1..10).for_each(|step| worker.step(cx, step));
        loop {
            // SAFETY: the child calls nothing but the heap, and the host's allocator, which the system makes whole.
            let child = cx.fork(|| unsafe { libc::fork() });
            if child == 0 {
                let work = std::panic::AssertUnwindSafe(|| {
                    let before = os.failed_calls();
                    os.fail_at(os.calls() + n);
                    (10..40).for_each(|step| worker.step(cx, step));
                    let failed = os.failed_calls() > before;
                    os.fail_from(0);
                    assert_eq!(cx.collect().live_of::<Node>(), worker.nodes());
                    worker.compare(cx);
                    failed
                });
                let code = std::panic::catch_unwind(work).map_or(9, i32::from);
                // SAFETY: no destructors, no handlers.
                unsafe { libc::_exit(code) };
            }
            let mut status = 0;
            // SAFETY: a child of this process, and a place for its status.
            assert_eq!(cx.native(|| unsafe { libc::waitpid(child, &mut status, 0) }), child);
            assert!(
                libc::WIFEXITED(status) && libc::WEXITSTATUS(status) < 2,
                "the child ended with status {status:#x}"
            );
            refused += u64::from(libc::WEXITSTATUS(status) == 1);
            // Some numbers may not come up in one child and do in the next.
            n += 1;
            if n > 40 {
                break;
            }
        }
        worker.compare(cx);
    })
    .unwrap();
    assert!(refused > 3, "{refused}");
    println!("figures: failing_os mode=child positions={} failures={refused} cycles={}", n - 1, heap.stats().cycles);
}

/// Set in a process in which no thread can be started.
const ALONE: &str = "SPANHEAP_TEST_WITHOUT_THREADS";

/// The standard library takes the size of new threads' stacks from the environment. None is that large.
#[test]
fn no_thread_can_be_started() {
    if std::env::var_os(ALONE).is_none() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let arguments = ["--exact", "no_thread_can_be_started", "--nocapture", "--test-threads=1"];
        let child = child.args(arguments).env(ALONE, "1").env("RUST_MIN_STACK", (1_u64 << 60).to_string());
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
        let figures = said.lines().find(|line| line.contains("figures: ")).expect("the child tells");
        return println!("{figures}");
    }
    let mut refused = 0;
    let mut cycles = 0;
    for (mode, builder) in MODES {
        refused += u64::from(std::thread::Builder::new().spawn(|| ()).is_err());
        let (os, errors) = (MockOs::new(), AtomicU64::new(0));
        let heap = builder().marking_threads(4).cpu_share(100).os(Box::new(os.clone())).build().unwrap();
        heap.attach(|cx| {
            let mut worker = Worker::new(cx, &os, &errors, 6);
            (1..200).for_each(|step| worker.step(cx, step));
            assert_eq!(cx.collect().live_of::<Node>(), worker.nodes(), "{mode}");
        })
        .unwrap();
        let stats = heap.stats();
        assert!(stats.cycles > 10 && stats.verified_cycles == stats.cycles);
        assert_eq!(errors.load(Ordering::Relaxed), 0);
        cycles += stats.cycles;
    }
    assert_eq!(refused, 3, "threads were started");
    println!("\nfigures: faults kind=thread_start injected={refused} cycles={cycles}");
}
