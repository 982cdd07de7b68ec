//! One history: every step is made on the heap and in the model.
//!
//! *Callers:* `main.rs`. *Invariants:* a step that fails has changed neither; between two steps the mutator is at a safepoint.

use crate::change::{change, litter, pick};
use crate::compare::{compare, compare_report};
use crate::graph::{Ballast, Family, Model, Node, Registers, Shape, Value, ballast, load_down, make, text_of};
use crate::steps::{Change, Step};
use spanheap::{AllocError, CycleReport, Heap, Mutator, Root, StackError, StackOverflow};
use std::time::Duration;

/// Most bytes of a stack's slots, in the heaps of these tests.
pub(crate) const STACK_LIMIT: usize = 32 << 10;
/// Threads beside the one that runs the history, where a step has several.
const THREADS: u64 = 2;
/// Most times that each of them makes its changes.
const MOST_ROUNDS: usize = 2000;

/// What happened, to show that the operations do what they are there for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) cycles: u64,
    pub(crate) freed: u64,
    pub(crate) large: u64,
    pub(crate) moved_stacks: u64,
    pub(crate) stack_overflows: u64,
    pub(crate) changes_by_threads: u64,
    pub(crate) trimmed: u64,
    pub(crate) limit_errors: u64,
    /// Cycles that ended in a slice.
    pub(crate) stepped: u64,
}

pub(crate) struct Run {
    model: Model,
    ballast: Root<Ballast>,
    links: u64,
    roots: Vec<Root<Node>>,
    stacks: Vec<Root<Registers>>,
    pub(crate) totals: Totals,
}

impl Run {
    /// A history that begins now, in a heap with a chain of so many links as ballast.
    pub(crate) fn new(heap: &Heap, links: u64, totals: Totals) -> Run {
        let ballast = heap.attach(|cx| cx.root(ballast(cx, links).expect("every heap has room for it")));
        let ballast = ballast.expect("the thread is not attached");
        Run { model: Model::default(), ballast, links, roots: Vec::new(), stacks: Vec::new(), totals }
    }

    /// Makes all steps on a heap, and compares at the end.
    pub(crate) fn history(&mut self, heap: &Heap, steps: &[Step]) {
        for part in steps.split(|step| matches!(step, Step::Reattach)) {
            let attached = heap.attach(|cx| {
                self.model.running = None;
                for step in part {
                    match self.step(cx, step) {
                        Ok(()) => {}
                        Err(StackError::Alloc(AllocError::Limit { requested, limit })) => {
                            assert_eq!(heap.limit(), Some(limit), "{requested} bytes");
                            self.relieve(cx);
                        }
                        Err(StackError::Overflow(StackOverflow { requested, limit })) => {
                            assert!(requested > limit && limit == STACK_LIMIT);
                            self.totals.stack_overflows += 1;
                        }
                        Err(error) => panic!("{error}"),
                    }
                    cx.safepoint();
                }
                compare(cx, &self.model, &self.roots, &self.stacks);
                self.collect(cx);
            });
            attached.expect("the thread is not attached");
        }
        let stats = heap.stats();
        assert_eq!(stats.verified_cycles, stats.cycles);
        self.totals.cycles += stats.cycles;
        self.totals.freed += stats.freed_objects;
    }

    fn look(&mut self, cx: &Mutator<'_>, report: &CycleReport) {
        assert_eq!(report.live_of::<Ballast>(), self.links);
        compare_report(report, &mut self.model);
        compare(cx, &self.model, &self.roots, &self.stacks);
    }

    fn collect(&mut self, cx: &mut Mutator<'_>) {
        let report = cx.collect();
        self.look(cx, &report);
    }

    /// After an error for want of memory: the heap is as it was, and half of what is rooted goes.
    fn relieve(&mut self, cx: &mut Mutator<'_>) {
        self.totals.limit_errors += 1;
        self.collect(cx);
        let keep = self.roots.len() / 2;
        self.roots.truncate(keep);
        self.model.roots.truncate(keep);
        self.collect(cx);
    }

    fn step(&mut self, cx: &mut Mutator<'_>, step: &Step) -> Result<(), StackError> {
        match *step {
            Step::New(_)
            | Step::Change(_)
            | Step::Pair(..)
            | Step::Text(..)
            | Step::Unroot(_)
            | Step::Follow(..)
            | Step::Litter(_)
            | Step::LargeLitter(_) => return Ok(self.step_of_objects(cx, step)?),
            Step::Push(..)
            | Step::Pop(_)
            | Step::Write(..)
            | Step::Move(..)
            | Step::Switch(_)
            | Step::Freeze(_)
            | Step::NewStack(_)
            | Step::EndStack(..) => return self.step_of_stacks(cx, step),
            Step::Scope(index) => self.scope(cx, index)?,
            Step::Threads(ref changes, cycles) => self.threads(cx, changes, cycles),
            Step::Reattach => unreachable!("the history is cut there"),
            Step::Native => {
                let heap = cx.heap();
                let collect = || heap.collect().expect("the other thread is not attached");
                let report = cx.native(|| std::thread::scope(|scope| scope.spawn(collect).join()));
                self.look(cx, &report.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            Step::Request => cx.heap().request_collection(),
            Step::Slice(micros) => {
                self.totals.stepped += u64::from(cx.step(Duration::from_micros(micros)).is_finished());
                compare(cx, &self.model, &self.roots, &self.stacks);
            }
            Step::Collect => self.collect(cx),
            Step::Trim(keep) => {
                let heap = cx.heap();
                let before = heap.stats().released_bytes;
                let given = heap.trim(keep) as u64;
                assert!(heap.stats().released_bytes - before >= given);
                self.totals.trimmed += given;
            }
        }
        Ok(())
    }

    fn step_of_objects(&mut self, cx: &Mutator<'_>, step: &Step) -> Result<(), AllocError> {
        let Run { model, ballast, roots, totals, .. } = self;
        let len = roots.len();
        match *step {
            Step::New(shape) => {
                let node = make(cx, model.next, shape)?;
                if model.next % 4 == 3 {
                    load_down(cx, node, ballast.get(cx));
                }
                roots.push(cx.root(node));
                model.roots.push(model.next);
                model.add(shape);
                let large = [shape.pairs * 16, shape.links * 8, shape.text].into_iter().any(|bytes| bytes > 32 << 10);
                totals.large += u64::from(large);
            }
            Step::Change(ref wanted) => {
                change(cx, roots, wanted)?;
                model.change(wanted);
            }
            Step::Pair(from, index, to, real) => {
                let (Some(from), Some(to)) = (pick(from, len), pick(to, len)) else { return Ok(()) };
                let Some(pairs) = roots[from].get(cx).load(|node| &node.pairs) else { return Ok(()) };
                let (index, node) = (index % pairs.len(), roots[to].get(cx));
                let value = if real { Value::Node(node) } else { Value::Number(node.addr()) };
                cx.set_pair_element(pairs, index, value);
                let to = model.roots[to];
                model.object(model.roots[from]).pairs[index] = real.then_some(to);
            }
            Step::Text(from, len) => {
                let Some(from) = pick(from, roots.len()) else { return Ok(()) };
                let (id, node) = (model.roots[from], roots[from].get(cx));
                let text = if len == 0 { None } else { Some(cx.alloc_bytes(&text_of(id, len))?) };
                cx.set(node, |node| &node.text, text);
                model.object(id).text = len;
            }
            Step::Unroot(index) => {
                if let Some(index) = pick(index, len) {
                    roots.swap_remove(index);
                    model.roots.swap_remove(index);
                }
            }
            Step::Follow(from, edge) => {
                let Some(from) = pick(from, len) else { return Ok(()) };
                let id = model.objects[&model.roots[from]].edges[edge];
                let node = roots[from].get(cx).load(|node| &node.edges[edge]);
                assert_eq!(node.map(|node| node.id), id);
                if let (Some(node), Some(id)) = (node, id) {
                    roots.push(cx.root(node));
                    model.roots.push(id);
                }
            }
            Step::Litter(count) => (0..count).try_for_each(|_| litter(cx))?,
            Step::LargeLitter(len) => {
                make(cx, u64::MAX, Shape { text: len, ..Shape::default() })?;
                totals.large += 1;
            }
            _ => unreachable!("{step:?} has to do with more than objects"),
        }
        Ok(())
    }

    fn step_of_stacks(&mut self, cx: &Mutator<'_>, step: &Step) -> Result<(), StackError> {
        let Run { model, roots, stacks, totals, .. } = self;
        let rooted = |index: Option<usize>, ids: &[u64]| {
            let index = index.and_then(|index| pick(index, ids.len()));
            (Value::from(index.map(|index| roots[index].get(cx))), index.map(|index| ids[index]))
        };
        match *step {
            Step::NewStack(slots) => {
                stacks.push(cx.root(cx.alloc_stack::<Family>(slots)?));
                model.stacks.push(Vec::new());
            }
            Step::EndStack(index, free) => {
                let Some(index) = pick(index, stacks.len()) else { return Ok(()) };
                if model.running == Some(index) {
                    return Ok(());
                }
                if free {
                    cx.free_stack(stacks[index].get(cx));
                    model.stacks[index].clear();
                } else {
                    stacks.swap_remove(index);
                    model.stacks.swap_remove(index);
                    if model.running == Some(stacks.len()) {
                        model.running = Some(index);
                    }
                }
            }
            Step::Switch(to) => {
                model.running = to.and_then(|to| pick(to, stacks.len()));
                cx.switch_stack(model.running.map(|to| stacks[to].get(cx)));
            }
            Step::Push(count, what) => {
                let Some(running) = model.running else { return Ok(()) };
                let (stack, slots) = (stacks[running].get(cx), &mut model.stacks[running]);
                let (top, (value, id)) = (slots.len(), rooted(what, &model.roots));
                cx.grow_stack(stack, top + count, |_, _| totals.moved_stacks += 1)?;
                for slot in &stack.slots()[top..top + count] {
                    // SAFETY: this mutator runs on the stack.
                    unsafe { slot.store_running(value) };
                    slots.push(id);
                }
                stack.set_top(slots.len());
            }
            Step::Pop(count) => {
                let Some(running) = model.running else { return Ok(()) };
                let slots = &mut model.stacks[running];
                slots.truncate(slots.len().saturating_sub(count));
                let stack = stacks[running].get(cx);
                if slots.len() < stack.frozen() {
                    cx.set_frozen(stack, slots.len());
                }
                stack.set_top(slots.len());
            }
            Step::Freeze(count) => {
                let Some(running) = model.running else { return Ok(()) };
                cx.set_frozen(stacks[running].get(cx), count.min(model.stacks[running].len()));
            }
            Step::Write(index, slot, what, direct) => {
                let Some(index) = pick(index, stacks.len()) else { return Ok(()) };
                let (stack, slots) = (stacks[index].get(cx), &mut model.stacks[index]);
                let Some(slot) = pick(slot, slots.len()) else { return Ok(()) };
                let (value, id) = rooted(what, &model.roots);
                if direct && model.running == Some(index) {
                    if slot < stack.frozen() {
                        cx.set_frozen(stack, slot);
                    }
                    // SAFETY: this mutator runs on the stack.
                    unsafe { stack.slots()[slot].store_running(value) };
                } else {
                    cx.set_stack_slot(stack, slot, value);
                }
                slots[slot] = id;
            }
            Step::Move(index, grow) => {
                let Some(index) = pick(index, stacks.len()) else { return Ok(()) };
                let stack = stacks[index].get(cx);
                let (old, len) = (stack.base(), stack.len());
                let mut moves = 0;
                if grow {
                    cx.grow_stack(stack, len + 1, |from, to| {
                        assert!(from == old && to == stack.base());
                        moves += 1;
                    })?;
                    assert!(stack.len() >= 2 * len && stack.len() > 0);
                    assert_eq!(moves, u64::from(len > 0), "the host is told of every move");
                } else {
                    let shrunk = cx.shrink_stack(stack, 0, |from, _| {
                        assert_eq!(from, old);
                        moves += 1;
                    });
                    assert_eq!((shrunk, moves), (stack.len() < len, u64::from(shrunk)));
                }
                totals.moved_stacks += moves;
            }
            _ => unreachable!("{step:?} has nothing to do with stacks"),
        }
        Ok(())
    }

    /// Handles keep what they hold over a collection, and no longer.
    fn scope(&mut self, cx: &mut Mutator<'_>, index: usize) -> Result<(), AllocError> {
        let Run { model, roots, .. } = self;
        let live = model.reachable().len() as u64;
        cx.scope(|cx, scope| {
            let held = pick(index, roots.len()).map(|n| (scope.hold(cx, roots[n].get(cx)), model.roots[n]));
            let fresh = scope.hold(cx, make(cx, u64::MAX, Shape::default())?);
            assert_eq!(cx.collect().live_of::<Node>(), live + 1);
            assert_eq!(fresh.get(cx).id, u64::MAX);
            if let Some((node, id)) = held {
                assert_eq!(node.get(cx).id, id);
            }
            Ok::<_, AllocError>(())
        })?;
        self.collect(cx);
        Ok(())
    }

    /// Several threads make the changes, while cycles run: each those to objects that are its own.
    fn threads(&mut self, cx: &mut Mutator<'_>, changes: &[Change], cycles: u64) {
        let Run { model, roots, totals, .. } = self;
        let (heap, ids, last) = (cx.heap(), model.roots.clone(), cx.cycle_number() + cycles);
        // What would change the objects of two threads is left out.
        let owner = |change: &Change| {
            let (from, to) = change.objects(ids.len())?;
            let [from, to] = [from, to].map(|object| ids[object] % (THREADS + 1));
            (from == to).then_some(from)
        };
        let changes: Vec<_> = changes.iter().filter(|change| owner(change).is_some()).collect();
        // Returns how often it has made all its changes.
        let own = |cx: &mut Mutator<'_>, thread: u64| {
            let own: Vec<_> = changes.iter().filter(|change| owner(change) == Some(thread)).collect();
            for round in 1..=MOST_ROUNDS {
                for wanted in &own {
                    // Only litter can fail, and only at the limit.
                    if let Err(error) = change(cx, roots, wanted) {
                        assert!(matches!(error, AllocError::Limit { .. }), "{error}");
                    }
                    cx.safepoint();
                }
                if own.is_empty() || cx.cycle_number() >= last {
                    return round;
                }
                cx.heap().request_collection();
            }
            MOST_ROUNDS
        };
        let ended = std::thread::scope(|scope| {
            let spawn = |thread| {
                let (heap, own) = (&heap, &own);
                scope.spawn(move || heap.attach(|cx| own(cx, thread)).expect("a new thread is not attached"))
            };
            let workers: Vec<_> = (1..=THREADS).map(spawn).collect();
            let mut rounds = vec![own(cx, 0)];
            cx.native(|| workers.into_iter().try_for_each(|worker| worker.join().map(|made| rounds.push(made))))
                .map(|()| rounds)
        });
        let rounds = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // No two threads have changed the same object, so that one after the other comes to the same.
        let owners: Vec<_> = changes.iter().map(|change| owner(change)).collect();
        for (thread, rounds) in rounds.into_iter().enumerate() {
            for _ in 0..rounds {
                for (change, _) in changes.iter().zip(&owners).filter(|(_, owner)| **owner == Some(thread as u64)) {
                    model.change(change);
                    totals.changes_by_threads += 1;
                }
            }
        }
    }
}
