//! Random streams of operations on one mutator against a plain-Rust object graph: whatever the order of allocating,
//! linking, rooting, stacking and collecting, what the reference reaches is alive and intact, and nothing else is.

use proptest::prelude::*;
use spanheap::{Array, Gc, Heap, Mutator, PairFamily, Root, Slot, Stack, Trace};
use std::collections::{BTreeMap, BTreeSet};

const EDGES: usize = 3;
const STACK_SLOTS: usize = 16;
const MOST_SLOTS: usize = 8192;

#[derive(Trace)]
struct Node {
    id: u64,
    edges: [Slot<Node>; EDGES],
    pairs: Slot<Array<spanheap::Pair<Family>>>,
}

struct Family;

#[derive(Clone, Copy)]
enum Value<'m, 'h> {
    Nil,
    Number(usize),
    Node(Gc<'m, 'h, Node>),
}

// SAFETY: tag 2 is a node's address, and nothing else is.
unsafe impl PairFamily for Family {
    type Value<'m, 'h> = Value<'m, 'h>;
    const FIRST_REFERENCE_TAG: usize = 2;

    fn encode<'m, 'h>(value: Value<'m, 'h>) -> (usize, usize) {
        match value {
            Value::Nil => (0, 0),
            Value::Number(number) => (1, number),
            Value::Node(node) => (2, node.addr()),
        }
    }

    unsafe fn decode<'m, 'h>(tag: usize, payload: usize) -> Value<'m, 'h> {
        match tag {
            0 => Value::Nil,
            1 => Value::Number(payload),
            // SAFETY: tag 2 came from a node.
            _ => Value::Node(unsafe { Gc::from_addr(payload) }),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A new rooted object with this many pairs.
    New(usize),
    /// An edge from one rooted object to another, or to none.
    Link(usize, usize, Option<usize>),
    /// A pair of one rooted object: another rooted object, or a number that looks like its address.
    Pair(usize, usize, usize, bool),
    /// A slot of the stack.
    Push(usize, Option<usize>),
    /// The stack's top.
    Top(usize),
    /// The stack grows to twice its size or shrinks as far as it can, while running or suspended.
    Move(bool, bool),
    Unroot(usize),
    /// A root for what an edge of a rooted object refers to.
    Follow(usize, usize),
    /// Objects that nothing holds.
    Litter(usize),
    Request,
    Nudge,
    Collect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (index, edge) = (0usize..1000, 0..EDGES);
    let step = prop_oneof![
        6 => (0usize..9).prop_map(Step::New),
        1 => (0usize..9000).prop_map(Step::New),
        8 => (index.clone(), edge.clone(), prop::option::weighted(0.8, index.clone())).prop_map(|(a, b, c)| Step::Link(a, b, c)),
        6 => (index.clone(), index.clone(), index.clone(), any::<bool>()).prop_map(|(a, b, c, d)| Step::Pair(a, b, c, d)),
        4 => (0..STACK_SLOTS, prop::option::of(index.clone())).prop_map(|(a, b)| Step::Push(a, b)),
        1 => (0..=STACK_SLOTS).prop_map(Step::Top),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(a, b)| Step::Move(a, b)),
        6 => index.clone().prop_map(Step::Unroot),
        3 => (index.clone(), edge).prop_map(|(a, b)| Step::Follow(a, b)),
        2 => (0usize..300).prop_map(Step::Litter),
        2 => Just(Step::Request),
        1 => Just(Step::Nudge),
        1 => Just(Step::Collect),
    ];
    prop::collection::vec(step, 1..250)
}

/// What the edges and the pairs of an object refer to, by id.
type Object = ([Option<u64>; EDGES], Vec<Option<u64>>);

#[derive(Default)]
struct Model {
    objects: BTreeMap<u64, Object>,
    roots: Vec<u64>,
    stack: [Option<u64>; STACK_SLOTS],
    top: usize,
}

impl Model {
    fn reachable(&self) -> BTreeSet<u64> {
        let mut queue = self.roots.clone();
        queue.extend(self.stack[..self.top].iter().flatten());
        let mut seen = BTreeSet::new();
        while let Some(id) = queue.pop() {
            if seen.insert(id) {
                let (edges, pairs) = &self.objects[&id];
                queue.extend(edges.iter().chain(pairs).flatten());
            }
        }
        seen
    }
}

struct Run {
    model: Model,
    roots: Vec<Root<Node>>,
    stack: Root<Stack<Family>>,
    next: u64,
}

impl Run {
    fn step(&mut self, cx: &Mutator<'_>, step: &Step) {
        let Run { model, roots, stack, next } = self;
        let pick = |index: usize, len: usize| (len > 0).then(|| index % len);
        match *step {
            Step::New(pairs) => {
                let node = cx.alloc(Node { id: *next, edges: Default::default(), pairs: Slot::null() }).unwrap();
                let array = cx.alloc_array(cx.array_class(), (), pairs).unwrap();
                cx.set(node, |node| &node.pairs, Some(array));
                roots.push(cx.root(node));
                model.roots.push(*next);
                model.objects.insert(*next, ([None; EDGES], vec![None; pairs]));
                *next += 1;
            }
            Step::Link(from, edge, to) => {
                let Some(from) = pick(from, roots.len()) else { return };
                let to = to.and_then(|to| pick(to, roots.len()));
                cx.set(roots[from].get(cx), |node| &node.edges[edge], to.map(|to| roots[to].get(cx)));
                model.objects.get_mut(&model.roots[from]).unwrap().0[edge] = to.map(|to| model.roots[to]);
            }
            Step::Pair(from, index, to, real) => {
                let Some(from) = pick(from, roots.len()) else { return };
                let array = roots[from].get(cx).load(|node| &node.pairs).unwrap();
                let (Some(index), Some(to)) = (pick(index, array.len()), pick(to, roots.len())) else { return };
                let node = roots[to].get(cx);
                let value = if real { Value::Node(node) } else { Value::Number(node.addr()) };
                cx.set_pair_element(array, index, value);
                model.objects.get_mut(&model.roots[from]).unwrap().1[index] = real.then(|| model.roots[to]);
            }
            Step::Push(slot, what) => {
                let what = what.and_then(|what| pick(what, roots.len()));
                let value = what.map_or(Value::Nil, |what| Value::Node(roots[what].get(cx)));
                // SAFETY: the stack runs on this mutator.
                unsafe { stack.get(cx).slots()[slot].store_running(value) };
                model.stack[slot] = what.map(|what| model.roots[what]);
            }
            Step::Top(top) => {
                // What lay above the top may be dead: a VM writes its registers before it reads them.
                for slot in model.top..top.max(model.top) {
                    // SAFETY: as above.
                    unsafe { stack.get(cx).slots()[slot].store_running(Value::Nil) };
                    model.stack[slot] = None;
                }
                stack.get(cx).set_top(top);
                model.top = top;
            }
            Step::Move(grow, suspended) => {
                let stack = stack.get(cx);
                cx.switch_stack(if suspended { None } else { Some(stack) });
                let (old, len) = (stack.base(), stack.len());
                if grow && len < MOST_SLOTS {
                    cx.grow_stack(stack, len + 1, |from, to| assert!(from == old && to == stack.base())).unwrap();
                    assert_eq!(stack.len(), 2 * len);
                } else if !grow {
                    assert_eq!(cx.shrink_stack(stack, 0, |from, _| assert_eq!(from, old)), stack.len() < len);
                }
                cx.switch_stack(Some(stack));
            }
            Step::Unroot(index) => {
                if let Some(index) = pick(index, roots.len()) {
                    roots.swap_remove(index);
                    model.roots.swap_remove(index);
                }
            }
            Step::Follow(from, edge) => {
                let Some(from) = pick(from, roots.len()) else { return };
                let id = model.objects[&model.roots[from]].0[edge];
                let node = roots[from].get(cx).load(|node| &node.edges[edge]);
                assert_eq!(node.map(|node| node.id), id);
                if let (Some(node), Some(id)) = (node, id) {
                    roots.push(cx.root(node));
                    model.roots.push(id);
                }
            }
            Step::Litter(count) => {
                for _ in 0..count {
                    cx.alloc(Node { id: u64::MAX, edges: Default::default(), pairs: Slot::null() }).unwrap();
                }
            }
            Step::Request => cx.heap().request_collection(),
            Step::Nudge | Step::Collect => unreachable!("these need the mutator to itself"),
        }
    }

    /// Every rooted object and every edge from it is what the model says, and so is the live part of the stack.
    fn compare(&self, cx: &Mutator<'_>) {
        let stack = self.stack.get(cx);
        assert_eq!(stack.top(), self.model.top);
        for (slot, expected) in stack.as_ref().slots().iter().zip(&self.model.stack[..self.model.top]) {
            // SAFETY: one mutator; the slot lies below the top.
            let found = match unsafe { slot.decode_in() } {
                Value::Node(node) => Some(node.id),
                Value::Nil | Value::Number(_) => None,
            };
            assert_eq!(found, *expected);
        }
        for (root, id) in self.roots.iter().zip(&self.model.roots) {
            let node = root.get(cx);
            assert_eq!(node.id, *id);
            let (edges, pairs) = &self.model.objects[id];
            for (edge, expected) in edges.iter().enumerate() {
                assert_eq!(node.load(|node| &node.edges[edge]).map(|node| node.id), *expected);
            }
            let array = node.load(|node| &node.pairs).unwrap();
            assert_eq!(array.len(), pairs.len());
            for (pair, expected) in array.elements().iter().zip(pairs) {
                // SAFETY: one mutator; the array is alive.
                let found = match unsafe { pair.decode_in() } {
                    Value::Node(node) => Some(node.id),
                    Value::Nil | Value::Number(_) => None,
                };
                assert_eq!(found, *expected);
            }
        }
    }
}

fn run(steps: &[Step], collect_every: Option<u32>) {
    let builder = Heap::builder().verify(true).poison(true).initial_goal(256 << 10).collect_every(collect_every);
    let heap = builder.build().unwrap();
    heap.attach(|cx| {
        let stack = {
            let stack = cx.alloc_stack::<Family>(STACK_SLOTS).unwrap();
            cx.switch_stack(Some(stack));
            cx.root(stack)
        };
        let mut run = Run { model: Model::default(), roots: Vec::new(), stack, next: 0 };
        for step in steps {
            match step {
                Step::Nudge => {
                    cx.step();
                }
                Step::Collect => {
                    let report = cx.collect();
                    let reachable = run.model.reachable();
                    assert_eq!(report.live_of::<Node>(), reachable.len() as u64);
                    run.model.objects.retain(|id, _| reachable.contains(id));
                    run.compare(cx);
                }
                other => run.step(cx, other),
            }
            cx.safepoint();
        }
        run.compare(cx);
        assert_eq!(cx.collect().live_of::<Node>(), run.model.reachable().len() as u64);
        run.compare(cx);
    })
    .unwrap();
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_heap_equals_the_model(steps in steps()) {
        run(&steps, None);
    }

    #[test]
    fn the_heap_equals_the_model_under_stress(steps in steps()) {
        run(&steps, Some(3));
    }
}
