//! Function prototypes as heap objects, and how compiled functions become them.
//!
//! The compiler hands out plain Rust data (`function::Function`); [`load`] copies it once into the heap, code, constants,
//! line numbers and names alike, so that an unused chunk is garbage like anything else.

use std::collections::HashMap;

use spanheap::{Array, Gc, Slot, Trace};

use crate::string::LuaString;
use crate::syntax::function::{Constant, Function};
use crate::value::{Str, Value, ValueCell, read};
use crate::vm::{Memory, Vm};

/// A function's code and everything else that all of its closures share. All parts are written once, while loading.
#[derive(Trace)]
pub struct Proto {
    /// The instruction words.
    pub code: Slot<Array<u32>>,
    /// The constants.
    pub constants: Slot<Array<ValueCell>>,
    /// The functions defined directly inside.
    pub children: Slot<Array<Slot<Proto>>>,
    /// One word per upvalue: its index, plus [`FROM_STACK`] when that is a register of the enclosing function.
    pub upvalues: Slot<Array<u32>>,
    /// The names of the upvalues.
    pub upvalue_names: Slot<Array<Slot<LuaString>>>,
    /// The source line of each instruction word.
    pub lines: Slot<Array<u32>>,
    /// The names of the local variables, in the order in which their scopes begin.
    pub local_names: Slot<Array<Slot<LuaString>>>,
    /// Three words per local variable: register, first word in scope, first word out of scope.
    pub local_ranges: Slot<Array<u32>>,
    /// The chunk name, as given to the compiler.
    pub source: Slot<LuaString>,
    /// The line of the `function` keyword; 0 for a main function.
    pub line_defined: u32,
    /// The line of the closing `end`; 0 for a main function.
    pub last_line: u32,
    /// How many fixed parameters there are.
    pub num_params: u8,
    /// Whether extra arguments are kept.
    pub is_vararg: bool,
    /// How many registers a frame needs.
    pub max_stack: u8,
}

/// Mark in [`Proto::upvalues`]: the index names a register.
pub const FROM_STACK: u32 = 1 << 8;

/// Copies a compiled function and those inside it into the heap.
///
/// # Errors
/// When the heap is full.
pub fn load<'m, 'h>(vm: &'m Vm<'h>, function: &Function) -> Result<Gc<'m, 'h, Proto>, Memory> {
    let source = vm.string(&function.source)?;
    let mut strings = HashMap::new();
    load_one(vm, function, source, &mut strings)
}

type Strings<'f, 'm, 'h> = HashMap<&'f [u8], Str<'m, 'h>>;

fn unified<'f, 'm, 'h>(
    vm: &'m Vm<'h>,
    strings: &mut Strings<'f, 'm, 'h>,
    text: &'f [u8],
) -> Result<Str<'m, 'h>, Memory> {
    if let Some(&known) = strings.get(text) {
        return Ok(known);
    }
    let new = vm.string(text)?;
    strings.insert(text, new);
    Ok(new)
}

fn load_one<'f, 'm, 'h>(
    vm: &'m Vm<'h>,
    function: &'f Function,
    source: Str<'m, 'h>,
    strings: &mut Strings<'f, 'm, 'h>,
) -> Result<Gc<'m, 'h, Proto>, Memory> {
    let cx = vm.cx();
    let proto = cx.alloc(Proto {
        code: Slot::null(),
        constants: Slot::null(),
        children: Slot::null(),
        upvalues: Slot::null(),
        upvalue_names: Slot::null(),
        lines: Slot::null(),
        local_names: Slot::null(),
        local_ranges: Slot::null(),
        source: Slot::null(),
        line_defined: function.line_defined,
        last_line: function.last_line,
        num_params: function.num_params,
        is_vararg: function.is_vararg,
        max_stack: function.max_stack,
    })?;
    cx.set(proto, |p| &p.source, Some(source));
    cx.set(proto, |p| &p.code, Some(words(vm, &function.code)?));
    cx.set(proto, |p| &p.lines, Some(words(vm, &function.lines)?));

    let constants = vm.alloc_cells(function.constants.len())?;
    cx.set(proto, |p| &p.constants, Some(constants));
    for (index, constant) in function.constants.iter().enumerate() {
        let value = match constant {
            Constant::Nil => Value::NIL,
            Constant::Bool(b) => Value::bool(*b),
            Constant::Int(i) => Value::int(*i),
            Constant::Float(f) => Value::float(*f),
            Constant::Str(text) => Value::str(unified(vm, strings, text)?),
        };
        cx.set_pair_element(constants, index, value);
    }

    let children = cx.alloc_array(cx.array_class::<Slot<Proto>, ()>(), (), function.functions.len())?;
    cx.set(proto, |p| &p.children, Some(children));
    for (index, child) in function.functions.iter().enumerate() {
        cx.set_element(children, index, Some(load_one(vm, child, source, strings)?));
    }

    let upvalues: Vec<u32> = function
        .upvalues
        .iter()
        .map(|upvalue| u32::from(upvalue.index) | if upvalue.from_parent_stack { FROM_STACK } else { 0 })
        .collect();
    cx.set(proto, |p| &p.upvalues, Some(words(vm, &upvalues)?));
    let names = names(vm, function.upvalues.iter().map(|upvalue| &*upvalue.name), strings)?;
    cx.set(proto, |p| &p.upvalue_names, Some(names));
    let local_names = self::names(vm, function.locals.iter().map(|local| &*local.name), strings)?;
    cx.set(proto, |p| &p.local_names, Some(local_names));
    let ranges: Vec<u32> =
        function.locals.iter().flat_map(|local| [u32::from(local.register), local.start_pc, local.end_pc]).collect();
    cx.set(proto, |p| &p.local_ranges, Some(words(vm, &ranges)?));
    Ok(proto)
}

fn words<'m, 'h>(vm: &'m Vm<'h>, words: &[u32]) -> Result<Gc<'m, 'h, Array<u32>>, Memory> {
    let cx = vm.cx();
    Ok(cx.alloc_array_with(cx.array_class::<u32, ()>(), (), words.len(), |place| place.copy_from_slice(words))?)
}

fn names<'f, 'm, 'h>(
    vm: &'m Vm<'h>,
    names: impl ExactSizeIterator<Item = &'f [u8]>,
    strings: &mut Strings<'f, 'm, 'h>,
) -> Result<Gc<'m, 'h, Array<Slot<LuaString>>>, Memory> {
    let cx = vm.cx();
    let array = cx.alloc_array(cx.array_class::<Slot<LuaString>, ()>(), (), names.len())?;
    for (index, name) in names.enumerate() {
        cx.set_element(array, index, Some(unified(vm, strings, name)?));
    }
    Ok(array)
}

/// The instruction words of a prototype.
#[inline(always)]
pub fn code<'m>(proto: Gc<'m, '_, Proto>) -> &'m [u32] {
    proto.load(|p| &p.code).map_or(&[], |code| code.as_ref().elements())
}

/// The constants of a prototype.
#[inline(always)]
pub fn constants<'m>(proto: Gc<'m, '_, Proto>) -> &'m [ValueCell] {
    proto.load(|p| &p.constants).map_or(&[], |constants| constants.as_ref().elements())
}

/// One constant.
pub fn constant<'m, 'h>(proto: Gc<'m, 'h, Proto>, index: usize) -> Value<'m, 'h> {
    constants(proto).get(index).map_or(Value::NIL, |cell| read(cell))
}

/// The line of the instruction word at `pc`; 0 when there is none.
pub fn line_at(proto: Gc<'_, '_, Proto>, pc: usize) -> u32 {
    proto.load(|p| &p.lines).and_then(|lines| lines.as_ref().elements().get(pc).copied()).unwrap_or(0)
}

/// The chunk name.
pub fn source<'m, 'h>(proto: Gc<'m, 'h, Proto>) -> &'m [u8] {
    proto.load(|p| &p.source).map_or(b"=?", |source| crate::string::bytes(source))
}
