//! `load`, `loadfile` and `dofile`: from source text to a function.

use crate::syntax::compile::{compile, compile_text};
use crate::syntax::function::Function;
use crate::syntax::lex::SyntaxError;

use crate::closure;
use crate::proto;
use crate::string;
use crate::value::Value;
use crate::vm::call::Args;
use crate::vm::{Failure, Vm};

impl<'h> Vm<'h> {
    /// Pushes a compiled chunk as a function whose `_ENV` is `env`. A syntax error is raised with its position.
    ///
    /// # Errors
    /// When compiling has failed, or memory runs out.
    pub fn push_chunk(&self, compiled: &Result<Function, SyntaxError>, env: Value<'_, 'h>) -> Result<(), Failure> {
        let function = compiled.as_ref().map_err(|error| self.raise_text(&error.message))?;
        let proto = proto::load(self, function)?;
        let main = self.alloc_closure(function.upvalues.len())?;
        self.cx().set(main, |c| &c.header().proto, Some(proto));
        for index in 0..function.upvalues.len() {
            let upvalue = self.alloc_upvalue()?;
            closure::aim_inside(upvalue);
            if index == 0 {
                self.cx().set_pair(upvalue, |u| &u.value, env);
            }
            self.cx().set_element(main, index, Some(upvalue));
        }
        self.push(Value::closure(main))
    }

    fn global_env(&self) -> Value<'_, 'h> {
        self.globals().map_or(Value::NIL, Value::table)
    }

    /// Reads a source file and pushes its chunk.
    ///
    /// # Errors
    /// When the file cannot be read or is not a Lua chunk.
    pub fn push_file(&mut self, path: &[u8]) -> Result<(), Failure> {
        let shown = String::from_utf8_lossy(path).into_owned();
        match std::fs::read(super::io::os_path(path)) {
            Ok(source) => {
                let name = [b"@", path].concat();
                let compiled = compile(&source, &name);
                self.with_room(|vm| vm.push_chunk(&compiled, vm.global_env()))
            }
            Err(error) => {
                let reason = super::io::error_text(&error);
                Err(self.raise_text(format!("cannot open {shown}: {reason}").as_bytes()))
            }
        }
    }
}

/// Turns a raised error into the results nil and message.
fn refuse(vm: &Vm<'_>, outcome: Result<(), Failure>) -> Result<usize, Failure> {
    match outcome {
        Ok(()) => Ok(1),
        Err(Failure::Memory) => Err(Failure::Memory),
        Err(Failure::Error) => {
            vm.push(Value::NIL)?;
            vm.push(vm.error_value())?;
            Ok(2)
        }
    }
}

/// `load(chunk, name, mode, env)`.
pub(super) fn load(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let mode = if vm.arg(args, 2).is_nil() { b"bt".to_vec() } else { vm.check_bytes(args, 2)?.to_vec() };
    let mut source = Vec::new();
    let given_name = if vm.arg(args, 1).is_nil() { None } else { Some(vm.check_bytes(args, 1)?.to_vec()) };
    let name;
    if vm.arg(args, 0).as_str().is_some() || vm.arg(args, 0).is_number() {
        source.extend_from_slice(vm.check_bytes(args, 0)?);
        name = given_name.unwrap_or_else(|| source.clone());
    } else {
        if !vm.arg(args, 0).is_function() {
            return Err(vm.wrong_type(args, 0, "function"));
        }
        name = given_name.unwrap_or_else(|| b"=(load)".to_vec());
        loop {
            let func = vm.top.get();
            vm.push(vm.arg(args, 0))?;
            let piece = match vm.call_one(func) {
                Ok(piece) => piece,
                Err(failure) => return refuse(vm, Err(failure)),
            };
            if piece.is_nil() {
                break;
            }
            if piece.is_number() {
                crate::vm::concat::append_text(&mut source, piece);
                continue;
            }
            let Some(text) = piece.as_str() else {
                let failure = vm.native_error("reader function must return a string");
                return refuse(vm, Err(failure));
            };
            if text.is_empty() {
                break;
            }
            source.extend_from_slice(string::bytes(text));
        }
    }
    if source.first() == Some(&0x1b) {
        let reason = match String::from_utf8_lossy(&mode) {
            mode if mode.contains('b') => "this interpreter has none".to_owned(),
            mode => format!("mode is '{mode}'"),
        };
        let failure = vm.raise_text(format!("attempt to load a binary chunk ({reason})").as_bytes());
        return refuse(vm, Err(failure));
    }
    if !mode.contains(&b't') {
        let message = format!("attempt to load a text chunk (mode is '{}')", String::from_utf8_lossy(&mode));
        let failure = vm.raise_text(message.as_bytes());
        return refuse(vm, Err(failure));
    }
    let compiled = compile_text(&source, &name);
    // What a function has read is not read again.
    let outcome = vm.with_room(|vm| {
        let env = if args.count > 3 { vm.arg(args, 3) } else { vm.global_env() };
        vm.push_chunk(&compiled, env)
    });
    refuse(vm, outcome)
}

fn file_argument(vm: &Vm<'_>, args: Args) -> Result<Option<Vec<u8>>, Failure> {
    Ok(if vm.arg(args, 0).is_nil() { None } else { Some(vm.check_bytes(args, 0)?.to_vec()) })
}

fn push_file_or_stdin(vm: &mut Vm<'_>, path: Option<Vec<u8>>) -> Result<(), Failure> {
    match path {
        Some(path) => vm.push_file(&path),
        None => {
            let mut source = Vec::new();
            if std::io::Read::read_to_end(&mut std::io::stdin(), &mut source).is_err() {
                return Err(vm.raise_text(b"cannot read stdin"));
            }
            let compiled = compile(&source, b"=stdin");
            vm.with_room(|vm| vm.push_chunk(&compiled, vm.global_env()))
        }
    }
}

/// `loadfile(path)`.
pub(super) fn loadfile(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let path = file_argument(vm, args)?;
    let outcome = push_file_or_stdin(vm, path);
    refuse(vm, outcome)
}

/// `dofile(path)`.
pub(super) fn dofile(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let path = file_argument(vm, args)?;
    let func = vm.top.get();
    push_file_or_stdin(vm, path)?;
    vm.call(func, -1)?;
    Ok(vm.top.get() - func)
}
