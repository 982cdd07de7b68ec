//! Lua patterns over byte strings.
//!
//! Owns the interface of the pattern library: errors, captures, the matcher's entry points
//! and the walk over all matches. Called by `string.find`, `match`, `gmatch` and `gsub`; the
//! callers own the loops that collect results. The walk through one match lives in
//! `matching`, sets of bytes in `class`. Nothing here allocates: a matcher is a plain value
//! with room for its captures, and one matcher serves any number of matches.

mod class;
mod matching;
mod plain;
mod replace;
#[cfg(test)]
mod tests;

use class::{ByteSet, Single};
pub use plain::{find_plain, has_specials};
pub use replace::expand_replacement;
use std::fmt;

/// The most captures that a pattern may hold.
pub const MAX_CAPTURES: usize = 32;

/// How deeply one match may nest before it is given up as too complex.
const MAX_DEPTH: u32 = 200;

/// Bracketed sets that a matcher keeps in parsed form; further ones are parsed at each use.
const KEPT_SETS: usize = 4;

/// What can be wrong with a pattern or a replacement. Lua finds most mistakes only when a
/// match gets to them, and so does the matcher. `Display` gives Lua's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// A set without its closing bracket.
    MissingBracket,
    /// A `%` with nothing behind it.
    EndsWithPercent,
    /// A `%b` without its two bytes.
    MissingBalanceArguments,
    /// A `%f` without a set.
    MissingFrontierSet,
    /// A `)` without its `(`.
    InvalidPatternCapture,
    /// A reference to a capture that is not there or not closed yet.
    InvalidCaptureIndex(u8),
    /// More than `MAX_CAPTURES` captures.
    TooManyCaptures,
    /// A `(` without its `)`.
    UnfinishedCapture,
    /// The match nests too deeply.
    TooComplex,
    /// A `%` in a replacement that is followed by neither a digit nor `%`.
    InvalidReplacement,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PatternError::MissingBracket => "malformed pattern (missing ']')",
            PatternError::EndsWithPercent => "malformed pattern (ends with '%')",
            PatternError::MissingBalanceArguments => "malformed pattern (missing arguments to '%b')",
            PatternError::MissingFrontierSet => "missing '[' after '%f' in pattern",
            PatternError::InvalidPatternCapture => "invalid pattern capture",
            PatternError::InvalidCaptureIndex(index) => return write!(f, "invalid capture index %{index}"),
            PatternError::TooManyCaptures => "too many captures",
            PatternError::UnfinishedCapture => "unfinished capture",
            PatternError::TooComplex => "pattern too complex",
            PatternError::InvalidReplacement => "invalid use of '%' in replacement string",
        })
    }
}

impl std::error::Error for PatternError {}

/// What one capture of a match holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    /// The bytes `start..end` of the subject.
    Span {
        /// Offset of the first byte.
        start: usize,
        /// Offset behind the last byte.
        end: usize,
    },
    /// A position capture `()`, counted from one: the number that Lua code gets.
    Position(usize),
}

/// A set of the pattern in parsed form, found by the place of its `[`.
#[derive(Clone, Copy)]
struct KeptSet {
    open: usize,
    end: usize,
    set: ByteSet,
}

/// Matches one pattern against subjects. The subject is handed in anew each time, so a
/// matcher borrows nothing but its pattern.
pub struct Matcher<'p> {
    pattern: &'p [u8],
    /// Where matching begins: behind the anchor if there is one.
    body: usize,
    /// What the first byte of every match must be, if one item decides that.
    first: Option<Single>,
    captures: [Capture; MAX_CAPTURES],
    level: usize,
    /// One bit for every capture that waits for its `)`.
    open: u32,
    depth: u32,
    error: Option<PatternError>,
    sets: [KeptSet; KEPT_SETS],
    kept: usize,
}

impl<'p> Matcher<'p> {
    /// A matcher in which a leading `^` anchors the pattern, as `find`, `match` and `gsub`
    /// need it.
    pub fn new(pattern: &'p [u8]) -> Self {
        Self::with_body(pattern, usize::from(pattern.first() == Some(&b'^')))
    }

    /// A matcher in which a leading `^` is a byte like others, as `gmatch` needs it.
    pub fn unanchored(pattern: &'p [u8]) -> Self {
        Self::with_body(pattern, 0)
    }

    fn with_body(pattern: &'p [u8], body: usize) -> Self {
        let mut matcher = Matcher {
            pattern,
            body,
            first: None,
            captures: [Capture::Span { start: 0, end: 0 }; MAX_CAPTURES],
            level: 0,
            open: 0,
            depth: 0,
            error: None,
            sets: [KeptSet { open: 0, end: 0, set: ByteSet::EMPTY }; KEPT_SETS],
            kept: 0,
        };
        matcher.first = matcher.lead(body);
        matcher
    }

    /// Whether the pattern is tied to the place where the search begins.
    pub fn is_anchored(&self) -> bool {
        self.body > 0
    }

    /// Matches at `start` exactly and gives the end of the match.
    ///
    /// # Errors
    /// When the match meets a malformed part of the pattern or nests too deeply.
    #[inline]
    pub fn match_at(&mut self, subject: &[u8], start: usize) -> Result<Option<usize>, PatternError> {
        if start > subject.len() {
            return Ok(None);
        }
        self.level = 0;
        self.open = 0;
        self.depth = MAX_DEPTH;
        self.error = None;
        let end = self.walk(subject, start, self.body);
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Some(end) = end
            && self.level == 0
        {
            self.captures[0] = Capture::Span { start, end };
        }
        Ok(end)
    }

    /// The first place at or behind `start` where a match may begin.
    #[inline]
    fn candidate(&self, subject: &[u8], start: usize) -> Option<usize> {
        let rest = subject.get(start..)?;
        match &self.first {
            Some(first) if !self.is_anchored() => first.first_in(rest).map(|at| start + at),
            _ => Some(start),
        }
    }

    /// Finds the first match that begins at or behind `init`, or at `init` only if the pattern
    /// is anchored. Gives the range of the match.
    ///
    /// # Errors
    /// As `match_at`.
    pub fn find(&mut self, subject: &[u8], init: usize) -> Result<Option<(usize, usize)>, PatternError> {
        let mut from = init;
        while let Some(start) = self.candidate(subject, from) {
            if let Some(end) = self.match_at(subject, start)? {
                return Ok(Some((start, end)));
            }
            if self.is_anchored() {
                break;
            }
            from = start + 1;
        }
        Ok(None)
    }

    /// Checks that every capture of the last successful match has been closed: only then may they be used.
    ///
    /// # Errors
    /// `UnfinishedCapture` when the pattern lacks a `)`.
    pub fn check_captures(&self) -> Result<(), PatternError> {
        if self.level > 0 && self.open != 0 { Err(PatternError::UnfinishedCapture) } else { Ok(()) }
    }

    /// The captures of the last successful match, in the order of their parentheses. Spans
    /// are offsets into the subject of that match.
    pub fn captures(&self) -> &[Capture] {
        &self.captures[..self.level]
    }

    /// What the last successful match yields as values: its captures, or the whole match when
    /// the pattern has none.
    pub fn values(&self) -> &[Capture] {
        &self.captures[..self.level.max(1)]
    }
}

/// A walk over all matches in a subject: the state of `gmatch`, and the loop of `gsub`. By
/// the rule of Lua 5.4 an empty match does not count where the match before it ended.
#[derive(Clone, Copy, Debug)]
pub struct MatchCursor {
    position: usize,
    last_match: Option<usize>,
}

impl MatchCursor {
    /// A walk that begins at offset `init`.
    pub fn new(init: usize) -> Self {
        MatchCursor { position: init, last_match: None }
    }

    /// Finds the next match and gives its range; the captures are then in `matcher`. A walk
    /// with an anchored matcher ends after one try. Matcher and subject must hold the same
    /// bytes at each call.
    ///
    /// # Errors
    /// As `Matcher::match_at`.
    #[inline]
    pub fn next(&mut self, matcher: &mut Matcher<'_>, subject: &[u8]) -> Result<Option<(usize, usize)>, PatternError> {
        let mut from = self.position;
        while let Some(start) = matcher.candidate(subject, from) {
            let end = matcher.match_at(subject, start)?;
            if let Some(end) = end
                && self.last_match != Some(end)
            {
                self.last_match = Some(end);
                self.position = if matcher.is_anchored() { usize::MAX } else { end };
                return Ok(Some((start, end)));
            }
            if matcher.is_anchored() {
                break;
            }
            from = start + 1;
        }
        self.position = usize::MAX;
        Ok(None)
    }
}
