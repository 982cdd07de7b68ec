//! The io library: files as userdata, and the default input and output.

mod file;
mod read;

use std::fs::OpenOptions;
use std::io::{self, SeekFrom};
use std::path::PathBuf;

use spanheap::{Data, Gc, Slot};

use self::file::{Buffering, Handle, OpenFile};
use self::read::{lines, lines_method, read_default, read_method};
use super::{Functions, NativeEntry, set_field};
use crate::coroutine::frame;
use crate::userdata::Userdata;
use crate::value::{Tab, Value};
use crate::vm::call::Args;
use crate::vm::{Failure, Memory, Vm};

pub(super) use self::read::lines_step;

/// The functions by name.
pub(super) const FUNCTIONS: Functions = &[
    ("open", open),
    ("close", close),
    ("read", read_default),
    ("write", write_default),
    ("lines", lines),
    ("input", input),
    ("output", output),
    ("type", type_),
    ("tmpfile", tmpfile),
];

const METHODS: Functions = &[
    ("close", close),
    ("read", read_method),
    ("write", write_method),
    ("lines", lines_method),
    ("flush", flush),
    ("seek", seek),
    ("setvbuf", setvbuf),
];

const METAMETHODS: Functions = &[("__tostring", tostring), ("__close", close_quietly), ("__gc", close_quietly)];

/// Handle number of a closed file.
const CLOSED: u32 = u32::MAX;
const STDOUT: usize = 1;

/// The open files of a Lua state; userdata name them by index.
#[derive(Default)]
pub struct Files {
    open: Vec<Option<OpenFile>>,
}

impl Files {
    /// Standard input, output and error.
    pub fn new() -> Files {
        Files {
            open: vec![
                Some(OpenFile::new(Handle::Stdin, true, false)),
                Some(OpenFile::new(Handle::Stdout, false, true)),
                Some(OpenFile::new(Handle::Stderr, false, true)),
            ],
        }
    }

    fn add(&mut self, file: OpenFile) -> u32 {
        let free = self.open.iter().skip(3).position(Option::is_none).map(|index| index + 3);
        let index = free.unwrap_or(self.open.len());
        if index == self.open.len() {
            self.open.push(None);
        }
        self.open[index] = Some(file);
        index as u32
    }

    fn get(&mut self, handle: u32) -> Option<&mut OpenFile> {
        self.open.get_mut(handle as usize)?.as_mut()
    }

    /// Writes to standard output, whatever the default output is.
    pub(super) fn print(&mut self, bytes: &[u8]) {
        if let Some(Some(stdout)) = self.open.get_mut(STDOUT) {
            // As in C, a failing standard output is the program's loss only if it asks.
            let _ = stdout.write(bytes);
        }
    }

    /// Hands everything written to the system; called before messages on standard error and at the end.
    pub fn flush_all(&mut self) {
        for file in self.open.iter_mut().flatten() {
            let _ = file.flush();
        }
    }
}

/// A byte string as a path.
#[cfg(unix)]
pub(crate) fn os_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// A byte string as a path.
#[cfg(not(unix))]
pub(crate) fn os_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// The system's words for an error.
pub(crate) fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// `true`, or nil with the message and the number of the error.
pub(super) fn outcome(vm: &Vm<'_>, outcome: io::Result<()>, name: Option<&[u8]>) -> Result<usize, Failure> {
    match outcome {
        Ok(()) => vm.give(Value::bool(true)),
        Err(error) => refuse(vm, &error, name),
    }
}

fn refuse(vm: &Vm<'_>, error: &io::Error, name: Option<&[u8]>) -> Result<usize, Failure> {
    let mut message = Vec::new();
    if let Some(name) = name {
        message.extend_from_slice(name);
        message.extend_from_slice(b": ");
    }
    message.extend_from_slice(error_text(error).as_bytes());
    vm.push(Value::NIL)?;
    vm.push(Value::str(vm.string(&message)?))?;
    vm.push(Value::int(i64::from(error.raw_os_error().unwrap_or(0))))?;
    Ok(3)
}

/// Adds the functions of files to the table of natives; returns the index of the first.
pub(super) fn add_natives(vm: &mut Vm<'_>) -> usize {
    let first = vm.natives.len();
    let entries = METHODS.iter().chain(METAMETHODS);
    vm.natives.extend(entries.map(|&(_, function)| NativeEntry { function, kind: frame::NATIVE }));
    first
}

/// Adds the standard files and the methods of files, whose first native has index `first`.
pub(super) fn add_files<'h>(vm: &Vm<'h>, library: Tab<'_, 'h>, first: usize) -> Result<(), Memory> {
    let (methods, metatable) = (vm.new_table()?, vm.new_table()?);
    for (offset, (name, _)) in METHODS.iter().chain(METAMETHODS).enumerate() {
        let function = vm.new_native((first + offset) as u32, Value::NIL, Value::NIL)?;
        let to = if name.starts_with("__") { metatable } else { methods };
        set_field(vm, to, name, Value::native(function))?;
    }
    set_field(vm, metatable, "__index", Value::table(methods))?;
    set_field(vm, metatable, "__name", Value::str(vm.string(b"FILE*")?))?;
    vm.cx().set(vm.runtime(), |r| &r.file_metatable, Some(metatable));
    for (handle, name) in ["stdin", "stdout", "stderr"].iter().enumerate() {
        let file = new_userdata(vm, handle as u32)?;
        set_field(vm, library, name, Value::userdata(file))?;
        match handle {
            0 => vm.cx().set(vm.runtime(), |r| &r.input, Some(file)),
            STDOUT => vm.cx().set(vm.runtime(), |r| &r.output, Some(file)),
            _ => {}
        }
    }
    Ok(())
}

fn new_userdata<'m, 'h>(vm: &'m Vm<'h>, handle: u32) -> Result<Gc<'m, 'h, Userdata>, Memory> {
    let file = vm.cx().alloc(Userdata { handle: Data::new(handle), metatable: Slot::null() })?;
    vm.cx().set(file, |u| &u.metatable, vm.runtime().load(|r| &r.file_metatable));
    Ok(file)
}

fn file_argument<'m, 'h>(vm: &'m Vm<'h>, args: Args, index: usize) -> Result<Gc<'m, 'h, Userdata>, Failure> {
    vm.arg(args, index).as_userdata().ok_or_else(|| vm.wrong_type(args, index, "FILE*"))
}

/// The handle number of an open file in an argument.
fn check_open(vm: &Vm<'_>, args: Args, index: usize) -> Result<u32, Failure> {
    let handle = file_argument(vm, args, index)?.handle.get();
    if handle == CLOSED { Err(vm.native_error("attempt to use a closed file")) } else { Ok(handle) }
}

fn default_input(vm: &Vm<'_>) -> Result<u32, Failure> {
    match vm.runtime().load(|r| &r.input).map(|file| file.handle.get()) {
        Some(handle) if handle != CLOSED => Ok(handle),
        _ => Err(vm.native_error("default input file is closed")),
    }
}

fn default_output(vm: &Vm<'_>) -> Result<u32, Failure> {
    match vm.runtime().load(|r| &r.output).map(|file| file.handle.get()) {
        Some(handle) if handle != CLOSED => Ok(handle),
        _ => Err(vm.native_error("default output file is closed")),
    }
}

/// Runs something on an open file; where it may wait for input, outside the collector's way.
fn on_file<R>(vm: &mut Vm<'_>, handle: u32, f: impl FnOnce(&mut OpenFile) -> io::Result<R>) -> io::Result<R> {
    vm.committed.set(true);
    let gone = || io::Error::from_raw_os_error(9);
    match vm.files.get(handle) {
        Some(file) if !file.may_block() => f(file),
        Some(_) => vm.blocking(|files| files.get(handle).map_or_else(|| Err(gone()), f)),
        None => Err(gone()),
    }
}

/// Opens a file in a C mode string.
fn open_file(name: &[u8], mode: &[u8]) -> io::Result<OpenFile> {
    let plus = mode.contains(&b'+');
    let mut options = OpenOptions::new();
    let (readable, writable) = match mode.first() {
        Some(b'r') => (true, plus),
        _ => (plus, true),
    };
    match mode.first() {
        Some(b'r') => options.read(true).write(plus),
        Some(b'w') => options.write(true).read(plus).create(true).truncate(true),
        _ => options.append(true).read(plus).create(true),
    };
    Ok(OpenFile::new(Handle::File(options.open(os_path(name))?), readable, writable))
}

fn open(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let name = vm.check_bytes(args, 0)?.to_vec();
    let mode = if vm.arg(args, 1).is_nil() { b"r".to_vec() } else { vm.check_bytes(args, 1)?.to_vec() };
    let rest = mode.get(1..).unwrap_or(b"");
    let rest = rest.strip_prefix(b"+").unwrap_or(rest);
    if !matches!(mode.first(), Some(b'r' | b'w' | b'a')) || !matches!(rest, b"" | b"b") {
        return Err(vm.argument_error(1, "invalid mode"));
    }
    match open_file(&name, &mode) {
        Ok(file) => give_file(vm, file),
        Err(error) => refuse(vm, &error, Some(&name)),
    }
}

fn give_file(vm: &mut Vm<'_>, file: OpenFile) -> Result<usize, Failure> {
    let userdata = new_userdata(vm, CLOSED)?;
    vm.push(Value::userdata(userdata))?;
    let handle = vm.files.add(file);
    if let Some(userdata) = vm.get(vm.top.get() - 1).as_userdata() {
        userdata.handle.set(handle);
    }
    Ok(1)
}

fn tmpfile(vm: &mut Vm<'_>, _: Args) -> Result<usize, Failure> {
    let mut number = u64::from(std::process::id()) << 32 | vm.random.get()[0] >> 32;
    loop {
        number = number.wrapping_add(1);
        let path = std::env::temp_dir().join(format!("lua_{number:016x}"));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                // The name goes at once; the file lives as long as it is open.
                let _ = std::fs::remove_file(&path);
                return give_file(vm, OpenFile::new(Handle::File(file), true, true));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return refuse(vm, &error, None),
        }
    }
}

/// Closes the file of a userdata.
fn close_file(vm: &mut Vm<'_>, handle: u32) -> io::Result<()> {
    if handle < 3 {
        return vm.files.get(handle).map_or(Ok(()), OpenFile::flush);
    }
    match vm.files.open.get_mut(handle as usize).and_then(Option::take) {
        Some(mut file) => file.flush(),
        None => Ok(()),
    }
}

fn close(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let handle = if args.count == 0 { default_output(vm)? } else { check_open(vm, args, 0)? };
    let userdata = if args.count == 0 { vm.runtime().load(|r| &r.output) } else { vm.arg(args, 0).as_userdata() };
    if let Some(userdata) = userdata {
        userdata.handle.set(CLOSED);
    }
    vm.committed.set(true);
    let closed = close_file(vm, handle);
    outcome(vm, closed, None)
}

/// Closes a file if it is open; for `__close` and `__gc`.
fn close_quietly(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let userdata = file_argument(vm, args, 0)?;
    let handle = userdata.handle.get();
    if handle != CLOSED && handle >= 3 {
        userdata.handle.set(CLOSED);
        let _ = close_file(vm, handle);
    }
    Ok(0)
}

fn tostring(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let file = file_argument(vm, args, 0)?;
    let text =
        if file.handle.get() == CLOSED { "file (closed)".to_owned() } else { format!("file ({:#x})", file.addr()) };
    vm.give_bytes(text.as_bytes())
}

fn type_(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    match vm.check_any(args, 0)?.as_userdata() {
        Some(file) if file.handle.get() == CLOSED => vm.give_bytes(b"closed file"),
        Some(_) => vm.give_bytes(b"file"),
        None => vm.give(Value::NIL),
    }
}

/// `io.input` and `io.output`.
fn default_file(vm: &mut Vm<'_>, args: Args, mode: &[u8]) -> Result<usize, Failure> {
    let reading = mode == b"r";
    if !vm.arg(args, 0).is_nil() {
        let slot = vm.top.get();
        if vm.arg(args, 0).as_str().is_some() {
            let name = vm.check_bytes(args, 0)?.to_vec();
            match open_file(&name, mode) {
                Ok(file) => give_file(vm, file)?,
                Err(error) => {
                    let message = cannot_open(&name, &error);
                    return Err(vm.native_error(&message));
                }
            };
        } else {
            file_argument(vm, args, 0)?;
            vm.push(vm.arg(args, 0))?;
        }
        let file = vm.get(slot).as_userdata();
        if reading {
            vm.cx().set(vm.runtime(), |r| &r.input, file);
        } else {
            vm.cx().set(vm.runtime(), |r| &r.output, file);
        }
    }
    let file = if reading { vm.runtime().load(|r| &r.input) } else { vm.runtime().load(|r| &r.output) };
    vm.give(file.map_or(Value::NIL, Value::userdata))
}

fn input(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    default_file(vm, args, b"r")
}

fn output(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    default_file(vm, args, b"w")
}

fn write_default(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let handle = default_output(vm)?;
    let written = write_values(vm, handle, args, 0)?;
    match written {
        Ok(()) => {
            let file = vm.runtime().load(|r| &r.output);
            vm.give(file.map_or(Value::NIL, Value::userdata))
        }
        Err(error) => refuse(vm, &error, None),
    }
}

fn write_method(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let handle = check_open(vm, args, 0)?;
    match write_values(vm, handle, args, 1)? {
        Ok(()) => vm.give(vm.arg(args, 0)),
        Err(error) => refuse(vm, &error, None),
    }
}

fn write_values(vm: &mut Vm<'_>, handle: u32, args: Args, from: usize) -> Result<io::Result<()>, Failure> {
    vm.committed.set(true);
    for index in from..args.count {
        let mut text = vm.take_buffer();
        let value = vm.arg(args, index);
        if value.as_str().is_none() && !value.is_number() {
            return Err(vm.wrong_type(args, index, "string"));
        }
        crate::vm::concat::append_text(&mut text, value);
        if value.as_float().is_some() && text.ends_with(b".0") {
            // Floats are written as C's `%.14g` gives them.
            text.truncate(text.len() - 2);
        }
        let outcome = match vm.files.get(handle) {
            Some(file) => file.write(&text),
            None => Ok(()),
        };
        vm.give_buffer(text);
        if outcome.is_err() {
            return Ok(outcome);
        }
    }
    Ok(Ok(()))
}

fn flush(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let handle = check_open(vm, args, 0)?;
    let flushed = on_file(vm, handle, OpenFile::flush);
    outcome(vm, flushed, None)
}

fn seek(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let handle = check_open(vm, args, 0)?;
    let whence = if vm.arg(args, 1).is_nil() { b"cur".to_vec() } else { vm.check_bytes(args, 1)?.to_vec() };
    let offset = vm.opt_int(args, 2, 0)?;
    let to = match &whence[..] {
        b"set" => u64::try_from(offset).ok().map(SeekFrom::Start),
        b"cur" => Some(SeekFrom::Current(offset)),
        b"end" => Some(SeekFrom::End(offset)),
        _ => {
            let message = format!("invalid option '{}'", String::from_utf8_lossy(&whence));
            return Err(vm.argument_error(1, &message));
        }
    };
    let sought = on_file(vm, handle, |file| match to {
        Some(to) => file.seek(to),
        None => Err(io::Error::from_raw_os_error(22)),
    });
    match sought {
        Ok(position) => vm.give(Value::int(position as i64)),
        Err(error) => refuse(vm, &error, None),
    }
}

fn setvbuf(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let handle = check_open(vm, args, 0)?;
    let buffering = match vm.check_bytes(args, 1)? {
        b"no" => Buffering::None,
        b"line" => Buffering::Line,
        b"full" => Buffering::Full,
        other => {
            let message = format!("invalid option '{}'", String::from_utf8_lossy(other));
            return Err(vm.argument_error(1, &message));
        }
    };
    let set = on_file(vm, handle, |file| {
        file.set_buffering(buffering);
        Ok(())
    });
    outcome(vm, set, None)
}

fn cannot_open(name: &[u8], error: &io::Error) -> String {
    format!("cannot open file '{}' ({})", String::from_utf8_lossy(name), error_text(error))
}
