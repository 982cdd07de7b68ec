use spanheap::{Gc, Pair, PairFamily, Trace};

struct Low;
struct High;

macro_rules! family {
    ($family:ty, $tag:expr) => {
        // SAFETY: that tag is a number's address, and nothing else is.
        unsafe impl PairFamily for $family {
            type Value<'m, 'h> = Option<Gc<'m, 'h, u64>>;
            const FIRST_REFERENCE_TAG: usize = $tag;

            fn encode<'m, 'h>(value: Option<Gc<'m, 'h, u64>>) -> (usize, usize) {
                value.map_or((0, 0), |number| ($tag, number.addr()))
            }

            unsafe fn decode<'m, 'h>(tag: usize, payload: usize) -> Option<Gc<'m, 'h, u64>> {
                // SAFETY: that tag came from a number.
                (tag != 0).then(|| unsafe { Gc::from_addr(payload) })
            }
        }
    };
}

family!(Low, 1);
family!(High, 100);

#[derive(Trace)]
struct Both {
    low: Pair<Low>,
    high: Pair<High>,
}

fn main() {}
