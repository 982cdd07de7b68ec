//! Protected calls and coroutines as frames: what `pcall`, `xpcall`, `resume`, `wrap` and `yield` do to the frame list,
//! and how an instruction that had to call a metamethod is completed.

use crate::syntax::bytecode::{self as bc, Op};

use super::call::{Flow, MAX_NATIVE_DEPTH};
use super::{Failure, Vm};
use crate::coroutine::{frame, status};
use crate::value::Value;

impl<'h> Vm<'h> {
    /// Leaves a frame for `pcall` or `xpcall` in slot `func`, with the function to call in the slot above.
    pub(super) fn enter_protected(&mut self, kind: u32, func: usize, results: i32, marks: u32) -> Result<(), Failure> {
        let given = self.top.get() - func - 1;
        if kind == frame::PCALL {
            if given == 0 {
                self.push_frame(frame::NATIVE | marks, func, results)?;
                return Err(self.argument_error(0, "value expected"));
            }
            self.push_frame(kind | marks, func, results)?;
            return Ok(());
        }
        if given < 2 || !self.get(func + 2).is_function() {
            self.push_frame(frame::NATIVE | marks, func, results)?;
            let got = if given < 2 { None } else { Some(self.get(func + 2)) };
            return Err(self.argument_type_error(1, "function", got));
        }
        self.push_frame(kind | marks, func, results)?;
        // The handler takes the slot of `xpcall` itself, and the arguments close up.
        self.put(func, self.get(func + 2));
        for slot in func + 2..self.top.get() - 1 {
            self.put(slot, self.get(slot + 1));
        }
        self.top.set(self.top.get() - 1);
        Ok(())
    }

    /// Resumes a coroutine: the one in the first argument (`RESUME`) or the one that the called function holds (`WRAP`).
    pub(super) fn resume(&mut self, kind: u32, func: usize, results: i32, marks: u32) -> Result<Flow, Failure> {
        self.push_frame(kind | marks, func, results)?;
        let (coroutine, first) = if kind == frame::RESUME {
            (self.get(func + 1).as_thread().filter(|_| self.top.get() > func + 1), func + 2)
        } else {
            let native = self.get(func).as_native();
            (native.and_then(|native| crate::value::read(&native.as_ref().first).as_thread()), func + 1)
        };
        let Some(coroutine) = coroutine else {
            let got = (self.top.get() > func + 1).then(|| self.get(func + 1));
            return Err(self.argument_type_error(0, "thread", got));
        };
        let current = self.current();
        let refusal = if coroutine.status.get() != status::SUSPENDED {
            Some(if coroutine.status.get() == status::DEAD {
                "cannot resume dead coroutine"
            } else {
                "cannot resume non-suspended coroutine"
            })
        } else if current.nesting.get() + self.native_depth.get() >= MAX_NATIVE_DEPTH {
            Some("C stack overflow")
        } else {
            None
        };
        if let Some(message) = refusal {
            if kind == frame::WRAP {
                return Err(self.native_error(message));
            }
            let message = self.string(message.as_bytes())?;
            self.put(func, Value::bool(false));
            self.put(func + 1, Value::str(message));
            return self.return_values(func, 2);
        }
        let count = self.top.get().saturating_sub(first);
        self.cx().set(coroutine, |c| &c.resumer, Some(current));
        coroutine.nesting.set(current.nesting.get() + 1);
        coroutine.status.set(status::RUNNING);
        current.status.set(status::NORMAL);
        self.store_coroutine();
        self.load_coroutine(coroutine);
        let start = self.top.get();
        // The arguments lie below the top of the stack that resumes.
        self.with_room(|vm| vm.ensure(start + count + 1))?;
        if let Some(stack) = self.current().load(|c| &c.resumer).and_then(|resumer| resumer.load(|c| &c.stack)) {
            for index in 0..count {
                self.put(start + index, crate::value::read(&stack.as_ref().slots()[first + index]));
            }
        }
        self.top.set(start + count);
        if self.depth.get() == 0 {
            Ok(self.call_at(0, -1, frame::BASE)?.reload())
        } else {
            Ok(self.return_values(start, count)?.reload())
        }
    }

    /// Suspends the running coroutine with the arguments of `yield` as results for whoever resumed it.
    pub(super) fn yield_values(&mut self, func: usize, results: i32, marks: u32) -> Result<Flow, Failure> {
        let coroutine = self.current();
        self.push_frame(frame::YIELD | marks, func, results)?;
        if coroutine.load(|c| &c.resumer).is_none() {
            return Err(self.run_error("attempt to yield from outside a coroutine"));
        }
        if coroutine.boundaries.get() > 0 {
            return Err(self.run_error("attempt to yield across a C-call boundary"));
        }
        self.leave_coroutine(func + 1, self.top.get() - func - 1, status::SUSPENDED)
    }

    /// Goes back to whoever resumed the running coroutine, handing over `count` values from slot `first`.
    pub(super) fn leave_coroutine(&mut self, first: usize, count: usize, state: u32) -> Result<Flow, Failure> {
        let from = self.current();
        if state == status::DEAD {
            self.close_upvalues(0);
        }
        self.top.set(first);
        self.switch_back(state);
        let waiting = self.top_frame();
        let func = waiting.func.get() as usize;
        let mut to = func;
        if waiting.kind() == frame::RESUME {
            self.put(func, Value::bool(true));
            to += 1;
        }
        // What is handed over lies above the top of its stack, where a collection would not see it.
        self.ensure(to + count).map_err(|failure| self.settle(failure))?;
        if let Some(stack) = from.load(|c| &c.stack) {
            for index in 0..count {
                self.put(to + index, crate::value::read(&stack.as_ref().slots()[first + index]));
            }
        }
        if state == status::DEAD {
            self.release_stack(from);
        }
        Ok(self.return_values(func, to - func + count)?.reload())
    }

    /// Makes the resumer of the running coroutine the running one.
    pub(super) fn switch_back(&self, state: u32) {
        let from = self.current();
        let Some(to) = from.load(|c| &c.resumer) else {
            unreachable!("only the main coroutine has no resumer, and it is never left");
        };
        self.store_coroutine();
        from.status.set(state);
        self.cx().set(from, |c| &c.resumer, None::<spanheap::Gc<'_, 'h, crate::coroutine::Coroutine>>);
        to.status.set(status::RUNNING);
        self.load_coroutine(to);
    }

    /// Completes the instruction that the frame on top was running, with the value in slot `result` that it waited for.
    pub(super) fn finish_instruction(&mut self, result: usize) -> Result<Flow, Failure> {
        let frame = self.top_frame();
        let word = self.word_before(frame);
        if Op::of(word) != Op::Concat {
            self.finish_with(self.get(result));
            return Ok(Flow::Same);
        }
        // The result stands for the last two operands.
        let left = frame.pending.get() - 1;
        frame.pending.set(left);
        self.put(frame.base.get() as usize + bc::b(word) + left as usize - 1, self.get(result));
        self.concat(word)
    }

    /// Completes the instruction that the frame on top was running (not a concatenation) with this value.
    pub(super) fn finish_with(&self, value: Value<'_, 'h>) {
        let frame = self.top_frame();
        let word = self.word_before(frame);
        let op = Op::of(word);
        match op {
            Op::SetTabUp
            | Op::SetTabUpK
            | Op::SetTable
            | Op::SetTableK
            | Op::SetIndex
            | Op::SetIndexK
            | Op::SetField
            | Op::SetFieldK => {}
            _ if bc::is_conditional(op) => self.take_branch(frame, value.is_falsy() != (bc::c(word) != 0)),
            _ => self.put(frame.base.get() as usize + bc::a(word), value),
        }
    }
}
