//! A compact listing of compiled functions, for tests and for looking at what the compiler made.
//!
//! One line for each instruction: its index, source line, name, operands, and what a constant operand stands for.
//! Nested functions follow the function that defines them.

use super::bytecode::{self, Format, Op};
use super::function::{Constant, Function};
use std::fmt::Write;

/// The listing of a function and everything nested in it.
pub fn disassemble(function: &Function) -> String {
    let mut out = String::new();
    list(&mut out, function, "main");
    out
}

/// The instructions of one function alone, one a line, without index and line number.
pub fn instructions(function: &Function) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pc = 0;
    while pc < function.code.len() {
        lines.push(instruction(function, pc));
        pc += 1 + usize::from(bytecode::has_second_word(function.code[pc]));
    }
    lines
}

fn list(out: &mut String, function: &Function, path: &str) {
    let vararg = if function.is_vararg { "+" } else { "" };
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "function {path} (lines {}-{}): {}{vararg} params, {} registers, {} upvalues, {} constants",
        function.line_defined,
        function.last_line,
        function.num_params,
        function.max_stack,
        function.upvalues.len(),
        function.constants.len()
    );
    let mut pc = 0;
    while pc < function.code.len() {
        let _ = writeln!(out, "{pc:5} [{}] {}", function.lines[pc], instruction(function, pc));
        pc += 1 + usize::from(bytecode::has_second_word(function.code[pc]));
    }
    for (index, nested) in function.functions.iter().enumerate() {
        list(out, nested, &format!("{path}.{index}"));
    }
}

/// The text of the instruction at `pc`, its second word included.
fn instruction(function: &Function, pc: usize) -> String {
    let word = function.code[pc];
    let next = function.code.get(pc + 1).copied().unwrap_or(0);
    let op = Op::of(word);
    let (a, b, c) = (bytecode::a(word), bytecode::b(word), bytecode::c(word));
    let mut text = op.name().to_owned();
    let _ = match op.format() {
        Format::Abc if signed_b(op) => write!(text, " {a} {} {c}", bytecode::sb(word)),
        Format::Abc if signed_c(op) => write!(text, " {a} {b} {}", bytecode::sc(word)),
        Format::Abc => write!(text, " {a} {b} {c}"),
        Format::Abx if op == Op::LoadKX => write!(text, " {a}"),
        Format::Abx => write!(text, " {a} {}", bytecode::bx(word)),
        Format::Asbx => write!(text, " {a} {}", bytecode::sbx(word)),
        Format::Sj => write!(text, " to {}", target(pc, word)),
        Format::Ax => write!(text, " {}", bytecode::ax(word)),
    };
    if bytecode::is_conditional(op) {
        let _ = write!(text, " to {}", target(pc + 1, next));
    } else if bytecode::has_second_word(word) {
        let _ = write!(text, " {}", bytecode::ax(next));
    }
    let _ = match op {
        Op::ForPrep => write!(text, " to {}", pc + 2 + bytecode::bx(word)),
        Op::TForPrep => write!(text, " to {}", pc + 1 + bytecode::bx(word)),
        Op::ForLoop | Op::TForLoop => write!(text, " to {}", pc + 1 - bytecode::bx(word)),
        _ => Ok(()),
    };
    for index in constant_operands(word, next) {
        let _ = write!(text, " ; {}", constant(function, index));
    }
    text
}

fn target(pc: usize, word: u32) -> isize {
    pc as isize + 1 + bytecode::sj(word)
}

fn signed_b(op: Op) -> bool {
    matches!(op, Op::EqI | Op::LtI | Op::LeI | Op::GtI | Op::GeI)
}

fn signed_c(op: Op) -> bool {
    matches!(op, Op::AddI | Op::SubI)
}

/// The constants that an instruction names, `next` being the word behind it.
fn constant_operands(word: u32, next: u32) -> Vec<usize> {
    let op = Op::of(word);
    let (b, c) = (bytecode::b(word), bytecode::c(word));
    match op {
        Op::LoadK => vec![bytecode::bx(word)],
        Op::LoadKX | Op::SelfFieldX => vec![bytecode::ax(next)],
        Op::GetTabUp | Op::GetField | Op::SelfField | Op::SetTableK | Op::SetIndexK => vec![c],
        Op::SetTabUp | Op::SetField | Op::EqK | Op::LtK | Op::LeK | Op::GtK | Op::GeK => vec![b],
        Op::SetTabUpK | Op::SetFieldK => vec![b, c],
        _ if (Op::AddK as u8..=Op::ShrK as u8).contains(&(op as u8)) => vec![c],
        _ if (Op::KAdd as u8..=Op::KShr as u8).contains(&(op as u8)) => vec![b],
        _ => Vec::new(),
    }
}

fn constant(function: &Function, index: usize) -> String {
    match function.constants.get(index) {
        Some(Constant::Nil) => "nil".to_owned(),
        Some(Constant::Bool(value)) => value.to_string(),
        Some(Constant::Int(value)) => value.to_string(),
        Some(Constant::Float(value)) => format!("{value:?}"),
        Some(Constant::Str(text)) => format!("\"{}\"", text.escape_ascii()),
        None => format!("K{index}?"),
    }
}
