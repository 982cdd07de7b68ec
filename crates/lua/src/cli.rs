//! The command line: options, the script and its arguments, and how errors end the process.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::ExitCode;

use spanheap::{Heap, HeapBuilder};

use crate::library::io::os_path;
use crate::library::{MESSAGE_HANDLER, PROTECTED_CALL, set_field};
use crate::report;
use crate::string;
use crate::table;
use crate::value::Value;
use crate::vm::call::Args;
use crate::vm::{Event, Failure, Vm};

const USAGE: &str = "\
usage: spanheap-lua [options] [script [args]]
  script               a Lua file, or - for standard input
  -e CHUNK             run CHUNK (before the script, if there is one)
  --gc-report          print on standard error, at the end, what the heap did
  --verify             verify the heap after every collection cycle
  --collect-every N    start a collection at every N-th allocation
  --initial-goal BYTES heap size at which the first collection starts
  --limit BYTES        most bytes that the heap may hold
  --help               print this text
";

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    gc_report: bool,
    verify: bool,
    collect_every: Option<u32>,
    initial_goal: Option<usize>,
    limit: Option<usize>,
    chunks: Vec<Vec<u8>>,
    script: Option<Vec<u8>>,
    args: Vec<Vec<u8>>,
    help: bool,
}

fn parse(args: Vec<OsString>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = args.into_iter().map(OsString::into_encoded_bytes);
    while let Some(arg) = args.next() {
        let text = String::from_utf8_lossy(&arg).into_owned();
        let mut value = || args.next().ok_or_else(|| format!("option '{text}' needs a value"));
        match &arg[..] {
            b"--gc-report" => options.gc_report = true,
            b"--verify" => options.verify = true,
            b"--help" | b"-h" => options.help = true,
            b"-e" => options.chunks.push(value()?),
            b"--collect-every" => options.collect_every = Some(number(&text, &value()?)?),
            b"--initial-goal" => options.initial_goal = Some(number(&text, &value()?)?),
            b"--limit" => options.limit = Some(number(&text, &value()?)?),
            _ if arg.starts_with(b"-") && arg != b"-" => return Err(format!("unrecognized option '{text}'")),
            _ => {
                options.script = Some(arg);
                options.args = args.collect();
                break;
            }
        }
    }
    if options.script.is_none() && options.chunks.is_empty() && !options.help {
        return Err("no script given".to_owned());
    }
    Ok(options)
}

fn number<T: std::str::FromStr>(option: &str, text: &[u8]) -> Result<T, String> {
    let text = String::from_utf8_lossy(text);
    text.parse().map_err(|_| format!("option '{option}' needs a number, not '{text}'"))
}

fn complain(message: &[u8]) {
    let mut stderr = std::io::stderr().lock();
    // There is no better place to complain about standard error.
    let _ = stderr
        .write_all(b"spanheap-lua: ")
        .and_then(|()| stderr.write_all(message))
        .and_then(|()| stderr.write_all(b"\n"));
}

/// Stack of the thread that runs programs: enough for the deepest nesting of calls between Rust and Lua.
const STACK_SIZE: usize = 128 << 20;

/// Runs the command with these arguments on a thread with a stack of its own; see [`run_command`].
pub fn main(args: Vec<OsString>) -> ExitCode {
    let thread = std::thread::Builder::new().name("lua".to_owned()).stack_size(STACK_SIZE);
    match thread.spawn(|| run_command(args)).map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // A panic has printed its own message.
        Ok(Err(_)) => ExitCode::FAILURE,
        Err(error) => {
            complain(error.to_string().as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// Runs the command with these arguments (without the program's own name) and gives its exit code: 0, or 1 after any error,
/// which has been reported on standard error then.
pub fn run_command(args: Vec<OsString>) -> ExitCode {
    let options = match parse(args) {
        Ok(options) => options,
        Err(message) => {
            complain(message.as_bytes());
            eprint!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    if options.help {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let heap = match builder(&options).build() {
        Ok(heap) => heap,
        Err(error) => {
            complain(error.to_string().as_bytes());
            return ExitCode::FAILURE;
        }
    };
    let outcome = heap.attach(|cx| Vm::enter(&heap, cx, |vm| run(vm, &options)));
    let outcome = match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(b"not enough memory".to_vec()),
        Err(error) => Err(error.to_string().into_bytes()),
    };
    if let Err(message) = &outcome {
        complain(message);
    }
    if options.gc_report {
        // A last collection brings every figure up to date, and shows that nothing outlives the program. It can not fail:
        // this thread is not attached any more.
        let _ = heap.collect();
        eprint!("{}", report::text(&heap.stats(), &heap.zeal()));
    }
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn builder(options: &Options) -> HeapBuilder {
    let mut builder = Heap::builder().from_env();
    if options.verify {
        builder = builder.verify(true);
    }
    if options.collect_every.is_some() {
        builder = builder.collect_every(options.collect_every);
    }
    if let Some(bytes) = options.initial_goal {
        builder = builder.initial_goal(bytes);
    }
    if let Some(bytes) = options.limit {
        builder = builder.limit(bytes);
    }
    builder
}

/// Runs everything that the options name; an error comes back as its message.
fn run(vm: &mut Vm<'_>, options: &Options) -> Result<(), Vec<u8>> {
    let outcome = run_all(vm, options);
    vm.files.flush_all();
    outcome
}

fn run_all(vm: &mut Vm<'_>, options: &Options) -> Result<(), Vec<u8>> {
    if make_arg_table(vm, options).is_err() {
        return Err(b"not enough memory".to_vec());
    }
    for chunk in &options.chunks {
        run_chunk(vm, chunk, b"=(command line)", &[])?;
    }
    let Some(script) = &options.script else { return Ok(()) };
    if script == b"-" {
        let mut source = Vec::new();
        std::io::stdin().read_to_end(&mut source).map_err(|error| error.to_string().into_bytes())?;
        return run_chunk(vm, &source, b"=stdin", &options.args);
    }
    let source = std::fs::read(os_path(script)).map_err(|error| {
        let reason = crate::library::io::error_text(&error);
        [b"cannot open ", &script[..], b": ", reason.as_bytes()].concat()
    })?;
    run_chunk(vm, &source, &[b"@", &script[..]].concat(), &options.args)
}

/// The global table `arg`: the script's name at 0, its arguments from 1 up.
fn make_arg_table(vm: &Vm<'_>, options: &Options) -> Result<(), Failure> {
    let t = vm.new_table()?;
    if let Some(script) = &options.script {
        table::set_int(vm, t, 0, Value::str(vm.string(script)?))?;
    }
    for (index, arg) in options.args.iter().enumerate() {
        table::set_int(vm, t, index as i64 + 1, Value::str(vm.string(arg)?))?;
    }
    if let Some(globals) = vm.globals() {
        set_field(vm, globals, "arg", Value::table(t))?;
    }
    Ok(())
}

/// Compiles and runs one chunk; its error becomes a message with a traceback.
fn run_chunk(vm: &mut Vm<'_>, source: &[u8], name: &[u8], args: &[Vec<u8>]) -> Result<(), Vec<u8>> {
    let func = vm.top.get();
    let outcome = start(vm, source, name, args);
    let failed = match outcome {
        Ok(()) => vm.get(func).is_falsy().then(|| message_of(vm.get(func + 1))),
        Err(Failure::Memory) => Some(b"not enough memory".to_vec()),
        Err(Failure::Error) => Some(message_of(vm.error_value())),
    };
    vm.top.set(func);
    vm.files.flush_all();
    failed.map_or(Ok(()), Err)
}

fn start(vm: &mut Vm<'_>, source: &[u8], name: &[u8], args: &[Vec<u8>]) -> Result<(), Failure> {
    let func = vm.top.get();
    // xpcall(chunk, handler, ...)
    let xpcall = vm.new_native(PROTECTED_CALL, Value::NIL, Value::NIL)?;
    vm.push(Value::native(xpcall))?;
    let compiled = crate::syntax::compile::compile(source, name);
    vm.with_room(|vm| vm.push_chunk(&compiled, vm.globals().map_or(Value::NIL, Value::table)))?;
    let handler = vm.new_native(MESSAGE_HANDLER, Value::NIL, Value::NIL)?;
    vm.push(Value::native(handler))?;
    for arg in args {
        vm.push(Value::str(vm.string(arg)?))?;
    }
    vm.call(func, 2)
}

fn message_of(value: Value<'_, '_>) -> Vec<u8> {
    let mut text = Vec::new();
    match value.as_str() {
        Some(s) => text.extend_from_slice(string::bytes(s)),
        None => text.extend_from_slice(format!("(error object is a {} value)", value.type_name()).as_bytes()),
    }
    text
}

/// The message handler of the main program: adds a traceback to a message.
pub(crate) fn handle_message(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let value = vm.arg(args, 0);
    if value.as_str().is_none() && !value.is_number() {
        if vm.metamethod(value, Event::ToString).is_nil() {
            let text = format!("(error object is a {} value)", value.type_name());
            return vm.give_bytes(text.as_bytes());
        }
        vm.push_text(args.first)?;
        return Ok(1);
    }
    let mut message = Vec::new();
    crate::vm::concat::append_text(&mut message, value);
    let text = vm.traceback(&message, 1);
    vm.give_bytes(&text)
}
