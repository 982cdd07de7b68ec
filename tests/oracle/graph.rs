//! What the random operations work on: the types of the heap's objects, and the same graph in plain Rust.
//!
//! *Callers:* `run.rs` and its like change both together, `compare.rs` compares them. *Invariants:* an object's id is its place in the
//! order of making; objects that are dead leave the model with the next collection.

use super::operation::{EDGES, Shape, Target, pick};
use spanheap::{AllocError, Array, Bytes, Data, Gc, Mutator, Pair, PairFamily, Slot, Stack, Trace};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Trace)]
pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) count: Data<u64>,
    pub(crate) edges: [Slot<Node>; EDGES],
    pub(crate) pairs: Slot<Pairs>,
    pub(crate) links: Slot<Links>,
    pub(crate) text: Slot<Bytes>,
    /// A chain of its own, in some objects: its last link has one more reference of the object.
    chain: Slot<Ballast>,
    /// The chain that keeps the marker busy, in some objects.
    ballast: Slot<Ballast>,
}

/// A link of a long chain, which is no part of the model: who marks it gets to what hangs at its end a while after all the
/// rest, and meanwhile others change what was marked and what was not.
#[derive(Trace)]
pub(crate) struct Ballast {
    next: Slot<Ballast>,
    pub(crate) far: Slot<Node>,
}

/// A chain of so many links, at least one.
pub(crate) fn ballast<'m, 'h>(cx: &'m Mutator<'h>, links: u64) -> Result<Gc<'m, 'h, Ballast>, AllocError> {
    let link = || cx.alloc(Ballast { next: Slot::null(), far: Slot::null() });
    let mut first = link()?;
    for _ in 1..links {
        let link = link()?;
        cx.set(link, |link| &link.next, Some(first));
        first = link;
    }
    Ok(first)
}

/// Lets an object refer to the chain.
pub(crate) fn load_down<'h>(cx: &Mutator<'h>, node: Gc<'_, 'h, Node>, chain: Gc<'_, 'h, Ballast>) {
    cx.set(node, |node| &node.ballast, Some(chain));
}

/// The last link of an object's own chain.
pub(crate) fn end_of_chain<'m, 'h>(node: Gc<'m, 'h, Node>) -> Option<Gc<'m, 'h, Ballast>> {
    let mut link = node.load(|node| &node.chain)?;
    while let Some(next) = link.load(|link| &link.next) {
        link = next;
    }
    Some(link)
}

pub(crate) type Pairs = Array<Pair<Family>>;
pub(crate) type Links = Array<Slot<Node>>;
pub(crate) type Registers = Stack<Family>;

pub(crate) struct Family;

#[derive(Clone, Copy)]
pub(crate) enum Value<'m, 'h> {
    Nil,
    Number(usize),
    Node(Gc<'m, 'h, Node>),
}

impl<'m, 'h> Value<'m, 'h> {
    /// The node that it refers to.
    pub(crate) fn node(self) -> Option<Gc<'m, 'h, Node>> {
        match self {
            Value::Node(node) => Some(node),
            Value::Nil | Value::Number(_) => None,
        }
    }
}

impl<'m, 'h> From<Option<Gc<'m, 'h, Node>>> for Value<'m, 'h> {
    fn from(node: Option<Gc<'m, 'h, Node>>) -> Value<'m, 'h> {
        node.map_or(Value::Nil, Value::Node)
    }
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

/// What the text of an object consists of.
pub(crate) fn text_of(id: u64, len: usize) -> Vec<u8> {
    (0..len).map(|index| (id as u8).wrapping_mul(31).wrapping_add((index * 7) as u8)).collect()
}

/// A new object. Where memory is short for one of its parts, the others are garbage.
pub(crate) fn make<'m, 'h>(cx: &'m Mutator<'h>, id: u64, shape: Shape) -> Result<Gc<'m, 'h, Node>, AllocError> {
    let node = cx.alloc(Node {
        id,
        count: Data::new(0),
        edges: Default::default(),
        pairs: Slot::null(),
        links: Slot::null(),
        text: Slot::null(),
        chain: Slot::null(),
        ballast: Slot::null(),
    })?;
    if shape.pairs > 0 {
        let pairs = cx.alloc_array(cx.try_array_class()?, (), shape.pairs)?;
        cx.set(node, |node| &node.pairs, Some(pairs));
    }
    if shape.links > 0 {
        let links = cx.alloc_array(cx.try_array_class()?, (), shape.links)?;
        cx.set(node, |node| &node.links, Some(links));
    }
    if shape.text > 0 {
        let text = cx.alloc_bytes(&text_of(id, shape.text))?;
        cx.set(node, |node| &node.text, Some(text));
    }
    if shape.far > 0 {
        let chain = ballast(cx, shape.far as u64)?;
        cx.set(node, |node| &node.chain, Some(chain));
    }
    Ok(node)
}

/// One object of the model; references are ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    pub(crate) count: u64,
    pub(crate) edges: [Option<u64>; EDGES],
    pub(crate) pairs: Vec<Option<u64>>,
    pub(crate) links: Vec<Option<u64>>,
    pub(crate) text: usize,
    /// Links of its chain, and what the last one of them refers to.
    pub(crate) chain: usize,
    pub(crate) far: [Option<u64>; 1],
}

impl Object {
    /// All that it refers to.
    pub(crate) fn references(&self) -> impl Iterator<Item = u64> {
        self.edges.iter().chain(&self.pairs).chain(&self.links).chain(&self.far).copied().flatten()
    }
}

/// The graph as it must be.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) objects: BTreeMap<u64, Object>,
    pub(crate) roots: Vec<u64>,
    /// What the slots below the top of each stack refer to.
    pub(crate) stacks: Vec<Vec<Option<u64>>>,
    /// The stack that the mutator runs on.
    pub(crate) running: Option<usize>,
    /// The id of the next object.
    pub(crate) next: u64,
}

impl Model {
    /// Enters a new object, and returns its id.
    pub(crate) fn add(&mut self, shape: Shape) -> u64 {
        let (pairs, links) = (vec![None; shape.pairs], vec![None; shape.links]);
        let object = Object { pairs, links, text: shape.text, chain: shape.far, ..Object::default() };
        self.objects.insert(self.next, object);
        self.next += 1;
        self.next - 1
    }

    /// The object that is meant, if there is any.
    pub(crate) fn find(&mut self, target: Target) -> Option<u64> {
        let root = self.roots[pick(target.root, self.roots.len())?];
        let behind = target.through.and_then(|place| self.load(root, place)).flatten();
        Some(behind.unwrap_or(root))
    }

    pub(crate) fn object(&mut self, id: u64) -> &mut Object {
        self.objects.get_mut(&id).expect("what a root refers to is in the model")
    }

    pub(crate) fn reachable(&self) -> BTreeSet<u64> {
        let mut queue = self.roots.clone();
        queue.extend(self.stacks.iter().flatten().flatten());
        let mut seen = BTreeSet::new();
        while let Some(id) = queue.pop() {
            if seen.insert(id) {
                let object = &self.objects[&id];
                queue.extend(object.references());
            }
        }
        seen
    }
}
