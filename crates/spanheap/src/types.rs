//! Which Rust type has which layout number in one heap.
//!
//! *Callers:* mutators ask for classes; reports are looked up by type. *Invariants:* a type keeps its number for the heap's
//! life. Types are told apart by `TypeId`, never by the address of a constant: the compiler may duplicate those.

use crate::trace::Object;
use spanheap_allocator::{Classes, LayoutError, LayoutId};
use spanheap_sync::{Mutex, Rank};
use std::any::TypeId;
use std::collections::HashMap;

/// The types that one heap has seen.
pub(crate) struct Types {
    known: Mutex<HashMap<TypeId, LayoutId>>,
}

impl Types {
    pub(crate) fn new() -> Types {
        Types { known: Mutex::new(Rank::RootTable, HashMap::new()) }
    }

    /// The number of a type's layout, which is registered at the first call.
    pub(crate) fn layout<T: Object>(&self, classes: &Classes) -> Result<LayoutId, LayoutError> {
        let mut known = self.known.lock();
        if let Some(&layout) = known.get(&TypeId::of::<T>()) {
            return Ok(layout);
        }
        let layout = classes.register(T::layout())?;
        known.insert(TypeId::of::<T>(), layout);
        Ok(layout)
    }

    /// The number, if the type has been seen.
    pub(crate) fn find<T: Object>(&self) -> Option<LayoutId> {
        self.known.lock().get(&TypeId::of::<T>()).copied()
    }
}
