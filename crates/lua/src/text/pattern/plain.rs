//! Search for a byte string without pattern magic.
//!
//! Owns the fast paths of `string.find` with plain text and the skip to a first byte that
//! the matcher needs. The loops compare a block of bytes at a time in a form that compilers
//! turn into vector code.

const BLOCK: usize = 32;

/// The first position of `wanted` in `bytes`.
pub(super) fn find_byte(bytes: &[u8], wanted: u8) -> Option<usize> {
    let mut blocks = bytes.chunks_exact(BLOCK);
    let mut base = 0;
    for block in &mut blocks {
        if block.iter().fold(false, |found, &byte| found | (byte == wanted)) {
            break;
        }
        base += BLOCK;
    }
    bytes[base..].iter().position(|&byte| byte == wanted).map(|at| base + at)
}

/// The first position at or behind `init` where `needle` stands in `subject`; an empty needle
/// stands everywhere. `None` when there is none or `init` lies behind the end.
pub fn find_plain(subject: &[u8], needle: &[u8], init: usize) -> Option<usize> {
    let rest = subject.get(init..)?;
    let [first, .., last] = needle else {
        return match needle {
            [] => Some(init),
            only => find_byte(rest, only[0]).map(|at| init + at),
        };
    };
    // Every start that leaves room for the needle, beside the byte its last byte would meet.
    let starts = rest.len().checked_sub(needle.len() - 1)?;
    let heads = &rest[..starts];
    let tails = &rest[needle.len() - 1..];
    let holds = |at: usize| heads[at] == *first && &rest[at..at + needle.len()] == needle;
    let mut base = 0;
    for (head, tail) in heads.chunks_exact(BLOCK).zip(tails.chunks_exact(BLOCK)) {
        let possible = head.iter().zip(tail).fold(false, |found, (a, b)| found | ((a == first) & (b == last)));
        if possible && let Some(at) = (base..base + BLOCK).find(|&at| holds(at)) {
            return Some(init + at);
        }
        base += BLOCK;
    }
    (base..starts).find(|&at| holds(at)).map(|at| init + at)
}

/// Whether `pattern` contains a byte with a meaning of its own; without one, plain search
/// finds the same.
pub fn has_specials(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, against which the fast search is checked.
    fn slow(subject: &[u8], needle: &[u8], init: usize) -> Option<usize> {
        (init..=subject.len()).find(|&at| subject[at..].starts_with(needle))
    }

    #[test]
    fn agrees_with_the_definition() {
        let mut state = 7u32;
        let text: Vec<u8> = (0..400)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b'a' + (state >> 30) as u8
            })
            .collect();
        for from in (0..400).step_by(7) {
            for length in [0, 1, 2, 3, 5, 9, 40] {
                let needle = &text[from..(from + length).min(400)];
                for init in [0, 1, 31, 32, 33, 200, 399, 400, 401] {
                    assert_eq!(find_plain(&text, needle, init), slow(&text, needle, init), "{from} {length} {init}");
                }
            }
        }
    }

    #[test]
    fn edges() {
        assert_eq!(find_plain(b"", b"", 0), Some(0));
        assert_eq!(find_plain(b"abc", b"", 3), Some(3));
        assert_eq!(find_plain(b"abc", b"", 4), None);
        assert_eq!(find_plain(b"abc", b"abcd", 0), None);
        assert_eq!(find_plain(b"a\0b", b"\0b", 0), Some(1));
        assert_eq!(find_byte(&[b'x'; 100], b'y'), None);
        let mut long = vec![b'x'; 100];
        long.extend_from_slice(b"yz");
        assert_eq!(find_byte(&long, b'y'), Some(100));
        assert_eq!(find_plain(&long, b"yz", 3), Some(100));
    }

    #[test]
    fn specials() {
        assert!(!has_specials(b"plain text)]"));
        for special in "^$*+?.([%-".bytes() {
            assert!(has_specials(&[b'a', special]));
        }
    }
}
