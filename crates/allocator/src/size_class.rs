//! Size classes: the sizes in which small objects are handed out, and the spans that hold them.
//!
//! *Callers:* layouts and caches, which round a request to its class; spans, which ask for their geometry.
//! *Invariants:* the table is computed at compile time; a class is a multiple of a granule; sizes rise in steps of one
//! eighth of the power of two below them, so that rounding a request up wastes at most one part in eight of it; a span
//! loses at most one part in sixteen at its end. *Not here:* objects above 32 KiB (`large`).

use crate::geometry::{GRANULE, MAX_SMALL, PAGE_SIZE, WORD_SPAN};

/// Number of size classes.
pub const CLASSES: usize = 8 + 8 * 8;

/// Most pages that a span of small objects can have.
pub(crate) const MAX_SPAN_PAGES: usize = 16;

/// The geometry of one size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeClass {
    /// Bytes of one object slot.
    pub size: u32,
    /// Pages of one span.
    pub pages: u16,
    /// Object slots in one span.
    pub slots: u16,
}

/// Number of a size class: an index into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SizeClassId(pub u8);

const fn class_size(index: usize) -> usize {
    if index < 8 {
        (index + 1) * GRANULE
    } else {
        let doubling = (index - 8) / 8;
        let base = 128 << doubling;
        base + (index % 8 + 1) * (base / 8)
    }
}

/// The fewest pages whose loss at the end is at most one part in sixteen.
const fn class_pages(size: usize) -> usize {
    let mut pages = size.div_ceil(PAGE_SIZE);
    while (pages * PAGE_SIZE) % size > pages * PAGE_SIZE / 16 {
        pages += 1;
    }
    pages
}

const TABLE: [SizeClass; CLASSES] = {
    let mut table = [SizeClass { size: 0, pages: 0, slots: 0 }; CLASSES];
    let mut index = 0;
    while index < CLASSES {
        let size = class_size(index);
        let pages = class_pages(size);
        assert!(pages <= MAX_SPAN_PAGES);
        table[index] = SizeClass { size: size as u32, pages: pages as u16, slots: (pages * PAGE_SIZE / size) as u16 };
        index += 1;
    }
    assert!(table[CLASSES - 1].size as usize == MAX_SMALL);
    table
};

/// Steps of 16 bytes up to 1 KiB, of 128 bytes above: two small tables that stay in the cache.
const FINE: [u8; 1024 / GRANULE + 1] = lookup::<{ 1024 / GRANULE + 1 }>(GRANULE);
const COARSE: [u8; MAX_SMALL / 128 + 1] = lookup::<{ MAX_SMALL / 128 + 1 }>(128);

const fn lookup<const N: usize>(step: usize) -> [u8; N] {
    let mut table = [0; N];
    let (mut index, mut class) = (0, 0);
    while index < N {
        while TABLE[class].size < (index * step) as u32 {
            class += 1;
        }
        table[index] = class as u8;
        index += 1;
    }
    table
}

impl SizeClassId {
    /// The smallest class that holds `size` bytes; `None` above [`MAX_SMALL`].
    #[inline(always)]
    pub const fn of(size: usize) -> Option<SizeClassId> {
        if size <= 1024 {
            Some(SizeClassId(FINE[size.div_ceil(GRANULE)]))
        } else if size <= MAX_SMALL {
            Some(SizeClassId(COARSE[size.div_ceil(128)]))
        } else {
            None
        }
    }

    /// The class's geometry.
    #[inline(always)]
    pub const fn get(self) -> SizeClass {
        TABLE[self.0 as usize]
    }

    /// All classes, smallest first.
    pub fn all() -> impl Iterator<Item = SizeClassId> {
        (0..CLASSES as u8).map(SizeClassId)
    }
}

impl SizeClass {
    /// Bitmap words that a span of this class covers.
    pub const fn words(self) -> usize {
        self.pages as usize * PAGE_SIZE / WORD_SPAN
    }

    /// The factor that divides an offset in a span by the slot size: `offset * reciprocal >> 32`.
    ///
    /// Exact for every offset below 128 KiB (Granlund and Montgomery, "Division by invariant integers using
    /// multiplication", PLDI 1994): the error of the rounded-up factor is below `offset / 2^32`, which is less than
    /// one part of any slot size.
    pub const fn reciprocal(self) -> u32 {
        ((1u64 << 32).div_ceil(self.size as u64)) as u32
    }
}

/// For every bitmap word of a span of slots of `size` bytes: the bits at which a slot starts, the slots that would
/// stick out of the span left out.
pub(crate) fn start_masks(size: usize, slots: usize, words: usize) -> Box<[u64]> {
    let mut masks = vec![0u64; words].into_boxed_slice();
    for slot in 0..slots {
        let granule = slot * size / GRANULE;
        masks[granule / 64] |= 1 << (granule % 64);
    }
    masks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_fits_its_class_and_no_smaller_one() {
        for size in 0..=MAX_SMALL {
            let id = SizeClassId::of(size).unwrap();
            assert!(id.get().size as usize >= size);
            if id.0 > 0 {
                assert!((SizeClassId(id.0 - 1).get().size as usize) < size);
            }
        }
        assert_eq!(SizeClassId::of(MAX_SMALL + 1), None);
    }

    #[test]
    fn rounding_and_span_ends_waste_little() {
        for size in 128..=MAX_SMALL {
            let class = SizeClassId::of(size).unwrap().get();
            assert!((class.size as usize - size) * 8 < class.size as usize, "{size} rounds to {}", class.size);
        }
        for id in SizeClassId::all() {
            let class = id.get();
            let bytes = class.pages as usize * PAGE_SIZE;
            assert!((bytes - class.slots as usize * class.size as usize) * 16 <= bytes);
        }
    }

    #[test]
    fn reciprocals_divide_exactly() {
        for id in SizeClassId::all() {
            let class = id.get();
            for offset in 0..class.pages as u64 * PAGE_SIZE as u64 {
                let quotient = (offset * class.reciprocal() as u64) >> 32;
                assert_eq!(quotient, offset / class.size as u64, "{offset} / {}", class.size);
            }
        }
    }

    #[test]
    fn start_masks_have_one_bit_per_slot() {
        for id in SizeClassId::all() {
            let class = id.get();
            let masks = start_masks(class.size as usize, class.slots as usize, class.words());
            let total: u32 = masks.iter().map(|mask| mask.count_ones()).sum();
            assert_eq!(total, class.slots as u32);
            assert_eq!(masks[0] & 1, 1);
        }
    }
}
