//! The machine: one Lua state on one heap, its allocation, and the parts that run code.
//!
//! [`Vm`] owns the interpreter's side of a Lua state; everything Lua can see lives in the heap, reached from one root, the
//! [`Runtime`] object. Methods that take `&self` never reach a safepoint, so handles borrowed from the machine stay good;
//! methods that take `&mut self` may run Lua code or the collector, and the borrow checker ends all handles there. What
//! must survive such a call lies on the Lua stack.

pub mod arith;
pub mod call;
pub mod compare;
pub mod concat;
pub mod control;
pub mod error;
mod execute;
mod freeze;
mod instructions;
mod loops;
pub mod meta;
#[cfg(test)]
mod refusals;
pub mod stack;
pub mod traceback;
pub mod unwind;
mod window;

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::time::Duration;

use spanheap::{AllocError, Array, ArrayClass, Class, Data, Gc, Heap, Mutator, Root, Slot, StackError, Trace};

use crate::closure::{Closure, ClosureHead, NativeFunction, Upvalue};
use crate::coroutine::{Coroutine, Frame, status};
use crate::library::NativeEntry;
use crate::library::io::Files;
use crate::string::{self, CACHE_SIZE, LuaString, SHORT_LIMIT, StringCache, StringHead};
use crate::table::{Node, Table};
use crate::userdata::Userdata;
use crate::value::{LuaFamily, Str, Tab, Value, ValueCell, read};

pub use error::Failure;
pub use meta::Event;

/// The error value of whatever found no memory.
const MEMORY_MESSAGE: &[u8] = b"not enough memory";

/// The heap is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory;

impl From<AllocError> for Memory {
    #[cold]
    fn from(_: AllocError) -> Self {
        Memory
    }
}

impl From<StackError> for Memory {
    #[cold]
    fn from(_: StackError) -> Self {
        Memory
    }
}

/// The root of everything that a Lua state keeps alive.
#[derive(Trace)]
pub struct Runtime {
    /// The table of global variables.
    pub globals: Slot<Table>,
    /// The metatable of all strings.
    pub string_metatable: Slot<Table>,
    /// The metatable of files.
    pub file_metatable: Slot<Table>,
    /// Recent short strings.
    strings: Slot<StringCache>,
    /// The names of the metamethods, by [`Event`].
    pub(crate) event_names: Slot<Array<Slot<LuaString>>>,
    /// The coroutine of the main program.
    pub main: Slot<Coroutine>,
    /// The running coroutine.
    pub current: Slot<Coroutine>,
    /// The default input file.
    pub(crate) input: Slot<Userdata>,
    /// The default output file.
    pub(crate) output: Slot<Userdata>,
    /// The function `next`, as `pairs` hands it out.
    pub(crate) next: Slot<NativeFunction>,
    /// The iterator that `ipairs` hands out.
    pub(crate) ipairs_step: Slot<NativeFunction>,
    /// The message for an exhausted heap, made while there was memory.
    pub(crate) memory_message: Slot<LuaString>,
    /// The error value on its way to a handler.
    pub(crate) error: ValueCell,
}

/// The allocation classes of the types that Lua programs make many of.
struct Classes<'h> {
    strings: ArrayClass<'h, u8, StringHead>,
    cells: ArrayClass<'h, ValueCell, ()>,
    nodes: ArrayClass<'h, Node, ()>,
    tables: Class<'h, Table>,
    closures: ArrayClass<'h, Slot<Upvalue>, ClosureHead>,
    upvalues: Class<'h, Upvalue>,
    natives: Class<'h, NativeFunction>,
    frames: ArrayClass<'h, Frame, ()>,
}

/// A Lua state.
pub struct Vm<'h> {
    cx: NonNull<Mutator<'h>>,
    classes: Classes<'h>,
    /// Keeps the root object alive.
    _runtime: Root<Runtime>,
    /// Where the root object is.
    runtime_address: usize,
    heap: Heap,
    /// The functions written in Rust; `NativeFunction::index` points here.
    pub(crate) natives: Vec<NativeEntry>,
    /// The open files.
    pub(crate) files: Files,
    /// The state of the random number generator.
    pub(crate) random: Cell<[u64; 4]>,
    /// What programs have set through `collectgarbage`.
    pub(crate) gc: crate::library::gc::GcSettings,
    /// Address of slot 0 of the running stack.
    stack: Cell<*const ValueCell>,
    /// Slots from here up are clean and may not be used before the limit is moved.
    limit: Cell<usize>,
    /// First free slot: the end of the arguments or results at hand.
    pub(crate) top: Cell<usize>,
    /// Address of frame 0 of the running coroutine.
    frames: Cell<*const Frame>,
    /// How many frames the running coroutine has.
    pub(crate) depth: Cell<usize>,
    /// How many frames there is room for.
    frame_room: Cell<usize>,
    /// How many calls from Rust code to Lua are under way.
    native_depth: Cell<u32>,
    /// How many safepoints have let the collector look at the stacks.
    epoch: Cell<u64>,
    /// The collection cycle for which the string cache was made.
    cache_cycle: Cell<u64>,
    /// Whether the error on its way has been through its message handler.
    handled: Cell<bool>,
    /// How many message handlers run; they may use the spare part of the stack.
    handling: Cell<u32>,
    /// Whether the native function that runs has done something that must not be done twice.
    pub(crate) committed: Cell<bool>,
    /// The instruction that was last run again after a collection, and how much had been allocated then.
    last_retry: Cell<(usize, u64)>,
    /// Whether an error about memory has been raised since the last collection for room: what it unwinds is garbage.
    gave_up: Cell<bool>,
    /// Byte buffers for building strings, kept for reuse.
    buffers: RefCell<Vec<Vec<u8>>>,
}

impl<'h> Vm<'h> {
    /// Makes a Lua state with all libraries on `heap`, which `cx` is attached to, and runs `f` with it.
    ///
    /// # Errors
    /// When the heap has no room even for the libraries.
    pub fn enter<R>(heap: &Heap, cx: &mut Mutator<'h>, f: impl FnOnce(&mut Vm<'h>) -> R) -> Result<R, Memory> {
        let runtime = cx.alloc(Runtime {
            globals: Slot::null(),
            string_metatable: Slot::null(),
            file_metatable: Slot::null(),
            strings: Slot::null(),
            event_names: Slot::null(),
            main: Slot::null(),
            current: Slot::null(),
            input: Slot::null(),
            output: Slot::null(),
            next: Slot::null(),
            ipairs_step: Slot::null(),
            memory_message: Slot::null(),
            error: ValueCell::nil(),
        })?;
        let (runtime_address, runtime) = (runtime.addr(), cx.root(runtime));
        let classes = Classes {
            strings: cx.array_class(),
            cells: cx.array_class(),
            nodes: cx.array_class(),
            tables: cx.class(),
            closures: cx.array_class(),
            upvalues: cx.class(),
            natives: cx.class(),
            frames: cx.array_class(),
        };
        let mut vm = Vm {
            classes,
            _runtime: runtime,
            runtime_address,
            heap: heap.clone(),
            natives: Vec::new(),
            files: Files::new(),
            random: Cell::new([0; 4]),
            gc: Default::default(),
            stack: Cell::new(std::ptr::null()),
            limit: Cell::new(0),
            top: Cell::new(0),
            frames: Cell::new(std::ptr::null()),
            depth: Cell::new(0),
            frame_room: Cell::new(0),
            native_depth: Cell::new(0),
            epoch: Cell::new(0),
            cache_cycle: Cell::new(cx.cycle_number()),
            handled: Cell::new(false),
            handling: Cell::new(0),
            committed: Cell::new(false),
            last_retry: Cell::new((0, 0)),
            gave_up: Cell::new(false),
            buffers: RefCell::new(Vec::new()),
            cx: NonNull::from(cx),
        };
        let result = vm.prepare().map(|()| f(&mut vm));
        vm.cx().switch_stack::<LuaFamily>(None);
        result
    }

    /// What a new state has before any program runs.
    fn prepare(&mut self) -> Result<(), Memory> {
        self.new_string_cache()?;
        self.make_event_names()?;
        let main = self.new_coroutine()?;
        main.status.set(status::RUNNING);
        self.cx().set(self.runtime(), |r| &r.main, Some(main));
        self.load_coroutine(main);
        crate::library::open(self)
    }

    /// The mutator, for all that cannot reach a safepoint.
    #[inline(always)]
    pub fn cx(&self) -> &Mutator<'h> {
        // SAFETY: `enter` holds the exclusive borrow of the mutator for as long as the machine lives, and hands it to
        // nobody else.
        unsafe { self.cx.as_ref() }
    }

    /// The mutator, for safepoints.
    fn cx_mut(&mut self) -> &mut Mutator<'h> {
        // SAFETY: as for `cx`; the exclusive borrow of the machine makes this one exclusive too.
        unsafe { self.cx.as_mut() }
    }

    /// The root object.
    #[inline(always)]
    pub fn runtime<'m>(&'m self) -> Gc<'m, 'h, Runtime> {
        // SAFETY: `runtime` keeps the object alive for as long as the machine lives, and objects never move.
        unsafe { Gc::from_addr(self.runtime_address) }
    }

    /// The table of global variables.
    pub fn globals<'m>(&'m self) -> Option<Tab<'m, 'h>> {
        self.runtime().load(|r| &r.globals)
    }

    /// An array of nils.
    #[inline(always)]
    pub fn alloc_cells<'m>(&'m self, len: usize) -> Result<Gc<'m, 'h, Array<ValueCell>>, Memory> {
        Ok(self.cx().alloc_array(self.classes.cells, (), len)?)
    }

    /// A hash part with only free nodes.
    #[inline(always)]
    pub fn alloc_nodes<'m>(&'m self, len: usize) -> Result<Gc<'m, 'h, Array<Node>>, Memory> {
        Ok(self.cx().alloc_array(self.classes.nodes, (), len)?)
    }

    /// An empty table.
    #[inline(always)]
    pub fn new_table<'m>(&'m self) -> Result<Tab<'m, 'h>, Memory> {
        Ok(self.cx().alloc_in(self.classes.tables, Table::empty())?)
    }

    /// A closure without upvalues in place.
    #[inline(always)]
    pub fn alloc_closure<'m>(&'m self, upvalues: usize) -> Result<Gc<'m, 'h, Closure>, Memory> {
        Ok(self.cx().alloc_array(self.classes.closures, ClosureHead { proto: Slot::null() }, upvalues)?)
    }

    /// An upvalue that is not aimed yet.
    #[inline(always)]
    pub fn alloc_upvalue<'m>(&'m self) -> Result<Gc<'m, 'h, Upvalue>, Memory> {
        Ok(self.cx().alloc_in(self.classes.upvalues, Upvalue::unaimed())?)
    }

    /// A function written in Rust: entry `index` of the table of natives, with two values of its own.
    pub fn new_native<'m>(
        &'m self,
        index: u32,
        first: Value<'_, 'h>,
        second: Value<'_, 'h>,
    ) -> Result<Gc<'m, 'h, NativeFunction>, Memory> {
        let native = self.cx().alloc_in(
            self.classes.natives,
            NativeFunction {
                index,
                kind: self.natives[index as usize].kind,
                first: ValueCell::nil(),
                second: ValueCell::nil(),
                state: Data::new(0),
            },
        )?;
        self.cx().set_pair(native, |n| &n.first, first);
        self.cx().set_pair(native, |n| &n.second, second);
        Ok(native)
    }

    /// A string with these bytes: often one that exists already, if they are few.
    #[inline]
    pub fn string<'m>(&'m self, bytes: &[u8]) -> Result<Str<'m, 'h>, Memory> {
        if bytes.len() > SHORT_LIMIT {
            return self.alloc_string(bytes, 0);
        }
        let hash = string::hash_bytes(bytes);
        let Some(cache) = self.runtime().load(|r| &r.strings) else { return self.alloc_string(bytes, hash) };
        let index = hash as usize & (CACHE_SIZE - 1);
        if let Some(known) = cache.element(index)
            && string::hash(known) == hash
            && string::bytes(known) == bytes
        {
            return Ok(known);
        }
        let new = self.alloc_string(bytes, hash)?;
        self.cx().set_element(cache, index, Some(new));
        Ok(new)
    }

    #[inline]
    fn alloc_string<'m>(&'m self, bytes: &[u8], hash: u32) -> Result<Str<'m, 'h>, Memory> {
        let head = StringHead::new(hash);
        Ok(self.cx().alloc_array_with(self.classes.strings, head, bytes.len(), |place| place.copy_from_slice(bytes))?)
    }

    /// A long string of `len` bytes that `fill` writes. For short strings use [`Vm::string`].
    pub fn string_with<'m>(&'m self, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<Str<'m, 'h>, Memory> {
        Ok(self.cx().alloc_array_with(self.classes.strings, StringHead::new(0), len, fill)?)
    }

    fn new_string_cache(&self) -> Result<(), Memory> {
        let cx = self.cx();
        let cache = cx.alloc_array(cx.array_class::<Slot<LuaString>, ()>(), (), CACHE_SIZE)?;
        cx.set(self.runtime(), |r| &r.strings, Some(cache));
        Ok(())
    }

    fn clear_string_cache(&self) {
        if let Some(cache) = self.runtime().load(|r| &r.strings) {
            self.cx().clear_elements(cache, 0..cache.len());
        }
    }

    fn make_event_names(&self) -> Result<(), Memory> {
        let cx = self.cx();
        let names = cx.alloc_array(cx.array_class::<Slot<LuaString>, ()>(), (), Event::NAMES.len())?;
        for (index, name) in Event::NAMES.iter().enumerate() {
            cx.set_element(names, index, Some(self.string(name.as_bytes())?));
        }
        cx.set(self.runtime(), |r| &r.event_names, Some(names));
        cx.set(
            self.runtime(),
            |r| &r.memory_message,
            Some(self.alloc_string(MEMORY_MESSAGE, string::hash_bytes(MEMORY_MESSAGE))?),
        );
        Ok(())
    }

    /// A cleared buffer to build a string in; give it back with [`Vm::give_buffer`].
    pub fn take_buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_default()
    }

    /// Puts a buffer away for reuse; a huge one is dropped.
    pub fn give_buffer(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= 1 << 16 {
            buffer.clear();
            self.buffers.borrow_mut().push(buffer);
        }
    }

    /// Makes a string of a buffer's bytes and puts the buffer away.
    pub fn finish_string<'m>(&'m self, buffer: Vec<u8>) -> Result<Str<'m, 'h>, Memory> {
        let result = self.string(&buffer);
        self.give_buffer(buffer);
        result
    }

    /// How many safepoints have let the collector look at the stacks.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// The bytes in use, as the heap estimates them.
    pub(crate) fn live_bytes(&self) -> u64 {
        let counts = self.heap.counts();
        counts.live_bytes + counts.stack_bytes
    }

    /// A number that changes when objects are allocated.
    fn allocation_mark(&self) -> u64 {
        self.heap.counts().allocated_objects
    }

    /// Whether somebody waits for this thread's safepoint.
    #[inline(always)]
    pub(crate) fn poll(&self) -> bool {
        self.cx().poll()
    }

    /// Lets the collector see the stack up to slot `live` (exclusive).
    #[cold]
    #[inline(never)]
    pub(crate) fn safepoint(&mut self, live: usize) {
        self.tidy(live);
        self.cx_mut().safepoint();
        self.after_safepoint();
    }

    /// Runs a whole collection. Only values on the stack below `top` survive in this thread's hands.
    pub fn collect(&mut self) -> spanheap::CycleReport {
        self.tidy(self.top.get());
        self.clear_string_cache();
        let report = self.cx_mut().collect();
        self.after_safepoint();
        report
    }

    /// Collects because something did not fit, if there is a chance that it does then. Says whether it did. Only values
    /// on the stack below `top` survive in this thread's hands.
    pub(crate) fn collect_for_room(&mut self) -> bool {
        // After an error about memory there is garbage that the last collection could not know of.
        let worth = self.gave_up.replace(false) || self.heap.is_worth_collecting();
        if worth {
            self.collect();
        }
        worth
    }

    /// Runs `work`; if memory is short, collects and runs it once more. Everything that is live lies below `top`.
    ///
    /// # Errors
    /// Those of `work`, but for [`Failure::Memory`], instead of which the error about memory is raised: the instruction
    /// that asked does not run again.
    pub(crate) fn with_room<R>(&mut self, work: impl Fn(&Vm<'h>) -> Result<R, Failure>) -> Result<R, Failure> {
        match work(self) {
            Err(Failure::Memory) if self.collect_for_room() => work(self).map_err(|failure| self.settle(failure)),
            outcome => outcome.map_err(|failure| self.settle(failure)),
        }
    }

    /// Lets the collector progress; true when a cycle finished.
    pub(crate) fn collector_step(&mut self) -> bool {
        self.tidy(self.top.get());
        let finished = self.cx_mut().step(Duration::from_millis(1)).is_finished();
        self.after_safepoint();
        finished
    }

    /// Runs something that may block; the collector does not wait for this thread meanwhile.
    pub(crate) fn blocking<R>(&mut self, f: impl FnOnce(&mut Files) -> R) -> R {
        self.tidy(self.top.get());
        let mut files = std::mem::take(&mut self.files);
        let result = self.cx_mut().native(|| f(&mut files));
        self.files = files;
        self.after_safepoint();
        result
    }

    fn after_safepoint(&mut self) {
        let cycle = self.cx().cycle_number();
        if cycle != self.cache_cycle.get() {
            self.cache_cycle.set(cycle);
            self.clear_string_cache();
        }
    }

    /// The error value on its way to a handler.
    pub fn error_value<'m>(&'m self) -> Value<'m, 'h> {
        read(&self.runtime().as_ref().error)
    }
}
