//! What can go wrong besides an allocation. A heap stays whole and usable after every error.

use spanheap_allocator::AllocError;

/// Why a heap could not be made.
#[derive(Debug, thiserror::Error)]
pub enum HeapError {
    /// An option is out of its range.
    #[error("{option} must be {range}, not {value}")]
    Option {
        /// The builder's method.
        option: &'static str,
        /// What it accepts.
        range: &'static str,
        /// What it was given.
        value: String,
    },
    /// An environment variable can not be understood.
    #[error("the environment variable {name} must be {range}, not {value:?}")]
    Environment {
        /// The variable.
        name: &'static str,
        /// What it accepts.
        range: &'static str,
        /// What it was set to.
        value: String,
    },
}

/// Why a thread could not attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// The thread is attached to this heap already: a second mutator would wait for the first one's safepoints.
    #[error("this thread is already attached to the heap")]
    AlreadyAttached,
}

/// Why a collection, or a fork, could not be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CollectError {
    /// The calling thread is attached: it would wait for its own safepoint. Its mutator has the same method:
    /// [`Mutator::collect`](crate::Mutator::collect), `step`, `fork`.
    #[error("this thread is attached to the heap: collect through its mutator")]
    Attached,
}

/// Why allocations can not be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the heap was made without HeapBuilder::fail_allocation")]
pub struct NotPrepared;

/// A stack would exceed the heap's stack limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stack of {requested} bytes exceeds the stack limit of {limit} bytes")]
pub struct StackOverflow {
    /// Bytes of the slots asked for; `usize::MAX` where their number overflows.
    pub requested: usize,
    /// The limit in bytes.
    pub limit: usize,
}

/// Why a stack could not be made or grown.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// It would be too large: the program recurses too deeply. A collection does not help.
    #[error(transparent)]
    Overflow(#[from] StackOverflow),
    /// Memory is short: a collection may help.
    #[error(transparent)]
    Alloc(#[from] AllocError),
}
