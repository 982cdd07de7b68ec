//! Arithmetic: the raw operations on numbers, the conversion of strings, and the way to metamethods.

use crate::text::number::{self, Number};

use super::call::Flow;
use super::meta::Event;
use super::{Failure, Vm};
use crate::coroutine::frame;
use crate::string;
use crate::value::{Kind, Value, int_of};

/// The arithmetic operations, in the order of the instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the operators")]
pub enum Arith {
    Add,
    Sub,
    Mul,
    Mod,
    Pow,
    Div,
    IDiv,
    BAnd,
    BOr,
    BXor,
    Shl,
    Shr,
}

impl Arith {
    /// All operations, by number.
    pub const ALL: [Arith; 12] = [
        Arith::Add,
        Arith::Sub,
        Arith::Mul,
        Arith::Mod,
        Arith::Pow,
        Arith::Div,
        Arith::IDiv,
        Arith::BAnd,
        Arith::BOr,
        Arith::BXor,
        Arith::Shl,
        Arith::Shr,
    ];

    /// Whether the operation works on integers only.
    pub fn is_bitwise(self) -> bool {
        self as u8 >= Arith::BAnd as u8
    }
}

/// Integer division rounding down; `None` for a zero divisor.
#[inline(always)]
pub fn int_floor_div(a: i64, b: i64) -> Option<i64> {
    if b == 0 {
        return None;
    }
    let quotient = a.wrapping_div(b);
    Some(if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

/// The remainder of [`int_floor_div`], with the sign of the divisor; `None` for a zero divisor.
#[inline(always)]
pub fn int_mod(a: i64, b: i64) -> Option<i64> {
    if b == 0 {
        return None;
    }
    let rest = a.wrapping_rem(b);
    Some(if rest != 0 && (rest ^ b) < 0 { rest + b } else { rest })
}

/// The float remainder with the sign of the divisor.
#[inline]
pub fn float_mod(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
}

/// Power. The square is by far the commonest and exact either way.
#[inline]
pub fn float_pow(a: f64, b: f64) -> f64 {
    if b == 2.0 { a * a } else { a.powf(b) }
}

/// Logical shift left; negative counts shift right; counts of 64 and more give 0.
#[inline]
pub fn shift_left(a: i64, count: i64) -> i64 {
    match count {
        0..=63 => ((a as u64) << count) as i64,
        -63..=-1 => ((a as u64) >> -count) as i64,
        _ => 0,
    }
}

/// What a raw operation comes to.
pub enum Outcome<'m, 'h> {
    /// The result.
    Value(Value<'m, 'h>),
    /// The operands are not numbers (or, for bitwise operations, have no integer value).
    Unfit,
    /// Division by zero of integers.
    Zero,
}

/// The operation on two numbers.
#[inline]
pub fn arith<'m, 'h>(op: Arith, x: Value<'_, 'h>, y: Value<'_, 'h>) -> Outcome<'m, 'h> {
    if op.is_bitwise() {
        let (Some(a), Some(b)) = (to_int(x), to_int(y)) else { return Outcome::Unfit };
        return Outcome::Value(Value::int(match op {
            Arith::BAnd => a & b,
            Arith::BOr => a | b,
            Arith::BXor => a ^ b,
            Arith::Shl => shift_left(a, b),
            _ => shift_left(a, b.wrapping_neg()),
        }));
    }
    if let (Some(a), Some(b)) = (x.as_int(), y.as_int()) {
        let result = match op {
            Arith::Add => Some(a.wrapping_add(b)),
            Arith::Sub => Some(a.wrapping_sub(b)),
            Arith::Mul => Some(a.wrapping_mul(b)),
            Arith::Mod => int_mod(a, b),
            Arith::IDiv => int_floor_div(a, b),
            Arith::Div => return Outcome::Value(Value::float(a as f64 / b as f64)),
            _ => return Outcome::Value(Value::float(float_pow(a as f64, b as f64))),
        };
        return result.map_or(Outcome::Zero, |i| Outcome::Value(Value::int(i)));
    }
    let (Some(a), Some(b)) = (x.to_float(), y.to_float()) else { return Outcome::Unfit };
    Outcome::Value(Value::float(match op {
        Arith::Add => a + b,
        Arith::Sub => a - b,
        Arith::Mul => a * b,
        Arith::Mod => float_mod(a, b),
        Arith::IDiv => (a / b).floor(),
        Arith::Div => a / b,
        _ => float_pow(a, b),
    }))
}

/// The integer that equals a number.
#[inline(always)]
pub fn to_int(value: Value<'_, '_>) -> Option<i64> {
    match value.as_int() {
        Some(i) => Some(i),
        None => value.as_float().and_then(int_of),
    }
}

/// A number, or a string that reads as one, as a number.
pub fn to_number<'m, 'h>(value: Value<'m, 'h>) -> Option<Value<'m, 'h>> {
    match value.kind() {
        Kind::Int(_) | Kind::Float(_) => Some(value),
        Kind::Str(s) => number::parse(string::bytes(s)).map(|number| match number {
            Number::Int(i) => Value::int(i),
            Number::Float(f) => Value::float(f),
        }),
        _ => None,
    }
}

impl<'h> Vm<'h> {
    /// An arithmetic instruction whose plain case did not apply.
    #[inline(never)]
    pub(super) fn arith_slow(&mut self, op: usize, x: Value<'_, 'h>, y: Value<'_, 'h>) -> Result<Flow, Failure> {
        let operation = Arith::ALL[op];
        match arith(operation, x, y) {
            Outcome::Value(value) => {
                self.finish_with(value);
                return Ok(Flow::Same);
            }
            Outcome::Zero => return Err(self.zero_error(operation)),
            Outcome::Unfit => {}
        }
        let event = Event::arithmetic(op);
        if let Some(flow) = self.call_binary(event, x, y)? {
            return Ok(flow);
        }
        if !operation.is_bitwise()
            && let (Some(a), Some(b)) = (to_number(x), to_number(y))
        {
            match arith(operation, a, b) {
                Outcome::Value(value) => {
                    self.finish_with(value);
                    return Ok(Flow::Same);
                }
                Outcome::Zero => return Err(self.zero_error(operation)),
                Outcome::Unfit => {}
            }
        }
        Err(self.arith_error(event, x, y))
    }

    fn zero_error(&self, op: Arith) -> Failure {
        self.run_error(if op == Arith::Mod { "attempt to perform 'n%0'" } else { "attempt to divide by zero" })
    }

    /// Calls the handler of a binary operator, if one of the operands has one.
    pub(super) fn call_binary(
        &mut self,
        event: Event,
        x: Value<'_, 'h>,
        y: Value<'_, 'h>,
    ) -> Result<Option<Flow>, Failure> {
        let mut handler = self.metamethod(x, event);
        if handler.is_nil() {
            handler = self.metamethod(y, event);
        }
        if handler.is_nil() {
            return Ok(None);
        }
        let func = self.push_call(&[handler, x, y])?;
        self.call_at(func, 1, frame::FINISH).map(Some)
    }

    /// Unary minus when the operand is not a number.
    #[inline(never)]
    pub(super) fn negate_slow(&mut self, x: Value<'_, 'h>) -> Result<Flow, Failure> {
        if let Some(flow) = self.call_binary(Event::Unm, x, x)? {
            return Ok(flow);
        }
        match to_number(x).map(|number| arith(Arith::Sub, Value::int(0), number)) {
            Some(Outcome::Value(value)) => {
                self.finish_with(value);
                Ok(Flow::Same)
            }
            _ => Err(self.arith_error(Event::Unm, x, x)),
        }
    }

    /// Bitwise not when the operand is not an integer.
    #[inline(never)]
    pub(super) fn invert_slow(&mut self, x: Value<'_, 'h>) -> Result<Flow, Failure> {
        if let Some(i) = to_int(x) {
            self.finish_with(Value::int(!i));
            return Ok(Flow::Same);
        }
        if let Some(flow) = self.call_binary(Event::BNot, x, x)? {
            return Ok(flow);
        }
        Err(self.arith_error(Event::BNot, x, x))
    }
}
