//! Conditions: comparisons and tests as jumps, without making booleans of them.

use super::super::bytecode::{self, Op};
use super::emit::NO_REGISTER;
use super::expr::{Expr, Kind};
use super::{Compiler, Res};

impl Compiler<'_> {
    /// Appends the test of a resolved value with its jump, which is taken when the value is true exactly if `when`.
    /// Returns the jump. Jumps that were already in the expression are left aside.
    pub(super) fn emit_test(&mut self, e: &mut Expr, when: bool) -> Res<u32> {
        match e.kind {
            Kind::Compare { op, a, b, expect, line } => {
                self.emit_at(bytecode::abc(op, a, b, u8::from(expect == when)), line);
            }
            Kind::Not { register } => {
                self.emit_abc(Op::Test, register, 0, u8::from(!when));
            }
            // The jump of a literal boolean brings no value along: it is made again where the jump ends.
            Kind::True | Kind::False => {}
            _ => {
                let register = self.load_anywhere(e)?;
                self.state.release(register);
                self.emit_abc(Op::TestSet, NO_REGISTER, register, u8::from(when));
            }
        }
        Ok(self.emit_jump())
    }

    /// Leaves the expression by a jump when its value is true exactly if `when`, and goes on with the next instruction
    /// otherwise.
    pub(super) fn branch(&mut self, e: &mut Expr, when: bool) -> Res<()> {
        self.resolve(e)?;
        let never = match e.kind {
            Kind::True | Kind::Int(_) | Kind::Float(_) | Kind::Str(_) => !when,
            Kind::Nil | Kind::False => when,
            _ => false,
        };
        if !never {
            let jump = self.emit_test(e, when)?;
            if when { e.when_true.push(jump) } else { e.when_false.push(jump) }
        }
        let here = std::mem::take(if when { &mut e.when_false } else { &mut e.when_true });
        self.patch_here(&here)
    }

    /// Negates a value.
    pub(super) fn negate(&mut self, e: &mut Expr) -> Res<()> {
        self.resolve(e)?;
        e.kind = match e.kind {
            Kind::Nil | Kind::False => Kind::True,
            Kind::True | Kind::Int(_) | Kind::Float(_) | Kind::Str(_) => Kind::False,
            Kind::Compare { op, a, b, expect, line } => Kind::Compare { op, a, b, expect: !expect, line },
            _ => {
                let register = self.load_anywhere(e)?;
                self.state.release(register);
                Kind::Not { register }
            }
        };
        std::mem::swap(&mut e.when_true, &mut e.when_false);
        for list in [&e.when_true, &e.when_false] {
            for &jump in list {
                self.drop_value(jump);
            }
        }
        Ok(())
    }
}
