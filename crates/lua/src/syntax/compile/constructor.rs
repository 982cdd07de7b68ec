//! Table constructors: `{...}`.

use super::super::bytecode::{self, Op, SET_LIST_BATCH, encode_size};
use super::super::lex::token::Token;
use super::expr::{Expr, Kind};
use super::{Compiler, Res};

/// A constructor under way.
struct Items {
    table: u8,
    /// How many items of the list are stored, and how many wait in the registers above the table.
    stored: usize,
    waiting: usize,
    /// The last item of the list, while it is still deferred.
    last: Option<Expr>,
    /// How many items have explicit keys.
    keyed: usize,
}

impl Compiler<'_> {
    /// Reads a table constructor.
    pub(super) fn constructor(&mut self) -> Res<Expr> {
        let line = self.lexer.line;
        let table = self.reserve(1)?;
        let create = self.emit_abc(Op::NewTable, table, 0, 0);
        let mut items = Items { table, stored: 0, waiting: 0, last: None, keyed: 0 };
        self.expect_byte(b'{')?;
        while !self.at_byte(b'}') {
            self.flush_items(&mut items)?;
            match self.token {
                Token::Name(_) if self.lexer.assign_follows() => {
                    let name = self.name()?;
                    let key = Expr::new(Kind::Str(self.string_constant(name)?));
                    self.keyed_item(&mut items, key)?;
                }
                Token::Byte(b'[') => {
                    let key = self.bracketed_key()?;
                    self.keyed_item(&mut items, key)?;
                }
                _ => {
                    items.last = Some(self.expression()?);
                }
            }
            if !self.accept_byte(b',')? && !self.accept_byte(b';')? {
                break;
            }
        }
        self.expect_closing(&Token::Byte(b'}'), &Token::Byte(b'{'), line)?;
        self.finish_items(&mut items)?;
        self.state.code[create] =
            bytecode::abc(Op::NewTable, table, encode_size(items.keyed), encode_size(items.stored));
        Ok(Expr::new(Kind::Register(table)))
    }

    /// `= value` behind a key.
    fn keyed_item(&mut self, items: &mut Items, key: Expr) -> Res<()> {
        let mut place = Expr::new(Kind::Register(items.table));
        self.index(&mut place, key)?;
        self.expect_byte(b'=')?;
        let mut value = self.expression()?;
        self.store(&place.kind, &mut value)?;
        self.state.free = items.table as usize + 1 + items.waiting;
        items.keyed += 1;
        Ok(())
    }

    /// Gives the last list item its register, and stores the waiting ones when there are enough.
    fn flush_items(&mut self, items: &mut Items) -> Res<()> {
        if let Some(mut last) = items.last.take() {
            self.place_next(&mut last)?;
            items.waiting += 1;
        }
        if items.waiting == SET_LIST_BATCH {
            self.store_items(items, SET_LIST_BATCH as u8);
            items.waiting = 0;
        }
        Ok(())
    }

    fn finish_items(&mut self, items: &mut Items) -> Res<()> {
        if let Some(mut last) = items.last.take_if(|last| last.is_multiple()) {
            self.place_open(&mut last)?;
            // However many there turn out to be, they are not counted in the size hint.
            self.store_items(items, 0);
            return Ok(());
        }
        self.flush_items(items)?;
        if items.waiting > 0 {
            self.store_items(items, items.waiting as u8);
        }
        Ok(())
    }

    /// Puts out the instruction that stores the waiting items, `count` of them or an open list.
    fn store_items(&mut self, items: &mut Items, count: u8) {
        self.emit_abc(Op::SetList, items.table, count, u8::from(items.stored > 0));
        if items.stored > 0 {
            self.emit(bytecode::extra(items.stored as u32));
        }
        items.stored += items.waiting;
        self.state.free = items.table as usize + 1;
    }
}
