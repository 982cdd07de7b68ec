//! Misuse that the compiler catches: each file in `ui` must fail to compile, with the message beside it.
//!
//! *Callers:* `cargo test`. *Invariants:* the one program in `ui_pass` shows what is allowed. That it is built, and not just
//! checked, lets the others be built, too: some conditions are decided only then.

#[test]
fn misuse_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui_pass/*.rs");
    cases.compile_fail("tests/ui/*.rs");
}
