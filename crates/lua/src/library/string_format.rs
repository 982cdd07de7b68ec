//! `string.format`.

use crate::text::format::{
    format_bytes, format_char, format_float, format_int, format_pointer, parse_spec, quote_bytes, quote_float,
    quote_int,
};

use crate::string;
use crate::value::{Kind, Value, tag};
use crate::vm::call::Args;
use crate::vm::{Failure, Vm};

/// `string.format(text, ...)`.
pub(super) fn format(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let mut out = vm.take_buffer();
    vm.check_str(args, 0)?;
    // The format stays on the stack while handlers of `__tostring` run.
    let mut at = 0;
    let mut next = 0;
    loop {
        let text = vm.check_bytes(args, 0)?;
        let Some(distance) = text[at..].iter().position(|&byte| byte == b'%') else {
            out.extend_from_slice(&text[at..]);
            break;
        };
        out.extend_from_slice(&text[at..at + distance]);
        at += distance + 1;
        if text.get(at) == Some(&b'%') {
            out.push(b'%');
            at += 1;
            continue;
        }
        next += 1;
        if next >= args.count {
            return Err(vm.argument_error(next, "no value"));
        }
        let (spec, used) = match parse_spec(&text[at..]) {
            Ok(parsed) => parsed,
            Err(error) => {
                let mut message = Vec::new();
                error.write_message(&mut message);
                return Err(vm.native_error_bytes(&message));
            }
        };
        at += used;
        match spec.conversion {
            b'd' | b'i' => format_int(&mut out, &spec, vm.check_int(args, next)?),
            b'u' | b'o' | b'x' | b'X' => format_int(&mut out, &spec, vm.check_int(args, next)?),
            b'c' => format_char(&mut out, &spec, vm.check_int(args, next)? as u8),
            b'a' | b'A' | b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => {
                format_float(&mut out, &spec, vm.check_float(args, next)?);
            }
            b'p' => {
                let value = vm.check_any(args, next)?;
                let address = (value.tag() >= tag::FIRST_REFERENCE).then(|| value.payload());
                format_pointer(&mut out, &spec, address);
            }
            b'q' => match vm.check_any(args, next)?.kind() {
                Kind::Str(s) => quote_bytes(&mut out, string::bytes(s)),
                Kind::Int(i) => quote_int(&mut out, i),
                Kind::Float(f) => quote_float(&mut out, f),
                Kind::Nil => out.extend_from_slice(b"nil"),
                Kind::Bool(b) => out.extend_from_slice(if b { b"true" } else { b"false" }),
                _ => return Err(vm.argument_error(next, "value has no literal form")),
            },
            _ => {
                vm.check_any(args, next)?;
                vm.push_text(args.first + next)?;
                let top = vm.top.get() - 1;
                if let Some(s) = vm.get(top).as_str() {
                    let bytes = string::bytes(s);
                    if !spec.is_bare() && bytes.contains(&0) {
                        return Err(vm.argument_error(next, "string contains zeros"));
                    }
                    format_bytes(&mut out, &spec, bytes);
                }
                vm.top.set(top);
            }
        }
    }
    vm.give(Value::str(vm.finish_string(out)?))
}
