//! Fragmentation: `frag`.
//!
//! *Callers:* `main`. *Invariants:* every object is filled with its size, so that overlapping objects show in the checksum.

use crate::clock::{self, Meter};
use crate::objects::{Slots, made, repeat, slots, sum};
use crate::params::Params;
use crate::rng::Rng;
use spanheap::{Array, ArrayClass, Gc, Mutator, Root};

type Block = Array<u64>;

/// Replaces random objects of random size, then drops most of them.
pub(crate) fn replace_and_drop(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let wanted = params.number("live_mb") << 20;
    let mut rng = Rng::new(0);
    // Blocks take 4,104 bytes on average: places enough for any stream of sizes.
    let (table, class) = (slots::<Block>(cx, wanted as usize / 2048 + 4096), cx.array_class());
    meter.begin();
    let (mut bytes, mut used) = (0, 0);
    while bytes < wanted {
        {
            let block = block(cx, class, &mut rng);
            bytes += size(block);
            cx.set_element(table.get(cx), used, Some(block));
        }
        used += 1;
        cx.safepoint();
    }
    for _ in 0..params.number("rounds") {
        repeat(cx, &table, used as u64 / 4, |cx, table, _| {
            let slot = rng.below(used);
            cx.set_element(table, slot, Some(block(cx, class, &mut rng)));
        });
    }
    meter.end();
    let live = sum(table.get(cx), size);
    cx.collect();
    let (live_mb, full) = (live as f64 / 1048576.0, clock::resident_mb());
    meter.extra = vec![("live_mb", live_mb), ("rss_full_mb", full), ("overhead", full / live_mb)];
    drop_most(cx, &table, used);
    return_memory(cx);
    meter.extra.push(("rss_after_mb", cx.native(clock::lowest_resident_mb)));
    live
}

/// A block of 16 to 8192 bytes, every word of which is its size.
fn block<'m, 'h>(cx: &'m Mutator<'h>, class: ArrayClass<'h, u64>, rng: &mut Rng) -> Gc<'m, 'h, Block> {
    let words = 2 + rng.below(1023);
    made(cx.alloc_array_with(class, (), words, |all| all.fill(8 * words as u64)))
}

fn size(block: Gc<'_, '_, Block>) -> u64 {
    let size = 8 * block.len() as u64;
    assert!([block.elements()[0], block.elements()[block.len() - 1]] == [size; 2], "a block was overwritten");
    size
}

/// Keeps the slots whose number is a multiple of ten.
fn drop_most(cx: &mut Mutator<'_>, table: &Root<Slots<Block>>, used: usize) {
    repeat(cx, table, used as u64, |cx, table, i| {
        if i % 10 != 0 {
            cx.set_element(table, i as usize, None);
        }
    });
}

/// Collects, and has the heap return what it then does not need to the operating system.
fn return_memory(cx: &mut Mutator<'_>) {
    cx.collect();
    cx.heap().trim(0);
}
