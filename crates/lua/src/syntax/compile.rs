//! The compiler: one pass from tokens to the bytecode of a [`Function`], with no syntax tree in between.
//!
//! The parser (`statement`, `expression`, `constructor`, `looping`, `function_body`) asks the scanner for tokens and
//! drives the code generator (`value`, `condition`, `operator`, `emit`), which works on deferred expressions
//! (`expr::Expr`): an expression is an instruction that waits for its destination, so most values are computed right
//! where they are wanted. `scope` and `label` own variables, blocks and gotos; `state` owns what is known about each
//! function under way.
//!
//! Callers: whoever loads source text. Invariants: between statements the free registers start right above the local
//! variables; a deferred expression is given its place before any later token can make more code.

mod condition;
mod constructor;
mod emit;
mod expr;
mod expression;
mod fold;
mod function_body;
mod label;
mod looping;
mod operator;
mod scope;
mod state;
mod statement;
mod value;

use super::function::{Function, UpvalueDesc};
use super::lex::token::{Sign, Token, Word};
use super::lex::{Lexer, SyntaxError};
use state::{Attribute, FunctionState, Upvalue};
use std::rc::Rc;

/// How deeply statements and expressions may nest. It bounds the stack that the compiler itself uses.
const MAX_DEPTH: u32 = 200;

/// What every step of the compiler gives back.
type Res<T> = Result<T, SyntaxError>;

/// Compiles a chunk. The main function takes varargs and has one upvalue, `_ENV`. A byte order
/// mark and a first line that starts with `#` are passed over, as they may begin a program file; [`compile_text`] does
/// not do that.
///
/// `chunk_name` is `@` and a file name, `=` and a text, or the source itself; messages show it as
/// [`chunk_id`](super::lex::chunk_id) says.
///
/// # Errors
///
/// The first fault found, worded as Lua words it.
pub fn compile(source: &[u8], chunk_name: &[u8]) -> Result<Function, SyntaxError> {
    let mut lexer = Lexer::new(source, chunk_name);
    lexer.skip_first_comment();
    compile_chunk(lexer, chunk_name)
}

/// As [`compile`], for text that did not come from a file: its beginning gets no special treatment.
///
/// # Errors
///
/// The first fault found, worded as Lua words it.
pub fn compile_text(source: &[u8], chunk_name: &[u8]) -> Result<Function, SyntaxError> {
    compile_chunk(Lexer::new(source, chunk_name), chunk_name)
}

fn compile_chunk<'s>(lexer: Lexer<'s>, chunk_name: &[u8]) -> Res<Function> {
    let mut main = FunctionState::new(0);
    main.is_vararg = true;
    main.upvalues.push(Upvalue {
        name: b"_ENV",
        desc: UpvalueDesc { name: b"_ENV".as_slice().into(), from_parent_stack: true, index: 0 },
        attribute: Attribute::Plain,
    });
    let mut compiler = Compiler {
        lexer,
        token: Token::Eof,
        last_line: 1,
        depth: 0,
        state: main,
        outer: Vec::new(),
        source: chunk_name.into(),
    };
    compiler.enter_block(false);
    compiler.advance()?;
    compiler.statements()?;
    if compiler.token != Token::Eof {
        return Err(compiler.expected(&Token::Eof));
    }
    compiler.close_function()
}

/// The state of one compilation.
struct Compiler<'s> {
    lexer: Lexer<'s>,
    /// The token being looked at.
    token: Token<'s>,
    /// The line of the token before it: the line given to instructions.
    last_line: u32,
    /// How many statements and expressions are open.
    depth: u32,
    /// The function being compiled.
    state: FunctionState<'s>,
    /// The functions around it, outermost first.
    outer: Vec<FunctionState<'s>>,
    /// The chunk name, shared by all functions.
    source: Rc<[u8]>,
}

impl<'s> Compiler<'s> {
    /// Moves on to the next token and returns the one left behind.
    fn advance(&mut self) -> Res<Token<'s>> {
        self.last_line = self.lexer.line;
        let next = self.lexer.next_token()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn at_word(&self, word: Word) -> bool {
        self.token == Token::Word(word)
    }

    fn at_byte(&self, byte: u8) -> bool {
        self.token == Token::Byte(byte)
    }

    /// Passes the token if it is this one, and says whether it was.
    fn accept(&mut self, token: &Token) -> Res<bool> {
        let found = self.token == *token;
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn accept_byte(&mut self, byte: u8) -> Res<bool> {
        self.accept(&Token::Byte(byte))
    }

    /// Passes this token, or fails with `'token' expected`.
    fn expect(&mut self, token: &Token) -> Res<()> {
        if self.accept(token)? { Ok(()) } else { Err(self.expected(token)) }
    }

    fn expect_byte(&mut self, byte: u8) -> Res<()> {
        self.expect(&Token::Byte(byte))
    }

    fn expect_word(&mut self, word: Word) -> Res<()> {
        self.expect(&Token::Word(word))
    }

    /// Passes the token that closes what `opening` began on line `line`; a failure tells of both.
    fn expect_closing(&mut self, closing: &Token, opening: &Token, line: u32) -> Res<()> {
        if self.accept(closing)? {
            return Ok(());
        }
        if line == self.lexer.line {
            return Err(self.expected(closing));
        }
        let mut message = closing.describe();
        message.extend_from_slice(b" expected (to close ");
        message.extend_from_slice(&opening.describe());
        message.extend_from_slice(format!(" at line {line})").as_bytes());
        Err(self.lexer.error_near(&message, &self.token))
    }

    /// Passes a name.
    fn name(&mut self) -> Res<&'s [u8]> {
        let Token::Name(name) = self.token else {
            return Err(self.error("<name> expected"));
        };
        self.advance()?;
        Ok(name)
    }

    fn expected(&self, token: &Token) -> SyntaxError {
        let mut message = token.describe();
        message.extend_from_slice(b" expected");
        self.lexer.error_near(&message, &self.token)
    }

    /// A fault at the current token.
    fn error(&self, message: &str) -> SyntaxError {
        self.lexer.error_near(message.as_bytes(), &self.token)
    }

    /// A fault that has nothing to do with the current token: `before 'name' after`.
    fn error_about(&self, before: &str, name: &[u8], after: &str) -> SyntaxError {
        self.lexer.error_plain(&[before.as_bytes(), name, after.as_bytes()].concat())
    }

    /// A limit of the current function is passed.
    fn error_limit(&self, what: &str, limit: usize) -> SyntaxError {
        let place = match self.state.line_defined {
            0 => "main function".to_owned(),
            line => format!("function at line {line}"),
        };
        self.error(&format!("too many {what} (limit is {limit}) in {place}"))
    }

    /// Goes one level deeper. The caller takes the level back with `leave_level` unless it fails.
    fn enter_level(&mut self) -> Res<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SyntaxError { message: b"C stack overflow".to_vec() });
        }
        Ok(())
    }

    fn leave_level(&mut self) {
        self.depth -= 1;
    }

    /// Whether the current token ends a block. `until` ends one too, but the condition after it still sees the block's
    /// variables, so a caller may want to leave it out.
    fn at_block_end(&self, with_until: bool) -> bool {
        match self.token {
            Token::Eof | Token::Word(Word::Else | Word::Elseif | Word::End) => true,
            Token::Word(Word::Until) => with_until,
            _ => false,
        }
    }

    fn at_sign(&self, sign: Sign) -> bool {
        self.token == Token::Sign(sign)
    }
}

#[cfg(test)]
mod tests;
