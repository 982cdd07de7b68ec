//! Function bodies: parameters, the code in between, and the finishing of a function.

use super::super::bytecode::{self, Op};
use super::super::function::Function;
use super::super::lex::token::{Sign, Token, Word};
use super::expr::{Expr, Kind};
use super::state::{Attribute, FunctionState};
use super::{Compiler, Res};

/// How many jumps to jumps are followed to find where a jump ends up; a ring of jumps must not hang the compiler.
const MAX_HOPS: usize = 100;

impl Compiler<'_> {
    /// Reads a function from its parameters to its `end`. `line` is the line of its `function`.
    pub(super) fn function_body(&mut self, is_method: bool, line: u32) -> Res<Expr> {
        let outer = std::mem::replace(&mut self.state, FunctionState::new(line));
        self.outer.push(outer);
        self.enter_block(false);
        self.expect_byte(b'(')?;
        self.parameters(is_method)?;
        self.expect_byte(b')')?;
        self.statements()?;
        self.state.last_line = self.lexer.line;
        self.expect_closing(&Token::Word(Word::End), &Token::Word(Word::Function), line)?;
        let function = self.close_function()?;
        let index = self.state.functions.len();
        let Ok(operand) = u16::try_from(index) else {
            return Err(self.error_limit("functions", 1 << 16));
        };
        self.state.functions.push(function);
        let word = bytecode::abx(Op::Closure, 0, operand);
        Ok(Expr::new(Kind::Pending { word, line: self.last_line }))
    }

    fn parameters(&mut self, is_method: bool) -> Res<()> {
        let mut names: Vec<&[u8]> = Vec::new();
        if is_method {
            names.push(b"self");
        }
        if !self.at_byte(b')') {
            loop {
                match self.token {
                    Token::Name(name) => {
                        self.advance()?;
                        self.check_locals(names.len())?;
                        names.push(name);
                    }
                    Token::Sign(Sign::Dots) => {
                        self.advance()?;
                        self.state.is_vararg = true;
                        break;
                    }
                    _ => return Err(self.error("<name> or '...' expected")),
                }
                if !self.accept_byte(b',')? {
                    break;
                }
            }
        }
        self.state.num_params = names.len() as u8;
        self.reserve(names.len())?;
        for name in names {
            self.activate(name, Attribute::Plain);
        }
        Ok(())
    }

    /// Finishes the current function, makes the one around it current again, and returns it.
    pub(super) fn close_function(&mut self) -> Res<Function> {
        let level = self.state.locals_top as u8;
        self.emit_abc(Op::Return0, level, 1, 0);
        self.leave_function_block()?;
        self.finish_returns();
        self.shorten_jumps()?;
        let outer = self.outer.pop().unwrap_or_else(|| FunctionState::new(0));
        let state = std::mem::replace(&mut self.state, outer);
        Ok(Function {
            source: self.source.clone(),
            line_defined: state.line_defined,
            last_line: state.last_line,
            num_params: state.num_params,
            is_vararg: state.is_vararg,
            max_stack: state.max_stack as u8,
            code: state.code,
            constants: state.constants,
            functions: state.functions,
            upvalues: state.upvalues.into_iter().map(|upvalue| upvalue.desc).collect(),
            lines: state.lines,
            locals: state.locals,
        })
    }

    /// Settles the forms of the returns, now that it is known whether there may be something to close.
    fn finish_returns(&mut self) {
        let close = self.state.needs_close;
        let simple = !close && !self.state.is_vararg;
        for word in &mut self.state.code {
            match Op::of(*word) {
                Op::Return0 | Op::Return1 if !simple => {
                    let (a, b) = (bytecode::a(*word) as u8, bytecode::b(*word) as u8);
                    *word = bytecode::abc(Op::Return, a, b, u8::from(close));
                }
                op @ (Op::Return | Op::TailCall) => {
                    let (a, b) = (bytecode::a(*word) as u8, bytecode::b(*word) as u8);
                    *word = bytecode::abc(op, a, b, u8::from(close));
                }
                _ => {}
            }
        }
    }

    /// Makes jumps that lead to other jumps lead to the end of the chain.
    fn shorten_jumps(&mut self) -> Res<()> {
        for at in 0..self.state.code.len() {
            if Op::of(self.state.code[at]) != Op::Jmp {
                continue;
            }
            let mut target = self.jump_target(at);
            for _ in 0..MAX_HOPS {
                if Op::of(self.state.code[target]) != Op::Jmp {
                    break;
                }
                target = self.jump_target(target);
            }
            self.patch(at as u32, target)?;
        }
        Ok(())
    }

    fn jump_target(&self, at: usize) -> usize {
        (at as isize + 1 + bytecode::sj(self.state.code[at])) as usize
    }
}
