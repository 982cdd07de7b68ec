//! Loops: `while`, `repeat` and both forms of `for`.

use super::super::bytecode::{self, Op};
use super::super::lex::token::{Token, Word};
use super::expr::{Expr, Kind};
use super::state::Attribute;
use super::{Compiler, Res};

/// The name of the hidden variables of a `for` loop.
const HIDDEN: &[u8] = b"(for state)";

impl<'s> Compiler<'s> {
    pub(super) fn while_statement(&mut self, line: u32) -> Res<()> {
        self.advance()?;
        let start = self.state.mark_target();
        let exits = self.condition()?;
        self.enter_block(true);
        self.expect_word(Word::Do)?;
        self.block()?;
        self.emit_jump_back(start)?;
        self.expect_closing(&Token::Word(Word::End), &Token::Word(Word::While), line)?;
        self.leave_block()?;
        self.patch_here(&exits)
    }

    /// Reads a condition, and returns the jumps taken when it is false.
    pub(super) fn condition(&mut self) -> Res<Vec<u32>> {
        let mut e = self.expression()?;
        if e.kind == Kind::Nil {
            // As a condition nil is false, and that needs no register.
            e.kind = Kind::False;
        }
        self.branch(&mut e, false)?;
        Ok(e.when_false)
    }

    pub(super) fn repeat_statement(&mut self, line: u32) -> Res<()> {
        self.advance()?;
        let start = self.state.mark_target();
        self.enter_block(true);
        self.enter_block(false);
        self.statements()?;
        self.expect_closing(&Token::Word(Word::Until), &Token::Word(Word::Repeat), line)?;
        // The condition sees the variables of the body.
        let mut again = self.condition()?;
        let (needs_close, level) = match self.state.blocks.last() {
            Some(block) => (block.needs_close, self.state.register_level(block.first_active)),
            None => (false, 0),
        };
        self.leave_block()?;
        if needs_close {
            // Leaving the block has closed its variables on the way out; the way back needs a close of its own.
            let exit = self.emit_jump();
            self.patch_here(&again)?;
            self.emit_abc(Op::Close, level as u8, 0, 0);
            again = vec![self.emit_jump()];
            self.patch_here(&[exit])?;
        }
        self.patch_list(&again, start)?;
        self.leave_block()
    }

    pub(super) fn for_statement(&mut self, line: u32) -> Res<()> {
        self.enter_block(true);
        self.advance()?;
        let name = self.name()?;
        match self.token {
            Token::Byte(b'=') => self.numeric_for(name, line)?,
            Token::Byte(b',') | Token::Word(Word::In) => self.generic_for(name)?,
            _ => return Err(self.error("'=' or 'in' expected")),
        }
        self.expect_closing(&Token::Word(Word::End), &Token::Word(Word::For), line)?;
        self.leave_block()
    }

    fn numeric_for(&mut self, name: &'s [u8], line: u32) -> Res<()> {
        self.check_locals(3)?;
        let base = self.state.free as u8;
        self.advance()?;
        self.for_value()?;
        self.expect_byte(b',')?;
        self.for_value()?;
        if self.accept_byte(b',')? {
            self.for_value()?;
        } else {
            let mut step = Expr::new(Kind::Int(1));
            self.place_next(&mut step)?;
        }
        for _ in 0..3 {
            self.activate(HIDDEN, Attribute::Plain);
        }
        self.expect_word(Word::Do)?;
        let prepare = self.emit(bytecode::abx(Op::ForPrep, base, 0));
        self.for_block(&[name])?;
        let skip = self.loop_distance(self.state.code.len() - prepare - 1)?;
        self.state.code[prepare] = bytecode::abx(Op::ForPrep, base, skip);
        self.emit_loop(Op::ForLoop, base, prepare, line)
    }

    fn for_value(&mut self) -> Res<()> {
        let mut value = self.expression()?;
        self.place_next(&mut value)?;
        Ok(())
    }

    fn generic_for(&mut self, name: &'s [u8]) -> Res<()> {
        self.check_locals(4)?;
        let base = self.state.free as u8;
        let mut names = vec![name];
        while self.accept_byte(b',')? {
            let name = self.name()?;
            self.check_locals(4 + names.len())?;
            names.push(name);
        }
        self.expect_word(Word::In)?;
        let line = self.lexer.line;
        let (found, mut last) = self.expression_list()?;
        self.adjust(4, found, &mut last)?;
        for _ in 0..4 {
            self.activate(HIDDEN, Attribute::Plain);
        }
        self.mark_to_be_closed();
        self.expect_word(Word::Do)?;
        let prepare = self.emit(bytecode::abx(Op::TForPrep, base, 0));
        // The call of the iterator copies function, state and control above the hidden registers.
        self.check_registers(3)?;
        self.for_block(&names)?;
        let call = self.loop_distance(self.state.code.len() - prepare - 1)?;
        self.state.code[prepare] = bytecode::abx(Op::TForPrep, base, call);
        self.state.mark_target();
        self.emit_at(bytecode::abc(Op::TForCall, base, 0, names.len() as u8), line);
        self.emit_loop(Op::TForLoop, base, prepare, line)
    }

    /// The body of a `for` loop, with its visible variables.
    fn for_block(&mut self, names: &[&'s [u8]]) -> Res<()> {
        self.enter_block(false);
        self.reserve(names.len())?;
        for name in names {
            self.activate(name, Attribute::Plain);
        }
        self.block()?;
        self.leave_block()
    }
}
