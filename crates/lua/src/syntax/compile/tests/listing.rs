//! The code made for the constructs of the language.

use super::super::super::bytecode::Op;
use super::super::super::disassemble::{disassemble, instructions};
use super::function;

/// Checks the listing of the main function, without its final return. White space around lines does not count.
fn check(source: &str, expected: &str) {
    let mut lines = instructions(&function(source));
    lines.pop();
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, expected, "for {source}");
}

#[test]
fn loads() {
    check(
        "local a, b = 1 local c",
        r#"
            LOADI 0 1
            LOADNIL 1 1 0
        "#,
    );
    check(
        "local a = 40000 local b = 3.0 local c = 0.5 local d = 'x'",
        r#"
            LOADK 0 0 ; 40000
            LOADF 1 3
            LOADK 2 1 ; 0.5
            LOADK 3 2 ; "x"
        "#,
    );
    check(
        "do local a, b end local c",
        r#"
            LOADNIL 0 1 0
            LOADNIL 0 0 0
        "#,
    );
}

#[test]
fn tables() {
    check(
        "x = 1 x.y = 'a' x[1] = true x[x] = nil",
        r#"
            SETTABUPK 0 0 1 ; "x" ; 1
            GETTABUP 0 0 0 ; "x"
            SETFIELDK 0 2 3 ; "y" ; "a"
            GETTABUP 0 0 0 ; "x"
            SETINDEXK 0 1 4 ; true
            GETTABUP 0 0 0 ; "x"
            GETTABUP 1 0 0 ; "x"
            SETTABLEK 0 1 5 ; nil
        "#,
    );
    check(
        "local t t.x = t t[255] = t[0] t[256] = t[t]",
        r#"
            LOADNIL 0 0 0
            SETFIELD 0 0 0 ; "x"
            GETINDEX 1 0 0
            SETINDEX 0 255 1
            LOADI 1 256
            GETTABLE 2 0 0
            SETTABLE 0 1 2
        "#,
    );
}

#[test]
fn arithmetic() {
    check(
        "local a, b a = a + 1 b = a - 100 b = 1 - a b = a * 2 b = 2 ^ a b = a // 0 b = a - 200",
        r#"
            LOADNIL 0 1 0
            ADDI 0 0 1
            SUBI 1 0 100
            KSUB 1 0 0 ; 1
            MULK 1 0 1 ; 2
            KPOW 1 1 0 ; 2
            IDIVK 1 0 2 ; 0
            SUBK 1 0 3 ; 200
        "#,
    );
    check(
        "local a = 2 + 3 * 4 - -1 local b = 1 << 4 | 1 local c = 10 // 3 local d = 7 // 2.0",
        r#"
            LOADI 0 15
            LOADI 1 17
            LOADI 2 3
            LOADF 3 3
        "#,
    );
    check(
        "local a = 1 // 0 local b = 0.0 * -1",
        r#"
            LOADI 0 1
            IDIVK 0 0 0 ; 0
            LOADF 1 0
            MULK 1 1 1 ; -1
        "#,
    );
}

#[test]
fn concatenation() {
    check(
        "local a, b local c = a .. 'x' .. b .. 1",
        r#"
            LOADNIL 0 1 0
            MOVE 2 0 0
            LOADK 3 0 ; "x"
            MOVE 4 1 0
            LOADI 5 1
            CONCAT 2 2 4
        "#,
    );
}

#[test]
fn conditions() {
    check(
        "local a, b if a < b then a() end",
        r#"
            LOADNIL 0 1 0
            LT 0 1 0 to 5
            MOVE 2 0 0
            CALL 2 1 1
        "#,
    );
    check(
        "local a, b if a > 5 or b <= 2.5 then a() end",
        r#"
            LOADNIL 0 1 0
            GTI 0 5 1 to 5
            LEK 1 0 0 to 7 ; 2.5
            MOVE 2 0 0
            CALL 2 1 1
        "#,
    );
    check(
        "local a, b if not (a == nil) and a ~= 'x' and 3 >= b then a() end",
        r#"
            LOADNIL 0 1 0
            EQK 0 0 1 to 9 ; nil
            EQK 0 1 1 to 9 ; "x"
            LEI 1 3 0 to 9
            MOVE 2 0 0
            CALL 2 1 1
        "#,
    );
    check(
        "local a if a then return 1 else return end",
        r#"
            LOADNIL 0 0 0
            TEST 0 0 0 to 6
            LOADI 1 1
            RETURN 1 2 0
            JMP to 7
            RETURN 1 1 0
        "#,
    );
}

#[test]
fn logical_values() {
    check(
        "local a, b local c = a and b or 3",
        r#"
            LOADNIL 0 1 0
            TEST 0 0 0 to 5
            TESTSET 2 1 1 to 6
            LOADI 2 3
        "#,
    );
    check(
        "local a, b local c = not a == b",
        r#"
            LOADNIL 0 1 0
            NOT 2 0 0
            EQ 2 1 1 to 5
            LFALSESKIP 2 0 0
            LOADTRUE 2 0 0
        "#,
    );
    check(
        "local a, b return a < b",
        r#"
            LOADNIL 0 1 0
            LT 0 1 1 to 4
            LFALSESKIP 2 0 0
            LOADTRUE 2 0 0
            RETURN 2 2 0
        "#,
    );
}

#[test]
fn loops() {
    check(
        "local a while a do if a.x then break end end",
        r#"
            LOADNIL 0 0 0
            TEST 0 0 0 to 7
            GETFIELD 1 0 0 ; "x"
            TEST 1 0 1 to 7
            JMP to 1
        "#,
    );
    check(
        "local a repeat local b = a() until b",
        r#"
            LOADNIL 0 0 0
            MOVE 1 0 0
            CALL 1 1 2
            TEST 1 0 0 to 1
        "#,
    );
    check(
        "for i = 1, 10 do f(i) end",
        r#"
            LOADI 0 1
            LOADI 1 10
            LOADI 2 1
            FORPREP 0 3 to 8
            GETTABUP 4 0 0 ; "f"
            MOVE 5 3 0
            CALL 4 2 1
            FORLOOP 0 4 to 4
        "#,
    );
    check(
        "for i = 1, 10, 2 do if i == 5 then goto continue end f(i) ::continue:: end",
        r#"
            LOADI 0 1
            LOADI 1 10
            LOADI 2 2
            FORPREP 0 5 to 10
            EQI 3 5 1 to 9
            GETTABUP 4 0 0 ; "f"
            MOVE 5 3 0
            CALL 4 2 1
            FORLOOP 0 6 to 4
        "#,
    );
    check(
        "for k, v in pairs(t) do f(k, v) end",
        r#"
            GETTABUP 0 0 0 ; "pairs"
            GETTABUP 1 0 1 ; "t"
            CALL 0 2 5
            TFORPREP 0 4 to 8
            GETTABUP 6 0 2 ; "f"
            MOVE 7 4 0
            MOVE 8 5 0
            CALL 6 3 1
            TFORCALL 0 0 2
            TFORLOOP 0 6 to 4
            CLOSE 0 0 0
        "#,
    );
}

#[test]
fn labels() {
    check(
        "::top:: local a = x if a then goto top end",
        r#"
            GETTABUP 0 0 0 ; "x"
            TEST 0 0 0 to 5
            CLOSE 0 0 0
            JMP to 0
        "#,
    );
}

#[test]
fn constructors() {
    check(
        "local t = {1, 2, x = 3, [4] = 5, f()}",
        r#"
            NEWTABLE 0 2 2
            LOADI 1 1
            LOADI 2 2
            SETFIELDK 0 0 1 ; "x" ; 3
            SETINDEXK 0 4 2 ; 5
            GETTABUP 3 0 3 ; "f"
            CALL 3 1 0
            SETLIST 0 0 0
        "#,
    );
    check(
        "local t = {f(), n = ...}",
        r#"
            NEWTABLE 0 1 1
            GETTABUP 1 0 0 ; "f"
            CALL 1 1 2
            VARARG 2 0 2
            SETFIELD 0 1 2 ; "n"
            SETLIST 0 1 0
        "#,
    );
}

#[test]
fn calls() {
    check(
        "local s s:m(1, ...)",
        r#"
            LOADNIL 0 0 0
            SELF 1 0 0 ; "m"
            LOADI 3 1
            VARARG 4 0 0
            CALL 1 0 1
        "#,
    );
    check(
        "return f(...)",
        r#"
            GETTABUP 0 0 0 ; "f"
            VARARG 1 0 0
            TAILCALL 0 0 0
            RETURN 0 0 0
        "#,
    );
    check(
        "return (f())",
        r#"
            GETTABUP 0 0 0 ; "f"
            CALL 0 1 2
            RETURN 0 2 0
        "#,
    );
    check(
        "local x = ... local a, b = ...",
        r#"
            VARARG 0 0 2
            VARARG 1 0 3
        "#,
    );
}

#[test]
fn assignments() {
    check(
        "local a, b a, b = b, a",
        r#"
            LOADNIL 0 1 0
            MOVE 2 1 0
            MOVE 1 0 0
            MOVE 0 2 0
        "#,
    );
    check(
        "local i, t i, t[i] = 1, 2",
        r#"
            LOADNIL 0 1 0
            LOADI 2 1
            SETTABLEK 1 0 0 ; 2
            MOVE 0 2 0
        "#,
    );
    check(
        "local i, t t[i], i = 1, 2",
        r#"
            LOADNIL 0 1 0
            MOVE 2 0 0
            LOADI 3 1
            LOADI 0 2
            SETTABLE 1 2 3
        "#,
    );
    check(
        "local a = f(), g() local b, c = f()",
        r#"
            GETTABUP 0 0 0 ; "f"
            CALL 0 1 2
            GETTABUP 1 0 1 ; "g"
            CALL 1 1 1
            GETTABUP 1 0 0 ; "f"
            CALL 1 1 3
        "#,
    );
    check(
        "local a = {} ; a.x, a.y = f()",
        r#"
            NEWTABLE 0 0 0
            GETTABUP 1 0 2 ; "f"
            CALL 1 1 3
            SETFIELD 0 1 2 ; "y"
            SETFIELD 0 0 1 ; "x"
        "#,
    );
}

#[test]
fn attributes() {
    check(
        "local a <const> = 5 local b <const> = 'k' x = a + y x[b] = a",
        r#"
            GETTABUP 0 0 2 ; "y"
            KADD 0 3 0 ; 5
            SETTABUP 0 1 0 ; "x"
            GETTABUP 0 0 1 ; "x"
            SETFIELDK 0 0 3 ; "k" ; 5
        "#,
    );
    check(
        "local a <close> = f() return g()",
        r#"
            GETTABUP 0 0 0 ; "f"
            CALL 0 1 2
            TBC 0 0 0
            GETTABUP 1 0 1 ; "g"
            CALL 1 1 0
            RETURN 1 0 1
        "#,
    );
}

#[test]
fn functions() {
    check(
        "function a.b.c:d(x) end",
        r#"
            GETTABUP 0 0 0 ; "a"
            GETFIELD 0 0 1 ; "b"
            GETFIELD 0 0 2 ; "c"
            CLOSURE 1 0
            SETFIELD 0 3 1 ; "d"
        "#,
    );
}

#[test]
fn returns_close_only_what_may_be_open() {
    let returns = |source: &str| {
        let nested = &function(source).functions[0];
        nested.code.iter().map(|&word| Op::of(word)).filter(|op| *op as u8 >= Op::TailCall as u8).collect::<Vec<_>>()
    };
    let last = |source: &str| returns(source).last().copied();
    assert_eq!(last("function f() end"), Some(Op::Return0));
    assert_eq!(returns("function f(a) return a end"), [Op::Return1, Op::Return0]);
    assert_eq!(last("function f(...) end"), Some(Op::Return));
    assert_eq!(last("function f(a) for i in a do end end"), Some(Op::Return));
    let captured = function("function f(a) g = function() return a end return h(a) end");
    let listing = disassemble(&captured);
    assert!(listing.contains("TAILCALL 1 2 1") && listing.contains("RETURN 1 0 1"), "{listing}");
}

#[test]
fn upvalues_are_handed_down() {
    let main = function("local a, b function f() return function() return b, a, x end end");
    let middle = &main.functions[0];
    let inner = &middle.functions[0];
    let sources = |function: &super::Function| {
        let each = function.upvalues.iter();
        each.map(|upvalue| {
            (String::from_utf8_lossy(&upvalue.name).into_owned(), upvalue.from_parent_stack, upvalue.index)
        })
        .collect::<Vec<_>>()
    };
    // The first is the one that the statement itself uses to store the function.
    assert_eq!(sources(&main), [("_ENV".to_owned(), true, 0)]);
    assert_eq!(sources(middle), [("b".to_owned(), true, 1), ("a".to_owned(), true, 0), ("_ENV".to_owned(), false, 0)]);
    assert_eq!(sources(inner), [("b".to_owned(), false, 0), ("a".to_owned(), false, 1), ("_ENV".to_owned(), false, 2)]);
}

#[test]
fn lines_of_instructions() {
    let main = function("local a = x\n+\ny\nf\n(\na\n)\na = a\n<\nb");
    let lines: Vec<_> = main.code.iter().zip(&main.lines).map(|(&word, &line)| (Op::of(word), line)).collect();
    let line_of = |op: Op| lines.iter().find(|(found, _)| *found == op).map(|(_, line)| *line);
    assert_eq!(line_of(Op::Add), Some(2));
    assert_eq!(line_of(Op::Call), Some(4));
    assert_eq!(line_of(Op::Lt), Some(10));
    let nested = function("\nlocal function f()\n\nend");
    assert_eq!((nested.functions[0].line_defined, nested.functions[0].last_line), (2, 4));
}

#[test]
fn scopes_of_locals() {
    let main = function("local a = f() do local b = a end local c = a");
    let scopes: Vec<_> = main.locals.iter().map(|local| (&*local.name, local.register)).collect();
    assert_eq!(scopes, [(b"a".as_slice(), 0), (b"b".as_slice(), 1), (b"c".as_slice(), 1)]);
    let (a, b, c) = (&main.locals[0], &main.locals[1], &main.locals[2]);
    assert!(a.start_pc < b.start_pc && b.end_pc < c.start_pc);
    assert_eq!((a.end_pc, c.end_pc), (main.code.len() as u32, main.code.len() as u32));
}
