//! Concatenation: a run of strings and numbers becomes one string in one allocation.

use crate::syntax::bytecode as bc;
use crate::text::number;

use super::call::Flow;
use super::meta::Event;
use super::{Failure, Vm};
use crate::string::{self, SHORT_LIMIT};
use crate::value::{Kind, Value};

/// Longest string that the interpreter makes.
pub const MAX_STRING: usize = 1 << 31;

fn joins(value: Value<'_, '_>) -> bool {
    value.as_str().is_some() || value.is_number()
}

/// Appends the text of a string or a number; nothing for other values.
pub fn append_text(out: &mut Vec<u8>, value: Value<'_, '_>) {
    match value.kind() {
        Kind::Str(s) => out.extend_from_slice(string::bytes(s)),
        Kind::Int(i) => number::write_int(out, i),
        Kind::Float(f) => number::write_float(out, f),
        _ => {}
    }
}

impl<'h> Vm<'h> {
    /// Runs or goes on with a `Concat` instruction of the frame on top. The frame's `pending` says how many operands are
    /// left, 0 standing for all of them.
    #[inline(never)]
    pub(super) fn concat(&mut self, word: u32) -> Result<Flow, Failure> {
        let frame = self.top_frame();
        let first = frame.base.get() as usize + bc::b(word);
        let to = frame.base.get() as usize + bc::a(word);
        let mut left = match frame.pending.get() as usize {
            0 => bc::c(word),
            left => left,
        };
        while left > 1 {
            let (x, y) = (self.get(first + left - 2), self.get(first + left - 1));
            if !joins(x) || !joins(y) {
                self.top_frame().pending.set(left as u32);
                let (x, y) = (first + left - 2, first + left - 1);
                return self.concat_handler(x, y);
            }
            // As many operands as can be joined at once, from the right.
            let mut run = 2;
            while run < left && joins(self.get(first + left - run - 1)) {
                run += 1;
            }
            let joined = self.join(first + left - run, run)?;
            self.put(first + left - run, joined);
            left -= run - 1;
            // Should the next join find the heap full, the instruction runs again from here.
            self.top_frame().pending.set(left as u32);
        }
        self.put(to, self.get(first));
        self.top_frame().pending.set(0);
        Ok(Flow::Same)
    }

    fn concat_handler(&mut self, x: usize, y: usize) -> Result<Flow, Failure> {
        let (left, right) = (self.get(x), self.get(y));
        let mut handler = self.metamethod(left, Event::Concat);
        if handler.is_nil() {
            handler = self.metamethod(right, Event::Concat);
        }
        if handler.is_nil() {
            self.top_frame().pending.set(0);
            let culprit = if joins(left) { right } else { left };
            return Err(self.operand_error("concatenate", culprit));
        }
        let func = self.push_call(&[handler, left, right])?;
        self.call_at(func, 1, crate::coroutine::frame::FINISH)
    }

    /// The strings and numbers in `count` slots from `first` as one string.
    fn join(&self, first: usize, count: usize) -> Result<Value<'_, 'h>, Failure> {
        let mut total = 0;
        for slot in first..first + count {
            match self.get(slot).as_str() {
                Some(s) => total += s.len(),
                None => return self.join_text(first, count),
            }
        }
        if total > MAX_STRING {
            return Err(self.run_error("string length overflow"));
        }
        // An empty operand leaves the other as it is.
        if count == 2 {
            for (kept, other) in [(first, first + 1), (first + 1, first)] {
                if self.get(other).as_str().is_some_and(|s| s.is_empty()) {
                    return Ok(self.get(kept));
                }
            }
        }
        let fill = |place: &mut [u8]| {
            let mut at = 0;
            for slot in first..first + count {
                if let Some(s) = self.get(slot).as_str() {
                    let text = string::bytes(s);
                    place[at..at + text.len()].copy_from_slice(text);
                    at += text.len();
                }
            }
        };
        if total <= SHORT_LIMIT {
            let mut place = [0; SHORT_LIMIT];
            fill(&mut place[..total]);
            return Ok(Value::str(self.string(&place[..total])?));
        }
        Ok(Value::str(self.string_with(total, fill)?))
    }

    fn join_text(&self, first: usize, count: usize) -> Result<Value<'_, 'h>, Failure> {
        let mut out = self.take_buffer();
        for slot in first..first + count {
            append_text(&mut out, self.get(slot));
        }
        if out.len() > MAX_STRING {
            return Err(self.run_error("string length overflow"));
        }
        Ok(Value::str(self.finish_string(out)?))
    }
}
