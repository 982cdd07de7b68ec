//! The loop that runs instructions.
//!
//! [`Vm::execute`] runs the Lua frame on top until the call that the loop was started for returns. The plain case of every
//! instruction is here, on a [`Window`]; everything else is a method elsewhere that is told the frame's state through the
//! frame itself: `slow!` saves the next instruction there, and the loop goes on as the method's [`Flow`] says.
//!
//! Safepoints are at backward jumps and at the entry of functions; nothing between two of them can free an object, so the
//! values that an instruction has read stay good until it is done or calls a method that takes `&mut self`.

use crate::syntax::bytecode::{self as bc, Op};

use super::arith::{float_mod, float_pow, int_floor_div, int_mod, shift_left, to_int};
use super::call::Flow;
use super::window::Window;
use super::{Failure, Vm};
use crate::closure;
use crate::coroutine::{Frame, frame};
use crate::library::{IPAIRS_STEP, NEXT};
use crate::proto;
use crate::table;
use crate::value::{Value, ValueCell, raw_equal, tag};

impl<'h> Vm<'h> {
    /// Runs until the call with the nearest boundary mark has returned. `start` is what the entering of that call came to.
    pub(super) fn execute(&mut self, start: Result<Flow, Failure>) -> Result<(), Failure> {
        let mut outcome = start;
        loop {
            match outcome {
                Ok(Flow::Exit) => return Ok(()),
                Ok(_) => outcome = self.run(),
                Err(failure) => outcome = Ok(self.unwind(failure)?),
            }
        }
    }

    /// Runs the Lua frame on top, and those it calls and returns to, until something unusual happens.
    #[expect(clippy::too_many_lines, reason = "one jump table")]
    fn run(&mut self) -> Result<Flow, Failure> {
        let mut frame: *const Frame;
        let mut w: Window;

        /// The frame on top. It stays where it is until a frame is added or removed.
        macro_rules! frame {
            () => {
                // SAFETY: `frame` is set from the top frame whenever that may have changed, and frames never move while
                // the loop holds it.
                unsafe { &*frame }
            };
        }
        macro_rules! reload {
            () => {
                frame = std::ptr::from_ref(self.top_frame());
                debug_assert!(self.may_write(frame!().func.get() as usize));
                w = Window::new(
                    self.slot_address(frame!().base.get() as usize),
                    frame!().constants.get() as *const ValueCell,
                    frame!().pc.get() as *const u32,
                );
            };
        }
        /// Runs a method that may look at or change the frame, and goes on as it says.
        macro_rules! slow {
            ($call:expr) => {{
                frame!().pc.set(w.pc as usize);
                match $call {
                    Ok(Flow::Same) => {
                        frame = std::ptr::from_ref(self.top_frame());
                        w.base = self.slot_address(frame!().base.get() as usize);
                        w.pc = frame!().pc.get() as *const u32;
                    }
                    Ok(Flow::Reload) => {
                        reload!();
                    }
                    other => return other,
                }
            }};
        }
        /// Runs something fallible that changes no frames and moves no stack.
        macro_rules! attempt {
            ($call:expr) => {{
                frame!().pc.set(w.pc as usize);
                match $call {
                    Ok(value) => value,
                    Err(failure) => return Err(failure.into()),
                }
            }};
        }
        macro_rules! safepoint {
            () => {
                if self.poll() {
                    frame!().pc.set(w.pc as usize);
                    let live = self.above_registers();
                    self.safepoint(live);
                }
            };
        }
        /// Takes or skips the jump word that follows.
        macro_rules! branch {
            ($word:expr, $outcome:expr) => {{
                if $outcome == (bc::c($word) != 0) {
                    let distance = bc::sj(w.peek());
                    w.jump(1 + distance);
                    if distance < 0 {
                        safepoint!();
                    }
                } else {
                    w.jump(1);
                }
            }};
        }
        macro_rules! arith {
            ($word:expr, $x:expr, $y:expr, $op:expr, $int:expr, $float:expr) => {{
                let (x, y): (Value<'_, 'h>, Value<'_, 'h>) = ($x, $y);
                if x.tag() == tag::INT && y.tag() == tag::INT {
                    w.put(bc::a($word), Value::int($int(x.payload() as i64, y.payload() as i64)));
                } else if let (Some(a), Some(b)) = (x.to_float(), y.to_float()) {
                    w.put(bc::a($word), Value::float($float(a, b)));
                } else {
                    slow!(self.arith_slow($op, x, y));
                }
            }};
        }
        /// Like `arith`, for operations that integers may refuse.
        macro_rules! divide {
            ($word:expr, $x:expr, $y:expr, $op:expr, $int:expr, $float:expr) => {{
                let (x, y): (Value<'_, 'h>, Value<'_, 'h>) = ($x, $y);
                if x.tag() == tag::INT && y.tag() == tag::INT {
                    match $int(x.payload() as i64, y.payload() as i64) {
                        Some(i) => w.put(bc::a($word), Value::int(i)),
                        None => slow!(self.arith_slow($op, x, y)),
                    }
                } else if let (Some(a), Some(b)) = (x.to_float(), y.to_float()) {
                    w.put(bc::a($word), Value::float($float(a, b)));
                } else {
                    slow!(self.arith_slow($op, x, y));
                }
            }};
        }
        macro_rules! float_arith {
            ($word:expr, $x:expr, $y:expr, $op:expr, $float:expr) => {{
                let (x, y): (Value<'_, 'h>, Value<'_, 'h>) = ($x, $y);
                if let (Some(a), Some(b)) = (x.to_float(), y.to_float()) {
                    w.put(bc::a($word), Value::float($float(a, b)));
                } else {
                    slow!(self.arith_slow($op, x, y));
                }
            }};
        }
        macro_rules! bitwise {
            ($word:expr, $x:expr, $y:expr, $op:expr, $int:expr) => {{
                let (x, y): (Value<'_, 'h>, Value<'_, 'h>) = ($x, $y);
                if let (Some(a), Some(b)) = (to_int(x), to_int(y)) {
                    w.put(bc::a($word), Value::int($int(a, b)));
                } else {
                    slow!(self.arith_slow($op, x, y));
                }
            }};
        }
        /// The three operand shapes of one arithmetic operation.
        macro_rules! operands {
            (rr, $word:expr) => {
                (w.get(bc::b($word)), w.get(bc::c($word)))
            };
            (rk, $word:expr) => {
                (w.get(bc::b($word)), w.constant(bc::c($word)))
            };
            (kr, $word:expr) => {
                (w.constant(bc::b($word)), w.get(bc::c($word)))
            };
        }
        macro_rules! operation {
            (0, $shape:ident, $word:expr) => {{
                let (x, y) = operands!($shape, $word);
                arith!($word, x, y, 0, i64::wrapping_add, |a: f64, b: f64| a + b)
            }};
            (1, $shape:ident, $word:expr) => {{
                let (x, y) = operands!($shape, $word);
                arith!($word, x, y, 1, i64::wrapping_sub, |a: f64, b: f64| a - b)
            }};
            (2, $shape:ident, $word:expr) => {{
                let (x, y) = operands!($shape, $word);
                arith!($word, x, y, 2, i64::wrapping_mul, |a: f64, b: f64| a * b)
            }};
            (3, $shape:ident, $word:expr) => {{
                let (x, y) = operands!($shape, $word);
                divide!($word, x, y, 3, int_mod, float_mod)
            }};
            (4, $shape:ident, $word:expr) => {{
                let (x, y) = operands!($shape, $word);
                float_arith!($word, x, y, 4, float_pow)
            }};
            (5, $shape:ident, $word:expr) => {{
                let (x, y) = operands!($shape, $word);
                float_arith!($word, x, y, 5, |a: f64, b: f64| a / b)
            }};
            (6, $shape:ident, $word:expr) => {{
                let (x, y) = operands!($shape, $word);
                divide!($word, x, y, 6, int_floor_div, |a: f64, b: f64| (a / b).floor())
            }};
            (7, $shape:ident, $word:expr) => {{
                let (x, y) = operands!($shape, $word);
                bitwise!($word, x, y, 7, |a: i64, b: i64| a & b)
            }};
            (8, $shape:ident, $word:expr) => {{
                let (x, y) = operands!($shape, $word);
                bitwise!($word, x, y, 8, |a: i64, b: i64| a | b)
            }};
            (9, $shape:ident, $word:expr) => {{
                let (x, y) = operands!($shape, $word);
                bitwise!($word, x, y, 9, |a: i64, b: i64| a ^ b)
            }};
            (10, $shape:ident, $word:expr) => {{
                let (x, y) = operands!($shape, $word);
                bitwise!($word, x, y, 10, shift_left)
            }};
            (11, $shape:ident, $word:expr) => {{
                let (x, y) = operands!($shape, $word);
                bitwise!($word, x, y, 11, |a: i64, b: i64| shift_left(a, b.wrapping_neg()))
            }};
        }
        /// `R[a] = object[constant string]`.
        macro_rules! get_field {
            ($word:expr, $object:expr, $key:expr) => {{
                let object: Value<'_, 'h> = $object;
                let key = $key;
                if let Some(t) = object.as_table() {
                    let value = table::get_str(t, key);
                    if !value.is_nil() || table::metatable(t).is_none() {
                        w.put(bc::a($word), value);
                        continue;
                    }
                    if let Some(value) = self.inherited(t, key) {
                        w.put(bc::a($word), value);
                        continue;
                    }
                }
                slow!(self.index_slow(object, Value::str(key)));
            }};
        }
        macro_rules! get_index {
            ($word:expr, $object:expr, $key:expr) => {{
                let (object, key): (Value<'_, 'h>, i64) = ($object, $key);
                if let Some(t) = object.as_table() {
                    let value = table::get_int(t, key);
                    if !value.is_nil() || table::metatable(t).is_none() {
                        w.put(bc::a($word), value);
                        continue;
                    }
                }
                slow!(self.index_slow(object, Value::int(key)));
            }};
        }
        macro_rules! set_field {
            ($object:expr, $key:expr, $value:expr) => {{
                let object: Value<'_, 'h> = $object;
                let key = $key;
                let value = $value;
                if let Some(t) = object.as_table() {
                    if table::replace_str(self, t, key, value) {
                        continue;
                    }
                    if table::metatable(t).is_none() {
                        attempt!(table::set_str(self, t, key, value));
                        continue;
                    }
                }
                slow!(self.store_slow(object, Value::str(key), value));
            }};
        }
        macro_rules! set_index {
            ($object:expr, $key:expr, $value:expr) => {{
                let (object, key, value): (Value<'_, 'h>, i64, Value<'_, 'h>) = ($object, $key, $value);
                if let Some(t) = object.as_table() {
                    if table::metatable(t).is_none() {
                        attempt!(table::set_int(self, t, key, value));
                        continue;
                    }
                    if table::replace_int(self, t, key, value) {
                        continue;
                    }
                }
                slow!(self.store_slow(object, Value::int(key), value));
            }};
        }
        macro_rules! set_table {
            ($word:expr, $value:expr) => {{
                let object: Value<'_, 'h> = w.get(bc::a($word));
                let key: Value<'_, 'h> = w.get(bc::b($word));
                let value = $value;
                if let Some(i) = key.as_int() {
                    set_index!(object, i, value);
                } else if let Some(s) = key.as_str() {
                    set_field!(object, s, value);
                } else {
                    slow!(self.store_slow(object, key, value));
                }
            }};
        }
        /// `x < y` or `x <= y` and the jump that follows.
        macro_rules! order {
            ($word:expr, $x:expr, $y:expr, $or_equal:expr, $int:expr, $float:expr) => {{
                let (x, y): (Value<'_, 'h>, Value<'_, 'h>) = ($x, $y);
                if x.tag() == tag::INT && y.tag() == tag::INT {
                    branch!($word, $int(&(x.payload() as i64), &(y.payload() as i64)));
                } else if let (Some(a), Some(b)) = (x.as_float(), y.as_float()) {
                    branch!($word, $float(&a, &b));
                } else {
                    slow!(self.compare_slow($or_equal, x, y));
                }
            }};
        }
        macro_rules! upvalue {
            ($index:expr) => {
                match w.closure::<'_, 'h>().element($index) {
                    Some(upvalue) => upvalue,
                    None => unreachable!("closures are made with all their upvalues"),
                }
            };
        }

        reload!();
        safepoint!();
        loop {
            let word = w.fetch();
            match Op::of(word) {
                Op::Move => w.put(bc::a(word), w.get(bc::b(word))),
                Op::LoadInt => w.put(bc::a(word), Value::int(bc::sbx(word))),
                Op::LoadFloat => w.put(bc::a(word), Value::float(bc::sbx(word) as f64)),
                Op::LoadK => w.put(bc::a(word), w.constant(bc::bx(word))),
                Op::LoadKX => {
                    let extra = w.fetch();
                    w.put(bc::a(word), w.constant(bc::ax(extra)));
                }
                Op::LoadFalse => w.put(bc::a(word), Value::bool(false)),
                Op::LoadFalseSkip => {
                    w.put(bc::a(word), Value::bool(false));
                    w.jump(1);
                }
                Op::LoadTrue => w.put(bc::a(word), Value::bool(true)),
                Op::LoadNil => {
                    for register in bc::a(word)..=bc::a(word) + bc::b(word) {
                        w.put(register, Value::NIL);
                    }
                }
                Op::GetUpval => w.put(bc::a(word), closure::upvalue_value(upvalue!(bc::b(word)))),
                Op::SetUpval => self.set_upvalue(upvalue!(bc::b(word)), w.get(bc::a(word))),

                Op::GetTabUp => {
                    let object = closure::upvalue_value(upvalue!(bc::b(word)));
                    get_field!(word, object, w.constant_str(bc::c(word)));
                }
                Op::GetTable => {
                    let object: Value<'_, 'h> = w.get(bc::b(word));
                    let key: Value<'_, 'h> = w.get(bc::c(word));
                    if let Some(i) = key.as_int() {
                        get_index!(word, object, i);
                    } else if let Some(s) = key.as_str() {
                        get_field!(word, object, s);
                    } else {
                        slow!(self.index_slow(object, key));
                    }
                }
                Op::GetIndex => get_index!(word, w.get(bc::b(word)), bc::c(word) as i64),
                Op::GetField => get_field!(word, w.get(bc::b(word)), w.constant_str(bc::c(word))),
                Op::SetTabUp => {
                    let object = closure::upvalue_value(upvalue!(bc::a(word)));
                    set_field!(object, w.constant_str(bc::b(word)), w.get(bc::c(word)));
                }
                Op::SetTabUpK => {
                    let object = closure::upvalue_value(upvalue!(bc::a(word)));
                    set_field!(object, w.constant_str(bc::b(word)), w.constant(bc::c(word)));
                }
                Op::SetTable => set_table!(word, w.get(bc::c(word))),
                Op::SetTableK => set_table!(word, w.constant(bc::c(word))),
                Op::SetIndex => set_index!(w.get(bc::a(word)), bc::b(word) as i64, w.get(bc::c(word))),
                Op::SetIndexK => set_index!(w.get(bc::a(word)), bc::b(word) as i64, w.constant(bc::c(word))),
                Op::SetField => {
                    set_field!(w.get(bc::a(word)), w.constant_str(bc::b(word)), w.get(bc::c(word)));
                }
                Op::SetFieldK => {
                    set_field!(w.get(bc::a(word)), w.constant_str(bc::b(word)), w.constant(bc::c(word)));
                }
                Op::SelfField => {
                    let object: Value<'_, 'h> = w.get(bc::b(word));
                    w.put(bc::a(word) + 1, object);
                    get_field!(word, object, w.constant_str(bc::c(word)));
                }
                Op::SelfFieldX => {
                    let object: Value<'_, 'h> = w.get(bc::b(word));
                    let key = w.constant(bc::ax(w.peek()));
                    w.put(bc::a(word) + 1, object);
                    slow!(self.index_slow(object, key));
                    // A handler that is still running comes back to the second word, which does nothing.
                }
                Op::NewTable => {
                    let table = attempt!(self.new_table());
                    let (hashed, items) = (bc::decode_size(bc::b(word) as u8), bc::decode_size(bc::c(word) as u8));
                    if hashed + items > 0 {
                        attempt!(table::reserve(self, table, items, hashed));
                    }
                    w.put(bc::a(word), Value::table(table));
                }
                Op::SetList => {
                    attempt!(self.set_list(word, w));
                    if bc::c(word) != 0 {
                        w.jump(1);
                    }
                }

                Op::Add => operation!(0, rr, word),
                Op::Sub => operation!(1, rr, word),
                Op::Mul => operation!(2, rr, word),
                Op::Mod => operation!(3, rr, word),
                Op::Pow => operation!(4, rr, word),
                Op::Div => operation!(5, rr, word),
                Op::IDiv => operation!(6, rr, word),
                Op::BAnd => operation!(7, rr, word),
                Op::BOr => operation!(8, rr, word),
                Op::BXor => operation!(9, rr, word),
                Op::Shl => operation!(10, rr, word),
                Op::Shr => operation!(11, rr, word),
                Op::AddK => operation!(0, rk, word),
                Op::SubK => operation!(1, rk, word),
                Op::MulK => operation!(2, rk, word),
                Op::ModK => operation!(3, rk, word),
                Op::PowK => operation!(4, rk, word),
                Op::DivK => operation!(5, rk, word),
                Op::IDivK => operation!(6, rk, word),
                Op::BAndK => operation!(7, rk, word),
                Op::BOrK => operation!(8, rk, word),
                Op::BXorK => operation!(9, rk, word),
                Op::ShlK => operation!(10, rk, word),
                Op::ShrK => operation!(11, rk, word),
                Op::KAdd => operation!(0, kr, word),
                Op::KSub => operation!(1, kr, word),
                Op::KMul => operation!(2, kr, word),
                Op::KMod => operation!(3, kr, word),
                Op::KPow => operation!(4, kr, word),
                Op::KDiv => operation!(5, kr, word),
                Op::KIDiv => operation!(6, kr, word),
                Op::KBAnd => operation!(7, kr, word),
                Op::KBOr => operation!(8, kr, word),
                Op::KBXor => operation!(9, kr, word),
                Op::KShl => operation!(10, kr, word),
                Op::KShr => operation!(11, kr, word),
                Op::AddI => {
                    let (x, y) = (w.get(bc::b(word)), Value::int(bc::sc(word)));
                    arith!(word, x, y, 0, i64::wrapping_add, |a: f64, b: f64| a + b);
                }
                Op::SubI => {
                    let (x, y) = (w.get(bc::b(word)), Value::int(bc::sc(word)));
                    // Subtracting zero is adding zero here, as in Lua: it makes -0.0 positive.
                    arith!(word, x, y, 1, i64::wrapping_sub, |a: f64, b: f64| a + (0.0 - b));
                }
                Op::Unm => {
                    let x: Value<'_, 'h> = w.get(bc::b(word));
                    if let Some(i) = x.as_int() {
                        w.put(bc::a(word), Value::int(i.wrapping_neg()));
                    } else if let Some(f) = x.as_float() {
                        w.put(bc::a(word), Value::float(-f));
                    } else {
                        slow!(self.negate_slow(x));
                    }
                }
                Op::BNot => {
                    let x: Value<'_, 'h> = w.get(bc::b(word));
                    match x.as_int() {
                        Some(i) => w.put(bc::a(word), Value::int(!i)),
                        None => slow!(self.invert_slow(x)),
                    }
                }
                Op::Not => w.put(bc::a(word), Value::bool(w.get(bc::b(word)).is_falsy())),
                Op::Len => {
                    let x: Value<'_, 'h> = w.get(bc::b(word));
                    if let Some(t) = x.as_table()
                        && table::metatable(t).is_none()
                    {
                        w.put(bc::a(word), Value::int(table::length(t)));
                    } else {
                        slow!(self.length_slow(x));
                    }
                }
                Op::Concat => slow!(self.concat(word)),

                Op::Close => slow!(self.close_instruction(word)),
                Op::Tbc => {
                    let slot = self.slot_index(w.base) + bc::a(word);
                    attempt!(self.mark_pending(slot));
                }
                Op::Jmp => {
                    let distance = bc::sj(word);
                    w.jump(distance);
                    if distance < 0 {
                        safepoint!();
                    }
                }
                Op::Eq => {
                    let (x, y): (Value<'_, 'h>, Value<'_, 'h>) = (w.get(bc::a(word)), w.get(bc::b(word)));
                    if x.same_words(y) && x.tag() != tag::FLOAT {
                        branch!(word, true);
                    } else if x.tag() == y.tag() && x.tag() <= tag::INT {
                        branch!(word, false);
                    } else {
                        slow!(self.equal_slow(x, y));
                    }
                }
                Op::EqK => {
                    let (x, y): (Value<'_, 'h>, Value<'_, 'h>) = (w.get(bc::a(word)), w.constant(bc::b(word)));
                    branch!(word, raw_equal(x, y));
                }
                Op::EqI => {
                    let x: Value<'_, 'h> = w.get(bc::a(word));
                    let equal = match x.as_int() {
                        Some(i) => i == bc::sb(word),
                        None => x.as_float() == Some(bc::sb(word) as f64),
                    };
                    branch!(word, equal);
                }
                Op::Lt => order!(word, w.get(bc::a(word)), w.get(bc::b(word)), false, i64::lt, f64::lt),
                Op::Le => order!(word, w.get(bc::a(word)), w.get(bc::b(word)), true, i64::le, f64::le),
                Op::LtK => order!(word, w.get(bc::a(word)), w.constant(bc::b(word)), false, i64::lt, f64::lt),
                Op::LeK => order!(word, w.get(bc::a(word)), w.constant(bc::b(word)), true, i64::le, f64::le),
                Op::GtK => order!(word, w.constant(bc::b(word)), w.get(bc::a(word)), false, i64::lt, f64::lt),
                Op::GeK => order!(word, w.constant(bc::b(word)), w.get(bc::a(word)), true, i64::le, f64::le),
                Op::LtI => order!(word, w.get(bc::a(word)), Value::int(bc::sb(word)), false, i64::lt, f64::lt),
                Op::LeI => order!(word, w.get(bc::a(word)), Value::int(bc::sb(word)), true, i64::le, f64::le),
                Op::GtI => order!(word, Value::int(bc::sb(word)), w.get(bc::a(word)), false, i64::lt, f64::lt),
                Op::GeI => order!(word, Value::int(bc::sb(word)), w.get(bc::a(word)), true, i64::le, f64::le),
                Op::Test => branch!(word, !w.get(bc::a(word)).is_falsy()),
                Op::TestSet => {
                    let x: Value<'_, 'h> = w.get(bc::b(word));
                    if x.is_falsy() != (bc::c(word) != 0) {
                        w.put(bc::a(word), x);
                    }
                    branch!(word, !x.is_falsy());
                }

                Op::Call => {
                    let func = w.base.wrapping_add(bc::a(word));
                    let func_index = self.slot_index(func);
                    let count = bc::b(word);
                    if count != 0 {
                        self.top.set(func_index + count);
                    }
                    let callee: Value<'_, 'h> = w.get(bc::a(word));
                    if let Some(closure) = callee.as_closure()
                        && let Some(proto) = closure.load(|c| &c.header().proto)
                        && !proto.is_vararg
                        && self.has_room(func_index + 1 + usize::from(proto.max_stack))
                    {
                        frame!().pc.set(w.pc as usize);
                        let top = self.top.get();
                        for slot in top..func_index + 1 + usize::from(proto.num_params) {
                            self.put(slot, Value::NIL);
                        }
                        let constants = proto::constants(proto).as_ptr();
                        w = Window::new(func.wrapping_add(1), constants, proto::code(proto).as_ptr());
                        frame = self.push_plain_frame(func_index, bc::c(word) as i32 - 1, constants);
                        safepoint!();
                    } else {
                        slow!(self.call_at(func_index, bc::c(word) as i32 - 1, 0));
                    }
                }
                Op::TailCall => {
                    let func_index = self.slot_index(w.base) + bc::a(word);
                    let count = bc::b(word);
                    if count != 0 {
                        self.top.set(func_index + count);
                    }
                    slow!(self.tail_call(func_index, bc::c(word) != 0));
                }
                Op::Return => {
                    slow!(self.return_instruction(word));
                }
                Op::Return0 => {
                    if frame!().kind.get() == frame::LUA && frame!().results.get() == 0 {
                        self.depth.set(self.depth.get() - 1);
                        reload!();
                    } else {
                        frame!().pc.set(w.pc as usize);
                        match self.return_values(self.slot_index(w.base), 0) {
                            Ok(Flow::Exit) => return Ok(Flow::Exit),
                            Ok(_) => {
                                reload!();
                            }
                            other => return other,
                        }
                    }
                }
                Op::Return1 => {
                    if frame!().kind.get() == frame::LUA && frame!().results.get() == 1 {
                        let value: Value<'_, 'h> = w.get(bc::a(word));
                        // A function without extra arguments has its own slot just below its registers.
                        w.base = w.base.wrapping_sub(1);
                        w.put(0, value);
                        self.depth.set(self.depth.get() - 1);
                        reload!();
                    } else {
                        frame!().pc.set(w.pc as usize);
                        match self.return_values(self.slot_index(w.base) + bc::a(word), 1) {
                            Ok(Flow::Exit) => return Ok(Flow::Exit),
                            Ok(_) => {
                                reload!();
                            }
                            other => return other,
                        }
                    }
                }

                Op::ForPrep => {
                    let a = bc::a(word);
                    let (start, limit, step): (Value<'_, 'h>, Value<'_, 'h>, Value<'_, 'h>) =
                        (w.get(a), w.get(a + 1), w.get(a + 2));
                    let runs = attempt!(self.prepare_loop(start, limit, step));
                    match runs {
                        Some((start, limit, step)) => {
                            w.put(a, start);
                            w.put(a + 1, limit);
                            w.put(a + 2, step);
                            w.put(a + 3, start);
                        }
                        None => w.jump(bc::bx(word) as isize + 1),
                    }
                }
                Op::ForLoop => {
                    let a = bc::a(word);
                    let start: Value<'_, 'h> = w.get(a);
                    if let Some(i) = start.as_int() {
                        let count = w.get(a + 1).payload();
                        if count > 0 {
                            let next = Value::int(i.wrapping_add(w.get(a + 2).payload() as i64));
                            w.put(a + 1, Value::int((count - 1) as i64));
                            w.put(a, next);
                            w.put(a + 3, next);
                            w.jump(-(bc::bx(word) as isize));
                            safepoint!();
                        }
                    } else if let (Some(x), Some(limit), Some(step)) =
                        (start.as_float(), w.get(a + 1).as_float(), w.get(a + 2).as_float())
                    {
                        let next = x + step;
                        if if step > 0.0 { next <= limit } else { limit <= next } {
                            w.put(a, Value::float(next));
                            w.put(a + 3, Value::float(next));
                            w.jump(-(bc::bx(word) as isize));
                            safepoint!();
                        }
                    }
                }
                Op::TForPrep => {
                    let slot = self.slot_index(w.base) + bc::a(word) + 3;
                    attempt!(self.mark_pending(slot));
                    w.jump(bc::bx(word) as isize);
                }
                Op::TForCall => {
                    let a = bc::a(word);
                    let iterator: Value<'_, 'h> = w.get(a);
                    // The commonest iterators need no call.
                    if let Some((key, value)) = inline_step(iterator, w.get(a + 1), w.get(a + 2)) {
                        w.put(a + 4, key);
                        w.put(a + 5, value);
                        for extra in 2..bc::c(word) {
                            w.put(a + 4 + extra, Value::NIL);
                        }
                    } else {
                        w.put(a + 4, iterator);
                        w.put(a + 5, w.get(a + 1));
                        w.put(a + 6, w.get(a + 2));
                        let func_index = self.slot_index(w.base) + a + 4;
                        self.top.set(func_index + 3);
                        slow!(self.call_at(func_index, bc::c(word) as i32, 0));
                    }
                }
                Op::TForLoop => {
                    let a = bc::a(word);
                    let control: Value<'_, 'h> = w.get(a + 4);
                    if !control.is_nil() {
                        w.put(a + 2, control);
                        w.jump(-(bc::bx(word) as isize));
                        safepoint!();
                    }
                }

                Op::Closure => {
                    let closure = attempt!(self.make_closure(w, bc::bx(word)));
                    w.put(bc::a(word), Value::closure(closure));
                }
                Op::Vararg => slow!(self.vararg_instruction(word)),
                Op::Extra => {}
            }
        }
    }
}

/// One step of `next` or of the iterator of `ipairs` over a table; `None` for anything else, and for steps that need more
/// than the table itself.
#[inline]
fn inline_step<'m, 'h>(
    iterator: Value<'m, 'h>,
    state: Value<'m, 'h>,
    control: Value<'m, 'h>,
) -> Option<(Value<'m, 'h>, Value<'m, 'h>)> {
    let (native, t) = (iterator.as_native()?, state.as_table()?);
    match native.index {
        NEXT => Some(table::next(t, control)?.unwrap_or((Value::NIL, Value::NIL))),
        IPAIRS_STEP => {
            let i = control.as_int()?.wrapping_add(1);
            let value = table::get_int(t, i);
            if !value.is_nil() {
                return Some((Value::int(i), value));
            }
            table::metatable(t).is_none().then_some((Value::NIL, Value::NIL))
        }
        _ => None,
    }
}
