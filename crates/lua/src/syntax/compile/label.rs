//! Labels, `goto` and `break`.
//!
//! A backward jump is made at once. A forward jump waits in the function's `gotos` until its label comes; each block
//! that ends meanwhile takes its variables out of what the jump can see.

use super::super::bytecode::Op;
use super::super::lex::SyntaxError;
use super::super::lex::token::{Sign, Token};
use super::state::{Block, Goto, Label};
use super::{Compiler, Res};

impl<'s> Compiler<'s> {
    /// The index of a label that can be seen.
    pub(super) fn find_label(&self, name: &[u8]) -> Option<usize> {
        self.state.labels.iter().position(|label| label.name == name)
    }

    /// Notes forward jumps to a label yet to come.
    pub(super) fn add_goto(&mut self, name: &'s [u8], line: u32, jumps: Vec<u32>) {
        let active = self.state.active.len();
        self.state.gotos.push(Goto { name, line, jumps, active, close: false });
    }

    /// A jump to a label, known or not.
    pub(super) fn jump_to_label(&mut self, name: &'s [u8], line: u32) -> Res<()> {
        match self.find_label(name) {
            Some(index) => {
                let (target, active) = (self.state.labels[index].pc as usize, self.state.labels[index].active);
                let level = self.state.register_level(active);
                if self.state.locals_top > level {
                    // Code further on may still make an inner function use these variables.
                    self.emit_abc(Op::Close, level as u8, 0, 0);
                }
                self.emit_jump_back(target)
            }
            None => {
                let jump = self.emit_jump();
                self.add_goto(name, line, vec![jump]);
                Ok(())
            }
        }
    }

    /// A label statement, with all empty statements and labels right behind it.
    pub(super) fn label_statement(&mut self) -> Res<()> {
        let mut names = Vec::new();
        loop {
            if self.at_sign(Sign::Label) {
                let line = self.lexer.line;
                self.advance()?;
                names.push((self.name()?, line));
                self.expect(&Token::Sign(Sign::Label))?;
            } else if !self.accept_byte(b';')? {
                break;
            }
        }
        // At the end of a block a label counts as being outside the scope of the block's variables.
        let block = self.state.blocks.last();
        let first_goto = block.map_or(0, |block| block.first_goto);
        let active = match block {
            Some(block) if self.at_block_end(false) => block.first_active,
            _ => self.state.active.len(),
        };
        for (name, line) in names.into_iter().rev() {
            if let Some(index) = self.find_label(name) {
                let after = format!("' already defined on line {}", self.state.labels[index].line);
                return Err(self.error_about("label '", name, &after));
            }
            let pc = self.state.mark_target() as u32;
            self.state.labels.push(Label { name, line, pc, active });
            self.place_label(name, active, first_goto)?;
        }
        Ok(())
    }

    /// Leads the waiting jumps of the current block (from `first_goto`) to a label of this name here. Returns whether a
    /// `Close` had to be put here for one of them.
    pub(super) fn place_label(&mut self, name: &[u8], active: usize, first_goto: usize) -> Res<bool> {
        let mut close = false;
        let mut index = first_goto;
        let here = self.state.code.len();
        while index < self.state.gotos.len() {
            if self.state.gotos[index].name != name {
                index += 1;
                continue;
            }
            let goto = self.state.gotos.remove(index);
            if goto.active < active {
                let variable = self.state.active[goto.active].name;
                let before =
                    format!("<goto {}> at line {} jumps into the scope of local '", text(goto.name), goto.line);
                return Err(self.error_about(&before, variable, "'"));
            }
            close |= goto.close;
            self.state.mark_target();
            self.patch_list(&goto.jumps, here)?;
        }
        if close {
            let level = self.state.locals_top as u8;
            self.emit_abc(Op::Close, level, 0, 0);
        }
        Ok(close)
    }

    /// Takes a block's variables out of the sight of the jumps that leave it.
    pub(super) fn move_gotos_out(&mut self, block: &Block) {
        for goto in &mut self.state.gotos[block.first_goto..] {
            goto.close |= block.needs_close && goto.active > block.first_active;
            goto.active = goto.active.min(block.first_active);
        }
    }

    pub(super) fn undefined_goto(&self, goto: &Goto) -> SyntaxError {
        if goto.name == b"break" {
            let message = format!("break outside loop at line {}", goto.line);
            return self.lexer.error_plain(message.as_bytes());
        }
        let after = format!("' for <goto> at line {}", goto.line);
        self.error_about("no visible label '", goto.name, &after)
    }
}

/// A name as text: names are ASCII.
fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
