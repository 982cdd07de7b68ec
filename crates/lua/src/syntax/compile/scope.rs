//! Variables and blocks: which name means what, where it lives, and what happens when its scope ends.

use super::super::bytecode::Op;
use super::super::function::{LocalVar, UpvalueDesc};
use super::expr::{Expr, Kind};
use super::state::{Attribute, Block, FunctionState, Upvalue, Variable};
use super::{Compiler, Res};

/// Most local variables in scope at once in one function.
const MAX_LOCALS: usize = 200;

/// Most upvalues of one function.
const MAX_UPVALUES: usize = 255;

impl<'s> Compiler<'s> {
    /// Makes sure that one more variable may be declared when `declared` are on their way already.
    pub(super) fn check_locals(&self, declared: usize) -> Res<()> {
        if self.state.active.len() + declared < MAX_LOCALS {
            return Ok(());
        }
        Err(self.error_limit("local variables", MAX_LOCALS))
    }

    /// Begins the scope of a variable. Its value is in the first register above the other variables, taken already
    /// unless the variable is a compile-time constant.
    pub(super) fn activate(&mut self, name: &'s [u8], attribute: Attribute) -> u8 {
        let register = self.state.locals_top as u8;
        let debug = self.state.locals.len();
        if !matches!(attribute, Attribute::Known(_)) {
            let start_pc = self.state.code.len() as u32;
            self.state.locals.push(LocalVar { name: name.into(), register, start_pc, end_pc: start_pc });
            self.state.locals_top += 1;
        }
        self.state.active.push(Variable { name, attribute, register, debug });
        register
    }

    /// Ends the scope of all variables but the first `keep`.
    fn deactivate(&mut self, keep: usize) {
        let end = self.state.code.len() as u32;
        for variable in self.state.active.drain(keep..) {
            if !matches!(variable.attribute, Attribute::Known(_)) {
                self.state.locals[variable.debug].end_pc = end;
            }
        }
        self.state.locals_top = self.state.register_level(keep);
    }

    pub(super) fn enter_block(&mut self, is_loop: bool) {
        let state = &mut self.state;
        state.blocks.push(Block {
            first_active: state.active.len(),
            first_label: state.labels.len(),
            first_goto: state.gotos.len(),
            is_loop,
            needs_close: false,
            inside_tbc: state.blocks.last().is_some_and(|outer| outer.inside_tbc),
        });
    }

    /// Leaves the innermost block, which is not the function's own.
    pub(super) fn leave_block(&mut self) -> Res<()> {
        let Some(block) = self.state.blocks.pop() else { return Ok(()) };
        let level = self.state.register_level(block.first_active);
        self.deactivate(block.first_active);
        let closed = block.is_loop && self.place_label(b"break", block.first_active, block.first_goto)?;
        if block.needs_close && !closed {
            self.emit_abc(Op::Close, level as u8, 0, 0);
        }
        self.state.free = level;
        self.state.labels.truncate(block.first_label);
        self.move_gotos_out(&block);
        Ok(())
    }

    /// Leaves the function's own block: all gotos must have found their label.
    pub(super) fn leave_function_block(&mut self) -> Res<()> {
        self.deactivate(0);
        match self.state.gotos.first() {
            Some(goto) => Err(self.undefined_goto(goto)),
            None => Ok(()),
        }
    }

    /// Notes that the innermost block has a to-be-closed variable.
    pub(super) fn mark_to_be_closed(&mut self) {
        if let Some(block) = self.state.blocks.last_mut() {
            block.needs_close = true;
            block.inside_tbc = true;
        }
        self.state.needs_close = true;
    }

    fn state_at(&mut self, level: usize) -> &mut FunctionState<'s> {
        if level < self.outer.len() { &mut self.outer[level] } else { &mut self.state }
    }

    /// What `name` means here: a variable of this function or one around, or else a field of `_ENV`.
    pub(super) fn variable(&mut self, name: &'s [u8]) -> Res<Expr> {
        if let Some(kind) = self.find(name)? {
            return Ok(Expr::new(kind));
        }
        // The main function has `_ENV` as its upvalue, so it is always found.
        let mut e = Expr::new(self.find(b"_ENV")?.unwrap_or(Kind::Nil));
        self.anchor_table(&mut e)?;
        let key = Expr::new(Kind::Str(self.string_constant(name)?));
        self.index(&mut e, key)?;
        Ok(e)
    }

    fn find(&mut self, name: &'s [u8]) -> Res<Option<Kind>> {
        let here = self.outer.len();
        for level in (0..=here).rev() {
            let state = self.state_at(level);
            let local = state.active.iter().rposition(|variable| variable.name == name);
            let (desc_from_stack, mut index, attribute) = if let Some(index) = local {
                let variable = &state.active[index];
                let (register, attribute) = (variable.register, variable.attribute.clone());
                let index = index as u8;
                if let Attribute::Known(_) = attribute {
                    return Ok(Some(Kind::ConstVar { level: level as u32, index }));
                }
                if level == here {
                    return Ok(Some(Kind::Local { register, index }));
                }
                capture(state, index as usize);
                (true, register, attribute)
            } else if let Some(index) = state.upvalues.iter().position(|upvalue| upvalue.name == name) {
                (false, index as u8, state.upvalues[index].attribute.clone())
            } else {
                continue;
            };
            // Hand it down, function by function, from where it was found to here.
            let mut from_parent_stack = desc_from_stack;
            for inner in level + 1..=here {
                if self.state_at(inner).upvalues.len() >= MAX_UPVALUES {
                    return Err(self.error_limit("upvalues", MAX_UPVALUES));
                }
                let desc = UpvalueDesc { name: name.into(), from_parent_stack, index };
                let upvalues = &mut self.state_at(inner).upvalues;
                upvalues.push(Upvalue { name, desc, attribute: attribute.clone() });
                index = (upvalues.len() - 1) as u8;
                from_parent_stack = false;
            }
            return Ok(Some(Kind::Upvalue(index)));
        }
        Ok(None)
    }

    /// Makes sure that a place may be assigned to.
    pub(super) fn check_assignable(&self, place: &Kind) -> Res<()> {
        let (name, attribute) = match *place {
            Kind::Local { index, .. } => {
                let variable = &self.state.active[index as usize];
                (variable.name, &variable.attribute)
            }
            Kind::Upvalue(index) => {
                let upvalue = &self.state.upvalues[index as usize];
                (upvalue.name, &upvalue.attribute)
            }
            Kind::ConstVar { level, index } => {
                let state = self.outer.get(level as usize).unwrap_or(&self.state);
                let variable = &state.active[index as usize];
                (variable.name, &variable.attribute)
            }
            _ => return Ok(()),
        };
        match attribute {
            Attribute::Plain => Ok(()),
            _ => Err(self.error_about("attempt to assign to const variable '", name, "'")),
        }
    }
}

/// Notes that an inner function uses a variable, so that the block it belongs to closes it.
fn capture(state: &mut FunctionState, index: usize) {
    if let Some(block) = state.blocks.iter_mut().rev().find(|block| block.first_active <= index) {
        block.needs_close = true;
    }
    state.needs_close = true;
}
