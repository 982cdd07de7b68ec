//! Scanning of quoted strings, long brackets and their escapes, for the scanner in `lex`.
//!
//! All of these append what they have read to the scanner's `text` buffer, escapes resolved, so that a message can
//! show the text up to the point of the fault.

use super::{Lexer, SyntaxError};

impl Lexer<'_> {
    /// Counts the `=` signs of a long bracket at the current `[` or `]`, saving what it passes. `Ok(level)` when a
    /// second bracket follows (not yet passed); `Err(count)` with the number of signs otherwise.
    fn bracket_level(&mut self) -> Result<usize, usize> {
        let bracket = self.byte();
        self.save();
        let mut level = 0;
        while self.byte() == Some(b'=') {
            self.save();
            level += 1;
        }
        if self.byte() == bracket { Ok(level) } else { Err(level) }
    }

    /// A `[` that may open a long string. `None` when it is just a bracket, which is then passed.
    pub(super) fn long_string(&mut self) -> Result<Option<Box<[u8]>>, SyntaxError> {
        match self.bracket_level() {
            Ok(level) => {
                self.long_text(level, "string")?;
                let mark = level + 2;
                Ok(Some(self.text[mark..self.text.len() - mark].into()))
            }
            Err(0) => Ok(None),
            Err(_) => Err(self.error_at_text("invalid long string delimiter")),
        }
    }

    /// Passes a comment, from after its `--`. Its text is not kept.
    pub(super) fn comment(&mut self) -> Result<(), SyntaxError> {
        self.text.clear();
        if self.byte() == Some(b'[') {
            if let Ok(level) = self.bracket_level() {
                self.long_text(level, "comment")?;
                self.text.clear();
                return Ok(());
            }
            self.text.clear();
        }
        while self.byte().is_some_and(|byte| byte != b'\n' && byte != b'\r') {
            self.pos += 1;
        }
        Ok(())
    }

    /// The body of a long bracket of this level, from the second opening bracket to the end of the closing one.
    fn long_text(&mut self, level: usize, what: &str) -> Result<(), SyntaxError> {
        let first_line = self.line;
        self.save();
        if matches!(self.byte(), Some(b'\n' | b'\r')) {
            self.pass_newline();
        }
        loop {
            match self.byte() {
                None => {
                    let message = format!("unfinished long {what} (starting at line {first_line})");
                    return Err(self.error_at_end(&message));
                }
                Some(b']') => {
                    if self.bracket_level() == Ok(level) {
                        self.save();
                        return Ok(());
                    }
                }
                Some(b'\n' | b'\r') => {
                    self.text.push(b'\n');
                    self.pass_newline();
                }
                Some(_) => self.save(),
            }
        }
    }

    /// A quoted string, from its opening quote to after the closing one.
    pub(super) fn quoted_string(&mut self, quote: u8) -> Result<Box<[u8]>, SyntaxError> {
        self.save();
        loop {
            match self.byte() {
                None => return Err(self.error_at_end("unfinished string")),
                Some(b'\n' | b'\r') => return Err(self.error_at_text("unfinished string")),
                Some(b'\\') => self.escape()?,
                Some(byte) => {
                    self.save();
                    if byte == quote {
                        return Ok(self.text[1..self.text.len() - 1].into());
                    }
                }
            }
        }
    }

    /// One escape sequence. While it is read its raw bytes stand in `text`, for messages; then its value replaces
    /// them.
    fn escape(&mut self) -> Result<(), SyntaxError> {
        let start = self.text.len();
        self.save();
        let Some(byte) = self.byte() else {
            // The loop of the string reports the missing end.
            return Ok(());
        };
        let value = match byte {
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            b'\\' | b'"' | b'\'' => byte,
            b'\n' | b'\r' => {
                self.pass_newline();
                self.text.truncate(start);
                self.text.push(b'\n');
                return Ok(());
            }
            b'z' => {
                self.pos += 1;
                self.text.truncate(start);
                while let Some(byte) = self.byte() {
                    match byte {
                        b'\n' | b'\r' => self.pass_newline(),
                        b' ' | b'\t' | 11 | 12 => self.pos += 1,
                        _ => break,
                    }
                }
                return Ok(());
            }
            b'x' => {
                self.save();
                let value = self.hex_digit()? << 4;
                let value = value | self.hex_digit()?;
                self.text.truncate(start);
                self.text.push(value as u8);
                return Ok(());
            }
            b'u' => return self.utf8_escape(start),
            b'0'..=b'9' => return self.decimal_escape(start),
            _ => return Err(self.escape_error("invalid escape sequence")),
        };
        self.pos += 1;
        self.text.truncate(start);
        self.text.push(value);
        Ok(())
    }

    /// A fault in an escape: the byte at hand belongs to the text shown.
    fn escape_error(&mut self, message: &str) -> SyntaxError {
        if self.byte().is_some() {
            self.save();
        }
        self.error_at_text(message)
    }

    fn hex_digit(&mut self) -> Result<u32, SyntaxError> {
        match self.byte().and_then(|byte| (byte as char).to_digit(16)) {
            Some(digit) => {
                self.save();
                Ok(digit)
            }
            None => Err(self.escape_error("hexadecimal digit expected")),
        }
    }

    /// Up to three decimal digits.
    fn decimal_escape(&mut self, start: usize) -> Result<(), SyntaxError> {
        let mut value = 0u32;
        for _ in 0..3 {
            let Some(byte @ b'0'..=b'9') = self.byte() else { break };
            value = value * 10 + u32::from(byte - b'0');
            self.save();
        }
        let Ok(value) = u8::try_from(value) else {
            return Err(self.escape_error("decimal escape too large"));
        };
        self.text.truncate(start);
        self.text.push(value);
        Ok(())
    }

    /// `\u{XXX}`: a code point of up to 31 bits, stored in UTF-8 as first defined, with up to six bytes.
    fn utf8_escape(&mut self, start: usize) -> Result<(), SyntaxError> {
        self.save();
        if self.byte() != Some(b'{') {
            return Err(self.escape_error("missing '{'"));
        }
        self.save();
        let mut code = self.hex_digit()?;
        while let Some(digit) = self.byte().and_then(|byte| (byte as char).to_digit(16)) {
            if code > 0x7fff_ffff >> 4 {
                return Err(self.escape_error("UTF-8 value too large"));
            }
            code = code << 4 | digit;
            self.save();
        }
        if self.byte() != Some(b'}') {
            return Err(self.escape_error("missing '}'"));
        }
        self.pos += 1;
        self.text.truncate(start);
        push_utf8(&mut self.text, code);
        Ok(())
    }
}

/// Appends `code`, below 2^31, in UTF-8.
fn push_utf8(text: &mut Vec<u8>, code: u32) {
    if code < 0x80 {
        text.push(code as u8);
        return;
    }
    // A sequence of n bytes carries 5 n + 1 bits.
    let mut length = 2;
    while code >> (5 * length + 1) != 0 {
        length += 1;
    }
    let mark = !(0xff_u32 >> length) & 0xff;
    text.push((mark | code >> (6 * (length - 1))) as u8);
    for index in (0..length - 1).rev() {
        text.push((0x80 | code >> (6 * index) & 0x3f) as u8);
    }
}
