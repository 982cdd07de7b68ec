//! Which arena is the lowest that may have a free run of some length.
//!
//! *Callers:* the page heap's search. *Invariants:* a bound is never less than the longest free run of its arena. It is
//! raised when pages come back, and lowered to what a search found when it failed: so a search that fails in an arena
//! is paid for by a change to that arena. The bounds are the leaves of a tree of maxima, dense in one vector, so that
//! the search among thousands of arenas looks at one path.

/// Upper bounds of the longest free run, in pages, of each arena in address order.
#[derive(Default)]
pub(super) struct Bounds {
    /// Places for leaves: a power of two, or 0.
    width: usize,
    /// The maxima: the root is number 1, the children of `n` are `2n` and `2n + 1`, the leaves start at `width`.
    nodes: Vec<u16>,
}

impl Bounds {
    /// The lowest arena with a bound of at least `pages`, which is not 0.
    #[inline]
    pub(super) fn first(&self, pages: usize) -> Option<usize> {
        let reaches = |node: usize| self.nodes[node] as usize >= pages;
        if self.width == 0 || !reaches(1) {
            return None;
        }
        let mut node = 1;
        while node < self.width {
            node = 2 * node + usize::from(!reaches(2 * node));
        }
        Some(node - self.width)
    }

    /// Sets the bound of an arena.
    #[inline]
    pub(super) fn set(&mut self, arena: usize, pages: usize) {
        let mut node = self.width + arena;
        self.nodes[node] = pages as u16;
        while node > 1 {
            node /= 2;
            let most = self.nodes[2 * node].max(self.nodes[2 * node + 1]);
            if self.nodes[node] == most {
                return;
            }
            self.nodes[node] = most;
        }
    }

    /// Raises the bound of an arena, if it is lower.
    #[inline]
    pub(super) fn raise(&mut self, arena: usize, pages: usize) {
        if (self.nodes[self.width + arena] as usize) < pages {
            self.set(arena, pages);
        }
    }

    /// Makes room for a new arena before number `place` of `arenas` that there are, and sets its bound. Takes time in
    /// proportion to the number of arenas.
    pub(super) fn insert(&mut self, place: usize, arenas: usize, pages: usize) {
        let mut leaves = self.nodes[self.width..self.width + arenas].to_vec();
        leaves.insert(place, pages as u16);
        self.width = leaves.len().next_power_of_two();
        leaves.resize(self.width, 0);
        self.nodes = vec![0; self.width];
        self.nodes.append(&mut leaves);
        for node in (1..self.width).rev() {
            self.nodes[node] = self.nodes[2 * node].max(self.nodes[2 * node + 1]);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equal_a_vector(steps in prop::collection::vec((any::<prop::sample::Index>(), 0usize..9000, 0u8..3), 1..80)) {
            let (mut bounds, mut naive) = (Bounds::default(), Vec::new());
            for (place, pages, action) in steps {
                if naive.is_empty() || action == 0 {
                    let place = place.index(naive.len() + 1);
                    bounds.insert(place, naive.len(), pages);
                    naive.insert(place, pages);
                } else {
                    let place = place.index(naive.len());
                    if action == 1 {
                        bounds.set(place, pages);
                        naive[place] = pages;
                    } else {
                        bounds.raise(place, pages);
                        naive[place] = naive[place].max(pages);
                    }
                }
                for least in [1, pages.max(1), pages + 1] {
                    prop_assert_eq!(bounds.first(least), naive.iter().position(|&bound| bound >= least));
                }
            }
        }
    }
}
