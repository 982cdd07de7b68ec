//! What the compiler knows about each function under way: its code so far, variables, blocks and pending gotos.
//!
//! `Compiler` owns one of these per open function. Plain data with the few operations that cannot fail.

use super::super::function::{Constant, Function, LocalVar, UpvalueDesc};
use std::collections::HashMap;

/// What may be done with a variable.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Attribute {
    /// Read and assign.
    Plain,
    /// Declared `<const>`, with a value known only at run time.
    Const,
    /// Declared `<close>`.
    Close,
    /// Declared `<const>` with a value known now: it takes no register.
    Known(Constant),
}

/// A local variable in scope.
pub(super) struct Variable<'s> {
    pub name: &'s [u8],
    pub attribute: Attribute,
    /// Its register; means nothing for a `Known` one.
    pub register: u8,
    /// Its index in `locals`; means nothing for a `Known` one.
    pub debug: usize,
}

/// A variable of a function around, used in this one.
pub(super) struct Upvalue<'s> {
    pub name: &'s [u8],
    pub desc: UpvalueDesc,
    pub attribute: Attribute,
}

/// A block of statements that is open.
pub(super) struct Block {
    /// Lengths of `active`, `labels` and `gotos` when it was entered.
    pub first_active: usize,
    pub first_label: usize,
    pub first_goto: usize,
    /// Whether `break` leads to its end.
    pub is_loop: bool,
    /// Whether leaving it has something to close: an inner function uses one of its variables, or one is `<close>`.
    pub needs_close: bool,
    /// Whether a to-be-closed variable is in scope, so that a call in a return must come back here first.
    pub inside_tbc: bool,
}

/// A label that can be seen.
pub(super) struct Label<'s> {
    pub name: &'s [u8],
    pub line: u32,
    pub pc: u32,
    /// How many variables are in scope at it.
    pub active: usize,
}

/// Forward jumps to one label, or to the end of a loop under the name `break`.
pub(super) struct Goto<'s> {
    pub name: &'s [u8],
    pub line: u32,
    pub jumps: Vec<u32>,
    /// How many variables are in scope both at the jump and at the block being compiled.
    pub active: usize,
    /// Whether a block that the jump leaves has something to close.
    pub close: bool,
}

/// The identity of a constant: floats by their bits, so that 0.0 and -0.0 stay apart.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum ConstantKey {
    Nil,
    Bool(bool),
    Int(i64),
    Float(u64),
    Str(Box<[u8]>),
}

/// One function under way.
pub(super) struct FunctionState<'s> {
    pub line_defined: u32,
    pub last_line: u32,
    pub num_params: u8,
    pub is_vararg: bool,
    pub code: Vec<u32>,
    pub lines: Vec<u32>,
    pub constants: Vec<Constant>,
    pub constant_index: HashMap<ConstantKey, u32>,
    pub functions: Vec<Function>,
    pub upvalues: Vec<Upvalue<'s>>,
    pub locals: Vec<LocalVar>,
    pub active: Vec<Variable<'s>>,
    pub blocks: Vec<Block>,
    pub labels: Vec<Label<'s>>,
    pub gotos: Vec<Goto<'s>>,
    /// The first register above the local variables.
    pub locals_top: usize,
    /// The first free register.
    pub free: usize,
    pub max_stack: usize,
    /// Whether any block has something to close, so that returns must see to it.
    pub needs_close: bool,
    /// The end of the code at the time a jump to it was made: nothing may be merged across it.
    pub barrier: usize,
}

impl FunctionState<'_> {
    pub(super) fn new(line_defined: u32) -> Self {
        FunctionState {
            line_defined,
            last_line: 0,
            num_params: 0,
            is_vararg: false,
            code: Vec::new(),
            lines: Vec::new(),
            constants: Vec::new(),
            constant_index: HashMap::new(),
            functions: Vec::new(),
            upvalues: Vec::new(),
            locals: Vec::new(),
            active: Vec::new(),
            blocks: Vec::new(),
            labels: Vec::new(),
            gotos: Vec::new(),
            locals_top: 0,
            free: 0,
            max_stack: 2,
            needs_close: false,
            barrier: 0,
        }
    }

    /// The index of the next instruction, which a jump is about to lead to.
    pub(super) fn mark_target(&mut self) -> usize {
        self.barrier = self.code.len();
        self.barrier
    }

    /// The first register above the first `count` active variables.
    pub(super) fn register_level(&self, count: usize) -> usize {
        let in_registers = self.active[..count].iter().rev();
        let mut last = in_registers.filter(|variable| !matches!(variable.attribute, Attribute::Known(_)));
        last.next().map_or(0, |variable| variable.register as usize + 1)
    }

    /// Gives back a register, if it is a temporary one, with all above it.
    pub(super) fn release(&mut self, register: u8) {
        let register = register as usize;
        if register >= self.locals_top {
            self.free = self.free.min(register);
        }
    }
}
