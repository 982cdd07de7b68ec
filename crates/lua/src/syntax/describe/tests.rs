//! Tests of the names given to failing values.

use super::*;
use crate::syntax::compile::compile_text;

fn compiled(source: &str) -> Function {
    compile_text(source.as_bytes(), b"=test")
        .unwrap_or_else(|error| panic!("{}", String::from_utf8_lossy(&error.message)))
}

/// The index of the last instruction for which `wanted` holds.
fn last(function: &Function, wanted: impl Fn(Op) -> bool) -> usize {
    (0..function.code.len()).rev().find(|&pc| wanted(Op::of(function.code[pc]))).expect("there is such an instruction")
}

fn text(name: Option<Name>) -> String {
    name.map_or(String::new(), |name| String::from_utf8(name.text()).expect("the name is ASCII"))
}

#[test]
fn called() {
    let call = |source: &str| {
        let main = compiled(source);
        text(called_name(&main, last(&main, |op| matches!(op, Op::Call | Op::TailCall | Op::TForCall))))
    };
    assert_eq!(call("foo()"), "global 'foo'");
    assert_eq!(call("return foo()"), "global 'foo'");
    assert_eq!(call("foo.bar()"), "field 'bar'");
    assert_eq!(call("local a a:foo(1)"), "method 'foo'");
    assert_eq!(call("local a a.b(x)"), "field 'b'");
    assert_eq!(call("local a a()"), "local 'a'");
    assert_eq!(call("local a a[1]()"), "field 'integer index'");
    assert_eq!(call("local a, i a[i]()"), "field '?'");
    assert_eq!(call("local a a[('x')]()"), "field 'x'");
    assert_eq!(call("('x')()"), "constant 'x'");
    assert_eq!(call("(1)()"), "");
    assert_eq!(call("(a or b)()"), "");
    assert_eq!(call("local _ENV = {} foo()"), "global 'foo'");
    assert_eq!(call("for k in x do end"), "for iterator 'for iterator'");
    let long = "n".repeat(50);
    assert_eq!(call(&format!("local a a:{long}()")), format!("method '{long}'"));
    assert_eq!(call(&format!("local a a.{long}()")), format!("field '{long}'"));
}

#[test]
fn called_from_nested_functions() {
    let call = |source: &str| {
        let mut main = compiled(source);
        let nested = main.functions.remove(0);
        text(called_name(&nested, last(&nested, |op| op == Op::Call)))
    };
    assert_eq!(call("local x function f() x() end"), "upvalue 'x'");
    assert_eq!(call("local x function f() x.y() end"), "field 'y'");
    assert_eq!(call("local _ENV <const> = {} function f() g() end"), "global 'g'");
}

#[test]
fn indexed() {
    let table = |source: &str| {
        let main = compiled(source);
        text(indexed_name(&main, last(&main, |op| is_between(op, Op::GetTabUp, Op::SelfFieldX))))
    };
    assert_eq!(table("a.b.c = 1"), "field 'b'");
    assert_eq!(table("a.b = 1"), "global 'a'");
    assert_eq!(table("x = 1"), "upvalue '_ENV'");
    assert_eq!(table("local a return a.x.y"), "field 'x'");
    assert_eq!(table("local a return a[1].y"), "field 'integer index'");
    assert_eq!(table("local a, b a.x = b.y"), "local 'a'");
    assert_eq!(table("return (a or b).c"), "");
    assert_eq!(table("local x if a then x = b.c else x = d.e end return x.y"), "local 'x'");
    assert_eq!(table("return s:m().x"), "");
    assert_eq!(table("local a a.b:c()"), "field 'b'");
}

#[test]
fn operands() {
    let operand = |source: &str, right: bool| {
        let main = compiled(source);
        text(operand_name(&main, last(&main, |op| is_between(op, Op::Add, Op::Len)), right))
    };
    assert_eq!(operand("local a return a + x", false), "local 'a'");
    assert_eq!(operand("local a return a + x", true), "global 'x'");
    assert_eq!(operand("local a return 2 + a", true), "local 'a'");
    assert_eq!(operand("local a return 2 + a", false), "");
    assert_eq!(operand("local a return a - 2", false), "local 'a'");
    assert_eq!(operand("local a return a.x * 2", false), "field 'x'");
    assert_eq!(operand("return 'a' | 1", false), "constant 'a'");
    assert_eq!(operand("return -x", false), "global 'x'");
    let main = compiled("local x return 'b' .. x .. 'c'");
    let concat = last(&main, |op| op == Op::Concat);
    let first = bytecode::b(main.code[concat]);
    assert_eq!(text(register_name(&main, concat, first + 1)), "local 'x'");
    assert_eq!(text(register_name(&main, concat, first)), "constant 'b'");
}

#[test]
fn metamethods() {
    let event = |source: &str, op: Op| {
        let main = compiled(source);
        text(called_name(&main, last(&main, |found| found == op)))
    };
    assert_eq!(event("return a.b", Op::GetField), "metamethod 'index'");
    assert_eq!(event("a.b = 1", Op::SetFieldK), "metamethod 'newindex'");
    assert_eq!(event("return a // 2", Op::IDivK), "metamethod 'idiv'");
    assert_eq!(event("return 2 >> a", Op::KShr), "metamethod 'shr'");
    assert_eq!(event("return a >= 2", Op::GeI), "metamethod 'le'");
    assert_eq!(event("return a > b", Op::Lt), "metamethod 'lt'");
    assert_eq!(event("local a <close> = b", Op::Return), "metamethod 'close'");
    assert_eq!(event("return not a", Op::Not), "");
}
