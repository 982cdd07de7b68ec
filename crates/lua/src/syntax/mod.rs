//! The front end: from source text to register bytecode, and from bytecode back to names for messages.
//!
//! Nothing here knows the heap: the machine copies what the compiler hands out (see `proto`).

pub mod bytecode;
pub mod compile;
pub mod describe;
pub mod disassemble;
pub mod function;
pub mod lex;
