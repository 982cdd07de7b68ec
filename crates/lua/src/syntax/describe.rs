//! Names for run-time error messages and tracebacks: which variable, field or constant a register's value came from.
//!
//! The virtual machine calls this when something has failed, with the index of the instruction that was running. It
//! looks only at the function's code and names, through [`FunctionView`], so the machine can feed it from objects of
//! its heap. Nothing here is on a fast path.
//!
//! The idea: an instruction that reads a value of its own (an index, an arithmetic operand, a function to call) reads
//! it from a register, and the last instruction that wrote that register tells the name, provided that it surely ran.

use super::bytecode::{self, Op};
use super::function::{Constant, Function};

/// What must be known of a function. Names are copied out, so the data may live anywhere.
pub trait FunctionView {
    /// The instruction word at `pc`; asked only for indices up to the one given to a query here.
    fn word(&self, pc: usize) -> u32;
    /// The name of the local variable in scope at `pc` whose register this is.
    fn local_name(&self, register: usize, pc: usize) -> Option<Vec<u8>>;
    /// The constant with this index, if it is a string.
    fn constant_string(&self, index: usize) -> Option<Vec<u8>>;
    /// The name of an upvalue.
    fn upvalue_name(&self, index: usize) -> Option<Vec<u8>>;
}

impl FunctionView for Function {
    fn word(&self, pc: usize) -> u32 {
        self.code[pc]
    }

    fn local_name(&self, register: usize, pc: usize) -> Option<Vec<u8>> {
        let in_scope = |start: u32, end: u32| start as usize <= pc && pc < end as usize;
        let mut found = self.locals.iter().rev();
        let found = found.find(|local| local.register as usize == register && in_scope(local.start_pc, local.end_pc));
        found.map(|local| local.name.to_vec())
    }

    fn constant_string(&self, index: usize) -> Option<Vec<u8>> {
        match self.constants.get(index) {
            Some(Constant::Str(text)) => Some(text.to_vec()),
            _ => None,
        }
    }

    fn upvalue_name(&self, index: usize) -> Option<Vec<u8>> {
        self.upvalues.get(index).map(|upvalue| upvalue.name.to_vec())
    }
}

/// What sort of thing a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A local variable.
    Local,
    /// A variable of a function around.
    Upvalue,
    /// A global variable.
    Global,
    /// A field of a table.
    Field,
    /// A method of an object.
    Method,
    /// A string constant.
    Constant,
    /// The iterator function of a generic `for`.
    ForIterator,
    /// A metamethod, named by its event without the underscores.
    Metamethod,
}

impl NameKind {
    /// The word for it in messages.
    pub const fn text(self) -> &'static str {
        match self {
            NameKind::Local => "local",
            NameKind::Upvalue => "upvalue",
            NameKind::Global => "global",
            NameKind::Field => "field",
            NameKind::Method => "method",
            NameKind::Constant => "constant",
            NameKind::ForIterator => "for iterator",
            NameKind::Metamethod => "metamethod",
        }
    }
}

/// A name with its kind: messages show it as `(local 'x')`, tracebacks as `in local 'x'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// What sort of thing it is.
    pub kind: NameKind,
    /// The bare name.
    pub name: Vec<u8>,
}

impl Name {
    fn new(kind: NameKind, name: impl Into<Vec<u8>>) -> Name {
        Name { kind, name: name.into() }
    }

    /// `local 'x'`: the form shared by messages and tracebacks.
    pub fn text(&self) -> Vec<u8> {
        [self.kind.text().as_bytes(), b" '", &self.name, b"'"].concat()
    }
}

/// The name of the value in `register`, as the instruction at `pc` finds it.
pub fn register_name(view: &impl FunctionView, pc: usize, register: usize) -> Option<Name> {
    let (mut pc, mut register) = (pc, register);
    // Each turn follows a move to an earlier instruction, so this ends.
    loop {
        if let Some(name) = view.local_name(register, pc) {
            return Some(Name::new(NameKind::Local, name));
        }
        pc = last_write(view, pc, register)?;
        let word = view.word(pc);
        match Op::of(word) {
            Op::Move if bytecode::b(word) < bytecode::a(word) => register = bytecode::b(word),
            _ => return loaded_name(view, pc, word, register),
        }
    }
}

/// The name of an upvalue, as an operand.
pub fn upvalue_name(view: &impl FunctionView, index: usize) -> Option<Name> {
    Some(Name::new(NameKind::Upvalue, view.upvalue_name(index)?))
}

/// The name of the table that the instruction at `pc` reads from or writes to.
pub fn indexed_name(view: &impl FunctionView, pc: usize) -> Option<Name> {
    let word = view.word(pc);
    match Op::of(word) {
        Op::GetTabUp => upvalue_name(view, bytecode::b(word)),
        Op::SetTabUp | Op::SetTabUpK => upvalue_name(view, bytecode::a(word)),
        Op::GetTable | Op::GetIndex | Op::GetField | Op::SelfField | Op::SelfFieldX => {
            register_name(view, pc, bytecode::b(word))
        }
        Op::SetTable | Op::SetTableK | Op::SetIndex | Op::SetIndexK | Op::SetField | Op::SetFieldK => {
            register_name(view, pc, bytecode::a(word))
        }
        _ => None,
    }
}

/// The name of an operand of the unary or binary operator at `pc`: the right one if `right`, else the left or only one.
/// None for a constant or immediate operand, and for an instruction of another sort.
pub fn operand_name(view: &impl FunctionView, pc: usize, right: bool) -> Option<Name> {
    let word = view.word(pc);
    let op = Op::of(word);
    let (left_register, right_register) = match op {
        Op::Unm | Op::BNot | Op::Not | Op::Len | Op::AddI | Op::SubI => (Some(bytecode::b(word)), None),
        _ if is_between(op, Op::Add, Op::Shr) => (Some(bytecode::b(word)), Some(bytecode::c(word))),
        _ if is_between(op, Op::AddK, Op::ShrK) => (Some(bytecode::b(word)), None),
        _ if is_between(op, Op::KAdd, Op::KShr) => (None, Some(bytecode::c(word))),
        _ => (None, None),
    };
    register_name(view, pc, if right { right_register } else { left_register }?)
}

/// The name of the function that the instruction at `pc` calls, whether by a call or as a metamethod.
pub fn called_name(view: &impl FunctionView, pc: usize) -> Option<Name> {
    let word = view.word(pc);
    let op = Op::of(word);
    match op {
        Op::Call | Op::TailCall => register_name(view, pc, bytecode::a(word)),
        Op::TForCall => Some(Name::new(NameKind::ForIterator, "for iterator")),
        _ => Some(Name::new(NameKind::Metamethod, metamethod(op)?)),
    }
}

/// The event whose metamethod an operation falls to.
fn metamethod(op: Op) -> Option<&'static str> {
    const ARITHMETIC: [&str; 12] =
        ["add", "sub", "mul", "mod", "pow", "div", "idiv", "band", "bor", "bxor", "shl", "shr"];
    Some(match op {
        Op::GetTabUp | Op::GetTable | Op::GetIndex | Op::GetField | Op::SelfField | Op::SelfFieldX => "index",
        _ if is_between(op, Op::SetTabUp, Op::SetFieldK) => "newindex",
        _ if is_between(op, Op::Add, Op::KShr) => ARITHMETIC[(op as usize - Op::Add as usize) % ARITHMETIC.len()],
        Op::AddI => "add",
        Op::SubI => "sub",
        Op::Unm => "unm",
        Op::BNot => "bnot",
        Op::Len => "len",
        Op::Concat => "concat",
        Op::Eq => "eq",
        Op::Lt | Op::LtK | Op::LtI | Op::GtK | Op::GtI => "lt",
        Op::Le | Op::LeK | Op::LeI | Op::GeK | Op::GeI => "le",
        Op::Close | Op::Return => "close",
        _ => return None,
    })
}

fn is_between(op: Op, first: Op, last: Op) -> bool {
    (first as u8..=last as u8).contains(&(op as u8))
}

/// The name of what the instruction at `pc` loaded into `register`.
fn loaded_name(view: &impl FunctionView, pc: usize, word: u32, register: usize) -> Option<Name> {
    let (b, c) = (bytecode::b(word), bytecode::c(word));
    match Op::of(word) {
        Op::GetTabUp => {
            let is_env = view.upvalue_name(b).is_some_and(|name| name == b"_ENV");
            field_name(is_env, view.constant_string(c))
        }
        Op::GetField => field_name(is_env(view, pc, b), view.constant_string(c)),
        Op::GetTable => field_name(is_env(view, pc, b), key_name(view, pc, c)),
        Op::GetIndex => field_name(false, Some(b"integer index".to_vec())),
        Op::GetUpval => upvalue_name(view, b),
        Op::LoadK => Some(Name::new(NameKind::Constant, view.constant_string(bytecode::bx(word))?)),
        Op::LoadKX => Some(Name::new(NameKind::Constant, view.constant_string(bytecode::ax(view.word(pc + 1)))?)),
        Op::SelfField if register == bytecode::a(word) => Some(Name::new(NameKind::Method, view.constant_string(c)?)),
        Op::SelfFieldX if register == bytecode::a(word) => {
            Some(Name::new(NameKind::Method, view.constant_string(bytecode::ax(view.word(pc + 1)))?))
        }
        _ => None,
    }
}

fn field_name(is_env: bool, key: Option<Vec<u8>>) -> Option<Name> {
    let kind = if is_env { NameKind::Global } else { NameKind::Field };
    Some(Name::new(kind, key.unwrap_or_else(|| b"?".to_vec())))
}

/// Whether a table in a register is the variable `_ENV`, whose fields are the global variables.
fn is_env(view: &impl FunctionView, pc: usize, register: usize) -> bool {
    match register_name(view, pc, register) {
        Some(Name { kind: NameKind::Local | NameKind::Upvalue, name }) => name == b"_ENV",
        _ => false,
    }
}

/// A key in a register, if it is a string constant.
fn key_name(view: &impl FunctionView, pc: usize, register: usize) -> Option<Vec<u8>> {
    match register_name(view, pc, register) {
        Some(Name { kind: NameKind::Constant, name }) => Some(name),
        _ => None,
    }
}

/// The instruction before `pc` that wrote `register` last. None when there is none, or when a jump may have passed it
/// by.
fn last_write(view: &impl FunctionView, pc: usize, register: usize) -> Option<usize> {
    let mut found = None;
    // Everything before this index may have been jumped over.
    let mut unsure_before = 0;
    let mut at = 0;
    while at < pc {
        let word = view.word(at);
        if writes(word, register) {
            found = (at >= unsure_before).then_some(at);
        }
        if let Some(target) = forward_target(view, at, word)
            && target <= pc
        {
            unsure_before = unsure_before.max(target);
        }
        at += 1 + usize::from(bytecode::has_second_word(word));
    }
    found
}

/// Where the instruction may jump to ahead.
fn forward_target(view: &impl FunctionView, at: usize, word: u32) -> Option<usize> {
    let jump = |at: usize, word: u32| (at + 1).checked_add_signed(bytecode::sj(word));
    let target = match Op::of(word) {
        Op::Jmp => jump(at, word)?,
        Op::ForPrep => at + 2 + bytecode::bx(word),
        Op::TForPrep => at + 1 + bytecode::bx(word),
        Op::LoadFalseSkip => at + 2,
        op if bytecode::is_conditional(op) => jump(at + 1, view.word(at + 1))?,
        _ => return None,
    };
    (target > at).then_some(target)
}

/// Whether the instruction changes `register`.
fn writes(word: u32, register: usize) -> bool {
    let a = bytecode::a(word);
    let last = match Op::of(word) {
        Op::LoadNil => a + bytecode::b(word),
        Op::SelfField | Op::SelfFieldX => a + 1,
        Op::ForPrep | Op::ForLoop => a + 3,
        // The call and everything above it.
        Op::Call | Op::TailCall | Op::Vararg => usize::MAX,
        Op::TForCall => return register >= a + 4,
        Op::TForLoop => return register == a + 2,
        Op::SetUpval | Op::SetList | Op::Close | Op::Tbc | Op::TForPrep | Op::Extra => return false,
        Op::Return | Op::Return0 | Op::Return1 => return false,
        op if is_between(op, Op::SetTabUp, Op::SetFieldK) => return false,
        op if is_between(op, Op::Jmp, Op::Test) => return false,
        _ => a,
    };
    (a..=last).contains(&register)
}

#[cfg(test)]
mod tests;
