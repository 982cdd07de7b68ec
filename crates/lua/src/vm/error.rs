//! Raising errors: messages with positions and names of variables, as Lua words them.
//!
//! Raising stores the error value in the runtime object and hands back a [`Failure`], which travels as an ordinary Rust
//! error until a loop takes it to its handler (see `unwind`).

use crate::syntax::bytecode::{self as bc, Op};
use crate::syntax::describe::{self, FunctionView, Name};
use crate::syntax::lex::chunk_id;
use crate::text::number;
use spanheap::Gc;

use super::meta::Event;
use super::{Memory, Vm};
use crate::coroutine::{Frame, frame};
use crate::proto::{self, Proto};
use crate::string;
use crate::value::{Kind, Value};

/// Why something in the machine did not succeed.
///
/// Allocation can not collect: its caller holds references. So what finds no memory gives way to someone who holds none,
/// collects if that is worth it ([`spanheap::Heap::is_worth_collecting`]), and does the work again, once:
/// - an instruction changes nothing before its last allocation, or notes how far it has come, and runs again (`unwind`);
/// - a call makes room for its frame and registers, and collects where it stands (`Vm::with_room`);
/// - a function written in Rust runs again unless it is `committed`: unless something that it did can not be undone. Those
///   that build a text or a chunk from what they read, or were answered, collect when they make the object of it.
///
/// What fails again raises the error "not enough memory": a string made with the state, without a position, which no message
/// handler is asked about. What a committed function allocates otherwise is not tried again, nor are values that pass between
/// coroutines when the receiver's stack must grow for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A Lua error; its value waits in the runtime object.
    Error,
    /// The heap is full: whoever can reach a safepoint collects and tries again.
    Memory,
}

impl From<Memory> for Failure {
    fn from(_: Memory) -> Self {
        Failure::Memory
    }
}

/// A prototype as the describing functions want to see it.
pub(super) struct ProtoView<'m, 'h>(pub Gc<'m, 'h, Proto>);

impl FunctionView for ProtoView<'_, '_> {
    fn word(&self, pc: usize) -> u32 {
        proto::code(self.0)[pc]
    }

    fn local_name(&self, register: usize, pc: usize) -> Option<Vec<u8>> {
        let ranges = self.0.load(|p| &p.local_ranges)?;
        let names = self.0.load(|p| &p.local_names)?;
        let mut found = ranges.elements().chunks_exact(3).enumerate().rev();
        let (index, _) = found
            .find(|(_, range)| range[0] as usize == register && range[1] as usize <= pc && pc < range[2] as usize)?;
        Some(string::bytes(names.element(index)?).to_vec())
    }

    fn constant_string(&self, index: usize) -> Option<Vec<u8>> {
        proto::constant(self.0, index).as_str().map(|s| string::bytes(s).to_vec())
    }

    fn upvalue_name(&self, index: usize) -> Option<Vec<u8>> {
        let names = self.0.load(|p| &p.upvalue_names)?;
        if index >= names.len() {
            return None;
        }
        Some(string::bytes(names.element(index)?).to_vec())
    }
}

impl<'h> Vm<'h> {
    /// Raises any value.
    pub fn raise(&self, value: Value<'_, 'h>) -> Failure {
        self.handled.set(false);
        self.cx().set_pair(self.runtime(), |r| &r.error, value);
        Failure::Error
    }

    /// Raises a string as it is.
    #[cold]
    pub fn raise_text(&self, text: &[u8]) -> Failure {
        match self.string(text) {
            Ok(text) => self.raise(Value::str(text)),
            Err(Memory) => Failure::Memory,
        }
    }

    /// Raises the error that says that memory has run out. It needs none itself: the message was made with the state, and no
    /// message handler is asked, as it might need some.
    pub(super) fn raise_memory(&self) -> Failure {
        let failure = match self.runtime().load(|r| &r.memory_message) {
            Some(message) => self.raise(Value::str(message)),
            None => self.raise(Value::NIL),
        };
        self.handled.set(true);
        self.gave_up.set(true);
        failure
    }

    /// What a failure is where nothing can be tried again: a full heap is an error then.
    pub(super) fn settle(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Memory => self.raise_memory(),
            Failure::Error => Failure::Error,
        }
    }

    /// Whether the error on its way is the one about memory.
    pub(super) fn is_memory_error(&self) -> bool {
        let message = self.runtime().load(|r| &r.memory_message);
        message.is_some_and(|message| self.error_value().same_words(Value::str(message)))
    }

    /// Raises an error of the function that runs: with its position if that is a Lua function.
    #[cold]
    pub fn run_error(&self, message: &str) -> Failure {
        self.run_error_bytes(message.as_bytes())
    }

    /// As [`Vm::run_error`], for a message that may not be text.
    #[cold]
    pub fn run_error_bytes(&self, message: &[u8]) -> Failure {
        let mut text = self.position_text(0);
        text.extend_from_slice(message);
        self.raise_text(&text)
    }

    /// Raises an error of a function written in Rust: with the position of the Lua function that called it.
    #[cold]
    pub fn native_error(&self, message: &str) -> Failure {
        self.native_error_bytes(message.as_bytes())
    }

    /// As [`Vm::native_error`], for a message that may not be text.
    #[cold]
    pub fn native_error_bytes(&self, message: &[u8]) -> Failure {
        let mut text = self.position_text(1);
        text.extend_from_slice(message);
        self.raise_text(&text)
    }

    /// `file:line: ` of the frame `level` calls below the top; empty when that is not a Lua function.
    pub(crate) fn position_text(&self, level: usize) -> Vec<u8> {
        let depth = self.depth.get();
        if level >= depth {
            return Vec::new();
        }
        let frame = self.frame(depth - 1 - level);
        let Some(proto) = self.frame_proto(frame) else { return Vec::new() };
        let mut text = chunk_id(proto::source(proto));
        text.push(b':');
        number::write_int(&mut text, i64::from(self.frame_line(frame, proto)));
        text.extend_from_slice(b": ");
        text
    }

    /// The prototype that a frame runs; `None` for frames that run no Lua code.
    pub(crate) fn frame_proto<'m>(&'m self, frame: &Frame) -> Option<Gc<'m, 'h, Proto>> {
        if frame.kind() != frame::LUA {
            return None;
        }
        self.get(frame.base.get() as usize - 1).as_closure()?.load(|c| &c.header().proto)
    }

    /// Index of the instruction that a Lua frame is in the middle of.
    pub(crate) fn frame_pc(&self, frame: &Frame, proto: Gc<'_, 'h, Proto>) -> usize {
        let start = proto::code(proto).as_ptr() as usize;
        (frame.pc.get().saturating_sub(start) / size_of::<u32>()).saturating_sub(1)
    }

    /// The source line that a Lua frame is at.
    pub(crate) fn frame_line(&self, frame: &Frame, proto: Gc<'_, 'h, Proto>) -> u32 {
        proto::line_at(proto, self.frame_pc(frame, proto))
    }

    /// Asks for a name at the instruction of the Lua frame on top: ` (local 'x')`, or nothing.
    fn name_text(&self, ask: impl FnOnce(&ProtoView<'_, 'h>, usize) -> Option<Name>) -> Vec<u8> {
        let frame = self.top_frame();
        let Some(proto) = self.frame_proto(frame) else { return Vec::new() };
        match ask(&ProtoView(proto), self.frame_pc(frame, proto)) {
            Some(name) => [b" (", &name.text()[..], b")"].concat(),
            None => Vec::new(),
        }
    }

    /// The name of a local variable in a stack slot of the frame on top.
    pub(super) fn local_name_at(&self, slot: usize) -> Vec<u8> {
        let frame = self.top_frame();
        let register = slot - frame.base.get() as usize;
        let name = self.frame_proto(frame).and_then(|proto| {
            // The scope begins with the instruction after the one that marks the variable.
            let pc = self.frame_pc(frame, proto);
            let view = ProtoView(proto);
            view.local_name(register, pc + 1).or_else(|| view.local_name(register, pc))
        });
        name.unwrap_or_else(|| b"?".to_vec())
    }

    /// The name of a value's type for messages: `__name` of its metatable, or the basic type.
    pub fn type_name(&self, value: Value<'_, 'h>) -> String {
        if let Kind::Table(_) | Kind::Userdata(_) = value.kind()
            && let Some(name) = self.metamethod(value, Event::Name).as_str()
        {
            return String::from_utf8_lossy(string::bytes(name)).into_owned();
        }
        value.type_name().to_owned()
    }

    /// Whether `object` is what the indexing instruction itself names, and not something further along a chain.
    fn is_indexed_operand(&self, word: u32, object: Value<'_, 'h>) -> bool {
        let base = self.top_frame().base.get() as usize;
        let upvalue = |index: usize| {
            let closure = self.get(base - 1).as_closure()?;
            closure.element(index).map(crate::closure::upvalue_value)
        };
        let operand = match Op::of(word) {
            Op::GetTabUp => upvalue(bc::b(word)),
            Op::SetTabUp | Op::SetTabUpK => upvalue(bc::a(word)),
            Op::GetTable | Op::GetIndex | Op::GetField | Op::SelfField | Op::SelfFieldX => {
                Some(self.get(base + bc::b(word)))
            }
            _ => Some(self.get(base + bc::a(word))),
        };
        operand.is_some_and(|operand| operand.same_words(object))
    }

    /// "attempt to index a nil value (local 'x')".
    #[cold]
    pub(crate) fn index_error(&self, object: Value<'_, 'h>) -> Failure {
        let name = self.name_text(|view, pc| {
            self.is_indexed_operand(view.word(pc), object).then(|| describe::indexed_name(view, pc)).flatten()
        });
        self.type_error("index", object, &name)
    }

    fn type_error(&self, action: &str, value: Value<'_, 'h>, name: &[u8]) -> Failure {
        let mut message = format!("attempt to {action} a {} value", self.type_name(value)).into_bytes();
        message.extend_from_slice(name);
        self.run_error_bytes(&message)
    }

    /// An error about the operand of a unary operator or of a concatenation.
    #[cold]
    pub(super) fn operand_error(&self, action: &str, value: Value<'_, 'h>) -> Failure {
        let name = self.name_text(|view, pc| match Op::of(view.word(pc)) {
            Op::Concat => self.concat_operand_name(view, pc, value),
            _ => describe::operand_name(view, pc, false),
        });
        self.type_error(action, value, &name)
    }

    /// The name of the operand of a concatenation that holds `value`.
    fn concat_operand_name(&self, view: &ProtoView<'_, 'h>, pc: usize, value: Value<'_, 'h>) -> Option<Name> {
        let word = view.word(pc);
        let base = self.top_frame().base.get() as usize;
        let register =
            (bc::b(word)..bc::b(word) + bc::c(word)).rev().find(|&r| self.get(base + r).same_words(value))?;
        describe::register_name(view, pc, register)
    }

    /// An error about the operands of an arithmetic operator, naming the second one if that is at fault.
    #[cold]
    pub(super) fn arith_error(&self, event: Event, x: Value<'_, 'h>, y: Value<'_, 'h>) -> Failure {
        let bitwise = (Event::BAnd as u32..=Event::Shr as u32).contains(&(event as u32)) || event == Event::BNot;
        let action = Event::NAMES[event as usize].trim_start_matches('_');
        if bitwise {
            let fits = |v: Value<'_, 'h>| v.is_number();
            if fits(x) && fits(y) {
                let right = super::arith::to_int(x).is_some();
                let mut message = b"number".to_vec();
                message.extend_from_slice(&self.name_text(|view, pc| describe::operand_name(view, pc, right)));
                message.extend_from_slice(b" has no integer representation");
                return self.run_error_bytes(&message);
            }
            let right = fits(x);
            let name = self.name_text(|view, pc| describe::operand_name(view, pc, right));
            return self.type_error("perform bitwise operation on", if right { y } else { x }, &name);
        }
        if x.as_str().is_some() || y.as_str().is_some() {
            // Strings have the arithmetic metamethods in Lua's own library, and those word it differently.
            let (a, b) = (self.type_name(x), self.type_name(y));
            return self.run_error(&format!("attempt to {action} a '{a}' with a '{b}'"));
        }
        let right = x.is_number() || x.as_str().is_some() && super::arith::to_number(x).is_some();
        let culprit = if right { y } else { x };
        let name = self.name_text(|view, pc| describe::operand_name(view, pc, right));
        self.type_error("perform arithmetic on", culprit, &name)
    }

    /// An error about two values that have no order.
    #[cold]
    pub(super) fn order_error(&self, x: Value<'_, 'h>, y: Value<'_, 'h>) -> Failure {
        let (a, b) = (self.type_name(x), self.type_name(y));
        if a == b {
            self.run_error(&format!("attempt to compare two {a} values"))
        } else {
            self.run_error(&format!("attempt to compare {a} with {b}"))
        }
    }

    /// An error about calling what cannot be called, in slot `func`.
    #[cold]
    pub(super) fn call_error(&self, func: usize) -> Failure {
        let value = self.get(func);
        let name = self.name_text(|view, pc| {
            let name = describe::called_name(view, pc)?;
            // Only an instruction that calls this very slot knows its name.
            Some(name)
        });
        self.type_error("call", value, &name)
    }

    /// "bad 'for' limit (number expected, got nil)" and the like.
    #[cold]
    pub(super) fn for_error(&self, what: &str, value: Value<'_, 'h>) -> Failure {
        self.run_error(&format!("bad 'for' {what} (number expected, got {})", self.type_name(value)))
    }
}
