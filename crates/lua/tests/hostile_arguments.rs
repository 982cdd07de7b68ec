//! Arguments that make no sense never make the command panic: it ends with 0 or 1, and says why.
//!
//! *Callers:* `cargo test`. *Invariants:* each case is a process of its own, with an empty standard input. What a chunk may do is
//! bounded: no chunk here loops.

use proptest::prelude::*;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};

const OPTIONS: [&str; 9] =
    ["--gc-report", "--verify", "--help", "-h", "-e", "--collect-every", "--initial-goal", "--limit", "--"];

fn argument() -> impl Strategy<Value = OsString> {
    let option = (0..OPTIONS.len()).prop_map(|place| OPTIONS[place].into());
    let numbers = prop_oneof![any::<u64>(), (0_u32..64).prop_map(|bit| 1 << bit), 0_u64..3];
    let number = ("[ +-]?", numbers, "[ .e_]?").prop_map(|(before, n, after)| format!("{before}{n}{after}").into());
    let digits = prop_oneof!["[\u{660}-\u{669}]{1,3}", "[0-9]{20,40}", "NaN|inf|0x10|1e9|"].prop_map(OsString::from);
    let bytes = prop::collection::vec(1_u8.., 0..30).prop_map(OsString::from_vec);
    let chunk = "return|print[(]1[)]|error[(][{][}][)]|x = |\u{1b}Lua|local t <close> = 1|('x'):rep[(]1e3[)]";
    prop_oneof![3 => option, 2 => number, 1 => digits, 2 => bytes, 2 => chunk.prop_map(OsString::from)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_arguments_make_it_panic(arguments in prop::collection::vec(argument(), 0..6)) {
        let output = Command::new(env!("CARGO_BIN_EXE_spanheap-lua"))
            .args(&arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the interpreter starts");
        let said = String::from_utf8_lossy(&output.stderr);
        prop_assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?}: {} {said}", output.status);
        prop_assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        prop_assert!(output.status.success() || said.starts_with("spanheap-lua: "), "{arguments:?}: {said}");
    }
}
