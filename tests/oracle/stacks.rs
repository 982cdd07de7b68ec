//! Operations of VM stacks.
//!
//! *Callers:* `run.rs`. *Invariants:* the slots below a stack's top are those that the model has.

use super::change::{cut, fill, find, load, store};
use super::graph::{Family, Node, Value};
use super::operation::{Operation, pick};
use super::run::Run;
use super::totals::Count;
use spanheap::{Gc, Mutator, Root, StackError};

impl Run {
    pub(super) fn operation_of_stacks(&mut self, cx: &Mutator<'_>, operation: &Operation) -> Result<(), StackError> {
        let Run { model, roots, stacks, totals, .. } = self;
        let rooted = |index: Option<usize>, ids: &[u64]| {
            let index = index.and_then(|index| pick(index, ids.len()));
            (Value::from(index.map(|index| roots[index].get(cx))), index.map(|index| ids[index]))
        };
        match *operation {
            Operation::NewStack(slots) => {
                stacks.push(cx.root(cx.alloc_stack::<Family>(slots)?));
                model.stacks.push(Vec::new());
            }
            Operation::EndStack(index, free) => {
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
            Operation::Switch(to) => {
                model.running = to.and_then(|to| pick(to, stacks.len()));
                cx.switch_stack(model.running.map(|to| stacks[to].get(cx)));
            }
            Operation::Push(count, what) => {
                let Some(running) = model.running else { return Ok(()) };
                let (stack, slots) = (stacks[running].get(cx), &mut model.stacks[running]);
                let (top, (value, id)) = (slots.len(), rooted(what, &model.roots));
                cx.grow_stack(stack, top + count, |_, _| totals.add(Count::moved_stacks, 1))?;
                for slot in &stack.slots()[top..top + count] {
                    // SAFETY: this mutator runs on the stack.
                    unsafe { slot.store_running(value) };
                    slots.push(id);
                }
                stack.set_top(slots.len());
            }
            Operation::Pop(count) => {
                let Some(running) = model.running else { return Ok(()) };
                let slots = &mut model.stacks[running];
                slots.truncate(slots.len().saturating_sub(count));
                let stack = stacks[running].get(cx);
                if slots.len() < stack.frozen() {
                    cx.set_frozen(stack, slots.len());
                }
                stack.set_top(slots.len());
            }
            Operation::Freeze(count) => {
                let Some(running) = model.running else { return Ok(()) };
                cx.set_frozen(stacks[running].get(cx), count.min(model.stacks[running].len()));
            }
            Operation::Write(index, slot, what, direct) => {
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
            Operation::FillSlots(index, begin, count, what) => {
                let Some(index) = pick(index, stacks.len()) else { return Ok(()) };
                let (stack, slots) = (stacks[index].get(cx), &mut model.stacks[index]);
                let Some(begin) = pick(begin, slots.len()) else { return Ok(()) };
                let range = begin..slots.len().min(begin + count);
                let (value, id) = rooted(what, &model.roots);
                cx.fill_stack_slots(stack, range.clone(), value);
                slots[range].fill(id);
            }
            Operation::Take(target, place) => {
                let (Some(running), Some(id)) = (model.running, model.find(target)) else { return Ok(()) };
                let Some(held) = model.load(id, place) else { return Ok(()) };
                let (stack, top) = (stacks[running].get(cx), model.stacks[running].len());
                cx.grow_stack(stack, top + 1, |_, _| totals.add(Count::moved_stacks, 1))?;
                let node = find(cx, roots, target).expect("the model has the object");
                let value = load(node, place).expect("the model has the place");
                // SAFETY: this mutator runs on the stack.
                unsafe { stack.slots()[top].store_running(value.into()) };
                stack.set_top(top + 1);
                store(cx, node, place, None);
                model.stacks[running].push(held);
                model.store(id, place, None);
            }
            Operation::Put(target, place) => {
                let Some(id) = model.find(target) else { return Ok(()) };
                let Some(held) = self.pop(cx, |cx, roots, held| {
                    store(cx, find(cx, roots, target).expect("the model has the object"), place, held);
                }) else {
                    return Ok(());
                };
                self.model.store(id, place, held);
            }
            Operation::Spread(target, row, begin, count) => {
                let Some(id) = model.find(target) else { return Ok(()) };
                let range = cut(begin, count, model.row(id, row).len());
                let Some(held) = self.pop(cx, |cx, roots, held| {
                    fill(cx, row, find(cx, roots, target).expect("the model has the object"), range.clone(), held);
                }) else {
                    return Ok(());
                };
                self.model.row(id, row)[range].fill(held);
            }
            Operation::Move(index, grow) => {
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
                totals.add(Count::moved_stacks, moves);
            }
            _ => unreachable!("{operation:?} has nothing to do with stacks"),
        }
        Ok(())
    }

    /// Takes the topmost slot off the running stack, if there is one, after `store` has seen to what it referred to. Returns what
    /// that was.
    fn pop<'h>(
        &mut self,
        cx: &Mutator<'h>,
        store: impl FnOnce(&Mutator<'h>, &[Root<Node>], Option<Gc<'_, 'h, Node>>),
    ) -> Option<Option<u64>> {
        let running = self.model.running?;
        let held = self.model.stacks[running].pop()?;
        let (stack, top) = (self.stacks[running].get(cx), self.model.stacks[running].len());
        // SAFETY: this mutator runs on the stack, and the slot lies below its top.
        let value: Value<'_, '_> = unsafe { stack.slots()[top].decode_in() };
        store(cx, &self.roots, value.node());
        if top < stack.frozen() {
            cx.set_frozen(stack, top);
        }
        stack.set_top(top);
        Some(held)
    }
}
