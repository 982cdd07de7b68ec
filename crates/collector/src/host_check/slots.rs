//! What the reference slots of objects should hold, as far as the interface was told.
//!
//! *Callers:* `host_check`. *Invariants:* a slot may hold what was stored into it since the last comparison, by whichever
//! mutator, or if nothing was, what it held then. What an object held when it was new is nobody's business: it is
//! initialised before the next safepoint, with or without the interface.

use spanheap_sync::word::{AtomicU64, Ordering};
use spanheap_sync::{Mutex, Rank};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

const SHARDS: usize = 16;

/// What a slot was found to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Address of the slot's object.
    pub(crate) object: usize,
    /// Address of the slot.
    pub(crate) slot: usize,
    /// What it holds.
    pub(crate) value: usize,
}

pub(super) struct Slots {
    /// Values stored since the last comparison, by slot.
    stores: [Mutex<HashMap<usize, Vec<usize>>>; SHARDS],
    vague: Mutex<Vague>,
    seen: Mutex<Seen>,
    stored: AtomicU64,
    compared: AtomicU64,
}

/// Stores whose slot the host did not name.
#[derive(Default)]
struct Vague {
    /// To some of the slots in a range.
    ranges: Vec<(Range<usize>, Vec<usize>)>,
    /// Anywhere.
    anywhere: HashSet<usize>,
}

/// The last comparison.
#[derive(Default)]
struct Seen {
    /// What slots held.
    values: HashMap<usize, usize>,
    /// The youngest object of that time.
    serial: u64,
}

impl Slots {
    pub(super) fn new() -> Slots {
        Slots {
            stores: std::array::from_fn(|_| Mutex::new(Rank::HostCheck, HashMap::new())),
            vague: Mutex::new(Rank::HostCheck, Vague::default()),
            seen: Mutex::new(Rank::HostCheck, Seen::default()),
            stored: AtomicU64::new(0),
            compared: AtomicU64::new(0),
        }
    }

    /// Stores that were reported, and slots that were compared.
    pub(super) fn figures(&self) -> (u64, u64) {
        (self.stored.load(Ordering::Relaxed), self.compared.load(Ordering::Relaxed))
    }

    pub(super) fn stored(&self, slot: usize, new: usize) {
        self.stored.fetch_add(1, Ordering::Relaxed);
        let mut stores = self.stores[slot / 64 % SHARDS].lock();
        let values = stores.entry(slot).or_default();
        if !values.contains(&new) {
            values.push(new);
        }
    }

    pub(super) fn stored_among(&self, slots: Range<usize>, new: &[usize]) {
        self.stored.fetch_add(1, Ordering::Relaxed);
        self.vague.lock().ranges.push((slots, new.to_vec()));
    }

    pub(super) fn stored_somewhere(&self, new: usize) {
        self.stored.fetch_add(1, Ordering::Relaxed);
        self.vague.lock().anywhere.insert(new);
    }

    /// Compares all slots of reachable objects with what they should hold, and remembers them as they are. `serial` is that of
    /// the youngest object, and `is_old` says whether an object is no younger than one. Returns the slots that are wrong, with
    /// what they held before if nothing was stored.
    pub(super) fn compare(
        &self,
        held: Vec<Held>,
        serial: u64,
        is_old: impl Fn(usize, u64) -> bool,
    ) -> Vec<(Held, Option<usize>)> {
        let mut stores = HashMap::new();
        self.stores.iter().for_each(|shard| stores.extend(std::mem::take(&mut *shard.lock())));
        let vague = std::mem::take(&mut *self.vague.lock());
        let before = std::mem::take(&mut *self.seen.lock());
        self.compared.fetch_add(held.len() as u64, Ordering::Relaxed);
        let is_wrong = |held: &Held| {
            let before = before.values.get(&held.slot).copied().filter(|_| is_old(held.object, before.serial));
            let fits = match (stores.get(&held.slot), before) {
                (Some(stored), _) => stored.contains(&held.value),
                (None, Some(before)) => before == held.value,
                (None, None) => true,
            };
            let wrong = !fits && !vague.explains(held, before);
            wrong.then_some((*held, before))
        };
        let wrong = held.iter().filter_map(is_wrong).collect();
        let values = held.iter().map(|held| (held.slot, held.value)).collect();
        *self.seen.lock() = Seen { values, serial };
        wrong
    }
}

impl Vague {
    fn explains(&self, held: &Held, before: Option<usize>) -> bool {
        let among = |(slots, new): &(Range<usize>, Vec<usize>)| {
            // Null needs no mention there, and a slot may have been left as it was.
            slots.contains(&held.slot) && (held.value == 0 || before == Some(held.value) || new.contains(&held.value))
        };
        self.anywhere.contains(&held.value) || self.ranges.iter().any(among)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SLOT: usize = 0x1000;

    fn wrong(slots: &Slots, value: usize, old: bool) -> Vec<Option<usize>> {
        let held = Held { object: SLOT, slot: SLOT, value };
        slots.compare(vec![held], 1, |_, _| old).into_iter().map(|(_, before)| before).collect()
    }

    #[test]
    fn a_slot_holds_what_was_stored_or_what_it_held() {
        let slots = Slots::new();
        assert!(wrong(&slots, 5, false).is_empty(), "what a new object holds is its own affair");
        assert!(wrong(&slots, 5, true).is_empty());
        assert_eq!(wrong(&slots, 6, true), [Some(5)], "nobody has stored that");
        assert!(wrong(&slots, 6, true).is_empty(), "a mistake is told once");
        slots.stored(SLOT, 7);
        slots.stored(SLOT, 8);
        assert!(wrong(&slots, 7, true).is_empty(), "two mutators may have stored at once");
        slots.stored(SLOT, 8);
        assert_eq!(
            wrong(&slots, 7, true),
            [Some(7)],
            "a store that was announced did not come, or another came after it"
        );
        assert_eq!(slots.figures(), (3, 6));
    }

    #[test]
    fn another_object_at_the_same_place_is_new() {
        let slots = Slots::new();
        assert!(wrong(&slots, 5, false).is_empty());
        assert!(wrong(&slots, 6, false).is_empty());
    }

    #[test]
    fn stores_without_a_slot_explain_what_they_can() {
        let slots = Slots::new();
        wrong(&slots, 5, false);
        slots.stored_among(SLOT..SLOT + 8, &[6]);
        assert!(wrong(&slots, 6, true).is_empty());
        slots.stored_among(SLOT..SLOT + 8, &[7]);
        assert!(wrong(&slots, 0, true).is_empty(), "null needs no mention");
        slots.stored_among(SLOT + 8..SLOT + 16, &[7]);
        assert_eq!(wrong(&slots, 7, true), [Some(0)], "the range ends before the slot");
        slots.stored_somewhere(9);
        assert!(wrong(&slots, 9, true).is_empty());
        assert_eq!(wrong(&slots, 10, true), [Some(9)]);
    }
}
