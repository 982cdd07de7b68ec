//! Lua tables: an array part for the keys 1 to n and a hash part for everything else, both objects in the heap.
//!
//! The hash part is a chained scatter table: every key is reached from its main position (its hash masked) by `next`
//! links inside the node array, and a node that sits in another key's main position is moved away when that key
//! arrives. Nodes keep the hash of their key, so looking a string up touches only key strings that match. Keys are
//! normalised: a float with an integer value is stored as that integer. A removed key stays in its node with a nil value,
//! so that a traversal may remove what it visits; the next rehash drops it.
//!
//! Who may write: only this module and its parts, through the mutator's barrier.

mod insert;
mod traverse;

use spanheap::{Array, Data, Gc, Slot, Trace};

pub use insert::{KeyError, move_items, replace_int, replace_str, reserve, reserve_items, set, set_int, set_str};
pub use traverse::{length, next};

use crate::string;
use crate::value::{Kind, Str, Tab, Value, ValueCell, int_of, raw_equal, read, tag};

/// A table.
#[derive(Trace)]
pub struct Table {
    /// The values of the keys 1 to n; null when n is 0.
    array: Slot<Array<ValueCell>>,
    /// The hash part, a power of two long; null when empty.
    nodes: Slot<Array<Node>>,
    /// The metatable.
    pub metatable: Slot<Table>,
    /// Length of the node array minus one.
    mask: Data<u32>,
    /// All nodes from here up are in use.
    free: Data<u32>,
    /// Where the length operator found the border last; only a hint.
    border: Data<u32>,
    /// For a table used as a metatable: bit `e` set means that event `e` is known to be absent.
    absent: Data<u32>,
}

impl Table {
    /// An empty table.
    #[inline(always)]
    pub fn empty() -> Self {
        Table {
            array: Slot::null(),
            nodes: Slot::null(),
            metatable: Slot::null(),
            mask: Data::new(0),
            free: Data::new(0),
            border: Data::new(0),
            absent: Data::new(0),
        }
    }

    /// Whether event number `event` is known to be absent from this metatable.
    #[inline(always)]
    pub fn lacks_event(&self, event: u32) -> bool {
        self.absent.get() & 1 << event != 0
    }

    /// Remembers that event number `event` (below 32) is absent.
    pub fn note_absent(&self, event: u32) {
        self.absent.set(self.absent.get() | 1 << event);
    }
}

/// One entry of the hash part.
#[derive(Trace)]
pub struct Node {
    /// The value; nil in a free node and after a removal.
    value: ValueCell,
    /// The key; nil only in a node that was never used.
    key: ValueCell,
    /// Index of the next node of the chain plus one; 0 ends it.
    next: Data<u32>,
    /// The key's hash.
    hash: Data<u32>,
}

/// The hash of an integer key.
#[inline(always)]
fn hash_int(i: i64) -> u32 {
    ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// The hash of a normalised key.
#[inline]
fn hash_key(key: Value<'_, '_>) -> u32 {
    match key.as_str() {
        Some(s) => string::hash(s),
        None if key.tag() == tag::INT => hash_int(key.payload() as i64),
        None => hash_int((key.payload() >> 3) as i64 ^ (key.tag() as i64) << 60),
    }
}

/// A float key with an integer value becomes that integer.
#[inline(always)]
fn normalise<'m, 'h>(key: Value<'m, 'h>) -> Value<'m, 'h> {
    match key.as_float().and_then(int_of) {
        Some(i) => Value::int(i),
        None => key,
    }
}

#[inline(always)]
fn array_part<'m, 'h>(t: Tab<'m, 'h>) -> Option<Gc<'m, 'h, Array<ValueCell>>> {
    t.load(|t| &t.array)
}

#[inline(always)]
fn node_part<'m, 'h>(t: Tab<'m, 'h>) -> Option<Gc<'m, 'h, Array<Node>>> {
    t.load(|t| &t.nodes)
}

/// Walks the chain of `hash` and returns the index of the first node that `matches`.
#[inline(always)]
fn find(nodes: &[Node], mask: u32, hash: u32, matches: impl Fn(&Node) -> bool) -> Option<usize> {
    let mut index = (hash & mask) as usize;
    loop {
        let node = nodes.get(index)?;
        if node.hash.get() == hash && matches(node) {
            return Some(index);
        }
        // The end of the chain, 0, wraps to an index that no array has.
        index = (node.next.get() as usize).wrapping_sub(1);
    }
}

#[inline(always)]
fn find_str(t: Tab<'_, '_>, nodes: &[Node], key: Str<'_, '_>) -> Option<usize> {
    find(nodes, t.mask.get(), string::hash(key), |node| {
        let (tag, payload) = node.key.words();
        tag == tag::STRING && (payload == key.addr() || same_string(&node.key, key))
    })
}

#[inline(never)]
fn same_string(cell: &ValueCell, key: Str<'_, '_>) -> bool {
    read(cell).as_str().is_some_and(|s| string::equal(s, key))
}

#[inline(always)]
fn find_int(t: Tab<'_, '_>, nodes: &[Node], key: i64) -> Option<usize> {
    find(nodes, t.mask.get(), hash_int(key), |node| node.key.words() == (tag::INT, key as usize))
}

/// Finds any normalised key.
fn find_key(t: Tab<'_, '_>, nodes: &[Node], key: Value<'_, '_>) -> Option<usize> {
    match key.as_str() {
        Some(s) => find_str(t, nodes, s),
        None => find(nodes, t.mask.get(), hash_key(key), |node| raw_equal(read(&node.key), key)),
    }
}

/// `t[i]` without metamethods.
#[inline(always)]
pub fn get_int<'m, 'h>(t: Tab<'m, 'h>, i: i64) -> Value<'m, 'h> {
    if let Some(array) = array_part(t)
        && let Some(cell) = array.as_ref().elements().get((i as usize).wrapping_sub(1))
    {
        return read(cell);
    }
    get_int_hashed(t, i)
}

#[inline]
fn get_int_hashed<'m, 'h>(t: Tab<'m, 'h>, i: i64) -> Value<'m, 'h> {
    let Some(nodes) = node_part(t) else { return Value::NIL };
    let nodes = nodes.as_ref().elements();
    find_int(t, nodes, i).map_or(Value::NIL, |index| read(&nodes[index].value))
}

/// `t[s]` for a string, without metamethods.
#[inline(always)]
pub fn get_str<'m, 'h>(t: Tab<'m, 'h>, key: Str<'_, '_>) -> Value<'m, 'h> {
    let Some(nodes) = node_part(t) else { return Value::NIL };
    let nodes = nodes.as_ref().elements();
    find_str(t, nodes, key).map_or(Value::NIL, |index| read(&nodes[index].value))
}

/// `t[key]` without metamethods.
#[inline]
pub fn get<'m, 'h>(t: Tab<'m, 'h>, key: Value<'_, '_>) -> Value<'m, 'h> {
    match key.kind() {
        Kind::Str(s) => get_str(t, s),
        Kind::Int(i) => get_int(t, i),
        Kind::Nil => Value::NIL,
        _ => {
            let key = normalise(key);
            if let Some(i) = key.as_int() {
                return get_int(t, i);
            }
            let Some(nodes) = node_part(t) else { return Value::NIL };
            let nodes = nodes.as_ref().elements();
            find_key(t, nodes, key).map_or(Value::NIL, |index| read(&nodes[index].value))
        }
    }
}

/// The metatable.
#[inline(always)]
pub fn metatable<'m, 'h>(t: Tab<'m, 'h>) -> Option<Tab<'m, 'h>> {
    t.load(|t| &t.metatable)
}
