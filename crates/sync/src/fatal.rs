//! The end of a heap that can not go on.
//!
//! Owns: [`fatal`]. Callers: the collector, where other threads wait for what will never come.

use std::any::Any;

/// Ends the process. In a model it unwinds instead, with what the caller has to say, so that the model fails and not the
/// whole test program.
pub fn fatal(reason: Box<dyn Any + Send>) -> ! {
    if crate::IS_MODEL {
        std::panic::resume_unwind(reason)
    }
    std::process::abort()
}
