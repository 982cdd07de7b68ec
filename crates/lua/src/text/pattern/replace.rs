//! Replacement strings of `string.gsub`.
//!
//! Owns the meaning of `%` in a replacement. Called once for each match, after the matcher.

use super::super::number::write_unsigned;
use super::plain::find_byte;
use super::{Capture, PatternError};

/// Appends the replacement `repl` of one match to `out`: `%1` to `%9` stand for captures,
/// `%0` for the whole match `subject[whole.0..whole.1]`, `%%` for a percent sign. Without
/// captures `%1` is the whole match as well. `captures` is what `Matcher::captures` or
/// `Matcher::values` gave.
///
/// # Errors
/// `InvalidCaptureIndex` for a capture that the pattern does not have, `InvalidReplacement`
/// for a `%` before anything else; `out` then holds part of the replacement.
///
/// # Panics
/// When `whole` or a capture lies outside of `subject`.
pub fn expand_replacement(
    repl: &[u8],
    subject: &[u8],
    whole: (usize, usize),
    captures: &[Capture],
    out: &mut Vec<u8>,
) -> Result<(), PatternError> {
    let mut rest = repl;
    while let Some(at) = find_byte(rest, b'%') {
        out.extend_from_slice(&rest[..at]);
        let whole = Capture::Span { start: whole.0, end: whole.1 };
        let capture = match rest.get(at + 1) {
            Some(b'%') => {
                out.push(b'%');
                None
            }
            Some(b'0') => Some(whole),
            Some(digit @ b'1'..=b'9') => {
                let index = usize::from(digit - b'1');
                let own = if captures.is_empty() && index == 0 { Some(&whole) } else { captures.get(index) };
                Some(*own.ok_or(PatternError::InvalidCaptureIndex(digit - b'0'))?)
            }
            _ => return Err(PatternError::InvalidReplacement),
        };
        match capture {
            None => {}
            Some(Capture::Span { start, end }) => out.extend_from_slice(&subject[start..end]),
            Some(Capture::Position(position)) => write_unsigned(out, position as u64),
        }
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(repl: &str, captures: &[Capture]) -> Result<String, PatternError> {
        let mut out = Vec::new();
        expand_replacement(repl.as_bytes(), b"key=value", (0, 5), captures, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn percent_in_replacements() {
        let captures = [Capture::Span { start: 0, end: 3 }, Capture::Position(12)];
        assert_eq!(expand("plain", &captures).unwrap(), "plain");
        assert_eq!(expand("", &captures).unwrap(), "");
        assert_eq!(expand("<%1|%2|%0|%%>", &captures).unwrap(), "<key|12|key=v|%>");
        assert_eq!(expand("%1%1", &[]).unwrap(), "key=vkey=v");
        assert_eq!(expand("%3", &captures), Err(PatternError::InvalidCaptureIndex(3)));
        assert_eq!(expand("%2", &[]), Err(PatternError::InvalidCaptureIndex(2)));
        assert_eq!(expand("%x", &captures), Err(PatternError::InvalidReplacement));
        assert_eq!(expand("100%", &captures), Err(PatternError::InvalidReplacement));
    }
}
