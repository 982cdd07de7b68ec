//! The parser of statements, except loops and labels.

use super::super::bytecode::{Op, abc};
use super::super::lex::token::{Sign, Token, Word};
use super::expr::{Expr, Kind};
use super::state::Attribute;
use super::{Compiler, Res};

impl Compiler<'_> {
    /// Reads statements up to the end of the block.
    pub(super) fn statements(&mut self) -> Res<()> {
        while !self.at_block_end(true) {
            let is_return = self.at_word(Word::Return);
            self.statement()?;
            if is_return {
                break;
            }
        }
        Ok(())
    }

    /// Reads statements in a scope of their own.
    pub(super) fn block(&mut self) -> Res<()> {
        self.enter_block(false);
        self.statements()?;
        self.leave_block()
    }

    fn statement(&mut self) -> Res<()> {
        self.enter_level()?;
        let line = self.lexer.line;
        match self.token {
            Token::Byte(b';') => {
                self.advance()?;
            }
            Token::Sign(Sign::Label) => self.label_statement()?,
            Token::Word(Word::If) => self.if_statement(line)?,
            Token::Word(Word::While) => self.while_statement(line)?,
            Token::Word(Word::Repeat) => self.repeat_statement(line)?,
            Token::Word(Word::For) => self.for_statement(line)?,
            Token::Word(Word::Do) => {
                self.advance()?;
                self.block()?;
                self.expect_closing(&Token::Word(Word::End), &Token::Word(Word::Do), line)?;
            }
            Token::Word(Word::Function) => self.function_statement(line)?,
            Token::Word(Word::Local) => {
                self.advance()?;
                if self.accept(&Token::Word(Word::Function))? {
                    self.local_function()?;
                } else {
                    self.local_statement()?;
                }
            }
            Token::Word(Word::Return) => self.return_statement()?,
            Token::Word(Word::Break) => {
                self.advance()?;
                let jump = self.emit_jump();
                self.add_goto(b"break", line, vec![jump]);
            }
            Token::Word(Word::Goto) => {
                self.advance()?;
                let name = self.name()?;
                self.jump_to_label(name, line)?;
            }
            _ => self.expression_statement()?,
        }
        self.state.free = self.state.locals_top;
        self.leave_level();
        Ok(())
    }

    fn if_statement(&mut self, line: u32) -> Res<()> {
        let mut ends = Vec::new();
        self.then_block(&mut ends)?;
        while self.at_word(Word::Elseif) {
            self.then_block(&mut ends)?;
        }
        if self.accept(&Token::Word(Word::Else))? {
            self.block()?;
        }
        self.expect_closing(&Token::Word(Word::End), &Token::Word(Word::If), line)?;
        self.patch_here(&ends)
    }

    /// `if` or `elseif`, condition, `then` and its block. Adds to `ends` the jump that leaves the whole statement.
    fn then_block(&mut self, ends: &mut Vec<u32>) -> Res<()> {
        self.advance()?;
        let mut e = self.expression()?;
        self.expect_word(Word::Then)?;
        if e.kind == Kind::Nil {
            // As a condition nil is false, and that needs no register.
            e.kind = Kind::False;
        }
        let line = self.lexer.line;
        let escape = match self.token {
            Token::Word(Word::Break) => {
                self.advance()?;
                Some(b"break".as_slice())
            }
            Token::Word(Word::Goto) => {
                self.advance()?;
                Some(self.name()?)
            }
            _ => None,
        };
        let mut skip = Vec::new();
        match escape {
            Some(name) if self.find_label(name).is_none() => {
                // The condition itself jumps forward; when it is false the block is already behind.
                self.branch(&mut e, true)?;
                self.add_goto(name, line, e.when_true);
                while self.accept_byte(b';')? {}
                if self.at_block_end(false) {
                    return Ok(());
                }
                skip.push(self.emit_jump());
                self.enter_block(false);
            }
            Some(name) => {
                self.branch(&mut e, false)?;
                skip = e.when_false;
                self.enter_block(false);
                self.jump_to_label(name, line)?;
            }
            None => {
                self.branch(&mut e, false)?;
                skip = e.when_false;
                self.enter_block(false);
            }
        }
        self.statements()?;
        self.leave_block()?;
        if matches!(self.token, Token::Word(Word::Else | Word::Elseif)) {
            ends.push(self.emit_jump());
        }
        self.patch_here(&skip)
    }

    fn function_statement(&mut self, line: u32) -> Res<()> {
        self.advance()?;
        let name = self.name()?;
        let mut place = self.variable(name)?;
        let mut is_method = false;
        while !is_method && (self.at_byte(b'.') || self.at_byte(b':')) {
            is_method = self.at_byte(b':');
            self.field(&mut place)?;
        }
        let mut function = self.function_body(is_method, line)?;
        self.check_assignable(&place.kind)?;
        self.store(&place.kind, &mut function)?;
        // For the reader the definition happens where it begins.
        if let Some(last) = self.state.lines.last_mut() {
            *last = line;
        }
        Ok(())
    }

    fn local_function(&mut self) -> Res<()> {
        let name = self.name()?;
        let line = self.lexer.line;
        self.check_locals(0)?;
        // The function sees its own name.
        let register = self.reserve(1)?;
        self.activate(name, Attribute::Plain);
        let mut function = self.function_body(false, line)?;
        self.place_in(&mut function, register)?;
        // The variable has its value only from here on.
        let start = self.state.code.len() as u32;
        if let Some(variable) = self.state.active.last() {
            self.state.locals[variable.debug].start_pc = start;
        }
        Ok(())
    }

    fn local_statement(&mut self) -> Res<()> {
        let mut names = Vec::new();
        let mut to_close = None;
        loop {
            let name = self.name()?;
            self.check_locals(names.len())?;
            let attribute = self.attribute()?;
            if attribute == Attribute::Close {
                if to_close.is_some() {
                    let message = b"multiple to-be-closed variables in local list";
                    return Err(self.lexer.error_plain(message));
                }
                to_close = Some(names.len());
            }
            names.push((name, attribute));
            if !self.accept_byte(b',')? {
                break;
            }
        }
        let (found, mut last) =
            if self.accept_byte(b'=')? { self.expression_list()? } else { (0, Expr::new(Kind::Nil)) };
        if found == names.len()
            && let Some((_, attribute @ Attribute::Const)) = names.last_mut()
            && let Some(value) = self.literal(&mut last)?
        {
            *attribute = Attribute::Known(value);
        } else {
            self.adjust(names.len(), found, &mut last)?;
        }
        let mut closed = 0;
        for (index, (name, attribute)) in names.into_iter().enumerate() {
            let register = self.activate(name, attribute);
            if to_close == Some(index) {
                closed = register;
            }
        }
        if to_close.is_some() {
            self.mark_to_be_closed();
            self.emit_abc(Op::Tbc, closed, 0, 0);
        }
        Ok(())
    }

    /// `<const>` or `<close>` behind the name of a local variable.
    fn attribute(&mut self) -> Res<Attribute> {
        if !self.accept_byte(b'<')? {
            return Ok(Attribute::Plain);
        }
        let name = self.name()?;
        self.expect_byte(b'>')?;
        match name {
            b"const" => Ok(Attribute::Const),
            b"close" => Ok(Attribute::Close),
            _ => Err(self.error_about("unknown attribute '", name, "'")),
        }
    }

    fn return_statement(&mut self) -> Res<()> {
        self.advance()?;
        let first = self.state.locals_top as u8;
        if self.at_block_end(true) || self.at_byte(b';') {
            self.emit_abc(Op::Return0, first, 1, 0);
        } else {
            let (count, mut last) = self.expression_list()?;
            match last.kind {
                Kind::Call { base, b, line } if count == 1 && !self.inside_tbc() => {
                    self.emit_at(abc(Op::TailCall, base, b, 0), line);
                    self.emit_abc(Op::Return, base, 0, 0);
                }
                Kind::Call { .. } | Kind::Vararg => {
                    self.place_open(&mut last)?;
                    self.emit_abc(Op::Return, first, 0, 0);
                }
                _ if count == 1 => {
                    let value = self.place_anywhere(&mut last)?;
                    self.emit_abc(Op::Return1, value, 2, 0);
                }
                _ => {
                    self.place_next(&mut last)?;
                    self.emit_abc(Op::Return, first, (count + 1) as u8, 0);
                }
            }
        }
        self.accept_byte(b';')?;
        Ok(())
    }

    fn inside_tbc(&self) -> bool {
        self.state.blocks.last().is_some_and(|block| block.inside_tbc)
    }

    /// A call or an assignment.
    fn expression_statement(&mut self) -> Res<()> {
        let mut e = self.suffixed()?;
        if self.at_byte(b'=') || self.at_byte(b',') {
            return self.assignment(e);
        }
        if !matches!(e.kind, Kind::Call { .. }) {
            return Err(self.error("syntax error"));
        }
        self.place_results(&mut e, 0)
    }

    /// An assignment, from behind its first place.
    fn assignment(&mut self, first: Expr) -> Res<()> {
        self.check_place(&first)?;
        let mut places = vec![first.kind];
        while self.accept_byte(b',')? {
            let next = self.suffixed()?;
            self.protect_places(&mut places, &next.kind)?;
            self.check_place(&next)?;
            places.push(next.kind);
        }
        self.expect_byte(b'=')?;
        let (found, mut last) = self.expression_list()?;
        if found == places.len() {
            // The last value goes straight to its place.
            if let Some(place) = places.pop() {
                self.resolve(&mut last)?;
                self.store(&place, &mut last)?;
            }
        } else {
            self.adjust(places.len(), found, &mut last)?;
        }
        let mut value = self.state.free;
        for place in places.iter().rev() {
            value -= 1;
            self.store(place, &mut Expr::new(Kind::Register(value as u8)))?;
        }
        Ok(())
    }

    fn check_place(&self, e: &Expr) -> Res<()> {
        if !e.is_place() || e.has_jumps() {
            return Err(self.error("syntax error"));
        }
        self.check_assignable(&e.kind)
    }

    /// When a variable that is about to be assigned to is used in an earlier place of the same assignment, as in
    /// `t[i], i = 1, 2`, that place must go on with the old value: copies it.
    fn protect_places(&mut self, places: &mut [Kind], next: &Kind) -> Res<()> {
        let copy = self.state.free as u8;
        let mut copied = false;
        match *next {
            Kind::Local { register, .. } => {
                for place in places {
                    match place {
                        Kind::IndexRegister { table, key } => {
                            for used in [table, key] {
                                if *used == register {
                                    *used = copy;
                                    copied = true;
                                }
                            }
                        }
                        Kind::IndexInt { table, .. } | Kind::IndexField { table, .. } if *table == register => {
                            *table = copy;
                            copied = true;
                        }
                        _ => {}
                    }
                }
                if copied {
                    self.reserve(1)?;
                    self.emit_abc(Op::Move, copy, register, 0);
                }
            }
            Kind::Upvalue(assigned) => {
                for place in places {
                    match *place {
                        Kind::IndexUpvalue { upvalue, key } if upvalue == assigned => {
                            *place = Kind::IndexField { table: copy, key };
                            copied = true;
                        }
                        _ => {}
                    }
                }
                if copied {
                    self.reserve(1)?;
                    self.emit_abc(Op::GetUpval, copy, assigned, 0);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
