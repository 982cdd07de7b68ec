//! Arguments of functions written in Rust: taking them, converting them, and complaining about them as Lua does.

use crate::syntax::describe::NameKind;

use crate::string;
use crate::value::{Kind, Str, Tab, Value};
use crate::vm::arith::{to_int, to_number};
use crate::vm::call::Args;
use crate::vm::{Event, Failure, Vm};

impl<'h> Vm<'h> {
    /// Argument number `index` (from 0); nil when it is absent.
    #[inline(always)]
    pub fn arg(&self, args: Args, index: usize) -> Value<'_, 'h> {
        if index < args.count { self.get(args.first + index) } else { Value::NIL }
    }

    fn given(&self, args: Args, index: usize) -> Option<Value<'_, 'h>> {
        (index < args.count).then(|| self.get(args.first + index))
    }

    /// "bad argument #1 to 'f' (message)"; `index` counts from 0.
    #[cold]
    pub fn argument_error(&self, index: usize, message: &str) -> Failure {
        let mut number = index + 1;
        let top = self.depth.get() - 1;
        let name = match self.frame_name(top) {
            Some(name) => {
                if name.kind == NameKind::Method {
                    number -= 1;
                    if number == 0 {
                        let name = String::from_utf8_lossy(&name.name).into_owned();
                        return self.native_error(&format!("calling '{name}' on bad self ({message})"));
                    }
                }
                Some(name.name)
            }
            None => self.global_name(self.frame_function(self.frame(top))),
        };
        let name = name.map_or("?".into(), |name| String::from_utf8_lossy(&name).into_owned());
        self.native_error(&format!("bad argument #{number} to '{name}' ({message})"))
    }

    /// "bad argument #1 to 'f' (number expected, got nil)"; `None` stands for an absent argument.
    #[cold]
    pub fn argument_type_error(&self, index: usize, expected: &str, got: Option<Value<'_, 'h>>) -> Failure {
        let got = got.map_or("no value".to_owned(), |value| self.type_name(value));
        self.argument_error(index, &format!("{expected} expected, got {got}"))
    }

    /// An argument that must be there, even if nil.
    ///
    /// # Errors
    /// When it is absent.
    pub fn check_any(&self, args: Args, index: usize) -> Result<Value<'_, 'h>, Failure> {
        self.given(args, index).ok_or_else(|| self.argument_error(index, "value expected"))
    }

    /// An integer argument; floats and strings with an integer value will do.
    ///
    /// # Errors
    /// When it is anything else.
    #[inline]
    pub fn check_int(&self, args: Args, index: usize) -> Result<i64, Failure> {
        match self.arg(args, index).as_int() {
            Some(i) => Ok(i),
            None => self.convert_int(args, index),
        }
    }

    fn convert_int(&self, args: Args, index: usize) -> Result<i64, Failure> {
        match to_number(self.arg(args, index)) {
            Some(number) => {
                to_int(number).ok_or_else(|| self.argument_error(index, "number has no integer representation"))
            }
            None => Err(self.argument_type_error(index, "number", self.given(args, index))),
        }
    }

    /// An integer argument that may be absent or nil.
    ///
    /// # Errors
    /// When it is anything else.
    #[inline]
    pub fn opt_int(&self, args: Args, index: usize, default: i64) -> Result<i64, Failure> {
        if self.arg(args, index).is_nil() { Ok(default) } else { self.check_int(args, index) }
    }

    /// A number argument; a string that reads as a number will do.
    ///
    /// # Errors
    /// When it is anything else.
    #[inline]
    pub fn check_number(&self, args: Args, index: usize) -> Result<Value<'_, 'h>, Failure> {
        to_number(self.arg(args, index))
            .ok_or_else(|| self.argument_type_error(index, "number", self.given(args, index)))
    }

    /// A number argument as a float.
    ///
    /// # Errors
    /// When it is not a number.
    #[inline]
    pub fn check_float(&self, args: Args, index: usize) -> Result<f64, Failure> {
        Ok(self.check_number(args, index)?.to_float().unwrap_or(0.0))
    }

    /// A string argument; a number is converted.
    ///
    /// # Errors
    /// When it is anything else, or memory runs out.
    #[inline]
    pub fn check_str(&self, args: Args, index: usize) -> Result<Str<'_, 'h>, Failure> {
        match self.arg(args, index).as_str() {
            Some(s) => Ok(s),
            None => self.convert_str(args, index),
        }
    }

    fn convert_str(&self, args: Args, index: usize) -> Result<Str<'_, 'h>, Failure> {
        let value = self.arg(args, index);
        if !value.is_number() {
            return Err(self.argument_type_error(index, "string", self.given(args, index)));
        }
        let mut text = self.take_buffer();
        crate::vm::concat::append_text(&mut text, value);
        Ok(self.finish_string(text)?)
    }

    /// The bytes of a string argument.
    ///
    /// # Errors
    /// As [`Vm::check_str`].
    #[inline]
    pub fn check_bytes(&self, args: Args, index: usize) -> Result<&[u8], Failure> {
        Ok(string::bytes(self.check_str(args, index)?))
    }

    /// A table argument.
    ///
    /// # Errors
    /// When it is anything else.
    #[inline]
    pub fn check_table(&self, args: Args, index: usize) -> Result<Tab<'_, 'h>, Failure> {
        self.arg(args, index)
            .as_table()
            .ok_or_else(|| self.argument_type_error(index, "table", self.given(args, index)))
    }

    /// The type of argument `index` is wrong.
    #[cold]
    pub fn wrong_type(&self, args: Args, index: usize, expected: &str) -> Failure {
        self.argument_type_error(index, expected, self.given(args, index))
    }

    /// Pushes one result.
    ///
    /// # Errors
    /// When the stack is full.
    #[inline(always)]
    pub fn give(&self, value: Value<'_, 'h>) -> Result<usize, Failure> {
        self.push(value)?;
        Ok(1)
    }

    /// Pushes a string as the one result.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn give_bytes(&self, bytes: &[u8]) -> Result<usize, Failure> {
        self.give(Value::str(self.string(bytes)?))
    }

    /// Pushes a buffer's bytes as one result. What was read cannot be read again, and what functions have answered is not
    /// asked again, so a full heap is collected here.
    ///
    /// # Errors
    /// When there is no memory even after a collection.
    pub fn give_built(&mut self, buffer: Vec<u8>) -> Result<usize, Failure> {
        self.with_room(|vm| vm.give_bytes(&buffer))?;
        self.give_buffer(buffer);
        Ok(1)
    }

    /// Pushes what `tostring` makes of the value in a stack slot.
    ///
    /// # Errors
    /// When a `__tostring` handler fails or does not return a string.
    pub fn push_text(&mut self, slot: usize) -> Result<(), Failure> {
        let value = self.get(slot);
        if value.as_str().is_some() {
            return self.push(value);
        }
        let handler = self.metamethod(value, Event::ToString);
        if !handler.is_nil() {
            let func = self.top.get();
            self.push(handler)?;
            self.push(value)?;
            self.call(func, 1)?;
            if self.get(func).is_number() {
                let mut text = self.take_buffer();
                crate::vm::concat::append_text(&mut text, self.get(func));
                let text = self.finish_string(text)?;
                self.put(func, Value::str(text));
            }
            return match self.get(func).as_str() {
                Some(_) => Ok(()),
                None => Err(self.native_error("'__tostring' must return a string")),
            };
        }
        let mut text = self.take_buffer();
        match value.kind() {
            Kind::Nil => text.extend_from_slice(b"nil"),
            Kind::Bool(b) => text.extend_from_slice(if b { b"true" } else { b"false" }),
            Kind::Int(_) | Kind::Float(_) => crate::vm::concat::append_text(&mut text, value),
            _ => {
                text.extend_from_slice(format!("{}: {:#x}", self.type_name(value), value.payload()).as_bytes());
            }
        }
        self.push(Value::str(self.finish_string(text)?))
    }
}
