//! Misuse that the compiler catches: each file in `ui` must fail to compile, with the message beside it.

#[test]
fn misuse_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
