//! Whole programs through the compiler: nothing is run, but all the code must obey the rules of bytecode.

use super::super::compile;
use super::{function, verify::verify};
use std::path::Path;

/// The variable that names a folder of Lua programs to compile besides the ones made here.
const FOLDER: &str = "LUA_SOURCES";

#[test]
fn programs_in_a_folder() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        compile_folder(Path::new(&folder));
    }
}

fn compile_folder(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            compile_folder(&path);
        } else if path.extension().is_some_and(|extension| extension == "lua") {
            let source = std::fs::read(&path).expect("the file can be read");
            match compile(&source, format!("@{}", path.display()).as_bytes()) {
                Ok(function) => verify(&function),
                Err(error) => panic!("{}", String::from_utf8_lossy(&error.message)),
            }
        }
    }
}

#[test]
fn more_constants_than_an_operand_reaches() {
    // Past 256 constants keys and operands go through registers, past 65536 through second words.
    let mut source = String::from("local t = {}\n");
    for index in 0..70_000 {
        source.push_str(&format!("t[{index}] = 'k{index}'\n"));
    }
    source.push_str("x.y = 1.5 z = x.y + 2.5 w = 3.5 - z v = w == 'q' u = w < 4.5 x:m() ");
    source.push_str("return 5.5 < x, 6.5 == x, y or 'r'\n");
    let main = function(&source);
    assert!(main.constants.len() > 70_000);
    let listing = super::super::super::disassemble::disassemble(&main);
    for line in ["; \"k69999\"", "LOADKX", "SELFX", "GETTABLE", "SETTABLE"] {
        assert!(listing.contains(line), "{line}");
    }
}

#[test]
fn long_chains_do_not_nest() {
    // A chain to the left is as deep as one operator, however long it is.
    function(&format!("return 0{}", " + x".repeat(20_000)));
    function(&format!("return x{}", ".y".repeat(20_000)));
    function(&format!("return f{}", "()".repeat(20_000)));
    function(&format!("return a{}", " and b".repeat(20_000)));
    function(&format!("if a then f() {} end", "elseif b then g() ".repeat(5_000)));
}

#[test]
fn deep_nesting_within_the_limit() {
    let nest = |open: &str, middle: &str, close: &str| {
        function(&format!("{}{middle}{}", open.repeat(150), close.repeat(150)));
    };
    nest("do ", "", "end ");
    nest("if x then ", "", "end ");
    function(&format!("x = {}1{}", "(".repeat(190), ")".repeat(190)));
    function(&format!("x = {}{}", "{".repeat(190), "}".repeat(190)));
    function(&format!("x = {}1", "- ".repeat(190)));
    function(&format!("x = {}1", "a .. ".repeat(190)));
    function(&format!("x = {}{}", "function() return ".repeat(90), " end".repeat(90)));
}

#[test]
fn first_line_of_a_program_file() {
    let compiled = |source: &[u8]| compile(source, b"@file.lua");
    let plain = compiled(b"\nreturn 1").expect("it is right");
    assert_eq!(compiled(b"#!/usr/bin/lua\nreturn 1"), Ok(plain.clone()));
    assert_eq!(compiled(b"\xef\xbb\xbf# comment\nreturn 1"), Ok(plain));
    assert!(compiled(b"#").is_ok());
}
