//! Arithmetic on numbers known at compile time.
//!
//! Called by `operator`. It gives no result where doing the operation at run time could differ: division by zero, bit
//! operations on numbers without an integer value, and results that are NaN or a zero float (so that no constant ever
//! is a NaN or loses the sign of a zero).

use super::super::bytecode::Op;
use crate::text::number::{Number, float_to_int};

/// The result of the register-register operation `op`, one of `Op::Add` to `Op::Shr`.
pub(super) fn binary(op: Op, left: Number, right: Number) -> Option<Number> {
    let result = match op {
        Op::BAnd | Op::BOr | Op::BXor | Op::Shl | Op::Shr => {
            let (left, right) = (integer(left)?, integer(right)?);
            Number::Int(match op {
                Op::BAnd => left & right,
                Op::BOr => left | right,
                Op::BXor => left ^ right,
                Op::Shl => shift_left(left, right),
                _ => shift_left(left, right.checked_neg().unwrap_or(i64::MAX)),
            })
        }
        Op::Div | Op::IDiv | Op::Mod if float(right) == 0.0 => return None,
        Op::Div | Op::Pow => Number::Float(floats(op, float(left), float(right))),
        _ => match (left, right) {
            (Number::Int(left), Number::Int(right)) => Number::Int(integers(op, left, right)),
            _ => Number::Float(floats(op, float(left), float(right))),
        },
    };
    keep(result)
}

/// `-value`.
pub(super) fn negative(value: Number) -> Option<Number> {
    keep(match value {
        Number::Int(value) => Number::Int(value.wrapping_neg()),
        Number::Float(value) => Number::Float(-value),
    })
}

/// `~value`.
pub(super) fn complement(value: Number) -> Option<Number> {
    Some(Number::Int(!integer(value)?))
}

fn keep(result: Number) -> Option<Number> {
    match result {
        Number::Float(value) if value.is_nan() || value == 0.0 => None,
        other => Some(other),
    }
}

fn integer(value: Number) -> Option<i64> {
    match value {
        Number::Int(value) => Some(value),
        Number::Float(value) => float_to_int(value),
    }
}

fn float(value: Number) -> f64 {
    match value {
        Number::Int(value) => value as f64,
        Number::Float(value) => value,
    }
}

/// A logical shift; a negative distance shifts to the right.
fn shift_left(value: i64, distance: i64) -> i64 {
    let bits = value as u64;
    let shifted = match distance {
        0..=63 => bits << distance,
        -63..=-1 => bits >> -distance,
        _ => 0,
    };
    shifted as i64
}

fn integers(op: Op, left: i64, right: i64) -> i64 {
    match op {
        Op::Add => left.wrapping_add(right),
        Op::Sub => left.wrapping_sub(right),
        Op::Mul => left.wrapping_mul(right),
        _ => {
            let (quotient, rest) = (left.wrapping_div(right), left.wrapping_rem(right));
            // Both round towards minus infinity.
            let adjust = rest != 0 && (rest ^ right) < 0;
            if op == Op::IDiv { quotient - i64::from(adjust) } else { rest + if adjust { right } else { 0 } }
        }
    }
}

fn floats(op: Op, left: f64, right: f64) -> f64 {
    match op {
        Op::Add => left + right,
        Op::Sub => left - right,
        Op::Mul => left * right,
        Op::Div => left / right,
        Op::Pow => left.powf(right),
        Op::IDiv => (left / right).floor(),
        _ => {
            let rest = left % right;
            if rest * right < 0.0 { rest + right } else { rest }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Number::{Float, Int};

    #[test]
    fn division_rounds_down() {
        for (left, right) in [(7, 2), (-7, 2), (7, -2), (-7, -2), (6, 3), (-6, 3), (i64::MIN, -1)] {
            let exact = i128::from(left).div_euclid(i128::from(right));
            let rest = i128::from(left).rem_euclid(i128::from(right));
            let (quotient, rest) =
                if right < 0 && rest != 0 { (exact - 1, rest + i128::from(right)) } else { (exact, rest) };
            assert_eq!(binary(Op::IDiv, Int(left), Int(right)), Some(Int(quotient as i64)));
            assert_eq!(binary(Op::Mod, Int(left), Int(right)), Some(Int(rest as i64)));
        }
        assert_eq!(binary(Op::Mod, Float(-5.5), Int(2)), Some(Float(0.5)));
        assert_eq!(binary(Op::Mod, Float(5.5), Float(f64::NEG_INFINITY)), Some(Float(f64::NEG_INFINITY)));
        assert_eq!(binary(Op::Div, Int(1), Int(2)), Some(Float(0.5)));
    }

    #[test]
    fn what_is_left_to_run_time() {
        assert_eq!(binary(Op::Div, Int(1), Int(0)), None);
        assert_eq!(binary(Op::IDiv, Int(1), Float(-0.0)), None);
        assert_eq!(binary(Op::Mod, Int(1), Int(0)), None);
        assert_eq!(binary(Op::Mul, Float(0.0), Int(-1)), None);
        assert_eq!(binary(Op::Sub, Float(f64::INFINITY), Float(f64::INFINITY)), None);
        assert_eq!(binary(Op::BAnd, Float(1.5), Int(1)), None);
        assert_eq!(negative(Float(0.0)), None);
        assert_eq!(negative(Int(0)), Some(Int(0)));
    }

    #[test]
    fn shifts() {
        assert_eq!(binary(Op::Shl, Int(1), Int(63)), Some(Int(i64::MIN)));
        assert_eq!(binary(Op::Shl, Int(1), Int(64)), Some(Int(0)));
        assert_eq!(binary(Op::Shr, Int(-1), Int(60)), Some(Int(15)));
        assert_eq!(binary(Op::Shr, Int(1), Int(-2)), Some(Int(4)));
        assert_eq!(binary(Op::Shr, Int(1), Int(i64::MIN)), Some(Int(0)));
        assert_eq!(complement(Float(2.0)), Some(Int(-3)));
    }
}
