//! Decimal digits of a float, kept on the stack, and C's `%g` layout built from them.
//!
//! Owns the one step that `tostring` and `string.format` share: correctly rounded digits
//! with a known count, and the choice between fixed and exponent notation. Called by
//! `number` and `format`. Invariant: the digits of a `Digits` are ASCII digits, the first
//! one is not `0` unless the value is zero.

use std::fmt::{self, Write};

/// Decimal digits `d.ddd...` of a finite, non-negative float together with its decimal
/// exponent. `N` bounds the text of the scientific form: the digits, a point and an
/// exponent such as `e-308`.
pub struct Digits<const N: usize> {
    text: [u8; N],
    len: usize,
    exponent: i32,
}

/// A fixed buffer that `core::fmt` writes into.
struct Buffer<const N: usize> {
    text: [u8; N],
    len: usize,
}

impl<const N: usize> Write for Buffer<N> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.len + part.len();
        let room = self.text.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(part.as_bytes());
        self.len = end;
        Ok(())
    }
}

impl<const N: usize> Digits<N> {
    /// Rounds `value` (finite, not negative) to `count` significant digits, `count >= 1`.
    ///
    /// # Panics
    /// When the scientific form does not fit in `N` bytes: `count + 6` always fits.
    pub fn new(value: f64, count: usize) -> Self {
        let mut buffer = Buffer { text: [0u8; N], len: 0 };
        write!(buffer, "{:.*e}", count - 1, value).expect("the scientific form fits its buffer");
        let Buffer { mut text, len } = buffer;
        // The text is `d[.ddd]e[-]x`; close the gap that the point leaves and read the exponent.
        let mark = if count == 1 { 1 } else { count + 1 };
        let (negative, from) = if text[mark + 1] == b'-' { (true, mark + 2) } else { (false, mark + 1) };
        let magnitude = text[from..len].iter().fold(0i32, |sum, &digit| sum * 10 + i32::from(digit - b'0'));
        if count > 1 {
            text.copy_within(2..mark, 1);
        }
        Digits { text, len: count, exponent: if negative { -magnitude } else { magnitude } }
    }

    /// The digits, most significant first.
    pub fn digits(&self) -> &[u8] {
        &self.text[..self.len]
    }

    /// The power of ten of the first digit.
    pub fn exponent(&self) -> i32 {
        self.exponent
    }

    /// Appends the digits the way C's `%g` lays them out: exponent notation when the
    /// exponent is below -4 or not below the number of digits, fixed notation otherwise.
    /// Trailing zeros go unless `alternate` (C's `#`) is set, which also keeps the point.
    pub fn write_general(&self, out: &mut Vec<u8>, alternate: bool) {
        let mut digits = self.digits();
        let precision = digits.len() as i32;
        if !alternate {
            while let [rest @ .., b'0'] = digits
                && !rest.is_empty()
            {
                digits = rest;
            }
        }
        let exponent = self.exponent;
        if exponent < -4 || exponent >= precision {
            out.push(digits[0]);
            if digits.len() > 1 || alternate {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            write_exponent(out, exponent);
        } else if exponent < 0 {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
            out.extend_from_slice(digits);
        } else {
            let whole = exponent as usize + 1;
            let shown = whole.min(digits.len());
            out.extend_from_slice(&digits[..shown]);
            out.extend(std::iter::repeat_n(b'0', whole - shown));
            if digits.len() > whole || alternate {
                out.push(b'.');
                out.extend_from_slice(&digits[shown..]);
            }
        }
    }
}

/// Appends an exponent as C does: `e`, a sign, and at least two digits.
pub fn write_exponent(out: &mut Vec<u8>, exponent: i32) {
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    let magnitude = exponent.unsigned_abs();
    if magnitude >= 100 {
        out.push(b'0' + (magnitude / 100) as u8);
    }
    out.push(b'0' + (magnitude / 10 % 10) as u8);
    out.push(b'0' + (magnitude % 10) as u8);
}
