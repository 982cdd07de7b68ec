//! What the compiler hands out: a compiled function as plain data, with no tie to any heap.
//!
//! The compiler builds these trees; the virtual machine turns each into heap objects once and drops it; `disassemble`
//! prints them. `code`, `lines` and `max_stack` obey the rules of `bytecode`.

use std::rc::Rc;

/// One compiled function with its nested functions.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// The chunk name as given to the compiler: `@file.lua`, `=stdin`, or the source text itself. Shared by the whole
    /// tree.
    pub source: Rc<[u8]>,
    /// The line of the `function` keyword; 0 for the main function.
    pub line_defined: u32,
    /// The line of the closing `end`; 0 for the main function.
    pub last_line: u32,
    /// How many fixed parameters there are; they arrive in registers 0 up.
    pub num_params: u8,
    /// Whether extra arguments are kept for the `Vararg` instruction. There is no instruction at the start to set
    /// that up: the call does it.
    pub is_vararg: bool,
    /// How many registers a frame needs, at least 2 and at most `bytecode::MAX_REGISTERS`.
    pub max_stack: u8,
    /// The instruction words.
    pub code: Vec<u32>,
    /// The constants, no two alike (an integer and a float of the same value are two constants).
    pub constants: Vec<Constant>,
    /// The functions defined directly inside this one, by the operand of `Closure`.
    pub functions: Vec<Function>,
    /// Where each upvalue comes from when a closure of this function is made.
    pub upvalues: Vec<UpvalueDesc>,
    /// The source line of each word of `code`.
    pub lines: Vec<u32>,
    /// The local variables for messages and debugging, in the order in which their scopes begin.
    pub locals: Vec<LocalVar>,
}

/// A constant of a function.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// nil, only as an operand of `EqK` and of the stores of constants.
    Nil,
    /// A boolean, as nil.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float, never a NaN.
    Float(f64),
    /// A byte string.
    Str(Box<[u8]>),
}

/// How a closure gets one of its upvalues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpvalueDesc {
    /// The variable's name.
    pub name: Box<[u8]>,
    /// True: it is the register `index` of the enclosing function's frame. False: it is the upvalue `index` of the
    /// enclosing function.
    pub from_parent_stack: bool,
    /// Register or upvalue number. For the one upvalue of a main function it is 0 and means nothing.
    pub index: u8,
}

/// Where a local variable lives, and while which instructions run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalVar {
    /// The variable's name; names made by the compiler are in parentheses, such as `(for state)`.
    pub name: Box<[u8]>,
    /// Its register.
    pub register: u8,
    /// Index of the first word of `code` in which it is in scope.
    pub start_pc: u32,
    /// Index one past the last word of `code` in which it is in scope.
    pub end_pc: u32,
}
