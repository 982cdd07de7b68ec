//! Preparing numeric loops: how often the body runs is settled before the first round.

use super::{Failure, Vm, arith};
use crate::value::{Kind, Value};

type LoopState<'m, 'h> = (Value<'m, 'h>, Value<'m, 'h>, Value<'m, 'h>);

impl<'h> Vm<'h> {
    /// What the three control registers of a loop become: start, limit (or, for integers, how many rounds follow the
    /// first) and step. `None` when the body does not run at all.
    #[inline]
    pub(super) fn prepare_loop<'m>(
        &'m self,
        start: Value<'m, 'h>,
        limit: Value<'m, 'h>,
        step: Value<'m, 'h>,
    ) -> Result<Option<LoopState<'m, 'h>>, Failure> {
        // Strings are converted, which makes the loop one of floats unless it is only the limit.
        let number = |value: Value<'m, 'h>| arith::to_number(value).unwrap_or(value);
        let limit = number(limit);
        if let (Some(from), Some(by)) = (start.as_int(), step.as_int()) {
            if by == 0 {
                return Err(self.run_error("'for' step is zero"));
            }
            let Some(to) = self.integer_limit(limit, by)? else { return Ok(None) };
            if if by > 0 { from > to } else { from < to } {
                return Ok(None);
            }
            let distance =
                if by > 0 { (to as u64).wrapping_sub(from as u64) } else { (from as u64).wrapping_sub(to as u64) };
            let rounds = distance / by.unsigned_abs();
            return Ok(Some((start, Value::int(rounds as i64), step)));
        }
        let Some(to) = limit.to_float() else { return Err(self.for_error("limit", limit)) };
        let (start, step) = (number(start), number(step));
        let Some(by) = step.to_float() else { return Err(self.for_error("step", step)) };
        let Some(from) = start.to_float() else { return Err(self.for_error("initial value", start)) };
        if by == 0.0 {
            return Err(self.run_error("'for' step is zero"));
        }
        if if by > 0.0 { to < from } else { from < to } {
            return Ok(None);
        }
        Ok(Some((Value::float(from), Value::float(to), Value::float(by))))
    }

    /// The limit of an integer loop, clipped to the integers; `None` when the loop cannot run.
    fn integer_limit(&self, limit: Value<'_, 'h>, step: i64) -> Result<Option<i64>, Failure> {
        match limit.kind() {
            Kind::Int(i) => Ok(Some(i)),
            Kind::Float(f) if f.is_nan() => Ok(None),
            Kind::Float(f) => {
                let whole = if step > 0 { f.floor() } else { f.ceil() };
                // The cast saturates: a limit beyond the integers stops at the last of them, or before the first step.
                if step > 0 && whole < i64::MIN as f64 || step < 0 && whole >= -(i64::MIN as f64) {
                    return Ok(None);
                }
                Ok(Some(whole as i64))
            }
            _ => Err(self.for_error("limit", limit)),
        }
    }
}
