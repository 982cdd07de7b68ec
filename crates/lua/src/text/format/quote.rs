//! `%q`: values as Lua source that reads back as the same value.
//!
//! Owns the escapes of strings and the spelling of numbers that have no plain numeral.

use super::super::number;
use super::float::write_hex;

/// Appends `text` as a quoted Lua string. Quotes, backslashes and newlines are escaped with a
/// backslash, other control bytes by their decimal codes; all else stands for itself.
pub fn quote_bytes(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte.is_ascii_control() || byte == b'"' || byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        out.push(b'\\');
        match rest[at] {
            byte @ (b'"' | b'\\' | b'\n') => out.push(byte),
            byte => {
                // A digit behind the escape would be read as part of it, unless all three are there.
                if rest.get(at + 1).is_some_and(u8::is_ascii_digit) {
                    let zeros = if byte < 10 { 2 } else { usize::from(byte < 100) };
                    out.extend(std::iter::repeat_n(b'0', zeros));
                }
                number::write_unsigned(out, u64::from(byte));
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Appends an integer. The least one has no decimal numeral, since its magnitude would read
/// as a float, and stands in hexadecimal.
pub fn quote_int(out: &mut Vec<u8>, value: i64) {
    if value == i64::MIN {
        out.extend_from_slice(b"0x8000000000000000");
    } else {
        number::write_int(out, value);
    }
}

/// Appends a float: in hexadecimal, which is exact; infinities as numerals that overflow, NaN
/// as a division.
pub fn quote_float(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        return out.extend_from_slice(b"(0/0)");
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if value.is_infinite() {
        out.extend_from_slice(b"1e9999");
    } else {
        write_hex(out, value.abs(), None, false);
    }
}
