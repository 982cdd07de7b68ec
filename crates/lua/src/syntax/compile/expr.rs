//! Deferred expressions: what is known of a value before it is decided where it goes.
//!
//! Made and consumed all over `compile`. A kind that names registers holds them only by convention: `Index` kinds keep
//! theirs reserved until they are resolved or stored to; `Pending`, `Compare` and `Not` have given theirs back, so
//! they must be placed before any other register is taken.

use super::super::bytecode::Op;

/// A deferred expression.
#[derive(Debug)]
pub(super) struct Expr {
    /// What the value is when no jump is taken.
    pub kind: Kind,
    /// `Jmp` words (by index in the code) that leave the expression with a true value.
    pub when_true: Vec<u32>,
    /// `Jmp` words that leave the expression with a false value.
    pub when_false: Vec<u32>,
}

/// The forms of a deferred expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// The literal nil.
    Nil,
    /// The literal true.
    True,
    /// The literal false.
    False,
    /// An integer known now.
    Int(i64),
    /// A float known now.
    Float(f64),
    /// A string, by its constant.
    Str(u32),
    /// A value that is in this register; not a variable that can be assigned to.
    Register(u8),
    /// The local variable `index` (among the active ones) in its register.
    Local { register: u8, index: u8 },
    /// An upvalue.
    Upvalue(u8),
    /// A compile-time constant: the active variable `index` of the function at `level`.
    ConstVar { level: u32, index: u8 },
    /// `R[table][R[key]]`.
    IndexRegister { table: u8, key: u8 },
    /// `R[table][key]`.
    IndexInt { table: u8, key: u8 },
    /// `R[table][K[key]]`, a short string.
    IndexField { table: u8, key: u8 },
    /// `U[upvalue][K[key]]`, a short string.
    IndexUpvalue { upvalue: u8, key: u8 },
    /// An instruction without its operand A.
    Pending { word: u32, line: u32 },
    /// A call without its number of results: function at `base`, operand B.
    Call { base: u8, b: u8, line: u32 },
    /// `...` without its number of values.
    Vararg,
    /// A comparison without its jump; the value is true when the outcome equals `expect`.
    Compare { op: Op, a: u8, b: u8, expect: bool, line: u32 },
    /// `not R[register]`.
    Not { register: u8 },
}

impl Expr {
    /// An expression without jumps.
    pub(super) fn new(kind: Kind) -> Expr {
        Expr { kind, when_true: Vec::new(), when_false: Vec::new() }
    }

    pub(super) fn has_jumps(&self) -> bool {
        !self.when_true.is_empty() || !self.when_false.is_empty()
    }

    /// Whether the number of values is still open.
    pub(super) fn is_multiple(&self) -> bool {
        matches!(self.kind, Kind::Call { .. } | Kind::Vararg)
    }

    /// Whether it is a number known now.
    pub(super) fn is_numeral(&self) -> bool {
        matches!(self.kind, Kind::Int(_) | Kind::Float(_)) && !self.has_jumps()
    }

    /// Whether it is any literal known now.
    pub(super) fn is_literal(&self) -> bool {
        let literal =
            matches!(self.kind, Kind::Nil | Kind::True | Kind::False | Kind::Int(_) | Kind::Float(_) | Kind::Str(_));
        literal && !self.has_jumps()
    }

    /// Whether it has the form of something that can be assigned to.
    pub(super) fn is_place(&self) -> bool {
        matches!(
            self.kind,
            Kind::Local { .. }
                | Kind::Upvalue(_)
                | Kind::ConstVar { .. }
                | Kind::IndexRegister { .. }
                | Kind::IndexInt { .. }
                | Kind::IndexField { .. }
                | Kind::IndexUpvalue { .. }
        )
    }
}
