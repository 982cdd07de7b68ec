//! The scanner: turns source bytes into tokens, one at a time, on the parser's demand.
//!
//! It owns the reading position, the current line and the text of the last token (for messages). Every syntax error is
//! made here, by [`Lexer::error_near`] and its kin, so the form of the messages lives in one place.

mod text;
pub mod token;

use crate::text::number::{Number, parse_numeral};
use token::{LONGEST_WORD, Sign, Token, Word};

/// Longest chunk name shown in a message, in bytes, with its end mark counted as one.
const CHUNK_ID_SIZE: usize = 60;

/// A fault in the source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The whole message, in Lua's words: `file.lua:3: unexpected symbol near 'x'`.
    pub message: Vec<u8>,
}

/// The form of a chunk name that messages show: `@file` as the file name, `=text` as the text, anything else as
/// `[string "first line..."]`, each cut to fit 59 bytes.
pub fn chunk_id(chunk_name: &[u8]) -> Vec<u8> {
    let room = CHUNK_ID_SIZE - 1;
    match chunk_name {
        [b'=', text @ ..] => text[..text.len().min(room)].to_vec(),
        [b'@', file @ ..] if file.len() <= room => file.to_vec(),
        [b'@', file @ ..] => {
            let mut id = b"...".to_vec();
            id.extend_from_slice(&file[file.len() - (room - 3)..]);
            id
        }
        source => {
            let line_end = source.iter().position(|&byte| byte == b'\n');
            let room = room - b"[string \"...\"]".len();
            let mut id = b"[string \"".to_vec();
            match line_end {
                None if source.len() <= room => id.extend_from_slice(source),
                _ => {
                    let length = line_end.unwrap_or(source.len()).min(room);
                    id.extend_from_slice(&source[..length]);
                    id.extend_from_slice(b"...");
                }
            }
            id.extend_from_slice(b"\"]");
            id
        }
    }
}

/// The scanner over one source text.
pub struct Lexer<'s> {
    source: &'s [u8],
    pos: usize,
    /// The line of the reading position, from 1.
    pub line: u32,
    /// The last token as messages show it: raw, except that escapes are resolved.
    text: Vec<u8>,
    chunk_name: &'s [u8],
}

impl<'s> Lexer<'s> {
    /// A scanner at the start of `source`.
    pub fn new(source: &'s [u8], chunk_name: &'s [u8]) -> Self {
        Lexer { source, pos: 0, line: 1, text: Vec::new(), chunk_name }
    }

    /// Passes over what a program file may begin with besides the program: a UTF-8 byte order mark, and a first line
    /// that starts with `#`, but not over its line end.
    pub fn skip_first_comment(&mut self) {
        if self.source.starts_with(b"\xef\xbb\xbf") {
            self.pos += 3;
        }
        if self.byte() == Some(b'#') {
            while self.byte().is_some_and(|byte| byte != b'\n') {
                self.pos += 1;
            }
        }
    }

    fn byte(&self) -> Option<u8> {
        self.source.get(self.pos).copied()
    }

    fn byte_at(&self, distance: usize) -> Option<u8> {
        self.source.get(self.pos + distance).copied()
    }

    /// Moves the current byte to the text of the token. There must be one.
    fn save(&mut self) {
        self.text.push(self.source[self.pos]);
        self.pos += 1;
    }

    /// Passes one line end: `\n`, `\r`, or a pair of the two.
    fn pass_newline(&mut self) {
        let first = self.byte();
        self.pos += 1;
        if matches!(self.byte(), Some(b'\n' | b'\r')) && self.byte() != first {
            self.pos += 1;
        }
        self.line = self.line.saturating_add(1);
    }

    /// Reads the next token.
    pub fn next_token(&mut self) -> Result<Token<'s>, SyntaxError> {
        self.text.clear();
        loop {
            let Some(byte) = self.byte() else { return Ok(Token::Eof) };
            match byte {
                b'\n' | b'\r' => self.pass_newline(),
                b' ' | b'\t' | 11 | 12 => self.pos += 1,
                b'-' if self.byte_at(1) == Some(b'-') => {
                    self.pos += 2;
                    self.comment()?;
                }
                b'[' => {
                    return Ok(match self.long_string()? {
                        Some(text) => Token::Str(text),
                        None => Token::Byte(b'['),
                    });
                }
                b'"' | b'\'' => return Ok(Token::Str(self.quoted_string(byte)?)),
                b'0'..=b'9' => return self.numeral(),
                b'.' if self.byte_at(1).is_some_and(|next| next.is_ascii_digit()) => return self.numeral(),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => return Ok(self.word()),
                _ => return Ok(self.sign(byte)),
            }
        }
    }

    /// Whether the next token, which stays unread, is a plain `=`.
    pub fn assign_follows(&self) -> bool {
        let mut ahead = Lexer { pos: self.pos, ..Lexer::new(self.source, self.chunk_name) };
        matches!(ahead.next_token(), Ok(Token::Byte(b'=')))
    }

    fn word(&mut self) -> Token<'s> {
        let start = self.pos;
        while self.byte().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            self.pos += 1;
        }
        let name = &self.source[start..self.pos];
        self.text.extend_from_slice(name);
        if name.len() <= LONGEST_WORD
            && let Some(word) = Word::of(name)
        {
            return Token::Word(word);
        }
        Token::Name(name)
    }

    fn sign(&mut self, byte: u8) -> Token<'s> {
        let (sign, length) = match (byte, self.byte_at(1)) {
            (b'.', Some(b'.')) if self.byte_at(2) == Some(b'.') => (Sign::Dots, 3),
            (b'.', Some(b'.')) => (Sign::Concat, 2),
            (b'=', Some(b'=')) => (Sign::Eq, 2),
            (b'~', Some(b'=')) => (Sign::Ne, 2),
            (b'<', Some(b'=')) => (Sign::Le, 2),
            (b'>', Some(b'=')) => (Sign::Ge, 2),
            (b'/', Some(b'/')) => (Sign::IDiv, 2),
            (b'<', Some(b'<')) => (Sign::Shl, 2),
            (b'>', Some(b'>')) => (Sign::Shr, 2),
            (b':', Some(b':')) => (Sign::Label, 2),
            _ => {
                self.pos += 1;
                return Token::Byte(byte);
            }
        };
        self.pos += length;
        Token::Sign(sign)
    }

    /// A numeral: takes everything that could belong to one, then asks whether it is one.
    fn numeral(&mut self) -> Result<Token<'s>, SyntaxError> {
        let hexadecimal = self.byte() == Some(b'0') && matches!(self.byte_at(1), Some(b'x' | b'X'));
        if hexadecimal {
            self.save();
            self.save();
        }
        let exponent = if hexadecimal { b'p' } else { b'e' };
        while let Some(byte) = self.byte() {
            if byte.to_ascii_lowercase() == exponent {
                self.save();
                if matches!(self.byte(), Some(b'+' | b'-')) {
                    self.save();
                }
            } else if byte.is_ascii_hexdigit() || byte == b'.' {
                self.save();
            } else {
                break;
            }
        }
        // A letter right behind spoils the numeral, and belongs to the text that the message shows.
        if self.byte().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_') {
            self.save();
        }
        match parse_numeral(&self.text) {
            Some(Number::Int(value)) => Ok(Token::Int(value)),
            Some(Number::Float(value)) => Ok(Token::Float(value)),
            None => Err(self.error_at_text("malformed number")),
        }
    }

    /// `chunk:line: message`, with the line of the reading position.
    pub fn error_plain(&self, message: &[u8]) -> SyntaxError {
        let mut text = chunk_id(self.chunk_name);
        text.extend_from_slice(format!(":{}: ", self.line).as_bytes());
        text.extend_from_slice(message);
        SyntaxError { message: text }
    }

    /// `chunk:line: message near 'token'`, for the token read last.
    pub fn error_near(&self, message: &[u8], token: &Token) -> SyntaxError {
        let shown = match token {
            Token::Name(_) | Token::Str(_) | Token::Int(_) | Token::Float(_) => self.quoted_text(),
            other => other.describe(),
        };
        self.error_plain(&[message, b" near ", &shown].concat())
    }

    fn error_at_text(&self, message: &str) -> SyntaxError {
        self.error_plain(&[message.as_bytes(), b" near ", &self.quoted_text()].concat())
    }

    fn error_at_end(&self, message: &str) -> SyntaxError {
        self.error_near(message.as_bytes(), &Token::Eof)
    }

    /// The text of the token in quotes, up to its first zero byte.
    fn quoted_text(&self) -> Vec<u8> {
        let length = self.text.iter().position(|&byte| byte == 0).unwrap_or(self.text.len());
        [b"'", &self.text[..length], b"'"].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> Vec<Token<'_>> {
        let mut lexer = Lexer::new(source.as_bytes(), b"=test");
        let mut all = Vec::new();
        loop {
            match lexer.next_token() {
                Ok(Token::Eof) => return all,
                Ok(token) => all.push(token),
                Err(error) => panic!("{}", String::from_utf8_lossy(&error.message)),
            }
        }
    }

    fn string(source: &str) -> Vec<u8> {
        match tokens(source).as_slice() {
            [Token::Str(text)] => text.to_vec(),
            other => panic!("{source} read as {other:?}"),
        }
    }

    #[test]
    fn signs_take_the_longest_match() {
        let all = tokens("a..b ... == ~= ~ <= << < :: : // / [ =");
        let signs: Vec<_> = all.iter().map(|token| String::from_utf8(token.describe()).unwrap()).collect();
        assert_eq!(signs.join(" "), "<name> '..' <name> '...' '==' '~=' '~' '<=' '<<' '<' '::' ':' '//' '/' '[' '='");
    }

    #[test]
    fn numerals_keep_their_subtype() {
        assert_eq!(
            tokens("3 3.0 0x10 .5 1e2 0xA.8p0 9223372036854775808"),
            [
                Token::Int(3),
                Token::Float(3.0),
                Token::Int(16),
                Token::Float(0.5),
                Token::Float(100.0),
                Token::Float(10.5),
                Token::Float(9223372036854775808.0)
            ]
        );
    }

    #[test]
    fn escapes() {
        assert_eq!(string(r#""\a\b\f\n\r\t\v\\\"\'""#), b"\x07\x08\x0c\n\r\t\x0b\\\"'");
        assert_eq!(string(r#""\x41\66\067\0""#), b"ABC\0");
        assert_eq!(string("'a\\z  \n\t b'"), b"ab");
        assert_eq!(string("'a\\\r\nb'"), b"a\nb");
        assert_eq!(string(r"'\u{48}\u{20AC}\u{7FFFFFFF}'"), b"H\xe2\x82\xac\xfd\xbf\xbf\xbf\xbf\xbf");
    }

    #[test]
    fn long_brackets() {
        assert_eq!(string("[[\nx\r\ny]]"), b"x\ny");
        assert_eq!(string("[==[a]]b]=]c]==]"), b"a]]b]=]c");
        assert_eq!(tokens("--[==[ x\n]]\n]==] 1 --[ x\n 2 --x"), [Token::Int(1), Token::Int(2)]);
    }

    #[test]
    fn chunk_ids_are_shortened() {
        assert_eq!(chunk_id(b"x = 2"), b"[string \"x = 2\"]");
        assert_eq!(chunk_id(b"x = 2\ny"), b"[string \"x = 2...\"]");
        assert_eq!(chunk_id(b"=stdin"), b"stdin");
        assert_eq!(chunk_id(&[b"=".as_slice(), &[b'a'; 100]].concat()), [b'a'; 59]);
        let file = "ab".repeat(100);
        assert_eq!(chunk_id(format!("@{file}").as_bytes()), format!("...{}", &file[144..]).into_bytes());
        let source = "cd".repeat(100);
        let shown = "[string \"".to_owned() + &source[..45] + "...\"]";
        assert_eq!(String::from_utf8_lossy(&chunk_id(source.as_bytes())), shown);
    }
}
