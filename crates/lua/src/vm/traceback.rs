//! Tracebacks: the list of calls that an uncaught error is reported with.

use crate::syntax::describe::{self, Name, NameKind};
use crate::syntax::lex::chunk_id;

use super::Vm;
use super::error::ProtoView;
use crate::coroutine::{Frame, frame};
use crate::proto;
use crate::string;
use crate::table;
use crate::value::Value;

/// How many calls are listed at the start and at the end of a long traceback.
const FIRST: usize = 10;
const LAST: usize = 11;

impl<'h> Vm<'h> {
    /// How the frame was called, if the frame below is a Lua function that knows.
    pub(crate) fn frame_name(&self, index: usize) -> Option<Name> {
        let frame = self.frame(index);
        if frame.is(frame::TAIL) || index == 0 {
            return None;
        }
        let caller = self.frame(index - 1);
        let proto = self.frame_proto(caller)?;
        if frame.is(frame::BOUNDARY) {
            return None;
        }
        describe::called_name(&ProtoView(proto), self.frame_pc(caller, proto))
    }

    /// The name under which a function is found in the table of globals or in a library there.
    pub(crate) fn global_name(&self, function: Value<'_, 'h>) -> Option<Vec<u8>> {
        let globals = self.globals()?;
        let mut key = Value::NIL;
        let mut in_library = None;
        while let Some(Some((name, value))) = table::next(globals, key) {
            key = name;
            let Some(name) = name.as_str() else { continue };
            if value.same_words(function) {
                return Some(string::bytes(name).to_vec());
            }
            let Some(library) = value.as_table().filter(|t| t.addr() != globals.addr()) else { continue };
            if in_library.is_some() || !crate::library::is_library(string::bytes(name)) {
                continue;
            }
            let mut inner = Value::NIL;
            while let Some(Some((field, value))) = table::next(library, inner) {
                inner = field;
                if let Some(field) = field.as_str()
                    && value.same_words(function)
                {
                    in_library = Some([string::bytes(name), b".", string::bytes(field)].concat());
                }
            }
        }
        in_library
    }

    /// The value that a frame runs: the closure or the native function.
    pub(crate) fn frame_function(&self, frame: &Frame) -> Value<'_, 'h> {
        let slot = if frame.kind() == frame::LUA { frame.base.get() - 1 } else { frame.func.get() };
        self.get(slot as usize)
    }

    /// A message followed by the list of calls, leaving out the `skip` topmost ones.
    pub fn traceback(&self, message: &[u8], skip: usize) -> Vec<u8> {
        let mut out = message.to_vec();
        if !out.is_empty() {
            out.push(b'\n');
        }
        out.extend_from_slice(b"stack traceback:");
        let depth = self.depth.get().saturating_sub(skip);
        for index in (0..depth).rev() {
            let passed = depth - 1 - index;
            if depth > FIRST + LAST && passed >= FIRST && index >= LAST {
                if passed == FIRST {
                    out.extend_from_slice(format!("\n\t...\t(skipping {} levels)", depth - FIRST - LAST).as_bytes());
                }
                continue;
            }
            self.traceback_line(index, &mut out);
        }
        out
    }

    fn traceback_line(&self, index: usize, out: &mut Vec<u8>) {
        let frame = self.frame(index);
        let proto = self.frame_proto(frame);
        out.extend_from_slice(b"\n\t");
        match proto {
            Some(proto) => {
                out.extend_from_slice(&chunk_id(proto::source(proto)));
                out.extend_from_slice(format!(":{}: in ", self.frame_line(frame, proto)).as_bytes());
            }
            None => out.extend_from_slice(b"[C]: in "),
        }
        let function = self.frame_function(frame);
        if index == 0 && proto.is_none() {
            // The host itself is the outermost caller.
            out.push(b'?');
        } else if let Some(name) = self.global_name(function) {
            out.extend_from_slice(b"function '");
            out.extend_from_slice(&name);
            out.push(b'\'');
        } else if let Some(name) = self.frame_name(index) {
            if name.kind == NameKind::Global {
                out.extend_from_slice(b"function '");
                out.extend_from_slice(&name.name);
                out.push(b'\'');
            } else {
                out.extend_from_slice(&name.text());
            }
        } else {
            match proto {
                Some(proto) if proto.line_defined == 0 => out.extend_from_slice(b"main chunk"),
                Some(proto) => {
                    out.extend_from_slice(b"function <");
                    out.extend_from_slice(&chunk_id(proto::source(proto)));
                    out.extend_from_slice(format!(":{}>", proto.line_defined).as_bytes());
                }
                None => out.push(b'?'),
            }
        }
        if frame.is(frame::TAIL) {
            out.extend_from_slice(b"\n\t(...tail calls...)");
        }
    }
}
