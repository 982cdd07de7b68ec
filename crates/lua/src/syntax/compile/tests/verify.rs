//! A check of the rules that `bytecode` states for all compiled code.

use super::super::super::bytecode::{self, MAX_REGISTERS, Op, SHORT_STRING_LIMIT};
use super::super::super::function::{Constant, Function};

/// Fails if the function or one nested in it breaks a rule.
pub(super) fn verify(function: &Function) {
    let code = &function.code;
    assert_eq!(code.len(), function.lines.len());
    assert!((2..=MAX_REGISTERS).contains(&(function.max_stack as usize)));
    assert!(function.num_params <= function.max_stack);
    let mut starts = vec![false; code.len()];
    let mut pc = 0;
    while pc < code.len() {
        starts[pc] = true;
        pc += 1 + usize::from(bytecode::has_second_word(code[pc]));
    }
    assert_eq!(pc, code.len(), "the last instruction is cut");
    for pc in (0..code.len()).filter(|&pc| starts[pc]) {
        check(function, pc, &starts);
    }
    let last = (0..code.len()).rev().find(|&pc| starts[pc]).map(|pc| Op::of(code[pc]));
    assert!(matches!(last, Some(Op::Return0 | Op::Return)), "the code does not end in a return");
    for local in &function.locals {
        assert!(local.register < function.max_stack && local.start_pc <= local.end_pc);
        assert!(local.end_pc as usize <= code.len());
    }
    for nested in &function.functions {
        for upvalue in &nested.upvalues {
            let limit = if upvalue.from_parent_stack { function.max_stack as usize } else { function.upvalues.len() };
            assert!((upvalue.index as usize) < limit);
        }
        verify(nested);
    }
}

fn check(function: &Function, pc: usize, starts: &[bool]) {
    let code = &function.code;
    let word = code[pc];
    let op = Op::of(word);
    let (a, b, c) = (bytecode::a(word), bytecode::b(word), bytecode::c(word));
    let register = |index: usize| assert!(index < function.max_stack as usize, "{pc}: {op:?} uses register {index}");
    let upvalue = |index: usize| assert!(index < function.upvalues.len(), "{pc}: {op:?} uses upvalue {index}");
    let constant = |index: usize| function.constants.get(index).unwrap_or_else(|| panic!("{pc}: {op:?} K{index}"));
    let short = |index: usize| {
        let fits = matches!(constant(index), Constant::Str(text) if text.len() <= SHORT_STRING_LIMIT);
        assert!(fits, "{pc}: {op:?} takes K{index} as a short string");
    };
    let number = |index: usize| assert!(matches!(constant(index), Constant::Int(_) | Constant::Float(_)));
    let jump = |target: isize| {
        let lands = usize::try_from(target).is_ok_and(|target| starts.get(target) == Some(&true));
        assert!(lands, "{pc}: {op:?} leads to {target}");
    };
    let here = pc as isize;
    if bytecode::is_conditional(op) {
        assert_eq!(Op::of(code[pc + 1]), Op::Jmp);
        jump(here + 2 + bytecode::sj(code[pc + 1]));
    }
    match op {
        Op::Move | Op::Unm | Op::BNot | Op::Not | Op::Len | Op::AddI | Op::SubI => {
            [a, b].into_iter().for_each(register)
        }
        Op::LoadInt | Op::LoadFloat | Op::LoadFalse | Op::LoadTrue | Op::Close | Op::Tbc | Op::Return1 => register(a),
        Op::LoadFalseSkip => assert_eq!(Op::of(code[pc + 1]), Op::LoadTrue),
        Op::LoadK => drop((register(a), constant(bytecode::bx(word)))),
        Op::LoadKX => drop((register(a), constant(bytecode::ax(code[pc + 1])))),
        Op::LoadNil => register(a + b),
        Op::GetUpval | Op::SetUpval => drop((register(a), upvalue(b))),
        Op::GetTabUp => drop((register(a), upvalue(b), short(c))),
        Op::GetTable | Op::SetTable => [a, b, c].into_iter().for_each(register),
        Op::GetIndex => [a, b].into_iter().for_each(register),
        Op::GetField => drop((register(a), register(b), short(c))),
        Op::SetTabUp => drop((upvalue(a), short(b), register(c))),
        Op::SetTabUpK => drop((upvalue(a), short(b), constant(c))),
        Op::SetTableK => drop((register(a), register(b), constant(c))),
        Op::SetIndex => [a, c].into_iter().for_each(register),
        Op::SetIndexK => drop((register(a), constant(c))),
        Op::SetField => drop((register(a), short(b), register(c))),
        Op::SetFieldK => drop((register(a), short(b), constant(c))),
        Op::SelfField => drop((register(a + 1), register(b), short(c))),
        Op::SelfFieldX => {
            [a + 1, b].into_iter().for_each(register);
            assert!(matches!(constant(bytecode::ax(code[pc + 1])), Constant::Str(_)));
        }
        Op::NewTable => register(a),
        Op::SetList => register(a + b),
        Op::Concat => {
            assert!(c >= 2);
            [a, b + c - 1].into_iter().for_each(register);
        }
        Op::Jmp => jump(here + 1 + bytecode::sj(word)),
        Op::Eq | Op::Lt | Op::Le => [a, b].into_iter().for_each(register),
        Op::EqK => drop((register(a), constant(b))),
        Op::LtK | Op::LeK | Op::GtK | Op::GeK => drop((register(a), number(b))),
        Op::EqI | Op::LtI | Op::LeI | Op::GtI | Op::GeI | Op::Test => register(a),
        Op::TestSet => [a, b].into_iter().for_each(register),
        Op::Call => register(a + b.saturating_sub(1).max(c.saturating_sub(2))),
        Op::TailCall => {
            register(a + b.saturating_sub(1));
            assert_eq!(code[pc + 1], bytecode::abc(Op::Return, a as u8, 0, c as u8));
        }
        Op::Return if b > 1 => register(a + b - 2),
        Op::Return => assert!(a <= function.max_stack as usize),
        Op::Return0 => assert!(!function.is_vararg),
        Op::ForPrep => {
            register(a + 3);
            let target = pc + 1 + bytecode::bx(word);
            assert_eq!(bytecode::abx(Op::ForLoop, a as u8, (target - pc) as u16), code[target]);
        }
        Op::ForLoop | Op::TForLoop => jump(here + 1 - bytecode::bx(word) as isize),
        Op::TForPrep => {
            register(a + 4);
            assert_eq!(Op::of(code[pc + 1 + bytecode::bx(word)]), Op::TForCall);
        }
        Op::TForCall => {
            assert!(c >= 1);
            [a + 3 + c, a + 6].into_iter().for_each(register);
            assert_eq!(Op::of(code[pc + 1]), Op::TForLoop);
        }
        Op::Closure => drop((register(a), &function.functions[bytecode::bx(word)])),
        Op::Vararg => register(a + c.saturating_sub(2)),
        Op::Extra => panic!("{pc}: a second word stands alone"),
        _ => {
            register(a);
            let group = (op as usize - Op::Add as usize) / 12;
            if group == 2 {
                number(b)
            } else {
                register(b)
            }
            if group == 1 { number(c) } else { register(c) }
        }
    }
}
