//! Conversion specifications of `string.format`, and C's layout of values by them.
//!
//! Owns the parsing of `%` items with Lua's limits and the text that C's `printf` gives for
//! one value. Called by `string.format`, which owns the walk over the format string and the
//! checks of its arguments. Every writer appends to the caller's buffer: first the text, then
//! the padding is put in its place, so nothing else is allocated. `%q` lives in `quote`,
//! floats in `float`.

mod float;
mod quote;
#[cfg(test)]
mod tests;

use super::number::write_unsigned;
pub use float::format_float;
pub use quote::{quote_bytes, quote_float, quote_int};
use std::fmt;

/// The flags of a specification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `-`: pad on the right.
    pub left: bool,
    /// `+`: a sign before every signed number.
    pub plus: bool,
    /// A space where a plus sign could stand.
    pub space: bool,
    /// `#`: the alternative form.
    pub alternate: bool,
    /// `0`: pad numbers with zeros behind the sign.
    pub zero: bool,
}

/// One conversion specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The flags that were given.
    pub flags: Flags,
    /// The least number of bytes to fill, 0 to 99.
    pub width: usize,
    /// The precision, 0 to 99, if one was given.
    pub precision: Option<usize>,
    /// The letter that names the conversion, or `%` for `%%`.
    pub conversion: u8,
}

/// The longest specification that Lua accepts, with its `%`.
const LONGEST: usize = 22;

/// A copy of a faulty specification, for its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecText {
    bytes: [u8; LONGEST],
    len: usize,
}

impl SpecText {
    /// `text` is what follows the `%` and is shorter than `LONGEST`.
    fn new(text: &[u8]) -> Self {
        let mut bytes = [0; LONGEST];
        bytes[0] = b'%';
        bytes[1..=text.len()].copy_from_slice(text);
        SpecText { bytes, len: text.len() + 1 }
    }

    /// The specification, with its `%`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// What can be wrong with a specification. `write_message` gives Lua's message as bytes;
/// `Display` gives the same with what is not UTF-8 replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// There is no such conversion, or the format string ends before its letter.
    InvalidConversion(SpecText),
    /// The conversion does not take these flags, this width or this precision.
    InvalidSpecification(SpecText),
    /// Too many flags and digits.
    TooLong,
    /// `%q` takes no flags, width or precision.
    QuoteModifiers,
}

impl FormatError {
    fn parts(&self) -> (&'static str, &[u8], &'static str) {
        match self {
            FormatError::InvalidConversion(text) => ("invalid conversion '", text.as_bytes(), "' to 'format'"),
            FormatError::InvalidSpecification(text) => ("invalid conversion specification: '", text.as_bytes(), "'"),
            FormatError::TooLong => ("invalid format (too long)", b"", ""),
            FormatError::QuoteModifiers => ("specifier '%q' cannot have modifiers", b"", ""),
        }
    }

    /// Appends Lua's message.
    pub fn write_message(&self, out: &mut Vec<u8>) {
        let (before, text, after) = self.parts();
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(text);
        out.extend_from_slice(after.as_bytes());
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, text, after) = self.parts();
        f.write_str(before)?;
        for chunk in text.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{fffd}")?;
            }
        }
        f.write_str(after)
    }
}

impl std::error::Error for FormatError {}

/// The flags that `conversion` takes and whether it takes a precision.
fn allowed(conversion: u8) -> Option<(&'static [u8], bool)> {
    Some(match conversion {
        b'd' | b'i' => (b"-+0 ", true),
        b'u' => (b"-0", true),
        b'o' | b'x' | b'X' => (b"-#0", true),
        b'a' | b'A' | b'e' | b'E' | b'f' | b'g' | b'G' => (b"-+#0 ", true),
        b's' => (b"-", true),
        b'c' | b'p' => (b"-", false),
        _ => return None,
    })
}

/// Takes at most two digits off the start of `rest`.
fn take_number(rest: &mut &[u8]) -> usize {
    let mut value = 0;
    for _ in 0..2 {
        let [digit @ b'0'..=b'9', tail @ ..] = *rest else { break };
        value = value * 10 + usize::from(digit - b'0');
        *rest = tail;
    }
    value
}

/// Parses the specification at the start of `text`, which is what follows a `%` in a format
/// string. Gives the specification and how many bytes of `text` it takes. The conversions are
/// those of Lua: `a A c d e E f g G i o p q s u x X`, and `%` directly behind the first one.
///
/// # Errors
/// With Lua's message when the conversion does not exist or does not take what it was given.
pub fn parse_spec(text: &[u8]) -> Result<(Spec, usize), FormatError> {
    let span = text.iter().take_while(|byte| b"-+ #.0123456789".contains(byte)).count();
    if span + 2 > LONGEST {
        return Err(FormatError::TooLong);
    }
    let consumed = span + 1;
    // The end of the format string is no conversion, and a zero byte reads like the end.
    let Some(&conversion) = text.get(span).filter(|&&byte| byte != 0) else {
        return Err(FormatError::InvalidConversion(SpecText::new(&text[..span])));
    };
    let mut spec = Spec { flags: Flags::default(), width: 0, precision: None, conversion };
    match conversion {
        b'%' | b'q' if span == 0 => return Ok((spec, consumed)),
        b'q' => return Err(FormatError::QuoteModifiers),
        _ => {}
    }
    let Some((flags, takes_precision)) = allowed(conversion) else {
        return Err(FormatError::InvalidConversion(SpecText::new(&text[..consumed])));
    };
    let mut rest = &text[..span];
    while let [flag, tail @ ..] = rest
        && flags.contains(flag)
    {
        match flag {
            b'-' => spec.flags.left = true,
            b'+' => spec.flags.plus = true,
            b' ' => spec.flags.space = true,
            b'#' => spec.flags.alternate = true,
            _ => spec.flags.zero = true,
        }
        rest = tail;
    }
    // A zero that is no flag cannot begin a width.
    if rest.first() != Some(&b'0') {
        spec.width = take_number(&mut rest);
        if let [b'.', tail @ ..] = rest
            && takes_precision
        {
            rest = tail;
            spec.precision = Some(take_number(&mut rest));
        }
    }
    if !rest.is_empty() {
        return Err(FormatError::InvalidSpecification(SpecText::new(&text[..consumed])));
    }
    Ok((spec, consumed))
}

impl Spec {
    /// Whether the specification is a bare letter, without flags, width or precision.
    pub fn is_bare(&self) -> bool {
        self.flags == Flags::default() && self.width == 0 && self.precision.is_none()
    }

    /// Appends the sign that the flags ask for, or a minus for a negative number.
    fn write_sign(&self, out: &mut Vec<u8>, negative: bool) {
        if negative {
            out.push(b'-');
        } else if self.flags.plus {
            out.push(b'+');
        } else if self.flags.space {
            out.push(b' ');
        }
    }

    /// Fills `out[start..]` up to the width: behind the text for `-`, with zeros from `zeros`
    /// on if the text may have them, with spaces before it otherwise.
    fn pad(&self, out: &mut Vec<u8>, start: usize, zeros: Option<usize>) {
        let end = out.len();
        let missing = self.width.saturating_sub(end - start);
        if missing == 0 {
            return;
        }
        match zeros {
            _ if self.flags.left => out.resize(end + missing, b' '),
            Some(at) if self.flags.zero => {
                out.resize(end + missing, b'0');
                out[at..].rotate_right(missing);
            }
            _ => {
                out.resize(end + missing, b' ');
                out[start..].rotate_right(missing);
            }
        }
    }
}

/// Appends `value` by `d`, `i` (signed), `u`, `o`, `x` or `X` (its bits as an unsigned
/// number).
///
/// # Panics
/// For another conversion.
pub fn format_int(out: &mut Vec<u8>, spec: &Spec, value: i64) {
    let start = out.len();
    let bits = value as u64;
    let (shown, shift, letters) = match spec.conversion {
        b'd' | b'i' => {
            spec.write_sign(out, value < 0);
            (value.unsigned_abs(), 0, b'a')
        }
        b'u' => (bits, 0, b'a'),
        b'o' => (bits, 3, b'a'),
        b'x' => (bits, 4, b'a'),
        b'X' => (bits, 4, b'A'),
        other => panic!("conversion {other} is not for integers"),
    };
    if spec.flags.alternate && shift == 4 && value != 0 {
        out.extend_from_slice(&[b'0', spec.conversion]);
    }
    let digits = out.len();
    // Zero with a precision of zero has no digits at all.
    if shown != 0 || spec.precision != Some(0) {
        if shift == 0 {
            write_unsigned(out, shown);
        } else {
            write_radix(out, shown, shift, letters);
        }
    }
    let mut least = spec.precision.unwrap_or(1);
    let written = out.len() - digits;
    if spec.flags.alternate && spec.conversion == b'o' && out.get(digits) != Some(&b'0') {
        least = least.max(written + 1);
    }
    if least > written {
        out.resize(digits + least, b'0');
        out[digits..].rotate_right(least - written);
    }
    // A precision says how many zeros there are, so the width then adds none.
    spec.pad(out, start, spec.precision.is_none().then_some(digits));
}

/// Appends `value` in base `2^shift`, with digits beyond nine from `letters` on.
fn write_radix(out: &mut Vec<u8>, value: u64, shift: u32, letters: u8) {
    let count = (64 - (value | 1).leading_zeros()).div_ceil(shift);
    out.extend((0..count).rev().map(|index| {
        let digit = (value >> (index * shift) & ((1 << shift) - 1)) as u8;
        if digit < 10 { b'0' + digit } else { letters + digit - 10 }
    }));
}

/// Appends the byte of a `%c`.
pub fn format_char(out: &mut Vec<u8>, spec: &Spec, byte: u8) {
    let start = out.len();
    out.push(byte);
    spec.pad(out, start, None);
}

/// Appends the string of a `%s`, cut to the precision if there is one.
pub fn format_bytes(out: &mut Vec<u8>, spec: &Spec, text: &[u8]) {
    let start = out.len();
    let shown = spec.precision.map_or(text.len(), |precision| precision.min(text.len()));
    out.extend_from_slice(&text[..shown]);
    spec.pad(out, start, None);
}

/// Appends the address of a `%p`, or `(null)` for a value that has none.
pub fn format_pointer(out: &mut Vec<u8>, spec: &Spec, address: Option<usize>) {
    let start = out.len();
    match address {
        Some(address) => {
            out.extend_from_slice(b"0x");
            write_radix(out, address as u64, 4, b'a');
        }
        None => out.extend_from_slice(b"(null)"),
    }
    spec.pad(out, start, None);
}
