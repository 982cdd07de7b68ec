//! The walk of one match: pattern items against the subject, with backtracking.
//!
//! Owns how items combine. Called by the entry points of `Matcher`. A method that gives
//! `None` has either found no match or set `Matcher::error`; every place that would try an
//! alternative asks which. Recursion happens only where an alternative may be needed later,
//! and `depth` bounds it.

use super::class::{Single, class, parse_set};
use super::{Capture, KEPT_SETS, KeptSet, MAX_CAPTURES, Matcher, PatternError};

impl Matcher<'_> {
    /// Matches the pattern from `p` against the subject from `s`; gives the end of the match.
    pub(super) fn walk(&mut self, subject: &[u8], s: usize, p: usize) -> Option<usize> {
        if self.depth == 0 {
            return self.fail(PatternError::TooComplex);
        }
        self.depth -= 1;
        let end = self.walk_items(subject, s, p);
        self.depth += 1;
        end
    }

    #[cold]
    fn fail(&mut self, error: PatternError) -> Option<usize> {
        self.error = Some(error);
        None
    }

    #[inline(always)]
    fn walk_items(&mut self, subject: &[u8], mut s: usize, mut p: usize) -> Option<usize> {
        loop {
            let Some(&byte) = self.pattern.get(p) else { return Some(s) };
            match byte {
                b'(' if self.pattern.get(p + 1) == Some(&b')') => {
                    return self.capture(subject, s, p + 2, Capture::Position(s + 1));
                }
                b'(' => return self.capture(subject, s, p + 1, Capture::Span { start: s, end: s }),
                b')' => return self.close(subject, s, p + 1),
                b'$' if p + 1 == self.pattern.len() => return (s == subject.len()).then_some(s),
                b'%' => match self.pattern.get(p + 1) {
                    Some(b'b') => {
                        s = self.balance(subject, s, p + 2)?;
                        p += 4;
                        continue;
                    }
                    Some(b'f') => {
                        p = self.frontier(subject, s, p + 2)?;
                        continue;
                    }
                    Some(digit @ b'0'..=b'9') => {
                        s = self.back_reference(subject, s, *digit)?;
                        p += 2;
                        continue;
                    }
                    _ => {}
                },
                _ => {}
            }
            let (single, next) = match self.single(p) {
                Ok(item) => item,
                Err(error) => return self.fail(error),
            };
            match self.pattern.get(next) {
                Some(b'+') if single.matches_at(subject, s) => return self.longest(subject, s, 1, &single, next + 1),
                Some(b'+') => return None,
                // An item that matches nothing here needs no way back.
                Some(b'*' | b'?' | b'-') if !single.matches_at(subject, s) => p = next + 1,
                Some(b'*') => return self.longest(subject, s, 0, &single, next + 1),
                Some(b'-') => return self.shortest(subject, s, &single, next + 1),
                Some(b'?') => {
                    let end = self.walk(subject, s + 1, next + 1);
                    if end.is_some() || self.error.is_some() {
                        return end;
                    }
                    p = next + 1;
                }
                _ if single.matches_at(subject, s) => {
                    s += 1;
                    p = next;
                }
                _ => return None,
            }
        }
    }

    /// Reads the item at `p` that matches one byte; also gives the position behind it.
    #[inline(always)]
    fn single(&mut self, p: usize) -> Result<(Single, usize), PatternError> {
        match self.pattern[p] {
            b'.' => Ok((Single::Any, p + 1)),
            b'%' => {
                let letter = *self.pattern.get(p + 1).ok_or(PatternError::EndsWithPercent)?;
                Ok((class(letter).map_or(Single::Byte(letter), Single::Class), p + 2))
            }
            b'[' => {
                let kept = self.set(p)?;
                Ok((Single::Set(kept.set), kept.end))
            }
            byte => Ok((Single::Byte(byte), p + 1)),
        }
    }

    /// The set whose `[` stands at `open`, parsed once as long as there is room to keep it.
    fn set(&mut self, open: usize) -> Result<KeptSet, PatternError> {
        if let Some(kept) = self.sets[..self.kept].iter().find(|kept| kept.open == open) {
            return Ok(*kept);
        }
        let (set, end) = parse_set(self.pattern, open)?;
        let parsed = KeptSet { open, end, set };
        if self.kept < KEPT_SETS {
            self.sets[self.kept] = parsed;
            self.kept += 1;
        }
        Ok(parsed)
    }

    /// The item that must match the next byte if the pattern is to match from `p` on. `None`
    /// when several could, when the match could be empty, or when the pattern is malformed
    /// there: then only a walk can tell.
    pub(super) fn lead(&mut self, mut p: usize) -> Option<Single> {
        loop {
            match self.pattern.get(p)? {
                b'(' => p += if self.pattern.get(p + 1) == Some(&b')') { 2 } else { 1 },
                b')' if self.open != 0 => {
                    p += 1;
                    break;
                }
                _ => break,
            }
        }
        match self.pattern.get(p)? {
            b'(' | b')' => return None,
            b'$' if p + 1 == self.pattern.len() => return None,
            b'%' if matches!(self.pattern.get(p + 1), Some(b'b' | b'f' | b'0'..=b'9')) => return None,
            _ => {}
        }
        let (single, next) = self.single(p).ok()?;
        if matches!(self.pattern.get(next), Some(b'*' | b'?' | b'-')) { None } else { Some(single) }
    }

    /// Lets `single` take as many bytes as it can, then gives them back one by one until the
    /// rest of the pattern matches; at least `least` bytes stay.
    fn longest(&mut self, subject: &[u8], s: usize, least: usize, single: &Single, rest: usize) -> Option<usize> {
        let mut at = s + single.run_length(&subject[s..]);
        if rest == self.pattern.len() {
            return Some(at);
        }
        let mut end = self.walk(subject, at, rest);
        if end.is_some() || self.error.is_some() {
            return end;
        }
        // Most matches need no way back, so the lead is asked for only now.
        let lead = self.lead(rest);
        while end.is_none() && self.error.is_none() && at > s + least {
            at -= 1;
            // Walking the rest is of use only where its first byte fits.
            if lead.as_ref().is_none_or(|lead| lead.matches(subject[at])) {
                end = self.walk(subject, at, rest);
            }
        }
        end
    }

    /// Lets `single` take bytes one by one until the rest of the pattern matches.
    fn shortest(&mut self, subject: &[u8], s: usize, single: &Single, rest: usize) -> Option<usize> {
        let lead = self.lead(rest);
        let mut at = s;
        loop {
            // Walking the rest is of use only where its first byte fits.
            if let Some(lead) = &lead {
                let bytes = &subject[at..];
                let ahead = match single {
                    Single::Any => lead.first_in(bytes)?,
                    _ => bytes.iter().position(|&byte| lead.matches(byte) || !single.matches(byte))?,
                };
                at += ahead;
            }
            let end = self.walk(subject, at, rest);
            if end.is_some() || self.error.is_some() {
                return end;
            }
            if !single.matches_at(subject, at) {
                return None;
            }
            at += 1;
        }
    }

    /// Opens a capture, which is complete at once if it is a position, and matches the rest.
    fn capture(&mut self, subject: &[u8], s: usize, rest: usize, capture: Capture) -> Option<usize> {
        let index = self.level;
        if index >= MAX_CAPTURES {
            return self.fail(PatternError::TooManyCaptures);
        }
        let bit = u32::from(matches!(capture, Capture::Span { .. })) << index;
        self.captures[index] = capture;
        self.open |= bit;
        self.level = index + 1;
        let end = self.walk(subject, s, rest);
        if end.is_none() {
            self.open &= !bit;
            self.level = index;
        }
        end
    }

    /// Closes the innermost open capture at `s` and matches the rest.
    fn close(&mut self, subject: &[u8], s: usize, rest: usize) -> Option<usize> {
        if self.open == 0 {
            return self.fail(PatternError::InvalidPatternCapture);
        }
        let index = self.open.ilog2();
        if let Capture::Span { end, .. } = &mut self.captures[index as usize] {
            *end = s;
        }
        self.open &= !(1 << index);
        let end = self.walk(subject, s, rest);
        if end.is_none() {
            self.open |= 1 << index;
        }
        end
    }

    /// Matches `%b` with its two bytes at `p`; gives the position behind the balanced part.
    fn balance(&mut self, subject: &[u8], s: usize, p: usize) -> Option<usize> {
        let Some(&[opening, closing]) = self.pattern.get(p..p + 2) else {
            return self.fail(PatternError::MissingBalanceArguments);
        };
        let (first, inner) = subject.get(s..)?.split_first()?;
        if *first != opening {
            return None;
        }
        let mut nesting = 1usize;
        for (offset, &byte) in inner.iter().enumerate() {
            // The closing byte is asked for first: it wins when both are the same.
            if byte == closing {
                nesting -= 1;
                if nesting == 0 {
                    return Some(s + offset + 2);
                }
            } else if byte == opening {
                nesting += 1;
            }
        }
        None
    }

    /// Matches `%f` with its set at `p`; gives the position behind the set. Both ends of the
    /// subject count as a zero byte.
    fn frontier(&mut self, subject: &[u8], s: usize, p: usize) -> Option<usize> {
        if self.pattern.get(p) != Some(&b'[') {
            return self.fail(PatternError::MissingFrontierSet);
        }
        let kept = match self.set(p) {
            Ok(kept) => kept,
            Err(error) => return self.fail(error),
        };
        let before = if s == 0 { 0 } else { subject[s - 1] };
        let after = subject.get(s).copied().unwrap_or(0);
        (!kept.set.contains(before) && kept.set.contains(after)).then_some(kept.end)
    }

    /// Matches the text of an earlier capture again; gives the position behind it.
    fn back_reference(&mut self, subject: &[u8], s: usize, digit: u8) -> Option<usize> {
        let index = usize::from(digit).wrapping_sub(usize::from(b'1'));
        if index >= self.level || self.open >> index & 1 != 0 {
            return self.fail(PatternError::InvalidCaptureIndex(digit - b'0'));
        }
        // A position is no text, and nothing matches it.
        let Capture::Span { start, end } = self.captures[index] else { return None };
        let text = &subject[start..end];
        subject[s..].starts_with(text).then_some(s + text.len())
    }
}
