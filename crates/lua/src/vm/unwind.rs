//! Errors on their way: finding who catches, running message handlers and `__close` metamethods, ending coroutines.
//!
//! The error value waits in the runtime object. A protected call that catches an error stays on the frames with the mark
//! `CLOSING` while the handlers of its pending variables run as ordinary calls, so that they may yield; each return comes
//! back to `Vm::continue_closing`. Rust code that called Lua is a boundary: its frames go, and the error goes on as a
//! Rust error to the next loop outside.

use spanheap::Gc;

use super::call::Flow;
use super::meta::Event;
use super::{Failure, Vm};
use crate::coroutine::{Coroutine, frame, status};
use crate::value::Value;

/// Most message handlers that may fail inside one another before the error is given up.
const MAX_HANDLER_FAILURES: u32 = 10;

impl<'h> Vm<'h> {
    /// Brings the error to whoever catches it. `Err` when that is Rust code that called this loop.
    pub(super) fn unwind(&mut self, failure: Failure) -> Result<Flow, Failure> {
        let mut failure = failure;
        loop {
            match self.unwind_once(failure) {
                Ok(Some(flow)) => return Ok(flow),
                Ok(None) => return Err(Failure::Error),
                // Something failed while the error was delivered: that is the error now.
                Err(next) => failure = next,
            }
        }
    }

    fn unwind_once(&mut self, failure: Failure) -> Result<Option<Flow>, Failure> {
        if failure == Failure::Memory {
            let top = self.top.get();
            self.top.set(self.live_end());
            if self.memory_retry() {
                // Some instructions take their operands up to there.
                self.top.set(top);
                return Ok(Some(Flow::Reload));
            }
            self.raise_memory();
        }
        loop {
            if !self.handled.get() {
                self.run_message_handler();
            }
            let mut catcher = None;
            for index in (0..self.depth.get()).rev() {
                let frame = self.frame(index);
                if matches!(frame.kind(), frame::PCALL | frame::XPCALL) {
                    catcher = Some(index);
                    break;
                }
                if frame.is(frame::BOUNDARY) {
                    self.drop_frames(index);
                    return Ok(None);
                }
            }
            if let Some(index) = catcher {
                self.handled.set(false);
                self.drop_frames(index + 1);
                let frame = self.frame(index);
                frame.kind.set(frame.kind.get() | frame::CLOSING);
                self.put(frame.func.get() as usize + 1, self.error_value());
                self.cx().set_pair(self.runtime(), |r| &r.error, Value::NIL);
                return self.continue_closing().map(Some);
            }
            if let Some(flow) = self.kill_coroutine()? {
                return Ok(Some(flow));
            }
        }
    }

    /// The first slot that is dead for sure.
    fn live_end(&self) -> usize {
        let top = self.top.get();
        if self.depth.get() == 0 {
            // A coroutine that has not started yet.
            return top;
        }
        let frame = self.top_frame();
        match self.frame_proto(frame) {
            Some(proto) => top.max(frame.base.get() as usize + usize::from(proto.max_stack)),
            None => top,
        }
    }

    /// Collects, if the failed instruction can run again and that may help; its frame is set up for it then.
    fn memory_retry(&mut self) -> bool {
        if self.depth.get() == 0 || self.top_frame().kind() != frame::LUA || !self.collect_for_room() {
            return false;
        }
        let frame = self.top_frame();
        let again = frame.pc.get().wrapping_sub(size_of::<u32>());
        // After the collection the count is exact: the same again means that trying again has come to nothing.
        let mark = (again, self.allocation_mark());
        if self.last_retry.replace(mark) == mark {
            return false;
        }
        frame.pc.set(again);
        true
    }

    /// Gives the error to the message handler of the nearest `xpcall`, if that is what catches it.
    fn run_message_handler(&mut self) {
        let handler = (0..self.depth.get()).rev().map(|index| self.frame(index)).find_map(|frame| match frame.kind() {
            frame::PCALL => Some(None),
            frame::XPCALL => Some(Some(frame.func.get() as usize)),
            _ => None,
        });
        let Some(Some(slot)) = handler else { return };
        let nesting = self.handling.get();
        self.handled.set(true);
        if nesting >= MAX_HANDLER_FAILURES {
            self.raise_text(b"error in error handling");
            self.handled.set(true);
            return;
        }
        self.handling.set(nesting + 1);
        let (top, depth) = (self.live_end(), self.depth.get());
        self.top.set(top);
        let outcome = self.push(self.get(slot)).and_then(|()| self.push(self.error_value()));
        // An error inside the handler has been through the handler itself when it comes back.
        match outcome.and_then(|()| self.call(top, 1)) {
            Ok(()) => self.cx().set_pair(self.runtime(), |r| &r.error, self.get(top)),
            Err(failure) => {
                self.settle(failure);
            }
        }
        self.handling.set(nesting);
        self.handled.set(true);
        self.top.set(top);
        self.drop_frames(depth);
    }

    /// The running coroutine has failed: hands the error to whoever resumed it. `None` when that is a function made by
    /// `coroutine.wrap`, in which case the error goes on there.
    fn kill_coroutine(&mut self) -> Result<Option<Flow>, Failure> {
        let Some(resumer) = self.current().load(|c| &c.resumer) else {
            unreachable!("the main coroutine runs only inside a call from Rust");
        };
        let wrapped = resumer_frame_kind(resumer) == frame::WRAP;
        if wrapped {
            // Nobody can close this coroutine any more.
            self.drop_frames(0);
            self.close_everything();
        } else {
            // Its pending variables wait for `coroutine.close`, which wants the error again.
            let coroutine = self.current();
            coroutine.failed.set(true);
            self.close_upvalues(0);
            self.thaw_all();
            self.put(0, self.error_value());
            self.top.set(self.last_pending().map_or(0, |slot| slot) + 1);
        }
        let dead = self.current();
        self.switch_back(status::DEAD);
        if wrapped {
            self.release_stack(dead);
        }
        let waiting = self.top_frame();
        let func = waiting.func.get() as usize;
        if wrapped {
            self.handled.set(false);
            if let Some(text) = self.error_value().as_str()
                && !self.is_memory_error()
            {
                let mut message = self.position_text(1);
                message.extend_from_slice(crate::string::bytes(text));
                let message = self.finish_string(message)?;
                self.cx().set_pair(self.runtime(), |r| &r.error, Value::str(message));
            }
            return Ok(None);
        }
        self.handled.set(false);
        self.put(func, Value::bool(false));
        self.put(func + 1, self.error_value());
        self.cx().set_pair(self.runtime(), |r| &r.error, Value::NIL);
        Ok(Some(self.return_values(func, 2)?.reload()))
    }

    /// Closes what is pending in the running coroutine, whose frames are gone already, with the error on its way (nil for
    /// none). An error in a handler replaces it; says whether there was one.
    fn close_everything(&mut self) -> bool {
        let mut failed = false;
        self.close_upvalues(0);
        while let Some(slot) = self.pop_pending(0) {
            self.top.set(slot + 1);
            let outcome = self.room_for_closer().and_then(|()| self.push_closer(slot, self.error_value()));
            let outcome = outcome.and_then(|()| self.call(slot + 1, 0));
            if let Err(failure) = outcome {
                failed = true;
                self.settle(failure);
            }
        }
        self.top.set(0);
        failed
    }

    /// Closes the suspended or dead coroutine in stack slot `slot`; true when it ends with an error, which is then the
    /// error on its way.
    pub(crate) fn close_coroutine(&mut self, slot: usize) -> bool {
        let Some(coroutine) = self.get(slot).as_thread() else { return false };
        let failed = coroutine.failed.get();
        coroutine.failed.set(false);
        if coroutine.status.get() == status::DEAD && !failed {
            return false;
        }
        let current = self.current();
        self.cx().set_pair(self.runtime(), |r| &r.error, Value::NIL);
        self.cx().set(coroutine, |c| &c.resumer, Some(current));
        current.status.set(status::NORMAL);
        coroutine.status.set(status::RUNNING);
        self.store_coroutine();
        self.load_coroutine(coroutine);
        self.drop_frames(0);
        if failed {
            self.cx().set_pair(self.runtime(), |r| &r.error, self.get(0));
        }
        let failed = self.close_everything() || failed;
        let dead = self.current();
        self.switch_back(status::DEAD);
        self.release_stack(dead);
        failed
    }

    /// Runs the next `__close` handler of a protected call that failed; delivers the error when there is none left.
    pub(super) fn continue_closing(&mut self) -> Result<Flow, Failure> {
        let func = self.top_frame().func.get() as usize;
        self.close_upvalues(func + 1);
        if let Some(slot) = self.pop_pending(func + 1) {
            self.top.set(slot + 1);
            self.room_for_closer()?;
            self.push_closer(slot, self.get(func + 1))?;
            // When it returns, results none, this frame is on top again and the next one's turn comes.
            return self.call_at(slot + 1, -1, 0);
        }
        let frame = self.top_frame();
        frame.kind.set(frame.kind.get() & !frame::CLOSING);
        self.put(func, Value::bool(false));
        self.return_values(func, 2)
    }

    /// Makes room for the call of a handler: its variable is off the list, so that this does not run again.
    fn room_for_closer(&mut self) -> Result<(), Failure> {
        self.with_room(|vm| vm.ensure(vm.top.get() + 3))
    }

    /// Pushes the handler of the pending variable in `slot` with its arguments.
    fn push_closer(&self, slot: usize, error: Value<'_, 'h>) -> Result<(), Failure> {
        self.push(self.metamethod(self.get(slot), Event::Close))?;
        self.push(self.get(slot))?;
        self.push(error)
    }

    /// Starts the next `__close` handler for a variable at slot `level` or above, on behalf of an instruction of the frame
    /// on top, which runs again when the handler has returned; slots from `live` up are free. `None` when there is nothing left to
    /// close.
    pub(super) fn close_next(&mut self, level: usize, live: usize) -> Result<Option<Flow>, Failure> {
        self.close_upvalues(level);
        let Some(slot) = self.pop_pending(level) else { return Ok(None) };
        self.top.set(live);
        self.room_for_closer()?;
        self.push_closer(slot, Value::NIL)?;
        self.call_at(live, 0, frame::REPEAT).map(Flow::reload).map(Some)
    }

    /// Marks the variable in `slot` as to be closed.
    pub(super) fn mark_pending(&self, slot: usize) -> Result<(), Failure> {
        let value = self.get(slot);
        if value.is_falsy() {
            return Ok(());
        }
        if self.metamethod(value, Event::Close).is_nil() {
            let name = self.local_name_at(slot);
            let mut message = b"variable '".to_vec();
            message.extend_from_slice(&name);
            message.extend_from_slice(b"' got a non-closable value");
            return Err(self.run_error_bytes(&message));
        }
        let coroutine = self.current();
        let len = coroutine.pending_len.get() as usize;
        let list = coroutine.load(|c| &c.pending);
        let list = match list {
            Some(list) if len < list.len() => list,
            _ => {
                let cx = self.cx();
                let room = (len * 2).max(4);
                let grown = cx.alloc_array(cx.array_class::<spanheap::Data<u32>, ()>(), (), room);
                let grown = grown.map_err(super::Memory::from)?;
                for (from, to) in list.iter().flat_map(|list| list.elements()).zip(grown.elements()) {
                    to.set(from.get());
                }
                cx.set(coroutine, |c| &c.pending, Some(grown));
                grown
            }
        };
        list.elements()[len].set(slot as u32);
        coroutine.pending_len.set(len as u32 + 1);
        Ok(())
    }

    /// The highest pending variable.
    fn last_pending(&self) -> Option<usize> {
        let coroutine = self.current();
        let last = coroutine.pending_len.get().checked_sub(1)?;
        Some(coroutine.load(|c| &c.pending)?.elements()[last as usize].get() as usize)
    }

    /// Takes the highest pending variable at slot `level` or above off the list.
    fn pop_pending(&self, level: usize) -> Option<usize> {
        let coroutine = self.current();
        let slot = self.last_pending().filter(|&slot| slot >= level)?;
        coroutine.pending_len.set(coroutine.pending_len.get() - 1);
        Some(slot)
    }
}

fn resumer_frame_kind(resumer: Gc<'_, '_, Coroutine>) -> u32 {
    let depth = resumer.depth.get() as usize;
    resumer.load(|c| &c.frames).map_or(0, |frames| frames.elements()[depth - 1].kind())
}
