//! The table library but for sorting. Plain tables are handled directly; tables with metatables go through their
//! metamethods.

use super::Functions;
use crate::table as raw;
use crate::value::{Tab, Value};
use crate::vm::call::Args;
use crate::vm::{Event, Failure, Vm};

/// The functions by name.
pub(super) const FUNCTIONS: Functions = &[
    ("insert", insert),
    ("remove", remove),
    ("concat", concat),
    ("unpack", unpack),
    ("pack", pack),
    ("move", move_),
    ("sort", super::table_sort::sort),
];

impl<'h> Vm<'h> {
    /// The argument as a table without metatable.
    pub(super) fn plain_table(&self, args: Args, index: usize) -> Option<Tab<'_, 'h>> {
        self.arg(args, index).as_table().filter(|&t| raw::metatable(t).is_none())
    }

    /// Checks that the argument is a table or has the metamethods that stand in for one.
    pub(super) fn check_table_like(&self, args: Args, index: usize, events: &[Event]) -> Result<(), Failure> {
        let value = self.arg(args, index);
        if value.as_table().is_some() {
            return Ok(());
        }
        match self.metatable_of(value) {
            Some(meta) if events.iter().all(|&event| !self.event_of(meta, event).is_nil()) => Ok(()),
            _ => Err(self.wrong_type(args, index, "table")),
        }
    }

    /// The length of the table in a stack slot, as an integer.
    pub(super) fn table_length(&mut self, slot: usize) -> Result<i64, Failure> {
        if let Some(t) = self.get(slot).as_table().filter(|&t| raw::metatable(t).is_none()) {
            return Ok(raw::length(t));
        }
        let top = self.top.get();
        self.length_slot(slot)?;
        let length = crate::vm::arith::to_int(self.get(top));
        self.top.set(top);
        length.ok_or_else(|| self.native_error("object length is not an integer"))
    }

    /// Pushes `t[i]` for the table in a stack slot.
    pub(super) fn push_item(&mut self, slot: usize, i: i64) -> Result<(), Failure> {
        if let Some(t) = self.get(slot).as_table() {
            let value = raw::get_int(t, i);
            if !value.is_nil() || raw::metatable(t).is_none() {
                return self.push(value);
            }
        }
        let key = self.top.get();
        self.push(Value::int(i))?;
        self.index_slots(slot, key)?;
        self.put(key, self.get(key + 1));
        self.top.set(key + 1);
        Ok(())
    }

    /// Pops the topmost value into `t[i]` for the table in a stack slot.
    pub(super) fn pop_item(&mut self, slot: usize, i: i64) -> Result<(), Failure> {
        let value = self.top.get() - 1;
        if let Some(t) = self.get(slot).as_table()
            && raw::metatable(t).is_none()
        {
            raw::set_int(self, t, i, self.get(value))?;
        } else {
            self.push(Value::int(i))?;
            self.store_slots(slot, value + 1, value)?;
        }
        self.top.set(value);
        Ok(())
    }
}

const READ_WRITE_LENGTH: &[Event] = &[Event::Index, Event::NewIndex, Event::Len];

fn insert(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    if let Some(t) = vm.plain_table(args, 0)
        && args.count == 2
    {
        raw::set_int(vm, t, raw::length(t).wrapping_add(1), vm.arg(args, 1))?;
        return Ok(0);
    }
    vm.check_table_like(args, 0, READ_WRITE_LENGTH)?;
    let end = vm.table_length(args.first)?.wrapping_add(1);
    let position = match args.count {
        2 => end,
        3 => {
            let position = vm.check_int(args, 1)?;
            if (position as u64).wrapping_sub(1) >= end as u64 {
                return Err(vm.argument_error(1, "position out of bounds"));
            }
            position
        }
        _ => return Err(vm.native_error("wrong number of arguments to 'insert'")),
    };
    if let Some(t) = vm.plain_table(args, 0) {
        // The new last place first: after it nothing can fail.
        if position < end {
            raw::set_int(vm, t, end, raw::get_int(t, end - 1))?;
        }
        if !raw::move_items(vm, t, position, end - 1 - position, t, position + 1) {
            for i in (position + 1..end).rev() {
                raw::set_int(vm, t, i, raw::get_int(t, i - 1))?;
            }
        }
        raw::set_int(vm, t, position, vm.arg(args, 2))?;
        return Ok(0);
    }
    for i in (position + 1..=end).rev() {
        vm.push_item(args.first, i - 1)?;
        vm.pop_item(args.first, i)?;
    }
    vm.push(vm.arg(args, args.count - 1))?;
    vm.pop_item(args.first, position)?;
    Ok(0)
}

fn remove(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    vm.check_table_like(args, 0, READ_WRITE_LENGTH)?;
    let size = vm.table_length(args.first)?;
    let mut position = vm.opt_int(args, 1, size)?;
    if args.count > 1 && (size as u64).wrapping_add(1).wrapping_sub(position as u64) > size as u64 && {
        // One past the end is allowed, and position 0 of an empty table.
        !(size == 0 && (position == 0 || position == 1) || position == size.wrapping_add(1))
    } {
        return Err(vm.argument_error(0, "position out of bounds"));
    }
    if let Some(t) = vm.plain_table(args, 0) {
        vm.push(raw::get_int(t, position))?;
        if position < size && raw::move_items(vm, t, position + 1, size - position, t, position) {
            position = size;
        }
        while position < size {
            raw::set_int(vm, t, position, raw::get_int(t, position + 1))?;
            position += 1;
        }
        raw::set_int(vm, t, position, Value::NIL)?;
        return Ok(1);
    }
    vm.push_item(args.first, position)?;
    while position < size {
        vm.push_item(args.first, position + 1)?;
        vm.pop_item(args.first, position)?;
        position += 1;
    }
    vm.push(Value::NIL)?;
    vm.pop_item(args.first, position)?;
    Ok(1)
}

fn concat(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    vm.check_table_like(args, 0, &[Event::Index, Event::Len])?;
    let size = vm.table_length(args.first)?;
    let separator = if vm.arg(args, 1).is_nil() { Vec::new() } else { vm.check_bytes(args, 1)?.to_vec() };
    let first = vm.opt_int(args, 2, 1)?;
    let last = vm.opt_int(args, 3, size)?;
    let mut out = vm.take_buffer();
    let mut i = first;
    while i <= last {
        let top = vm.top.get();
        vm.push_item(args.first, i)?;
        let value = vm.get(top);
        if value.as_str().is_none() && !value.is_number() {
            let message = format!("invalid value ({}) at index {i} in table for 'concat'", vm.type_name(value));
            return Err(vm.native_error(&message));
        }
        crate::vm::concat::append_text(&mut out, value);
        vm.top.set(top);
        if i == last {
            break;
        }
        out.extend_from_slice(&separator);
        i += 1;
    }
    vm.give_built(out)
}

fn unpack(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let first = vm.opt_int(args, 1, 1)?;
    let last = if vm.arg(args, 2).is_nil() { vm.table_length(args.first)? } else { vm.check_int(args, 2)? };
    if first > last {
        return Ok(0);
    }
    let count = (last as u64).wrapping_sub(first as u64);
    if count >= crate::vm::stack::MAX_STACK as u64 - vm.top.get() as u64 {
        return Err(vm.native_error("too many results to unpack"));
    }
    for i in first..=last {
        vm.push_item(args.first, i)?;
    }
    Ok(count as usize + 1)
}

fn pack(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let t = vm.new_table()?;
    raw::reserve(vm, t, args.count, 1)?;
    for index in 0..args.count {
        raw::set_int(vm, t, index as i64 + 1, vm.arg(args, index))?;
    }
    super::set_field(vm, t, "n", Value::int(args.count as i64))?;
    vm.give(Value::table(t))
}

fn move_(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let from = vm.check_int(args, 1)?;
    let end = vm.check_int(args, 2)?;
    let to = vm.check_int(args, 3)?;
    let target = if vm.arg(args, 4).is_nil() { 0 } else { 4 };
    vm.check_table_like(args, 0, &[Event::Index])?;
    vm.check_table_like(args, target, &[Event::NewIndex])?;
    if end >= from {
        if !(from > 0 || end < i64::MAX.wrapping_add(from)) {
            return Err(vm.argument_error(2, "too many elements to move"));
        }
        let count = end - from + 1;
        if to > i64::MAX - count + 1 {
            return Err(vm.argument_error(3, "destination wrap around"));
        }
        let same = target == 0 || crate::value::raw_equal(vm.arg(args, 0), vm.arg(args, target));
        if let (Some(source), Some(target)) = (vm.plain_table(args, 0), vm.plain_table(args, target))
            && raw::move_items(vm, source, from, count, target, to)
        {
            return vm.give(Value::table(target));
        }
        let upwards = to > end || to <= from || !same;
        for step in 0..count {
            let offset = if upwards { step } else { count - 1 - step };
            vm.push_item(args.first, from + offset)?;
            vm.pop_item(args.first + target, to + offset)?;
        }
    }
    vm.give(vm.arg(args, target))
}
