//! The basic functions: `print`, `type`, `pairs`, `select`, `tonumber` and the like. Protected calls are run by the machine.

use crate::text::number::{self, Number};

use super::{Functions, run_by_machine};
use crate::string;
use crate::table;
use crate::value::{Value, raw_equal};
use crate::vm::call::Args;
use crate::vm::{Event, Failure, Vm};

/// The functions by name.
pub(super) const FUNCTIONS: Functions = &[
    ("print", print),
    ("type", type_of),
    ("tostring", tostring),
    ("tonumber", tonumber),
    ("pairs", pairs),
    ("ipairs", ipairs),
    ("next", next),
    ("select", select),
    ("rawget", rawget),
    ("rawset", rawset),
    ("rawequal", rawequal),
    ("rawlen", rawlen),
    ("getmetatable", getmetatable),
    ("setmetatable", setmetatable),
    ("pcall", run_by_machine),
    ("xpcall", run_by_machine),
    ("error", error),
    ("assert", assert),
    ("load", super::load::load),
    ("dofile", super::load::dofile),
    ("loadfile", super::load::loadfile),
    ("collectgarbage", super::gc::collectgarbage),
];

fn print(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let mut line = vm.take_buffer();
    for index in 0..args.count {
        if index > 0 {
            line.push(b'\t');
        }
        if let Some(s) = vm.arg(args, index).as_str() {
            line.extend_from_slice(string::bytes(s));
            continue;
        }
        vm.push_text(args.first + index)?;
        let top = vm.top.get() - 1;
        if let Some(s) = vm.get(top).as_str() {
            line.extend_from_slice(string::bytes(s));
        }
        vm.top.set(top);
    }
    line.push(b'\n');
    vm.committed.set(true);
    vm.files.print(&line);
    vm.give_buffer(line);
    Ok(0)
}

fn type_of(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let name = vm.check_any(args, 0)?.type_name();
    vm.give_bytes(name.as_bytes())
}

fn tostring(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    vm.check_any(args, 0)?;
    vm.push_text(args.first)?;
    Ok(1)
}

fn tonumber(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let value = vm.check_any(args, 0)?;
    if vm.arg(args, 1).is_nil() {
        let number = crate::vm::arith::to_number(value).unwrap_or(Value::NIL);
        return vm.give(number);
    }
    let base = vm.check_int(args, 1)?;
    let Some(text) = value.as_str() else { return Err(vm.wrong_type(args, 0, "string")) };
    if !(2..=36).contains(&base) {
        return Err(vm.argument_error(1, "base out of range"));
    }
    let number = number::parse_in_base(string::bytes(text), base as u32);
    vm.give(number.map_or(Value::NIL, Value::int))
}

/// A parsed number as a value.
pub(crate) fn number_value<'m, 'h>(number: Number) -> Value<'m, 'h> {
    match number {
        Number::Int(i) => Value::int(i),
        Number::Float(f) => Value::float(f),
    }
}

/// `pairs(t)` for a value without a `__pairs` handler: those are called by the machine.
fn pairs(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    vm.check_any(args, 0)?;
    vm.push(vm.runtime().load(|r| &r.next).map_or(Value::NIL, Value::native))?;
    vm.push(vm.arg(args, 0))?;
    vm.push(Value::NIL)?;
    Ok(3)
}

/// `next(t, key)`.
pub(super) fn next(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let t = vm.check_table(args, 0)?;
    match table::next(t, vm.arg(args, 1)) {
        Some(Some((key, value))) => {
            vm.push(key)?;
            vm.push(value)?;
            Ok(2)
        }
        Some(None) => vm.give(Value::NIL),
        None => Err(vm.run_error("invalid key to 'next'")),
    }
}

fn ipairs(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    vm.check_any(args, 0)?;
    vm.push(vm.runtime().load(|r| &r.ipairs_step).map_or(Value::NIL, Value::native))?;
    vm.push(vm.arg(args, 0))?;
    vm.push(Value::int(0))?;
    Ok(3)
}

/// The iterator of `ipairs`.
pub(super) fn ipairs_step(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let i = vm.check_int(args, 1)?.wrapping_add(1);
    if let Some(t) = vm.arg(args, 0).as_table() {
        let value = table::get_int(t, i);
        if !value.is_nil() || table::metatable(t).is_none() {
            if value.is_nil() {
                return vm.give(Value::NIL);
            }
            vm.push(Value::int(i))?;
            vm.push(value)?;
            return Ok(2);
        }
    }
    let key = vm.top.get();
    vm.push(Value::int(i))?;
    vm.index_slots(args.first, key)?;
    Ok(if vm.get(key + 1).is_nil() { 1 } else { 2 })
}

fn select(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    if let Some(s) = vm.arg(args, 0).as_str()
        && string::bytes(s) == b"#"
    {
        return vm.give(Value::int(args.count as i64 - 1));
    }
    let n = vm.check_int(args, 0)?;
    let extra = args.count as i64 - 1;
    let from = if n < 0 { extra + n } else { n - 1 };
    if from < 0 {
        return Err(vm.argument_error(0, "index out of range"));
    }
    // The selected arguments are the topmost slots already.
    Ok((extra - from).max(0) as usize)
}

fn rawget(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let t = vm.check_table(args, 0)?;
    vm.check_any(args, 1)?;
    vm.give(table::get(t, vm.arg(args, 1)))
}

fn rawset(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let t = vm.check_table(args, 0)?;
    vm.check_any(args, 1)?;
    vm.check_any(args, 2)?;
    vm.raw_set(t, vm.arg(args, 1), vm.arg(args, 2))?;
    vm.give(Value::table(t))
}

fn rawequal(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    vm.check_any(args, 1)?;
    vm.give(Value::bool(raw_equal(vm.arg(args, 0), vm.arg(args, 1))))
}

fn rawlen(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let value = vm.arg(args, 0);
    match (value.as_table(), value.as_str()) {
        (Some(t), _) => vm.give(Value::int(table::length(t))),
        (_, Some(s)) => vm.give(Value::int(s.len() as i64)),
        _ => Err(vm.wrong_type(args, 0, "table or string")),
    }
}

fn getmetatable(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let value = vm.check_any(args, 0)?;
    let Some(metatable) = vm.metatable_of(value) else { return vm.give(Value::NIL) };
    let shown = vm.event_of(metatable, Event::Metatable);
    vm.give(if shown.is_nil() { Value::table(metatable) } else { shown })
}

fn setmetatable(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let t = vm.check_table(args, 0)?;
    let new = vm.arg(args, 1);
    if !new.is_nil() && new.as_table().is_none() || args.count < 2 {
        return Err(vm.wrong_type(args, 1, "nil or table"));
    }
    if let Some(old) = table::metatable(t)
        && !vm.event_of(old, Event::Metatable).is_nil()
    {
        return Err(vm.native_error("cannot change a protected metatable"));
    }
    vm.cx().set(t, |t| &t.metatable, new.as_table());
    vm.give(Value::table(t))
}

fn error(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let level = vm.opt_int(args, 1, 1)?;
    let value = vm.arg(args, 0);
    if let Some(s) = value.as_str()
        && level > 0
    {
        let mut message = vm.position_text(level as usize);
        message.extend_from_slice(string::bytes(s));
        return Err(vm.raise_text(&message));
    }
    Err(vm.raise(value))
}

fn assert(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let value = vm.check_any(args, 0)?;
    if !value.is_falsy() {
        return Ok(args.count);
    }
    if args.count > 1 {
        let message = vm.arg(args, 1);
        if let Some(text) = message.as_str() {
            return Err(vm.native_error_bytes(string::bytes(text)));
        }
        return Err(vm.raise(message));
    }
    Err(vm.native_error("assertion failed!"))
}
