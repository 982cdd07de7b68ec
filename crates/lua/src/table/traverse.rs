//! Reading tables in order: the length operator and `next`.

use super::{array_part, find_int, find_key, get_int_hashed, node_part, normalise};
use crate::value::{Tab, Value, read};

/// A border of the table: `t[n]` is not nil (or n is 0) and `t[n + 1]` is nil.
#[inline]
pub fn length(t: Tab<'_, '_>) -> i64 {
    let Some(array) = array_part(t) else { return if node_part(t).is_none() { 0 } else { hashed_border(t, 0) } };
    let cells = array.elements();
    let present = |n: usize| n == 0 || !read(&cells[n - 1]).is_nil();
    if present(cells.len()) {
        return if node_part(t).is_none() { cells.len() as i64 } else { hashed_border(t, cells.len()) };
    }
    // Most tables grow or shrink by one between two questions.
    let hint = t.border.get() as usize;
    if hint < cells.len() && present(hint) {
        if !present(hint + 1) {
            return hint as i64;
        }
        if hint + 1 < cells.len() && !present(hint + 2) {
            t.border.set(hint as u32 + 1);
            return hint as i64 + 1;
        }
    }
    if hint > 0 && hint <= cells.len() && present(hint - 1) && !present(hint) {
        t.border.set(hint as u32 - 1);
        return hint as i64 - 1;
    }
    let (mut low, mut high) = (0, cells.len());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if present(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    t.border.set(low as u32);
    low as i64
}

/// A border at or above `from`, where `from` itself is present (or 0) and above the array part.
fn hashed_border(t: Tab<'_, '_>, from: usize) -> i64 {
    let present = |n: i64| !get_int_hashed(t, n).is_nil();
    let mut low = from as i64;
    if !present(low + 1) {
        return low;
    }
    let mut high = low + 1;
    while present(high) {
        low = high;
        if high > i64::MAX / 2 {
            // Someone has filled the table on purpose; a linear search must end.
            let mut n = from as i64 + 1;
            while present(n) {
                n += 1;
            }
            return n - 1;
        }
        high *= 2;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if present(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The entry after `key` (the first for nil): `Some(None)` at the end, `None` when the table has no such key.
pub fn next<'m, 'h>(t: Tab<'m, 'h>, key: Value<'_, '_>) -> Option<Option<(Value<'m, 'h>, Value<'m, 'h>)>> {
    let cells = array_part(t).map_or(&[][..], |array| array.as_ref().elements());
    let nodes = node_part(t).map_or(&[][..], |nodes| nodes.as_ref().elements());
    let key = normalise(key);
    let start = if key.is_nil() {
        0
    } else if let Some(i) = key.as_int().filter(|&i| i >= 1 && i as u64 <= cells.len() as u64) {
        i as usize
    } else {
        let found = match key.as_int() {
            Some(i) if !nodes.is_empty() => find_int(t, nodes, i),
            _ if !nodes.is_empty() => find_key(t, nodes, key),
            _ => None,
        };
        cells.len() + found? + 1
    };
    for (index, cell) in cells.iter().enumerate().skip(start) {
        let value = read(cell);
        if !value.is_nil() {
            return Some(Some((Value::int(index as i64 + 1), value)));
        }
    }
    for node in nodes.iter().skip(start.saturating_sub(cells.len())) {
        let value = read(&node.value);
        if !value.is_nil() {
            return Some(Some((read(&node.key), value)));
        }
    }
    Some(None)
}
