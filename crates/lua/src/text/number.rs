//! Numbers to and from text, by the rules of Lua 5.4.
//!
//! Owns the conversions behind `tonumber`, `tostring`, the arithmetic coercion of strings
//! and the numerals of the lexer, and the exact float-to-integer conversions. Called by the
//! lexer, the base library, the arithmetic paths and `format`. Nothing here allocates except
//! by growing the caller's output buffer.

use super::digits::Digits;

/// A Lua number: the two subtypes stay apart all the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A 64-bit two's complement integer.
    Int(i64),
    /// A double-precision float.
    Float(f64),
}

/// Whether `byte` is white space for C's `isspace` in the "C" locale.
pub const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// Converts a whole string to a number: white space around it, an optional sign, then a
/// numeral. `None` when the text is anything else; the words `inf` and `nan` do not count.
pub fn parse(text: &[u8]) -> Option<Number> {
    let (negative, body) = split_sign(trim(text));
    parse_magnitude(body, negative)
}

/// Converts a numeral without sign and without white space, as the lexer finds it. Decimal
/// integers that do not fit become floats; hexadecimal integers wrap modulo 2^64.
pub fn parse_numeral(text: &[u8]) -> Option<Number> {
    parse_magnitude(text, false)
}

fn parse_magnitude(body: &[u8], negative: bool) -> Option<Number> {
    match body {
        [b'0', b'x' | b'X', rest @ ..] => parse_hex(rest, negative),
        _ => parse_decimal(body, negative),
    }
}

fn count_digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn parse_decimal(body: &[u8], negative: bool) -> Option<Number> {
    // The magnitude of an integer may reach 2^63 only below zero.
    let limit = i64::MAX as u64 + u64::from(negative);
    let mut value = Some(0u64);
    let mut whole = 0;
    for &byte in body {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        whole += 1;
        value = value
            .and_then(|value| value.checked_mul(10)?.checked_add(u64::from(digit)))
            .filter(|&value| value <= limit);
    }
    if whole == body.len() {
        if whole == 0 {
            return None;
        }
        if let Some(value) = value {
            let value = value as i64;
            return Some(Number::Int(if negative { value.wrapping_neg() } else { value }));
        }
    }
    if !is_decimal_float(body, whole) {
        return None;
    }
    // The shape was checked, so the parser of `core` sees ASCII digits and marks only.
    let value: f64 = std::str::from_utf8(body).ok()?.parse().ok()?;
    Some(Number::Float(if negative { -value } else { value }))
}

/// Checks `digits [. digits] [e [sign] digits]` with a digit before or after the point;
/// `whole` is the number of digits at the start.
fn is_decimal_float(body: &[u8], whole: usize) -> bool {
    let mut rest = &body[whole..];
    let mut digits = whole;
    if let [b'.', after @ ..] = rest {
        let fraction = count_digits(after);
        digits += fraction;
        rest = &after[fraction..];
    }
    digits > 0 && exponent_digits(rest, b'e').is_some()
}

/// The optional exponent that must end a numeral: the sign and the digits behind `mark`, in
/// either case. Empty digits when there is no exponent, `None` when the tail is malformed.
fn exponent_digits(tail: &[u8], mark: u8) -> Option<(bool, &[u8])> {
    match tail {
        [] => Some((false, tail)),
        [first, rest @ ..] if first.eq_ignore_ascii_case(&mark) => {
            let (negative, digits) = split_sign(rest);
            (!digits.is_empty() && count_digits(digits) == digits.len()).then_some((negative, digits))
        }
        _ => None,
    }
}

fn hex_value(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

/// Parses what follows `0x`.
fn parse_hex(body: &[u8], negative: bool) -> Option<Number> {
    let mut wrapped = 0u64;
    let mut digits = 0;
    while let Some(digit) = body.get(digits).copied().and_then(hex_value) {
        wrapped = wrapped << 4 | u64::from(digit);
        digits += 1;
    }
    if digits == body.len() {
        let value = wrapped as i64;
        return (digits > 0).then_some(Number::Int(if negative { value.wrapping_neg() } else { value }));
    }
    let value = parse_hex_float(body)?;
    Some(Number::Float(if negative { -value } else { value }))
}

fn parse_hex_float(body: &[u8]) -> Option<f64> {
    // Digits beyond the 60 bits kept can only decide ties, so they shrink to one sticky bit.
    let mut mantissa = 0u64;
    let mut exponent = 0i64;
    let (mut digits, mut point, mut at) = (0, false, 0);
    while let Some(&byte) = body.get(at) {
        if let Some(digit) = hex_value(byte) {
            digits += 1;
            if mantissa >> 60 == 0 {
                mantissa = mantissa << 4 | u64::from(digit);
                exponent -= if point { 4 } else { 0 };
            } else {
                mantissa |= u64::from(digit != 0);
                exponent += if point { 0 } else { 4 };
            }
        } else if byte == b'.' && !point {
            point = true;
        } else {
            break;
        }
        at += 1;
    }
    if digits == 0 {
        return None;
    }
    let (down, scale) = exponent_digits(&body[at..], b'p')?;
    let scale = scale.iter().fold(0i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Some(compose(mantissa, exponent.saturating_add(if down { -scale } else { scale })))
}

/// `mantissa * 2^exponent`, rounded once to the nearest float, ties to even.
fn compose(mantissa: u64, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let bits = i64::from(64 - mantissa.leading_zeros());
    let top = exponent.saturating_add(bits - 1);
    if top > 1023 {
        return f64::INFINITY;
    }
    // Below 2^-1022 each step down costs one bit of precision.
    let precision = if top >= -1022 { 53 } else { top.saturating_add(1075) };
    if precision < 0 {
        return 0.0;
    }
    let drop = (bits - precision).max(0);
    let kept = if drop == 0 {
        mantissa
    } else {
        let wide = u128::from(mantissa);
        let quotient = wide >> drop;
        let remainder = wide & ((1 << drop) - 1);
        let half = 1 << (drop - 1);
        (quotient + u128::from(remainder > half || remainder == half && quotient & 1 == 1)) as u64
    };
    // Both products are exact: `kept` has at most 53 bits and the result is representable.
    let power = exponent + drop;
    let power_of_two = |power: i64| f64::from_bits(((power + 1023) as u64) << 52);
    if power >= -1022 {
        kept as f64 * power_of_two(power)
    } else {
        kept as f64 * power_of_two(power + 600) * power_of_two(-600)
    }
}

/// Converts an integer written in `base` (2 to 36), as `tonumber` with a base does: white
/// space around it, an optional sign, digits and letters in either case. The value wraps
/// modulo 2^64. `None` for an empty numeral or a digit that the base does not have.
pub fn parse_in_base(text: &[u8], base: u32) -> Option<i64> {
    let (negative, body) = split_sign(trim(text));
    if body.is_empty() {
        return None;
    }
    let mut value = 0i64;
    for &byte in body {
        let digit = (byte as char).to_digit(36).filter(|&digit| digit < base)?;
        value = value.wrapping_mul(i64::from(base)).wrapping_add(i64::from(digit));
    }
    Some(if negative { value.wrapping_neg() } else { value })
}

/// 2^63, the first float above the integers.
const INT_END: f64 = 9_223_372_036_854_775_808.0;

/// The integer equal to `f`, if there is one.
#[inline]
pub fn float_to_int(f: f64) -> Option<i64> {
    // The saturating cast gives a wrong value only where the comparison fails, except at 2^63.
    let value = f as i64;
    (value as f64 == f && f < INT_END).then_some(value)
}

fn integral_to_int(f: f64) -> Option<i64> {
    (-INT_END..INT_END).contains(&f).then_some(f as i64)
}

/// The largest integer not above `f`; `None` when it does not fit or `f` is not a number.
#[inline]
pub fn floor_to_int(f: f64) -> Option<i64> {
    integral_to_int(f.floor())
}

/// The smallest integer not below `f`; `None` when it does not fit or `f` is not a number.
#[inline]
pub fn ceil_to_int(f: f64) -> Option<i64> {
    integral_to_int(f.ceil())
}

/// The texts "00" to "99" in a row, so that one division yields two digits.
const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut value = 0;
    while value < 100 {
        pairs[2 * value] = b'0' + (value / 10) as u8;
        pairs[2 * value + 1] = b'0' + (value % 10) as u8;
        value += 1;
    }
    pairs
};

/// Appends `value` in decimal.
pub fn write_unsigned(out: &mut Vec<u8>, mut value: u64) {
    let mut text = [0u8; 20];
    let mut at = text.len();
    while value >= 10 {
        let pair = (value % 100) as usize * 2;
        value /= 100;
        at -= 2;
        text[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    // A pair written last may start with the only zero that must not show; otherwise one
    // digit is left over, and a lone zero has produced no pair at all.
    if value > 0 || at == text.len() {
        at -= 1;
        text[at] = b'0' + value as u8;
    } else if text[at] == b'0' {
        at += 1;
    }
    out.extend_from_slice(&text[at..]);
}

/// Appends `i` in decimal, as `%d` without flags.
pub fn write_int(out: &mut Vec<u8>, i: i64) {
    if i < 0 {
        out.push(b'-');
    }
    write_unsigned(out, i.unsigned_abs());
}

/// Appends the text of an infinity or a NaN, sign included, as C's `%f` prints it.
pub(super) fn write_not_finite(out: &mut Vec<u8>, f: f64) {
    if f.is_sign_negative() {
        out.push(b'-');
    }
    out.extend_from_slice(if f.is_nan() { b"nan" } else { b"inf" });
}

/// Appends `f` as `tostring` shows it: C's `%.14g`, with `.0` behind a text that would read
/// back as an integer.
pub fn write_float(out: &mut Vec<u8>, f: f64) {
    if !f.is_finite() {
        return write_not_finite(out, f);
    }
    if f.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = f.abs();
    // Integral floats are common and need no rounding below the 14 digits shown.
    if magnitude < 1e14 && magnitude == magnitude.trunc() {
        write_unsigned(out, magnitude as u64);
        out.extend_from_slice(b".0");
        return;
    }
    let from = out.len();
    Digits::<24>::new(magnitude, 14).write_general(out, false);
    if out[from..].iter().all(u8::is_ascii_digit) {
        out.extend_from_slice(b".0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int_text(i: i64) -> String {
        let mut out = Vec::new();
        write_int(&mut out, i);
        String::from_utf8(out).unwrap()
    }

    fn float_text(f: f64) -> String {
        let mut out = Vec::new();
        write_float(&mut out, f);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn integers_in_text() {
        for (text, value) in [
            ("0", 0),
            (" \t\n\x0b\x0c\r12 ", 12),
            ("-7", -7),
            ("+7", 7),
            ("0000000000000000000000000012", 12),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("0x10", 16),
            ("-0xA", -10),
            ("0Xffffffffffffffff", -1),
            ("0x1ffffffffffffffff", -1),
            ("-0x8000000000000000", i64::MIN),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(Number::Int(value)), "{text:?}");
        }
    }

    #[test]
    fn floats_in_text() {
        for (text, value) in [
            ("9223372036854775808", 9223372036854775808.0),
            ("-9223372036854775809", -9223372036854775808.0),
            ("1e1", 10.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("-.5E-1", -0.05),
            ("1e999", f64::INFINITY),
            ("1e-999", 0.0),
            ("0x.8", 0.5),
            ("0x1p4", 16.0),
            ("0xA.8P-1", 5.25),
            ("0x1p-1074", 5e-324),
            ("0x1p-1075", 0.0),
            ("0x1.8p-1075", 5e-324),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000000000000001p0", 1.0000000000000002),
            ("0x1.00000000000018p0", 1.0000000000000004),
            ("0x1p1023", 8.98846567431158e307),
            ("0x1p1024", f64::INFINITY),
            ("0x1.fffffffffffff8p1023", f64::INFINITY),
            ("0x1p99999999999999999999", f64::INFINITY),
            ("0x1p-99999999999999999999", 0.0),
            ("0x10000000000000000000000.0", 2f64.powi(88)),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(Number::Float(value)), "{text:?}");
        }
    }

    #[test]
    fn a_negative_zero_keeps_its_sign() {
        assert!(matches!(parse(b"-0.0"), Some(Number::Float(f)) if f == 0.0 && f.is_sign_negative()));
        assert_eq!(parse(b"-0"), Some(Number::Int(0)));
    }

    #[test]
    fn malformed_numbers() {
        for text in [
            "", " ", "+", "-", ".", "e", "e5", "1e", "1e+", "1 2", "- 1", "--1", "+-1", "0x", "0x.", "0x.p1", "0x1p",
            "0x1p+", "0xg", "1x", "inf", "nan", "infinity", "-inf", "0xinf", "1e5.0", "1..2", "1.2.3", "1_0",
            "0x1.2.3", "1\0", "1e1e1", "0b1",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        for text in [" 1", "1 ", "-1", "+1"] {
            assert_eq!(parse_numeral(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_numeral(b"0x1p1"), Some(Number::Float(2.0)));
        assert_eq!(parse_numeral(b"\xff"), None);
    }

    #[test]
    fn integers_in_a_base() {
        for (text, base, value) in [
            ("ff", 16, Some(255)),
            (" -FF ", 16, Some(-255)),
            ("+101", 2, Some(5)),
            ("12", 2, None),
            ("zz", 36, Some(1295)),
            ("", 10, None),
            ("-", 10, None),
            ("1.0", 10, None),
            ("1 1", 10, None),
            ("7fffffffffffffff", 16, Some(i64::MAX)),
            ("1ffffffffffffffff", 16, Some(-1)),
        ] {
            assert_eq!(parse_in_base(text.as_bytes(), base), value, "{text:?}");
        }
    }

    #[test]
    fn exact_conversions() {
        assert_eq!(float_to_int(3.0), Some(3));
        assert_eq!(float_to_int(-0.0), Some(0));
        assert_eq!(float_to_int(3.5), None);
        assert_eq!(float_to_int(INT_END), None);
        assert_eq!(float_to_int(-INT_END), Some(i64::MIN));
        assert_eq!(float_to_int(f64::NAN), None);
        assert_eq!(float_to_int(f64::INFINITY), None);
        assert_eq!(float_to_int(f64::NEG_INFINITY), None);
        assert_eq!(floor_to_int(-3.5), Some(-4));
        assert_eq!(ceil_to_int(-3.5), Some(-3));
        assert_eq!(floor_to_int(1e300), None);
        assert_eq!(ceil_to_int(f64::NAN), None);
        assert_eq!(floor_to_int(-INT_END), Some(i64::MIN));
    }

    #[test]
    fn integer_text() {
        for i in [0, 1, 9, 10, 11, 99, 100, 101, 909, 1000, 12345, 100_000, i64::MAX, i64::MIN, -1, -10, -100] {
            assert_eq!(int_text(i), i.to_string());
        }
        for shift in 0..63 {
            assert_eq!(int_text(1 << shift), (1i64 << shift).to_string());
        }
    }

    #[test]
    fn float_text_as_lua_prints_it() {
        for (f, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.33333333333333"),
            (1e14, "1e+14"),
            (99999999999999.0, "99999999999999.0"),
            (99999999999999.9, "1e+14"),
            (9999999999999.96, "10000000000000.0"),
            (123456789012.25, "123456789012.25"),
            (99999999999.99999, "100000000000.0"),
            (1e15, "1e+15"),
            (1e100, "1e+100"),
            (-1e-100, "-1e-100"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.7976931348623157e308, "1.7976931348623e+308"),
            (5e-324, "4.9406564584125e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN.copysign(1.0), "nan"),
            (f64::NAN.copysign(-1.0), "-nan"),
            (std::f64::consts::PI, "3.1415926535898"),
        ] {
            assert_eq!(float_text(f), text);
        }
    }
}
