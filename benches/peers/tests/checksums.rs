//! Every workload at a small size: its checksum is the peers', and what it prints is the line that `compare` reads.
//!
//! The expected values are what the peers' own programs printed for these parameters: the Go program for all of them, gc-arena
//! and MMTk for those that they can do. Another test runs them with far more collections, the
//! verifier on and freed memory poisoned: a reference that no root covers shows there.

use std::process::{Command, Output};

/// Workload, parameters, and the checksum that the peers print.
const RUNS: &[(&str, &[&str], u64)] = &[
    ("alloc-leaf", &["n=300001"], 306676224),
    ("alloc-pair", &["n=300001"], 306676224),
    ("alloc-mixed", &["n=100003"], 4406280192),
    ("binary-trees", &["depth=9"], 51550),
    ("binary-trees", &["depth=9", "threads=2"], 51550),
    ("binary-trees", &["depth=13"], 1348958),
    ("gcbench", &["depth=9"], 54094),
    ("mark-tree", &["depth=14", "reps=2"], 32767),
    ("mark-random", &["n=50000", "reps=2"], 2495858850),
    ("mark-list", &["n=50000", "reps=2"], 50000),
    ("mark-wide", &["n=50000", "reps=2"], 1249975000),
    ("latency", &["live=1500", "n=20000"], 28874250),
    ("churn-threads", &["threads=2", "n=100000"], 200000),
    ("mutate", &["n=20000", "ops=300000"], 199478889),
    ("mutate", &["n=20000", "ops=300000", "gc=on"], 199478889),
    ("large", &["n=150"], 34112),
    ("frag", &["live_mb=4", "rounds=3"], 4160416),
];

fn program(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanheap-peers"));
    command.args(arguments).envs(environment.iter().copied()).output().expect("the program starts")
}

/// The text of a field of the one line of output.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let start = format!("\"{name}\":");
    let at = line.find(&start).unwrap_or_else(|| panic!("no {name} in {line}")) + start.len();
    let rest = &line[at..];
    let end = if rest.starts_with('{') { rest.find('}').map(|end| end + 1) } else { rest.find([',', '}']) };
    &rest[..end.expect("the field ends")]
}

fn number(line: &str, name: &str) -> f64 {
    field(line, name).parse().unwrap_or_else(|_| panic!("{name} is no number in {line}"))
}

/// The line that a run prints.
fn line(workload: &str, settings: &[&str], environment: &[(&str, &str)]) -> String {
    let output = program(&[&[workload], settings].concat(), environment);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{workload} {settings:?}: {errors}");
    String::from_utf8(output.stdout).expect("plain text")
}

#[test]
fn every_workload_does_the_peers_work_and_prints_their_line() {
    for &(workload, settings, checksum) in RUNS {
        let line = &line(workload, settings, &[]);
        assert_eq!(field(line, "checksum"), checksum.to_string(), "{workload} {settings:?}");
        assert_eq!(line.trim_end().lines().count(), 1);
        assert_eq!(field(line, "impl"), "\"spanheap\"");
        assert_eq!(field(line, "workload"), format!("{workload:?}"));
        for setting in settings {
            let (key, value) = setting.split_once('=').unwrap();
            assert_eq!(field(line, key).trim_matches('"'), value);
        }
        assert!(number(line, "wall_s") > 0.0 && number(line, "cpu_s") > 0.0, "{line}");
        assert!(number(line, "peak_rss_mb") > 1.0, "{line}");
        assert!(number(line, "gc_cycles") >= 0.0 && number(line, "max_pause_us") >= 0.0, "{line}");
        let extra = field(line, "extra");
        match workload {
            "latency" => assert!(number(extra, "p50_us") <= number(extra, "max_us"), "{line}"),
            "frag" => assert!(number(extra, "live_mb") < number(extra, "rss_full_mb"), "{line}"),
            _ => assert_eq!(extra, "{}"),
        }
        if let Some(reps) = settings.iter().find_map(|setting| setting.strip_prefix("reps=")) {
            assert_eq!(field(line, "gc_cycles"), reps);
        }
    }
}

/// Runs with so few safepoints that a verified cycle at every one is affordable.
const FORCED: &[(&str, &[&str])] = &[
    ("alloc-leaf", &["n=1500"]),
    ("alloc-pair", &["n=1500"]),
    ("alloc-mixed", &["n=100"]),
    ("binary-trees", &["depth=6"]),
    ("binary-trees", &["depth=6", "threads=2"]),
    ("gcbench", &["depth=5"]),
    ("mark-tree", &["depth=13", "reps=2"]),
    ("mark-random", &["n=500", "reps=2"]),
    ("mark-list", &["n=500", "reps=2"]),
    ("mark-wide", &["n=500", "reps=2"]),
    ("latency", &["live=40", "n=100"]),
    ("churn-threads", &["threads=2", "n=50"]),
    ("mutate", &["n=500", "ops=30000", "gc=on"]),
    ("large", &["n=70"]),
    ("frag", &["live_mb=1", "rounds=1"]),
];

/// Runs for a heap with hardly any room to grow: cycles start by themselves, at any time.
const CRAMPED: &[(&str, &[&str])] = &[
    ("alloc-pair", &["n=300000"]),
    ("binary-trees", &["depth=13"]),
    ("binary-trees", &["depth=13", "threads=2"]),
    ("gcbench", &["depth=13"]),
    ("latency", &["live=1500", "n=10000"]),
    ("churn-threads", &["threads=2", "n=30000"]),
];

#[test]
fn collections_at_any_time_change_no_checksum() {
    let checked = [("SPANHEAP_VERIFY", "1"), ("SPANHEAP_POISON", "1")];
    for (runs, options, least) in [
        (FORCED, [("SPANHEAP_COLLECT_EVERY", "16"), checked[0], checked[1], ("SPANHEAP_INITIAL_GOAL", "65536")], 500.0),
        (CRAMPED, [("SPANHEAP_GROWTH_PERCENT", "5"), checked[0], checked[1], ("SPANHEAP_INITIAL_GOAL", "65536")], 50.0),
    ] {
        let mut cycles = 0.0;
        for &(workload, settings) in runs {
            let (plain, stressed) = (line(workload, settings, &[]), line(workload, settings, &options));
            assert_eq!(field(&plain, "checksum"), field(&stressed, "checksum"), "{workload} {settings:?}");
            cycles += number(&stressed, "gc_cycles");
        }
        assert!(cycles > least, "{cycles} cycles with {options:?}: the options did nothing");
    }
}

#[test]
fn a_wrong_command_line_is_refused() {
    for (arguments, reason) in [
        (&["no-such"][..], "unknown workload \"no-such\""),
        (&["large", "size=3"], "unknown parameter \"size\""),
        (&["large", "n"], "key=value"),
        (&["large", "n=0"], "n must be a positive number"),
        (&["mutate", "gc=maybe"], "gc must be on or off"),
        (&[], "usage:"),
    ] {
        let output = program(arguments, &[]);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let errors = String::from_utf8(output.stderr).expect("plain text");
        assert!(errors.contains(reason), "{arguments:?}: {errors}");
    }
}
