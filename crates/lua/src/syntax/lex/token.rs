//! The tokens of Lua: what the scanner produces and the parser looks at.

/// One token. Names borrow from the source; strings are owned because escapes change them.
#[derive(Clone, Debug, PartialEq)]
pub enum Token<'s> {
    /// End of the source.
    Eof,
    /// An identifier.
    Name(&'s [u8]),
    /// A string literal, short or long, with escapes resolved.
    Str(Box<[u8]>),
    /// An integer numeral.
    Int(i64),
    /// A float numeral.
    Float(f64),
    /// A reserved word.
    Word(Word),
    /// An operator or punctuation of more than one byte.
    Sign(Sign),
    /// Any other single byte: `+`, `(`, or something that Lua does not know.
    Byte(u8),
}

macro_rules! words {
    ($($name:ident $text:literal)*) => {
        /// The reserved words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Word { $($name,)* }

        impl Word {
            /// The reserved word spelled `text`, if it is one.
            pub fn of(text: &[u8]) -> Option<Word> {
                $(if text == $text.as_bytes() { return Some(Word::$name); })*
                None
            }

            /// The spelling.
            pub const fn text(self) -> &'static str {
                match self { $(Word::$name => $text,)* }
            }
        }
    };
}

words! {
    And "and" Break "break" Do "do" Else "else" Elseif "elseif" End "end" False "false" For "for" Function "function"
    Goto "goto" If "if" In "in" Local "local" Nil "nil" Not "not" Or "or" Repeat "repeat" Return "return" Then "then"
    True "true" Until "until" While "while"
}

/// Longest reserved word, in bytes: no longer name needs to be looked up.
pub const LONGEST_WORD: usize = 8;

/// Operators and punctuation of more than one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `..`
    Concat,
    /// `...`
    Dots,
    /// `==`
    Eq,
    /// `~=`
    Ne,
    /// `<=`
    Le,
    /// `>=`
    Ge,
    /// `//`
    IDiv,
    /// `<<`
    Shl,
    /// `>>`
    Shr,
    /// `::`
    Label,
}

impl Sign {
    /// The spelling.
    pub const fn text(self) -> &'static str {
        match self {
            Sign::Concat => "..",
            Sign::Dots => "...",
            Sign::Eq => "==",
            Sign::Ne => "~=",
            Sign::Le => "<=",
            Sign::Ge => ">=",
            Sign::IDiv => "//",
            Sign::Shl => "<<",
            Sign::Shr => ">>",
            Sign::Label => "::",
        }
    }
}

impl Token<'_> {
    /// How a message names this kind of token when it was expected, as in `'end' expected` or `<name> expected`.
    pub fn describe(&self) -> Vec<u8> {
        let fixed = match self {
            Token::Eof => "<eof>",
            Token::Name(_) => "<name>",
            Token::Str(_) => "<string>",
            Token::Int(_) => "<integer>",
            Token::Float(_) => "<number>",
            Token::Word(word) => return format!("'{}'", word.text()).into_bytes(),
            Token::Sign(sign) => return format!("'{}'", sign.text()).into_bytes(),
            Token::Byte(byte @ b' '..=b'~') => return vec![b'\'', *byte, b'\''],
            Token::Byte(byte) => return format!("'<\\{byte}>'").into_bytes(),
        };
        fixed.as_bytes().to_vec()
    }
}
