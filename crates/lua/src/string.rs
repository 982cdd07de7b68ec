//! Lua strings: immutable bytes in the heap, with a hash that is worked out once.
//!
//! There is no table of all strings: a small direct-mapped cache (see [`StringCache`]) makes equal short strings that
//! are made close together one object. So equality is tried by identity first, then by hash, length and bytes. Table
//! keys carry their hash in the node, which keeps misses away from the string itself.

use spanheap::{Array, Data, Slot, Trace};

use crate::value::Str;

/// What stands before the bytes of a string.
#[derive(Trace)]
pub struct StringHead {
    /// The hash of the bytes; 0 means that it has not been worked out yet.
    hash: Data<u32>,
}

impl StringHead {
    /// A head with this hash, or 0 for one to be worked out when it is needed.
    #[inline(always)]
    pub fn new(hash: u32) -> Self {
        StringHead { hash: Data::new(hash) }
    }
}

/// A string object.
pub type LuaString = Array<u8, StringHead>;

/// The cache of recent short strings, indexed by hash. It is cleared whenever a collection cycle begins, so that it
/// keeps nothing alive for long.
pub type StringCache = Array<Slot<LuaString>>;

/// How many entries the cache has: a power of two.
pub const CACHE_SIZE: usize = 1 << 12;

/// Strings up to this many bytes go through the cache and get their hash at birth.
pub const SHORT_LIMIT: usize = 40;

/// The bytes of a string.
#[inline(always)]
pub fn bytes<'m>(s: Str<'m, '_>) -> &'m [u8] {
    s.as_ref().elements()
}

/// The hash of a string, worked out at the first question.
#[inline(always)]
pub fn hash(s: Str<'_, '_>) -> u32 {
    let known = s.header().hash.get();
    if known != 0 { known } else { late_hash(s) }
}

#[cold]
fn late_hash(s: Str<'_, '_>) -> u32 {
    let hash = hash_bytes(bytes(s));
    s.header().hash.set(hash);
    hash
}

/// Whether two strings have the same bytes.
#[inline]
pub fn equal(a: Str<'_, '_>, b: Str<'_, '_>) -> bool {
    a.addr() == b.addr() || a.len() == b.len() && hashes_agree(a, b) && bytes(a) == bytes(b)
}

/// False when both hashes are known and differ.
#[inline(always)]
fn hashes_agree(a: Str<'_, '_>, b: Str<'_, '_>) -> bool {
    let (a, b) = (a.header().hash.get(), b.header().hash.get());
    a == b || a == 0 || b == 0
}

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline(always)]
fn fold(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(MULTIPLIER);
    (product as u64) ^ (product >> 64) as u64
}

#[inline(always)]
fn word_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|slice| slice.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// The hash of some bytes; never 0, which stands for "unknown".
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u32 {
    let len = bytes.len();
    let mut state = (len as u64).wrapping_mul(0xa076_1d64_78bd_642f) ^ 0xe703_7ed1_a0b4_28db;
    if len >= 8 {
        let mut at = 0;
        while at + 8 < len {
            state = fold(state, word_at(bytes, at));
            at += 8;
        }
        // The last eight bytes, which may overlap what went before.
        state = fold(state, word_at(bytes, len - 8));
    } else if len >= 4 {
        let low = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let high = u32::from_le_bytes([bytes[len - 4], bytes[len - 3], bytes[len - 2], bytes[len - 1]]);
        state = fold(state, u64::from(low) << 32 | u64::from(high));
    } else if len > 0 {
        let word = u64::from(bytes[0]) << 16 | u64::from(bytes[len / 2]) << 8 | u64::from(bytes[len - 1]);
        state = fold(state, word);
    }
    let hash = (state ^ state >> 32) as u32;
    if hash == 0 { 1 } else { hash }
}
