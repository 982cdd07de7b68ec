//! Coroutines: a stack of registers, a list of call frames, open upvalues and pending to-be-closed variables, all of them
//! heap objects, so that a coroutine that nobody can reach is simply garbage.
//!
//! While a coroutine runs, the machine keeps the addresses of its stack and frames at hand (see `vm::stack`); what is
//! stored here is up to date whenever another coroutine runs.

use spanheap::{Array, Data, Slot, Stack, Trace};

use crate::closure::Upvalue;
use crate::value::LuaFamily;

/// A coroutine; the main program is one too.
#[derive(Trace)]
pub struct Coroutine {
    /// The registers.
    pub stack: Slot<Stack<LuaFamily>>,
    /// The call frames.
    pub frames: Slot<Array<Frame>>,
    /// The open upvalues, highest stack slot first.
    pub open: Slot<Upvalue>,
    /// Stack slots of the pending to-be-closed variables, lowest first.
    pub pending: Slot<Array<Data<u32>>>,
    /// Who resumed this coroutine.
    pub resumer: Slot<Coroutine>,
    /// How many entries of `pending` are in use.
    pub pending_len: Data<u32>,
    /// How many frames there are.
    pub depth: Data<u32>,
    /// The frame up to which the stack is frozen, by its number; 0 if nothing is (see `vm::freeze`).
    pub frozen: Data<u32>,
    /// First free stack slot, while suspended.
    pub top: Data<u32>,
    /// Slots from here up have not been written since they were last cleared.
    pub limit: Data<u32>,
    /// One of [`status`].
    pub status: Data<u32>,
    /// Whether it died of an error that `close` has not told yet.
    pub failed: Data<bool>,
    /// How many calls from Rust code are on the frames: a yield cannot cross them.
    pub boundaries: Data<u32>,
    /// How many coroutines are being resumed below this one.
    pub nesting: Data<u32>,
    /// The machine's count of safepoints when this coroutine was suspended.
    pub epoch: Data<u64>,
}

/// The states of a coroutine.
pub mod status {
    /// Created or yielded: may be resumed.
    pub const SUSPENDED: u32 = 0;
    /// Running now.
    pub const RUNNING: u32 = 1;
    /// Has resumed another one that runs.
    pub const NORMAL: u32 = 2;
    /// Has returned, failed, or been closed.
    pub const DEAD: u32 = 3;
}

/// One call. Only numbers: the values of a call live on the stack.
#[derive(Trace)]
pub struct Frame {
    /// Address of the next instruction to run (a Lua function); 0 otherwise.
    pub pc: Data<usize>,
    /// Address of constant 0 (a Lua function); 0 otherwise.
    pub constants: Data<usize>,
    /// Stack slot of the called function; the results go to this slot and up.
    pub func: Data<u32>,
    /// Stack slot of register 0, or of the first argument. The slot below holds the running closure.
    pub base: Data<u32>,
    /// How many results the caller wants; -1 for all.
    pub results: Data<i32>,
    /// What kind of call this is, and marks (see [`frame`]).
    pub kind: Data<u32>,
    /// How many extra arguments lie below `base` (a vararg function).
    pub varargs: Data<u32>,
    /// State of an instruction that was interrupted: values to return plus one, or operands still to concatenate.
    pub pending: Data<u32>,
}

/// The kinds and marks of frames.
pub mod frame {
    /// A Lua function.
    pub const LUA: u32 = 0;
    /// A Rust function.
    pub const NATIVE: u32 = 1;
    /// `pcall`, waiting for the function it called.
    pub const PCALL: u32 = 2;
    /// `xpcall`, likewise; the message handler is in the frame's `func` slot.
    pub const XPCALL: u32 = 3;
    /// `coroutine.resume`, waiting for the coroutine.
    pub const RESUME: u32 = 4;
    /// A function made by `coroutine.wrap`, waiting for its coroutine.
    pub const WRAP: u32 = 5;
    /// `coroutine.yield`: the coroutine is suspended here.
    pub const YIELD: u32 = 6;
    /// `pairs`, waiting for a `__pairs` handler.
    pub const PAIRS: u32 = 7;
    /// The bits of `kind` that hold the kind.
    pub const KIND: u32 = 0xff;
    /// Mark: Rust code made this call; when it returns, so does the machine's loop.
    pub const BOUNDARY: u32 = 1 << 8;
    /// Mark: the one result completes the instruction that the frame below was running.
    pub const FINISH: u32 = 1 << 9;
    /// Mark: the first frame of a coroutine.
    pub const BASE: u32 = 1 << 10;
    /// Mark: with `FINISH`: the instruction waits for the opposite of the result.
    pub const NEGATE: u32 = 1 << 13;
    /// Mark: the instruction that the frame below was running runs again.
    pub const REPEAT: u32 = 1 << 14;
    /// Mark: called by a tail call.
    pub const TAIL: u32 = 1 << 11;
    /// Mark: a protected call that failed and is running `__close` handlers; the error is in slot `func + 1`.
    pub const CLOSING: u32 = 1 << 12;
    /// Mark: the stack is frozen up to this frame's function; the frames below may not write before it is thawed.
    pub const THAW: u32 = 1 << 15;
}

impl Frame {
    /// The kind without the marks.
    #[inline(always)]
    pub fn kind(&self) -> u32 {
        self.kind.get() & frame::KIND
    }

    /// Whether the mark is set.
    #[inline(always)]
    pub fn is(&self, mark: u32) -> bool {
        self.kind.get() & mark != 0
    }
}
