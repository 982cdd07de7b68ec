//! Comparison: order between integers and floats without rounding, strings by bytes, and the way to metamethods.

use super::call::Flow;
use super::meta::Event;
use super::{Failure, Vm};
use crate::coroutine::frame;
use crate::string;
use crate::value::{Kind, Value, raw_equal, tag};

/// `i < f`, exactly.
fn int_below_float(i: i64, f: f64) -> bool {
    // Every integer is below 2^63; below that, the ceiling of `f` is an integer that compares the same way.
    if f >= 9_223_372_036_854_775_808.0 {
        true
    } else if f > -9_223_372_036_854_775_808.0 {
        i < f.ceil() as i64
    } else {
        false
    }
}

/// `i <= f`, exactly.
fn int_upto_float(i: i64, f: f64) -> bool {
    if f >= 9_223_372_036_854_775_808.0 {
        true
    } else if f >= -9_223_372_036_854_775_808.0 {
        i <= f.floor() as i64
    } else {
        false
    }
}

/// `x < y` for two numbers or two strings; `None` for anything else.
#[inline]
pub fn raw_less(x: Value<'_, '_>, y: Value<'_, '_>) -> Option<bool> {
    Some(match (x.kind(), y.kind()) {
        (Kind::Int(a), Kind::Int(b)) => a < b,
        (Kind::Float(a), Kind::Float(b)) => a < b,
        (Kind::Int(a), Kind::Float(b)) => int_below_float(a, b),
        (Kind::Float(a), Kind::Int(b)) => !a.is_nan() && !int_upto_float(b, a),
        (Kind::Str(a), Kind::Str(b)) => string::bytes(a) < string::bytes(b),
        _ => return None,
    })
}

/// `x <= y` for two numbers or two strings; `None` for anything else.
#[inline]
pub fn raw_less_equal(x: Value<'_, '_>, y: Value<'_, '_>) -> Option<bool> {
    Some(match (x.kind(), y.kind()) {
        (Kind::Int(a), Kind::Int(b)) => a <= b,
        (Kind::Float(a), Kind::Float(b)) => a <= b,
        (Kind::Int(a), Kind::Float(b)) => int_upto_float(a, b),
        (Kind::Float(a), Kind::Int(b)) => !a.is_nan() && !int_below_float(b, a),
        (Kind::Str(a), Kind::Str(b)) => string::bytes(a) <= string::bytes(b),
        _ => return None,
    })
}

impl<'h> Vm<'h> {
    /// A comparison instruction whose plain case did not apply: `x < y`, or `x <= y` when `or_equal`.
    #[inline(never)]
    pub(super) fn compare_slow(&mut self, or_equal: bool, x: Value<'_, 'h>, y: Value<'_, 'h>) -> Result<Flow, Failure> {
        let raw = if or_equal { raw_less_equal(x, y) } else { raw_less(x, y) };
        if let Some(outcome) = raw {
            self.finish_with(Value::bool(outcome));
            return Ok(Flow::Same);
        }
        if let Some(flow) = self.call_binary(if or_equal { Event::Le } else { Event::Lt }, x, y)? {
            return Ok(flow);
        }
        if or_equal {
            // As in builds of Lua that are compatible with 5.3: `x <= y` is `not (y < x)` where only `__lt` is there.
            let mut handler = self.metamethod(y, Event::Lt);
            if handler.is_nil() {
                handler = self.metamethod(x, Event::Lt);
            }
            if !handler.is_nil() {
                let func = self.push_call(&[handler, y, x])?;
                return self.call_at(func, 1, frame::FINISH | frame::NEGATE);
            }
        }
        Err(self.order_error(x, y))
    }

    /// The handler of `__eq` for two values that are not raw equal; nil when they are simply different.
    pub(crate) fn equality_handler<'m>(&'m self, x: Value<'m, 'h>, y: Value<'m, 'h>) -> Value<'m, 'h> {
        if x.tag() != y.tag() || x.tag() != tag::TABLE && x.tag() != tag::USERDATA {
            return Value::NIL;
        }
        let handler = self.metamethod(x, Event::Eq);
        if handler.is_nil() { self.metamethod(y, Event::Eq) } else { handler }
    }

    /// An equality instruction for two values that are not the same words.
    #[inline(never)]
    pub(super) fn equal_slow(&mut self, x: Value<'_, 'h>, y: Value<'_, 'h>) -> Result<Flow, Failure> {
        let equal = raw_equal(x, y);
        let handler = if equal { Value::NIL } else { self.equality_handler(x, y) };
        if handler.is_nil() {
            self.finish_with(Value::bool(equal));
            return Ok(Flow::Same);
        }
        let func = self.push_call(&[handler, x, y])?;
        self.call_at(func, 1, frame::FINISH)
    }

    /// Whether the value in slot `a` is less than the one in slot `b`; for functions written in Rust.
    ///
    /// # Errors
    /// When they cannot be compared, or whatever the handler raises.
    pub fn less_slots(&mut self, a: usize, b: usize) -> Result<bool, Failure> {
        let (x, y) = (self.get(a), self.get(b));
        if let Some(outcome) = raw_less(x, y) {
            return Ok(outcome);
        }
        let mut handler = self.metamethod(x, Event::Lt);
        if handler.is_nil() {
            handler = self.metamethod(y, Event::Lt);
        }
        if handler.is_nil() {
            return Err(self.order_error(x, y));
        }
        let func = self.top.get();
        self.push(handler)?;
        self.push(x)?;
        self.push(y)?;
        Ok(!self.call_one(func)?.is_falsy())
    }
}
