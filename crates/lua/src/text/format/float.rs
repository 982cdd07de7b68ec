//! Floats by the conversions `e E f g G a A`.
//!
//! Owns the digits and the layout of each; `Spec` pads. Decimal digits come from the exact
//! formatting of `core`, so every conversion rounds correctly at any precision.

use super::super::digits::{Digits, write_exponent};
use super::super::number::{write_not_finite, write_unsigned};
use super::Spec;
use std::fmt::{self, Write};

/// Room for the digits of the largest precision, a point and an exponent.
const DIGITS: usize = 128;

/// Lets `core::fmt` append to a buffer of bytes.
struct Appender<'a>(&'a mut Vec<u8>);

impl Write for Appender<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.extend_from_slice(part.as_bytes());
        Ok(())
    }
}

/// Appends `value` by `e`, `E`, `f`, `g`, `G`, `a` or `A`, as C does; the precision is 6 if
/// none was given, and as many hexadecimal digits as needed for `a` and `A`.
///
/// # Panics
/// For another conversion, and for a precision above 99.
pub fn format_float(out: &mut Vec<u8>, spec: &Spec, value: f64) {
    let start = out.len();
    let mut zeros = None;
    if value.is_finite() {
        spec.write_sign(out, value.is_sign_negative());
        let magnitude = value.abs();
        let precision = spec.precision.unwrap_or(6);
        let alternate = spec.flags.alternate;
        let mut body = out.len();
        match spec.conversion {
            b'f' => {
                write!(Appender(out), "{magnitude:.precision$}").expect("appending to a buffer cannot fail");
                if alternate && precision == 0 {
                    out.push(b'.');
                }
            }
            b'e' | b'E' => {
                let digits = Digits::<DIGITS>::new(magnitude, precision + 1);
                let (first, others) = digits.digits().split_at(1);
                out.extend_from_slice(first);
                if precision > 0 || alternate {
                    out.push(b'.');
                }
                out.extend_from_slice(others);
                write_exponent(out, digits.exponent());
            }
            b'g' | b'G' => Digits::<DIGITS>::new(magnitude, precision.max(1)).write_general(out, alternate),
            b'a' | b'A' => {
                write_hex(out, magnitude, spec.precision, alternate);
                body += 2;
            }
            other => panic!("conversion {other} is not for floats"),
        }
        zeros = Some(body);
    } else {
        // The sign of `inf` and `nan` follows the flags, but no zeros stand before them.
        spec.write_sign(out, value.is_sign_negative());
        write_not_finite(out, value.copysign(1.0));
    }
    if spec.conversion.is_ascii_uppercase() {
        out[start..].make_ascii_uppercase();
    }
    spec.pad(out, start, zeros);
}

/// Appends a finite `magnitude` as `0xh.hhhp+d`. Without a precision the digits are exact and
/// end with the last one that is not zero.
pub(super) fn write_hex(out: &mut Vec<u8>, magnitude: f64, precision: Option<usize>, alternate: bool) {
    /// Hexadecimal digits behind the point.
    const PLACES: usize = 13;
    let bits = magnitude.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let (lead, exponent) = match (bits >> 52) as i32 {
        0 if fraction == 0 => (0, 0),
        0 => (0, -1022),
        biased => (1u64, biased - 1023),
    };
    let mut digits = lead << 52 | fraction;
    let places = precision.unwrap_or(PLACES - (fraction.trailing_zeros() / 4).min(PLACES as u32) as usize);
    let kept = places.min(PLACES);
    if kept < PLACES {
        let drop = (PLACES - kept) * 4;
        let remainder = digits & ((1 << drop) - 1);
        let half = 1 << (drop - 1);
        digits >>= drop;
        // Ties go to the even digit; a carry may make the leading digit 2, as in C.
        digits += u64::from(remainder > half || remainder == half && digits & 1 == 1);
    }
    out.extend_from_slice(b"0x");
    out.push(b'0' + (digits >> (kept * 4)) as u8);
    if places > 0 || alternate {
        out.push(b'.');
    }
    out.extend((0..kept).rev().map(|place| b"0123456789abcdef"[(digits >> (place * 4) & 15) as usize]));
    out.extend(std::iter::repeat_n(b'0', places - kept));
    out.extend_from_slice(if exponent < 0 { b"p-" } else { b"p+" });
    write_unsigned(out, u64::from(exponent.unsigned_abs()));
}
