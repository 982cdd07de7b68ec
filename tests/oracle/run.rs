//! One stream: every operation is made on the heap and in the model.
//!
//! *Callers:* the tests and the fuzz target, through [`Stream::run`]. *Invariants:* an operation that fails has changed neither;
//! between two operations the mutator is at a safepoint.

use super::change::{change, find, grow, load, store};
use super::compare::{compare, compare_report};
use super::decode::Stream;
use super::graph::{Ballast, Model, Node, Object, Registers, Value, ballast, load_down, make, text_of};
use super::operation::{Operation, Row, Shape, pick};
use super::totals::{Count, Totals};
use spanheap::{AllocError, CycleReport, External, Heap, Mutator, Phase, Root, StackError, StackOverflow};
use std::time::Duration;

/// Most bytes of a stack's slots.
pub(crate) const STACK_LIMIT: usize = 32 << 10;

/// A stream under way.
pub(crate) struct Run {
    pub(super) model: Model,
    ballast: Root<Ballast>,
    links: u64,
    pub(super) roots: Vec<Root<Node>>,
    pub(super) stacks: Vec<Root<Registers>>,
    pub(super) totals: Totals,
    external: Option<External>,
    /// How long a phase is waited for.
    pub(super) most_slices: (usize, Duration),
}

impl Stream {
    /// Makes all operations on a heap of their own and in a model, and compares, now and then and at the end.
    ///
    /// # Panics
    /// If the two differ. If the verifier finds a fault, the process ends.
    pub fn run(&self) -> Totals {
        let (heap, links) = (self.mode.heap(), self.mode.ballast());
        let ballast = heap.attach(|cx| cx.root(ballast(cx, links).expect("every heap has room for it")));
        let ballast = ballast.expect("the thread is not attached");
        let (model, totals) = (Model::default(), Totals::default());
        let mut run = Run {
            model,
            ballast,
            links,
            roots: Vec::new(),
            stacks: Vec::new(),
            totals,
            external: None,
            most_slices: self.mode.most_slices(),
        };
        let mut elsewhere = false;
        for part in self.operations.split_inclusive(|(_, operation)| matches!(operation, Operation::Reattach(_))) {
            if elsewhere {
                run.totals.add(Count::other_threads, 1);
                let ended = std::thread::scope(|scope| scope.spawn(|| run.part(&heap, part)).join());
                ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            } else {
                run.part(&heap, part);
            }
            elsewhere = matches!(part.last(), Some((_, Operation::Reattach(true))));
        }
        let stats = heap.stats();
        run.totals.add(Count::streams, 1);
        run.totals.add(Count::cycles, stats.cycles);
        run.totals.add(Count::cycles_verified, stats.verified_cycles);
        run.totals.add(Count::freed, stats.freed_objects);
        run.totals
    }
}

impl Run {
    /// Attaches the thread, makes operations, compares, and detaches it.
    fn part(&mut self, heap: &Heap, operations: &[(usize, Operation)]) {
        let attached = heap.attach(|cx| {
            self.model.running = None;
            for (kind, operation) in operations {
                self.totals.add(Count::operations, 1);
                self.totals.count_kind(*kind);
                match self.operation(cx, operation) {
                    Ok(()) => {}
                    Err(StackError::Alloc(AllocError::Limit { requested, limit })) => {
                        assert_eq!(heap.limit(), Some(limit), "{requested} bytes");
                        self.relieve(cx);
                    }
                    Err(StackError::Overflow(StackOverflow { requested, limit })) => {
                        assert!(requested > limit && limit == STACK_LIMIT);
                        self.totals.add(Count::stack_overflows, 1);
                    }
                    Err(error) => panic!("{error}"),
                }
                cx.safepoint();
            }
            self.compare(cx);
            self.collect(cx);
        });
        attached.expect("the thread is not attached");
    }

    pub(super) fn compare(&mut self, cx: &Mutator<'_>) {
        compare(cx, &self.model, &self.roots, &self.stacks);
        self.totals.add(Count::comparisons, 1);
    }

    fn look(&mut self, cx: &Mutator<'_>, report: &CycleReport) {
        compare_report(report, &mut self.model, self.links);
        self.compare(cx);
    }

    pub(super) fn collect(&mut self, cx: &mut Mutator<'_>) {
        let report = cx.collect();
        self.look(cx, &report);
    }

    /// After an error for want of memory: the heap is as it was, and half of what is rooted goes.
    fn relieve(&mut self, cx: &mut Mutator<'_>) {
        self.totals.add(Count::limit_errors, 1);
        self.collect(cx);
        let keep = self.roots.len() / 2;
        self.roots.truncate(keep);
        self.model.roots.truncate(keep);
        self.collect(cx);
    }

    fn operation(&mut self, cx: &mut Mutator<'_>, operation: &Operation) -> Result<(), StackError> {
        match *operation {
            Operation::New(_)
            | Operation::Hang(..)
            | Operation::Populate(..)
            | Operation::Change(_)
            | Operation::Pair(..)
            | Operation::Text(..)
            | Operation::Grow(..)
            | Operation::Unroot(_)
            | Operation::Follow(..)
            | Operation::LargeLitter(_) => return Ok(self.operation_of_objects(cx, operation)?),
            Operation::Push(..)
            | Operation::Pop(_)
            | Operation::Write(..)
            | Operation::FillSlots(..)
            | Operation::Take(..)
            | Operation::Put(..)
            | Operation::Spread(..)
            | Operation::Move(..)
            | Operation::Switch(_)
            | Operation::Freeze(_)
            | Operation::NewStack(_)
            | Operation::EndStack(..) => return self.operation_of_stacks(cx, operation),
            Operation::Scope(index) => self.scope(cx, index)?,
            Operation::Carry(from, place, slices, to, other) => self.carry(cx, (from, place), slices, (to, other)),
            Operation::Threads(ref changes, cycles) => self.threads(cx, changes, cycles),
            // The part of the stream ends here.
            Operation::Reattach(_) => {}
            Operation::Native => {
                let heap = cx.heap();
                let collect = || heap.collect().expect("the other thread is not attached");
                let report = cx.native(|| std::thread::scope(|scope| scope.spawn(collect).join()));
                self.look(cx, &report.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            Operation::Request => cx.heap().request_collection(),
            Operation::Slice(micros) => {
                self.slice(cx, Duration::from_micros(micros));
                self.compare(cx);
            }
            Operation::Advance(phase, slices) => self.advance(cx, phase, slices),
            Operation::Collect => self.collect(cx),
            Operation::External(bytes) => {
                match &mut self.external {
                    Some(external) => external.resize(cx, bytes)?,
                    none => *none = Some(cx.external(bytes)?),
                }
                assert_eq!(cx.heap().stats().external_bytes, bytes as u64);
            }
            Operation::Trim(keep) => {
                let heap = cx.heap();
                let before = heap.stats().released_bytes;
                let given = heap.trim(keep) as u64;
                assert!(heap.stats().released_bytes - before >= given);
                self.totals.add(Count::trimmed, given);
            }
        }
        Ok(())
    }

    fn operation_of_objects(&mut self, cx: &Mutator<'_>, operation: &Operation) -> Result<(), AllocError> {
        let Run { model, ballast, roots, totals, .. } = self;
        let len = roots.len();
        match *operation {
            Operation::New(shape) => {
                let node = make(cx, model.next, shape)?;
                if model.next % 4 == 3 {
                    load_down(cx, node, ballast.get(cx));
                }
                roots.push(cx.root(node));
                let id = model.add(shape);
                model.roots.push(id);
                let large = [shape.pairs * 16, shape.links * 8, shape.text].into_iter().any(|bytes| bytes > 32 << 10);
                totals.add(Count::large, u64::from(large));
            }
            Operation::Hang(target, place, shape) => {
                let Some(owner) = model.find(target) else { return Ok(()) };
                if model.load(owner, place).is_none() {
                    return Ok(());
                }
                let node = make(cx, model.next, shape)?;
                store(cx, find(cx, roots, target).expect("the model has the object"), place, Some(node));
                let id = model.add(shape);
                model.store(owner, place, Some(id));
            }
            Operation::Populate(target, row, begin, count) => {
                for element in begin..begin + count {
                    let hang = Operation::Hang(target, row.place(element), Shape::default());
                    self.operation_of_objects(cx, &hang)?;
                }
            }
            Operation::Change(ref wanted) => {
                change(cx, roots, wanted)?;
                model.change(wanted);
                totals.add(Count::changes_while_marking, u64::from(cx.heap().phase() == Phase::Mark));
            }
            Operation::Pair(from, index, to, real) => {
                let (Some(from), Some(to)) = (pick(from, len), pick(to, len)) else { return Ok(()) };
                let Some(pairs) = roots[from].get(cx).load(|node| &node.pairs) else { return Ok(()) };
                let (index, node) = (index % pairs.len(), roots[to].get(cx));
                let value = if real { Value::Node(node) } else { Value::Number(node.addr()) };
                cx.set_pair_element(pairs, index, value);
                let to = model.roots[to];
                model.object(model.roots[from]).pairs[index] = real.then_some(to);
            }
            Operation::Text(from, len) => {
                let Some(from) = pick(from, roots.len()) else { return Ok(()) };
                let (id, node) = (model.roots[from], roots[from].get(cx));
                let text = if len == 0 { None } else { Some(cx.alloc_bytes(&text_of(id, len))?) };
                cx.set(node, |node| &node.text, text);
                model.object(id).text = len;
            }
            Operation::Grow(target, row, more) => {
                let Some((node, id)) = find(cx, roots, target).zip(model.find(target)) else { return Ok(()) };
                if grow(cx, row, node, more)? {
                    let Object { pairs, links, .. } = model.object(id);
                    let places = if let Row::Pairs = row { pairs } else { links };
                    places.resize(places.len() + more, None);
                    totals.add(Count::grown, 1);
                }
            }
            Operation::Unroot(index) => {
                if let Some(index) = pick(index, len) {
                    roots.swap_remove(index);
                    model.roots.swap_remove(index);
                }
            }
            Operation::Follow(target, place) => {
                let Some(id) = model.find(target).and_then(|id| model.load(id, place)) else { return Ok(()) };
                let node = find(cx, roots, target).and_then(|node| load(node, place)).flatten();
                assert_eq!(node.map(|node| node.id), id);
                if let (Some(node), Some(id)) = (node, id) {
                    roots.push(cx.root(node));
                    model.roots.push(id);
                }
            }
            Operation::LargeLitter(len) => {
                make(cx, u64::MAX, Shape { text: len, ..Shape::default() })?;
                totals.add(Count::large, 1);
            }
            _ => unreachable!("{operation:?} has to do with more than objects"),
        }
        Ok(())
    }
}
