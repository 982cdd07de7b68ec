//! Options from the environment: every variable, with values that make sense and values that do not.
//!
//! *Callers:* `cargo test`. *Invariants:* variables are set for processes of their own, in which this test runs again as a
//! child that builds a heap, uses it, and says what came of it. A value that can not be understood is an error that names
//! the variable; none makes the child panic.

use spanheap::{Array, Heap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::Command;

/// Set in the child.
const ASKED: &str = "SPANHEAP_TEST_OF_ENVIRONMENT";

/// Every variable, what it must be, and values that it may have.
const VARIABLES: [(&str, &str, &[&str]); 20] = [
    ("SPANHEAP_INITIAL_GOAL", "a number of bytes", &["65536", "18446744073709551615"]),
    ("SPANHEAP_GROWTH_PERCENT", "a positive number", &["1", "10000"]),
    ("SPANHEAP_LIMIT", "a number of bytes", &["1048576", "18446744073709551615"]),
    ("SPANHEAP_GROWTH_BYTES_PER_CORE", "a number of bytes", &["1048576", "18446744073709551615"]),
    ("SPANHEAP_SOFT_LIMIT", "a number of bytes", &["65536", "18446744073709551615"]),
    ("SPANHEAP_CPU_SHARE", "a positive number", &["1", "100"]),
    ("SPANHEAP_MARKING_THREADS", "a positive number", &["1", "256"]),
    ("SPANHEAP_COLLECT_EVERY", "a positive number", &["1", "4294967295"]),
    ("SPANHEAP_FAIL_ALLOCATION", "a number", &["0", "7", "18446744073709551615"]),
    ("SPANHEAP_INITIAL_STACK", "a number of bytes", &["2048", "67108864"]),
    ("SPANHEAP_STACK_LIMIT", "a number of bytes", &["2048", "9223372036854775808"]),
    ("SPANHEAP_ADAPTIVE_STACKS", "0 or 1", &["0", "1"]),
    ("SPANHEAP_BACKGROUND", "0 or 1", &["0", "1"]),
    ("SPANHEAP_STOP_THE_WORLD", "0 or 1", &["0", "1"]),
    ("SPANHEAP_LATE_MS", "a number of milliseconds", &["0", "1", "18446744073709551615"]),
    ("SPANHEAP_VERIFY", "0 or 1", &["0", "1"]),
    ("SPANHEAP_POISON", "0 or 1", &["0", "1"]),
    ("SPANHEAP_IGNORE_CGROUP", "0 or 1", &["0", "1"]),
    ("SPANHEAP_HUGE_PAGES", "never, auto or always", &["never", "auto", "always"]),
    ("SPANHEAP_SCAVENGE_MS", "a number of milliseconds", &["0", "1", "18446744073709551615"]),
];

/// What no variable may be.
fn hostile() -> Vec<OsString> {
    let texts = [
        "",
        " ",
        "-1",
        "1.5",
        "0x10",
        "1e3",
        "1 ",
        " 1",
        "1\n",
        "\u{ff11}",
        "18446744073709551616",
        "NaN",
        "true",
        "ALWAYS",
        "never,auto",
        "%s%n",
        "$(reboot)",
        "a\u{301}\u{202e}",
    ];
    let long = "9".repeat(60_000);
    let bytes = [vec![0xff], vec![b'1', 0x80], vec![0xed, 0xa0, 0x80]];
    let texts = texts.into_iter().map(OsString::from).chain([long.into()]);
    texts.chain(bytes.into_iter().map(OsString::from_vec)).collect()
}

/// What the child does.
fn child() {
    let heap = match Heap::builder().from_env().build() {
        Ok(heap) => heap,
        Err(error) => return println!("refused: {error}"),
    };
    heap.attach(|cx| {
        for _ in 0..20 {
            match cx.alloc_bytes(&[1; 100]) {
                Ok(bytes) => drop(cx.root::<Array<u8>>(bytes)),
                Err(error) => println!("failed: {error}"),
            }
            cx.safepoint();
        }
        cx.collect();
    })
    .unwrap();
    let stats = heap.stats();
    let (limit, goal) = (heap.limit().unwrap_or(usize::MAX), stats.goal_bytes);
    println!("built: limit {limit} goal {goal} verified {} many {}", stats.verified_cycles > 0, stats.cycles > 5);
    println!("counted {} refused {}", heap.allocations_counted(), heap.allocations_refused());
}

/// What the child says where these variables are set.
fn said(variables: &[(&str, &OsStr)]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "values_are_understood_or_refused", "--nocapture"]).env(ASKED, "1");
    VARIABLES.iter().for_each(|(name, _, _)| {
        child.env_remove(name);
    });
    let output = child.envs(variables.iter().copied()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{variables:?}: {said} {}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn values_are_understood_or_refused() {
    if std::env::var_os(ASKED).is_some() {
        return child();
    }
    let one = |name: &str, value: &str| said(&[(name, OsStr::new(value))]);
    for (name, range, values) in VARIABLES {
        for value in values {
            let said = one(name, value);
            assert!(said.contains("built: "), "{name}={value}: {said}");
        }
        for value in hostile() {
            let said = said(&[(name, &value)]);
            let expected = format!("refused: the environment variable {name} must be {range}, not ");
            assert!(said.contains(&expected), "{name}={value:?}: {said}");
        }
    }
    // What can be understood, and is out of range.
    for (name, value, expected) in [
        ("SPANHEAP_INITIAL_GOAL", "1", "refused: initial_goal must be at least 65536, not 1"),
        ("SPANHEAP_LIMIT", "0", "refused: limit must be at least 65536, not 0"),
        ("SPANHEAP_GROWTH_PERCENT", "10001", "refused: growth_percent must be from 1 to 10000, not 10001"),
        (
            "SPANHEAP_GROWTH_PERCENT",
            "0",
            "refused: the environment variable SPANHEAP_GROWTH_PERCENT must be a positive",
        ),
        ("SPANHEAP_COLLECT_EVERY", "0", "refused: the environment variable SPANHEAP_COLLECT_EVERY must be a positive"),
        ("SPANHEAP_INITIAL_STACK", "3000", "refused: initial_stack must be a power of two from 2048"),
        ("SPANHEAP_INITIAL_STACK", "134217728", "refused: initial_stack must be a power of two from 2048"),
        ("SPANHEAP_STACK_LIMIT", "0", "refused: stack_limit must be a power of two"),
        ("SPANHEAP_VERIFY", "2", "refused: the environment variable SPANHEAP_VERIFY must be 0 or 1, not \"2\""),
    ] {
        let said = one(name, value);
        assert!(said.contains(expected), "{name}={value}: {said}");
    }
    // What the values do.
    assert!(one("SPANHEAP_INITIAL_GOAL", "123456").contains(" goal 123456 "));
    assert!(one("SPANHEAP_LIMIT", "1234567").contains("limit 1234567 "));
    assert!(one("SPANHEAP_VERIFY", "1").contains("verified true"));
    assert!(one("SPANHEAP_VERIFY", "0").contains("verified false"));
    assert!(one("SPANHEAP_COLLECT_EVERY", "1").contains("many true"));
    assert!(one("SPANHEAP_COLLECT_EVERY", "1000000").contains("many false"));
    assert!(one("SPANHEAP_FAIL_ALLOCATION", "0").contains("counted 20 refused 0"));
    assert!(one("SPANHEAP_FAIL_ALLOCATION", "20").contains("counted 20 refused 1"));
    assert!(one("SPANHEAP_FAIL_ALLOCATION", "21").contains("counted 20 refused 0"));
    assert!(one("SPANHEAP_VERIFY", "1").contains("counted 0 refused 0"));
    // The first of several mistakes is told.
    let both = said(&[("SPANHEAP_VERIFY", OsStr::new("x")), ("SPANHEAP_LIMIT", OsStr::new("y"))]);
    assert!(both.contains("SPANHEAP_LIMIT must be") && !both.contains("SPANHEAP_VERIFY"), "{both}");
}
