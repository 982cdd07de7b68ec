//! Whether the heap is what the model says.
//!
//! *Callers:* `run.rs`, after every collection that was waited for. *Invariants:* one mutator is attached, so that nothing changes
//! meanwhile.

use super::graph::{Ballast, Links, Model, Node, Object, Pairs, Registers, end_of_chain, text_of};
use spanheap::{Bytes, CycleReport, Gc, Mutator, Root};
use std::collections::BTreeSet;

/// Walks all that roots and stacks reach, and compares every reference, number and text with the model.
pub(crate) fn compare(cx: &Mutator<'_>, model: &Model, roots: &[Root<Node>], stacks: &[Root<Registers>]) {
    let mut queue: Vec<(Option<Gc<Node>>, Option<u64>)> = Vec::new();
    assert_eq!((roots.len(), stacks.len()), (model.roots.len(), model.stacks.len()));
    queue.extend(roots.iter().zip(&model.roots).map(|(root, &id)| (Some(root.get(cx)), Some(id))));
    for (stack, expected) in stacks.iter().zip(&model.stacks) {
        let stack = stack.get(cx);
        assert_eq!(stack.top(), expected.len());
        for (slot, &id) in stack.as_ref().slots().iter().zip(expected) {
            // SAFETY: one mutator; the slot lies below the top.
            queue.push((unsafe { slot.decode_in() }.node(), id));
        }
    }
    let mut seen = BTreeSet::new();
    while let Some((node, id)) = queue.pop() {
        assert_eq!(node.map(|node| node.id), id, "a reference is not the one that was stored");
        let Some(node) = node.filter(|node| seen.insert(node.id)) else { continue };
        let object = &model.objects[&node.id];
        let inside = node.addr() + size_of::<Node>() - 1;
        assert_eq!(cx.resolve(inside).map(|found| found.slot), Some(node.addr()), "a word in the object is not its");
        assert_eq!(node.count.get(), object.count);
        for (edge, &id) in object.edges.iter().enumerate() {
            queue.push((node.load(|node| &node.edges[edge]), id));
        }
        let pairs = node.load(|node| &node.pairs).map_or(&[][..], |pairs| pairs.as_ref().elements());
        assert_eq!(pairs.len(), object.pairs.len());
        for (pair, &id) in pairs.iter().zip(&object.pairs) {
            // SAFETY: one mutator; the array is alive.
            queue.push((unsafe { pair.decode_in() }.node(), id));
        }
        let links = node.load(|node| &node.links);
        assert_eq!(links.map_or(0, |links| links.len()), object.links.len());
        queue.extend(object.links.iter().enumerate().map(|(n, &id)| (links.and_then(|links| links.element(n)), id)));
        let end = end_of_chain(node);
        assert_eq!(end.is_some(), object.chain > 0);
        queue.push((end.and_then(|end| end.load(|link| &link.far)), object.far[0]));
        let text = node.load(|node| &node.text).map_or(&[][..], |text| text.as_ref().elements());
        assert!(text == text_of(node.id, object.text), "the text of {} has changed", node.id);
    }
}

/// Compares what a collection found alive, by type, with what the model reaches, which is all that it keeps. `links`:
/// of chains that are nobody's.
pub(crate) fn compare_report(report: &CycleReport, model: &mut Model, links: u64) {
    let reachable = model.reachable();
    model.objects.retain(|id, _| reachable.contains(id));
    let having = |part: fn(&Object) -> usize| model.objects.values().filter(|object| part(object) > 0).count() as u64;
    assert_eq!(report.live_of::<Node>(), reachable.len() as u64);
    assert_eq!(report.live_of::<Pairs>(), having(|object| object.pairs.len()));
    assert_eq!(report.live_of::<Links>(), having(|object| object.links.len()));
    assert_eq!(report.live_of::<Bytes>(), having(|object| object.text));
    let chains: usize = model.objects.values().map(|object| object.chain).sum();
    assert_eq!(report.live_of::<Ballast>(), links + chains as u64);
    assert_eq!(report.live_of::<Registers>(), model.stacks.len() as u64);
}
