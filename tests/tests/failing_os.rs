//! The operating system refuses request after request of a heap's whole life: every refusal is a typed error or costs
//! nothing but an advantage, nothing is lost, the verifier finds the heap in order, and what failed succeeds once the
//! system works again.
//!
//! *Callers:* `cargo test`. *Invariants:* one mutator, no collections but those asked for, and numbers from one seed: the n-th
//! request is the same one in every run, as far as the kernel places mappings alike.

use spanheap::mock::{MockOs, Request};
use spanheap::{
    AllocError, Array, Bytes, Gc, Heap, HugePages, Mutator, Root, Slot, Stack, StackError, Trace, TypeLayout,
};
use spanheap_tests::Random;
use spanheap_tests::nodes::Nodes;
use std::collections::BTreeSet;

const ENTRIES: usize = 48;
const STACKS: usize = 6;
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// Types beside the derived ones.
const RAW_TYPES: usize = 150;

#[derive(Trace)]
struct Node {
    id: u64,
    edges: [Slot<Node>; 2],
    text: Slot<Bytes>,
}

type Table = Array<Slot<Node>>;
type Registers = Stack<Family>;

/// Registers hold nodes, or nothing.
type Family = Nodes<Node>;

/// When the system refuses.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refusal {
    /// The n-th request alone.
    Once(u64),
    /// The n-th and all later ones, until the scenario has seen an error and looked at the heap.
    UntilSeen(u64),
    /// The n-th and all later ones; the scenario ends with the first error, and the heap is dropped.
    ForGood(u64),
}

/// What the scenario gives up with when the system does not heal.
struct GaveUp;

/// One object of the reference graph: ids of what its edges refer to, and the length of its text.
type Object = ([Option<u64>; 2], Option<usize>);

/// The reference: what the heap must hold, in plain Rust, and the roots to find it by.
struct World {
    /// By id. What is dead is not asked for again.
    objects: Vec<Object>,
    table: Option<Root<Table>>,
    entries: [Option<u64>; ENTRIES],
    stacks: Vec<(Root<Registers>, Vec<Option<u64>>)>,
}

/// The first and the last byte of an object's text: all that is written, so that a large text touches few pages.
fn ends(id: u64) -> (u8, u8) {
    (id as u8 | 1, (id >> 3) as u8 | 1)
}

impl World {
    /// Collects, with the verifier, and compares all that is reachable with the reference.
    fn check(&self, cx: &mut Mutator<'_>) {
        let verified = cx.heap().stats().verified_cycles;
        let report = cx.collect();
        assert!(cx.heap().stats().verified_cycles > verified);
        let mut seen = BTreeSet::new();
        let Some(table) = &self.table else {
            assert_eq!(report.live_of::<Node>(), 0);
            return;
        };
        let table = table.get(cx);
        let mut queue: Vec<(Option<Gc<Node>>, Option<u64>)> =
            self.entries.iter().enumerate().map(|(entry, &id)| (table.element(entry), id)).collect();
        for (stack, slots) in &self.stacks {
            let stack = stack.get(cx);
            assert_eq!(stack.top(), slots.len());
            for (slot, &id) in stack.as_ref().slots().iter().zip(slots) {
                // SAFETY: there is one mutator, and the slot lies below the top.
                queue.push((unsafe { slot.decode_in() }, id));
            }
        }
        while let Some((node, id)) = queue.pop() {
            assert_eq!(node.map(|node| node.id), id);
            let Some(node) = node.filter(|node| seen.insert(node.id)) else { continue };
            let (edges, text) = self.objects[node.id as usize];
            queue.extend(edges.iter().enumerate().map(|(edge, &id)| (node.load(|node| &node.edges[edge]), id)));
            let bytes = node.load(|node| &node.text);
            assert_eq!(bytes.map(|bytes| bytes.len()), text);
            if let Some(bytes) = bytes {
                let bytes = bytes.as_ref().elements();
                assert_eq!((bytes[0], bytes[bytes.len() - 1]), ends(node.id));
            }
        }
        assert_eq!(report.live_of::<Node>(), seen.len() as u64, "lost objects, or garbage that was kept");
    }
}

/// One run of the scenario against a system that refuses.
struct Run<'a> {
    os: &'a MockOs,
    refusal: Refusal,
    random: Random,
    /// Requests whose refusal was the error of an operation.
    errors: u64,
    /// An operation has just succeeded after an error, and the heap is to be looked at when its result is in the reference.
    recovered: bool,
}

impl Run<'_> {
    /// Lets an operation succeed, or gives up. On an error the heap is looked at, while the system refuses and afterwards,
    /// and when it works again the operation must go through.
    fn attempt<'h, R>(
        &mut self,
        cx: &mut Mutator<'h>,
        world: &World,
        operation: impl Fn(&Mutator<'h>) -> Result<R, AllocError>,
    ) -> Result<R, GaveUp> {
        if std::mem::take(&mut self.recovered) {
            world.check(cx);
        }
        // The second time, a heap that has failed once fails in the same way, or has found a way.
        for _ in 0..2 {
            let refused = self.os.failed_calls();
            match operation(cx) {
                Ok(done) => return Ok(done),
                Err(AllocError::Exhausted { requested, source }) => {
                    assert!(requested > 0 && source.is_out_of_memory(), "{source}");
                    assert!(self.os.failed_calls() > refused, "an error without a refusal");
                }
                Err(error) => panic!("that is not what the system said: {error}"),
            }
            self.errors += 1;
            world.check(cx);
            match self.refusal {
                Refusal::Once(_) => break,
                Refusal::UntilSeen(_) => {}
                Refusal::ForGood(_) => return Err(GaveUp),
            }
        }
        self.os.fail_from(0);
        self.recovered = true;
        Ok(operation(cx).unwrap_or_else(|error| panic!("the system works again: {error}")))
    }

    /// A new object with a text of so many bytes, in an entry of the table, with edges to what other entries hold.
    fn make(&mut self, cx: &mut Mutator<'_>, world: &mut World, entry: usize, text: usize) -> Result<(), GaveUp> {
        let (id, text) = (world.objects.len() as u64, (text > 0).then_some(text));
        let from = [self.random.below(ENTRIES), self.random.below(ENTRIES)];
        let node = self.attempt(cx, world, |cx| {
            let node = cx.alloc(Node { id, edges: Default::default(), text: Slot::null() })?;
            if let Some(len) = text {
                let fill = |bytes: &mut [u8]| (bytes[0], bytes[len - 1]) = ends(id);
                let bytes = cx.alloc_array_with(cx.try_array_class::<u8, ()>()?, (), len, fill)?;
                cx.set(node, |node| &node.text, Some(bytes));
            }
            let table = world.table.as_ref().expect("the table is made first").get(cx);
            for (edge, from) in from.into_iter().enumerate() {
                cx.set(node, |node| &node.edges[edge], table.element(from));
            }
            Ok(cx.root(node))
        })?;
        world.objects.push((from.map(|from| world.entries[from]), text));
        world.entries[entry] = Some(id);
        let table = world.table.as_ref().expect("the table is made first").get(cx);
        cx.set_element(table, entry, Some(node.get(cx)));
        Ok(())
    }

    /// Empties all entries but every n-th, and gives memory back.
    fn drop_and_trim(&mut self, cx: &mut Mutator<'_>, world: &mut World, every: usize) {
        let table = world.table.as_ref().expect("the table is made first").get(cx);
        for entry in (0..ENTRIES).filter(|entry| entry % every != 0) {
            cx.set_element(table, entry, None);
            world.entries[entry] = None;
        }
        world.check(cx);
        let heap = cx.heap();
        for _ in 0..3 {
            let (before, refused) = (heap.stats(), self.os.failed_calls());
            let given = heap.trim(0) as u64;
            let after = heap.stats();
            assert_eq!(after.released_bytes - before.released_bytes, given, "what was refused was not given back");
            assert!(before.committed_bytes - after.committed_bytes <= given, "pages between objects stay committed");
            if self.os.failed_calls() == refused && heap.trim(0) == 0 {
                break;
            }
        }
        world.check(cx);
    }

    /// Everything that asks the system for something.
    fn scenario(&mut self, cx: &mut Mutator<'_>, world: &mut World) -> Result<(), GaveUp> {
        // Types, until their records fill more than one piece of memory.
        let table = self.attempt(cx, world, |cx| {
            Ok(cx.root(cx.alloc_array(cx.try_array_class::<Slot<Node>, ()>()?, (), ENTRIES)?))
        })?;
        world.table = Some(table);
        self.attempt(cx, world, |cx| Ok(cx.try_class::<Node>().map(drop)?))?;
        for size in 1..=RAW_TYPES {
            self.attempt(cx, world, |cx| {
                let layout = cx.register_layout("raw", TypeLayout::leaf::<u64>().repeated(size), None)?;
                cx.alloc_raw(layout, 0).map(drop)
            })?;
        }
        // Small objects of many sizes, large ones, some that fill arenas, one that has an arena to itself.
        for round in 0..3 {
            for n in 0..ENTRIES {
                let text = match n % 4 {
                    0 => 0,
                    1 => self.random.below(200),
                    2 => self.random.below(32 * KIB),
                    _ => 32 * KIB + self.random.below(400 * KIB),
                };
                self.make(cx, world, n, text)?;
            }
            let large = [20 * MIB, 35 * MIB, 30 * MIB][round];
            self.make(cx, world, 5 * round, large)?;
            self.make(cx, world, 7, 70 * MIB)?;
        }
        // Stacks that grow, and shrink again.
        for n in 0..STACKS {
            let stack = self.attempt(cx, world, |cx| match cx.alloc_stack::<Family>(4 << n) {
                Ok(stack) => Ok(cx.root(stack)),
                Err(StackError::Alloc(error)) => Err(error),
                Err(StackError::Overflow(error)) => panic!("{error}"),
            })?;
            world.stacks.push((stack, Vec::new()));
        }
        for n in 0..STACKS {
            let slots = 200 << (n + 1);
            self.attempt(cx, world, |cx| {
                let stack = world.stacks[n].0.get(cx);
                cx.switch_stack(Some(stack));
                match cx.grow_stack(stack, slots, |_, _| ()) {
                    Ok(()) => Ok(()),
                    Err(StackError::Alloc(error)) => Err(error),
                    Err(StackError::Overflow(error)) => panic!("{error}"),
                }
            })?;
            let (stack, reference) = &mut world.stacks[n];
            let (stack, table) = (stack.get(cx), world.table.as_ref().expect("the table is made first").get(cx));
            for slot in 0..60 {
                let entry = self.random.below(ENTRIES);
                // SAFETY: this mutator runs on the stack.
                unsafe { stack.slots()[slot].store_running(table.element(entry)) };
                reference.push(world.entries[entry]);
            }
            stack.set_top(reference.len());
            cx.safepoint();
        }
        world.check(cx);
        for (stack, _) in &world.stacks {
            // Memory that is short for the smaller block is no error.
            cx.shrink_stack(stack.get(cx), 0, |_, _| ());
        }
        // Most of it dies and goes back to the system, and comes again.
        self.drop_and_trim(cx, world, 5);
        for n in 0..ENTRIES {
            self.make(cx, world, n, [0, 900, 5 * KIB, 90 * KIB, 3 * MIB][n % 5])?;
        }
        cx.switch_stack::<Family>(None);
        world.stacks.truncate(1);
        self.drop_and_trim(cx, world, ENTRIES);
        Ok(())
    }
}

/// Runs the scenario once for each request that it makes. Returns the last request's number.
fn refuse_each(refusal: fn(u64) -> Refusal) {
    // What is populated ahead the collector's thread does when it gets to it, or not at all.
    let (mut refused, mut errors, mut by_kind) = (0, 0, [0; Request::ALL.len()]);
    for n in 1.. {
        let (os, refusal) = (MockOs::new(), refusal(n));
        match refusal {
            Refusal::Once(n) => os.fail_at(n),
            Refusal::UntilSeen(n) | Refusal::ForGood(n) => os.fail_from(n),
        }
        let builder = Heap::builder().os(Box::new(os.clone())).verify(true).initial_goal(1 << 40);
        let heap = builder.huge_pages(HugePages::Always).build().unwrap();
        let mut run = Run { os: &os, refusal, random: Random::new(271), errors: 0, recovered: false };
        let ended = heap
            .attach(|cx| {
                let mut world =
                    World { objects: Vec::new(), table: None, entries: [None; ENTRIES], stacks: Vec::new() };
                let ended = run.scenario(cx, &mut world);
                world.check(cx);
                ended
            })
            .unwrap();
        drop(heap);
        assert_eq!((os.live_mappings(), os.live_bytes()), (0, 0), "request {n}");
        let kinds = Request::ALL.map(|kind| os.failed_calls_of(kind));
        match refusal {
            Refusal::Once(_) => {
                assert!(os.failed_calls() <= 1 && run.errors <= os.failed_calls());
                assert!(kinds[Request::Alloc as usize] <= run.errors, "a record was made without memory");
                let harmless = kinds[Request::ReserveAt as usize] + kinds[Request::Discard as usize];
                assert_eq!(
                    harmless.min(run.errors),
                    0,
                    "another place will do, and what is not taken back stays usable"
                );
            }
            Refusal::UntilSeen(_) => assert!(ended.is_ok()),
            Refusal::ForGood(_) => assert_eq!(ended.is_err(), run.errors == 1),
        }
        if os.failed_calls() == 0 {
            let kinds: Vec<_> = Request::ALL.into_iter().zip(by_kind).filter(|&(_, count)| count > 0).collect();
            eprintln!("{} runs, {refused} requests refused, {errors} errors: {kinds:?}", n - 1);
            println!("figures: failing_os positions={} failures={refused} errors={errors}", n - 1);
            assert!(n > 60 && errors > 10, "the scenario makes requests of every kind");
            let unseen = Request::ALL.iter().filter(|&&kind| by_kind[kind as usize] == 0);
            assert!(
                unseen.clone().all(|kind| matches!(kind, Request::Resident | Request::Reserve | Request::Populate)),
                "{kinds:?}"
            );
            return;
        }
        refused += os.failed_calls();
        errors += run.errors;
        by_kind.iter_mut().zip(kinds).for_each(|(sum, count)| *sum += count);
    }
}

#[test]
fn one_request_is_refused() {
    refuse_each(Refusal::Once);
}

#[test]
fn all_requests_from_one_on_are_refused_for_a_while() {
    refuse_each(Refusal::UntilSeen);
}

#[test]
fn all_requests_from_one_on_are_refused_for_good() {
    refuse_each(Refusal::ForGood);
}
