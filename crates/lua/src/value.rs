//! The 16-byte Lua value and its encoding as a pair of words, the form in which the heap stores it.
//!
//! Everything in the interpreter handles values through [`Value`]; the heap sees them through [`LuaFamily`]. A value is
//! two words, a tag and a payload. Tags below [`tag::FIRST_REFERENCE`] carry scalars; every tag from there on carries
//! the address of an object of the type that the tag names. Only the constructors here put a tag and a payload
//! together, which is what makes the accessors sound.
//!
//! A Lua state lives on one thread, so no other thread ever writes the pairs that it reads: reading a pair cannot see
//! a torn value. That is the obligation behind [`read`].

use std::marker::PhantomData;

use spanheap::{Gc, Pair, PairFamily};

use crate::closure::{Closure, NativeFunction};
use crate::coroutine::Coroutine;
use crate::string::{self, LuaString};
use crate::table::Table;
use crate::userdata::Userdata;

/// The tags of values, the first word of a pair.
pub mod tag {
    /// `nil`.
    pub const NIL: usize = 0;
    /// `false`. Tags up to this one are the values that count as false.
    pub const FALSE: usize = 1;
    /// `true`.
    pub const TRUE: usize = 2;
    /// A 64-bit integer.
    pub const INT: usize = 3;
    /// A double-precision float.
    pub const FLOAT: usize = 4;
    /// From here on the payload is the address of an object.
    pub const FIRST_REFERENCE: usize = 8;
    /// A string.
    pub const STRING: usize = 8;
    /// A table.
    pub const TABLE: usize = 9;
    /// A function written in Lua.
    pub const CLOSURE: usize = 10;
    /// A function written in Rust.
    pub const NATIVE: usize = 11;
    /// A userdata, such as a file.
    pub const USERDATA: usize = 12;
    /// A coroutine.
    pub const THREAD: usize = 13;
}

/// The family of Lua values, for the heap's pairs and stacks.
pub struct LuaFamily;

/// A stored value: the slot type of tables, stacks and constants.
pub type ValueCell = Pair<LuaFamily>;
/// A string object.
pub type Str<'m, 'h> = Gc<'m, 'h, LuaString>;
/// A table object.
pub type Tab<'m, 'h> = Gc<'m, 'h, Table>;

/// One Lua value. `'m` ends at the next safepoint, `'h` is the heap.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Value<'m, 'h> {
    tag: usize,
    payload: usize,
    #[expect(clippy::type_complexity, reason = "the brand is invariant, as in the heap's own handles")]
    life: PhantomData<(&'m (), fn(&'h ()) -> &'h ())>,
}

// SAFETY: a value's two words are exactly what `encode` hands out and `decode` takes back; payloads of tags below
// `FIRST_REFERENCE_TAG` are scalars, and (0, 0) is nil.
unsafe impl PairFamily for LuaFamily {
    type Value<'m, 'h> = Value<'m, 'h>;
    const FIRST_REFERENCE_TAG: usize = tag::FIRST_REFERENCE;

    #[inline(always)]
    fn encode<'m, 'h>(value: Value<'m, 'h>) -> (usize, usize) {
        (value.tag, value.payload)
    }

    #[inline(always)]
    unsafe fn decode<'m, 'h>(tag: usize, payload: usize) -> Value<'m, 'h> {
        Value { tag, payload, life: PhantomData }
    }
}

/// A value taken apart, for `match`.
#[derive(Clone, Copy)]
pub enum Kind<'m, 'h> {
    /// `nil`.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string.
    Str(Str<'m, 'h>),
    /// A table.
    Table(Tab<'m, 'h>),
    /// A Lua function.
    Closure(Gc<'m, 'h, Closure>),
    /// A Rust function.
    Native(Gc<'m, 'h, NativeFunction>),
    /// A userdata.
    Userdata(Gc<'m, 'h, Userdata>),
    /// A coroutine.
    Thread(Gc<'m, 'h, Coroutine>),
}

/// Reads a pair that lies in the state's own heap or on its stacks.
#[inline(always)]
pub fn read<'m, 'h>(pair: &'m ValueCell) -> Value<'m, 'h> {
    // SAFETY: only the state's one thread writes its pairs (module invariant), and the callers hand in pairs that were
    // reached from handles of the heap `'h`.
    unsafe { pair.decode_in() }
}

impl<'m, 'h> Value<'m, 'h> {
    /// The value `nil`.
    pub const NIL: Value<'m, 'h> = Value { tag: tag::NIL, payload: 0, life: PhantomData };

    /// A boolean.
    #[inline(always)]
    pub fn bool(value: bool) -> Self {
        Value { tag: tag::FALSE + value as usize, payload: 0, life: PhantomData }
    }

    /// An integer.
    #[inline(always)]
    pub fn int(value: i64) -> Self {
        Value { tag: tag::INT, payload: value as usize, life: PhantomData }
    }

    /// A float.
    #[inline(always)]
    pub fn float(value: f64) -> Self {
        Value { tag: tag::FLOAT, payload: value.to_bits() as usize, life: PhantomData }
    }

    #[inline(always)]
    fn object<T>(tag: usize, object: Gc<'m, 'h, T>) -> Self {
        Value { tag, payload: object.addr(), life: PhantomData }
    }

    /// A string.
    #[inline(always)]
    pub fn str(object: Str<'m, 'h>) -> Self {
        Self::object(tag::STRING, object)
    }

    /// A table.
    #[inline(always)]
    pub fn table(object: Tab<'m, 'h>) -> Self {
        Self::object(tag::TABLE, object)
    }

    /// A Lua function.
    #[inline(always)]
    pub fn closure(object: Gc<'m, 'h, Closure>) -> Self {
        Self::object(tag::CLOSURE, object)
    }

    /// A Rust function.
    pub fn native(object: Gc<'m, 'h, NativeFunction>) -> Self {
        Self::object(tag::NATIVE, object)
    }

    /// A userdata.
    pub fn userdata(object: Gc<'m, 'h, Userdata>) -> Self {
        Self::object(tag::USERDATA, object)
    }

    /// A coroutine.
    pub fn thread(object: Gc<'m, 'h, Coroutine>) -> Self {
        Self::object(tag::THREAD, object)
    }

    /// The tag word.
    #[inline(always)]
    pub fn tag(self) -> usize {
        self.tag
    }

    /// The payload word.
    #[inline(always)]
    pub fn payload(self) -> usize {
        self.payload
    }

    /// Whether both words are the same: raw equality except for floats and strings.
    #[inline(always)]
    pub fn same_words(self, other: Value<'_, '_>) -> bool {
        self.tag == other.tag && self.payload == other.payload
    }

    /// Whether this is `nil`.
    #[inline(always)]
    pub fn is_nil(self) -> bool {
        self.tag == tag::NIL
    }

    /// Whether this counts as false: `nil` or `false`.
    #[inline(always)]
    pub fn is_falsy(self) -> bool {
        self.tag <= tag::FALSE
    }

    /// Whether this is an integer or a float.
    #[inline(always)]
    pub fn is_number(self) -> bool {
        self.tag == tag::INT || self.tag == tag::FLOAT
    }

    /// The integer, if the value is of the integer subtype.
    #[inline(always)]
    pub fn as_int(self) -> Option<i64> {
        (self.tag == tag::INT).then_some(self.payload as i64)
    }

    /// The float, if the value is of the float subtype.
    #[inline(always)]
    pub fn as_float(self) -> Option<f64> {
        (self.tag == tag::FLOAT).then_some(f64::from_bits(self.payload as u64))
    }

    /// The value as a float, if it is a number.
    #[inline(always)]
    pub fn to_float(self) -> Option<f64> {
        match self.tag {
            tag::FLOAT => Some(f64::from_bits(self.payload as u64)),
            tag::INT => Some(self.payload as i64 as f64),
            _ => None,
        }
    }

    #[inline(always)]
    fn as_object<T>(self, tag: usize) -> Option<Gc<'m, 'h, T>> {
        if self.tag == tag {
            // SAFETY: only the constructors join a tag with a payload, and the tag of type `T` always comes with the
            // address of a `T` that is alive for `'m`.
            Some(unsafe { Gc::from_addr(self.payload) })
        } else {
            None
        }
    }

    /// The string, if it is one (numbers are not converted).
    #[inline(always)]
    pub fn as_str(self) -> Option<Str<'m, 'h>> {
        self.as_object(tag::STRING)
    }

    /// The table, if it is one.
    #[inline(always)]
    pub fn as_table(self) -> Option<Tab<'m, 'h>> {
        self.as_object(tag::TABLE)
    }

    /// The Lua function, if it is one.
    #[inline(always)]
    pub fn as_closure(self) -> Option<Gc<'m, 'h, Closure>> {
        self.as_object(tag::CLOSURE)
    }

    /// The Rust function, if it is one.
    #[inline(always)]
    pub fn as_native(self) -> Option<Gc<'m, 'h, NativeFunction>> {
        self.as_object(tag::NATIVE)
    }

    /// The userdata, if it is one.
    pub fn as_userdata(self) -> Option<Gc<'m, 'h, Userdata>> {
        self.as_object(tag::USERDATA)
    }

    /// The coroutine, if it is one.
    pub fn as_thread(self) -> Option<Gc<'m, 'h, Coroutine>> {
        self.as_object(tag::THREAD)
    }

    /// Whether this is a function of either kind.
    pub fn is_function(self) -> bool {
        self.tag == tag::CLOSURE || self.tag == tag::NATIVE
    }

    /// The value taken apart.
    pub fn kind(self) -> Kind<'m, 'h> {
        match self.tag {
            tag::FALSE => Kind::Bool(false),
            tag::TRUE => Kind::Bool(true),
            tag::INT => Kind::Int(self.payload as i64),
            tag::FLOAT => Kind::Float(f64::from_bits(self.payload as u64)),
            _ => {
                if let Some(object) = self.as_str() {
                    Kind::Str(object)
                } else if let Some(object) = self.as_table() {
                    Kind::Table(object)
                } else if let Some(object) = self.as_closure() {
                    Kind::Closure(object)
                } else if let Some(object) = self.as_native() {
                    Kind::Native(object)
                } else if let Some(object) = self.as_userdata() {
                    Kind::Userdata(object)
                } else if let Some(object) = self.as_thread() {
                    Kind::Thread(object)
                } else {
                    Kind::Nil
                }
            }
        }
    }

    /// The name of the basic type, as Lua's `type` gives it.
    pub fn type_name(self) -> &'static str {
        match self.tag {
            tag::NIL => "nil",
            tag::FALSE | tag::TRUE => "boolean",
            tag::INT | tag::FLOAT => "number",
            tag::STRING => "string",
            tag::TABLE => "table",
            tag::CLOSURE | tag::NATIVE => "function",
            tag::USERDATA => "userdata",
            _ => "thread",
        }
    }
}

/// Raw equality: no metamethods; an integer equals a float of the same value.
#[inline]
pub fn raw_equal(a: Value<'_, '_>, b: Value<'_, '_>) -> bool {
    if a.tag == b.tag {
        match a.tag {
            tag::FLOAT => f64::from_bits(a.payload as u64) == f64::from_bits(b.payload as u64),
            tag::STRING if a.payload != b.payload => match (a.as_str(), b.as_str()) {
                (Some(a), Some(b)) => string::equal(a, b),
                _ => false,
            },
            _ => a.payload == b.payload,
        }
    } else {
        match (a.as_int(), b.as_float(), a.as_float(), b.as_int()) {
            (Some(i), Some(f), ..) | (.., Some(f), Some(i)) => f == i as f64 && int_of(f) == Some(i),
            _ => false,
        }
    }
}

/// The integer that equals `f`, if there is one.
#[inline(always)]
pub fn int_of(f: f64) -> Option<i64> {
    // The cast saturates, so only 2^63 itself needs the second test.
    let i = f as i64;
    (i as f64 == f && (i != i64::MAX)).then_some(i)
}
