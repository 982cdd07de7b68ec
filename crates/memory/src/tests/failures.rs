//! Refusals by the system, at each request in turn: errors are values and the figures stay true.

use super::{figures, mocked};
use crate::mock::MockOs;
use crate::{Call, Memory, MemoryError, PageKind, Reservation, State};
use spanheap_sync::Arc;

const PAGES: usize = 8;

/// A history that makes every transition; stops at the first refusal, and hands back what it holds by then.
fn history(memory: &Arc<Memory>, held: &mut Vec<Reservation>) -> Result<(), MemoryError> {
    let page = memory.page_size();
    held.push(memory.alloc(2 * page)?);
    held.push(memory.reserve(PAGES * page, PAGES * page, None)?);
    let reservation = &held[1];
    reservation.map(0, 6 * page)?;
    reservation.used(0, 4 * page, PageKind::Huge)?;
    reservation.populate(0, 4 * page)?;
    reservation.unused(page, page)?;
    reservation.fault(2 * page, 4 * page)?;
    assert!(reservation.resident()? <= reservation.len());
    Ok(())
}

/// What the page states of all reservations add up to, in pages, as `figures` has it.
fn sum_of_states(memory: &Memory, os: &MockOs, held: &[Reservation]) -> [usize; 3] {
    let page = memory.page_size();
    let states = held
        .iter()
        .flat_map(|reservation| (0..reservation.len()).step_by(page).map(|offset| reservation.state(offset).unwrap()));
    let (mut prepared, mut ready) = (0, 0);
    for state in states {
        prepared += usize::from(state >= State::Prepared);
        ready += usize::from(state == State::Ready);
    }
    [os.live_bytes() / page, prepared, ready]
}

#[test]
fn a_refusal_of_any_request_leaves_the_figures_true() {
    // How many requests a history makes depends on where the kernel places things, so each run is asked whether its
    // turn still came.
    for n in 1.. {
        let mut refused = false;
        for every_later_one in [false, true] {
            let (memory, os) = mocked();
            if every_later_one {
                os.fail_from(n)
            } else {
                os.fail_at(n)
            }
            let mut held = Vec::new();
            let result = history(&memory, &mut held);
            assert_eq!(memory.counters().calls, os.calls());
            refused |= os.failed_calls() > 0;
            // A refusal while a place is sought may be made good by the next attempt; every other one is reported.
            match &result {
                Ok(()) => assert!(os.failed_calls() == 0 || !every_later_one),
                Err(error) => assert!(error.is_out_of_memory(), "{error}"),
            }
            assert_eq!(figures(&memory), sum_of_states(&memory, &os, &held), "request {n} refused");
            drop(held);
            assert_eq!(figures(&memory), [0, 0, 0]);
            assert_eq!((os.live_mappings(), os.live_bytes()), (0, 0));
        }
        if !refused {
            assert!(n > 8, "a history makes at least one request for each of its steps");
            break;
        }
    }
}

#[test]
fn a_refused_transition_can_be_made_later() {
    let (memory, os) = mocked();
    let page = memory.page_size();
    let reservation = memory.reserve(PAGES * page, page, None).unwrap();
    let refuse_next = || os.fail_at(os.calls() + 1);

    refuse_next();
    let error = reservation.map(0, 4 * page).unwrap_err();
    assert!(matches!(error, MemoryError::Os { call: Call::Map, len, .. } if len == 4 * page), "{error}");
    assert_eq!(figures(&memory), [PAGES, 0, 0]);
    reservation.map(0, 4 * page).unwrap();

    refuse_next();
    reservation.used(0, 4 * page, PageKind::Huge).unwrap();
    assert_eq!(figures(&memory), [PAGES, 4, 4], "huge pages are a wish");

    refuse_next();
    reservation.unused(0, page).unwrap_err();
    assert_eq!((figures(&memory), memory.counters().released), ([PAGES, 4, 4], 0));
    reservation.unused(0, page).unwrap();
    assert_eq!((figures(&memory), memory.counters().released), ([PAGES, 4, 3], page as u64));

    refuse_next();
    reservation.fault(0, 4 * page).unwrap_err();
    assert_eq!(figures(&memory), [PAGES, 4, 3], "nothing was given back");
    os.fail_at(os.calls() + 2);
    reservation.fault(0, 4 * page).unwrap_err();
    assert_eq!(figures(&memory), [PAGES, 4, 0], "given back, but not protected");
    reservation.fault(0, 4 * page).unwrap();
    assert_eq!(figures(&memory), [PAGES, 0, 0]);
}

#[test]
fn a_refused_hint_is_no_failure() {
    let (memory, os) = mocked();
    os.fail_at(1);
    let hint = 0x20_0000_0000;
    let arena = memory.reserve(64 << 20, 64 << 20, Some(hint)).unwrap();
    assert_ne!(arena.base().addr().get(), hint);
    assert_eq!(os.failed_calls(), 1);
}

#[test]
fn a_figure_is_the_sum_over_all_reservations() {
    let (memory, os) = mocked();
    let page = memory.page_size();
    let mut held: Vec<_> = (1..=4).map(|pages| memory.reserve(pages * page, page, None).unwrap()).collect();
    for reservation in &held {
        reservation.map(0, reservation.len()).unwrap();
        reservation.used(0, page, PageKind::Small).unwrap();
    }
    assert_eq!(figures(&memory), [10, 10, 4]);
    while held.pop().is_some() {
        assert_eq!(figures(&memory), sum_of_states(&memory, &os, &held));
    }
    assert_eq!(memory.counters().peak_ready, 4 * page);
}

#[test]
fn errors_say_what_was_asked_and_what_the_system_said() {
    let (memory, os) = mocked();
    os.fail_from(1);
    let page = memory.page_size();
    let error = memory.alloc(page).unwrap_err();
    assert_eq!(error.to_string(), format!("alloc of {page} bytes: the operating system refused"));
    assert!(std::error::Error::source(&error).is_some());
    let error = memory.reserve(page + 1, page, None).unwrap_err();
    assert!(error.to_string().contains("not whole pages"), "{error}");
    assert!(!error.is_out_of_memory());
}
