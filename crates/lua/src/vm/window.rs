//! The loop's view of the running function: addresses of its registers, constants and next instruction.
//!
//! This is where the loop's unchecked accesses are. A window is made from the frame on top and is good until the stack or
//! the frames change; the loop then makes a new one. The compiler promises that every register an instruction names is
//! below the function's `max_stack`, every constant index is below their number, and every jump lands on an instruction;
//! entering a function makes room for all its registers. The closure in the slot below the registers keeps code and
//! constants alive.

use spanheap::Gc;

use crate::closure::Closure;
use crate::value::{Str, Value, ValueCell, read};

/// The running function.
#[derive(Clone, Copy)]
pub(super) struct Window {
    /// Register 0.
    pub base: *const ValueCell,
    /// Constant 0.
    constants: *const ValueCell,
    /// The next instruction.
    pub pc: *const u32,
}

impl Window {
    /// The window of a function that is about to run, or to go on, at `pc`.
    #[inline(always)]
    pub(super) fn new(base: *const ValueCell, constants: *const ValueCell, pc: *const u32) -> Window {
        Window { base, constants, pc }
    }

    #[inline(always)]
    fn cell<'v>(self, register: usize) -> &'v ValueCell {
        // SAFETY: a register of the running frame (module rule).
        unsafe { &*self.base.wrapping_add(register) }
    }

    /// The value of a register. The lifetime is the caller's word: until the next safepoint.
    #[inline(always)]
    pub(super) fn get<'v, 'h>(self, register: usize) -> Value<'v, 'h> {
        read(self.cell(register))
    }

    /// Writes a register.
    #[inline(always)]
    pub(super) fn put(self, register: usize, value: Value<'_, '_>) {
        // SAFETY: registers lie in the running stack of this thread; those of the frame on top are not frozen
        // ([lua.frozen] in `freeze`).
        unsafe { self.cell(register).store_running(value) }
    }

    /// A constant.
    #[inline(always)]
    pub(super) fn constant<'v, 'h>(self, index: usize) -> Value<'v, 'h> {
        // SAFETY: a constant of the running function (module rule).
        read(unsafe { &*self.constants.wrapping_add(index) })
    }

    /// A constant that the compiler promises to be a string.
    #[inline(always)]
    pub(super) fn constant_str<'v, 'h>(self, index: usize) -> Str<'v, 'h> {
        // SAFETY: the instructions that use this name string constants only (rule of the instruction set).
        unsafe { Gc::from_addr(self.constant::<'v, 'h>(index).payload()) }
    }

    /// The closure that runs.
    #[inline(always)]
    pub(super) fn closure<'v, 'h>(self) -> Gc<'v, 'h, Closure> {
        // SAFETY: there is always a slot below the registers of a frame.
        let cell = unsafe { &*self.base.wrapping_sub(1) };
        // SAFETY: in a Lua frame that slot holds the closure that runs.
        unsafe { Gc::from_addr(cell.words().1) }
    }

    /// Takes the next instruction word.
    #[inline(always)]
    pub(super) fn fetch(&mut self) -> u32 {
        let word = self.peek();
        self.pc = self.pc.wrapping_add(1);
        word
    }

    /// The next instruction word.
    #[inline(always)]
    pub(super) fn peek(self) -> u32 {
        // SAFETY: `pc` is inside the code of the running function (module rule).
        unsafe { *self.pc }
    }

    /// Moves the next instruction by a distance.
    #[inline(always)]
    pub(super) fn jump(&mut self, distance: isize) {
        self.pc = self.pc.wrapping_offset(distance);
    }
}
