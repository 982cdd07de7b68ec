//! Model: two workers claim objects whose mark bits share words, by a load and a store.
//!
//! *Claim:* `[share.one-owner]`: of all that find a white object, one claims it, and no mark is lost, though a mark is set
//! without a locked instruction. *Actors:* two workers, of which each finds objects of both. *Runs as it ships:* the claim of a mark bit,
//! [`Share`] and its rule of who owns what. *Stand-ins:* a word of loom's for each word of the mark bitmap, of which every owner
//! has one; a list for the graph. *Not modelled:* termination (see `share`).

use crate::marker::{ModelledShare as Share, set_modelled};
use spanheap_sync::atomic::{AtomicU64, Ordering};
use spanheap_sync::model::explore;
use spanheap_sync::{Arc, thread};

const WORKERS: usize = 2;

/// Objects: two in the addresses of each owner.
const OBJECTS: [usize; 4] = [0x10000, 0x10010, 0x20000, 0x20010];

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// Whoever finds an object claims it, whosever it is.
    ClaimsOthers,
}

struct World {
    share: Share,
    words: [AtomicU64; WORKERS],
    mutant: Mutant,
}

/// The bit of an object in its owner's word.
fn mask(object: usize) -> u64 {
    1 << (object / 16 % 64)
}

impl World {
    /// The word of an object.
    fn word(&self, object: usize) -> &AtomicU64 {
        &self.words[Share::owner(object, WORKERS)]
    }

    /// Claims an object. Returns how many it has claimed: 0 or 1.
    fn claim(&self, object: usize) -> usize {
        set_modelled(self.word(object), mask(object)).into()
    }

    /// Claims what is the worker's own, and sends the rest. Returns how many were white.
    fn work(&self, me: usize, found: &[usize]) -> usize {
        let mut claimed = 0;
        for &object in found {
            match Share::owner(object, WORKERS) {
                owner if owner == me || self.mutant == Mutant::ClaimsOthers => claimed += self.claim(object),
                owner => self.share.send(owner, vec![object]),
            }
        }
        while self.share.rest(me) {
            while let Some(block) = self.share.receive(me) {
                claimed += block.iter().map(|&object| self.claim(object)).sum::<usize>();
                self.share.received(block);
            }
        }
        claimed
    }
}

fn model(name: &str, mutant: Mutant) {
    explore(name, 2, move || {
        let words = std::array::from_fn(|_| AtomicU64::new(0));
        let world = Arc::new(World { share: Share::new(WORKERS, 2), words, mutant });
        let other = Arc::clone(&world);
        let other = thread::spawn(move || other.work(1, &[OBJECTS[1], OBJECTS[0], OBJECTS[3]]));
        let claimed = world.work(0, &[OBJECTS[0], OBJECTS[1], OBJECTS[2]]) + other.join().expect("a worker ends");
        for object in OBJECTS {
            assert!(world.word(object).load(Ordering::Relaxed) & mask(object) != 0, "a mark is lost");
        }
        assert_eq!(claimed, OBJECTS.len(), "an object was claimed twice");
    });
}

#[test]
fn every_object_is_claimed_once() {
    model("marks", Mutant::Shipped);
}

#[test]
#[should_panic(expected = "a mark is lost")]
fn mutant_that_claims_what_is_not_its_own() {
    model("marks, claims others'", Mutant::ClaimsOthers);
}
