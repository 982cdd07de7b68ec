//! A change of one object, on the heap and in the model.
//!
//! *Callers:* `run.rs`: the thread that runs a history, and others beside it. *Invariants:* a change reads and writes the places
//! of one rooted object, or of two, and no two threads change the same object at once; an object's arrays are its own.

use crate::graph::{EDGES, Model, Node, Shape, Value, make};
use crate::steps::{Change, Place};
use spanheap::{AllocError, Gc, Mutator, Root};

/// Which of `len` things a number picks.
pub(crate) fn pick(index: usize, len: usize) -> Option<usize> {
    (len > 0).then(|| index % len)
}

/// An object that nothing will hold.
pub(crate) fn litter(cx: &Mutator<'_>) -> Result<(), AllocError> {
    make(cx, u64::MAX, Shape::default()).map(drop)
}

impl Change {
    /// Which of `len` rooted objects it changes: one, or two. None if there is no object.
    pub(crate) fn objects(&self, len: usize) -> Option<(usize, usize)> {
        let (from, to) = match *self {
            Change::Swap(from, _, to, _) => (from, to),
            Change::Store(from, ..) | Change::Count(from) | Change::Litter(from) => (from, from),
        };
        pick(from, len).zip(pick(to, len))
    }
}

/// Makes a change, if there is an object.
pub(crate) fn change(cx: &Mutator<'_>, roots: &[Root<Node>], change: &Change) -> Result<(), AllocError> {
    let Some((from, to)) = change.objects(roots.len()) else { return Ok(()) };
    let (node, target) = (roots[from].get(cx), roots[to].get(cx));
    match *change {
        Change::Store(_, place, to) => {
            let to = to.and_then(|to| pick(to, roots.len())).map(|to| roots[to].get(cx));
            store(cx, node, place, to);
        }
        Change::Swap(_, place, _, other) => {
            if let (Some(this), Some(that)) = (load(node, place), load(target, other)) {
                // For a moment only this thread knows what was in the first place.
                store(cx, node, place, that);
                store(cx, target, other, this);
            }
        }
        Change::Count(_) => node.count.set(node.count.get() + 1),
        Change::Litter(count) => (0..count).try_for_each(|_| litter(cx))?,
    }
    Ok(())
}

/// What a place refers to, which may be nothing; `None` if the object has no such places.
fn load<'m, 'h>(node: Gc<'m, 'h, Node>, place: Place) -> Option<Option<Gc<'m, 'h, Node>>> {
    Some(match place {
        Place::Edge(edge) => node.load(|node| &node.edges[edge]),
        Place::Link(index) => {
            let links = node.load(|node| &node.links)?;
            links.element(index % links.len())
        }
        Place::Pair(index) => {
            let pairs = node.load(|node| &node.pairs)?;
            // SAFETY: the object, and with it its array, has one thread that changes it, and that is the one that reads.
            let value: Value<'m, 'h> = unsafe { pairs.as_ref().elements()[index % pairs.len()].decode_in() };
            value.node()
        }
    })
}

fn store<'h>(cx: &Mutator<'h>, node: Gc<'_, 'h, Node>, place: Place, to: Option<Gc<'_, 'h, Node>>) {
    match place {
        Place::Edge(edge) => cx.set(node, |node| &node.edges[edge], to),
        Place::Link(index) => {
            if let Some(links) = node.load(|node| &node.links) {
                cx.set_element(links, index % links.len(), to);
            }
        }
        Place::Pair(index) => {
            if let Some(pairs) = node.load(|node| &node.pairs) {
                cx.set_pair_element(pairs, index % pairs.len(), to.into());
            }
        }
    }
}

impl Model {
    /// The same in the model.
    pub(crate) fn change(&mut self, change: &Change) {
        let Some((from, to)) = change.objects(self.roots.len()) else { return };
        let (id, target) = (self.roots[from], self.roots[to]);
        match *change {
            Change::Store(_, place, to) => {
                let to = to.and_then(|to| pick(to, self.roots.len())).map(|to| self.roots[to]);
                self.store(id, place, to);
            }
            Change::Swap(_, place, _, other) => {
                let this = self.place(id, place).map(|place| *place);
                let that = self.place(target, other).map(|other| *other);
                if let (Some(this), Some(that)) = (this, that) {
                    self.store(id, place, that);
                    self.store(target, other, this);
                }
            }
            Change::Count(_) => self.object(id).count += 1,
            Change::Litter(_) => {}
        }
    }

    fn store(&mut self, id: u64, place: Place, to: Option<u64>) {
        if let Some(place) = self.place(id, place) {
            *place = to;
        }
    }

    fn place(&mut self, id: u64, place: Place) -> Option<&mut Option<u64>> {
        let object = self.object(id);
        let (places, index) = match place {
            Place::Edge(index) => (&mut object.edges[..EDGES], index),
            Place::Pair(index) => (&mut object.pairs[..], index),
            Place::Link(index) => (&mut object.links[..], index),
        };
        let index = pick(index, places.len())?;
        places.get_mut(index)
    }
}
