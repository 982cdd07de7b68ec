//! The math library, with the xoshiro256** generator that Lua uses.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::text::number::{ceil_to_int, floor_to_int};

use super::{Functions, set_field};
use crate::value::{Tab, Value};
use crate::vm::arith::{to_int, to_number};
use crate::vm::call::Args;
use crate::vm::{Failure, Memory, Vm};

/// The functions by name.
pub(super) const FUNCTIONS: Functions = &[
    ("abs", abs),
    ("ceil", ceil),
    ("floor", floor),
    ("sqrt", sqrt),
    ("sin", sin),
    ("cos", cos),
    ("tan", tan),
    ("asin", asin),
    ("acos", acos),
    ("atan", atan),
    ("exp", exp),
    ("log", log),
    ("fmod", fmod),
    ("modf", modf),
    ("tointeger", tointeger),
    ("type", type_),
    ("ult", ult),
    ("max", max),
    ("min", min),
    ("random", random),
    ("randomseed", randomseed),
    ("deg", deg),
    ("rad", rad),
];

/// Adds the constants.
pub(super) fn add_constants<'h>(vm: &Vm<'h>, library: Tab<'_, 'h>) -> Result<(), Memory> {
    set_field(vm, library, "pi", Value::float(std::f64::consts::PI))?;
    set_field(vm, library, "huge", Value::float(f64::INFINITY))?;
    set_field(vm, library, "maxinteger", Value::int(i64::MAX))?;
    set_field(vm, library, "mininteger", Value::int(i64::MIN))
}

fn abs(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let number = vm.check_number(args, 0)?;
    vm.give(match vm.arg(args, 0).as_int() {
        Some(i) => Value::int(i.wrapping_abs()),
        None => Value::float(number.to_float().unwrap_or(0.0).abs()),
    })
}

/// A rounded float as an integer where it fits.
fn whole<'m, 'h>(rounded: Option<i64>, float: f64) -> Value<'m, 'h> {
    rounded.map_or(Value::float(float), Value::int)
}

fn floor(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let number = vm.check_number(args, 0)?;
    if number.as_int().is_some() {
        return vm.give(number);
    }
    let float = number.to_float().unwrap_or(0.0);
    vm.give(whole(floor_to_int(float), float.floor()))
}

fn ceil(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let number = vm.check_number(args, 0)?;
    if number.as_int().is_some() {
        return vm.give(number);
    }
    let float = number.to_float().unwrap_or(0.0);
    vm.give(whole(ceil_to_int(float), float.ceil()))
}

macro_rules! float_functions {
    ($($name:ident $function:expr;)*) => {
        $(fn $name(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
            let x = vm.check_float(args, 0)?;
            vm.give(Value::float($function(x)))
        })*
    };
}

float_functions! {
    sqrt f64::sqrt;
    sin f64::sin;
    cos f64::cos;
    tan f64::tan;
    asin f64::asin;
    acos f64::acos;
    exp f64::exp;
    deg |x: f64| x * (180.0 / std::f64::consts::PI);
    rad |x: f64| x * (std::f64::consts::PI / 180.0);
}

fn atan(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let y = vm.check_float(args, 0)?;
    let x = if vm.arg(args, 1).is_nil() { 1.0 } else { vm.check_float(args, 1)? };
    vm.give(Value::float(y.atan2(x)))
}

fn log(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let x = vm.check_float(args, 0)?;
    if vm.arg(args, 1).is_nil() {
        return vm.give(Value::float(x.ln()));
    }
    let base = vm.check_float(args, 1)?;
    vm.give(Value::float(if base == 2.0 {
        x.log2()
    } else if base == 10.0 {
        x.log10()
    } else {
        x.ln() / base.ln()
    }))
}

fn fmod(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let (x, y) = (vm.check_number(args, 0)?, vm.check_number(args, 1)?);
    if let (Some(a), Some(b)) = (x.as_int(), y.as_int()) {
        if b == 0 {
            return Err(vm.argument_error(1, "zero"));
        }
        return vm.give(Value::int(a.wrapping_rem(b)));
    }
    let (a, b) = (x.to_float().unwrap_or(0.0), y.to_float().unwrap_or(0.0));
    vm.give(Value::float(a % b))
}

fn modf(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let number = vm.check_number(args, 0)?;
    if vm.arg(args, 0).as_int().is_some() {
        vm.push(number)?;
        vm.push(Value::float(0.0))?;
        return Ok(2);
    }
    let float = number.to_float().unwrap_or(0.0);
    let rounded = if float < 0.0 { float.ceil() } else { float.floor() };
    vm.push(whole(floor_to_int(rounded), rounded))?;
    vm.push(Value::float(if float == rounded { 0.0 } else { float - rounded }))?;
    Ok(2)
}

fn tointeger(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let value = vm.check_any(args, 0)?;
    vm.give(to_number(value).and_then(to_int).map_or(Value::NIL, Value::int))
}

fn type_(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let value = vm.check_any(args, 0)?;
    if value.as_int().is_some() {
        vm.give_bytes(b"integer")
    } else if value.as_float().is_some() {
        vm.give_bytes(b"float")
    } else {
        vm.give(Value::NIL)
    }
}

fn ult(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let (a, b) = (vm.check_int(args, 0)?, vm.check_int(args, 1)?);
    vm.give(Value::bool((a as u64) < b as u64))
}

fn max(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    vm.check_any(args, 0)?;
    let mut best = args.first;
    for other in args.first + 1..args.first + args.count {
        if vm.less_slots(best, other)? {
            best = other;
        }
    }
    vm.give(vm.get(best))
}

fn min(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    vm.check_any(args, 0)?;
    let mut best = args.first;
    for other in args.first + 1..args.first + args.count {
        if vm.less_slots(other, best)? {
            best = other;
        }
    }
    vm.give(vm.get(best))
}

fn next_random(state: &mut [u64; 4]) -> u64 {
    let result = state[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
    let shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = state[3].rotate_left(45);
    result
}

fn seed(vm: &Vm<'_>, low: u64, high: u64) {
    let mut state = [low, 0xff, high, 0];
    for _ in 0..16 {
        next_random(&mut state);
    }
    vm.random.set(state);
}

/// Seeds the generator with something that differs from run to run.
pub(super) fn seed_freshly(vm: &Vm<'_>) {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    seed(vm, time, std::ptr::from_ref(vm) as u64);
}

fn random(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    let mut state = vm.random.get();
    let word = next_random(&mut state);
    vm.random.set(state);
    let (low, high) = match args.count {
        0 => return vm.give(Value::float((word >> 11) as f64 * (0.5 / (1u64 << 52) as f64))),
        1 => {
            let high = vm.check_int(args, 0)?;
            if high == 0 {
                return vm.give(Value::int(word as i64));
            }
            (1, high)
        }
        2 => (vm.check_int(args, 0)?, vm.check_int(args, 1)?),
        _ => return Err(vm.native_error("wrong number of arguments")),
    };
    if low > high {
        return Err(vm.argument_error(0, "interval is empty"));
    }
    let span = (high as u64).wrapping_sub(low as u64);
    let offset = project(word, span, &mut state);
    vm.random.set(state);
    vm.give(Value::int((low as u64).wrapping_add(offset) as i64))
}

/// Brings a random word into `0..=span`: cuts it to the bits of `span` and draws again while it is too big.
fn project(word: u64, span: u64, state: &mut [u64; 4]) -> u64 {
    if span & span.wrapping_add(1) == 0 {
        return word & span;
    }
    let mask = u64::MAX >> span.leading_zeros();
    let mut word = word & mask;
    while word > span {
        word = next_random(state) & mask;
    }
    word
}

fn randomseed(vm: &mut Vm<'_>, args: Args) -> Result<usize, Failure> {
    if args.count == 0 {
        seed_freshly(vm);
        return Ok(0);
    }
    let first = vm.check_number(args, 0)?;
    // A float that is no integer seeds with its bits.
    let low = match to_int(first) {
        Some(i) => i as u64,
        None => first.to_float().map_or(0, f64::to_bits),
    };
    let high = vm.opt_int(args, 1, 0)?;
    seed(vm, low, high as u64);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use crate::vm::arith::{float_mod, int_mod};

    #[test]
    fn remainders_take_the_sign_of_the_divisor() {
        for (a, b) in [(7, 3), (-7, 3), (7, -3), (-7, -3)] {
            assert_eq!(int_mod(a, b).map(|rest| rest as f64), Some(float_mod(a as f64, b as f64)));
        }
    }
}
