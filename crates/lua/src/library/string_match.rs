//! Pattern matching: `find`, `match`, `gmatch` and `gsub`.

use crate::text::pattern::{Capture, MatchCursor, Matcher, PatternError, expand_replacement, find_plain, has_specials};

use super::GMATCH_STEP;
use super::string::start_offset;
use crate::string;
use crate::table;
use crate::value::{Kind, Value, read};
use crate::vm::call::Args;
use crate::vm::{Failure, Vm};

impl<'h> Vm<'h> {
    fn pattern_error(&self, error: PatternError) -> Failure {
        self.native_error(&error.to_string())
    }

    fn capture(&self, subject: &[u8], capture: Capture) -> Result<Value<'_, 'h>, Failure> {
        Ok(match capture {
            Capture::Span { start, end } => Value::str(self.string(&subject[start..end])?),
            Capture::Position(position) => Value::int(position as i64),
        })
    }

    fn push_captures(&self, subject: &[u8], captures: &[Capture]) -> Result<usize, Failure> {
        for &capture in captures {
            self.push(self.capture(subject, capture)?)?;
        }
        Ok(captures.len())
    }
}

/// `string.find(s, pattern, init, plain)`.
pub(super) fn find(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    search(vm, args, true)
}

/// `string.match(s, pattern, init)`.
pub(super) fn match_(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    search(vm, args, false)
}

fn search(vm: &Vm<'_>, args: Args, find: bool) -> Result<usize, Failure> {
    let subject = vm.check_bytes(args, 0)?;
    let pattern = vm.check_bytes(args, 1)?;
    let start = start_offset(vm.opt_int(args, 2, 1)?, subject.len());
    if start > subject.len() {
        return vm.give(Value::NIL);
    }
    if find && (!vm.arg(args, 3).is_falsy() || !has_specials(pattern)) {
        return match find_plain(subject, pattern, start) {
            Some(at) => {
                vm.push(Value::int(at as i64 + 1))?;
                vm.push(Value::int((at + pattern.len()) as i64))?;
                Ok(2)
            }
            None => vm.give(Value::NIL),
        };
    }
    let mut matcher = Matcher::new(pattern);
    let found = matcher.find(subject, start).map_err(|error| vm.pattern_error(error))?;
    if found.is_some() {
        matcher.check_captures().map_err(|error| vm.pattern_error(error))?;
    }
    match found {
        Some((from, to)) if find => {
            vm.push(Value::int(from as i64 + 1))?;
            vm.push(Value::int(to as i64))?;
            Ok(2 + vm.push_captures(subject, matcher.captures())?)
        }
        Some(_) => vm.push_captures(subject, matcher.values()),
        None => vm.give(Value::NIL),
    }
}

/// `string.gmatch(s, pattern, init)`.
pub(super) fn gmatch(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let subject = vm.check_str(args, 0)?;
    let pattern = vm.check_str(args, 1)?;
    let start = start_offset(vm.opt_int(args, 2, 1)?, subject.len()).min(subject.len() + 1);
    let iterator = vm.new_native(GMATCH_STEP, Value::str(subject), Value::str(pattern))?;
    iterator.state.set(start as u64);
    vm.give(Value::native(iterator))
}

/// The iterator of `gmatch`. Its state holds the offset to go on from in the low half, and the end of the last match plus
/// one in the high half.
pub(super) fn gmatch_step(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let Some(own) = vm.get(args.first - 1).as_native() else { return Ok(0) };
    let (Some(subject), Some(pattern)) = (read(&own.as_ref().first).as_str(), read(&own.as_ref().second).as_str())
    else {
        return Ok(0);
    };
    let subject = string::bytes(subject);
    let mut matcher = Matcher::unanchored(string::bytes(pattern));
    let mut from = own.state.get() as u32 as usize;
    let last = (own.state.get() >> 32) as usize;
    loop {
        let found = matcher.find(subject, from).map_err(|error| vm.pattern_error(error))?;
        let Some((start, end)) = found else {
            own.state.set(subject.len() as u64 + 1);
            return Ok(0);
        };
        if end + 1 != last {
            matcher.check_captures().map_err(|error| vm.pattern_error(error))?;
            let count = vm.push_captures(subject, matcher.values())?;
            // Now that nothing can fail: the function runs again where memory was short.
            own.state.set(end as u64 | (end as u64 + 1) << 32);
            return Ok(count);
        }
        from = start + 1;
    }
}

/// `string.gsub(s, pattern, replacement, n)`.
pub(super) fn gsub(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let len = vm.check_str(args, 0)?.len();
    vm.check_str(args, 1)?;
    let replacement = vm.arg(args, 2);
    let is_text = replacement.is_number() || replacement.as_str().is_some();
    if !(is_text || replacement.as_table().is_some() || replacement.is_function()) {
        return Err(vm.wrong_type(args, 2, "string/function/table"));
    }
    let most = vm.opt_int(args, 3, len as i64 + 1)?;
    // Numbers become strings once, in the argument slots' places on the stack.
    let subject_slot = vm.top.get();
    vm.push(Value::str(vm.check_str(args, 0)?))?;
    vm.push(Value::str(vm.check_str(args, 1)?))?;
    if is_text {
        vm.push(Value::str(vm.check_str(args, 2)?))?;
    } else {
        vm.push(vm.arg(args, 2))?;
    }
    let mut out = vm.take_buffer();
    let mut cursor = MatchCursor::new(0);
    let mut copied = 0;
    let mut count = 0;
    let mut tried_again = false;
    while count < most {
        let (base, before) = (vm.top.get(), (cursor, out.len(), copied, count));
        let (Some(subject), Some(pattern)) = (vm.get(subject_slot).as_str(), vm.get(subject_slot + 1).as_str()) else {
            break;
        };
        let (subject, pattern) = (string::bytes(subject), string::bytes(pattern));
        let mut matcher = Matcher::new(pattern);
        let found = cursor.next(&mut matcher, subject).map_err(|error| vm.pattern_error(error))?;
        let Some((start, end)) = found else { break };
        count += 1;
        out.extend_from_slice(&subject[copied..start]);
        copied = end;
        let replacement = vm.get(subject_slot + 2);
        if replacement.as_str().is_none() {
            matcher.check_captures().map_err(|error| vm.pattern_error(error))?;
        }
        let pushed = match replacement.kind() {
            Kind::Str(text) => {
                let text = string::bytes(text);
                if text.contains(&b'%') {
                    matcher.check_captures().map_err(|error| vm.pattern_error(error))?;
                }
                expand_replacement(text, subject, (start, end), matcher.captures(), &mut out)
                    .map_err(|error| vm.pattern_error(error))?;
                continue;
            }
            Kind::Table(t) if table::metatable(t).is_none() => {
                vm.capture(subject, matcher.values()[0]).and_then(|key| vm.push(table::get(t, key)))
            }
            Kind::Table(_) => vm.capture(subject, matcher.values()[0]).and_then(|key| vm.push(key)),
            _ => vm.push(replacement).and_then(|()| vm.push_captures(subject, matcher.values()).map(|_| ())),
        };
        if let Err(failure) = pushed {
            // What functions have answered stays; this match is looked for again.
            vm.top.set(base);
            if failure == Failure::Error || tried_again || !vm.collect_for_room() {
                return Err(failure);
            }
            out.truncate(before.1);
            (cursor, copied, count) = (before.0, before.2, before.3);
            tried_again = true;
            continue;
        }
        tried_again = false;
        let replacement = vm.get(subject_slot + 2);
        if replacement.is_function() {
            vm.call(base, 1)?;
        } else if replacement.as_table().is_some_and(|t| table::metatable(t).is_some()) {
            vm.index_slots(subject_slot + 2, base)?;
            vm.put(base, vm.get(base + 1));
        }
        let result = vm.get(base);
        if result.is_falsy() {
            let Some(subject) = vm.get(subject_slot).as_str() else { break };
            out.extend_from_slice(&string::bytes(subject)[start..end]);
        } else if result.as_str().is_some() || result.is_number() {
            crate::vm::concat::append_text(&mut out, result);
        } else {
            let message = format!("invalid replacement value (a {})", vm.type_name(result));
            return Err(vm.native_error(&message));
        }
        vm.top.set(base);
    }
    if let Some(subject) = vm.get(subject_slot).as_str() {
        if count == 0 {
            vm.give_buffer(out);
            vm.push(Value::str(subject))?;
        } else {
            out.extend_from_slice(&string::bytes(subject)[copied..]);
            vm.give_built(out)?;
        }
    }
    vm.push(Value::int(count))?;
    Ok(2)
}
