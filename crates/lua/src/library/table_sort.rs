//! `table.sort`: a quicksort with a heap-free worst-case guard, on plain tables directly in the table.
//!
//! The comparison may be any Lua function, so nothing may be assumed about its consistency: indices are always checked,
//! and an order function that contradicts itself ends in an error, as in Lua, or in some order.

use crate::vm::call::Args;
use crate::vm::{Event, Failure, Vm};

/// Below this length insertion sort is used.
const SMALL: i64 = 12;

struct Sort {
    /// Slot of the table.
    table: usize,
    /// Slot of the order function, if there is one.
    order: Option<usize>,
}

/// `table.sort(t, order)`.
pub(super) fn sort(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    vm.check_table_like(args, 0, &[Event::Index, Event::NewIndex, Event::Len])?;
    let size = vm.table_length(args.first)?;
    if size < 2 {
        return Ok(0);
    }
    if size >= i64::from(i32::MAX) {
        return Err(vm.argument_error(0, "array too big"));
    }
    let order = match vm.arg(args, 1) {
        value if value.is_nil() => None,
        value if value.is_function() => Some(args.first + 1),
        _ => return Err(vm.wrong_type(args, 1, "function")),
    };
    let sort = Sort { table: args.first, order };
    vm.committed.set(true);
    sort.range(vm, 1, size)?;
    Ok(0)
}

impl Sort {
    /// Pushes item `i`; returns its slot.
    fn push(&self, vm: &mut Vm<'_>, i: i64) -> Result<usize, Failure> {
        let slot = vm.top.get();
        vm.push_item(self.table, i)?;
        Ok(slot)
    }

    /// Whether the value in slot `a` comes before the one in slot `b`.
    fn less(&self, vm: &mut Vm<'_>, a: usize, b: usize) -> Result<bool, Failure> {
        let Some(order) = self.order else { return vm.less_slots(a, b) };
        let func = vm.top.get();
        vm.push(vm.get(order))?;
        vm.push(vm.get(a))?;
        vm.push(vm.get(b))?;
        Ok(!vm.call_one(func)?.is_falsy())
    }

    /// Stores the value of a slot as item `i`.
    fn store(&self, vm: &mut Vm<'_>, i: i64, slot: usize) -> Result<(), Failure> {
        vm.push(vm.get(slot))?;
        vm.pop_item(self.table, i)
    }

    /// Exchanges two items if they are in the wrong order.
    fn arrange(&self, vm: &mut Vm<'_>, low: i64, high: i64) -> Result<(), Failure> {
        let top = vm.top.get();
        let a = self.push(vm, low)?;
        let b = self.push(vm, high)?;
        if self.less(vm, b, a)? {
            self.store(vm, low, b)?;
            self.store(vm, high, a)?;
        }
        vm.top.set(top);
        Ok(())
    }

    fn range(&self, vm: &mut Vm<'_>, mut low: i64, mut high: i64) -> Result<(), Failure> {
        while high - low >= SMALL {
            // The median of three goes to the place before the last; it splits the rest.
            let middle = low + (high - low) / 2;
            self.arrange(vm, low, middle)?;
            self.arrange(vm, middle, high)?;
            self.arrange(vm, low, middle)?;
            let top = vm.top.get();
            let pivot = self.push(vm, middle)?;
            let other = self.push(vm, high - 1)?;
            self.store(vm, middle, other)?;
            self.store(vm, high - 1, pivot)?;
            vm.top.set(pivot + 1);
            let border = self.split(vm, low, high - 1, pivot)?;
            vm.top.set(top);
            // The shorter side by recursion, so that the depth stays logarithmic.
            if border - low < high - border {
                self.range(vm, low, border - 1)?;
                low = border + 1;
            } else {
                self.range(vm, border + 1, high)?;
                high = border - 1;
            }
        }
        self.insertion(vm, low, high)
    }

    /// Splits the items between `low` and `last`, where the pivot is, and puts the pivot between; returns its place.
    fn split(&self, vm: &mut Vm<'_>, low: i64, last: i64, pivot: usize) -> Result<i64, Failure> {
        let (mut i, mut j) = (low, last);
        let top = vm.top.get();
        loop {
            let left = loop {
                i += 1;
                vm.top.set(top);
                let slot = self.push(vm, i)?;
                if !self.less(vm, slot, pivot)? {
                    break slot;
                }
                if i >= last {
                    return Err(vm.native_error("invalid order function for sorting"));
                }
            };
            let above = vm.top.get();
            let right = loop {
                j -= 1;
                vm.top.set(above);
                let slot = self.push(vm, j)?;
                if !self.less(vm, pivot, slot)? {
                    break slot;
                }
                if j <= low {
                    return Err(vm.native_error("invalid order function for sorting"));
                }
            };
            if j < i {
                // The first item that is not below the pivot changes places with it.
                self.store(vm, last, left)?;
                self.store(vm, i, pivot)?;
                vm.top.set(top);
                return Ok(i);
            }
            self.store(vm, i, right)?;
            self.store(vm, j, left)?;
        }
    }

    fn insertion(&self, vm: &mut Vm<'_>, low: i64, high: i64) -> Result<(), Failure> {
        let top = vm.top.get();
        for i in low + 1..=high {
            vm.top.set(top);
            let item = self.push(vm, i)?;
            let mut place = i;
            while place > low {
                vm.top.set(item + 1);
                let before = self.push(vm, place - 1)?;
                if !self.less(vm, item, before)? {
                    break;
                }
                self.store(vm, place, before)?;
                place -= 1;
            }
            if place != i {
                self.store(vm, place, item)?;
            }
        }
        vm.top.set(top);
        Ok(())
    }
}
