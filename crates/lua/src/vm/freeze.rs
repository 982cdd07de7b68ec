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

#[cfg(test)]
mod tests {
    use crate::coroutine::frame;
    use crate::library::{NativeEntry, set_field};
    use crate::syntax::compile::compile;
    use crate::value::Value;
    use crate::vm::call::Args;
    use crate::vm::{Failure, Vm};
    use spanheap::Heap;

    /// Slots that are frozen, the function's own slot, and slots of the stack that are in use.
    fn state(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
        let frozen = vm.current().load(|c| &c.stack).map_or(0, |stack| stack.frozen());
        let top = vm.top.get();
        for number in [frozen, args.first - 1, top] {
            vm.push(Value::int(number as i64))?;
        }
        Ok(3)
    }

    /// Runs a program that knows `state`; it fails where one of its assertions does.
    fn run(program: &str) {
        let heap = Heap::builder().verify(true).poison(true).build().expect("the options are in range");
        let outcome = heap.attach(|cx| {
            Vm::enter(&heap, cx, |vm| {
                let index = vm.natives.len() as u32;
                vm.natives.push(NativeEntry { function: state, kind: frame::NATIVE });
                let globals = vm.globals().expect("the libraries are open");
                let native = vm.new_native(index, Value::NIL, Value::NIL).expect("there is room");
                set_field(vm, globals, "state", Value::native(native)).expect("there is room");
                let env = vm.globals().map_or(Value::NIL, Value::table);
                vm.push_chunk(&compile(program.as_bytes(), b"=test"), env).expect("there is room");
                let outcome = vm.call(vm.top.get() - 1, 0);
                let error = vm.error_value().as_str().map(|text| crate::string::bytes(text).to_vec());
                assert!(outcome.is_ok(), "{outcome:?}: {}", String::from_utf8_lossy(&error.unwrap_or_default()));
            })
        });
        outcome.expect("the thread is not attached").expect("there is room");
    }

    #[test]
    fn most_of_a_deep_stack_is_frozen_and_thaws_with_its_frames() {
        run("local function down(n)
               local a, b, c, d, e, f, g, h = {n}, n, n, n, n, n, n, n
               if n == 0 then
                 collectgarbage()
                 local frozen, own, top = state()
                 assert(top > 50000, 'the stack is deep')
                 assert(top - frozen < 2000, 'little is left for a handshake')
                 assert(top - frozen >= 512, 'the innermost frames are free to come and go')
               end
               local sum = n > 0 and down(n - 1) or 0
               local frozen, own = state()
               assert(frozen <= own - 10, 'the registers of this function are not frozen')
               if n % 700 == 0 then
                 collectgarbage('step')
                 frozen, own = state()
                 assert(own < 4000 or own - frozen < 4000, 'what has returned leaves the rest frozen')
               end
               return sum + a[1]
             end
             assert(down(5000) == 5000 * 5001 // 2)
             assert(state() == 0, 'nothing is left frozen')");
    }

    #[test]
    fn an_error_and_the_end_of_a_coroutine_thaw() {
        run("local function down(n, f) local a, b, c = {n} if n == 0 then collectgarbage() assert(state() > 1000) f() end
               down(n - 1, f) return a, b, c end
             local function caught() assert(not pcall(down, 1000, error)) return state() end
             assert(caught() == 0)
             local function padded(n) local a, b, c = {n} if n == 0 then return caught() end local frozen = padded(n - 1) return frozen end
             local frozen = padded(2000)
             assert(frozen > 5000, 'what lies below the frame that catches is frozen as before')
             assert(state() == 0)
             local co = coroutine.create(down)
             assert(coroutine.resume(co, 1000, coroutine.yield) and state() == 0, 'each stack has its own mark')
             assert(coroutine.close(co))
             local co = coroutine.create(down)
             assert(not coroutine.resume(co, 1000, error))
             assert(not coroutine.close(co))");
    }

    #[test]
    fn shallow_stacks_are_left_alone() {
        run("local function fib(n) if n < 2 then collectgarbage('step') return n, assert(state() == 0) end
               return (fib(n - 1)) + fib(n - 2) end
             assert(fib(12) == 144)");
    }
}
