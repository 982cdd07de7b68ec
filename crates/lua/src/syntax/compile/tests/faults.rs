//! The messages for faulty sources, word for word as Lua 5.4 gives them.

use super::super::{compile, compile_text};

fn fault(source: &[u8]) -> String {
    match compile_text(source, b"@f") {
        Ok(_) => panic!("no fault in {}", String::from_utf8_lossy(source)),
        Err(error) => String::from_utf8(error.message).expect("the message is ASCII"),
    }
}

/// Checks pairs of a source and the message for it, without the `f:1: ` in front where the line is 1.
fn check(cases: &[(&str, &str)]) {
    for (source, message) in cases {
        let shown = fault(source.as_bytes());
        assert_eq!(shown.strip_prefix("f:1: ").unwrap_or(&shown), *message, "for {source}");
    }
}

#[test]
fn tokens() {
    check(&[
        ("x = \"abc", "unfinished string near <eof>"),
        ("x = \"abc\ny\"", "unfinished string near '\"abc'"),
        ("x = 3x", "malformed number near '3x'"),
        ("x = 3..2", "malformed number near '3..2'"),
        ("x = 3e+-3", "malformed number near '3e+'"),
        ("x = \"a\\065b\\q\"", "invalid escape sequence near '\"aAb\\q'"),
        ("x = \"\\xZZ\"", "hexadecimal digit expected near '\"\\xZ'"),
        ("x = \"\\300\"", "decimal escape too large near '\"\\300\"'"),
        ("x = \"\\u{80000000}\"", "UTF-8 value too large near '\"\\u{80000000'"),
        ("x = \"\\u123\"", "missing '{' near '\"\\u1'"),
        ("x = \"\\u{12\"", "missing '}' near '\"\\u{12\"'"),
        ("x = [[abc\n\n", "f:3: unfinished long string (starting at line 1) near <eof>"),
        ("--[[ abc\n\n", "f:3: unfinished long comment (starting at line 1) near <eof>"),
        ("x = [==abc", "invalid long string delimiter near '[=='"),
        ("x = 1 [[\nhello]]", "f:2: unexpected symbol near '[[hello]]'"),
        ("x = 1 'a\0b'", "unexpected symbol near ''a'"),
    ]);
    assert_eq!(fault(b"x = \x01"), "f:1: unexpected symbol near '<\\1>'");
    assert_eq!(fault(b"x = \xc3\xa9"), "f:1: unexpected symbol near '<\\195>'");
}

#[test]
fn grammar() {
    check(&[
        ("x = = 2", "unexpected symbol near '='"),
        ("x", "syntax error near <eof>"),
        ("f() = 3", "syntax error near '='"),
        ("(x) = 1", "syntax error near '='"),
        ("a, b += 1", "'=' expected near '+'"),
        ("a.b:c = 1", "function arguments expected near '='"),
        ("f(\n1\n,2", "f:3: ')' expected (to close '(' at line 1) near <eof>"),
        ("if x then\n\n y() ", "f:3: 'end' expected (to close 'if' at line 1) near <eof>"),
        ("x = {\na=1\n b=2}", "f:3: '}' expected (to close '{' at line 1) near 'b'"),
        ("for i=1 do end", "',' expected near 'do'"),
        ("for i do end", "'=' or 'in' expected near 'do'"),
        ("function f(a,b,) end", "<name> or '...' expected near ')'"),
        ("function a:b.c() end", "'(' expected near '.'"),
        ("return 1 x", "<eof> expected near 'x'"),
        ("x = a.and", "<name> expected near 'and'"),
        ("local function f() return ... end", "cannot use '...' outside a vararg function near '...'"),
        ("local a <const", "'>' expected near <eof>"),
        ("repeat x() ", "'until' expected near <eof>"),
        ("#!shebang", "unexpected symbol near '#'"),
    ]);
}

#[test]
fn variables() {
    check(&[
        ("local x <const> = 1; x = 2", "attempt to assign to const variable 'x'"),
        ("local x <const> = f() function x() end", "attempt to assign to const variable 'x'"),
        ("x = function() local t <close> = nil; t = 1 end", "attempt to assign to const variable 't'"),
        ("local x <const> = 1; function f() x = 3 end", "attempt to assign to const variable 'x'"),
        (
            "local x <const> = {}; function f() return function() x = 3 end end",
            "attempt to assign to const variable 'x'",
        ),
        ("local x <foo> = 1", "unknown attribute 'foo'"),
        ("local x <close>, y <close> = 1,2", "multiple to-be-closed variables in local list"),
    ]);
}

#[test]
fn labels() {
    check(&[
        ("goto foo", "no visible label 'foo' for <goto> at line 1"),
        ("do ::l1:: end goto l1", "no visible label 'l1' for <goto> at line 1"),
        ("do goto foo; local x; ::foo:: print(x) end", "<goto foo> at line 1 jumps into the scope of local 'x'"),
        ("repeat local x; goto c; local y; ::c:: until y", "<goto c> at line 1 jumps into the scope of local 'y'"),
        ("::a:: ::a::", "label 'a' already defined on line 1"),
        ("\n::a:: do ::a:: end", "f:2: label 'a' already defined on line 2"),
        ("break", "break outside loop at line 1"),
        ("while true do local function f() break end end", "break outside loop at line 1"),
    ]);
}

#[test]
fn limits() {
    check(&[("local x = 1 2", "unexpected symbol near '2'")]);
    let locals = format!("\n\nfunction f()\n{} end", "local a;".repeat(201));
    assert_eq!(fault(locals.as_bytes()), "f:4: too many local variables (limit is 200) in function at line 3 near ';'");
    let locals = format!("local a{}", ",b".repeat(300));
    assert_eq!(fault(locals.as_bytes()), "f:1: too many local variables (limit is 200) in main function near ','");
    let values = format!("local x = f({}1)", "a,".repeat(300));
    assert_eq!(fault(values.as_bytes()), "f:1: function or expression needs too many registers near 'a'");
    // Two functions around the one that uses the variables of both.
    let (mut outer, mut inner, mut uses) = (String::new(), String::new(), String::from("return 0"));
    for index in 0..150 {
        outer.push_str(&format!("local a{index} "));
        inner.push_str(&format!("local b{index} "));
        uses.push_str(&format!(" + a{index} + b{index}"));
    }
    let upvalues = format!("{outer}\nlocal function f() {inner} return function()\n {uses} end end");
    assert_eq!(fault(upvalues.as_bytes()), "f:3: too many upvalues (limit is 255) in function at line 2 near '+'");
}

#[test]
fn nesting_limit() {
    for source in ["do ", "if x then ", "while x do ", "function f() "] {
        assert_eq!(fault(source.repeat(300).as_bytes()), "C stack overflow");
    }
    for part in ["(", "{", "- ", "not ", "a ..", "a ^", "f(", "a[", "function() return ", "{x = "] {
        assert_eq!(fault(format!("x = {}", part.repeat(300)).as_bytes()), "C stack overflow");
    }
}

#[test]
fn chunk_names() {
    let shown = |chunk_name: &[u8]| {
        let error = compile(b"x = = 2", chunk_name).expect_err("it is wrong");
        String::from_utf8(error.message).expect("the message is ASCII")
    };
    assert_eq!(shown(b"x = = 2"), "[string \"x = = 2\"]:1: unexpected symbol near '='");
    assert_eq!(shown(b"\nx = = 2"), "[string \"...\"]:1: unexpected symbol near '='");
    assert_eq!(shown(b"=stdin"), "stdin:1: unexpected symbol near '='");
    assert_eq!(shown(b"@dir/file.lua"), "dir/file.lua:1: unexpected symbol near '='");
}
