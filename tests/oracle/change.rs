//! A change of one object, on the heap and in the model.
//!
//! *Callers:* the thread that runs a stream, and others beside it. *Invariants:* a change reads and writes the places of one
//! object, or of two, and no two threads change the same object at once; an object's arrays and its chain are its own.

use super::graph::{Model, Node, Value, end_of_chain, make};
use super::operation::{Change, Place, Row, Shape, Target, pick};
use spanheap::{AllocError, Gc, Mutator, Root};
use std::ops::Range;

/// The object that is meant, if there is any.
pub(crate) fn find<'m, 'h>(cx: &'m Mutator<'h>, roots: &[Root<Node>], target: Target) -> Option<Gc<'m, 'h, Node>> {
    let root = roots[pick(target.root, roots.len())?].get(cx);
    let behind = target.through.and_then(|place| load(root, place)).flatten();
    Some(behind.unwrap_or(root))
}

/// An object that nothing will hold.
pub(crate) fn litter(cx: &Mutator<'_>) -> Result<(), AllocError> {
    make(cx, u64::MAX, Shape::default()).map(drop)
}

impl Change {
    /// The objects that it is about: twice the same where it is one.
    pub(crate) fn targets(&self) -> Option<(Target, Target)> {
        match *self {
            Change::Swap(from, _, to, _) | Change::Copy(from, .., to, _) | Change::Exchange(from, .., to, _) => {
                Some((from, to))
            }
            Change::Store(from, ..) | Change::Rotate(from, ..) | Change::Fill(from, ..) | Change::Count(from) => {
                Some((from, from))
            }
            Change::Litter(_) => None,
        }
    }
}

/// Makes a change, if there is an object.
pub(crate) fn change(cx: &Mutator<'_>, roots: &[Root<Node>], change: &Change) -> Result<(), AllocError> {
    if let Change::Litter(count) = *change {
        return (0..count).try_for_each(|_| litter(cx));
    }
    let Some((from, to)) = change.targets() else { return Ok(()) };
    let Some((node, target)) = find(cx, roots, from).zip(find(cx, roots, to)) else { return Ok(()) };
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
        Change::Rotate(_, row, begin, count) => {
            let range = cut(begin, count, len(node, row));
            if let (Some(first), Some(last)) = (range.clone().next(), range.clone().next_back()) {
                // For a moment only this thread knows what was last.
                let kept = load(node, row.place(last)).expect("the object has the row");
                copy(cx, row, node, first..last, node, first + 1);
                store(cx, node, row.place(first), kept);
            }
        }
        Change::Exchange(_, row, begin, count, _, at) if node != target => {
            let range = cut(begin, count, len(node, row));
            let other = cut(at, range.len(), len(target, row));
            let range = range.start..range.start + other.len();
            // For a moment only this thread knows what was in the first range.
            let held: Vec<_> = range.clone().map(|index| load(node, row.place(index)).flatten()).collect();
            copy(cx, row, target, other.clone(), node, range.start);
            other.zip(held).for_each(|(index, held)| store(cx, target, row.place(index), held));
        }
        Change::Exchange(..) => {}
        Change::Copy(_, row, begin, count, _, at) => {
            let range = cut(begin, count, len(node, row));
            let to = cut(at, range.len(), len(target, row));
            copy(cx, row, node, range.start..range.start + to.len(), target, to.start);
        }
        Change::Fill(_, row, begin, count, to) => {
            let to = to.and_then(|to| pick(to, roots.len())).map(|to| roots[to].get(cx));
            fill(cx, row, node, cut(begin, count, len(node, row)), to);
        }
        Change::Count(_) => node.count.set(node.count.get() + 1),
        Change::Litter(_) => {}
    }
    Ok(())
}

/// The range that begins at element `begin` of `len`, if there were more of them, and is no longer than `count`.
pub(crate) fn cut(begin: usize, count: usize, len: usize) -> Range<usize> {
    let begin = pick(begin, len).unwrap_or(0);
    begin..len.min(begin + count)
}

/// How many elements the row has; 0 if the object has none.
fn len(node: Gc<'_, '_, Node>, row: Row) -> usize {
    match row {
        Row::Pairs => node.load(|node| &node.pairs).map_or(0, |pairs| pairs.len()),
        Row::Links => node.load(|node| &node.links).map_or(0, |links| links.len()),
    }
}

/// Makes a row longer where it lies. False if there is none, or no room.
pub(crate) fn grow<'h>(cx: &Mutator<'h>, row: Row, node: Gc<'_, 'h, Node>, more: usize) -> Result<bool, AllocError> {
    let grown = match row {
        Row::Pairs => node.load(|node| &node.pairs).map(|pairs| cx.grow_array(pairs, pairs.len() + more)),
        Row::Links => node.load(|node| &node.links).map(|links| cx.grow_array(links, links.len() + more)),
    };
    grown.unwrap_or(Ok(false))
}

fn copy<'h>(cx: &Mutator<'h>, row: Row, from: Gc<'_, 'h, Node>, range: Range<usize>, to: Gc<'_, 'h, Node>, at: usize) {
    match row {
        Row::Pairs => {
            let rows = from.load(|node| &node.pairs).zip(to.load(|node| &node.pairs));
            rows.into_iter().for_each(|(from, to)| cx.copy_pair_elements(from, range.clone(), to, at));
        }
        Row::Links => {
            let rows = from.load(|node| &node.links).zip(to.load(|node| &node.links));
            rows.into_iter().for_each(|(from, to)| cx.copy_elements(from, range.clone(), to, at));
        }
    }
}

pub(crate) fn fill<'h>(
    cx: &Mutator<'h>,
    row: Row,
    node: Gc<'_, 'h, Node>,
    range: Range<usize>,
    to: Option<Gc<'_, 'h, Node>>,
) {
    let (pairs, links) = (node.load(|node| &node.pairs), node.load(|node| &node.links));
    match (row, pairs, links) {
        (Row::Pairs, Some(pairs), _) => match to {
            Some(to) => cx.fill_pair_elements(pairs, range, Value::Node(to)),
            None => cx.clear_pair_elements(pairs, range),
        },
        (Row::Links, _, Some(links)) => match to {
            Some(to) => cx.fill_elements(links, range, Some(to)),
            None => cx.clear_elements(links, range),
        },
        _ => {}
    }
}

/// What a place refers to, which may be nothing; `None` if the object has no such places.
pub(crate) fn load<'m, 'h>(node: Gc<'m, 'h, Node>, place: Place) -> Option<Option<Gc<'m, 'h, Node>>> {
    Some(match place {
        Place::Edge(edge) => node.load(|node| &node.edges[edge]),
        Place::Far => end_of_chain(node)?.load(|link| &link.far),
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

pub(crate) fn store<'h>(cx: &Mutator<'h>, node: Gc<'_, 'h, Node>, place: Place, to: Option<Gc<'_, 'h, Node>>) {
    match place {
        Place::Edge(edge) => cx.set(node, |node| &node.edges[edge], to),
        Place::Far => {
            if let Some(end) = end_of_chain(node) {
                cx.set(end, |link| &link.far, to);
            }
        }
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
        let Some((from, to)) = change.targets() else { return };
        let Some((id, target)) = self.find(from).zip(self.find(to)) else { return };
        match *change {
            Change::Store(_, place, to) => {
                let to = to.and_then(|to| pick(to, self.roots.len())).map(|to| self.roots[to]);
                self.store(id, place, to);
            }
            Change::Swap(_, place, _, other) => {
                if let (Some(this), Some(that)) = (self.load(id, place), self.load(target, other)) {
                    self.store(id, place, that);
                    self.store(target, other, this);
                }
            }
            Change::Rotate(_, row, begin, count) => {
                let places = self.row(id, row);
                let range = cut(begin, count, places.len());
                if !range.is_empty() {
                    places[range].rotate_right(1);
                }
            }
            Change::Exchange(_, row, begin, count, _, at) if id != target => {
                let range = cut(begin, count, self.row(id, row).len());
                let held = self.row(id, row)[range.clone()].to_vec();
                let places = self.row(target, row);
                let other = cut(at, held.len(), places.len());
                let copied = places[other.clone()].to_vec();
                places[other.clone()].copy_from_slice(&held[..other.len()]);
                self.row(id, row)[range][..copied.len()].copy_from_slice(&copied);
            }
            Change::Exchange(..) => {}
            Change::Copy(_, row, begin, count, _, at) => {
                let range = cut(begin, count, self.row(id, row).len());
                let copied = self.row(id, row)[range].to_vec();
                let places = self.row(target, row);
                let to = cut(at, copied.len(), places.len());
                places[to.clone()].copy_from_slice(&copied[..to.len()]);
            }
            Change::Fill(_, row, begin, count, to) => {
                let to = to.and_then(|to| pick(to, self.roots.len())).map(|to| self.roots[to]);
                let places = self.row(id, row);
                let range = cut(begin, count, places.len());
                places[range].fill(to);
            }
            Change::Count(_) => self.object(id).count += 1,
            Change::Litter(_) => {}
        }
    }

    /// What a place refers to, which may be nothing; `None` if the object has no such places.
    pub(crate) fn load(&mut self, id: u64, place: Place) -> Option<Option<u64>> {
        self.place(id, place).copied()
    }

    pub(crate) fn store(&mut self, id: u64, place: Place, to: Option<u64>) {
        if let Some(place) = self.place(id, place) {
            *place = to;
        }
    }

    pub(crate) fn row(&mut self, id: u64, row: Row) -> &mut [Option<u64>] {
        let object = self.object(id);
        match row {
            Row::Pairs => &mut object.pairs,
            Row::Links => &mut object.links,
        }
    }

    fn place(&mut self, id: u64, place: Place) -> Option<&mut Option<u64>> {
        let object = self.object(id);
        let (places, index) = match place {
            Place::Edge(index) => (&mut object.edges[..], index),
            Place::Far => (&mut object.far[..object.chain.min(1)], 0),
            Place::Pair(index) => (&mut object.pairs[..], index),
            Place::Link(index) => (&mut object.links[..], index),
        };
        let index = pick(index, places.len())?;
        places.get_mut(index)
    }
}
