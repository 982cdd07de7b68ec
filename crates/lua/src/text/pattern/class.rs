//! Sets of bytes: the character classes of Lua patterns and the bracketed sets.
//!
//! Owns what a single pattern item can match. Called by the matcher only. Classes follow
//! C's `ctype` in the "C" locale, so no byte above 127 belongs to any of them.

use super::super::number::is_space;
use super::PatternError;
use super::plain::find_byte;

/// A set of byte values, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(super) const EMPTY: ByteSet = ByteSet([0; 4]);

    #[inline(always)]
    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    const fn insert(&mut self, byte: u8) {
        self.0[(byte >> 6) as usize] |= 1 << (byte & 63);
    }

    /// Adds `low` to `high`, both included; nothing when they are in the wrong order.
    fn insert_range(&mut self, low: u8, high: u8) {
        for (index, word) in self.0.iter_mut().enumerate() {
            let base = index as u32 * 64;
            let from = u32::from(low).max(base);
            let to = u32::from(high).min(base + 63);
            if from <= to {
                *word |= (!0 >> (63 - (to - from))) << (from - base);
            }
        }
    }

    fn insert_all(&mut self, other: &ByteSet) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    const fn complement(self) -> ByteSet {
        let [a, b, c, d] = self.0;
        ByteSet([!a, !b, !c, !d])
    }
}

/// Whether `byte` is in the class named by the lower-case `letter`; `None` for a letter that
/// names no class.
const fn in_class(letter: u8, byte: u8) -> Option<bool> {
    Some(match letter {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => is_space(byte),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        // Lua 5.1's name for the zero byte, which 5.4 still knows.
        b'z' => byte == 0,
        _ => return None,
    })
}

/// For every letter the class it names and the complement of that class.
static CLASSES: [Option<[ByteSet; 2]>; 26] = {
    let mut classes = [None; 26];
    let mut index = 0;
    while index < 26 {
        let letter = b'a' + index as u8;
        if in_class(letter, 0).is_some() {
            let mut set = ByteSet::EMPTY;
            let mut byte = 0;
            while byte < 256 {
                if let Some(true) = in_class(letter, byte as u8) {
                    set.insert(byte as u8);
                }
                byte += 1;
            }
            classes[index] = Some([set, set.complement()]);
        }
        index += 1;
    }
    classes
};

/// The class that `%letter` names: an upper-case letter names the complement.
pub(super) fn class(letter: u8) -> Option<&'static ByteSet> {
    let index = (letter | 0x20).wrapping_sub(b'a');
    let [plain, complement] = CLASSES.get(usize::from(index))?.as_ref()?;
    Some(if letter.is_ascii_uppercase() { complement } else { plain })
}

/// Reads the set whose `[` stands at `open`; also gives the position behind its `]`.
pub(super) fn parse_set(pattern: &[u8], open: usize) -> Result<(ByteSet, usize), PatternError> {
    let negated = pattern.get(open + 1) == Some(&b'^');
    let first = open + 1 + usize::from(negated);
    // A bracket right at the start is a member, not the end.
    let mut close = first;
    while close == first || pattern.get(close) != Some(&b']') {
        match pattern.get(close) {
            None => return Err(PatternError::MissingBracket),
            Some(b'%') => close += 2,
            Some(_) => close += 1,
        }
    }
    let mut set = ByteSet::EMPTY;
    let mut at = first;
    while at < close {
        let (byte, next) = (pattern[at], pattern[at + 1]);
        if byte == b'%' {
            match class(next) {
                Some(members) => set.insert_all(members),
                None => set.insert(next),
            }
            at += 2;
        } else if next == b'-' && at + 2 < close {
            set.insert_range(byte, pattern[at + 2]);
            at += 3;
        } else {
            set.insert(byte);
            at += 1;
        }
    }
    Ok((if negated { set.complement() } else { set }, close + 1))
}

/// One pattern item that matches one byte.
#[derive(Clone, Copy, Debug)]
pub(super) enum Single {
    /// `.`
    Any,
    /// A byte that stands for itself.
    Byte(u8),
    /// `%a` and its like.
    Class(&'static ByteSet),
    /// A bracketed set.
    Set(ByteSet),
}

impl Single {
    /// Whether the item matches `byte`.
    #[inline(always)]
    pub(super) fn matches(&self, byte: u8) -> bool {
        match self {
            Single::Any => true,
            Single::Byte(own) => *own == byte,
            Single::Class(set) => set.contains(byte),
            Single::Set(set) => set.contains(byte),
        }
    }

    /// Whether the item matches the byte at `at`, where the end of the subject matches nothing.
    #[inline(always)]
    pub(super) fn matches_at(&self, subject: &[u8], at: usize) -> bool {
        subject.get(at).is_some_and(|&byte| self.matches(byte))
    }

    /// How many bytes at the start of `bytes` the item matches. The kind of item is settled
    /// before the loop, which keeps the loop to a load, a test and a step.
    #[inline]
    pub(super) fn run_length(&self, bytes: &[u8]) -> usize {
        let end = match self {
            Single::Any => None,
            Single::Byte(own) => bytes.iter().position(|byte| byte != own),
            Single::Class(set) => bytes.iter().position(|&byte| !set.contains(byte)),
            Single::Set(set) => bytes.iter().position(|&byte| !set.contains(byte)),
        };
        end.unwrap_or(bytes.len())
    }

    /// The first position in `bytes` that the item matches.
    #[inline]
    pub(super) fn first_in(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Single::Any => (!bytes.is_empty()).then_some(0),
            Single::Byte(own) => find_byte(bytes, *own),
            Single::Class(set) => bytes.iter().position(|&byte| set.contains(byte)),
            Single::Set(set) => bytes.iter().position(|&byte| set.contains(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(set: &ByteSet) -> Vec<u8> {
        (0..=255).filter(|&byte| set.contains(byte)).collect()
    }

    fn set(pattern: &str) -> Vec<u8> {
        let (set, end) = parse_set(pattern.as_bytes(), 0).unwrap();
        assert_eq!(end, pattern.len());
        members(&set)
    }

    #[test]
    fn sizes_of_the_classes() {
        let size = |letter| members(class(letter).unwrap()).len();
        let sizes = b"acdglpsuwxz".map(size);
        assert_eq!(sizes, [52, 33, 10, 94, 26, 32, 6, 26, 62, 22, 1]);
        assert_eq!(b"ACDGLPSUWXZ".map(size), sizes.map(|count| 256 - count));
        assert!(class(b'b').is_none() && class(b'.').is_none() && class(b'{').is_none() && class(b'@').is_none());
        assert!(class(0x01).is_none() && class(0xc1).is_none());
    }

    #[test]
    fn members_of_sets() {
        assert_eq!(set("[abc]"), b"abc");
        assert_eq!(set("[a-cx-z]"), b"abcxyz");
        assert_eq!(set("[]a]"), b"]a");
        assert_eq!(set("[a-]"), b"-a");
        assert_eq!(set("[-a]"), b"-a");
        assert_eq!(set("[%]]"), b"]");
        assert_eq!(set("[%a-z]").len(), 53);
        assert_eq!(set("[c-a]"), b"");
        assert_eq!(set("[^%W]").len(), 62);
        assert_eq!(set("[%d%-]"), b"-0123456789");
        // The end of a range is not an escape; the `%` left over then takes the bracket.
        assert_eq!(set("[+-%%]"), b"]");
        let (all, _) = parse_set(b"[\0-\xff]", 0).unwrap();
        assert_eq!(all, ByteSet::EMPTY.complement());
        let (middle, _) = parse_set(b"[?-\x80]", 0).unwrap();
        assert_eq!(members(&middle), (b'?'..=0x80).collect::<Vec<_>>());
    }

    #[test]
    fn sets_without_an_end() {
        for pattern in ["[", "[a", "[]", "[^", "[^]", "[a%]", "[a%", "[%"] {
            assert_eq!(parse_set(pattern.as_bytes(), 0), Err(PatternError::MissingBracket), "{pattern}");
        }
    }
}
