//! Functions as values: closures of Lua prototypes with their upvalues, and functions written in Rust.
//!
//! An upvalue is *open* while the variable it stands for lives in a register: then `location` is the address of that
//! stack slot and `stack` keeps the stack alive. When the variable's scope ends the upvalue is *closed*: the value moves
//! into the object and `location` becomes the address of its own `value`. Objects never move, so the address stays good;
//! when a stack grows, the coroutine re-aims its open upvalues. Reading is thus one load more than reading a register.

use spanheap::{Array, Data, Gc, Slot, Stack, Trace};

use crate::proto::Proto;
use crate::value::{LuaFamily, Value, ValueCell, read};

/// A variable that closures share.
#[derive(Trace)]
pub struct Upvalue {
    /// The address of the pair that holds the value.
    location: Data<usize>,
    /// The value, once closed.
    pub value: ValueCell,
    /// The stack that the variable lives on while the upvalue is open.
    pub stack: Slot<Stack<LuaFamily>>,
    /// The next open upvalue of the same coroutine, at a lower stack slot.
    pub next: Slot<Upvalue>,
}

impl Upvalue {
    /// An upvalue that is not aimed at anything yet.
    pub fn unaimed() -> Self {
        Upvalue { location: Data::new(0), value: ValueCell::nil(), stack: Slot::null(), next: Slot::null() }
    }
}

/// Aims the upvalue at a stack slot.
pub fn aim(upvalue: Gc<'_, '_, Upvalue>, slot: *const ValueCell) {
    upvalue.location.set(slot as usize);
}

/// Aims the upvalue at its own value.
pub fn aim_inside(upvalue: Gc<'_, '_, Upvalue>) {
    upvalue.location.set(&raw const upvalue.as_ref().value as usize);
}

/// The address of the pair that holds the value now.
#[inline(always)]
pub fn location(upvalue: Gc<'_, '_, Upvalue>) -> *const ValueCell {
    upvalue.location.get() as *const ValueCell
}

/// Whether the value has moved into the object.
#[inline(always)]
pub fn is_closed(upvalue: Gc<'_, '_, Upvalue>) -> bool {
    location(upvalue) == &raw const upvalue.as_ref().value
}

/// The value of the variable.
#[inline(always)]
pub fn upvalue_value<'m, 'h>(upvalue: Gc<'m, 'h, Upvalue>) -> Value<'m, 'h> {
    // SAFETY: `location` is the upvalue's own pair, or a slot of a stack that the upvalue keeps alive and that re-aims
    // its upvalues before it goes away.
    read(unsafe { &*location(upvalue) })
}

/// What a closure holds besides its upvalues.
#[derive(Trace)]
pub struct ClosureHead {
    /// The code.
    pub proto: Slot<Proto>,
}

/// A function written in Lua: a prototype and its upvalues.
pub type Closure = Array<Slot<Upvalue>, ClosureHead>;

/// A function written in Rust, with a little state of its own for iterators.
#[derive(Trace)]
pub struct NativeFunction {
    /// Index into the table of Rust functions (see `library`).
    pub index: u32,
    /// How calling it works (see `vm::call`).
    pub kind: u32,
    /// First value kept for the function.
    pub first: ValueCell,
    /// Second value kept for the function.
    pub second: ValueCell,
    /// A number that the function may change.
    pub state: Data<u64>,
}
