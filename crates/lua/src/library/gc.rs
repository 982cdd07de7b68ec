//! `collectgarbage`: what the heap reports and what a program may ask of it.

use std::cell::Cell;

use crate::string;
use crate::value::Value;
use crate::vm::call::Args;
use crate::vm::{Failure, Vm};

/// The settings that programs can read back. The heap paces itself: these do not steer it. (Stopping does.)
pub struct GcSettings {
    generational: Cell<bool>,
    pause: Cell<i64>,
    step_multiplier: Cell<i64>,
}

impl Default for GcSettings {
    fn default() -> Self {
        GcSettings { generational: Cell::new(false), pause: Cell::new(200), step_multiplier: Cell::new(100) }
    }
}

/// `collectgarbage(option, argument)`.
pub(super) fn collectgarbage(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let option = if vm.arg(args, 0).is_nil() { b"collect".to_vec() } else { vm.check_bytes(args, 0)?.to_vec() };
    match &option[..] {
        b"collect" => {
            vm.committed.set(true);
            vm.collect();
            vm.give(Value::int(0))
        }
        b"count" => {
            let bytes = vm.live_bytes();
            vm.give(Value::float(bytes as f64 / 1024.0))
        }
        b"step" => {
            vm.committed.set(true);
            let finished = vm.collector_step();
            vm.give(Value::bool(finished))
        }
        b"isrunning" => {
            let running = vm.cx().heap().is_automatic_collection();
            vm.give(Value::bool(running))
        }
        b"stop" | b"restart" => {
            vm.cx().heap().set_automatic_collection(option == b"restart");
            vm.give(Value::int(0))
        }
        b"incremental" | b"generational" => {
            let given = vm.give_bytes(if vm.gc.generational.get() { b"generational" } else { b"incremental" })?;
            vm.gc.generational.set(option == b"generational");
            Ok(given)
        }
        b"setpause" => {
            let value = vm.opt_int(args, 1, 0)?;
            vm.give(Value::int(vm.gc.pause.replace(value)))
        }
        b"setstepmul" => {
            let value = vm.opt_int(args, 1, 0)?;
            vm.give(Value::int(vm.gc.step_multiplier.replace(value)))
        }
        _ => {
            let option = String::from_utf8_lossy(string::bytes(vm.check_str(args, 0)?)).into_owned();
            Err(vm.argument_error(0, &format!("invalid option '{option}'")))
        }
    }
}
