//! Mutators build, link and drop one shared random graph while collections run all the time; a reference graph in
//! plain Rust says at every step what a slot must hold, and after every round what must be alive.
//!
//! *Callers:* tests that differ in the number of mutators, the heap's options, and what else happens meanwhile. *Invariants:*
//! operations on one object are made under a lock of that object, in the heap and in the reference together, so that
//! the two stay equal; operations on different objects run at once, and the collector beside all of them.

use crate::Random;
use spanheap::{Array, Bytes, Data, Gc, Heap, HeapBuilder, Mutator, Root, Slot, Trace};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

const EDGES: usize = 4;
const ENTRIES: usize = 512;
const LOCKS: usize = 256;
const MAGIC: u64 = 0x5af3_11e4_9d27_c0de;

#[derive(Trace)]
struct Node {
    id: u64,
    magic: u64,
    edges: [Slot<Node>; EDGES],
    text: Slot<Bytes>,
    wide: Slot<Array<Slot<Node>>>,
    visits: Data<u64>,
}

type Table = Array<Slot<Node>>;

/// The reference: what every slot of every object holds, by id. Ids of dead objects stay until the next comparison.
#[derive(Default)]
struct Object {
    edges: [Option<u64>; EDGES],
    text: usize,
    wide: Vec<Option<u64>>,
}

struct Reference {
    /// Objects, sharded by id like the locks.
    shards: Vec<Mutex<HashMap<u64, Object>>>,
    /// Entries of the shared table.
    entries: Vec<Mutex<Option<u64>>>,
    next_id: AtomicU64,
}

impl Reference {
    fn new() -> Reference {
        Reference {
            shards: (0..LOCKS).map(|_| Mutex::default()).collect(),
            entries: (0..ENTRIES).map(|_| Mutex::default()).collect(),
            next_id: AtomicU64::new(1),
        }
    }

    fn shard(&self, id: u64) -> MutexGuard<'_, HashMap<u64, Object>> {
        self.shards[id as usize % LOCKS].lock().unwrap()
    }

    /// Objects that the table reaches. Everything else is forgotten.
    fn retain_reachable(&self) -> usize {
        let mut all: HashMap<u64, Object> = HashMap::new();
        for shard in &self.shards {
            all.extend(shard.lock().unwrap().drain());
        }
        let mut queue: Vec<u64> = self.entries.iter().filter_map(|entry| *entry.lock().unwrap()).collect();
        let mut kept = 0;
        while let Some(id) = queue.pop() {
            if let Some(object) = all.remove(&id) {
                queue.extend(object.edges.iter().chain(&object.wide).flatten());
                self.shard(id).insert(id, object);
                kept += 1;
            }
        }
        kept
    }
}

fn text_of(id: u64, len: usize) -> Vec<u8> {
    (0..len).map(|index| (id as usize * 31 + index) as u8).collect()
}

fn check(node: Gc<'_, '_, Node>, id: u64) {
    assert_eq!((node.magic, node.id), (MAGIC ^ id, id), "a slot does not hold the object that was stored");
    node.visits.set(node.visits.get() + 1);
}

/// Makes an object with a random shape and enters it into the reference.
fn make<'m, 'h>(cx: &'m Mutator<'h>, reference: &Reference, random: &mut Random) -> Gc<'m, 'h, Node> {
    let id = reference.next_id.fetch_add(1, Ordering::Relaxed);
    let node = cx
        .alloc(Node {
            id,
            magic: MAGIC ^ id,
            edges: Default::default(),
            text: Slot::null(),
            wide: Slot::null(),
            visits: Data::new(0),
        })
        .unwrap();
    let mut object = Object::default();
    if random.below(3) == 0 {
        let most = if random.below(50) == 0 { 60_000 } else { 200 };
        object.text = 1 + random.below(most);
        cx.set(node, |node| &node.text, Some(cx.alloc_bytes(&text_of(id, object.text)).unwrap()));
    }
    if random.below(16) == 0 {
        let most = if random.below(50) == 0 { 9000 } else { 20 };
        let len = 1 + random.below(most);
        cx.set(node, |node| &node.wide, Some(cx.alloc_array(cx.array_class(), (), len).unwrap()));
        object.wide = vec![None; len];
    }
    reference.shard(id).insert(id, object);
    node
}

/// Follows a few random edges from a random entry, and checks every step against the reference.
fn walk<'m, 'h>(
    cx: &'m Mutator<'h>,
    table: Gc<'m, 'h, Table>,
    reference: &Reference,
    random: &mut Random,
) -> Option<Gc<'m, 'h, Node>> {
    let _ = cx;
    let entry = random.below(ENTRIES);
    let mut at = {
        let expected = reference.entries[entry].lock().unwrap();
        let node = table.element(entry);
        assert_eq!(node.map(|node| node.id), *expected);
        node?
    };
    for _ in 0..random.below(12) {
        let shard = reference.shard(at.id);
        let object = &shard[&at.id];
        let next = if !object.wide.is_empty() && random.below(2) == 0 {
            let index = random.below(object.wide.len());
            let wide = at.load(|node| &node.wide).expect("the object has a wide part");
            assert_eq!(wide.len(), object.wide.len());
            (wide.element(index), object.wide[index])
        } else {
            let edge = random.below(EDGES);
            (at.load(|node| &node.edges[edge]), object.edges[edge])
        };
        if let Some(text) = at.load(|node| &node.text) {
            let (expected, bytes) = (text_of(at.id, object.text), text.elements());
            assert!(
                bytes.len() == expected.len() && bytes.first() == expected.first() && bytes.last() == expected.last()
            );
        }
        assert_eq!(next.0.map(|node| node.id), next.1, "an edge does not hold what was stored");
        match next.0 {
            Some(node) => {
                check(node, node.id);
                at = node;
            }
            None => break,
        }
    }
    Some(at)
}

/// One random operation.
fn operate(cx: &Mutator<'_>, table: &Root<Table>, reference: &Reference, random: &mut Random) {
    let table = table.get(cx);
    match random.below(10) {
        // A new object replaces an entry, and what only that entry held is garbage.
        0..2 => {
            let node = make(cx, reference, random);
            let entry = random.below(ENTRIES);
            let mut expected = reference.entries[entry].lock().unwrap();
            cx.set_element(table, entry, Some(node));
            *expected = Some(node.id);
        }
        2 => {
            let entry = random.below(ENTRIES);
            let mut expected = reference.entries[entry].lock().unwrap();
            cx.set_element(table, entry, None);
            *expected = None;
        }
        // An edge from one reachable object to another, or to a new one, or to nothing.
        kind => {
            let Some(from) = walk(cx, table, reference, random) else { return };
            let to = match kind {
                3..6 => Some(make(cx, reference, random)),
                6..9 => walk(cx, table, reference, random),
                _ => None,
            };
            let mut shard = reference.shard(from.id);
            let object = shard.get_mut(&from.id).expect("a reachable object is in the reference");
            if !object.wide.is_empty() && random.below(2) == 0 {
                let index = random.below(object.wide.len());
                let wide = from.load(|node| &node.wide).expect("the object has a wide part");
                cx.set_element(wide, index, to);
                object.wide[index] = to.map(|node| node.id);
            } else {
                let edge = random.below(EDGES);
                cx.set(from, |node| &node.edges[edge], to);
                object.edges[edge] = to.map(|node| node.id);
            }
        }
    }
}

/// How the graph is worked on.
pub struct Run {
    /// The heap's options.
    pub builder: HeapBuilder,
    /// What one more thread does over and over, so that there are collections all the time.
    pub collect: fn(&Heap),
    /// Mutators.
    pub threads: u64,
    /// Operations of each mutator in a round.
    pub operations: u64,
    /// Where the random numbers begin.
    pub seed: u64,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Rounds, after each of which the heap was compared with the reference.
    pub rounds: u64,
    /// Operations of all mutators.
    pub operations: u64,
    /// Collections.
    pub cycles: u64,
    /// Collections after which the verifier found the heap in order.
    pub verified: u64,
    /// Objects that were found dead.
    pub freed: u64,
    /// Objects alive after the last round.
    pub kept: u64,
}

impl Run {
    /// As long as `go_on` says so, which is told what has happened so far: all threads operate, then the heap is collected and
    /// compared with the reference. At least one round.
    ///
    /// # Panics
    /// If the heap and the reference differ; if no collections ran, or nothing was freed.
    pub fn rounds(self, mut go_on: impl FnMut(&Outcome) -> bool) -> Outcome {
        let Run { builder, collect, threads, operations, seed } = self;
        let heap = builder.build().unwrap();
        let reference = Reference::new();
        let table = heap
            .attach(|cx| {
                let table = cx.alloc_array(cx.array_class::<Slot<Node>, ()>(), (), ENTRIES).unwrap();
                cx.root(table)
            })
            .unwrap();
        let mut outcome = Outcome::default();
        while outcome.rounds == 0 || go_on(&outcome) {
            let round = outcome.rounds;
            let done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let workers: Vec<_> = (0..threads)
                    .map(|thread| {
                        let (heap, table, reference) = (&heap, &table, &reference);
                        scope.spawn(move || {
                            let mut random = Random::new(seed + round * threads + thread + 1);
                            // Two attachments a round: mutators come and go while collections run.
                            for _ in 0..2 {
                                heap.attach(|cx| {
                                    for step in 0..operations / 2 {
                                        operate(cx, table, reference, &mut random);
                                        cx.safepoint();
                                        if step % 5000 == 0 {
                                            cx.native(std::thread::yield_now);
                                        }
                                    }
                                })
                                .unwrap();
                            }
                        })
                    })
                    .collect();
                let collections = scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        collect(&heap);
                    }
                });
                for worker in workers {
                    worker.join().unwrap();
                }
                done.store(true, Ordering::Relaxed);
                collections.join().unwrap();
            });
            let report = heap.collect().unwrap();
            let kept = reference.retain_reachable();
            assert_eq!(report.live_of::<Node>(), kept as u64, "round {round}: lost objects or zombies");
            heap.attach(|cx| {
                for entry in 0..ENTRIES {
                    let expected = *reference.entries[entry].lock().unwrap();
                    assert_eq!(table.get(cx).element(entry).map(|node| node.id), expected);
                }
            })
            .unwrap();
            let stats = heap.stats();
            outcome = Outcome {
                rounds: round + 1,
                operations: outcome.operations + operations * threads,
                cycles: stats.cycles,
                verified: stats.verified_cycles,
                freed: stats.freed_objects,
                kept: kept as u64,
            };
        }
        let stats = heap.stats();
        assert!(outcome.cycles > 2 * outcome.rounds, "collections ran: {}", outcome.cycles);
        assert!(outcome.freed > 0);
        let Outcome { operations, cycles, verified, freed, .. } = outcome;
        eprintln!(
            "figures: shared_graph operations={operations} cycles={cycles} cycles_verified={verified} freed={freed} longest_handshake={:?}",
            stats.longest_handshake
        );
        outcome
    }
}

/// Whole collections, one after the other.
///
/// # Panics
/// If the calling thread is attached.
pub fn collect(heap: &Heap) {
    heap.collect().unwrap();
}
