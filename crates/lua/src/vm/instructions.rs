//! Instructions that do too much to stand in the loop: constructors, closures, tail calls, returns with something to close,
//! extra arguments. The loop calls them with the frame's state saved.

use crate::syntax::bytecode as bc;

use super::call::Flow;
use super::window::Window;
use super::{Failure, Vm};
use crate::closure::Upvalue;
use crate::coroutine::{Frame, frame};
use crate::proto::FROM_STACK;
use crate::table;
use crate::value::ValueCell;

impl<'h> Vm<'h> {
    /// Whether slots below `needed` may be used and there is room for one more frame.
    #[inline(always)]
    pub(super) fn has_room(&self, needed: usize) -> bool {
        needed <= self.limit.get() && self.depth.get() < self.frame_room.get()
    }

    /// Adds the frame of a plain call; there is room.
    #[inline(always)]
    pub(super) fn push_plain_frame(&self, func: usize, results: i32, constants: *const ValueCell) -> *const Frame {
        let depth = self.depth.get();
        self.depth.set(depth + 1);
        let frame = self.frame(depth);
        frame.func.set(func as u32);
        frame.base.set(func as u32 + 1);
        frame.results.set(results);
        frame.constants.set(constants as usize);
        frame.kind.set(frame::LUA);
        frame.varargs.set(0);
        frame.pending.set(0);
        frame
    }

    /// Stores a run of constructor items.
    pub(super) fn set_list(&self, word: u32, w: Window) -> Result<(), Failure> {
        let a = bc::a(word);
        let count = match bc::b(word) {
            0 => self.top.get() - self.slot_index(w.base) - a - 1,
            count => count,
        };
        let first = if bc::c(word) == 0 { 0 } else { bc::ax(w.peek()) };
        let Some(table) = w.get::<'_, 'h>(a).as_table() else { return Ok(()) };
        table::reserve_items(self, table, first + count)?;
        for index in 1..=count {
            table::set_int(self, table, (first + index) as i64, w.get(a + index))?;
        }
        Ok(())
    }

    /// Makes a closure of function `index` inside the running one.
    pub(super) fn make_closure<'m>(
        &'m self,
        w: Window,
        index: usize,
    ) -> Result<spanheap::Gc<'m, 'h, crate::closure::Closure>, Failure> {
        let cx = self.cx();
        let running = w.closure::<'m, 'h>();
        let children = running.load(|c| &c.header().proto).and_then(|proto| proto.load(|p| &p.children));
        let Some(proto) = children.and_then(|children| children.element(index)) else {
            unreachable!("the compiler numbers the functions inside");
        };
        let descriptions = proto.load(|p| &p.upvalues).map_or(&[][..], |words| words.as_ref().elements());
        let closure = self.alloc_closure(descriptions.len())?;
        cx.set(closure, |c| &c.header().proto, Some(proto));
        let base = self.slot_index(w.base);
        for (place, &description) in descriptions.iter().enumerate() {
            let from = (description & !FROM_STACK) as usize;
            let upvalue: Option<spanheap::Gc<'_, 'h, Upvalue>> = if description & FROM_STACK != 0 {
                Some(self.find_upvalue(base + from)?)
            } else {
                running.element(from)
            };
            cx.set_element(closure, place, upvalue);
        }
        Ok(closure)
    }

    /// Calls in place of the running function.
    #[inline(never)]
    pub(super) fn tail_call(&mut self, func: usize, has_upvalues: bool) -> Result<Flow, Failure> {
        let frame = self.top_frame();
        let (own, results, kind) = (frame.func.get() as usize, frame.results.get(), frame.kind.get());
        let Some(closure) = self.get(func).as_closure() else {
            // Anything else is called as usual, and the return that follows hands the results on.
            return self.call_at(func, -1, 0);
        };
        let count = self.top.get() - func;
        // Room first: when the registers are gone, the instruction can not run again.
        let params = closure.load(|c| &c.header().proto).map_or(0, |proto| proto.max_stack.max(proto.num_params));
        self.ensure(own + count + 1 + usize::from(params))?;
        if has_upvalues {
            self.close_upvalues(frame.base.get() as usize);
        }
        for index in 0..count {
            self.put(own + index, self.get(func + index));
        }
        self.top.set(own + count);
        self.depth.set(self.depth.get() - 1);
        if let Err(failure) = self.enter_closure(closure, own, results, kind | frame::TAIL) {
            // The frame stays for the message only.
            self.depth.set(self.depth.get() + 1);
            return Err(self.settle(failure));
        }
        Ok(Flow::Reload)
    }

    /// The general return: closes what is open, then hands the values on.
    #[inline(never)]
    pub(super) fn return_instruction(&mut self, word: u32) -> Result<Flow, Failure> {
        let frame = self.top_frame();
        let base = frame.base.get() as usize;
        let first = base + bc::a(word);
        let count = match (frame.pending.get(), bc::b(word)) {
            (0, 0) => self.top.get() - first,
            (0, count) => count - 1,
            // Handlers have run since the values were counted.
            (pending, _) => pending as usize - 1,
        };
        if bc::c(word) != 0 {
            frame.pending.set(count as u32 + 1);
            let live = self.above_registers().max(first + count);
            if let Some(flow) = self.close_next(base, live)? {
                return Ok(flow);
            }
            self.top_frame().pending.set(0);
        }
        Ok(self.return_values(first, count)?.reload())
    }

    /// Leaves a scope that has upvalues or to-be-closed variables.
    #[inline(never)]
    pub(super) fn close_instruction(&mut self, word: u32) -> Result<Flow, Failure> {
        let level = self.top_frame().base.get() as usize + bc::a(word);
        let live = self.above_registers();
        Ok(self.close_next(level, live)?.unwrap_or(Flow::Same))
    }

    /// Copies extra arguments into registers.
    #[inline(never)]
    pub(super) fn vararg_instruction(&mut self, word: u32) -> Result<Flow, Failure> {
        let frame = self.top_frame();
        let base = frame.base.get() as usize;
        let extras = frame.varargs.get() as usize;
        let from = base - 1 - extras;
        let to = base + bc::a(word);
        if bc::c(word) == 0 {
            self.ensure(to + extras)?;
        }
        self.place_results(to, from, extras, bc::c(word) as i32 - 1);
        Ok(Flow::Same)
    }
}
