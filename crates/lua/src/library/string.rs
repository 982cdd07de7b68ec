//! The simple half of the string library: lengths, parts, cases, bytes. Patterns are in `string_match`, `format` is in
//! `string_format`.

use super::Functions;
use crate::value::Value;
use crate::vm::call::Args;
use crate::vm::concat::MAX_STRING;
use crate::vm::{Failure, Vm};

/// The functions by name.
pub(super) const FUNCTIONS: Functions = &[
    ("len", len),
    ("sub", sub),
    ("upper", upper),
    ("lower", lower),
    ("rep", rep),
    ("reverse", reverse),
    ("byte", byte),
    ("char", char),
    ("format", super::string_format::format),
    ("find", super::string_match::find),
    ("match", super::string_match::match_),
    ("gmatch", super::string_match::gmatch),
    ("gsub", super::string_match::gsub),
];

/// A start position as Lua counts, from 1 or from the end, as an offset from 0.
pub(super) fn start_offset(position: i64, len: usize) -> usize {
    if position > 0 {
        usize::try_from(position - 1).unwrap_or(usize::MAX)
    } else if position == 0 {
        0
    } else {
        len.saturating_sub(usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX))
    }
}

/// An end position as Lua counts, inclusive, as an exclusive offset.
fn end_offset(position: i64, len: usize) -> usize {
    if position >= 0 {
        usize::try_from(position).unwrap_or(usize::MAX).min(len)
    } else {
        (len + 1).saturating_sub(usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX))
    }
}

fn len(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let len = vm.check_str(args, 0)?.len();
    vm.give(Value::int(len as i64))
}

fn sub(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let text = vm.check_bytes(args, 0)?;
    let start = start_offset(vm.check_int(args, 1)?, text.len());
    let end = end_offset(vm.opt_int(args, 2, -1)?, text.len());
    vm.give_bytes(text.get(start..end).unwrap_or(b""))
}

fn upper(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let mut out = vm.take_buffer();
    out.extend(vm.check_bytes(args, 0)?.iter().map(u8::to_ascii_uppercase));
    vm.give(Value::str(vm.finish_string(out)?))
}

fn lower(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let mut out = vm.take_buffer();
    out.extend(vm.check_bytes(args, 0)?.iter().map(u8::to_ascii_lowercase));
    vm.give(Value::str(vm.finish_string(out)?))
}

fn reverse(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let mut out = vm.take_buffer();
    out.extend(vm.check_bytes(args, 0)?.iter().rev());
    vm.give(Value::str(vm.finish_string(out)?))
}

fn rep(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let text = vm.check_bytes(args, 0)?;
    let count = vm.check_int(args, 1)?;
    let separator = if vm.arg(args, 2).is_nil() { b"" } else { vm.check_bytes(args, 2)? };
    if count <= 0 {
        return vm.give_bytes(b"");
    }
    let count = count as usize;
    let total = (text.len() + separator.len()).checked_mul(count).map(|total| total - separator.len());
    let Some(total) = total.filter(|&total| total <= MAX_STRING) else {
        return Err(vm.native_error("resulting string too large"));
    };
    if total <= crate::string::SHORT_LIMIT {
        let mut out = vm.take_buffer();
        for index in 0..count {
            if index > 0 {
                out.extend_from_slice(separator);
            }
            out.extend_from_slice(text);
        }
        return vm.give(Value::str(vm.finish_string(out)?));
    }
    let made = vm.string_with(total, |place| {
        let step = text.len() + separator.len();
        for (index, part) in place.chunks_mut(step.max(1)).enumerate() {
            part[..text.len()].copy_from_slice(text);
            if index + 1 < count {
                part[text.len()..].copy_from_slice(separator);
            }
        }
    })?;
    vm.give(Value::str(made))
}

fn byte(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let text = vm.check_bytes(args, 0)?;
    let from = vm.opt_int(args, 1, 1)?;
    let start = start_offset(from, text.len());
    let end = end_offset(vm.opt_int(args, 2, from)?, text.len());
    let part = text.get(start..end).unwrap_or(b"");
    if from == 0 && args.count < 3 {
        return Ok(0);
    }
    for &byte in part {
        vm.push(Value::int(i64::from(byte)))?;
    }
    Ok(part.len())
}

fn char(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let mut out = vm.take_buffer();
    for index in 0..args.count {
        let Ok(byte) = u8::try_from(vm.check_int(args, index)?) else {
            return Err(vm.argument_error(index, "value out of range"));
        };
        out.push(byte);
    }
    vm.give(Value::str(vm.finish_string(out)?))
}
