//! The standard libraries, written in Rust on the machine's public methods.
//!
//! Every function has an entry in one table, which the function objects in the heap point into by index. `open` makes
//! the objects and the library tables.

pub mod args;
pub mod base;
pub mod coroutine;
pub mod gc;
pub mod io;
pub mod load;
pub mod math;
pub mod os;
pub mod string;
pub mod string_format;
pub mod string_match;
pub mod table;
pub mod table_sort;

use crate::coroutine::frame;
use crate::value::{Tab, Value};
use crate::vm::call::{Args, NativeFn};
use crate::vm::{Failure, Memory, Vm};

/// One function written in Rust.
#[derive(Clone, Copy)]
pub struct NativeEntry {
    /// What runs.
    pub function: NativeFn,
    /// How calling it works: `frame::NATIVE`, or one of the kinds that the machine handles itself.
    pub kind: u32,
}

/// A library's functions by name.
pub type Functions = &'static [(&'static str, NativeFn)];

/// The functions that programs get only as iterators, at fixed indices.
const HIDDEN: &[NativeFn] =
    &[base::next, base::ipairs_step, string_match::gmatch_step, io::lines_step, crate::cli::handle_message];

/// Index of `next`.
pub const NEXT: u32 = 0;
/// Index of the iterator of `ipairs`.
pub const IPAIRS_STEP: u32 = 1;
/// Index of the iterator of `string.gmatch`.
pub const GMATCH_STEP: u32 = 2;
/// Index of the iterator of `lines`.
pub const LINES_STEP: u32 = 3;
/// Index of the main program's message handler.
pub const MESSAGE_HANDLER: u32 = 4;
/// Index of the functions that `coroutine.wrap` makes.
pub const WRAPPED: u32 = 5;
/// Index of the protected call that runs the main program.
pub const PROTECTED_CALL: u32 = 6;

const LIBRARIES: &[(&str, Functions)] = &[
    ("_G", base::FUNCTIONS),
    ("string", string::FUNCTIONS),
    ("table", table::FUNCTIONS),
    ("math", math::FUNCTIONS),
    ("coroutine", coroutine::FUNCTIONS),
    ("io", io::FUNCTIONS),
    ("os", os::FUNCTIONS),
];

/// Whether a global of this name is a library table.
pub(crate) fn is_library(name: &[u8]) -> bool {
    LIBRARIES.iter().any(|(library, _)| library.as_bytes() == name)
}

/// The kind of a function that the machine runs itself.
fn special_kind(name: &str) -> u32 {
    match name {
        "pcall" => frame::PCALL,
        "xpcall" => frame::XPCALL,
        "resume" => frame::RESUME,
        "yield" => frame::YIELD,
        "pairs" => frame::PAIRS,
        _ => frame::NATIVE,
    }
}

/// Stands in the table for functions that the machine runs itself.
pub(crate) fn run_by_machine(_: &mut Vm<'_>, _: Args) -> Result<usize, Failure> {
    unreachable!("the machine handles this kind of function before it would call it")
}

/// Makes all libraries.
pub(crate) fn open(vm: &mut Vm<'_>) -> Result<(), Memory> {
    vm.natives.extend(HIDDEN.iter().map(|&function| NativeEntry { function, kind: frame::NATIVE }));
    vm.natives.push(NativeEntry { function: run_by_machine, kind: frame::WRAP });
    vm.cx().set(vm.runtime(), |r| &r.next, Some(vm.new_native(NEXT, Value::NIL, Value::NIL)?));
    vm.cx().set(vm.runtime(), |r| &r.ipairs_step, Some(vm.new_native(IPAIRS_STEP, Value::NIL, Value::NIL)?));
    vm.natives.push(NativeEntry { function: run_by_machine, kind: frame::XPCALL });
    let file_natives = io::add_natives(vm);
    let globals = vm.new_table()?;
    vm.cx().set(vm.runtime(), |r| &r.globals, Some(globals));
    for &(name, functions) in LIBRARIES {
        let first = vm.natives.len();
        let entries = functions.iter().map(|&(name, function)| NativeEntry { function, kind: special_kind(name) });
        vm.natives.extend(entries);
        let library = if name == "_G" { vm.globals() } else { Some(vm.new_table()?) };
        let (Some(library), Some(globals)) = (library, vm.globals()) else { return Err(Memory) };
        for (offset, (name, _)) in functions.iter().enumerate() {
            let function = match vm.runtime().load(|r| &r.next) {
                Some(next) if *name == "next" => next,
                _ => vm.new_native((first + offset) as u32, Value::NIL, Value::NIL)?,
            };
            set_field(vm, library, name, Value::native(function))?;
        }
        set_field(vm, globals, name, Value::table(library))?;
        match name {
            "_G" => set_field(vm, library, "_VERSION", Value::str(vm.string(b"Lua 5.4")?))?,
            "math" => math::add_constants(vm, library)?,
            "string" => {
                let metatable = vm.new_table()?;
                set_field(vm, metatable, "__index", Value::table(library))?;
                vm.cx().set(vm.runtime(), |r| &r.string_metatable, Some(metatable));
            }
            "io" => io::add_files(vm, library, file_natives)?,
            _ => {}
        }
    }
    math::seed_freshly(vm);
    Ok(())
}

/// `t.name = value`.
pub(crate) fn set_field<'h>(vm: &Vm<'h>, t: Tab<'_, 'h>, name: &str, value: Value<'_, 'h>) -> Result<(), Memory> {
    crate::table::set_str(vm, t, vm.string(name.as_bytes())?, value)
}
