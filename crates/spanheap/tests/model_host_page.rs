//! The page on model checking shows what is tested: every piece of Rust in it stands in the test that it speaks of.

#[test]
fn the_page_quotes_the_test() {
    let page = include_str!("../../../docs/guide/model-checking.md");
    let test = include_str!("model_host.rs");
    let pieces: Vec<&str> = page.split("```rust\n").skip(1).filter_map(|piece| piece.split("```").next()).collect();
    assert!(!pieces.is_empty(), "the page has code");
    for piece in pieces {
        assert!(test.contains(piece), "not in model_host.rs:\n{piece}");
    }
}
