//! The instruction set: what every instruction word means, and how a word is taken apart and put together.
//!
//! The compiler writes these words, the virtual machine runs them, and `describe` and `disassemble` read them.
//! Nothing else in the interpreter knows the layout.
//!
//! # Layout
//!
//! An instruction is one `u32`. The low byte is the opcode; the rest has one of these shapes:
//!
//! ```text
//!   bits     0..8    8..16   16..24  24..32
//!   ABC      op      A       B       C         (B and C are also read as signed bytes: sB, sC)
//!   ABx      op      A       Bx (16 bits)      (Bx is also read as a signed 16-bit number: sBx)
//!   sJ       op      sJ (24 bits, signed)
//!   Ax       op      Ax (24 bits, unsigned)    (only the `Extra` word)
//! ```
//!
//! # Words used below
//!
//! * `R[x]` is register `x` of the running frame, `K[x]` is constant `x` of the function, `U[x]` is upvalue `x`.
//! * `pc` is the index of the word *after* the instruction being run. For an instruction of two words it is still the
//!   index of the second word: "skip" means `pc += 1`, and "jump" in a conditional instruction means
//!   `pc += 1 + sJ(code[pc])`, that is, run the `Jmp` word at `code[pc]` as if it stood alone.
//! * `top` is the frame's transient end-of-list mark: an instruction that makes an open list of values (a `Call` or a
//!   `Vararg` with `C = 0`) sets it to one past the last value, and the next instruction that takes an open list
//!   (`Call`, `TailCall`, `Return` or `SetList` with `B = 0`) reads it. No other instruction runs between the two.
//!
//! # Rules that hold for all compiled code
//!
//! * Every register named is below the function's `max_stack`, which is at most [`MAX_REGISTERS`]. Lists made by open
//!   calls may go beyond it.
//! * Every instruction reads all of its operands before it writes its result, so the result register may be one of
//!   the operands.
//! * Every jump lands on an instruction, never on a second word, and the code ends in a return, so running off the
//!   end is not possible.
//! * An instruction whose operands may have metamethods does the whole job itself: no second instruction follows to
//!   help it. Instructions that can call back into Lua, raise errors, or allocate: all but the `Move`/`Load*` family,
//!   `GetUpval`, `SetUpval`, `Not`, `Jmp`, `Test`, `TestSet`, `EqK`, `EqI`, `ForLoop`, `TForLoop` and the returns that
//!   have nothing to close.

mod word;

pub use word::*;

/// Most registers that a function may use. One byte names a register, and a few values above are kept free as marks.
pub const MAX_REGISTERS: usize = 250;

/// Most constants that one function may have: the reach of an `Extra` word.
pub const MAX_CONSTANTS: usize = 1 << 24;

/// Longest string, in bytes, that is used as the key of `GetField`, `SetField`, `GetTabUp`, `SetTabUp` and
/// `SelfField`. A longer constant key is loaded into a register and goes through the general instructions, so a
/// machine that interns strings up to this length may compare these keys by identity.
pub const SHORT_STRING_LIMIT: usize = 40;

/// How many values one `SetList` stores at most when it does not take an open list.
pub const SET_LIST_BATCH: usize = 50;

/// The operand shape of an opcode, for listings and for checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Three bytes A, B, C.
    Abc,
    /// Byte A, constant index or function index or distance in Bx.
    Abx,
    /// Byte A, signed 16-bit number.
    Asbx,
    /// Signed 24-bit distance.
    Sj,
    /// Unsigned 24-bit number.
    Ax,
}

macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident $text:literal $format:ident;)*) => {
        /// The operations. Discriminants are dense from 0, so a `match` becomes one jump table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Op { $($(#[$doc])* $name,)* }

        impl Op {
            /// Every opcode, in the order of the discriminants.
            pub const ALL: &[Op] = &[$(Op::$name,)*];

            /// The operation of an instruction word. A byte that is no opcode reads as [`Op::Extra`]; compiled code
            /// has none.
            #[inline(always)]
            pub const fn of(word: u32) -> Op {
                match word as u8 {
                    $(byte::$name => Op::$name,)*
                    _ => Op::Extra,
                }
            }

            /// The name used in listings.
            pub const fn name(self) -> &'static str {
                match self { $(Op::$name => $text,)* }
            }

            /// The operand shape.
            pub const fn format(self) -> Format {
                match self { $(Op::$name => Format::$format,)* }
            }
        }

        /// The discriminants as patterns for `Op::of`.
        #[allow(non_upper_case_globals)]
        mod byte {
            $(pub(super) const $name: u8 = super::Op::$name as u8;)*
        }
    };
}

opcodes! {
    // ---- moving and loading -----------------------------------------------------------------------------------
    /// `A B`: `R[A] = R[B]`.
    Move "MOVE" Abc;
    /// `A sBx`: `R[A] =` the integer sBx.
    LoadInt "LOADI" Asbx;
    /// `A sBx`: `R[A] =` the float whose value is sBx.
    LoadFloat "LOADF" Asbx;
    /// `A Bx`: `R[A] = K[Bx]`.
    LoadK "LOADK" Abx;
    /// `A`, then `Extra Ax`: `R[A] = K[Ax]`; skips the second word.
    LoadKX "LOADKX" Abx;
    /// `A`: `R[A] = false`.
    LoadFalse "LOADFALSE" Abc;
    /// `A`: `R[A] = false`, then `pc += 1` (over the `LoadTrue` that always follows).
    LoadFalseSkip "LFALSESKIP" Abc;
    /// `A`: `R[A] = true`.
    LoadTrue "LOADTRUE" Abc;
    /// `A B`: `R[A], ..., R[A+B] = nil` (`B + 1` registers).
    LoadNil "LOADNIL" Abc;
    /// `A B`: `R[A] = U[B]`.
    GetUpval "GETUPVAL" Abc;
    /// `A B`: `U[B] = R[A]`. Mind the order: A is the source register.
    SetUpval "SETUPVAL" Abc;

    // ---- reading and writing tables ---------------------------------------------------------------------------
    /// `A B C`: `R[A] = U[B][K[C]]`, `K[C]` a short string. The upvalue is `_ENV` for a global variable, but may be
    /// any. Falls to `__index`.
    GetTabUp "GETTABUP" Abc;
    /// `A B C`: `R[A] = R[B][R[C]]`. Falls to `__index`.
    GetTable "GETTABLE" Abc;
    /// `A B C`: `R[A] = R[B][C]`, with C itself as an integer key from 0 to 255. Falls to `__index`.
    GetIndex "GETINDEX" Abc;
    /// `A B C`: `R[A] = R[B][K[C]]`, `K[C]` a short string. Falls to `__index`.
    GetField "GETFIELD" Abc;
    /// `A B C`: `U[A][K[B]] = R[C]`, `K[B]` a short string. Falls to `__newindex`.
    SetTabUp "SETTABUP" Abc;
    /// `A B C`: `U[A][K[B]] = K[C]`, `K[B]` a short string. Falls to `__newindex`.
    SetTabUpK "SETTABUPK" Abc;
    /// `A B C`: `R[A][R[B]] = R[C]`. Falls to `__newindex`.
    SetTable "SETTABLE" Abc;
    /// `A B C`: `R[A][R[B]] = K[C]`. Falls to `__newindex`.
    SetTableK "SETTABLEK" Abc;
    /// `A B C`: `R[A][B] = R[C]`, with B itself as an integer key from 0 to 255. Falls to `__newindex`.
    SetIndex "SETINDEX" Abc;
    /// `A B C`: `R[A][B] = K[C]`, with B itself as an integer key from 0 to 255. Falls to `__newindex`.
    SetIndexK "SETINDEXK" Abc;
    /// `A B C`: `R[A][K[B]] = R[C]`, `K[B]` a short string. Falls to `__newindex`.
    SetField "SETFIELD" Abc;
    /// `A B C`: `R[A][K[B]] = K[C]`, `K[B]` a short string. Falls to `__newindex`.
    SetFieldK "SETFIELDK" Abc;
    /// `A B C`: method look-up. `R[A+1] = R[B]; R[A] = R[B][K[C]]`, `K[C]` a short string; B is read once, before
    /// either is written. Falls to `__index`.
    SelfField "SELF" Abc;
    /// `A B`, then `Extra Ax`: as `SelfField`, the method name being `K[Ax]`, a string of any length; skips the second
    /// word.
    SelfFieldX "SELFX" Abc;
    /// `A B C`: `R[A] =` a new table with room for [`decode_size`]`(B)` hashed entries and [`decode_size`]`(C)` array
    /// items. Both are hints, rounded up.
    NewTable "NEWTABLE" Abc;
    /// `A B C`: `R[A][first + i] = R[A + i]` for `1 <= i <= n`, where `n` is B, or `top - A - 1` when B is 0. `first`
    /// is 0 when C is 0; when C is 1 an `Extra Ax` word follows, `first` is Ax, and that word is skipped. `R[A]` is
    /// always a fresh table without a metatable, so the stores are raw. `top` is dead afterwards.
    SetList "SETLIST" Abc;

    // ---- arithmetic, both operands in registers ---------------------------------------------------------------
    // The three groups of twelve keep one order, so that `op - Op::Add`, `op - Op::AddK` and `op - Op::KAdd` name the
    // same operation.
    /// `A B C`: `R[A] = R[B] + R[C]`. Like all of this group, falls to the operator's metamethod (`__add`).
    Add "ADD" Abc;
    /// `A B C`: `R[A] = R[B] - R[C]` (`__sub`).
    Sub "SUB" Abc;
    /// `A B C`: `R[A] = R[B] * R[C]` (`__mul`).
    Mul "MUL" Abc;
    /// `A B C`: `R[A] = R[B] % R[C]` (`__mod`).
    Mod "MOD" Abc;
    /// `A B C`: `R[A] = R[B] ^ R[C]`, always a float (`__pow`).
    Pow "POW" Abc;
    /// `A B C`: `R[A] = R[B] / R[C]`, always a float (`__div`).
    Div "DIV" Abc;
    /// `A B C`: `R[A] = R[B] // R[C]` (`__idiv`).
    IDiv "IDIV" Abc;
    /// `A B C`: `R[A] = R[B] & R[C]` (`__band`).
    BAnd "BAND" Abc;
    /// `A B C`: `R[A] = R[B] | R[C]` (`__bor`).
    BOr "BOR" Abc;
    /// `A B C`: `R[A] = R[B] ~ R[C]` (`__bxor`).
    BXor "BXOR" Abc;
    /// `A B C`: `R[A] = R[B] << R[C]` (`__shl`).
    Shl "SHL" Abc;
    /// `A B C`: `R[A] = R[B] >> R[C]` (`__shr`).
    Shr "SHR" Abc;

    // ---- arithmetic, constant on the right --------------------------------------------------------------------
    /// `A B C`: `R[A] = R[B] + K[C]`. In this group and the next the constant is always a number; a metamethod is
    /// called with the operands in the order written.
    AddK "ADDK" Abc;
    /// `A B C`: `R[A] = R[B] - K[C]`.
    SubK "SUBK" Abc;
    /// `A B C`: `R[A] = R[B] * K[C]`.
    MulK "MULK" Abc;
    /// `A B C`: `R[A] = R[B] % K[C]`. The constant may be zero.
    ModK "MODK" Abc;
    /// `A B C`: `R[A] = R[B] ^ K[C]`.
    PowK "POWK" Abc;
    /// `A B C`: `R[A] = R[B] / K[C]`.
    DivK "DIVK" Abc;
    /// `A B C`: `R[A] = R[B] // K[C]`. The constant may be zero.
    IDivK "IDIVK" Abc;
    /// `A B C`: `R[A] = R[B] & K[C]`. In the bit operations too the constant may be a float of any value.
    BAndK "BANDK" Abc;
    /// `A B C`: `R[A] = R[B] | K[C]`.
    BOrK "BORK" Abc;
    /// `A B C`: `R[A] = R[B] ~ K[C]`.
    BXorK "BXORK" Abc;
    /// `A B C`: `R[A] = R[B] << K[C]`.
    ShlK "SHLK" Abc;
    /// `A B C`: `R[A] = R[B] >> K[C]`.
    ShrK "SHRK" Abc;

    // ---- arithmetic, constant on the left ---------------------------------------------------------------------
    /// `A B C`: `R[A] = K[B] + R[C]`.
    KAdd "KADD" Abc;
    /// `A B C`: `R[A] = K[B] - R[C]`.
    KSub "KSUB" Abc;
    /// `A B C`: `R[A] = K[B] * R[C]`.
    KMul "KMUL" Abc;
    /// `A B C`: `R[A] = K[B] % R[C]`.
    KMod "KMOD" Abc;
    /// `A B C`: `R[A] = K[B] ^ R[C]`.
    KPow "KPOW" Abc;
    /// `A B C`: `R[A] = K[B] / R[C]`.
    KDiv "KDIV" Abc;
    /// `A B C`: `R[A] = K[B] // R[C]`.
    KIDiv "KIDIV" Abc;
    /// `A B C`: `R[A] = K[B] & R[C]`.
    KBAnd "KBAND" Abc;
    /// `A B C`: `R[A] = K[B] | R[C]`.
    KBOr "KBOR" Abc;
    /// `A B C`: `R[A] = K[B] ~ R[C]`.
    KBXor "KBXOR" Abc;
    /// `A B C`: `R[A] = K[B] << R[C]`.
    KShl "KSHL" Abc;
    /// `A B C`: `R[A] = K[B] >> R[C]`.
    KShr "KSHR" Abc;

    // ---- arithmetic, small integer on the right ---------------------------------------------------------------
    /// `A B sC`: `R[A] = R[B] +` the integer sC (-128 to 127). The metamethod `__add` gets `(R[B], sC)`.
    AddI "ADDI" Abc;
    /// `A B sC`: `R[A] = R[B] -` the integer sC. The metamethod `__sub` gets `(R[B], sC)`.
    SubI "SUBI" Abc;

    // ---- unary operators and concatenation --------------------------------------------------------------------
    /// `A B`: `R[A] = -R[B]` (`__unm`).
    Unm "UNM" Abc;
    /// `A B`: `R[A] = ~R[B]` (`__bnot`).
    BNot "BNOT" Abc;
    /// `A B`: `R[A] = not R[B]`, always a boolean; no metamethod.
    Not "NOT" Abc;
    /// `A B`: `R[A] = #R[B]` (`__len`, for all values but strings).
    Len "LEN" Abc;
    /// `A B C`: `R[A] = R[B] .. R[B+1] .. ... .. R[B+C-1]`, C at least 2, associating to the right (`__concat`). The
    /// operands are temporaries above every local variable, so the machine may overwrite them while it works.
    Concat "CONCAT" Abc;

    // ---- scopes -----------------------------------------------------------------------------------------------
    /// `A`: closes every upvalue and runs `__close` of every pending to-be-closed variable at register A or above.
    Close "CLOSE" Abc;
    /// `A`: marks `R[A]` as a to-be-closed variable; an error unless it is nil, false, or has `__close`.
    Tbc "TBC" Abc;

    // ---- control ----------------------------------------------------------------------------------------------
    /// `sJ`: `pc += sJ`. Also the second word of every conditional instruction below.
    Jmp "JMP" Sj;
    // Comparisons. All are followed by a `Jmp` word: when the outcome equals the flag (`C != 0`) the jump is taken,
    // otherwise its word is skipped.
    /// `A B C`: compares `R[A] == R[B]` (`__eq`); jumps if the outcome equals the flag C, else skips.
    Eq "EQ" Abc;
    /// `A B C`: compares `R[A] < R[B]` (`__lt`); jumps if the outcome equals the flag C, else skips.
    Lt "LT" Abc;
    /// `A B C`: compares `R[A] <= R[B]` (`__le`); jumps if the outcome equals the flag C, else skips.
    Le "LE" Abc;
    /// `A B C`: compares `R[A] == K[B]` raw (a constant has no `__eq`; `K[B]` is nil, a boolean, a number, or a string
    /// of any length; an integer and a float are equal when their values are); jumps if the outcome equals the flag C,
    /// else skips.
    EqK "EQK" Abc;
    /// `A B C`: compares `R[A] < K[B]`, a number; metamethod `__lt(R[A], K[B])`.
    LtK "LTK" Abc;
    /// `A B C`: compares `R[A] <= K[B]`, a number; metamethod `__le(R[A], K[B])`.
    LeK "LEK" Abc;
    /// `A B C`: compares `K[B] < R[A]`, a number; metamethod `__lt(K[B], R[A])`: the constant is the *left* operand,
    /// also in an error message.
    GtK "GTK" Abc;
    /// `A B C`: compares `K[B] <= R[A]`, a number; metamethod `__le(K[B], R[A])`.
    GeK "GEK" Abc;
    /// `A sB C`: compares `R[A] ==` the integer sB, raw as in `EqK`; jumps if the outcome equals the flag C, else
    /// skips.
    EqI "EQI" Abc;
    /// `A sB C`: compares `R[A] < sB`; metamethod `__lt(R[A], sB)`.
    LtI "LTI" Abc;
    /// `A sB C`: compares `R[A] <= sB`; metamethod `__le(R[A], sB)`.
    LeI "LEI" Abc;
    /// `A sB C`: compares `sB < R[A]`; metamethod `__lt(sB, R[A])`: the immediate is the *left* operand.
    GtI "GTI" Abc;
    /// `A sB C`: compares `sB <= R[A]`; metamethod `__le(sB, R[A])`.
    GeI "GEI" Abc;
    /// `A C`: jumps if `R[A]` is true (not nil, not false) exactly when `C != 0`, else skips. Always followed by `Jmp`.
    Test "TEST" Abc;
    /// `A B C`: if `R[B]` is true exactly when `C != 0`, then `R[A] = R[B]` and jumps; else skips. Always followed by
    /// `Jmp`.
    TestSet "TESTSET" Abc;

    // ---- calls and returns ------------------------------------------------------------------------------------
    /// `A B C`: calls `R[A]` with the arguments `R[A+1] ..`: `B - 1` of them, or up to `top` when B is 0. The results
    /// go to `R[A] ..`: `C - 1` of them (padded with nil, or cut), or all of them, setting `top`, when C is 0.
    /// `R[A]` and everything above is free for the callee to use. Falls to `__call`.
    Call "CALL" Abc;
    /// `A B C`: returns the results of calling `R[A]` with arguments as in `Call`, reusing this frame. The flag C says
    /// that the function may have open upvalues to close first (never to-be-closed variables: with one in scope a plain
    /// `Call` and `Return` are used). A machine may also run it as `Call A B 0` and the `Return A 0 C` that always
    /// follows.
    TailCall "TAILCALL" Abc;
    /// `A B C`: returns `R[A] ..`: `B - 1` values, or up to `top` when B is 0. The flag C says that there may be open
    /// upvalues or to-be-closed variables in this frame, to close first; the values may lie anywhere in
    /// the frame, so `__close` must be called above them.
    Return "RETURN" Abc;
    /// Returns no value. Only in a function that is not vararg and has nothing to close.
    Return0 "RETURN0" Abc;
    /// `A`: returns `R[A]`. Only in a function that is not vararg and has nothing to close.
    Return1 "RETURN1" Abc;

    // ---- loops ------------------------------------------------------------------------------------------------
    /// `A Bx`: prepares a numeric loop over four registers: `R[A]` start, `R[A+1]` limit, `R[A+2]` step, `R[A+3]` the
    /// variable the body sees. Afterwards:
    ///
    /// * start and step both integers: the limit is clipped to an integer (floor for a positive step, ceiling for a
    ///   negative one; strings are not converted). If the loop does not run: `pc += Bx + 1`, to just after the
    ///   `ForLoop`. Otherwise `R[A]` stays the start, `R[A+1]` becomes the number of iterations *after* the first one,
    ///   as an unsigned count kept in an integer, and `R[A+3] = R[A]`.
    /// * otherwise all three become floats (an error if one is not a number); the same skip if the loop does not run;
    ///   otherwise `R[A+3] = R[A]`.
    ///
    /// Errors: `'for' step is zero`, and `bad 'for' W (number expected, got T)` where W is `initial value`, `limit` or
    /// `step` and T the type found. With integer start and step, the step is looked at first, then the limit; otherwise
    /// limit, step, start, and last the step being zero.
    ForPrep "FORPREP" Abx;
    /// `A Bx`: one more step of the loop prepared by `ForPrep`. If `R[A]` is an integer (then the step is too, and
    /// `R[A+1]` is a count): if the count, as unsigned, is above 0, decrement it, `R[A] += R[A+2]` (wrapping is not
    /// possible), `R[A+3] = R[A]`, `pc -= Bx`; else fall through. If floats: `R[A] += R[A+2]`; if it has not passed the
    /// limit `R[A+1]` then `R[A+3] = R[A]`, `pc -= Bx`; else fall through. `pc - Bx` is the first instruction of the
    /// body. The body never writes `R[A]` to `R[A+2]`, nor captures them.
    ForLoop "FORLOOP" Abx;
    /// `A Bx`: enters a generic loop over `R[A]` iterator function, `R[A+1]` state, `R[A+2]` control, `R[A+3]` closing
    /// value, `R[A+4] ..` the variables. Marks `R[A+3]` as to-be-closed as `Tbc` does (nothing if nil or false), then
    /// `pc += Bx`, to the `TForCall`.
    TForPrep "TFORPREP" Abx;
    /// `A C`: `R[A+4], ..., R[A+3+C] = R[A](R[A+1], R[A+2])`, C at least 1. The registers from `A+4` up are free for
    /// the call. Falls to `__call`. `TForLoop` with the same A always follows.
    TForCall "TFORCALL" Abc;
    /// `A Bx`: if `R[A+4]` is not nil then `R[A+2] = R[A+4]` and `pc -= Bx`, to the first instruction of the body; else
    /// falls through (and the compiler has put a `Close A+3`, or a return that closes, on the way out).
    TForLoop "TFORLOOP" Abx;

    // ---- functions --------------------------------------------------------------------------------------------
    /// `A Bx`: `R[A] =` a new closure of nested function Bx, its upvalues taken as its `UpvalueDesc`s say.
    Closure "CLOSURE" Abx;
    /// `A C`: `R[A] ..` = the extra arguments of this vararg function: `C - 1` of them (padded with nil, or cut), or
    /// all of them, setting `top`, when C is 0.
    Vararg "VARARG" Abc;

    /// `Ax`: the second word of the instructions that say so. Never run by itself.
    Extra "EXTRA" Ax;
}
