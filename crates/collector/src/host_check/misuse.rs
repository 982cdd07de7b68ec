//! What a host did wrong: the rule, the object, and where that was allocated.
//!
//! *Callers:* `host_check` makes them; the mutator layer shows them in a panic, the verifier before it ends the process.
//! *Invariants:* a message names its rule by the number that the documentation of the interface gives it.

use spanheap_allocator::WordKind;
use std::fmt;
use std::panic::Location;

/// A rule of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// An object's address is good until the next safepoint, unless something roots it.
    R1,
    /// Words with a kind are written by the functions of the interface only, each as what it is.
    R2,
    /// What is taken for an object of this heap is one, by its first byte.
    R4,
    /// An object is used as what it was allocated as.
    R5,
    /// A root source reports live objects.
    S2,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {self:?}")
    }
}

/// What is known of an object, dead or alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its address.
    pub addr: usize,
    /// Its type.
    pub name: &'static str,
    /// Objects allocated up to this one, itself included; 0 if it was never recorded.
    pub serial: u64,
    /// Where it was allocated, if it was recorded.
    pub at: &'static Location<'static>,
    /// Number of the last collection that had begun then.
    pub allocated_in: u64,
    /// Number of the collection that freed it.
    pub freed_in: Option<u64>,
}

impl Note {
    /// An object of which nothing but its type is known.
    pub(super) fn unrecorded(addr: usize, name: &'static str) -> Note {
        Note { addr, name, serial: 0, at: Location::caller(), allocated_in: 0, freed_in: None }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} at {:#x}", self.name, self.addr)?;
        if self.serial != 0 {
            write!(
                f,
                ", object {} of the heap, allocated at {} after collection {}",
                self.serial, self.at, self.allocated_in
            )?;
        }
        match self.freed_in {
            Some(cycle) => write!(f, ", freed by collection {cycle}"),
            None => Ok(()),
        }
    }
}

/// A mistake of the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// An object that was freed is still used: something forgot to root it at a safepoint.
    #[error("{rule}: {object} {what}: at the safepoint before, nothing rooted it")]
    Freed {
        /// The rule.
        rule: Rule,
        /// What the host does with it.
        what: &'static str,
        /// The object that is gone.
        object: Note,
    },
    /// An address within an object is taken for an object.
    #[error("{}: {word:#x} {what}, and lies {} bytes behind the start of {object}", Rule::R4, word - object.addr)]
    Inside {
        /// What the host does with it.
        what: &'static str,
        /// The address.
        word: usize,
        /// The object.
        object: Note,
    },
    /// A word is taken for an object and is none of this heap, and never was.
    #[error("{}: {word:#x} {what}, and is no object of this heap", Rule::R4)]
    Foreign {
        /// What the host does with it.
        what: &'static str,
        /// The word.
        word: usize,
    },
    /// An object is taken for one of another type.
    #[error("{}: {object} is taken for a {taken_for}", Rule::R5)]
    Type {
        /// The object.
        object: Note,
        /// The type that it is not.
        taken_for: &'static str,
    },
    /// A store of a reference names a word that holds none.
    #[error("{}: a Reference is stored at offset {offset} of {object}, where its layout has {}", Rule::R2, found.map_or("nothing".into(), |kind| format!("a {kind:?}")))]
    Word {
        /// The object.
        object: Note,
        /// Offset of the word in bytes.
        offset: usize,
        /// What the layout says.
        found: Option<WordKind>,
    },
    /// A reference was written past the interface, or another one than it was told.
    #[error("{}: offset {offset} of {object} holds {holds:#x}, which was not stored by a function of the heap{}", Rule::R2, should.map_or(String::new(), |should| format!("; it held {should:#x} a collection ago")))]
    Barrier {
        /// The object.
        object: Note,
        /// Offset of the slot in bytes.
        offset: usize,
        /// What it holds.
        holds: usize,
        /// What it held when the last collection looked.
        should: Option<usize>,
    },
}
