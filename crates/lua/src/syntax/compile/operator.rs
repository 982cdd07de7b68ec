//! Operators: their precedence, and the code for arithmetic, comparison, concatenation and the logical ones.
//!
//! The parser calls `prefix` for a unary operator, `left_operand` when it has seen a binary operator behind its left
//! operand, and `binary` when it has the right one.

use super::super::bytecode::{self, Op};
use super::super::function::Constant;
use super::super::lex::token::{Sign, Token, Word};
use super::expr::{Expr, Kind};
use super::{Compiler, Res, fold};
use crate::text::number::Number;

/// Unary operators.
#[derive(Clone, Copy)]
pub(super) enum Unary {
    Negative,
    Complement,
    Not,
    Length,
}

/// How tightly unary operators bind.
pub(super) const UNARY_PRIORITY: u8 = 12;

/// Binary operators.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Binary {
    /// Arithmetic and bit operators, by their register-register operation.
    Arithmetic(Op),
    Concat,
    /// `==` and, when false, `~=`.
    Equal(bool),
    /// `<` and `<=`, by their register-register operation.
    Less(Op),
    /// `>` and `>=`, by the operation for swapped operands.
    Greater(Op),
    And,
    Or,
}

impl Unary {
    pub(super) fn of(token: &Token) -> Option<Unary> {
        Some(match token {
            Token::Byte(b'-') => Unary::Negative,
            Token::Byte(b'~') => Unary::Complement,
            Token::Byte(b'#') => Unary::Length,
            Token::Word(Word::Not) => Unary::Not,
            _ => return None,
        })
    }
}

impl Binary {
    /// The operator that a token stands for, with how tightly it binds to its left and to its right.
    pub(super) fn of(token: &Token) -> Option<(Binary, u8, u8)> {
        use Binary::*;
        Some(match token {
            Token::Word(Word::Or) => (Or, 1, 1),
            Token::Word(Word::And) => (And, 2, 2),
            Token::Byte(b'<') => (Less(Op::Lt), 3, 3),
            Token::Byte(b'>') => (Greater(Op::Lt), 3, 3),
            Token::Sign(Sign::Le) => (Less(Op::Le), 3, 3),
            Token::Sign(Sign::Ge) => (Greater(Op::Le), 3, 3),
            Token::Sign(Sign::Eq) => (Equal(true), 3, 3),
            Token::Sign(Sign::Ne) => (Equal(false), 3, 3),
            Token::Byte(b'|') => (Arithmetic(Op::BOr), 4, 4),
            Token::Byte(b'~') => (Arithmetic(Op::BXor), 5, 5),
            Token::Byte(b'&') => (Arithmetic(Op::BAnd), 6, 6),
            Token::Sign(Sign::Shl) => (Arithmetic(Op::Shl), 7, 7),
            Token::Sign(Sign::Shr) => (Arithmetic(Op::Shr), 7, 7),
            Token::Sign(Sign::Concat) => (Concat, 9, 8),
            Token::Byte(b'+') => (Arithmetic(Op::Add), 10, 10),
            Token::Byte(b'-') => (Arithmetic(Op::Sub), 10, 10),
            Token::Byte(b'*') => (Arithmetic(Op::Mul), 11, 11),
            Token::Byte(b'/') => (Arithmetic(Op::Div), 11, 11),
            Token::Sign(Sign::IDiv) => (Arithmetic(Op::IDiv), 11, 11),
            Token::Byte(b'%') => (Arithmetic(Op::Mod), 11, 11),
            Token::Byte(b'^') => (Arithmetic(Op::Pow), 14, 13),
            _ => return None,
        })
    }
}

fn number(e: &Expr) -> Option<Number> {
    match e.kind {
        Kind::Int(value) if !e.has_jumps() => Some(Number::Int(value)),
        Kind::Float(value) if !e.has_jumps() => Some(Number::Float(value)),
        _ => None,
    }
}

fn numeral(value: Number) -> Kind {
    match value {
        Number::Int(value) => Kind::Int(value),
        Number::Float(value) => Kind::Float(value),
    }
}

/// The value of an integer literal that fits a signed operand byte, as that byte.
fn small(e: &Expr) -> Option<u8> {
    match e.kind {
        Kind::Int(value) if !e.has_jumps() => i8::try_from(value).ok().map(|value| value as u8),
        _ => None,
    }
}

/// The operation `steps` groups of twelve behind a register-register one.
fn with_constant(op: Op, group: Op) -> Op {
    Op::ALL[group as usize + (op as usize - Op::Add as usize)]
}

impl Compiler<'_> {
    /// Applies a unary operator that stood on `line`.
    pub(super) fn prefix(&mut self, op: Unary, e: &mut Expr, line: u32) -> Res<()> {
        self.resolve(e)?;
        let op = match op {
            Unary::Not => return self.negate(e),
            Unary::Length => Op::Len,
            Unary::Negative => Op::Unm,
            Unary::Complement => Op::BNot,
        };
        let folded = number(e).and_then(|value| match op {
            Op::Unm => fold::negative(value),
            Op::BNot => fold::complement(value),
            _ => None,
        });
        if let Some(value) = folded {
            e.kind = numeral(value);
            return Ok(());
        }
        let operand = self.place_anywhere(e)?;
        self.state.release(operand);
        e.kind = Kind::Pending { word: bytecode::abc(op, 0, operand, 0), line };
        Ok(())
    }

    /// Gives the left operand of a binary operator its place before the right one is read. Literals that may become
    /// operands of the instruction wait.
    pub(super) fn left_operand(&mut self, op: Binary, e: &mut Expr) -> Res<()> {
        self.resolve(e)?;
        let waits = match op {
            Binary::And => return self.branch(e, false),
            Binary::Or => return self.branch(e, true),
            Binary::Concat => {
                self.place_next(e)?;
                return Ok(());
            }
            Binary::Equal(_) => e.is_literal(),
            Binary::Arithmetic(_) | Binary::Less(_) | Binary::Greater(_) => e.is_numeral(),
        };
        if !waits {
            self.place_anywhere(e)?;
        }
        Ok(())
    }

    /// Applies a binary operator that stood on `line`.
    pub(super) fn binary(&mut self, op: Binary, left: Expr, mut right: Expr, line: u32) -> Res<Expr> {
        self.resolve(&mut right)?;
        match op {
            Binary::And => {
                right.when_false.extend(left.when_false);
                Ok(right)
            }
            Binary::Or => {
                right.when_true.extend(left.when_true);
                Ok(right)
            }
            Binary::Concat => self.concat(left, right, line),
            Binary::Arithmetic(op) => self.arithmetic(op, left, right, line),
            Binary::Equal(expect) => self.equal(left, right, expect),
            Binary::Less(op) => self.less(op, left, right),
            Binary::Greater(op) => self.less(op, right, left),
        }
    }

    /// An instruction over two register operands that waits for its destination.
    fn pending(&mut self, op: Op, b: u8, c: u8, line: u32) -> Expr {
        Expr::new(Kind::Pending { word: bytecode::abc(op, 0, b, c), line })
    }

    /// The index of a numeral among the constants, if it fits an operand byte.
    fn numeral_operand(&mut self, value: Number) -> Res<Option<u8>> {
        let index = self.constant(match value {
            Number::Int(value) => Constant::Int(value),
            Number::Float(value) => Constant::Float(value),
        })?;
        Ok(u8::try_from(index).ok())
    }

    fn arithmetic(&mut self, op: Op, mut left: Expr, mut right: Expr, line: u32) -> Res<Expr> {
        if let (Some(left), Some(right)) = (number(&left), number(&right))
            && let Some(result) = fold::binary(op, left, right)
        {
            return Ok(Expr::new(numeral(result)));
        }
        if let Some(value) = number(&right) {
            let short = match op {
                Op::Add => small(&right).map(|byte| (Op::AddI, byte)),
                Op::Sub => small(&right).map(|byte| (Op::SubI, byte)),
                _ => None,
            };
            let operand = match short {
                Some(operand) => Some(operand),
                None => self.numeral_operand(value)?.map(|index| (with_constant(op, Op::AddK), index)),
            };
            if let Some((op, c)) = operand {
                let b = self.place_anywhere(&mut left)?;
                self.state.release(b);
                return Ok(self.pending(op, b, c, line));
            }
        } else if let Some(value) = number(&left)
            && let Some(b) = self.numeral_operand(value)?
        {
            let c = self.place_anywhere(&mut right)?;
            self.state.release(c);
            return Ok(self.pending(with_constant(op, Op::KAdd), b, c, line));
        }
        let (b, c) = self.both_to_registers(&mut left, &mut right)?;
        Ok(self.pending(op, b, c, line))
    }

    /// Puts both operands into registers and gives the registers back.
    fn both_to_registers(&mut self, left: &mut Expr, right: &mut Expr) -> Res<(u8, u8)> {
        // At most one of them is deferred and may have its operands in registers that are free already: it goes first.
        let left_can_wait = left.is_literal() || matches!(left.kind, Kind::Register(_)) && !left.has_jumps();
        let early = if left_can_wait { None } else { Some(self.place_anywhere(left)?) };
        let b = self.place_anywhere(right)?;
        let a = match early {
            Some(a) => a,
            None => self.place_anywhere(left)?,
        };
        self.state.release(a);
        self.state.release(b);
        Ok((a, b))
    }

    fn concat(&mut self, mut left: Expr, mut right: Expr, line: u32) -> Res<Expr> {
        let first = self.place_anywhere(&mut left)?;
        // A concatenation on the right that is still waiting takes one more operand.
        let mut count = 2;
        let mut line = line;
        match right.kind {
            Kind::Pending { word, line: inner }
                if !right.has_jumps()
                    && Op::of(word) == Op::Concat
                    && bytecode::b(word) == first as usize + 1
                    && bytecode::c(word) < 255 =>
            {
                count = bytecode::c(word) as u8 + 1;
                line = inner;
            }
            _ => {
                self.place_next(&mut right)?;
            }
        }
        self.state.release(first);
        Ok(self.pending(Op::Concat, first, count, line))
    }

    /// A comparison that waits for its jump. It counts as being on the line where its right operand ends.
    fn compare(&mut self, op: Op, a: u8, b: u8, expect: bool) -> Expr {
        Expr::new(Kind::Compare { op, a, b, expect, line: self.last_line })
    }

    fn equal(&mut self, mut left: Expr, mut right: Expr, expect: bool) -> Res<Expr> {
        if left.is_literal() && !right.is_literal() {
            std::mem::swap(&mut left, &mut right);
        }
        let operand = match small(&right) {
            Some(byte) => Some((Op::EqI, byte)),
            None => self.literal_operand(&mut right)?.map(|index| (Op::EqK, index)),
        };
        if let Some((op, b)) = operand {
            let a = self.place_anywhere(&mut left)?;
            self.state.release(a);
            return Ok(self.compare(op, a, b, expect));
        }
        let (a, b) = self.both_to_registers(&mut left, &mut right)?;
        Ok(self.compare(Op::Eq, a, b, expect))
    }

    /// `left < right` or `left <= right`.
    fn less(&mut self, op: Op, mut left: Expr, mut right: Expr) -> Res<Expr> {
        let strict = op == Op::Lt;
        let (immediate, constant, value, other) = if right.is_numeral() {
            let ops = if strict { (Op::LtI, Op::LtK) } else { (Op::LeI, Op::LeK) };
            (ops.0, ops.1, &right, &mut left)
        } else {
            let ops = if strict { (Op::GtI, Op::GtK) } else { (Op::GeI, Op::GeK) };
            (ops.0, ops.1, &left, &mut right)
        };
        if let Some(known) = number(value) {
            let operand = match small(value) {
                Some(byte) => Some((immediate, byte)),
                None => self.numeral_operand(known)?.map(|index| (constant, index)),
            };
            if let Some((op, b)) = operand {
                let a = self.place_anywhere(other)?;
                self.state.release(a);
                return Ok(self.compare(op, a, b, true));
            }
        }
        let (a, b) = self.both_to_registers(&mut left, &mut right)?;
        Ok(self.compare(op, a, b, true))
    }
}
