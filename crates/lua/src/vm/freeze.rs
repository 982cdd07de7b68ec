//! The frozen part of the running stack: the registers of frames below the innermost ones, which a handshake need not copy.
//!
//! *Callers:* whoever lets the collector see the stack freezes (`Vm::tidy`); whoever takes frames away thaws.
//! *Invariants:*
//! - `[lua.frozen]` A coroutine's `frozen` is the number of the frame up to whose function slot its stack is frozen, or 0 if
//!   nothing is. That frame is on the frames, and has the mark `THAW`. A running function writes to its own slot and above,
//!   so that no slot below the mark is written but the variables of open upvalues (`Vm::set_open_upvalue`).
//! - A frame with the mark `THAW` does not return by the loop's short cuts, which ask for a frame without marks: so a
//!   call and a return cost nothing more, however often the mark moves. When the frame goes, the one below it is about
//!   to write, and the mark moves down first; by some frames at a time, as the next return would come at once.
//! - Frames go in `Vm::return_values`, one at a time, and in [`Vm::drop_frames`]; a tail call keeps the marks of the frame that it
//!   takes.

use super::Vm;
use crate::coroutine::frame;
use spanheap::{Gc, Stack};

use crate::value::LuaFamily;

/// Slots at the top of the stack that are never frozen: the innermost frames come and go.
const BUSY: usize = 512;
/// Slots beyond them after which it is worth moving the mark up.
const STEP: usize = 1024;
/// Slots that are thawed at a time, or a frame's more.
const THAWED: usize = 1024;

impl<'h> Vm<'h> {
    /// Freezes the frames of the running coroutine but for the innermost ones, if that is worth it. Its stack's top is `live`.
    pub(super) fn freeze(&self, stack: Gc<'_, 'h, Stack<LuaFamily>>, live: usize) {
        if live < stack.frozen() + BUSY + STEP {
            return;
        }
        let (coroutine, most) = (self.current(), live - BUSY);
        let first = |index: usize| self.frame(index).func.get() as usize;
        let Some(index) = (1..self.depth.get()).rev().find(|&index| first(index) <= most) else { return };
        if first(index) <= stack.frozen() {
            return;
        }
        self.unmark(coroutine.frozen.get() as usize);
        self.mark(index);
        self.cx().set_frozen(stack, first(index));
    }

    /// Whether slot `index` and those above may be written without a barrier.
    pub(super) fn may_write(&self, index: usize) -> bool {
        self.current().load(|c| &c.stack).is_none_or(|stack| index >= stack.frozen())
    }

    /// Takes all frames from number `depth` up away, and lets the one below write to its slots.
    pub(super) fn drop_frames(&self, depth: usize) {
        self.depth.set(depth);
        if self.current().frozen.get() as usize >= depth {
            self.thaw();
        }
    }

    /// Moves the mark down, so that the frame on top may write to its slots. The frame of the mark has gone, or goes.
    #[cold]
    #[inline(never)]
    pub(super) fn thaw(&self) {
        let first = |index: usize| self.frame(index).func.get() as usize;
        let mut index = self.depth.get().saturating_sub(1);
        let most = first(index).saturating_sub(THAWED);
        while index > 0 && first(index) > most {
            index -= 1;
        }
        self.move_mark_down(index);
    }

    /// Thaws the whole stack, whatever frames there are: they will not run again.
    pub(super) fn thaw_all(&self) {
        self.unmark(self.current().frozen.get() as usize);
        self.move_mark_down(0);
    }

    fn move_mark_down(&self, index: usize) {
        let coroutine = self.current();
        let Some(stack) = coroutine.load(|c| &c.stack) else { return };
        if stack.frozen() > 0 {
            let slots = if index == 0 { 0 } else { self.frame(index).func.get() as usize };
            self.mark(index);
            self.cx().set_frozen(stack, slots);
        }
    }

    /// Lets frame `index` be the one up to which the stack is frozen; 0 for none.
    fn mark(&self, index: usize) {
        self.current().frozen.set(index as u32);
        if index > 0 {
            let kind = &self.frame(index).kind;
            kind.set(kind.get() | frame::THAW);
        }
    }

    fn unmark(&self, index: usize) {
        if index > 0 {
            let kind = &self.frame(index).kind;
            kind.set(kind.get() & !frame::THAW);
        }
    }
}
