//! The run behind docs/memory.md: a heap is made, filled, emptied by nine tenths, collected, trimmed, filled again and
//! dropped, and after each step its figures stand beside those of the operating system.
//!
//! *Callers:* `cargo run --release -p spanheap-tests --example memory_page` prints the page's table; `cargo test` runs it
//! as a test. *Invariants:* what the page says about the figures is asserted here, so that it cannot become untrue unseen; the
//! figures themselves differ from machine to machine.

use spanheap::{Array, Bytes, Data, Heap, HeapStats, Mutator, Root, Slot, Trace};

const DOCUMENTS: usize = 2000;
const NODES: usize = 500;
const TEXT: usize = 20 << 10;
const MIB: f64 = (1 << 20) as f64;

#[derive(Trace)]
struct Node {
    id: u64,
    weight: Data<u64>,
    next: Slot<Node>,
}

/// A chain of nodes and a text.
#[derive(Trace)]
struct Document {
    first: Slot<Node>,
    text: Slot<Bytes>,
}

type Documents = Array<Slot<Document>>;

/// One column of the table: the figures after one step, in bytes.
struct Step {
    name: &'static str,
    heap: HeapStats,
    vm_size: u64,
    vm_rss: u64,
}

impl Step {
    /// The figures as they are now; those of a heap that is not there are zero.
    fn look(name: &'static str, heap: Option<&Heap>) -> Step {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
        let kib = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field is there");
            line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of KiB") << 10
        };
        let (vm_size, vm_rss) = (kib("VmSize:"), kib("VmRSS:"));
        Step { name, heap: heap.map(Heap::stats).unwrap_or_default(), vm_size, vm_rss }
    }
}

/// Fills every n-th entry with a new document.
fn fill(cx: &Mutator<'_>, documents: &Root<Documents>, every: usize) {
    for entry in (0..DOCUMENTS).step_by(every) {
        let text = cx.alloc_bytes(&[entry as u8; TEXT]).expect("there is no limit");
        let document = cx.alloc(Document { first: Slot::null(), text: Slot::null() }).expect("there is no limit");
        cx.set(document, |document| &document.text, Some(text));
        for id in 0..NODES as u64 {
            let node = Node { id, weight: Data::new(1), next: Slot::null() };
            let node = cx.alloc(node).expect("there is no limit");
            cx.set(node, |node| &node.next, document.load(|document| &document.first));
            cx.set(document, |document| &document.first, Some(node));
        }
        cx.set_element(documents.get(cx), entry, Some(document));
    }
}

fn run() -> Vec<Step> {
    let mut steps = vec![Step::look("start", None)];
    // No collection but the ones that are asked for, so that each step shows one thing.
    let heap = Heap::builder().initial_goal(1 << 30).build().expect("the options are in range");
    steps.push(Step::look("heap made", Some(&heap)));
    // A thread is attached only while it works: what a running one has allocated is counted late.
    let attached = "the thread is not attached";
    let documents = heap.attach(|cx| {
        let table = cx.alloc_array(cx.array_class::<Slot<Document>, ()>(), (), DOCUMENTS).expect("there is no limit");
        let documents = cx.root(table);
        fill(cx, &documents, 1);
        documents
    });
    let documents = documents.expect(attached);
    steps.push(Step::look("filled", Some(&heap)));
    let drop_most = |cx: &mut Mutator<'_>| {
        for entry in (0..DOCUMENTS).filter(|entry| entry % 10 != 0) {
            cx.set_element(documents.get(cx), entry, None);
        }
    };
    heap.attach(drop_most).expect(attached);
    steps.push(Step::look("90 % dropped", Some(&heap)));
    heap.collect().expect(attached);
    steps.push(Step::look("collected", Some(&heap)));
    heap.trim(0);
    steps.push(Step::look("trimmed", Some(&heap)));
    heap.attach(|cx| fill(cx, &documents, 2)).expect(attached);
    steps.push(Step::look("half filled", Some(&heap)));
    let first = |cx: &mut Mutator<'_>| {
        let document = documents.get(cx).element(10).expect("every tenth was kept");
        document.load(|document| &document.first).map(|node| (node.id, node.weight.get()))
    };
    assert_eq!(heap.attach(first).expect(attached), Some((NODES as u64 - 1, 1)));
    drop(documents);
    drop(heap);
    steps.push(Step::look("heap dropped", None));
    steps
}

/// What docs/memory.md says, beside the figures themselves.
fn check(steps: &[Step]) {
    let [start, made, filled, dropped, collected, trimmed, again, end] = steps else { panic!("eight steps") };
    let objects = (DOCUMENTS * (TEXT + NODES * size_of::<Node>())) as u64;
    assert_eq!((made.heap.reserved_bytes, made.heap.committed_bytes), (0, 0), "a heap costs nothing before it is used");
    for Step { name, heap, vm_size, .. } in steps {
        assert!(heap.committed_bytes <= heap.reserved_bytes && heap.reserved_bytes <= *vm_size, "{name}");
        assert!(heap.span_bytes + heap.metadata_bytes <= heap.committed_bytes, "{name}");
        assert!(heap.committed_bytes <= heap.peak_committed_bytes, "{name}");
        assert_eq!(heap.span_bytes + heap.free_bytes + heap.metadata_bytes, heap.committed_bytes, "{name}");
        assert_eq!(heap.record_bytes + heap.table_bytes, heap.metadata_bytes, "{name}");
        assert!(heap.resident_bytes <= heap.committed_bytes && heap.committed_bytes <= heap.mapped_bytes, "{name}");
    }
    assert!(filled.heap.span_bytes >= objects && filled.vm_rss - start.vm_rss >= objects);
    assert_eq!(dropped.heap.committed_bytes, filled.heap.committed_bytes, "nobody has looked yet");
    assert!(collected.heap.live_bytes < dropped.heap.live_bytes / 5);
    assert!(collected.heap.span_bytes < dropped.heap.span_bytes / 2);
    assert_eq!(collected.heap.committed_bytes, dropped.heap.committed_bytes, "free pages are kept");
    let given = trimmed.heap.released_bytes - collected.heap.released_bytes;
    assert!(given > objects / 2 && trimmed.heap.free_bytes == 0);
    assert_eq!(trimmed.heap.committed_bytes, collected.heap.committed_bytes - collected.heap.free_bytes);
    assert!(given > collected.heap.free_bytes, "some pages went from between objects");
    assert_eq!(trimmed.heap.reserved_bytes, collected.heap.reserved_bytes, "addresses stay");
    assert!(collected.vm_rss - trimmed.vm_rss > given / 2, "the system has taken the pages");
    assert!(again.heap.committed_bytes > trimmed.heap.committed_bytes && again.vm_rss > trimmed.vm_rss);
    assert_eq!(again.heap.reserved_bytes, trimmed.heap.reserved_bytes);
    assert!(again.vm_size - end.vm_size >= again.heap.reserved_bytes, "a dropped heap leaves nothing");
    assert!(end.vm_rss < start.vm_rss + objects / 10);
}

fn main() {
    let steps = run();
    let names: Vec<_> = steps.iter().map(|step| step.name).collect();
    println!("| MiB | {} |\n|---|{}", names.join(" | "), "---:|".repeat(steps.len()));
    let row = |name: &str, value: fn(&Step) -> u64| {
        let cells: Vec<_> = steps.iter().map(|step| format!("{:.2}", value(step) as f64 / MIB)).collect();
        println!("| {name} | {} |", cells.join(" | "));
    };
    row("`live_bytes`", |step| step.heap.live_bytes);
    row("`span_bytes`", |step| step.heap.span_bytes);
    row("`free_bytes`", |step| step.heap.free_bytes);
    row("`table_bytes`", |step| step.heap.table_bytes);
    row("`record_bytes`", |step| step.heap.record_bytes);
    row("`committed_bytes`", |step| step.heap.committed_bytes);
    row("`resident_bytes`", |step| step.heap.resident_bytes);
    row("`peak_committed_bytes`", |step| step.heap.peak_committed_bytes);
    row("`released_bytes`", |step| step.heap.released_bytes);
    row("`mapped_bytes`", |step| step.heap.mapped_bytes);
    row("`reserved_bytes`", |step| step.heap.reserved_bytes);
    row("VmRSS", |step| step.vm_rss);
    row("VmSize", |step| step.vm_size);
    check(&steps);
}

#[test]
fn the_page_is_true() {
    check(&run());
}
