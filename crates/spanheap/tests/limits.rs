//! A heap's limit where it was not set: what the control group allows, and what happens when it is reached.
//!
//! *Callers:* `cargo test`. *Invariants:* the control group is a mock's; only the test of the environment looks at a real
//! variable, in a process of its own.

use spanheap::mock::MockOs;
use spanheap::{AllocError, Array, Bytes, Heap, HeapBuilder, Slot};
use std::process::Command;

const MIB: usize = 1 << 20;

/// A heap in a control group that allows so many bytes.
fn in_group(allowed: Option<u64>) -> HeapBuilder {
    let os = MockOs::new();
    os.set_memory_limit(allowed);
    Heap::builder().os(Box::new(os))
}

#[test]
fn the_group_limits_a_heap_that_has_no_limit_of_its_own() {
    let limit = |builder: HeapBuilder| builder.build().unwrap().limit();
    let allowed = Some(8 * MIB as u64);
    assert_eq!(limit(in_group(allowed)), Some(6 * MIB));
    assert_eq!(limit(in_group(allowed).limit(20 * MIB)), Some(20 * MIB));
    assert_eq!(limit(in_group(allowed).limit(usize::MAX)), None);
    assert_eq!(limit(in_group(allowed).ignore_cgroup_limit(true)), None);
    assert_eq!(limit(in_group(None)), None);
    // A group that allows next to nothing, and one that allows more than there is.
    assert_eq!(limit(in_group(Some(0))), Some(64 << 10));
    assert_eq!(limit(in_group(Some(u64::MAX - 1))), Some((usize::MAX - 1) / 8 * 6 + 4));
}

#[test]
fn a_heap_in_a_group_fails_collects_and_goes_on() {
    const BYTES: usize = 1000;
    let heap = in_group(Some(8 * MIB as u64)).build().unwrap();
    heap.attach(|cx| {
        // Fills a table until the heap is full, and returns how many strings it holds.
        let fill = |cx: &mut spanheap::Mutator<'_>| {
            let table = cx.alloc_array(cx.array_class::<Slot<Bytes>, ()>(), (), 10_000).unwrap();
            let mut count = 0;
            let error = loop {
                match cx.alloc_bytes(&[7; BYTES]) {
                    Ok(bytes) => cx.set_element(table, count, Some(bytes)),
                    Err(error) => break error,
                }
                count += 1;
            };
            assert!(matches!(error, AllocError::Limit { limit, .. } if limit == 6 * MIB), "{error}");
            (count, cx.root::<Array<Slot<Bytes>>>(table))
        };
        let (first, root) = fill(cx);
        assert!((4 * MIB..6 * MIB).contains(&(first * BYTES)), "{first} strings");
        // What is still held stays, and so does the limit.
        cx.collect();
        assert!(heap.stats().span_bytes <= 6 * MIB as u64);
        assert_eq!(root.get(cx).element(first - 1).unwrap().elements(), [7; BYTES]);
        assert!(matches!(cx.alloc_bytes(&[7; MIB]), Err(AllocError::Limit { .. })));
        drop(root);
        assert!(cx.collect().freed_objects >= first as u64);
        let (second, _root) = fill(cx);
        assert!(second.abs_diff(first) <= first / 100, "{first} strings, then {second}");
    })
    .unwrap();
}

#[test]
fn the_environment_tells_to_ignore_the_group() {
    const ASKED: &str = "SPANHEAP_TEST_OF_LIMIT";
    if std::env::var_os(ASKED).is_some() {
        match in_group(Some(8 * MIB as u64)).from_env().build() {
            Ok(heap) => println!("limit {:?}", heap.limit()),
            Err(error) => println!("{error}"),
        }
        return;
    }
    let said = |value: &str| {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "the_environment_tells_to_ignore_the_group", "--nocapture"]);
        let output = test.env(ASKED, "1").env("SPANHEAP_IGNORE_CGROUP", value).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(said("1").contains("limit None"));
    assert!(said("0").contains("limit Some(6291456)"));
    assert!(said("yes").contains("SPANHEAP_IGNORE_CGROUP must be 0 or 1"));
}

#[test]
fn a_thread_that_panics_leaves_its_slots_and_pages_to_others() {
    let heap = Heap::builder().verify(true).build().unwrap();
    let kept = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut kept = None;
            let work = |cx: &mut spanheap::Mutator<'_>| {
                for count in 0..1000 {
                    let bytes = cx.alloc_bytes(&vec![7; 16 * (count % 50)]).unwrap();
                    if count == 500 {
                        kept = Some(cx.root(bytes));
                    }
                }
                panic!("in the middle of its work");
            };
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| heap.attach(work)));
            assert!(panicked.is_err());
            kept.unwrap()
        });
        thread.join().unwrap()
    });
    let before = heap.stats();
    assert_eq!((before.mutators, before.allocated_objects), (0, 1000), "what it did is counted");
    let counts = heap.counts();
    assert_eq!((counts.allocated_objects, counts.live_bytes), (1000, before.live_bytes));
    assert_eq!(heap.collect().unwrap().live_objects, 1);
    drop(kept);
    heap.collect().unwrap();
    let after = heap.stats();
    assert_eq!((after.live_bytes, after.span_bytes), (0, 0));
}
