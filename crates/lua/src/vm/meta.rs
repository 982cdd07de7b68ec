//! Metatables: finding handlers, and reading and writing fields through `__index` and `__newindex`.
//!
//! A metatable remembers which events it lacks, so asking again costs one load and one bit test.

use super::call::Flow;
use super::{Failure, Vm};
use crate::coroutine::frame;
use crate::table::{self, KeyError};
use crate::value::{Kind, Str, Tab, Value};

macro_rules! events {
    ($($name:ident $text:literal),* $(,)?) => {
        /// The events that a metatable can handle. Numbers below 32, so that absence fits a bit set.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        #[expect(missing_docs, reason = "each is the event of its name")]
        pub enum Event { $($name,)* }

        impl Event {
            /// The metamethods' names, by number.
            pub const NAMES: &[&str] = &[$($text,)*];
            const ALL: &[Event] = &[$(Event::$name,)*];
        }
    };
}

events! {
    Index "__index", NewIndex "__newindex", Call "__call", Eq "__eq", Len "__len", Close "__close", Name "__name",
    ToString "__tostring", Pairs "__pairs", Metatable "__metatable",
    // In the order of the arithmetic instructions.
    Add "__add", Sub "__sub", Mul "__mul", Mod "__mod", Pow "__pow", Div "__div", IDiv "__idiv",
    BAnd "__band", BOr "__bor", BXor "__bxor", Shl "__shl", Shr "__shr",
    Unm "__unm", BNot "__bnot", Concat "__concat", Lt "__lt", Le "__le",
}

impl Event {
    /// The event of the arithmetic operation number `op` (0 is addition), in the order of the instructions.
    pub(super) fn arithmetic(op: usize) -> Event {
        Event::ALL[Event::Add as usize + op]
    }
}

/// Longest chain of `__index` or `__newindex` tables.
const MAX_CHAIN: usize = 2000;

/// What reading a field comes to.
pub(crate) enum Lookup<'m, 'h> {
    /// This value.
    Found(Value<'m, 'h>),
    /// The result of calling the first value with the second and the key.
    Call(Value<'m, 'h>, Value<'m, 'h>),
}

/// What writing a field comes to.
pub(crate) enum Store<'m, 'h> {
    /// It is done.
    Done,
    /// Calling the first value with the second, the key and the new value.
    Call(Value<'m, 'h>, Value<'m, 'h>),
}

impl<'h> Vm<'h> {
    /// The metatable of any value.
    pub fn metatable_of<'m>(&'m self, value: Value<'m, 'h>) -> Option<Tab<'m, 'h>> {
        match value.kind() {
            Kind::Table(t) => table::metatable(t),
            Kind::Userdata(u) => u.load(|u| &u.metatable),
            Kind::Str(_) => self.runtime().load(|r| &r.string_metatable),
            _ => None,
        }
    }

    /// The handler of `event` in a metatable; nil when it has none.
    #[inline]
    pub fn event_of<'m>(&'m self, metatable: Tab<'m, 'h>, event: Event) -> Value<'m, 'h> {
        if metatable.lacks_event(event as u32) {
            return Value::NIL;
        }
        self.find_event(metatable, event)
    }

    fn find_event<'m>(&'m self, metatable: Tab<'m, 'h>, event: Event) -> Value<'m, 'h> {
        let name = self.runtime().load(|r| &r.event_names).and_then(|names| names.element(event as usize));
        let handler = name.map_or(Value::NIL, |name| table::get_str(metatable, name));
        if handler.is_nil() {
            metatable.note_absent(event as u32);
        }
        handler
    }

    /// The handler of `event` for a value; nil when it has none.
    #[inline]
    pub fn metamethod<'m>(&'m self, value: Value<'m, 'h>, event: Event) -> Value<'m, 'h> {
        self.metatable_of(value).map_or(Value::NIL, |metatable| self.event_of(metatable, event))
    }

    /// Reads `object[key]` as far as that goes without calling anything.
    pub(crate) fn lookup<'m>(&'m self, object: Value<'m, 'h>, key: Value<'m, 'h>) -> Result<Lookup<'m, 'h>, Failure> {
        let mut object = object;
        for _ in 0..MAX_CHAIN {
            let handler = if let Some(t) = object.as_table() {
                let value = table::get(t, key);
                if !value.is_nil() {
                    return Ok(Lookup::Found(value));
                }
                let handler = table::metatable(t).map_or(Value::NIL, |meta| self.event_of(meta, Event::Index));
                if handler.is_nil() {
                    return Ok(Lookup::Found(Value::NIL));
                }
                handler
            } else {
                let handler = self.metamethod(object, Event::Index);
                if handler.is_nil() {
                    return Err(self.index_error(object));
                }
                handler
            };
            if handler.is_function() {
                return Ok(Lookup::Call(handler, object));
            }
            object = handler;
        }
        Err(self.run_error("'__index' chain too long; possible loop"))
    }

    /// Reads a string field that `t` lacks through a short chain of `__index` tables. `None` when a function must be
    /// called, or the chain is long.
    #[inline(never)]
    pub(super) fn inherited<'m>(&'m self, t: Tab<'m, 'h>, key: Str<'m, 'h>) -> Option<Value<'m, 'h>> {
        let mut t = t;
        for _ in 0..8 {
            let Some(metatable) = table::metatable(t) else { return Some(Value::NIL) };
            let handler = self.event_of(metatable, Event::Index);
            if handler.is_nil() {
                return Some(Value::NIL);
            }
            t = handler.as_table()?;
            let value = table::get_str(t, key);
            if !value.is_nil() {
                return Some(value);
            }
        }
        None
    }

    /// Writes `object[key] = value` as far as that goes without calling anything.
    pub(crate) fn store<'m>(
        &'m self,
        object: Value<'m, 'h>,
        key: Value<'m, 'h>,
        value: Value<'m, 'h>,
    ) -> Result<Store<'m, 'h>, Failure> {
        let mut object = object;
        for _ in 0..MAX_CHAIN {
            let handler = if let Some(t) = object.as_table() {
                let handler = match table::metatable(t) {
                    Some(meta) => self.event_of(meta, Event::NewIndex),
                    None => Value::NIL,
                };
                if handler.is_nil() || !table::get(t, key).is_nil() {
                    self.raw_set(t, key, value)?;
                    return Ok(Store::Done);
                }
                handler
            } else {
                let handler = self.metamethod(object, Event::NewIndex);
                if handler.is_nil() {
                    return Err(self.index_error(object));
                }
                handler
            };
            if handler.is_function() {
                return Ok(Store::Call(handler, object));
            }
            object = handler;
        }
        Err(self.run_error("'__newindex' chain too long; possible loop"))
    }

    /// Writes a field without metamethods.
    ///
    /// # Errors
    /// When the key is nil or a NaN, or memory runs out.
    pub fn raw_set(&self, t: Tab<'_, 'h>, key: Value<'_, 'h>, value: Value<'_, 'h>) -> Result<(), Failure> {
        table::set(self, t, key, value).map_err(|error| match error {
            KeyError::Nil => self.run_error("table index is nil"),
            KeyError::NaN => self.run_error("table index is NaN"),
            KeyError::Memory => Failure::Memory,
        })
    }

    /// The first slot above the registers of the Lua frame on top.
    #[inline(always)]
    pub(super) fn above_registers(&self) -> usize {
        let frame = self.top_frame();
        let base = frame.base.get() as usize;
        base + self.frame_proto(frame).map_or(0, |proto| usize::from(proto.max_stack))
    }

    /// Pushes a call above the registers of the Lua frame on top; returns its slot.
    pub(super) fn push_call(&self, values: &[Value<'_, 'h>]) -> Result<usize, Failure> {
        let func = self.above_registers();
        self.top.set(func);
        for &value in values {
            self.push(value)?;
        }
        Ok(func)
    }

    /// Reads a field for the instruction that the frame on top is in.
    #[inline(never)]
    pub(super) fn index_slow(&mut self, object: Value<'_, 'h>, key: Value<'_, 'h>) -> Result<Flow, Failure> {
        let func = match self.lookup(object, key)? {
            Lookup::Found(value) => {
                self.finish_with(value);
                return Ok(Flow::Same);
            }
            Lookup::Call(handler, object) => self.push_call(&[handler, object, key])?,
        };
        self.call_at(func, 1, frame::FINISH)
    }

    /// Writes a field for the instruction that the frame on top is in.
    #[inline(never)]
    pub(super) fn store_slow(
        &mut self,
        object: Value<'_, 'h>,
        key: Value<'_, 'h>,
        value: Value<'_, 'h>,
    ) -> Result<Flow, Failure> {
        let func = match self.store(object, key, value)? {
            Store::Done => return Ok(Flow::Same),
            Store::Call(handler, object) => self.push_call(&[handler, object, key, value])?,
        };
        self.call_at(func, 0, 0)
    }

    /// Pushes `object[key]`, both in stack slots, calling metamethods; for functions written in Rust.
    ///
    /// # Errors
    /// Whatever the access raises.
    pub fn index_slots(&mut self, object: usize, key: usize) -> Result<(), Failure> {
        let func = self.top.get();
        match self.lookup(self.get(object), self.get(key))? {
            Lookup::Found(value) => return self.push(value),
            Lookup::Call(handler, object) => {
                self.push(handler)?;
                self.push(object)?;
                self.push(self.get(key))?;
            }
        }
        self.call(func, 1)
    }

    /// Stores `object[key] = value`, all in stack slots, calling metamethods; for functions written in Rust.
    ///
    /// # Errors
    /// Whatever the access raises.
    pub fn store_slots(&mut self, object: usize, key: usize, value: usize) -> Result<(), Failure> {
        let func = self.top.get();
        match self.store(self.get(object), self.get(key), self.get(value))? {
            Store::Done => return Ok(()),
            Store::Call(handler, object) => {
                self.push(handler)?;
                self.push(object)?;
                self.push(self.get(key))?;
                self.push(self.get(value))?;
            }
        }
        self.call(func, 0)
    }

    /// Pushes the length of the value in a stack slot, calling `__len`; for functions written in Rust.
    ///
    /// # Errors
    /// When the value has no length, or whatever the handler raises.
    pub fn length_slot(&mut self, object: usize) -> Result<(), Failure> {
        let value = self.get(object);
        let handler = match value.kind() {
            Kind::Str(s) => return self.push(Value::int(s.len() as i64)),
            Kind::Table(t) => match table::metatable(t).map(|meta| self.event_of(meta, Event::Len)) {
                Some(handler) if !handler.is_nil() => handler,
                _ => return self.push(Value::int(table::length(t))),
            },
            _ => self.metamethod(value, Event::Len),
        };
        if handler.is_nil() {
            return Err(self.run_error(&format!("attempt to get length of a {} value", self.type_name(value))));
        }
        let func = self.top.get();
        self.push(handler)?;
        self.push(value)?;
        self.call(func, 1)
    }

    /// The length operator for the instruction that the frame on top is in, when it is not the plain case.
    #[inline(never)]
    pub(super) fn length_slow(&mut self, value: Value<'_, 'h>) -> Result<Flow, Failure> {
        let handler = self.metamethod(value, Event::Len);
        if handler.is_nil() {
            if let Some(t) = value.as_table() {
                self.finish_with(Value::int(table::length(t)));
                return Ok(Flow::Same);
            }
            if let Some(s) = value.as_str() {
                self.finish_with(Value::int(s.len() as i64));
                return Ok(Flow::Same);
            }
            return Err(self.operand_error("get length of", value));
        }
        let func = self.push_call(&[handler, value, value])?;
        self.call_at(func, 1, frame::FINISH)
    }
}
