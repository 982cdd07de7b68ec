//! Settings of a page heap: where it begins, how far it may grow, which pages it asks for.
//!
//! *Callers:* whoever makes a heap. *Invariants:* a random base is a multiple of 64 MiB, clear of programs and their
//! `brk` heaps and of the kernel's own top-down placement.

use crate::geometry::ARENA_SIZE;
use spanheap_memory::PageKind;

/// From how many bytes in use on a heap asks for huge pages: below, a small heap would pay for memory it never uses.
const HUGE_PAGES_FROM: usize = 4 << 20;

/// Lowest and highest address offered as a random base.
const BASES: std::ops::Range<usize> = 0x1000_0000_0000..0x6000_0000_0000;

/// Where the first arena is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseAddress {
    /// Somewhere random, from the process's own entropy.
    Random,
    /// Somewhere random, from a seed: the same on every run.
    Seeded(u64),
    /// Wherever the operating system likes.
    Os,
}

/// When the system is asked to put objects into huge pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HugePages {
    /// Never: the system does what it does by itself.
    Never,
    /// For objects too large for an arena, and for all others from 4 MiB in use on.
    #[default]
    Automatic,
    /// For all memory of objects.
    Always,
}

/// Settings of a [`PageHeap`](crate::PageHeap).
#[derive(Clone, Copy, Debug)]
pub struct PageOptions {
    /// Most bytes of pages that may be in use.
    pub limit: usize,
    /// Where the arenas begin.
    pub base: BaseAddress,
    /// When to ask for huge pages.
    pub huge_pages: HugePages,
}

impl Default for PageOptions {
    fn default() -> PageOptions {
        PageOptions { limit: usize::MAX, base: BaseAddress::Random, huge_pages: HugePages::default() }
    }
}

impl BaseAddress {
    /// The address to ask for.
    pub(super) fn hint(self) -> Option<usize> {
        let random = |bits: u64| BASES.start + (bits as usize % ((BASES.end - BASES.start) / ARENA_SIZE)) * ARENA_SIZE;
        match self {
            BaseAddress::Os => None,
            BaseAddress::Seeded(seed) => Some(random(mix(seed))),
            BaseAddress::Random => Some(random(entropy())),
        }
    }
}

impl HugePages {
    /// The kind of page to ask for in a heap with so many bytes in use, those of the allocation under way included.
    pub(super) fn kind(self, in_use: usize) -> PageKind {
        match self {
            HugePages::Automatic if in_use >= HUGE_PAGES_FROM => PageKind::Huge,
            HugePages::Always => PageKind::Huge,
            HugePages::Automatic | HugePages::Never => PageKind::Small,
        }
    }
}

/// Random bits from the standard library's hash seed: an address to start at, not a secret.
fn entropy() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Spreads a seed over all bits (the finaliser of SplitMix64, Steele et al., OOPSLA 2014).
fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
