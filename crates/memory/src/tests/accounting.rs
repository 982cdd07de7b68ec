//! The table of states and transitions of the crate's documentation, cell by cell: the state after, the requests made of
//! the system, and what is written into the account of the transition.

use super::mocked;
use crate::mock::Request;
use crate::{Call, Memory, MemoryError, PageKind, Reservation, State, Transition, Transitions};
use spanheap_sync::Arc;

type Step = fn(&Reservation, usize) -> Result<(), MemoryError>;
type Account = fn(&Transitions) -> Transition;

const MAP: (Step, Account) = (|it, len| it.map(0, len), |all| all.map);
const USED: (Step, Account) = (|it, len| it.used(0, len, PageKind::Small), |all| all.used);
const USED_HUGE: (Step, Account) = (|it, len| it.used(0, len, PageKind::Huge), |all| all.used);
const UNUSED: (Step, Account) = (|it, len| it.unused(0, len), |all| all.unused);
const FAULT: (Step, Account) = (|it, len| it.fault(0, len), |all| all.fault);

/// Sum over all transitions of made, refused, and bytes.
fn sums(transitions: &Transitions) -> (u64, u64, u64) {
    let Transitions { reserve, alloc, map, used, unused, fault, free } = *transitions;
    let all = [reserve, alloc, map, used, unused, fault, free];
    all.iter().fold((0, 0, 0), |sum, one| (sum.0 + one.made, sum.1 + one.refused, sum.2 + one.bytes))
}

/// One page in the state, by the shortest way there.
fn page_in(state: State, memory: &Arc<Memory>) -> Reservation {
    let page = memory.page_size();
    let reservation = memory.reserve(page, page, None).unwrap();
    if state >= State::Prepared {
        reservation.map(0, page).unwrap();
    }
    if state == State::Ready {
        reservation.used(0, page, PageKind::Small).unwrap();
    }
    assert_eq!(reservation.state(0).unwrap(), state);
    reservation
}

#[test]
fn every_cell_of_the_table() {
    use State::{Prepared, Ready, Reserved};
    // From, transition, to (`None` is an error), requests of the system.
    let table = [
        (Reserved, MAP, Some(Prepared), 1),
        (Reserved, USED, None, 0),
        (Reserved, USED_HUGE, None, 0),
        (Reserved, UNUSED, None, 0),
        (Reserved, FAULT, Some(Reserved), 2),
        (Prepared, MAP, Some(Prepared), 1),
        (Prepared, USED, Some(Ready), 0),
        (Prepared, USED_HUGE, Some(Ready), 1),
        (Prepared, UNUSED, Some(Prepared), 1),
        (Prepared, FAULT, Some(Reserved), 2),
        (Ready, MAP, Some(Ready), 1),
        (Ready, USED, Some(Ready), 0),
        (Ready, USED_HUGE, Some(Ready), 1),
        (Ready, UNUSED, Some(Prepared), 1),
        (Ready, FAULT, Some(Reserved), 2),
    ];
    for (row, (from, (step, account), to, requests)) in table.into_iter().enumerate() {
        let (memory, os) = mocked();
        let page = memory.page_size();
        let reservation = page_in(from, &memory);
        let (before, calls) = (memory.counters().transitions, os.calls());
        let result = step(&reservation, page);
        let after = memory.counters().transitions;
        assert_eq!(os.calls() - calls, requests, "row {row}");
        assert_eq!(reservation.state(0).unwrap(), to.unwrap_or(from), "row {row}");
        let Some(to) = to else {
            assert!(matches!(result, Err(MemoryError::State { found, .. }) if found == from), "row {row}");
            assert_eq!(after, before, "row {row}: a mistake of the caller counts nowhere");
            continue;
        };
        result.unwrap();
        let moved = if to == from { 0 } else { page as u64 };
        let (old, new) = (account(&before), account(&after));
        assert_eq!((new.made, new.refused, new.bytes), (old.made + 1, 0, old.bytes + moved), "row {row}");
        let (old, new) = (sums(&before), sums(&after));
        assert_eq!((new.0, new.2), (old.0 + 1, old.2 + moved), "row {row}: no other account has changed");
    }
}

#[test]
fn none_is_left_and_entered_with_an_account_too() {
    let (memory, os) = mocked();
    let page = memory.page_size();
    let reserved = memory.reserve(4 * page, page, None).unwrap();
    let ready = memory.alloc(3 * page).unwrap();
    let transitions = memory.counters().transitions;
    assert_eq!((transitions.reserve.made, transitions.reserve.bytes), (1, 4 * page as u64));
    assert_eq!((transitions.alloc.made, transitions.alloc.bytes), (1, 3 * page as u64));
    assert_eq!((transitions.map, transitions.used), Default::default(), "alloc is a transition of its own");
    // From each state there is: `free` takes it.
    reserved.map(0, 3 * page).unwrap();
    reserved.used(0, page, PageKind::Small).unwrap();
    let calls = os.calls();
    drop((reserved, ready));
    let counters = memory.counters();
    let free = counters.transitions.free;
    assert_eq!((free.made, free.refused, free.bytes), (2, 0, 7 * page as u64));
    assert_eq!((counters.reserved, counters.prepared, counters.ready, os.calls()), (0, 0, 0, calls));
}

#[test]
fn a_reservation_that_alignment_widened_counts_with_its_whole_mapping() {
    let (memory, os) = mocked();
    let page = memory.page_size();
    os.refuse_places(true);
    // Of several, at least one does not lie on a multiple of 64 pages by chance.
    let held: Vec<_> = (0..3).map(|_| memory.reserve(page, 64 * page, None).unwrap()).collect();
    let counters = memory.counters();
    assert!(counters.reserved > 3 * page);
    assert_eq!(counters.transitions.reserve.bytes, counters.reserved as u64);
    drop(held);
    assert_eq!(memory.counters().transitions.free.bytes, memory.counters().transitions.reserve.bytes);
}

#[test]
fn refused_advice_is_counted_and_stops_nothing() {
    let (memory, os) = mocked();
    let page = memory.page_size();
    let reservation = page_in(State::Prepared, &memory);
    os.fail_at(os.calls() + 1);
    (USED_HUGE.0)(&reservation, page).unwrap();
    let used = USED_HUGE.1(&memory.counters().transitions);
    assert_eq!((used.made, used.refused, used.bytes), (1, 1, page as u64));
    assert_eq!(os.failed_calls_of(Request::PreferHuge), 1);
    assert_eq!(reservation.state(0).unwrap(), State::Ready);
}

#[test]
fn a_refused_transition_is_accounted_as_one() {
    let (memory, os) = mocked();
    let page = memory.page_size();
    let reservation = page_in(State::Reserved, &memory);
    let steps: [(Step, Account, Request); 3] = [
        (MAP.0, MAP.1, Request::Protect),
        (UNUSED.0, UNUSED.1, Request::Discard),
        (FAULT.0, FAULT.1, Request::Discard),
    ];
    for (step, account, request) in steps {
        if reservation.state(0).unwrap() == State::Prepared {
            reservation.used(0, page, PageKind::Small).unwrap();
        }
        let (before, state) = (memory.counters(), reservation.state(0).unwrap());
        let refused = os.failed_calls_of(request);
        os.fail_at(os.calls() + 1);
        assert!(matches!(step(&reservation, page), Err(MemoryError::Os { .. })));
        let after = memory.counters();
        let (old, new) = (account(&before.transitions), account(&after.transitions));
        assert_eq!((new.made, new.refused, new.bytes), (old.made, old.refused + 1, old.bytes));
        assert_eq!(sums(&after.transitions).1, sums(&before.transitions).1 + 1);
        assert_eq!(os.failed_calls_of(request), refused + 1);
        assert_eq!(reservation.state(0).unwrap(), state);
        step(&reservation, page).unwrap();
    }
    os.fail_from(os.calls() + 1);
    memory.alloc(page).unwrap_err();
    memory.reserve(page, page, None).unwrap_err();
    let transitions = memory.counters().transitions;
    assert_eq!((transitions.alloc.refused, transitions.reserve.refused), (1, 1));
    assert_eq!((os.failed_calls_of(Request::Alloc), os.failed_calls_of(Request::Reserve)), (1, 1));
    assert_eq!(Request::ALL.iter().map(|&kind| os.failed_calls_of(kind)).sum::<u64>(), os.failed_calls());
}

#[test]
fn half_a_fault_is_accounted_as_far_as_it_went() {
    let (memory, os) = mocked();
    let page = memory.page_size();
    let reservation = page_in(State::Ready, &memory);
    // The contents are given back, and the protection is refused.
    os.fail_at(os.calls() + 2);
    reservation.fault(0, page).unwrap_err();
    assert_eq!(reservation.state(0).unwrap(), State::Prepared);
    let fault = memory.counters().transitions.fault;
    assert_eq!((fault.made, fault.refused, fault.bytes), (0, 1, page as u64));
    reservation.fault(0, page).unwrap();
    let fault = memory.counters().transitions.fault;
    assert_eq!(
        (fault.made, fault.refused, fault.bytes),
        (1, 1, 2 * page as u64),
        "the page has changed its state twice"
    );
    assert_eq!(memory.counters().released, 0, "released is what `unused` gave back");
}

#[test]
fn populating_brings_pages_into_memory_and_is_no_transition() {
    let (memory, os) = mocked();
    let page = memory.page_size();
    for state in [State::Prepared, State::Ready] {
        let reservation = page_in(state, &memory);
        // SAFETY: the page may be touched, and nobody else knows it.
        unsafe { reservation.base().write(7) };
        let (before, calls, refused) = (memory.counters(), os.calls(), os.failed_calls_of(Request::Populate));
        os.fail_at(calls + 1);
        assert!(matches!(reservation.populate(0, page), Err(MemoryError::Os { call: Call::Populate, .. })));
        reservation.populate(0, page).unwrap();
        assert_eq!((os.calls() - calls, os.failed_calls_of(Request::Populate) - refused), (2, 1));
        assert_eq!(memory.counters().transitions, before.transitions);
        assert_eq!((reservation.state(0).unwrap(), memory.counters().ready), (state, before.ready));
        // SAFETY: as above.
        assert_eq!(unsafe { reservation.base().read() }, 7, "contents stay");
    }
    let reserved = page_in(State::Reserved, &memory);
    assert!(matches!(reserved.populate(0, page), Err(MemoryError::State { found: State::Reserved, .. })));
    let many = memory.reserve(64 * page, page, None).unwrap();
    many.map(0, 64 * page).unwrap();
    assert_eq!(many.resident().unwrap(), 0);
    many.populate(16 * page, 32 * page).unwrap();
    assert_eq!(many.resident().unwrap(), 32 * page);
}

#[test]
fn guarding_keeps_contents_and_is_no_transition() {
    let (memory, os) = mocked();
    let page = memory.page_size();
    let reservation = page_in(State::Ready, &memory);
    // SAFETY: the page may be touched, and nobody else knows it.
    unsafe { reservation.base().write(7) };
    let (before, refused) = (memory.counters(), os.failed_calls_of(Request::Protect));
    for guarded in [true, false] {
        os.fail_at(os.calls() + 1);
        let refusal = reservation.guard(0, page, guarded);
        assert!(matches!(refusal, Err(MemoryError::Os { call: Call::Guard, .. })));
        reservation.guard(0, page, guarded).unwrap();
    }
    assert_eq!(os.failed_calls_of(Request::Protect) - refused, 2);
    assert_eq!(memory.counters().transitions, before.transitions);
    assert_eq!((reservation.state(0).unwrap(), memory.counters().ready), (State::Ready, before.ready));
    // SAFETY: as above; the guard has been taken back.
    assert_eq!(unsafe { reservation.base().read() }, 7, "contents stay");
    let reserved = page_in(State::Reserved, &memory);
    assert!(matches!(reserved.guard(0, page, true), Err(MemoryError::State { found: State::Reserved, .. })));
}

#[test]
fn empty_ranges_and_mistakes_count_nowhere() {
    let (memory, _) = mocked();
    let page = memory.page_size();
    let reservation = page_in(State::Prepared, &memory);
    let before = memory.counters();
    for (step, _) in [MAP, USED, USED_HUGE, UNUSED, FAULT] {
        step(&reservation, 0).unwrap();
        step(&reservation, 2 * page).unwrap_err();
        step(&reservation, page - 1).unwrap_err();
    }
    memory.alloc(0).unwrap_err();
    memory.reserve(page, 3, None).unwrap_err();
    assert_eq!(memory.counters(), before);
}
