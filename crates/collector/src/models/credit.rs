//! Model: credit for marking is drawn once.
//!
//! *Claim:* `[assist.credit]`: what two mutators have drawn while the collector earned more, and what is left, is what was
//! earned. *Actors:* two mutators and the collector. *Runs as it ships:* `Credit`. *Not modelled:* debts, which belong to one
//! thread each.

use crate::assisting::Credit;
use spanheap_sync::model::explore;
use spanheap_sync::{Arc, thread};

/// What there is at first, what each mutator wants, what is earned meanwhile.
const GRANT: u64 = 3;
const WANTED: u64 = 2;
const EARNED: u64 = 2;

fn model(name: &str, draw: fn(&Credit) -> u64) {
    explore(name, 3, move || {
        let credit = Arc::new(Credit::default());
        credit.set(GRANT);
        let mutators = [(); 2].map(|()| {
            let credit = Arc::clone(&credit);
            thread::spawn(move || draw(&credit))
        });
        credit.add(EARNED);
        let drawn: u64 = mutators.map(|mutator| mutator.join().expect("a mutator ends")).iter().sum();
        assert_eq!(drawn + credit.draw(u64::MAX), GRANT + EARNED, "credit is lost, or drawn twice");
    });
}

#[test]
fn credit_is_drawn_once() {
    model("credit", |credit| credit.draw(WANTED));
}

#[test]
#[should_panic(expected = "credit is lost, or drawn twice")]
fn mutant_that_draws_in_two_steps() {
    model("credit, two steps", |credit| credit.draw_in_two_steps(WANTED));
}
