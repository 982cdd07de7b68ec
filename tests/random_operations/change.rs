//! A change of one object, on the heap and in the model.
//!
//! *Callers:* `run.rs`: the thread that runs a history, and others beside it. *Invariants:* a change reads and writes the places
//! of one rooted object, or of two, and no two threads change the same object at once; an object's arrays are its own.

use crate::graph::{EDGES, Model, Node, Shape, Value, make};
use crate::steps::{Change, Place, Row};
use spanheap::{AllocError, Gc, Mutator, Root};
use std::ops::Range;

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
            Change::Swap(from, _, to, _) | Change::Copy(from, .., to, _) | Change::Exchange(from, .., to, _) => {
                (from, to)
            }
            Change::Store(from, ..)
            | Change::Rotate(from, ..)
            | Change::Fill(from, ..)
            | Change::Count(from)
            | Change::Litter(from) => (from, from),
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
        Change::Litter(count) => (0..count).try_for_each(|_| litter(cx))?,
    }
    Ok(())
}

/// The range that begins at element `begin` of `len`, if there were more of them, and is no longer than `count`.
fn cut(begin: usize, count: usize, len: usize) -> Range<usize> {
    let begin = pick(begin, len).unwrap_or(0);
    begin..len.min(begin + count)
}

impl Row {
    fn place(self, index: usize) -> Place {
        match self {
            Row::Pairs => Place::Pair(index),
            Row::Links => Place::Link(index),
        }
    }
}

/// How many elements the row has; 0 if the object has none.
fn len(node: Gc<'_, '_, Node>, row: Row) -> usize {
    match row {
        Row::Pairs => node.load(|node| &node.pairs).map_or(0, |pairs| pairs.len()),
        Row::Links => node.load(|node| &node.links).map_or(0, |links| links.len()),
    }
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

fn fill<'h>(cx: &Mutator<'h>, row: Row, node: Gc<'_, 'h, Node>, range: Range<usize>, to: Option<Gc<'_, 'h, Node>>) {
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

    fn store(&mut self, id: u64, place: Place, to: Option<u64>) {
        if let Some(place) = self.place(id, place) {
            *place = to;
        }
    }

    fn row(&mut self, id: u64, row: Row) -> &mut [Option<u64>] {
        let object = self.object(id);
        match row {
            Row::Pairs => &mut object.pairs,
            Row::Links => &mut object.links,
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
