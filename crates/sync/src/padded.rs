//! Padding against false sharing.
//!
//! Owns: [`Padded`]. Callers: structures whose fields different threads write.

use core::ops::{Deref, DerefMut};

/// A value alone on its cache lines.
///
/// 128 bytes and not 64: the adjacent-line prefetcher of x86-64 moves lines in pairs, and some aarch64 cores have
/// lines of 128 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(128))]
pub struct Padded<T>(T);

impl<T> Padded<T> {
    /// Pads `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Unwraps the value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Padded<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Padded<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Padded<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::Padded;

    #[test]
    fn neighbours_do_not_share_a_line() {
        let pair = [Padded::new(1u8), Padded::new(2u8)];
        let distance = (&raw const pair[1]).addr() - (&raw const pair[0]).addr();
        assert_eq!(distance, 128);
        assert_eq!((&raw const *pair[0]).addr() % 128, 0);
    }

    #[test]
    fn the_value_is_reached_through_the_padding() {
        let mut padded = Padded::from(3);
        *padded += 4;
        assert_eq!(padded.into_inner(), 7);
    }
}
