//! Putting out instructions, constants and jumps, and taking registers: the lowest layer of the code generator.

use super::super::bytecode::{self, MAX_CONSTANTS, MAX_REGISTERS, Op};
use super::super::function::Constant;
use super::state::ConstantKey;
use super::{Compiler, Res};

/// Operand A of a `TestSet` whose destination is not known yet.
pub(super) const NO_REGISTER: u8 = 255;

impl Compiler<'_> {
    /// Appends an instruction word, on the line of the last token passed.
    pub(super) fn emit(&mut self, word: u32) -> usize {
        self.emit_at(word, self.last_line)
    }

    /// Appends an instruction word on the given line.
    pub(super) fn emit_at(&mut self, word: u32, line: u32) -> usize {
        self.state.code.push(word);
        self.state.lines.push(line);
        self.state.code.len() - 1
    }

    pub(super) fn emit_abc(&mut self, op: Op, a: u8, b: u8, c: u8) -> usize {
        self.emit(bytecode::abc(op, a, b, c))
    }

    /// Takes the next `count` registers and returns the first.
    pub(super) fn reserve(&mut self, count: usize) -> Res<u8> {
        let first = self.state.free;
        self.check_registers(count)?;
        self.state.free += count;
        Ok(first as u8)
    }

    /// Makes sure that the frame has `count` registers above those taken.
    pub(super) fn check_registers(&mut self, count: usize) -> Res<()> {
        let top = self.state.free + count;
        if top > MAX_REGISTERS {
            return Err(self.error("function or expression needs too many registers"));
        }
        self.state.max_stack = self.state.max_stack.max(top);
        Ok(())
    }

    /// The index of a constant, added if it is new.
    pub(super) fn constant(&mut self, value: Constant) -> Res<u32> {
        let key = match &value {
            Constant::Nil => ConstantKey::Nil,
            Constant::Bool(flag) => ConstantKey::Bool(*flag),
            Constant::Int(number) => ConstantKey::Int(*number),
            Constant::Float(number) => ConstantKey::Float(number.to_bits()),
            Constant::Str(text) => ConstantKey::Str(text.clone()),
        };
        if let Some(&index) = self.state.constant_index.get(&key) {
            return Ok(index);
        }
        let index = self.state.constants.len();
        if index >= MAX_CONSTANTS {
            return Err(self.error_limit("constants", MAX_CONSTANTS));
        }
        self.state.constants.push(value);
        self.state.constant_index.insert(key, index as u32);
        Ok(index as u32)
    }

    pub(super) fn string_constant(&mut self, text: &[u8]) -> Res<u32> {
        self.constant(Constant::Str(text.into()))
    }

    /// Loads constant `index` into a register.
    pub(super) fn emit_load_constant(&mut self, register: u8, index: u32) {
        match u16::try_from(index) {
            Ok(short) => {
                self.emit(bytecode::abx(Op::LoadK, register, short));
            }
            Err(_) => {
                self.emit_abc(Op::LoadKX, register, 0, 0);
                self.emit(bytecode::extra(index));
            }
        }
    }

    /// Sets `count` registers from `first` to nil, if possible by stretching the `LoadNil` just before.
    pub(super) fn emit_nil(&mut self, first: u8, count: usize) {
        if self.state.code.len() > self.state.barrier
            && let Some(last) = self.state.code.last_mut()
            && Op::of(*last) == Op::LoadNil
            && bytecode::a(*last) + bytecode::b(*last) + 1 == first as usize
        {
            *last = bytecode::abc(Op::LoadNil, bytecode::a(*last) as u8, (bytecode::b(*last) + count) as u8, 0);
            return;
        }
        self.emit_abc(Op::LoadNil, first, (count - 1) as u8, 0);
    }

    /// Appends a jump to nowhere yet, and returns its index for patching.
    pub(super) fn emit_jump(&mut self) -> u32 {
        self.emit(Op::Jmp as u32) as u32
    }

    /// Appends a jump back to `target`.
    pub(super) fn emit_jump_back(&mut self, target: usize) -> Res<()> {
        let jump = self.emit_jump();
        self.patch(jump, target)
    }

    /// Makes the `Jmp` word at `jump` lead to `target`.
    pub(super) fn patch(&mut self, jump: u32, target: usize) -> Res<()> {
        let distance = target as isize - (jump as isize + 1);
        let word = bytecode::jump(distance).ok_or_else(|| self.error("control structure too long"))?;
        self.state.code[jump as usize] = word;
        Ok(())
    }

    /// Makes jumps whose value nobody wants lead to `target`.
    pub(super) fn patch_list(&mut self, jumps: &[u32], target: usize) -> Res<()> {
        for &jump in jumps {
            self.drop_value(jump);
            self.patch(jump, target)?;
        }
        Ok(())
    }

    /// Makes jumps whose value nobody wants lead to the next instruction.
    pub(super) fn patch_here(&mut self, jumps: &[u32]) -> Res<()> {
        if jumps.is_empty() {
            return Ok(());
        }
        let here = self.state.mark_target();
        self.patch_list(jumps, here)
    }

    /// The `TestSet` in front of a jump, if its value is kept.
    fn value_test(&mut self, jump: u32) -> Option<&mut u32> {
        let test = self.state.code.get_mut((jump as usize).checked_sub(1)?)?;
        (Op::of(*test) == Op::TestSet).then_some(test)
    }

    /// Whether a jump brings its value along.
    pub(super) fn carries_value(&mut self, jump: u32) -> bool {
        self.value_test(jump).is_some()
    }

    /// Makes a jump that brings its value along a plain test.
    pub(super) fn drop_value(&mut self, jump: u32) {
        if let Some(test) = self.value_test(jump) {
            *test = bytecode::abc(Op::Test, bytecode::b(*test) as u8, 0, bytecode::c(*test) as u8);
        }
    }

    /// Makes a jump that brings its value along put it into `register`.
    pub(super) fn keep_value(&mut self, jump: u32, register: u8) {
        if let Some(test) = self.value_test(jump) {
            if bytecode::b(*test) == register as usize {
                self.drop_value(jump);
            } else {
                *test = bytecode::with_a(*test, register);
            }
        }
    }

    /// Appends a loop instruction at the end of the code that goes back to just after `prepare`.
    pub(super) fn emit_loop(&mut self, op: Op, base: u8, prepare: usize, line: u32) -> Res<()> {
        let distance = self.loop_distance(self.state.code.len() - prepare)?;
        self.emit_at(bytecode::abx(op, base, distance), line);
        Ok(())
    }

    /// The operand of a loop instruction, if the loop is not too long for it.
    pub(super) fn loop_distance(&self, distance: usize) -> Res<u16> {
        u16::try_from(distance).map_err(|_| self.error("control structure too long"))
    }
}
