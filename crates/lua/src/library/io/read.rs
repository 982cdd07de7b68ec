//! Reading from files: the formats of `read`, and the iterators of `lines`.

use super::file::OpenFile;
use super::{CLOSED, cannot_open, check_open, close_file, default_input, give_file, on_file, open_file, refuse};
use crate::library::LINES_STEP;
use crate::library::base::number_value;
use crate::string;
use crate::table;
use crate::value::{Kind, Value, read};
use crate::vm::call::Args;
use crate::vm::{Failure, Vm};

pub(super) fn read_default(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let handle = default_input(vm)?;
    read_formats(vm, handle, args.first, args.count, 0)
}

pub(super) fn read_method(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let handle = check_open(vm, args, 0)?;
    read_formats(vm, handle, args.first + 1, args.count - 1, 1)
}

/// What one format of `read` asks for.
enum Format {
    Number,
    Line { keep: bool },
    All,
    Count(usize),
}

fn parse_format(vm: &Vm<'_>, slot: usize, argument: usize) -> Result<Format, Failure> {
    let value = vm.get(slot);
    if let Kind::Str(s) = value.kind() {
        let text = string::bytes(s);
        return match text.strip_prefix(b"*").unwrap_or(text).first() {
            Some(b'n') => Ok(Format::Number),
            Some(b'l') => Ok(Format::Line { keep: false }),
            Some(b'L') => Ok(Format::Line { keep: true }),
            Some(b'a') => Ok(Format::All),
            _ => Err(vm.argument_error(argument, "invalid format")),
        };
    }
    match crate::vm::arith::to_int(value) {
        Some(count) => Ok(Format::Count(usize::try_from(count).unwrap_or(0))),
        None if value.is_number() => Err(vm.argument_error(argument, "number has no integer representation")),
        None => Err(vm.argument_type_error(argument, "string", Some(value))),
    }
}

/// Reads by the `count` formats in the slots from `first`; `skipped` arguments stand before them.
fn read_formats(vm: &mut Vm<'_>, handle: u32, first: usize, count: usize, skipped: usize) -> Result<usize, Failure> {
    if count == 0 {
        return read_one(vm, handle, Format::Line { keep: false });
    }
    for index in 0..count {
        let format = parse_format(vm, first + index, index + skipped)?;
        let given = read_one(vm, handle, format)?;
        if given > 1 {
            return Ok(given);
        }
        if vm.get(vm.top.get() - 1).is_nil() {
            return Ok(index + 1);
        }
    }
    Ok(count)
}

/// Pushes what one format reads: the value, nil at the end of the file, or nil, message and number of an error.
fn read_one(vm: &mut Vm<'_>, handle: u32, format: Format) -> Result<usize, Failure> {
    if let Format::Number = format {
        return match on_file(vm, handle, OpenFile::read_number) {
            Ok(number) => vm.give(number.map_or(Value::NIL, number_value)),
            Err(error) => refuse(vm, &error, None),
        };
    }
    let mut text = vm.take_buffer();
    let outcome = on_file(vm, handle, |file| match format {
        Format::Line { keep } => file.read_line(&mut text, keep),
        Format::Count(count) => file.read_count(&mut text, count),
        Format::All | Format::Number => file.read_all(&mut text).map(|()| true),
    });
    match outcome {
        Ok(true) => vm.give_built(text),
        Ok(false) => {
            vm.give_buffer(text);
            vm.give(Value::NIL)
        }
        Err(error) => refuse(vm, &error, None),
    }
}

/// Makes the iterator over the file in slot `file`, with the formats in the slots from `first`.
fn make_lines(vm: &mut Vm<'_>, file: usize, first: usize, count: usize, close: bool) -> Result<(), Failure> {
    if count > 250 {
        return Err(vm.argument_error(251, "too many arguments"));
    }
    let formats = if count == 0 {
        Value::NIL
    } else {
        let t = vm.new_table()?;
        for index in 0..count {
            table::set_int(vm, t, index as i64 + 1, vm.get(first + index))?;
        }
        Value::table(t)
    };
    let iterator = vm.new_native(LINES_STEP, vm.get(file), formats)?;
    iterator.state.set(u64::from(close));
    vm.push(Value::native(iterator))
}

/// `io.lines(name, ...)`.
pub(super) fn lines(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let file = vm.top.get();
    if vm.arg(args, 0).is_nil() {
        default_input(vm)?;
        let input = vm.runtime().load(|r| &r.input);
        vm.push(input.map_or(Value::NIL, Value::userdata))?;
        make_lines(vm, file, args.first + 1, args.count.saturating_sub(1), false)?;
        return Ok(1);
    }
    let name = vm.check_bytes(args, 0)?.to_vec();
    match open_file(&name, b"r") {
        Ok(opened) => give_file(vm, opened)?,
        Err(error) => {
            let message = cannot_open(&name, &error);
            return Err(vm.native_error(&message));
        }
    };
    make_lines(vm, file, args.first + 1, args.count - 1, true)?;
    vm.push(Value::NIL)?;
    vm.push(Value::NIL)?;
    vm.push(vm.get(file))?;
    Ok(4)
}

pub(super) fn lines_method(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    check_open(vm, args, 0)?;
    make_lines(vm, args.first, args.first + 1, args.count - 1, false)?;
    Ok(1)
}

/// The iterator of `lines`. Its state says whether it closes the file at the end.
pub(in crate::library) fn lines_step(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let Some(own) = vm.get(args.first - 1).as_native() else { return Ok(0) };
    let (file, formats, close) = (read(&own.as_ref().first).as_userdata(), read(&own.as_ref().second), own.state.get());
    let Some(file) = file else { return Ok(0) };
    let handle = file.handle.get();
    if handle == CLOSED {
        return Err(vm.native_error("file is already closed"));
    }
    let first = vm.top.get();
    let count = match formats.as_table() {
        Some(t) => {
            let count = table::length(t) as usize;
            for index in 0..count {
                vm.push(table::get_int(t, index as i64 + 1))?;
            }
            count
        }
        None => {
            let mut text = vm.take_buffer();
            if let Some(line) = vm.files.get(handle).and_then(OpenFile::buffered_line) {
                text.extend_from_slice(line);
                return vm.give_built(text);
            }
            vm.give_buffer(text);
            0
        }
    };
    let given = read_formats(vm, handle, first, count, 1)?;
    let result = vm.top.get() - given;
    if vm.get(result).is_nil() {
        if given > 1
            && let Some(message) = vm.get(result + 1).as_str()
        {
            let message = string::bytes(message).to_vec();
            return Err(vm.native_error_bytes(&message));
        }
        if close != 0 {
            let file = vm.get(args.first - 1).as_native().and_then(|own| read(&own.as_ref().first).as_userdata());
            if let Some(file) = file {
                file.handle.set(CLOSED);
            }
            let _ = close_file(vm, handle);
        }
        return Ok(0);
    }
    Ok(given)
}
