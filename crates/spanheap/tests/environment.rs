//! Options from the environment: every variable, with values that make sense and values that do not.
//!
//! *Callers:* `cargo test`. *Invariants:* variables are set for processes of their own, in which this test runs again as a
//! child that builds a heap, uses it, and says what came of it. A value that can not be understood is an error that names
//! the variable; none makes the child panic.

use proptest::prelude::*;
use spanheap::{Array, BaseAddress, Heap, HeapBuilder, HeapError, HugePages, TagScheme};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

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

/// What a person, a script or a fuzzer might set a variable to.
fn any_value() -> impl Strategy<Value = OsString> {
    let bytes = prop::collection::vec(1_u8.., 0..40).prop_map(OsString::from_vec);
    let number = prop_oneof![any::<u64>(), (0_u32..64).prop_map(|bit| 1 << bit), Just(0), Just(u64::MAX)];
    let spaced =
        (number, "[ \t\n+-]{0,2}", "[ \t\n]{0,2}").prop_map(|(n, before, after)| format!("{before}{n}{after}").into());
    // Digits of other scripts, and numbers beyond every type.
    let digits = prop_oneof!["[\u{660}-\u{669}]{1,5}", "[\u{ff10}-\u{ff19}]{1,5}", "[0-9]{20,60}", "[01]"]
        .prop_map(OsString::from);
    let words = prop_oneof!["never|auto|always|true|false|off|on|NaN|inf|1e9|0x10|1_000", "\\PC{0,20}"]
        .prop_map(OsString::from);
    prop_oneof![bytes, spaced, digits, words]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// A child that is set any variables to anything says what it makes of it, and never panics.
    #[test]
    fn nothing_in_the_environment_makes_a_heap_panic(
        chosen in prop::collection::vec((0..VARIABLES.len(), any_value()), 1..4)
    ) {
        let variables: Vec<_> = chosen.iter().map(|(place, value)| (VARIABLES[*place].0, value.as_os_str())).collect();
        let said = said(&variables);
        prop_assert!(said.contains("built: ") || said.contains("refused: "), "{said}");
    }
}

/// A setter with a number, and what it does to a heap that is being built.
type Setter = fn(HeapBuilder, usize) -> HeapBuilder;

/// Every option that has a size, a number or a time.
const SETTERS: [(&str, Setter); 16] = [
    ("initial_goal", |builder, n| builder.initial_goal(n)),
    ("growth_percent", |builder, n| builder.growth_percent(n as u32)),
    ("growth_square_root", |builder, n| builder.growth_square_root(n)),
    ("soft_limit", |builder, n| builder.soft_limit(n)),
    ("marking_threads", |builder, n| builder.marking_threads(n)),
    ("cpu_share", |builder, n| builder.cpu_share(n as u32)),
    ("limit", |builder, n| builder.limit(n)),
    ("collect_every", |builder, n| builder.collect_every(Some(n as u32))),
    ("initial_stack", |builder, n| builder.initial_stack(n)),
    ("stack_limit", |builder, n| builder.stack_limit(n)),
    ("both stacks", |builder, n| builder.stack_limit(n).initial_stack(n).adaptive_stacks(true)),
    ("tags", |builder, n| builder.tags(TagScheme { mask: n, tag: !n, address: n.rotate_left(7) })),
    ("base_address", |builder, n| builder.base_address(BaseAddress::Seeded(n as u64))),
    ("scavenge", |builder, n| builder.scavenge(Some(Duration::new(n as u64, 999_999_999)))),
    ("late_after", |builder, n| builder.late_after(Some(Duration::from_nanos(n as u64)))),
    ("huge_pages", |builder, n| builder.huge_pages([HugePages::Never, HugePages::Always][n % 2])),
];

/// A heap with such options is refused with the option's name, or works: with objects, stacks and collections. What does not
/// fit its limits is an error.
fn build_and_use(builder: HeapBuilder) -> bool {
    let heap = match builder.on_event(Arc::new(|_: &spanheap::Event| ())).build() {
        Ok(heap) => heap,
        Err(HeapError::Option { option, range, value }) => {
            assert!(!option.is_empty() && !range.is_empty() && !value.is_empty());
            return false;
        }
        Err(error) => panic!("nothing was read from the environment: {error}"),
    };
    heap.attach(|cx| {
        let fits = |outcome: bool| outcome || heap.limit().is_some() || heap.stats().goal_bytes > 0;
        for size in [0, 1, 8, 100, 5000, 40_000, 300_000] {
            let text = vec![7; size];
            assert!(fits(cx.alloc_bytes(&text).is_ok()));
            cx.safepoint();
        }
        for slots in [0, 1, 1000, usize::MAX / 32, usize::MAX] {
            let stack = cx.alloc_stack::<spanheap::AmbiguousWords>(slots).map(|stack| cx.root(stack));
            if let Ok(stack) = stack {
                let len = stack.get(cx).len();
                assert!(len >= slots);
                drop(cx.grow_stack(stack.get(cx), len.saturating_mul(2), |_, _| ()));
                assert!(cx.grow_stack(stack.get(cx), usize::MAX, |_, _| ()).is_err());
                cx.collect();
                cx.shrink_stack(stack.get(cx), usize::MAX, |_, _| ());
                cx.shrink_stack(stack.get(cx), 0, |_, _| ());
            }
        }
        // Without a limit the host may hold all that can be counted.
        for bytes in [usize::MAX, usize::MAX / 2, 1000] {
            if cx.add_external(bytes).is_ok() {
                assert!(bytes == 1000 || heap.limit().is_none_or(|limit| limit >= bytes));
                assert!(cx.add_external(usize::MAX).is_err());
                cx.collect();
                cx.safepoint();
                cx.remove_external(bytes).unwrap();
            }
        }
        cx.step(Duration::ZERO);
        assert!(cx.collect().number > 0);
    })
    .unwrap();
    let (pressure, worth) = (heap.pressure(), heap.is_worth_collecting());
    assert!(heap.stats().cycles > 0, "{pressure:?} {worth}");
    heap.trim(usize::MAX);
    heap.trim(0);
    true
}

#[test]
fn extreme_options_are_refused_or_work() {
    let extremes = (0..usize::BITS).map(|bit| 1_usize << bit).flat_map(|power| [power - 1, power, power + 1]);
    let extremes: Vec<usize> = extremes.chain([0, u32::MAX as usize, usize::MAX - 1, usize::MAX]).collect();
    let (mut built, mut refused) = (0, 0);
    for (name, set) in SETTERS {
        let mut seen = [0, 0];
        for &n in &extremes {
            // A limit of the test's own, so that what the option allows is not taken.
            let builder = set(Heap::builder().limit(64 << 20).stack_limit(1 << 20), n);
            seen[usize::from(build_and_use(builder))] += 1;
        }
        assert!(seen[1] > 0, "{name}: no value is allowed");
        refused += seen[0];
        built += seen[1];
    }
    println!("figures: faults kind=options injected={} cycles={built} refused={refused}", built + refused);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Several at a time.
    #[test]
    fn options_together_are_refused_or_work(
        chosen in prop::collection::vec((0..SETTERS.len(), prop_oneof![any::<usize>(), (0_u32..64).prop_map(|bit| 1 << bit), 0_usize..300]), 1..6),
        switches in any::<[bool; 4]>(),
    ) {
        let [background, stop, verify, poison] = switches;
        let builder = Heap::builder().limit(64 << 20).background(background).stop_the_world(stop).verify(verify).poison(poison);
        let builder = chosen.into_iter().fold(builder, |builder, (place, n)| (SETTERS[place].1)(builder, n));
        build_and_use(builder);
    }
}
