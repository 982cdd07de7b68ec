//! The running coroutine's registers and frames: access, growth, and what the collector may see of them.
//!
//! The machine keeps the address of the running stack and of its frames. Two limits matter: the stack's size, and
//! `limit`, up to which slots have been written since they were last cleared. Slots above `limit` are nil. Whenever the
//! collector gets to look, `Vm::tidy` clears everything from the live end up to `limit`, so a stale value that a later
//! frame happens to cover was written after the last safepoint, and the object it names cannot have been freed.

use spanheap::{Data, Gc, Slot, Stack, StackError};

use super::{Failure, Memory, Vm};
use crate::closure::{self, Upvalue};
use crate::coroutine::{Coroutine, Frame};
use crate::value::{LuaFamily, Value, ValueCell, read};

/// Slots of a new coroutine's stack.
const FIRST_STACK: usize = 48;
/// Slots above the top that frames may use without asking for more: the registers of a Lua function, the room of a Rust
/// function, and some.
const ABOVE_TOP: usize = 256;
/// Frames of a new coroutine.
const FIRST_FRAMES: usize = 8;
/// Most slots of a stack; a program that needs more gets a "stack overflow" error.
pub const MAX_STACK: usize = 1_000_000;
/// Slots beyond the most, for the message handler of a stack overflow.
const SPARE_STACK: usize = 10_000;

impl<'h> Vm<'h> {
    /// The running coroutine.
    #[inline(always)]
    pub fn current<'m>(&'m self) -> Gc<'m, 'h, Coroutine> {
        match self.runtime().load(|r| &r.current) {
            Some(coroutine) => coroutine,
            None => unreachable!("a coroutine runs from the machine's start to its end"),
        }
    }

    /// Address of stack slot `index`.
    #[inline(always)]
    pub(crate) fn slot_address(&self, index: usize) -> *const ValueCell {
        self.stack.get().wrapping_add(index)
    }

    /// The slot number of an address in the running stack.
    #[inline(always)]
    pub(crate) fn slot_index(&self, address: *const ValueCell) -> usize {
        (address as usize - self.stack.get() as usize) / size_of::<ValueCell>()
    }

    #[inline(always)]
    fn slot(&self, index: usize) -> &ValueCell {
        debug_assert!(index < self.limit.get());
        // SAFETY: the callers pass indices below `limit`, which never exceeds the running stack's size; the stack object
        // is alive while its coroutine runs and is replaced only together with this address.
        unsafe { &*self.slot_address(index) }
    }

    /// The value in stack slot `index`, which is below the limit.
    #[inline(always)]
    pub fn get(&self, index: usize) -> Value<'_, 'h> {
        read(self.slot(index))
    }

    /// Writes stack slot `index`, which is below the limit and not frozen: a slot of the frame on top, or above.
    #[inline(always)]
    pub fn put(&self, index: usize, value: Value<'_, 'h>) {
        debug_assert!(self.may_write(index));
        // SAFETY: the slot lies in the running stack of this thread; [lua.frozen].
        unsafe { self.slot(index).store_running(value) }
    }

    /// Appends a value at `top`.
    ///
    /// # Errors
    /// When the stack is full.
    #[inline]
    pub fn push(&self, value: Value<'_, 'h>) -> Result<(), Failure> {
        let top = self.top.get();
        if top >= self.limit.get() {
            self.make_room(top + 1)?;
        }
        self.put(top, value);
        self.top.set(top + 1);
        Ok(())
    }

    /// Makes slots below `needed` usable.
    #[inline(always)]
    pub(crate) fn ensure(&self, needed: usize) -> Result<(), Failure> {
        if needed > self.limit.get() { self.make_room(needed) } else { Ok(()) }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn make_room(&self, needed: usize) -> Result<(), Failure> {
        let coroutine = self.current();
        let Some(stack) = coroutine.load(|c| &c.stack) else { return Err(Failure::Memory) };
        let most = if self.handling.get() > 0 { MAX_STACK + SPARE_STACK } else { MAX_STACK };
        if needed > most {
            return Err(if self.handling.get() > 0 {
                self.raise_text(b"error in error handling")
            } else {
                self.run_error("stack overflow")
            });
        }
        match self.cx().grow_stack(stack, needed, |old, new| re_aim(coroutine, old, new)) {
            Ok(()) => {}
            Err(StackError::Overflow(_)) => return Err(self.run_error("stack overflow")),
            Err(StackError::Alloc(error)) => return Err(Memory::from(error).into()),
        }
        self.stack.set(stack.base());
        self.limit.set((needed + 64).max(self.limit.get() * 2).min(stack.len()).min(most));
        Ok(())
    }

    /// Moves a suspended coroutine that uses little of its stack into a smaller one.
    fn shrink(&self, coroutine: Gc<'_, 'h, Coroutine>, stack: Gc<'_, 'h, Stack<LuaFamily>>) {
        // The frames' registers lie below that; what is above is dead.
        let keep = coroutine.top.get() as usize + ABOVE_TOP;
        if self.cx().shrink_stack(stack, keep, |old, new| re_aim(coroutine, old, new)) {
            coroutine.limit.set(coroutine.limit.get().min(stack.len() as u32));
        }
    }

    /// Gives back the stack of a coroutine that is dead and has told all it had to tell.
    pub(crate) fn release_stack(&self, coroutine: Gc<'_, 'h, Coroutine>) {
        if let (None, Some(stack)) = (coroutine.load(|c| &c.open), coroutine.load(|c| &c.stack)) {
            self.cx().free_stack(stack);
        }
    }

    /// Gets the running stack ready for the collector: everything from `live` up is dead.
    pub(crate) fn tidy(&self, live: usize) {
        if let Some(stack) = self.current().load(|c| &c.stack) {
            for index in live..self.limit.get() {
                self.put(index, Value::NIL);
            }
            stack.set_top(live);
            self.freeze(stack, live);
            self.limit.set(self.limit.get().min(live + ABOVE_TOP).max(live));
            self.epoch.set(self.epoch.get() + 1);
        }
    }

    /// Frame `index` of the running coroutine.
    #[inline(always)]
    pub(crate) fn frame(&self, index: usize) -> &Frame {
        debug_assert!(index < self.frame_room.get());
        // SAFETY: the callers pass indices below `frame_room`; the frame array is alive while its coroutine runs and is
        // replaced only together with this address.
        unsafe { &*self.frames.get().wrapping_add(index) }
    }

    /// The frame on top.
    #[inline(always)]
    pub(crate) fn top_frame(&self) -> &Frame {
        self.frame(self.depth.get() - 1)
    }

    /// The instruction word before the next one of a Lua frame: the one it is in the middle of.
    pub(crate) fn word_before(&self, frame: &Frame) -> u32 {
        let pc = frame.pc.get() as *const u32;
        // SAFETY: a Lua frame's `pc` lies behind the start of its code, which its closure on the stack keeps alive, once
        // it has run an instruction.
        unsafe { *pc.wrapping_sub(1) }
    }

    /// Takes or skips the jump that follows the conditional instruction which the frame is in the middle of.
    pub(crate) fn take_branch(&self, frame: &Frame, taken: bool) {
        let pc = frame.pc.get() as *const u32;
        // SAFETY: a conditional instruction is always followed by a jump word, and `pc` is at it.
        let jump = unsafe { *pc };
        let distance = if taken { crate::syntax::bytecode::sj(jump) } else { 0 };
        frame.pc.set(pc.wrapping_offset(1 + distance) as usize);
    }

    /// Adds a frame for a call of the function in slot `func`.
    #[inline(always)]
    pub(crate) fn push_frame(&self, kind: u32, func: usize, results: i32) -> Result<&Frame, Failure> {
        let depth = self.depth.get();
        if depth >= self.frame_room.get() {
            self.grow_frames()?;
        }
        self.depth.set(depth + 1);
        let frame = self.frame(depth);
        frame.func.set(func as u32);
        frame.base.set(func as u32 + 1);
        frame.results.set(results);
        frame.kind.set(kind);
        frame.pc.set(0);
        frame.constants.set(0);
        frame.varargs.set(0);
        frame.pending.set(0);
        Ok(frame)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn grow_frames(&self) -> Result<(), Failure> {
        let coroutine = self.current();
        let room = self.frame_room.get();
        let grown = self.cx().alloc_array(self.classes.frames, (), room * 2).map_err(Memory::from)?;
        for (index, to) in grown.elements().iter().enumerate().take(room) {
            let from = self.frame(index);
            to.pc.set(from.pc.get());
            to.constants.set(from.constants.get());
            to.func.set(from.func.get());
            to.base.set(from.base.get());
            to.results.set(from.results.get());
            to.kind.set(from.kind.get());
            to.varargs.set(from.varargs.get());
            to.pending.set(from.pending.get());
        }
        self.cx().set(coroutine, |c| &c.frames, Some(grown));
        self.frames.set(grown.elements().as_ptr());
        self.frame_room.set(room * 2);
        Ok(())
    }

    /// Makes slots below `needed` usable, and room for one more frame.
    pub(crate) fn room_for_call(&self, needed: usize) -> Result<(), Failure> {
        self.ensure(needed)?;
        if self.depth.get() < self.frame_room.get() { Ok(()) } else { self.grow_frames() }
    }

    /// A new coroutine with an empty stack.
    pub(crate) fn new_coroutine<'m>(&'m self) -> Result<Gc<'m, 'h, Coroutine>, Memory> {
        let cx = self.cx();
        let coroutine = cx.alloc(Coroutine {
            stack: Slot::null(),
            frames: Slot::null(),
            open: Slot::null(),
            pending: Slot::null(),
            resumer: Slot::null(),
            pending_len: Data::new(0),
            depth: Data::new(0),
            frozen: Data::new(0),
            top: Data::new(0),
            limit: Data::new(FIRST_STACK as u32),
            status: Data::new(0),
            failed: Data::new(false),
            boundaries: Data::new(0),
            nesting: Data::new(0),
            epoch: Data::new(0),
        })?;
        let stack: Gc<'m, 'h, Stack<LuaFamily>> = cx.alloc_stack(FIRST_STACK)?;
        cx.set(coroutine, |c| &c.stack, Some(stack));
        cx.set(coroutine, |c| &c.frames, Some(cx.alloc_array(self.classes.frames, (), FIRST_FRAMES)?));
        Ok(coroutine)
    }

    /// Writes the machine's view of the running coroutine back into it, before another one runs.
    pub(crate) fn store_coroutine(&self) {
        let coroutine = self.current();
        coroutine.depth.set(self.depth.get() as u32);
        coroutine.top.set(self.top.get() as u32);
        coroutine.limit.set(self.limit.get() as u32);
        coroutine.epoch.set(self.epoch.get());
        if let Some(stack) = coroutine.load(|c| &c.stack) {
            stack.set_top(self.top.get());
        }
    }

    /// Makes `coroutine` the running one.
    pub(crate) fn load_coroutine(&self, coroutine: Gc<'_, 'h, Coroutine>) {
        self.cx().set(self.runtime(), |r| &r.current, Some(coroutine));
        let (Some(stack), Some(frames)) = (coroutine.load(|c| &c.stack), coroutine.load(|c| &c.frames)) else {
            unreachable!("a coroutine is born with a stack and frames");
        };
        if stack.wants_to_shrink() {
            self.shrink(coroutine, stack);
        }
        self.cx().switch_stack(Some(stack));
        self.stack.set(stack.base());
        self.frames.set(frames.elements().as_ptr());
        self.frame_room.set(frames.len());
        self.depth.set(coroutine.depth.get() as usize);
        self.top.set(coroutine.top.get() as usize);
        self.limit.set(coroutine.limit.get() as usize);
        if coroutine.epoch.get() != self.epoch.get() {
            // What lay above the top was not shown to the collector and may name freed objects.
            for index in self.top.get()..self.limit.get() {
                self.put(index, Value::NIL);
            }
        }
    }

    /// The upvalue for stack slot `index` of the running coroutine: the open one if there is one.
    pub(crate) fn find_upvalue<'m>(&'m self, index: usize) -> Result<Gc<'m, 'h, Upvalue>, Memory> {
        let cx = self.cx();
        let coroutine = self.current();
        let address = self.slot_address(index);
        let mut previous: Option<Gc<'m, 'h, Upvalue>> = None;
        let mut open = coroutine.load(|c| &c.open);
        while let Some(upvalue) = open {
            if closure::location(upvalue) <= address {
                if closure::location(upvalue) == address {
                    return Ok(upvalue);
                }
                break;
            }
            previous = open;
            open = upvalue.load(|u| &u.next);
        }
        let new = self.alloc_upvalue()?;
        closure::aim(new, address);
        cx.set(new, |u| &u.stack, coroutine.load(|c| &c.stack));
        cx.set(new, |u| &u.next, open);
        match previous {
            Some(previous) => cx.set(previous, |u| &u.next, Some(new)),
            None => cx.set(coroutine, |c| &c.open, Some(new)),
        }
        Ok(new)
    }

    /// Closes all upvalues for stack slots from `level` up.
    pub(crate) fn close_upvalues(&self, level: usize) {
        let cx = self.cx();
        let coroutine = self.current();
        let address = self.slot_address(level);
        while let Some(upvalue) = coroutine.load(|c| &c.open) {
            if closure::location(upvalue) < address {
                break;
            }
            cx.set_pair(upvalue, |u| &u.value, closure::upvalue_value(upvalue));
            closure::aim_inside(upvalue);
            cx.set(coroutine, |c| &c.open, upvalue.load(|u| &u.next));
            cx.set(upvalue, |u| &u.next, None::<Gc<'_, 'h, Upvalue>>);
            cx.set(upvalue, |u| &u.stack, None::<Gc<'_, 'h, Stack<LuaFamily>>>);
        }
    }

    /// Writes the variable behind an upvalue.
    #[inline(always)]
    pub(crate) fn set_upvalue(&self, upvalue: Gc<'_, 'h, Upvalue>, value: Value<'_, 'h>) {
        if closure::is_closed(upvalue) {
            self.cx().set_pair(upvalue, |u| &u.value, value);
        } else {
            self.set_open_upvalue(upvalue, value);
        }
    }

    fn set_open_upvalue(&self, upvalue: Gc<'_, 'h, Upvalue>, value: Value<'_, 'h>) {
        let Some(stack) = upvalue.load(|u| &u.stack) else { return };
        let index = (closure::location(upvalue) as usize - stack.base() as usize) / size_of::<ValueCell>();
        // A frozen slot is written with a barrier, as that of another stack.
        if stack.base() == self.stack.get() && index >= stack.frozen() {
            self.put(index, value);
        } else {
            self.set_far_slot(stack, index, value);
        }
    }

    #[cold]
    #[inline(never)]
    fn set_far_slot(&self, stack: Gc<'_, 'h, Stack<LuaFamily>>, index: usize, value: Value<'_, 'h>) {
        self.cx().set_stack_slot(stack, index, value);
    }
}

/// Aims the open upvalues of a coroutine at its stack's new place.
fn re_aim(coroutine: Gc<'_, '_, Coroutine>, old: *const ValueCell, new: *const ValueCell) {
    let mut open = coroutine.load(|c| &c.open);
    while let Some(upvalue) = open {
        let offset = closure::location(upvalue) as usize - old as usize;
        closure::aim(upvalue, new.wrapping_byte_add(offset));
        open = upvalue.load(|u| &u.next);
    }
}
