//! Runs every program and every language script and compares what they print with what was recorded from the reference
//! interpreter, in four modes of the heap; and checks that the records are still what the reference prints, where there
//! is one on the `PATH`.
//!
//! A case runs in its folder, under its bare file name, with empty standard input and a `TMPDIR` of its own, as
//! `programs/record.sh` runs it. The modes take turns, two processes at a time, so that a test run leaves a machine usable.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A case that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// How many cases run at a time.
const WORKERS: usize = 2;

/// Held by the mode that runs.
static TURN: Mutex<()> = Mutex::new(());

/// A script with its arguments.
struct Case {
    folder: PathBuf,
    script: String,
    args: Vec<String>,
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let programs = root.join("programs");
    let list = fs::read_to_string(programs.join("args.txt")).expect("programs/args.txt lists the programs");
    let mut cases: Vec<Case> = list
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            Some(Case { folder: programs.clone(), script: words.next()?, args: words.collect() })
        })
        .collect();
    let language = root.join("tests/language");
    let mut scripts: Vec<String> = fs::read_dir(&language)
        .expect("the folder of language scripts")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".lua"))
        .collect();
    scripts.sort();
    cases.extend(scripts.into_iter().map(|script| Case { folder: language.clone(), script, args: Vec::new() }));
    cases
}

/// Runs a case and returns what is wrong with it, if anything.
fn run(
    case: &Case,
    interpreter: &Path,
    options: &[&str],
    variables: &[(&str, &str)],
    scratch: &Path,
) -> Result<(), String> {
    fs::create_dir_all(scratch).map_err(|error| error.to_string())?;
    let (out, err) = (scratch.join("stdout"), scratch.join("stderr"));
    let file = |path: &Path| File::create(path).map_err(|error| error.to_string());
    let mut child = Command::new(interpreter)
        .args(options)
        .arg(&case.script)
        .args(&case.args)
        .current_dir(&case.folder)
        .env("TMPDIR", scratch)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(file(&out)?)
        .stderr(file(&err)?)
        .spawn()
        .map_err(|error| error.to_string())?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if start.elapsed() > PATIENCE => {
                child.kill().map_err(|error| error.to_string())?;
                return Err("does not end".to_owned());
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let printed = fs::read(&out).map_err(|error| error.to_string())?;
    let complaint = fs::read(&err).map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&complaint)));
    }
    let record = case.folder.join(&case.script).with_extension("expected");
    let expected = fs::read(record).map_err(|error| format!("no record: {error}"))?;
    if printed == expected {
        return Ok(());
    }
    let (mut theirs, mut ours) = (expected.split(|&b| b == b'\n'), printed.split(|&b| b == b'\n'));
    for number in 1.. {
        let (expected, printed) = (theirs.next(), ours.next());
        if expected != printed {
            let show =
                |line: Option<&[u8]>| line.map_or("(end)".into(), |line| String::from_utf8_lossy(line).into_owned());
            return Err(format!("line {number}: expected {:?}, printed {:?}", show(expected), show(printed)));
        }
    }
    Ok(())
}

/// Runs all cases; panics with the list of those that fail.
fn run_all(mode: &str, interpreter: &Path, options: &[&str]) {
    run_all_with(mode, interpreter, options, &[]);
}

/// The same with variables of the environment.
fn run_all_with(mode: &str, interpreter: &Path, options: &[&str], variables: &[(&str, &str)]) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cases = cases();
    assert!(cases.len() > 40, "the cases are found");
    let scratch = std::env::temp_dir().join(format!("sl{}-{mode}", std::process::id()));
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number) else { break };
                    // A short name: file names longer than 60 bytes are cut in the messages that scripts print.
                    let folder = scratch.join(number.to_string());
                    if let Err(reason) = run(case, interpreter, options, variables, &folder) {
                        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                        failures.push(format!("{}: {reason}", case.script));
                    }
                }
            });
        }
    });
    // What is left behind in a temporary folder is no failure.
    let _ = fs::remove_dir_all(&scratch);
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(failures.is_empty(), "{mode}: {} of {} fail\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn interpreter() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_spanheap-lua"))
}

#[test]
fn programs_print_what_was_recorded() {
    run_all("normal", interpreter(), &[]);
}

#[test]
fn programs_run_with_the_verifier_after_every_cycle() {
    // The small first goal makes cycles happen in programs that are over quickly.
    run_all("verify", interpreter(), &["--verify", "--initial-goal", "1048576"]);
}

#[test]
fn programs_run_with_a_collection_every_few_allocations() {
    run_all("every", interpreter(), &["--collect-every", "1000"]);
}

#[test]
fn programs_run_with_a_first_goal_of_four_mebibytes() {
    run_all("goal", interpreter(), &["--initial-goal", "4194304"]);
}

/// Everything that makes rare things frequent, in a heap that watches its host.
const ZEAL: [(&str, &str); 5] = [
    ("SPANHEAP_CHECK_HOST", "1"),
    ("SPANHEAP_GUARD", "1"),
    ("SPANHEAP_POISON", "1"),
    ("SPANHEAP_TINY_BUFFERS", "1"),
    ("SPANHEAP_DELAYS", "3"),
];

#[test]
fn programs_run_on_a_heap_that_watches_its_host() {
    run_all_with("watched", interpreter(), &["--initial-goal", "1048576"], &ZEAL);
    let output = Command::new(interpreter())
        .args(["--gc-report", "--initial-goal", "1048576", "closures.lua"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("programs"))
        .envs(ZEAL)
        .output()
        .expect("the interpreter starts");
    let report = String::from_utf8_lossy(&output.stderr);
    for acted in ["slots poisoned", "pages guarded", "random delays", "stores watched", "slots compared"] {
        assert!(report.contains(acted), "no {acted} in {report}");
    }
    assert!(!report.contains("have done nothing"), "{report}");
}

#[test]
fn records_are_what_the_reference_interpreter_prints() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).map(|folder| folder.join("lua5.4")).find(|path| path.is_file()) {
        Some(lua) => run_all("reference", &lua, &[]),
        None => eprintln!("no lua5.4 on the PATH: the records are taken as they are"),
    }
}
