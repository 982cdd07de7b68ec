//! A heap that watches its host: every mistake is told by rule, object, type and place, and a host without any hears nothing.
//!
//! *Callers:* `cargo test`. *Invariants:* each test makes one mistake on purpose and looks at the message; mistakes that end
//! the process are made by a child process.

mod nodes;

use nodes::Nodes;
use spanheap::{
    Description, Gc, Heap, HeapBuilder, JitView, Mutator, Pair, RawLayout, RootSource, RootVisitor, Slot, Trace,
    TypeLayout, WordKind,
};
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Trace)]
struct Node {
    number: usize,
    next: Slot<Node>,
    pair: Pair<Nodes<Node>>,
}

#[derive(Trace)]
struct Other {
    next: Slot<Node>,
}

fn node(cx: &Mutator<'_>, number: usize) -> usize {
    cx.alloc(Node { number, next: Slot::null(), pair: Pair::nil() }).unwrap().addr()
}

/// The node at an address, if it is one, dead or alive.
fn at<'m, 'h>(cx: &'m Mutator<'h>, addr: usize) -> Gc<'m, 'h, Node> {
    // SAFETY: a live node; or a dead one, and then this is the mistake that a test makes.
    unsafe { cx.object_at::<Node>(addr) }.unwrap()
}

/// The same, unchecked.
fn claimed<'m, 'h>(_cx: &'m Mutator<'h>, dead: usize) -> Gc<'m, 'h, Node> {
    // SAFETY: none: the node is dead, which is the mistake.
    unsafe { Gc::from_addr(dead) }
}

fn watched() -> HeapBuilder {
    Heap::builder().check_host(true).guard(true).poison(true).background(false)
}

/// What a mistake is answered with.
fn mistake(work: impl for<'h> FnOnce(&mut Mutator<'h>)) -> String {
    let heap = watched().build().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| heap.attach(work).unwrap()));
    let message = *outcome.expect_err("the mistake was not seen").downcast::<String>().expect("a message");
    // Whatever it was, nothing has happened to the heap.
    heap.collect().unwrap();
    message
}

/// The parts of a message, and the file that allocated.
fn expect(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

/// A pair of words: a reference, and a number.
fn cell<'h>(cx: &Mutator<'h>) -> RawLayout<'h> {
    let mut cell = Description::new(16);
    cell.set(0, WordKind::Reference);
    cx.register_layout("Cell", cell.finish().unwrap(), None).unwrap()
}

#[test]
fn a_freed_object_is_known_by_name_and_place() {
    let message = mistake(|cx| {
        let layout = cell(cx);
        let owner = cx.alloc_raw(layout, 0).unwrap();
        let keep = cx.root(at(cx, node(cx, 1)));
        let line = line!() + 1;
        let lost = cx.alloc_raw(layout, 0).unwrap();
        cx.collect();
        drop(keep);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let owner = cx.alloc_raw(layout, 0).unwrap();
            // SAFETY: none: the object is dead, which is the mistake.
            unsafe { cx.store_raw(owner.as_ptr().cast(), lost.as_ptr() as usize) };
        }));
        let message = *outcome.expect_err("the mistake was not seen").downcast::<String>().unwrap();
        expect(
            &message,
            &["rule R1", "the Cell at", "is stored", "freed by collection 1", &format!("host_check.rs:{line}:")],
        );
        // A slot of a dead object.
        // SAFETY: none, as above.
        unsafe { cx.store_raw(owner.as_ptr().cast(), 0) };
    });
    expect(&message, &["rule R1", "the Cell at", "is written to", "freed by collection 1", "host_check.rs"]);
    for (what, use_it) in [
        ("is rooted", (|cx, dead| drop(cx.root(claimed(cx, dead)))) as fn(&mut Mutator, usize)),
        ("is stored", |cx, dead| {
            let owner = at(cx, node(cx, 2));
            cx.set_pair(owner, |node| &node.pair, Some(claimed(cx, dead)));
        }),
        ("is held", |cx, dead| {
            cx.scope(|cx, scope| assert_eq!(scope.hold(cx, claimed(cx, dead)).get(cx).addr(), dead));
        }),
        ("is used", |cx, dead| assert_eq!(at(cx, dead).number, 0)),
        ("is overwritten", |cx, dead| {
            // SAFETY: none, as above.
            unsafe { cx.barrier_raw(dead, 0) }
        }),
    ] {
        let message = mistake(|cx| {
            let dead = node(cx, 1);
            cx.collect();
            use_it(cx, dead);
        });
        expect(&message, &["rule R1", "Node at", what, "freed by collection 1", "host_check.rs"]);
    }
}

#[test]
fn an_address_is_described_in_life_and_death() {
    let heap = watched().build().unwrap();
    heap.attach(|cx| {
        let addr = node(cx, 1);
        let alive = heap.describe(addr).unwrap();
        expect(&alive, &["Node at", "object 1 of the heap", "host_check.rs"]);
        assert!(!alive.contains("freed"));
        cx.collect();
        expect(&heap.describe(addr).unwrap(), &["Node at", "freed by collection 1"]);
        assert_eq!(heap.describe(addr + 8), None);
    })
    .unwrap();
    assert_eq!(Heap::new().unwrap().describe(8), None);
}

#[test]
fn memory_of_the_dead_is_not_used_again_at_once() {
    let heap = watched().build().unwrap();
    heap.attach(|cx| {
        let _keep: Vec<_> = (0..100).map(|n| cx.root(at(cx, node(cx, n)))).collect();
        let dead: Vec<usize> = (0..1000).map(|n| node(cx, n)).collect();
        cx.collect();
        let next: Vec<usize> = (0..1000).map(|n| node(cx, n)).collect();
        assert!(
            next.iter().all(|addr| !dead.contains(addr)),
            "a slot was handed out again after the collection that freed it"
        );
    })
    .unwrap();
    assert!(heap.zeal().guarded_pages > 0);
}

#[test]
fn what_is_no_object_of_this_heap_is_told_as_such() {
    let foreign = Heap::new().unwrap();
    foreign
        .attach(|other| {
            let stranger = node(other, 1);
            for (word, parts) in [
                (0x1230, vec!["rule R4", "0x1230 is stored", "no object of this heap"]),
                (stranger, vec!["rule R4", "no object of this heap"]),
            ] {
                let message = mistake(|cx| {
                    let owner = cx.alloc_raw(cell(cx), 0).unwrap();
                    // SAFETY: none: the word is no object of this heap, which is the mistake.
                    unsafe { cx.store_raw(owner.as_ptr().cast(), word) };
                });
                expect(&message, &parts);
            }
        })
        .unwrap();
    let message = mistake(|cx| {
        let owner = cx.alloc_raw(cell(cx), 0).unwrap();
        let inside = node(cx, 1) + 8;
        // SAFETY: none: the address is not that of the first byte.
        unsafe { cx.store_raw(owner.as_ptr().cast(), inside) };
    });
    expect(&message, &["rule R4", "lies 8 bytes behind the start of the", "Node at", "host_check.rs"]);
    let message = mistake(|cx| {
        let outside = AtomicUsize::new(0);
        // SAFETY: none: the slot is not in the heap.
        unsafe { cx.store_raw(&outside, 0) };
    });
    expect(&message, &["rule R4", "is written to", "no object of this heap"]);
}

#[test]
fn words_and_types_that_are_not_what_they_are_taken_for() {
    let message = mistake(|cx| {
        let owner = cx.alloc_raw(cell(cx), 0).unwrap().as_ptr() as usize;
        // SAFETY: none: the second word is a number.
        unsafe { cx.store_raw((owner + 8) as *const AtomicUsize, owner) };
    });
    expect(&message, &["rule R2", "a Reference is stored at offset 8 of the Cell at", "a Scalar", "host_check.rs"]);
    let message = mistake(|cx| {
        let layout =
            cx.register_layout("Row", TypeLayout::leaf::<usize>(), Some(TypeLayout::word(WordKind::Ambiguous)));
        let row = cx.alloc_raw(layout.unwrap(), 10).unwrap().as_ptr() as usize;
        // SAFETY: none: elements are ambiguous words.
        unsafe { cx.store_range_raw((row + 24) as *const AtomicUsize, &AtomicUsize::new(0), 1) };
    });
    expect(&message, &["rule R2", "offset 24 of the Row at", "an Ambiguous".trim_start_matches("an ")]);
    let message = mistake(|cx| {
        let addr = node(cx, 1);
        // SAFETY: none: it is a Node.
        let _ = unsafe { cx.object_at::<Other>(addr) };
    });
    expect(&message, &["rule R5", "Node at", "is taken for a", "Other", "host_check.rs"]);
}

/// Reports an address whatever is there.
struct Reports(Arc<AtomicUsize>);

// SAFETY: none where the object is dead: that is the mistake.
unsafe impl RootSource for Reports {
    fn visit(&self, visitor: &mut RootVisitor<'_>) {
        visitor.object(self.0.load(Ordering::Relaxed));
    }
}

#[test]
fn a_root_source_that_reports_the_dead_frees_nothing() {
    let heap = watched().build().unwrap();
    heap.attach(|cx| {
        let word = Arc::new(AtomicUsize::new(0));
        cx.add_root_source(Box::new(Reports(Arc::clone(&word))));
        let dead = node(cx, 1);
        assert_eq!(cx.collect().freed_of::<Node>(), 1);
        node(cx, 2);
        word.store(dead, Ordering::Relaxed);
        let report = cx.collect();
        assert!(report.roots_failed && report.freed_of::<Node>() == 0, "the mistake was not seen");
        word.store(0, Ordering::Relaxed);
        let report = cx.collect();
        assert!(!report.roots_failed && report.freed_of::<Node>() == 1);
    })
    .unwrap();
}

const VARIABLE: &str = "SPANHEAP_TEST_MISTAKE";

/// Ways to write past the barrier, each on a rooted object that a collection has seen: the offset, and the object's type.
const PAST: [(&str, usize, &str); 4] = [
    ("field", offset_of!(Node, next), "Node"),
    ("null", offset_of!(Node, next), "Node"),
    ("pair", offset_of!(Node, pair) + 8, "Node"),
    ("raw", 0, "Cell"),
];

/// Makes a mistake that ends the process, if it is to be made here.
#[test]
fn makes_a_mistake_in_a_child() {
    let Ok(which) = std::env::var(VARIABLE) else { return };
    let heap = watched().build().unwrap();
    heap.attach(|cx| {
        let layout = cell(cx);
        let source = Arc::new(AtomicUsize::new(0));
        cx.add_root_source(Box::new(Reports(Arc::clone(&source))));
        let addr = match which.as_str() {
            "raw" => cx.alloc_raw(layout, 0).unwrap().as_ptr() as usize,
            _ => node(cx, 1),
        };
        source.store(addr, Ordering::Relaxed);
        if which == "null" {
            cx.set(at(cx, addr), |node| &node.next, Some(at(cx, node(cx, 3))));
        }
        cx.collect();
        let (_, offset, _) = PAST.into_iter().find(|&(way, ..)| way == which).expect("a known mistake");
        let new = match which.as_str() {
            "null" => 0,
            "raw" => cx.alloc_raw(layout, 0).unwrap().as_ptr() as usize,
            _ => node(cx, 2),
        };
        // SAFETY: none: this is a store without a barrier, which is the mistake.
        let word = |offset: usize| unsafe { &*((addr + offset) as *const AtomicUsize) };
        if which == "pair" {
            word(offset - 8).store(1, Ordering::Relaxed);
        }
        word(offset).store(new, Ordering::Relaxed);
        cx.collect();
    })
    .unwrap();
}

#[test]
fn a_missed_barrier_is_told_by_object_offset_and_place() {
    for (which, offset, name) in PAST {
        let test = std::env::current_exe().unwrap();
        let run = std::process::Command::new(test)
            .args(["--exact", "makes_a_mistake_in_a_child", "--nocapture"])
            .env(VARIABLE, which)
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success(), "{which}: the mistake was not seen");
        let place = format!("offset {offset} of the {name} at");
        expect(
            &message,
            &[
                "has broken a rule",
                "rule R2",
                &place,
                "which was not stored by a function of the heap",
                "a collection ago",
            ],
        );
        expect(&message, &["host_check.rs", "after collection 0"]);
    }
}

/// Everything that stores, without a mistake.
fn behave(cx: &mut Mutator<'_>) {
    let rows = cx.array_class::<Slot<Node>, ()>();
    let pairs = cx.array_class::<Pair<Nodes<Node>>, ()>();
    let layout = cell(cx);
    let row = cx.root(cx.alloc_array(rows, (), 100).unwrap());
    let pair_row = cx.root(cx.alloc_array(pairs, (), 100).unwrap());
    let owner = cx.root(cx.alloc(Node { number: 0, next: Slot::null(), pair: Pair::nil() }).unwrap());
    let raw = Arc::new(AtomicUsize::new(cx.alloc_raw(layout, 0).unwrap().as_ptr() as usize));
    cx.add_root_source(Box::new(Reports(Arc::clone(&raw))));
    for round in 0..60 {
        let new = cx.alloc(Node { number: round, next: Slot::null(), pair: Pair::nil() }).unwrap();
        cx.set(owner.get(cx), |node| &node.next, Some(new));
        cx.set_pair(owner.get(cx), |node| &node.pair, Some(new));
        cx.set_element(row.get(cx), round, Some(new));
        cx.set_pair_element(pair_row.get(cx), round, Some(new));
        cx.copy_elements(row.get(cx), 0..30, row.get(cx), 20);
        cx.fill_elements(row.get(cx), 60..70, Some(new));
        cx.copy_pair_elements(pair_row.get(cx), 0..30, pair_row.get(cx), 20);
        cx.fill_pair_elements(pair_row.get(cx), 60..70, Some(new));
        cx.clear_pair_elements(pair_row.get(cx), 65..68);
        let slot = raw.load(Ordering::Relaxed) as *const AtomicUsize;
        // SAFETY: the first word of a cell is a reference, the root source keeps the cell, and what is stored is alive.
        unsafe {
            cx.store_raw(slot, cx.alloc_raw(layout, 0).unwrap().as_ptr() as usize);
            cx.store_range_raw(slot, &AtomicUsize::new(new.addr()), 1);
            cx.barrier_raw((*slot).load(Ordering::Relaxed), 0);
            (*slot).store(0, Ordering::Release);
            cx.barrier_range_raw(slot, 1, &[new.addr()]);
            (*slot).store(new.addr(), Ordering::Release);
            let view = cx.jit();
            assert_ne!(*view.barrier, JitView::OFF, "every store is to be told");
            (view.before_store)(view.mutator, slot.cast(), (*slot).load(Ordering::Relaxed), 0);
            (*slot).store(0, Ordering::Release);
        }
        let stack = cx.alloc_stack::<Nodes<Node>>(8).unwrap();
        cx.set_stack_slot(stack, 0, Some(new));
        let stack = cx.root(stack);
        cx.safepoint();
        if round % 5 == 0 {
            cx.collect();
        }
        assert_eq!(stack.get(cx).len(), stack.get(cx).slots().len());
    }
}

#[test]
fn a_host_without_mistakes_hears_nothing() {
    for background in [false, true] {
        let heap = watched().background(background).collect_every(Some(16)).build().unwrap();
        heap.attach(behave).unwrap();
        let zeal = heap.zeal();
        assert!(zeal.idle.is_empty(), "{zeal:?}");
        assert!(zeal.host_check.stores > 1000 && zeal.host_check.compared > 1000, "{zeal:?}");
    }
}

#[test]
fn arguments_are_checked_without_the_option_where_debug_assertions_are_on() {
    if !cfg!(debug_assertions) {
        return;
    }
    let heap = Heap::new().unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        heap.attach(|cx| {
            let owner = cx.alloc_raw(cell(cx), 0).unwrap();
            // SAFETY: none: that is no object.
            unsafe { cx.store_raw(owner.as_ptr().cast(), 0x1238) };
        })
    }));
    let message = *outcome.expect_err("the mistake was not seen").downcast::<String>().unwrap();
    expect(&message, &["rule R4", "0x1238"]);
}
