//! The options that make rare things happen often: each acts, alone and with all others, and nothing goes wrong.
//!
//! *Callers:* `cargo test`. *Invariants:* the verifier is on; every heap is asked at its end whether its options have acted.

use spanheap::{AllocError, Heap, HeapBuilder, Mutator, Root, Slot, Trace};
use std::thread;
use std::time::Duration;

#[derive(Trace)]
struct Node {
    number: usize,
    next: Slot<Node>,
}

const THREADS: usize = 3;
const ROUNDS: usize = 60;
const LENGTH: usize = 100;

/// A list of `LENGTH` nodes with falling numbers, the largest first; one more try for each refusal.
fn list(cx: &mut Mutator<'_>) -> Root<Node> {
    let mut first: Option<Root<Node>> = None;
    for number in 0..LENGTH {
        let root = loop {
            let new = cx.alloc(Node { number, next: Slot::null() });
            match new {
                Ok(new) => {
                    cx.set(new, |node| &node.next, first.as_ref().map(|first| first.get(cx)));
                    break cx.root(new);
                }
                Err(AllocError::Exhausted { .. } | AllocError::Limit { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            cx.collect();
        };
        first = Some(root);
        cx.safepoint();
    }
    first.expect("a list of some length")
}

/// Several mutators make lists, turn them around in place, and look whether they are whole. Every other list is kept for a while.
fn work(heap: &Heap) {
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| heap.attach(turn_lists).unwrap());
        }
    });
}

fn turn_lists(cx: &mut Mutator<'_>) {
    let mut kept = Vec::new();
    for round in 0..ROUNDS {
        let first = list(cx);
        let mut turned = cx.root(first.get(cx));
        let mut rest = first.get(cx).load(|node| &node.next).map(|node| cx.root(node));
        cx.set(turned.get(cx), |node| &node.next, None);
        while let Some(node) = rest.take() {
            rest = node.get(cx).load(|node| &node.next).map(|next| cx.root(next));
            cx.set(node.get(cx), |node| &node.next, Some(turned.get(cx)));
            turned = node;
            cx.safepoint();
            if turned.get(cx).number.is_multiple_of(16) {
                // A small piece of a collection, so that there are stores between the pieces.
                cx.step(Duration::ZERO);
            }
        }
        if round % 2 == 0 {
            kept.push(turned);
        }
        if round % 10 == 7 {
            cx.collect();
        }
        if kept.len() == 5 {
            let whole = |root: &Root<Node>| {
                let mut node = Some(root.get(cx));
                for number in 0..LENGTH {
                    let this = node.expect("the list goes on");
                    assert_eq!(this.number, number);
                    node = this.load(|node| &node.next);
                }
                node.is_none()
            };
            assert!(kept.iter().all(whole));
            kept.clear();
        }
        cx.native(|| {});
    }
}

/// A heap with an option of this name.
fn with(builder: HeapBuilder, name: &str) -> HeapBuilder {
    match name {
        "verify" => builder.verify(true),
        "collect_every" => builder.collect_every(Some(200)),
        "poison" => builder.poison(true),
        "guard" => builder.guard(true),
        "tiny_buffers" => builder.tiny_buffers(true),
        "delays" => builder.delays(Some(7)),
        "refuse_system_calls" => builder.refuse_system_calls(Some(5)),
        "fail_allocation" => builder.fail_allocation(Some(1000)),
        "check_host" => builder.check_host(true),
        _ => unreachable!("no option {name}"),
    }
}

const OPTIONS: [&str; 9] = [
    "verify",
    "collect_every",
    "poison",
    "guard",
    "tiny_buffers",
    "delays",
    "refuse_system_calls",
    "fail_allocation",
    "check_host",
];

fn check(builder: HeapBuilder, options: &str) {
    let heap = builder.verify(true).initial_goal(128 << 10).build().unwrap();
    work(&heap);
    let report = heap.collect().unwrap();
    assert_eq!(report.live_of::<Node>(), 0, "{options}: all roots are gone");
    let zeal = heap.zeal();
    assert_eq!(zeal.idle, [""; 0], "{options}: {zeal:?}");
    let refused = zeal.refused_system_calls + zeal.refused_allocations;
    println!(
        "figures: zeal cycles_verified={} collections_forced={} slots_poisoned={} pages_guarded={} logs_full={} delays={} refused={refused} \
         stores_watched={} slots_compared={}",
        zeal.verified_collections,
        zeal.forced_collections,
        zeal.poisoned_slots,
        zeal.guarded_pages,
        zeal.full_logs,
        zeal.delays,
        zeal.host_check.stores,
        zeal.host_check.compared,
    );
}

#[test]
fn every_option_acts_alone() {
    for name in OPTIONS {
        check(with(Heap::builder().background(false), name), name);
    }
}

#[test]
fn all_options_act_together_in_every_mode() {
    let all = || OPTIONS.into_iter().fold(Heap::builder(), with);
    check(all(), "all");
    check(all().background(false), "all, without a thread");
    // There no mutator runs while marking does, and no log gets full.
    check(all().tiny_buffers(false).stop_the_world(true), "all but tiny buffers, in a stopped world");
    check(all().marking_threads(2).cpu_share(100), "all, two marking threads");
}

#[test]
fn an_option_that_has_done_nothing_is_named() {
    let heap = OPTIONS.into_iter().fold(Heap::builder(), with).background(false).build().unwrap();
    let mut idle = heap.zeal().idle;
    idle.sort_unstable();
    let mut options = OPTIONS;
    options.sort_unstable();
    assert_eq!(idle, options);
    assert!(Heap::new().unwrap().zeal().idle.is_empty(), "an option that is off is not expected to act");
}

#[test]
fn refusals_and_a_system_of_ones_own_do_not_go_together() {
    let own = || Box::new(spanheap::mock::MockOs::new());
    assert!(Heap::builder().refuse_system_calls(Some(0)).build().is_err());
    assert!(Heap::builder().refuse_system_calls(Some(3)).os(own()).build().is_err());
    assert!(Heap::builder().os(own()).build().is_ok());
}

/// What is guarded counts against the limit, and is used again before an allocation fails.
#[test]
fn a_guarded_heap_lives_within_its_limit() {
    let os = spanheap::mock::MockOs::new();
    let builder = Heap::builder().guard(true).verify(true).background(false).limit(6 << 20);
    let heap = builder.os(Box::new(os.clone())).build().unwrap();
    heap.attach(|cx| {
        let bytes = cx.array_class::<u8, ()>();
        for round in 0..40 {
            // A system that does not guard, or does not take a guard back, now and then.
            os.fail_at(if round % 3 == 0 { os.calls() + 2 } else { 0 });
            for len in [1 << 20, 300 << 10, 40 << 10] {
                cx.alloc_array(bytes, (), len).unwrap();
            }
            for number in 0..20_000 {
                cx.alloc(Node { number, next: Slot::null() }).unwrap();
            }
            cx.collect();
        }
    })
    .unwrap();
    assert!(heap.zeal().guarded_pages > 4096, "more pages than the limit allows: {}", heap.zeal().guarded_pages);
    assert!(os.failed_calls() > 5);
    assert_eq!(heap.collect().unwrap().live_objects, 0);
}
