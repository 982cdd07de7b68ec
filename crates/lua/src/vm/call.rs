//! Calling: how a function in a stack slot gets its frame, and how results find their way to whoever waits for them.
//!
//! Calls from Lua to Lua never use the Rust stack: a call adds a frame and the loop goes on with it. Calls that must wait
//! for a result in between (protected calls, coroutines, metamethods) leave a frame or a mark that says what to do with
//! the results; `Vm::return_values` does it. Only functions written in Rust that call back ([`Vm::call`]) run a loop of
//! their own, up to a fixed depth.

use spanheap::Gc;

use super::meta::Event;
use super::{Failure, Vm};
use crate::closure::Closure;
use crate::coroutine::frame;
use crate::value::Value;

/// The arguments of a function written in Rust: stack slots.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    /// Slot of the first argument.
    pub first: usize,
    /// How many there are.
    pub count: usize,
}

/// A function written in Rust. It pushes its results and returns how many they are.
pub type NativeFn = for<'h> fn(&mut Vm<'h>, Args) -> Result<usize, Failure>;

/// What the loop does after something that may have changed frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The same frame goes on; the stack may have moved.
    Same,
    /// Another frame may be on top.
    Reload,
    /// The call that the loop was started for has returned.
    Exit,
}

impl Flow {
    /// After a switch of coroutines nothing is the same.
    pub(super) fn reload(self) -> Flow {
        if self == Flow::Same { Flow::Reload } else { self }
    }
}

/// Most calls from Rust to Lua, and most coroutines resumed one from another, at a time.
pub(crate) const MAX_NATIVE_DEPTH: u32 = 195;

/// Free slots that a native function finds above its arguments without asking.
const NATIVE_ROOM: usize = 20;

impl<'h> Vm<'h> {
    /// Calls the function in slot `func` with the arguments above it up to `top`.
    pub(crate) fn call_at(&mut self, mut func: usize, mut results: i32, mut marks: u32) -> Result<Flow, Failure> {
        let mut handlers = 0;
        loop {
            let callee = self.get(func);
            if callee.as_closure().is_some() {
                self.with_room(|vm| match vm.get(func).as_closure() {
                    Some(closure) => vm.enter_closure(closure, func, results, marks),
                    None => unreachable!("it was a closure just now"),
                })?;
                return Ok(Flow::Reload);
            }
            if let Some(native) = callee.as_native() {
                let (index, kind) = (native.index, native.kind);
                self.with_room(|vm| vm.room_for_call(vm.top.get() + NATIVE_ROOM))?;
                match kind {
                    frame::NATIVE => {
                        self.push_frame(frame::NATIVE | marks, func, results)?;
                        return self.run_native(index as usize, func);
                    }
                    frame::PCALL | frame::XPCALL => {
                        self.enter_protected(kind, func, results, marks)?;
                        func += 1;
                        results = -1;
                        marks = 0;
                    }
                    frame::PAIRS => {
                        let handler = self.metamethod(self.get(func + 1), super::Event::Pairs);
                        if self.top.get() == func + 1 || handler.is_nil() {
                            self.push_frame(frame::NATIVE | marks, func, results)?;
                            return self.run_native(index as usize, func);
                        }
                        self.push_frame(frame::PAIRS | marks, func, results)?;
                        self.put(func + 2, self.get(func + 1));
                        self.put(func + 1, handler);
                        self.top.set(func + 3);
                        func += 1;
                        results = 3;
                        marks = 0;
                    }
                    frame::YIELD => return self.yield_values(func, results, marks),
                    _ => return self.resume(kind, func, results, marks),
                }
                continue;
            }
            let handler = self.metamethod(callee, Event::Call);
            if handler.is_nil() {
                // Once an argument was added, the instruction that calls can not run again.
                let failure = self.call_error(func);
                return Err(if handlers > 0 { self.settle(failure) } else { failure });
            }
            handlers += 1;
            if handlers > MAX_NATIVE_DEPTH {
                let failure = self.run_error("C stack overflow");
                return Err(self.settle(failure));
            }
            // The called value becomes the first argument of its handler.
            self.with_room(|vm| vm.room_for_call(vm.top.get() + 1))?;
            let handler = self.metamethod(self.get(func), Event::Call);
            self.push(Value::NIL)?;
            for slot in (func + 1..self.top.get()).rev() {
                self.put(slot, self.get(slot - 1));
            }
            self.put(func, handler);
        }
    }

    /// Adds the frame of a Lua function.
    pub(crate) fn enter_closure(
        &self,
        closure: Gc<'_, 'h, Closure>,
        func: usize,
        results: i32,
        marks: u32,
    ) -> Result<(), Failure> {
        let Some(proto) = closure.load(|c| &c.header().proto) else {
            unreachable!("closures are made with their prototype");
        };
        let top = self.top.get();
        let params = usize::from(proto.num_params);
        let given = top - func - 1;
        let base = if proto.is_vararg { top + 1 } else { func + 1 };
        self.room_for_call(base + params.max(usize::from(proto.max_stack)))?;
        let frame = self.push_frame(frame::LUA | marks, func, results)?;
        frame.base.set(base as u32);
        frame.pc.set(crate::proto::code(proto).as_ptr() as usize);
        frame.constants.set(crate::proto::constants(proto).as_ptr() as usize);
        if proto.is_vararg {
            self.put(top, self.get(func));
            for param in 0..params {
                let value = if param < given { self.get(func + 1 + param) } else { Value::NIL };
                self.put(base + param, value);
            }
            frame.varargs.set(given.saturating_sub(params) as u32);
        } else {
            for slot in top..base + params {
                self.put(slot, Value::NIL);
            }
        }
        Ok(())
    }

    /// Runs a Rust function whose frame is on top.
    fn run_native(&mut self, index: usize, func: usize) -> Result<Flow, Failure> {
        let function = self.natives[index].function;
        let args = Args { first: func + 1, count: self.top.get() - func - 1 };
        self.committed.set(false);
        // An absent first argument reads as nil.
        self.put(self.top.get(), Value::NIL);
        let count = match function(self, args) {
            Ok(count) => count,
            Err(Failure::Memory) if !self.committed.get() => {
                self.top.set(args.first + args.count);
                let again = if self.collect_for_room() { function(self, args) } else { Err(Failure::Memory) };
                again.map_err(|failure| self.settle(failure))?
            }
            Err(failure) => return Err(self.settle(failure)),
        };
        self.return_values(self.top.get() - count, count)
    }

    /// Copies `count` results from slot `first` to slot `to` and up, as many as are `wanted`.
    #[inline]
    pub(crate) fn place_results(&self, to: usize, first: usize, count: usize, wanted: i32) {
        if wanted < 0 {
            for index in 0..count {
                self.put(to + index, self.get(first + index));
            }
            self.top.set(to + count);
        } else {
            for index in 0..wanted as usize {
                let value = if index < count { self.get(first + index) } else { Value::NIL };
                self.put(to + index, value);
            }
        }
    }

    /// Ends the call on top with `count` results from slot `first`, and goes on with whoever waits for them.
    pub(crate) fn return_values(&mut self, mut first: usize, mut count: usize) -> Result<Flow, Failure> {
        loop {
            let frame = self.top_frame();
            let (func, results, kind) = (frame.func.get() as usize, frame.results.get(), frame.kind.get());
            self.place_results(func, first, count, results);
            self.depth.set(self.depth.get() - 1);
            if kind & (frame::BASE | frame::BOUNDARY | frame::FINISH | frame::REPEAT | frame::THAW) != 0 {
                if kind & frame::THAW != 0 {
                    self.thaw();
                }
                if kind & frame::BASE != 0 {
                    return self.leave_coroutine(func, count, crate::coroutine::status::DEAD);
                }
                if kind & frame::BOUNDARY != 0 {
                    self.top.set(func + if results < 0 { count } else { results as usize });
                    return Ok(Flow::Exit);
                }
                if kind & frame::REPEAT != 0 {
                    let caller = self.top_frame();
                    caller.pc.set(caller.pc.get() - size_of::<u32>());
                    return Ok(Flow::Same);
                }
                if kind & frame::FINISH != 0 {
                    if kind & frame::NEGATE != 0 {
                        self.put(func, Value::bool(self.get(func).is_falsy()));
                    }
                    return self.finish_instruction(func);
                }
            }
            let below = self.top_frame();
            match below.kind() {
                frame::LUA => return Ok(Flow::Same),
                frame::PAIRS => {
                    first = below.func.get() as usize + 1;
                    count = 3;
                }
                _ if below.is(frame::CLOSING) => return self.continue_closing(),
                _ => {
                    // A protected call has gone well: `true` goes before the results, which start one slot above.
                    first = below.func.get() as usize;
                    count = self.top.get() - first;
                    self.put(first, Value::bool(true));
                }
            }
        }
    }

    /// Calls, from Rust code, the function in slot `func` with the arguments above it up to `top`. The results, `results`
    /// of them or all for -1, are in slot `func` and up afterwards, and `top` is one past them.
    ///
    /// # Errors
    /// Whatever the function raises. The frames above the caller's are gone then; open variables are closed when the
    /// error reaches its handler.
    pub fn call(&mut self, func: usize, results: i32) -> Result<(), Failure> {
        if self.native_depth.get() >= MAX_NATIVE_DEPTH {
            return Err(self.run_error("C stack overflow"));
        }
        self.committed.set(true);
        let coroutine = self.current();
        let (caller, depth) = (coroutine.addr(), self.depth.get());
        coroutine.boundaries.set(coroutine.boundaries.get() + 1);
        self.native_depth.set(self.native_depth.get() + 1);
        let outcome = match self.call_at(func, results, frame::BOUNDARY) {
            Ok(Flow::Exit) => Ok(()),
            // Nothing was entered: there are no frames to look for a handler in.
            Err(failure) if self.current().addr() == caller && self.depth.get() <= depth => Err(failure),
            outcome => self.execute(outcome),
        };
        self.native_depth.set(self.native_depth.get() - 1);
        let coroutine = self.current();
        coroutine.boundaries.set(coroutine.boundaries.get() - 1);
        self.committed.set(true);
        outcome
    }

    /// Calls the function in slot `func` from Rust code, and takes its first result.
    ///
    /// # Errors
    /// Whatever the function raises.
    pub fn call_one<'m>(&'m mut self, func: usize) -> Result<Value<'m, 'h>, Failure> {
        self.call(func, 1)?;
        self.top.set(func);
        Ok(self.get(func))
    }
}
