//! The parser of expressions: operands, suffixes (fields, indices, calls) and operator precedence.

use super::super::bytecode::{self, Op, SHORT_STRING_LIMIT};
use super::super::function::Constant;
use super::super::lex::token::{Sign, Token, Word};
use super::expr::{Expr, Kind};
use super::operator::{Binary, UNARY_PRIORITY, Unary};
use super::{Compiler, Res};

impl Compiler<'_> {
    /// Reads an expression.
    pub(super) fn expression(&mut self) -> Res<Expr> {
        self.operators_above(0)
    }

    /// Reads one or more expressions separated by commas. All but the last get registers; returns how many there are,
    /// and the last one.
    pub(super) fn expression_list(&mut self) -> Res<(usize, Expr)> {
        let mut count = 1;
        let mut last = self.expression()?;
        while self.accept_byte(b',')? {
            self.place_next(&mut last)?;
            last = self.expression()?;
            count += 1;
        }
        Ok((count, last))
    }

    /// Reads an operand with all binary operators behind it that bind more tightly than `limit`.
    fn operators_above(&mut self, limit: u8) -> Res<Expr> {
        self.enter_level()?;
        let mut left = match Unary::of(&self.token) {
            Some(op) => {
                let line = self.lexer.line;
                self.advance()?;
                let mut operand = self.operators_above(UNARY_PRIORITY)?;
                self.prefix(op, &mut operand, line)?;
                operand
            }
            None => self.operand()?,
        };
        while let Some((op, to_left, to_right)) = Binary::of(&self.token)
            && to_left > limit
        {
            let line = self.lexer.line;
            self.advance()?;
            self.left_operand(op, &mut left)?;
            let right = self.operators_above(to_right)?;
            left = self.binary(op, left, right, line)?;
        }
        self.leave_level();
        Ok(left)
    }

    /// Reads an operand without operators.
    fn operand(&mut self) -> Res<Expr> {
        let kind = match &self.token {
            Token::Int(value) => Kind::Int(*value),
            Token::Float(value) => Kind::Float(*value),
            Token::Str(_) => return self.string_literal(),
            Token::Word(Word::Nil) => Kind::Nil,
            Token::Word(Word::True) => Kind::True,
            Token::Word(Word::False) => Kind::False,
            Token::Sign(Sign::Dots) => {
                if !self.state.is_vararg {
                    return Err(self.error("cannot use '...' outside a vararg function"));
                }
                Kind::Vararg
            }
            Token::Byte(b'{') => return self.constructor(),
            Token::Word(Word::Function) => {
                let line = self.lexer.line;
                self.advance()?;
                return self.function_body(false, line);
            }
            _ => return self.suffixed(),
        };
        self.advance()?;
        Ok(Expr::new(kind))
    }

    fn string_literal(&mut self) -> Res<Expr> {
        let index = match self.advance()? {
            Token::Str(text) => self.constant(Constant::Str(text))?,
            _ => return Err(self.error("unexpected symbol")),
        };
        Ok(Expr::new(Kind::Str(index)))
    }

    /// A name or an expression in parentheses.
    fn primary(&mut self) -> Res<Expr> {
        match self.token {
            Token::Name(name) => {
                self.advance()?;
                self.variable(name)
            }
            Token::Byte(b'(') => {
                let line = self.lexer.line;
                self.advance()?;
                let mut e = self.expression()?;
                self.expect_closing(&Token::Byte(b')'), &Token::Byte(b'('), line)?;
                // Inside parentheses there is one value, and it is no variable any more.
                self.resolve(&mut e)?;
                Ok(e)
            }
            _ => Err(self.error("unexpected symbol")),
        }
    }

    /// Reads a primary expression with its fields, indices and calls.
    pub(super) fn suffixed(&mut self) -> Res<Expr> {
        let line = self.lexer.line;
        let mut e = self.primary()?;
        loop {
            match self.token {
                Token::Byte(b'.') => self.field(&mut e)?,
                Token::Byte(b'[') => {
                    self.anchor_table(&mut e)?;
                    let key = self.bracketed_key()?;
                    self.index(&mut e, key)?;
                }
                Token::Byte(b':') => {
                    self.advance()?;
                    let name = self.name()?;
                    let base = self.method(&mut e, name)?;
                    self.call(&mut e, base, line)?;
                }
                Token::Byte(b'(' | b'{') | Token::Str(_) => {
                    let base = self.place_next(&mut e)?;
                    self.call(&mut e, base, line)?;
                }
                _ => return Ok(e),
            }
        }
    }

    /// `.name`, or the `:name` of a function's name, behind a table.
    pub(super) fn field(&mut self, e: &mut Expr) -> Res<()> {
        self.anchor_table(e)?;
        self.advance()?;
        let name = self.name()?;
        let key = Expr::new(Kind::Str(self.string_constant(name)?));
        self.index(e, key)
    }

    /// `[key]`.
    pub(super) fn bracketed_key(&mut self) -> Res<Expr> {
        self.advance()?;
        let mut key = self.expression()?;
        self.resolve(&mut key)?;
        self.expect_byte(b']')?;
        Ok(key)
    }

    /// Gives a table its place before its key is read: an upvalue may be used where it is.
    pub(super) fn anchor_table(&mut self, e: &mut Expr) -> Res<()> {
        if !matches!(e.kind, Kind::Upvalue(_)) || e.has_jumps() {
            self.place_anywhere(e)?;
        }
        Ok(())
    }

    /// Makes an anchored table the item of it at `key`.
    pub(super) fn index(&mut self, e: &mut Expr, mut key: Expr) -> Res<()> {
        if let Some(key) = self.short_key(&key) {
            e.kind = match e.kind {
                Kind::Upvalue(upvalue) => Kind::IndexUpvalue { upvalue, key },
                _ => Kind::IndexField { table: self.place_anywhere(e)?, key },
            };
            return Ok(());
        }
        let integer = match key.kind {
            Kind::Int(value) if !key.has_jumps() => u8::try_from(value).ok(),
            _ => None,
        };
        e.kind = match integer {
            Some(key) => Kind::IndexInt { table: self.place_anywhere(e)?, key },
            None => {
                let key = self.place_anywhere(&mut key)?;
                Kind::IndexRegister { table: self.place_anywhere(e)?, key }
            }
        };
        Ok(())
    }

    /// The operand for a key that is a short string.
    fn short_key(&self, key: &Expr) -> Option<u8> {
        let Kind::Str(index) = key.kind else { return None };
        if key.has_jumps() {
            return None;
        }
        self.short_constant(index)
    }

    /// The operand for a constant, if that is a short string near the front.
    fn short_constant(&self, index: u32) -> Option<u8> {
        match self.state.constants.get(index as usize) {
            Some(Constant::Str(text)) if text.len() <= SHORT_STRING_LIMIT => u8::try_from(index).ok(),
            _ => None,
        }
    }

    /// Looks up a method and returns the register of the function; the object is in the next.
    fn method(&mut self, e: &mut Expr, name: &[u8]) -> Res<u8> {
        let object = self.place_anywhere(e)?;
        self.state.release(object);
        let base = self.reserve(2)?;
        let index = self.string_constant(name)?;
        match self.short_constant(index) {
            Some(key) => {
                self.emit_abc(Op::SelfField, base, object, key);
            }
            None => {
                self.emit_abc(Op::SelfFieldX, base, object, 0);
                self.emit(bytecode::extra(index));
            }
        }
        Ok(base)
    }

    /// Reads the arguments of a call of the function at `base`, which is followed by what is passed already. The call
    /// counts as being on `line`, where the expression that it belongs to begins.
    fn call(&mut self, e: &mut Expr, base: u8, line: u32) -> Res<()> {
        let mut last = match self.token {
            Token::Str(_) => Some(self.string_literal()?),
            Token::Byte(b'{') => Some(self.constructor()?),
            Token::Byte(b'(') => {
                self.advance()?;
                let list = if self.at_byte(b')') { None } else { Some(self.expression_list()?.1) };
                self.expect_closing(&Token::Byte(b')'), &Token::Byte(b'('), line)?;
                list
            }
            _ => return Err(self.error("function arguments expected")),
        };
        let open = last.as_ref().is_some_and(Expr::is_multiple);
        if let Some(last) = &mut last {
            if open {
                self.place_open(last)?;
            } else {
                self.place_next(last)?;
            }
        }
        let b = if open { 0 } else { (self.state.free - base as usize) as u8 };
        // The call leaves one result in place of function and arguments, unless told otherwise later.
        self.state.free = base as usize + 1;
        *e = Expr::new(Kind::Call { base, b, line });
        Ok(())
    }
}
