//! A Lua 5.4 interpreter whose objects all live in a `spanheap` heap.
//!
//! The library part of the `spanheap-lua` binary, so that tests and benchmarks can run programs in their own process. The
//! layers, each using only those before it: texts and syntax (`text`, `syntax`), values and objects (`value`, `string`, `table`, `closure`, `coroutine`,
//! `proto`, `userdata`), the machine (`vm`), the standard libraries (`library`), the command line (`cli`, `report`).

pub mod cli;
pub mod closure;
pub mod coroutine;
pub mod library;
pub mod proto;
pub mod report;
pub mod string;
pub mod syntax;
pub mod table;
pub mod text;
pub mod userdata;
pub mod value;
pub mod vm;
