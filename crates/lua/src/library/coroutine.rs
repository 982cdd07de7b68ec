//! The coroutine library. Resuming and yielding are run by the machine; here are creation, states and closing.

use super::{Functions, WRAPPED, run_by_machine};
use crate::coroutine::{Coroutine, status};
use crate::value::Value;
use crate::vm::call::Args;
use crate::vm::{Failure, Vm};

/// The functions by name.
pub(super) const FUNCTIONS: Functions = &[
    ("create", create),
    ("wrap", wrap),
    ("resume", run_by_machine),
    ("yield", run_by_machine),
    ("status", status_of),
    ("running", running),
    ("isyieldable", isyieldable),
    ("close", close),
];

fn new_coroutine<'m, 'h>(vm: &'m Vm<'h>, args: Args) -> Result<spanheap::Gc<'m, 'h, Coroutine>, Failure> {
    if !vm.arg(args, 0).is_function() {
        return Err(vm.wrong_type(args, 0, "function"));
    }
    let coroutine = vm.new_coroutine()?;
    if let Some(stack) = coroutine.load(|c| &c.stack) {
        vm.cx().set_stack_slot(stack, 0, vm.arg(args, 0));
        stack.set_top(1);
    }
    coroutine.top.set(1);
    coroutine.epoch.set(vm.epoch());
    Ok(coroutine)
}

fn create(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let coroutine = new_coroutine(vm, args)?;
    vm.give(Value::thread(coroutine))
}

fn wrap(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let coroutine = new_coroutine(vm, args)?;
    let function = vm.new_native(WRAPPED, Value::thread(coroutine), Value::NIL)?;
    vm.give(Value::native(function))
}

fn check_coroutine<'m, 'h>(vm: &'m Vm<'h>, args: Args) -> Result<spanheap::Gc<'m, 'h, Coroutine>, Failure> {
    vm.arg(args, 0).as_thread().ok_or_else(|| vm.wrong_type(args, 0, "thread"))
}

fn status_text(coroutine: spanheap::Gc<'_, '_, Coroutine>) -> &'static str {
    match coroutine.status.get() {
        status::SUSPENDED => "suspended",
        status::RUNNING => "running",
        status::NORMAL => "normal",
        _ => "dead",
    }
}

fn status_of(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let text = status_text(check_coroutine(vm, args)?);
    vm.give_bytes(text.as_bytes())
}

fn running(vm: &mut Vm<'_>, _: Args) -> Result<usize, Failure> {
    let current = vm.current();
    let is_main = vm.runtime().load(|r| &r.main) == Some(current);
    vm.push(Value::thread(current))?;
    vm.push(Value::bool(is_main))?;
    Ok(2)
}

fn isyieldable(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let coroutine = if args.count > 0 { check_coroutine(vm, args)? } else { vm.current() };
    let is_main = vm.runtime().load(|r| &r.main) == Some(coroutine);
    vm.give(Value::bool(!is_main && coroutine.boundaries.get() == 0))
}

fn close(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let coroutine = check_coroutine(vm, args)?;
    if !matches!(coroutine.status.get(), status::SUSPENDED | status::DEAD) {
        let message = format!("cannot close a {} coroutine", status_text(coroutine));
        return Err(vm.native_error(&message));
    }
    vm.committed.set(true);
    if vm.close_coroutine(args.first) {
        vm.push(Value::bool(false))?;
        vm.push(vm.error_value())?;
        return Ok(2);
    }
    vm.give(Value::bool(true))
}
