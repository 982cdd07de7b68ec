//! Writing to tables: replacing, inserting, and making room.
//!
//! All allocation happens before the first change, so a table is never left half done when memory runs out.

use spanheap::{Array, Gc};

use super::{Node, array_part, find_int, find_key, find_str, hash_int, hash_key, node_part, normalise};
use crate::string;
use crate::value::{Str, Tab, Value, ValueCell, read};
use crate::vm::{Memory, Vm};

/// Why a key cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The key is nil.
    Nil,
    /// The key is not a number (a NaN).
    NaN,
    /// There is no memory for the bigger table.
    Memory,
}

impl From<Memory> for KeyError {
    fn from(_: Memory) -> Self {
        KeyError::Memory
    }
}

/// Largest array part: 2^26 values, one GiB.
const ARRAY_BITS: usize = 26;

#[inline(always)]
fn store_value<'h>(vm: &Vm<'h>, nodes: Gc<'_, 'h, Array<Node>>, index: usize, value: Value<'_, 'h>) {
    vm.cx().set_pair(nodes, |nodes| &nodes.elements()[index].value, value);
}

#[inline(always)]
fn store_key<'h>(vm: &Vm<'h>, nodes: Gc<'_, 'h, Array<Node>>, index: usize, key: Value<'_, 'h>) {
    vm.cx().set_pair(nodes, |nodes| &nodes.elements()[index].key, key);
}

/// Stores to `t[s]` if that is not nil now; says whether it did.
#[inline(always)]
pub fn replace_str<'h>(vm: &Vm<'h>, t: Tab<'_, 'h>, key: Str<'_, 'h>, value: Value<'_, 'h>) -> bool {
    if let Some(nodes) = node_part(t)
        && let Some(index) = find_str(t, nodes.elements(), key)
        && !read(&nodes.elements()[index].value).is_nil()
    {
        store_value(vm, nodes, index, value);
        return true;
    }
    false
}

/// Stores to `t[i]` if that is not nil now; says whether it did.
#[inline(always)]
pub fn replace_int<'h>(vm: &Vm<'h>, t: Tab<'_, 'h>, i: i64, value: Value<'_, 'h>) -> bool {
    let index = (i as usize).wrapping_sub(1);
    if let Some(array) = array_part(t)
        && let Some(cell) = array.elements().get(index)
    {
        if read(cell).is_nil() {
            return false;
        }
        vm.cx().set_pair_element(array, index, value);
        return true;
    }
    replace_int_hashed(vm, t, i, value)
}

fn replace_int_hashed<'h>(vm: &Vm<'h>, t: Tab<'_, 'h>, i: i64, value: Value<'_, 'h>) -> bool {
    if let Some(nodes) = node_part(t)
        && let Some(index) = find_int(t, nodes.elements(), i)
        && !read(&nodes.elements()[index].value).is_nil()
    {
        store_value(vm, nodes, index, value);
        return true;
    }
    false
}

/// `t[i] = value` without metamethods.
#[inline]
pub fn set_int<'h>(vm: &Vm<'h>, t: Tab<'_, 'h>, i: i64, value: Value<'_, 'h>) -> Result<(), Memory> {
    let index = (i as usize).wrapping_sub(1);
    if let Some(array) = array_part(t)
        && index < array.len()
    {
        vm.cx().set_pair_element(array, index, value);
        return Ok(());
    }
    if let Some(nodes) = node_part(t)
        && let Some(index) = find_int(t, nodes.elements(), i)
    {
        store_value(vm, nodes, index, value);
        return Ok(());
    }
    if value.is_nil() { Ok(()) } else { insert(vm, t, Value::int(i), hash_int(i), value) }
}

/// `t[s] = value` for a string, without metamethods.
#[inline]
pub fn set_str<'h>(vm: &Vm<'h>, t: Tab<'_, 'h>, key: Str<'_, 'h>, value: Value<'_, 'h>) -> Result<(), Memory> {
    t.absent.set(0);
    if let Some(nodes) = node_part(t)
        && let Some(index) = find_str(t, nodes.elements(), key)
    {
        store_value(vm, nodes, index, value);
        return Ok(());
    }
    if value.is_nil() { Ok(()) } else { insert(vm, t, Value::str(key), string::hash(key), value) }
}

/// `t[key] = value` without metamethods.
pub fn set<'h>(vm: &Vm<'h>, t: Tab<'_, 'h>, key: Value<'_, 'h>, value: Value<'_, 'h>) -> Result<(), KeyError> {
    if let Some(s) = key.as_str() {
        return Ok(set_str(vm, t, s, value)?);
    }
    let key = normalise(key);
    if let Some(i) = key.as_int() {
        return Ok(set_int(vm, t, i, value)?);
    }
    if key.is_nil() {
        return Err(KeyError::Nil);
    }
    if key.as_float().is_some_and(f64::is_nan) {
        return Err(KeyError::NaN);
    }
    if let Some(nodes) = node_part(t)
        && let Some(index) = find_key(t, nodes.elements(), key)
    {
        store_value(vm, nodes, index, value);
        return Ok(());
    }
    if value.is_nil() { Ok(()) } else { Ok(insert(vm, t, key, hash_key(key), value)?) }
}

/// Inserts a key that the table does not have; makes room if there is none.
fn insert<'h>(vm: &Vm<'h>, t: Tab<'_, 'h>, key: Value<'_, 'h>, hash: u32, value: Value<'_, 'h>) -> Result<(), Memory> {
    if let Some(nodes) = node_part(t)
        && place(vm, t, nodes, t.mask.get(), key, hash, value)
    {
        return Ok(());
    }
    rehash(vm, t, key)?;
    // Now either the array part has a place for the key or the hash part has a free node.
    if let Some(i) = key.as_int()
        && let Some(array) = array_part(t)
        && (i as usize).wrapping_sub(1) < array.len()
    {
        vm.cx().set_pair_element(array, i as usize - 1, value);
    } else if let Some(nodes) = node_part(t) {
        place(vm, t, nodes, t.mask.get(), key, hash, value);
    }
    Ok(())
}

/// Puts a new key into the hash part. False when no node is free.
fn place<'h>(
    vm: &Vm<'h>,
    t: Tab<'_, 'h>,
    nodes: Gc<'_, 'h, Array<Node>>,
    mask: u32,
    key: Value<'_, 'h>,
    hash: u32,
    value: Value<'_, 'h>,
) -> bool {
    let all = nodes.as_ref().elements();
    let main = (hash & mask) as usize;
    let occupant = &all[main];
    let mut target = main;
    if !read(&occupant.value).is_nil() {
        let mut free = t.free.get() as usize;
        loop {
            if free == 0 {
                t.free.set(0);
                return false;
            }
            free -= 1;
            if read(&all[free].key).is_nil() {
                break;
            }
        }
        t.free.set(free as u32);
        let owner = (occupant.hash.get() & mask) as usize;
        if owner == main {
            // The occupant is at home: the new key goes to the free node, second in the chain.
            all[free].next.set(occupant.next.get());
            occupant.next.set(free as u32 + 1);
            target = free;
        } else {
            // The occupant is a guest of another chain: it moves to the free node and the new key takes its home.
            let mut previous = owner;
            while all[previous].next.get() as usize != main + 1 {
                previous = all[previous].next.get() as usize - 1;
            }
            store_key(vm, nodes, free, read(&occupant.key));
            store_value(vm, nodes, free, read(&occupant.value));
            all[free].hash.set(occupant.hash.get());
            all[free].next.set(occupant.next.get());
            all[previous].next.set(free as u32 + 1);
            occupant.next.set(0);
        }
    }
    // An occupant without a value is a removed key. It may hang in another chain; its node stays linked there, which does
    // no harm, and is now the head of the search for the new key.
    store_key(vm, nodes, target, key);
    all[target].hash.set(hash);
    store_value(vm, nodes, target, value);
    true
}

/// How many integer keys fall into each range `(2^(k-1), 2^k]`.
struct Census {
    ranges: [usize; ARRAY_BITS + 1],
    integers: usize,
    total: usize,
}

impl Census {
    fn count(&mut self, key: Value<'_, '_>) {
        self.total += 1;
        if let Some(i) = key.as_int()
            && (1..=1 << ARRAY_BITS).contains(&i)
        {
            self.integers += 1;
            self.ranges[range_of(i as usize)] += 1;
        }
    }

    /// The largest power of two such that more than half of the keys up to it are present, and how many those are.
    fn best_array(&self) -> (usize, usize) {
        let (mut best, mut inside, mut sum) = (0, 0, 0);
        for (k, &count) in self.ranges.iter().enumerate() {
            sum += count;
            if sum > (1 << k) / 2 {
                best = 1 << k;
                inside = sum;
            }
            if sum == self.integers {
                break;
            }
        }
        (best, inside)
    }
}

fn range_of(i: usize) -> usize {
    (usize::BITS - (i - 1).leading_zeros()) as usize
}

/// Chooses new sizes for both parts so that all keys and `extra` have room.
#[inline(never)]
fn rehash<'h>(vm: &Vm<'h>, t: Tab<'_, 'h>, extra: Value<'_, 'h>) -> Result<(), Memory> {
    let mut census = Census { ranges: [0; ARRAY_BITS + 1], integers: 0, total: 0 };
    if let Some(array) = array_part(t) {
        let mut at = 0;
        for (k, range) in census.ranges.iter_mut().enumerate() {
            let end = array.len().min(1 << k);
            let present = array.elements()[at..end].iter().filter(|cell| !read(cell).is_nil()).count();
            *range += present;
            census.integers += present;
            census.total += present;
            at = end;
            if at == array.len() {
                break;
            }
        }
    }
    if let Some(nodes) = node_part(t) {
        for node in nodes.elements().iter().filter(|node| !read(&node.value).is_nil()) {
            census.count(read(&node.key));
        }
    }
    census.count(extra);
    let (array_size, inside) = census.best_array();
    resize(vm, t, array_size, census.total - inside)
}

/// Makes room for `array_size` array items and `hashed` other entries in a table that has no such room yet.
pub fn reserve<'h>(vm: &Vm<'h>, t: Tab<'_, 'h>, array_size: usize, hashed: usize) -> Result<(), Memory> {
    resize(vm, t, array_size.min(1 << ARRAY_BITS), hashed.min(1 << 28))
}

/// Makes the array part at least `items` long, keeping the rest as it is.
pub fn reserve_items<'h>(vm: &Vm<'h>, t: Tab<'_, 'h>, items: usize) -> Result<(), Memory> {
    if array_part(t).map_or(0, |array| array.len()) >= items {
        return Ok(());
    }
    let hashed = node_part(t).map_or(0, |nodes| nodes.elements().iter().filter(|n| !read(&n.value).is_nil()).count());
    reserve(vm, t, items, hashed)
}

/// `to[at + i] = from[first + i]` for `i` from 0 to `count` (exclusive), as if all were read before the first is stored, and
/// without metamethods. Says whether it did: it does if all of these items have places in the array parts.
pub fn move_items<'h>(vm: &Vm<'h>, from: Tab<'_, 'h>, first: i64, count: i64, to: Tab<'_, 'h>, at: i64) -> bool {
    let places = |t: Tab<'_, 'h>, first: i64| {
        let (begin, len) = (usize::try_from(first.checked_sub(1)?).ok()?, array_part(t)?.len());
        let end = begin.checked_add(usize::try_from(count).ok()?)?;
        (end <= len).then_some(begin..end)
    };
    let (Some(range), Some(places)) = (places(from, first), places(to, at)) else { return false };
    let (Some(from), Some(to)) = (array_part(from), array_part(to)) else { return false };
    vm.cx().copy_pair_elements(from, range, to, places.start);
    true
}

fn resize<'h>(vm: &Vm<'h>, t: Tab<'_, 'h>, array_size: usize, hashed: usize) -> Result<(), Memory> {
    let (old_array, old_nodes) = (array_part(t), node_part(t));
    let old_size = old_array.map_or(0, |array| array.len());
    let array = if array_size == old_size {
        old_array
    } else if array_size == 0 {
        None
    } else {
        Some(vm.alloc_cells(array_size)?)
    };
    let nodes = if hashed == 0 { None } else { Some(vm.alloc_nodes(hashed.next_power_of_two())?) };

    let cx = vm.cx();
    if array_size != old_size {
        if let (Some(old), Some(new)) = (old_array, array) {
            cx.copy_pair_elements(old, 0..array_size.min(old_size), new, 0);
        }
        cx.set(t, |t| &t.array, array);
    }
    cx.set(t, |t| &t.nodes, nodes);
    let size = nodes.map_or(0, |nodes| nodes.len() as u32);
    t.mask.set(size.wrapping_sub(1));
    t.free.set(size);
    // The part of the array that was cut off, then the old nodes, go through the new sizes.
    if let Some(old) = old_array {
        for (index, cell) in old.elements().iter().enumerate().skip(array_size) {
            place_again(vm, t, array, nodes, Value::int(index as i64 + 1), read(cell));
        }
    }
    if let Some(old) = old_nodes {
        for node in old.elements() {
            place_again(vm, t, array, nodes, read(&node.key), read(&node.value));
        }
    }
    Ok(())
}

fn place_again<'h>(
    vm: &Vm<'h>,
    t: Tab<'_, 'h>,
    array: Option<Gc<'_, 'h, Array<ValueCell>>>,
    nodes: Option<Gc<'_, 'h, Array<Node>>>,
    key: Value<'_, 'h>,
    value: Value<'_, 'h>,
) {
    if value.is_nil() {
        return;
    }
    if let Some(i) = key.as_int()
        && let Some(array) = array
        && (i as usize).wrapping_sub(1) < array.len()
    {
        vm.cx().set_pair_element(array, i as usize - 1, value);
    } else if let Some(nodes) = nodes {
        place(vm, t, nodes, t.mask.get(), key, hash_key(key), value);
    }
}
