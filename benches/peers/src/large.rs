//! Large pointer-free buffers: `large`.
//!
//! *Callers:* `main`. *Invariants:* none beyond the workload's.

use crate::clock::Meter;
use crate::objects::{made, repeat, slots, sum};
use crate::params::Params;
use crate::rng::Rng;
use spanheap::{Bytes, Mutator};

const RING: usize = 64;
const UNIT: usize = 64 << 10;
const PAGE: usize = 4096;

/// Buffers of 64 KiB to 1 MiB, the last 64 of them alive.
pub(crate) fn buffers(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let mut rng = Rng::new(0);
    let (ring, class) = (slots::<Bytes>(cx, RING), cx.array_class());
    meter.begin();
    repeat(cx, &ring, params.number("n"), |cx, ring, i| {
        let size = UNIT * (1 + rng.below(16));
        let buffer = made(cx.alloc_array_with(class, (), size, |bytes| {
            for page in bytes.chunks_mut(PAGE) {
                page[0] = i as u8;
            }
        }));
        cx.set_element(ring, i as usize % RING, Some(buffer));
    });
    meter.end();
    sum(ring.get(cx), |buffer| buffer.len() as u64 / 1024)
}
