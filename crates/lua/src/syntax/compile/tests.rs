//! Tests of the compiler: the code made for the constructs of the language, and every kind of message.

mod faults;
mod listing;
mod sources;
mod verify;

use super::super::function::Function;
use super::compile_text;

/// Compiles a source that must be right, and checks the rules of bytecode on it.
fn function(source: &str) -> Function {
    match compile_text(source.as_bytes(), b"@file.lua") {
        Ok(function) => {
            verify::verify(&function);
            function
        }
        Err(error) => panic!("{source}\n{}", String::from_utf8_lossy(&error.message)),
    }
}
