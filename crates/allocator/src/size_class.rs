//! Size classes: the sizes in which small objects are handed out, and the spans that hold them.
//!
//! *Callers:* layouts and caches, which round a request to its class; spans, which ask for their geometry.
//! *Invariants:* the table is computed at compile time. Above 128 bytes, rounding up and the loss at a span's end together
//! waste at most one part in eight of a span; no class is worse in this than Go's, to which a test compares them. All
//! but two classes are multiples of a granule:
//! - the *tiny* class, 8 bytes, for objects without references: two share a granule, so that their spans have bits of
//!   their own (`side_table`);
//! - the *uneven* class, 24 bytes: every second slot starts in the middle of a granule. No two start in the same one, so
//!   that the arena's bits serve.
//!
//! *Not here:* objects above 32 KiB (`large`).

use crate::geometry::{GRANULE, MAX_SMALL, PAGE_SIZE};

/// Number of size classes.
pub const CLASSES: usize = 2 + 8 + 4 * 8 + 4 * 16;

/// Bytes of a slot of the tiny class.
pub(crate) const TINY: usize = 8;
/// Bytes of a slot of the uneven class.
pub(crate) const UNEVEN: usize = 24;

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
    match index {
        0 => TINY,
        1 => GRANULE,
        2 => UNEVEN,
        3..10 => (index - 1) * GRANULE,
        10..42 => step_of(128, 8, index - 10),
        _ => step_of(2048, 16, index - 42),
    }
}

/// Size number `index` of those that rise from `base` in `steps` steps a doubling.
const fn step_of(base: usize, steps: usize, index: usize) -> usize {
    let base = base << (index / steps);
    base + (index % steps + 1) * (base / steps)
}

/// The fewest pages whose loss at the end is at most one part in 32, or else those with the least loss.
const fn class_pages(size: usize) -> usize {
    let (mut pages, mut best) = (size.div_ceil(PAGE_SIZE), 0);
    while pages <= MAX_SPAN_PAGES {
        let loss = (pages * PAGE_SIZE) % size;
        if loss * 32 <= pages * PAGE_SIZE {
            return pages;
        }
        if best == 0 || loss * best < (best * PAGE_SIZE) % size * pages {
            best = pages;
        }
        pages += 1;
    }
    best
}

/// The strictest alignment that slots can have: 4 KiB.
pub const MAX_ALIGN: usize = 4096;

const TABLE: [SizeClass; CLASSES] = {
    let mut table = [SizeClass { size: 0, pages: 0, slots: 0 }; CLASSES];
    let mut index = 0;
    while index < CLASSES {
        let size = class_size(index);
        let pages = class_pages(size);
        table[index] = SizeClass { size: size as u32, pages: pages as u16, slots: (pages * PAGE_SIZE / size) as u16 };
        index += 1;
    }
    assert!(table[CLASSES - 1].size as usize == MAX_SMALL);
    table
};

/// Steps of 8 bytes up to 1 KiB, of 128 bytes above: two small tables that stay in the cache.
const FINE: [u8; 1024 / TINY + 1] = lookup::<{ 1024 / TINY + 1 }>(TINY);
const COARSE: [u8; MAX_SMALL / 128 + 1] = lookup::<{ MAX_SMALL / 128 + 1 }>(128);

const fn lookup<const N: usize>(step: usize) -> [u8; N] {
    let mut table = [0; N];
    // The tiny class is for leaves only, which look for it themselves.
    let (mut index, mut class) = (0, 1);
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
    /// The tiny class: 8 bytes, for leaves.
    pub const TINY: SizeClassId = SizeClassId(0);

    /// The smallest class, the tiny one excepted, that holds `size` bytes; `None` above [`MAX_SMALL`]. Its slots are
    /// aligned to 8 bytes, and to 16 if `size` is a multiple of 16.
    #[inline(always)]
    pub const fn of(size: usize) -> Option<SizeClassId> {
        if size <= 1024 {
            Some(SizeClassId(FINE[size.div_ceil(TINY)]))
        } else if size <= MAX_SMALL {
            Some(SizeClassId(COARSE[size.div_ceil(128)]))
        } else {
            None
        }
    }

    /// The smallest class that holds `size` bytes in slots aligned to `align`, a power of two of at most
    /// [`MAX_ALIGN`]; `None` above [`MAX_SMALL`]. `leaf` says that the object will never hold a reference.
    pub const fn fitting(size: usize, align: usize, leaf: bool) -> Option<SizeClassId> {
        assert!(align.is_power_of_two() && align <= MAX_ALIGN);
        if leaf && size <= TINY && align <= TINY {
            return Some(SizeClassId::TINY);
        }
        match SizeClassId::of(size) {
            Some(mut class) => {
                // Spans begin at pages, and the largest class is a multiple of every alignment.
                while !(class.get().size as usize).is_multiple_of(align) {
                    class.0 += 1;
                }
                Some(class)
            }
            None => None,
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
    /// Bytes for which a span of this class has one bit in each bitmap.
    pub const fn granule(self) -> usize {
        if self.size as usize == TINY { TINY } else { GRANULE }
    }

    /// Bitmap words that a span of this class covers.
    pub const fn words(self) -> usize {
        self.pages as usize * PAGE_SIZE / self.granule() / 64
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

/// For every bitmap word of a span: the bits at which a slot starts, the slots that would stick out of the span left
/// out.
pub(crate) fn start_masks(class: SizeClass) -> Box<[u64]> {
    let mut masks = vec![0u64; class.words()].into_boxed_slice();
    for slot in 0..class.slots as usize {
        let granule = slot * class.size as usize / class.granule();
        masks[granule / 64] |= 1 << (granule % 64);
    }
    masks
}

/// Which granules of bitmap word `word` of a span of the uneven class have a slot that starts in their middle: slot
/// `2 n + 1` starts at byte `48 n + 24`, in granule `3 n + 1`.
pub(crate) const fn middle_starts(word: usize) -> u64 {
    // 64 granules are one more than a multiple of three.
    const FROM_WORD: [u64; 3] = [every_third(1), every_third(0), every_third(2)];
    FROM_WORD[word % 3]
}

const fn every_third(first: u32) -> u64 {
    let (mut mask, mut bit) = (0, first);
    while bit < 64 {
        mask |= 1 << bit;
        bit += 3;
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_fits_its_class_and_no_smaller_one() {
        for size in 0..=MAX_SMALL {
            let id = SizeClassId::of(size).unwrap();
            assert!(id.get().size as usize >= size);
            if id.0 > 1 {
                assert!((SizeClassId(id.0 - 1).get().size as usize) < size);
            }
        }
        assert_eq!(SizeClassId::of(MAX_SMALL + 1), None);
    }

    #[test]
    fn a_class_that_fits_is_aligned_and_the_smallest() {
        for align in (0..=12).map(|shift| 1 << shift) {
            for size in (0..=MAX_SMALL).step_by(if align == 8 { 1 } else { 13 }) {
                for leaf in [false, true] {
                    let fits = |id: &SizeClassId| {
                        let bytes = id.get().size as usize;
                        bytes >= size && bytes.is_multiple_of(align) && (leaf || bytes > TINY)
                    };
                    assert_eq!(SizeClassId::fitting(size, align, leaf), SizeClassId::all().find(fits));
                }
            }
        }
        assert_eq!(SizeClassId::fitting(MAX_SMALL + 1, 8, true), None);
    }

    /// Bytes of an object and pages of a span in Go 1.27's classes (its `internal/runtime/gc/sizeclasses.go`).
    #[rustfmt::skip]
    const GO: [(usize, usize); 67] = [(8, 1), (16, 1), (24, 1), (32, 1), (48, 1), (64, 1), (80, 1), (96, 1), (112, 1), (128, 1), (144, 1), (160, 1), (176, 1), (192, 1), (208, 1), (224, 1), (240, 1), (256, 1), (288, 1), (320, 1), (352, 1), (384, 1), (416, 1), (448, 1), (480, 1), (512, 1), (576, 1), (640, 1), (704, 1), (768, 1), (896, 1), (1024, 1), (1152, 1), (1280, 1), (1408, 2), (1536, 1), (1792, 2), (2048, 1), (2304, 2), (2688, 1), (3072, 3), (3200, 2), (3456, 3), (4096, 1), (4864, 3), (5376, 2), (6144, 3), (6528, 4), (6784, 5), (6912, 6), (8192, 1), (9472, 7), (9728, 6), (10240, 5), (10880, 4), (12288, 3), (13568, 5), (14336, 7), (16384, 2), (18432, 9), (19072, 7), (20480, 5), (21760, 8), (24576, 3), (27264, 10), (28672, 7), (32768, 4)];

    /// The part of a span that holds nothing, when it is full of objects of `size` bytes in slots of `slot` bytes.
    fn waste(size: usize, slot: usize, pages: usize) -> f64 {
        let bytes = pages * PAGE_SIZE;
        1.0 - (bytes / slot * size) as f64 / bytes as f64
    }

    #[test]
    fn no_class_wastes_more_than_an_eighth_or_more_than_gos() {
        let ours = |size: usize| {
            let class = SizeClassId::fitting(size, 8, true).unwrap().get();
            waste(size, class.size as usize, class.pages as usize)
        };
        let mut below = 0;
        for (slot, pages) in GO {
            let worst = (below + 1..=slot).map(ours).fold(0.0, f64::max);
            let theirs = (below + 1..=slot).map(|size| waste(size, slot, pages)).fold(0.0, f64::max);
            // Above 1 KiB Go has some narrow classes, which no other table matches: there an eighth is the measure.
            assert!(worst <= theirs.max(0.125), "{}..={slot} bytes: {worst} here, {theirs} in Go", below + 1);
            assert!(worst <= theirs || slot > 1024);
            below = slot;
        }
        assert_eq!(below, MAX_SMALL);
        for size in 129..=MAX_SMALL {
            assert!(ours(size) <= 0.125, "{size}: {}", ours(size));
        }
        let sum = |classes: &dyn Fn(usize) -> f64| (1..=MAX_SMALL).map(classes).sum::<f64>();
        let go = |size: usize| {
            let (slot, pages) = *GO.iter().find(|class| class.0 >= size).unwrap();
            waste(size, slot, pages)
        };
        assert!(sum(&ours) < sum(&go), "over all sizes");
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
            let masks = start_masks(class);
            let total: u32 = masks.iter().map(|mask| mask.count_ones()).sum();
            assert_eq!(total, class.slots as u32);
            assert_eq!(masks[0] & 1, 1);
            for slot in 0..class.slots as usize {
                let start = slot * class.size as usize;
                let (word, bit) = (start / class.granule() / 64, start / class.granule() % 64);
                assert_eq!(masks[word] >> bit & 1, 1);
                let middle = class.size as usize == UNEVEN && middle_starts(word) >> bit & 1 != 0;
                assert_eq!(middle, !start.is_multiple_of(class.granule()));
            }
        }
    }
}

#[cfg(test)]
mod table;
