//! Userdata: objects that stand for something outside the heap, here open files.
//!
//! The object holds no operating-system handle itself (heap objects have no destructors): it names a slot in the
//! interpreter's own table of files, which closes what is left when the state ends.

use spanheap::{Data, Slot, Trace};

use crate::table::Table;

/// A userdata object: a file handle.
#[derive(Trace)]
pub struct Userdata {
    /// Index into the state's file table.
    pub handle: Data<u32>,
    /// The metatable.
    pub metatable: Slot<Table>,
}
