//! Giving deferred expressions a place: registers, constants, results of calls, and stores to variables.

use super::super::bytecode::{self, Op};
use super::super::function::Constant;
use super::expr::{Expr, Kind};
use super::state::Attribute;
use super::{Compiler, Res};

impl Compiler<'_> {
    /// Turns variables, calls and `...` into a value: afterwards the kind is a literal, `Register`, `Pending`,
    /// `Compare` or `Not`.
    pub(super) fn resolve(&mut self, e: &mut Expr) -> Res<()> {
        let line = self.last_line;
        let word = match e.kind {
            Kind::ConstVar { level, index } => {
                e.kind = self.known_value(level, index)?;
                return Ok(());
            }
            Kind::Local { register, .. } => {
                e.kind = Kind::Register(register);
                return Ok(());
            }
            Kind::Call { base, .. } => {
                self.place_results(e, 1)?;
                e.kind = Kind::Register(base);
                return Ok(());
            }
            Kind::Upvalue(upvalue) => bytecode::abc(Op::GetUpval, 0, upvalue, 0),
            Kind::IndexUpvalue { upvalue, key } => bytecode::abc(Op::GetTabUp, 0, upvalue, key),
            Kind::IndexField { table, key } => {
                self.state.release(table);
                bytecode::abc(Op::GetField, 0, table, key)
            }
            Kind::IndexInt { table, key } => {
                self.state.release(table);
                bytecode::abc(Op::GetIndex, 0, table, key)
            }
            Kind::IndexRegister { table, key } => {
                self.state.release(table);
                self.state.release(key);
                bytecode::abc(Op::GetTable, 0, table, key)
            }
            Kind::Vararg => bytecode::abc(Op::Vararg, 0, 0, 2),
            _ => return Ok(()),
        };
        e.kind = Kind::Pending { word, line };
        Ok(())
    }

    /// The value of a compile-time constant.
    fn known_value(&mut self, level: u32, index: u8) -> Res<Kind> {
        let state = self.outer.get(level as usize).unwrap_or(&self.state);
        Ok(match &state.active[index as usize].attribute {
            Attribute::Known(Constant::Bool(true)) => Kind::True,
            Attribute::Known(Constant::Bool(false)) => Kind::False,
            Attribute::Known(Constant::Int(value)) => Kind::Int(*value),
            Attribute::Known(Constant::Float(value)) => Kind::Float(*value),
            Attribute::Known(Constant::Str(text)) => {
                let text = Constant::Str(text.clone());
                Kind::Str(self.constant(text)?)
            }
            _ => Kind::Nil,
        })
    }

    /// The value of a literal as a constant, for a variable that is to be known at compile time.
    pub(super) fn literal(&mut self, e: &mut Expr) -> Res<Option<Constant>> {
        if let Kind::ConstVar { .. } = e.kind {
            self.resolve(e)?;
        }
        if e.has_jumps() {
            return Ok(None);
        }
        Ok(match e.kind {
            Kind::Nil => Some(Constant::Nil),
            Kind::True => Some(Constant::Bool(true)),
            Kind::False => Some(Constant::Bool(false)),
            Kind::Int(value) => Some(Constant::Int(value)),
            Kind::Float(value) => Some(Constant::Float(value)),
            Kind::Str(index) => Some(self.state.constants[index as usize].clone()),
            _ => None,
        })
    }

    /// The constant index of a literal, if it fits an operand byte.
    pub(super) fn literal_operand(&mut self, e: &mut Expr) -> Res<Option<u8>> {
        if let Kind::Str(index) = e.kind
            && !e.has_jumps()
        {
            return Ok(u8::try_from(index).ok());
        }
        match self.literal(e)? {
            Some(value) => Ok(u8::try_from(self.constant(value)?).ok()),
            None => Ok(None),
        }
    }

    /// Puts the value (jumps left aside) into a register. A comparison must have been turned into jumps.
    fn load(&mut self, e: &mut Expr, register: u8) -> Res<()> {
        match e.kind {
            Kind::Nil => self.emit_nil(register, 1),
            Kind::True => {
                self.emit_abc(Op::LoadTrue, register, 0, 0);
            }
            Kind::False => {
                self.emit_abc(Op::LoadFalse, register, 0, 0);
            }
            Kind::Int(value) => match i16::try_from(value) {
                Ok(short) => {
                    self.emit(bytecode::abx(Op::LoadInt, register, short as u16));
                }
                Err(_) => {
                    let index = self.constant(Constant::Int(value))?;
                    self.emit_load_constant(register, index);
                }
            },
            Kind::Float(value) => {
                let short = value as i16;
                if f64::from(short).to_bits() == value.to_bits() {
                    self.emit(bytecode::abx(Op::LoadFloat, register, short as u16));
                } else {
                    let index = self.constant(Constant::Float(value))?;
                    self.emit_load_constant(register, index);
                }
            }
            Kind::Str(index) => self.emit_load_constant(register, index),
            Kind::Pending { word, line } => {
                self.emit_at(bytecode::with_a(word, register), line);
            }
            Kind::Not { register: source } => {
                self.emit_abc(Op::Not, register, source, 0);
            }
            Kind::Register(source) if source != register => {
                self.emit_abc(Op::Move, register, source, 0);
            }
            _ => {}
        }
        e.kind = Kind::Register(register);
        Ok(())
    }

    /// Puts the value (jumps left aside) into some register, of its own if it has none yet.
    pub(super) fn load_anywhere(&mut self, e: &mut Expr) -> Res<u8> {
        self.resolve(e)?;
        if let Kind::Register(register) = e.kind {
            return Ok(register);
        }
        let register = self.reserve(1)?;
        self.load(e, register)?;
        Ok(register)
    }

    /// Puts the final value, whatever way it comes, into this register.
    pub(super) fn place_in(&mut self, e: &mut Expr, register: u8) -> Res<()> {
        self.resolve(e)?;
        let compares = matches!(e.kind, Kind::Compare { .. });
        if compares {
            let jump = self.emit_test(e, true)?;
            e.when_true.push(jump);
        } else {
            self.load(e, register)?;
        }
        if e.has_jumps() {
            self.join_values(e, register, !compares)?;
        }
        e.kind = Kind::Register(register);
        Ok(())
    }

    /// Brings the jumps out of an expression together behind it, with their values in `register`. `has_value` says
    /// whether the value is already there when the code before is run to its end; otherwise false is meant.
    fn join_values(&mut self, e: &mut Expr, register: u8, has_value: bool) -> Res<()> {
        let when_true = std::mem::take(&mut e.when_true);
        let when_false = std::mem::take(&mut e.when_false);
        let mut load_false = 0;
        let mut load_true = 0;
        if when_true.iter().chain(&when_false).any(|&jump| !self.carries_value(jump)) {
            let over = has_value.then(|| self.emit_jump());
            load_false = self.state.mark_target();
            self.emit_abc(Op::LoadFalseSkip, register, 0, 0);
            load_true = self.state.mark_target();
            self.emit_abc(Op::LoadTrue, register, 0, 0);
            if let Some(over) = over {
                self.patch_here(&[over])?;
            }
        }
        let end = self.state.mark_target();
        for (jumps, load) in [(when_true, load_true), (when_false, load_false)] {
            for jump in jumps {
                let target = if self.carries_value(jump) { end } else { load };
                self.keep_value(jump, register);
                self.patch(jump, target)?;
            }
        }
        Ok(())
    }

    /// Puts the final value into the next free register and takes it.
    pub(super) fn place_next(&mut self, e: &mut Expr) -> Res<u8> {
        self.resolve(e)?;
        if let Kind::Register(register) = e.kind {
            self.state.release(register);
        }
        let register = self.reserve(1)?;
        self.place_in(e, register)?;
        Ok(register)
    }

    /// Puts the final value into some register: the one it is in, if any.
    pub(super) fn place_anywhere(&mut self, e: &mut Expr) -> Res<u8> {
        self.resolve(e)?;
        if let Kind::Register(register) = e.kind {
            if !e.has_jumps() {
                return Ok(register);
            }
            if register as usize >= self.state.locals_top {
                self.place_in(e, register)?;
                return Ok(register);
            }
        }
        self.place_next(e)
    }

    /// Fixes the number of values of a call or `...`. Its first register stays taken, even when `count` is 0; the
    /// caller takes or gives back the rest.
    pub(super) fn place_results(&mut self, e: &mut Expr, count: usize) -> Res<()> {
        self.place_values(e, (count + 1).min(255) as u8)
    }

    /// Leaves the number of values of a call or `...` open to the end.
    pub(super) fn place_open(&mut self, e: &mut Expr) -> Res<()> {
        self.place_values(e, 0)
    }

    fn place_values(&mut self, e: &mut Expr, c: u8) -> Res<()> {
        match e.kind {
            Kind::Call { base, b, line } => {
                self.emit_at(bytecode::abc(Op::Call, base, b, c), line);
            }
            Kind::Vararg => {
                let base = self.reserve(1)?;
                self.emit_abc(Op::Vararg, base, 0, c);
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes `wanted` values, in the registers after those taken before the list, out of a list of `found` expressions
    /// of which only the last is still deferred.
    pub(super) fn adjust(&mut self, wanted: usize, found: usize, last: &mut Expr) -> Res<()> {
        if last.is_multiple() {
            // The last expression fills all that is missing; itself counts as one.
            let count = (wanted + 1).saturating_sub(found);
            self.place_results(last, count)?;
            self.check_registers(count.saturating_sub(1))?;
        } else {
            if found > 0 {
                self.place_next(last)?;
            }
            if wanted > found {
                let first = self.state.free;
                self.check_registers(wanted - found)?;
                self.emit_nil(first as u8, wanted - found);
            }
        }
        self.state.free = self.state.free + wanted - found;
        Ok(())
    }

    /// Stores a value to a variable or table item, and gives back the registers of the value.
    pub(super) fn store(&mut self, place: &Kind, e: &mut Expr) -> Res<()> {
        match *place {
            Kind::Local { register, .. } => {
                self.resolve(e)?;
                if let Kind::Register(source) = e.kind {
                    self.state.release(source);
                }
                return self.place_in(e, register);
            }
            Kind::Upvalue(upvalue) => {
                let source = self.place_anywhere(e)?;
                self.emit_abc(Op::SetUpval, source, upvalue, 0);
                self.state.release(source);
            }
            Kind::IndexUpvalue { upvalue, key } => self.store_item(Op::SetTabUp, upvalue, key, e)?,
            Kind::IndexField { table, key } => self.store_item(Op::SetField, table, key, e)?,
            Kind::IndexInt { table, key } => self.store_item(Op::SetIndex, table, key, e)?,
            Kind::IndexRegister { table, key } => self.store_item(Op::SetTable, table, key, e)?,
            _ => {}
        }
        Ok(())
    }

    /// Stores to a table item; each store has a twin, next in order, that takes a constant.
    fn store_item(&mut self, op: Op, table: u8, key: u8, e: &mut Expr) -> Res<()> {
        if let Some(constant) = self.literal_operand(e)? {
            self.emit_abc(Op::ALL[op as usize + 1], table, key, constant);
            return Ok(());
        }
        let source = self.place_anywhere(e)?;
        self.emit_abc(op, table, key, source);
        self.state.release(source);
        Ok(())
    }
}
