//! What happened, to show that the operations do what they are there for.
//!
//! *Callers:* `run.rs` and its like count; the tests assert, and add up what their processes say. *Invariants:* every figure is
//! a count of what was done, and what one process prints another reads back as it was.

use super::decode::KINDS;
use super::mode::Mode;
use std::fmt;

/// Counts over one stream or many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    counts: [u64; NAMES.len()],
    /// Rows of the decoder's table that were used, in its order.
    kinds: Vec<u64>,
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// Something that is counted.
        #[derive(Clone, Copy, Debug)]
        #[expect(non_camel_case_types, reason = "the names are printed")]
        pub(crate) enum Count {
            $($(#[$doc])* $name,)*
        }

        impl Totals {
            $($(#[$doc])* pub fn $name(&self) -> u64 {
                self.counts[Count::$name as usize]
            })*
        }
    };
}

counts! {
    /// Streams.
    streams,
    /// Operations that streams made.
    operations,
    /// Walks of the whole heap beside the model.
    comparisons,
    /// Cycles.
    cycles,
    /// Cycles that the verifier has checked.
    cycles_verified,
    /// Objects that were freed.
    freed,
    /// Objects of more than 32 KiB.
    large,
    /// Stacks that got other slots.
    moved_stacks,
    /// Stacks that were refused more slots.
    stack_overflows,
    /// Arrays that became longer where they lie.
    grown,
    /// Changes that threads made beside each other.
    changes_by_threads,
    /// Changes made while a cycle marked.
    changes_while_marking,
    /// Bytes given back by trimming.
    trimmed,
    /// Allocations refused at the limit.
    limit_errors,
    /// Cycles that ended in a slice.
    stepped,
    /// Parts of streams that ran on a thread of their own.
    other_threads,
}

impl Totals {
    pub(crate) fn add(&mut self, count: Count, amount: u64) {
        self.counts[count as usize] += amount;
    }

    pub(crate) fn count_kind(&mut self, kind: usize) {
        self.kinds.resize(KINDS.len(), 0);
        self.kinds[kind] += 1;
    }

    /// Adds those of others.
    pub fn merge(&mut self, other: &Totals) {
        self.counts.iter_mut().zip(other.counts).for_each(|(to, from)| *to += from);
        self.kinds.resize(KINDS.len(), 0);
        self.kinds.iter_mut().zip(&other.kinds).for_each(|(to, from)| *to += from);
    }

    /// The kinds of operations that were never made.
    pub fn unused(&self) -> Vec<&'static str> {
        let used = |kind: usize| self.kinds.get(kind).is_some_and(|&count| count > 0);
        KINDS.iter().enumerate().filter(|&(kind, _)| !used(kind)).map(|(_, kind)| kind.name).collect()
    }

    /// Asserts that streams of this mode, a dozen of them, have done what they are there for.
    ///
    /// # Panics
    /// If not.
    pub fn assert_acted(&self, mode: Mode) {
        assert_eq!(self.cycles(), self.cycles_verified(), "{mode:?}: {self}");
        assert!(self.cycles() > self.streams() && self.freed() > 0 && self.large() > 0, "{mode:?}: {self}");
        assert!(self.comparisons() > self.streams() && self.trimmed() > 0, "{mode:?}: {self}");
        assert!(self.moved_stacks() > 0 && self.changes_by_threads() > 0, "{mode:?}: {self}");
        assert_eq!(self.limit_errors() > 0, mode == Mode::Limit, "{mode:?}: {self}");
        // Where a thread runs the cycles, slices end them by luck.
        assert!(self.stepped() > 0 || !mode.is_repeatable(), "{mode:?}: {self}");
        if mode == Mode::WithoutThread {
            assert!(self.changes_while_marking() > self.streams(), "{mode:?}: {self}");
        }
    }

    /// Asserts that streams of all modes together have done what they are there for.
    ///
    /// # Panics
    /// If not.
    pub fn assert_complete(&self) {
        assert!(self.stack_overflows() > 0 && self.other_threads() > 0 && self.grown() > 0, "{self}");
        assert!(self.unused().is_empty(), "never made: {:?}", self.unused());
    }

    /// Reads what [`Display`](fmt::Display) has written.
    pub fn read(text: &str) -> Option<Totals> {
        let mut totals = Totals { kinds: vec![0; KINDS.len()], ..Totals::default() };
        let mut words = text.split_whitespace();
        for (name, count) in NAMES.iter().zip(&mut totals.counts) {
            *count = words.next()?.strip_prefix(name)?.strip_prefix('=')?.parse().ok()?;
        }
        let kinds = words.next()?.strip_prefix("kinds=")?;
        for (count, text) in totals.kinds.iter_mut().zip(kinds.split(',')) {
            *count = text.parse().ok()?;
        }
        Some(totals)
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NAMES.iter().zip(self.counts).try_for_each(|(name, count)| write!(f, "{name}={count} "))?;
        let kinds: Vec<_> = self.kinds.iter().map(u64::to_string).collect();
        write!(f, "kinds={}", kinds.join(","))
    }
}
