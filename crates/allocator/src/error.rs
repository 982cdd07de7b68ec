//! Why an allocation failed. A heap stays whole and usable after every one of these.

use crate::layout::LayoutError;
use spanheap_memory::{Call, MemoryError};

/// Why an object could not be allocated.
#[derive(Debug, thiserror::Error)]
pub enum AllocError {
    /// The heap's limit does not allow it now; it may after a collection.
    #[error("allocating {requested} bytes would exceed the heap limit of {limit} bytes")]
    Limit {
        /// Bytes asked for, rounded to what they would take.
        requested: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The operating system gave no memory.
    #[error("the operating system gave no memory for {requested} bytes")]
    Exhausted {
        /// Bytes asked for, rounded to what they would take.
        requested: usize,
        /// What the operating system said.
        #[source]
        source: MemoryError,
    },
    /// No object can be that large.
    #[error("an object of {requested} bytes exceeds the largest possible object")]
    TooLarge {
        /// Bytes asked for; `usize::MAX` where their number overflows.
        requested: usize,
    },
    /// The object's type can not be registered.
    #[error(transparent)]
    Layout(LayoutError),
}

impl From<LayoutError> for AllocError {
    /// Whether the memory for an object or that for the record of its type was missing is one to the caller.
    fn from(error: LayoutError) -> AllocError {
        match error {
            LayoutError::Memory { requested, kind } => {
                let source = MemoryError::Os { call: Call::Alloc, len: requested, source: kind.into() };
                AllocError::Exhausted { requested, source }
            }
            error => AllocError::Layout(error),
        }
    }
}
