//! Processes that run streams, and what is done when one of them fails.
//!
//! *Callers:* `main.rs`. *Invariants:* a process that fails or hangs is found, and it has noted which stream it was at; what is
//! told of a failure is enough to repeat it: the operations, a file with the stream, and the command.
//!
//! A failing stream is made smaller: operations are left out, and their numbers made smaller, as long as the stream still fails,
//! each time in a process of its own. Where threads run beside each other a stream may fail now and then
//! only; what is told is the smallest that was seen to fail.

use crate::{RECORD, bytes, number, say, tree};
use proptest::num::u8::BinarySearch;
use proptest::strategy::ValueTree;
use spanheap_tests::oracle::{Mode, Stream, Totals};
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Says which part of a round a process is to run.
const PART: &str = "SPANHEAP_ORACLE_PART";
/// So long after its time a part has hung.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long a single stream may run.
const STREAM_PATIENCE: Duration = Duration::from_secs(20);
/// So long a smaller stream is looked for.
const SHRINKING: Duration = Duration::from_secs(60);
/// Times that a stream which fails now and then is tried.
const TRIES: usize = 5;

/// A stream's bytes after the first.
pub(crate) type Records = Vec<[u8; RECORD]>;

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Well,
    Failed,
    Hung,
}

/// Streams of consecutive seeds, on heaps of one mode.
pub(crate) struct Part {
    pub(crate) mode: Mode,
    pub(crate) first: u64,
    pub(crate) streams: u64,
    pub(crate) seconds: u64,
    /// Where the seed is noted of the stream that runs.
    note: Option<PathBuf>,
}

impl Part {
    /// What the process was asked for; a part with the seed of the environment, if nothing.
    pub(crate) fn from_environment() -> Part {
        let Ok(text) = std::env::var(PART) else {
            let first = number("SPANHEAP_SEED").unwrap_or(1);
            return Part { mode: Mode::WithoutThread, first, streams: crate::STREAMS, seconds: 60, note: None };
        };
        let words: Vec<_> = text.splitn(5, ' ').collect();
        let [mode, first, streams, seconds, note] = words[..] else { panic!("{PART} is not understood: {text:?}") };
        let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{PART} is not understood: {text:?}"));
        Part {
            mode: Mode::of(number(mode) as u8),
            first: number(first),
            streams: number(streams),
            seconds: number(seconds),
            note: Some(note.into()),
        }
    }

    fn command(&self) -> Command {
        let mut command = this_test("a_part");
        let note = self.note.as_deref().expect("a part of a process has a file for notes");
        let text = format!("{} {} {} {}", self.mode.byte(), self.first, self.streams, self.seconds);
        command.arg("--ignored").env(PART, format!("{text} {}", note.display())).stdout(Stdio::piped());
        command
    }

    /// Notes which stream runs: if it is the last note, that is the stream that failed.
    pub(crate) fn note(&self, seed: u64) {
        if let Some(path) = &self.note {
            std::fs::write(path, seed.to_string()).expect("notes can be written");
        }
    }
}

/// A process that runs one of this program's tests.
fn this_test(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the program knows where it is"));
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env("RUST_BACKTRACE", "0");
    command
}

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("random_operations-{}-{name}", std::process::id()))
}

/// Writes a stream to a file.
fn write(name: &str, stream: &[u8]) -> PathBuf {
    let path = path_of(name);
    std::fs::write(&path, stream).expect("the directory for temporary files can be written");
    path
}

/// What happens in a stream, one operation a line.
pub(crate) fn listing(stream: &Stream) -> String {
    let mut text = format!("a heap {:?}, {} operations:\n", stream.mode, stream.operations().len());
    stream.operations().for_each(|operation| writeln!(text, "  {operation:?}").expect("strings grow"));
    // Numbers that count from the last thing.
    (0..8).fold(text, |text, before| text.replace(&(usize::MAX - before).to_string(), &format!("last-{before}")))
}

/// Runs streams on heaps of every mode, as many modes at once as there are cores, and tells what each has done. Parts run for so
/// many seconds at most. No more of them begin once one has failed.
///
/// # Panics
/// If a part fails, with all about it.
pub(crate) fn round(seed: u64, streams: u64, seconds: u64) -> Vec<(Mode, Totals)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        while let Some(&mode) = Mode::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            let note = Some(path_of(&format!("note-{mode:?}")));
            let totals = run_part(&Part { mode, first: seed, streams, seconds, note }, || {
                next.store(Mode::ALL.len(), Ordering::Relaxed);
            });
            made.push((mode, totals));
        }
        made
    };
    let made: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores.min(Mode::ALL.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("workers do not panic")).collect()
    });
    let told =
        |(mode, totals): (Mode, Result<Totals, String>)| (mode, totals.unwrap_or_else(|failure| panic!("{failure}")));
    made.into_iter().map(told).collect()
}

/// What a part has done, or all about the failure, which `stop` is told of first.
fn run_part(part: &Part, stop: impl FnOnce()) -> Result<Totals, String> {
    let mut child = part.command().spawn().expect("this program can be started once more");
    let mut output = child.stdout.take().expect("it was asked for");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let ended = wait(&mut child, Duration::from_secs(part.seconds) + PATIENCE);
    let text = reader.join().expect("reading does not panic").expect("what it prints is text");
    let note = part.note.as_deref().expect("a part of a process has a file for notes");
    let at = std::fs::read_to_string(note);
    // The directory is not kept clean by anybody else.
    let _ = std::fs::remove_file(note);
    let totals = text.lines().find_map(|line| Totals::read(line.strip_prefix("part: ")?));
    match (ended, totals) {
        (Ended::Well, Some(totals)) => Ok(totals),
        (ended, _) => {
            stop();
            match at.ok().and_then(|at| at.parse().ok()) {
                Some(seed) => Err(failure(part.mode, seed, ended)),
                None => Err(format!("{:?}: {ended:?} before the first stream:\n{text}", part.mode)),
            }
        }
    }
}

/// Waits for a process, and ends it if that takes too long.
fn wait(child: &mut Child, patience: Duration) -> Ended {
    let begin = Instant::now();
    loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) if status.success() => return Ended::Well,
            Some(_) => return Ended::Failed,
            None if begin.elapsed() > patience => {
                child.kill().and_then(|()| child.wait()).expect("a child can be ended");
                return Ended::Hung;
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Runs a stream in a process of its own.
fn probe(mode: Mode, records: &[[u8; RECORD]], name: &str, loud: bool) -> Ended {
    let path = write(name, &bytes(mode, records));
    let mut command = this_test("replay");
    command.env("SPANHEAP_INPUT", &path).stdout(Stdio::null());
    if !loud {
        command.stderr(Stdio::null());
    }
    let mut child = command.spawn().expect("this program can be started once more");
    wait(&mut child, STREAM_PATIENCE)
}

/// The smallest stream to be found that `run` finds to fail, as these records do: some are left out, and the numbers of the others
/// made smaller.
pub(crate) fn smallest(mut records: Records, mut run: impl FnMut(&[[u8; RECORD]]) -> Ended) -> Records {
    let begin = Instant::now();
    let mut fails = |records: &[[u8; RECORD]]| begin.elapsed() < SHRINKING && run(records) != Ended::Well;
    // Many at once first: most streams fail in spite of most of their operations.
    let mut many = records.len().div_ceil(2);
    while many > 0 {
        let (before, mut at) = (records.len(), 0);
        while at < records.len() {
            let mut fewer = records.clone();
            fewer.drain(at..records.len().min(at + many));
            match fails(&fewer) {
                true => records = fewer,
                false => at += many,
            }
        }
        // What could not be spared while another was there may be spared now.
        if many > 1 || records.len() == before {
            many /= 2;
        }
    }
    for index in 0..records.len() {
        for byte in (0..RECORD).rev() {
            // Often 0 will do; otherwise proptest looks for the least that does.
            let mut tree = BinarySearch::new(records[index][byte]);
            let mut goes_on = tree.simplify();
            while goes_on {
                let mut smaller = records.clone();
                smaller[index][byte] = tree.current();
                goes_on = match fails(&smaller) {
                    true => {
                        records = smaller;
                        tree.simplify()
                    }
                    false => tree.complicate(),
                };
            }
        }
    }
    records
}

/// Tells of a stream that failed, after having made it smaller.
fn failure(mode: Mode, seed: u64, ended: Ended) -> String {
    say(format_args!("a stream of SPANHEAP_SEED={seed} in mode {mode:?}: {ended:?}; looking for a smaller one"));
    let name = format!("failing-{mode:?}");
    let tries = if mode.is_repeatable() { 1 } else { TRIES };
    let run = |records: &[[u8; RECORD]]| {
        let ended = (0..tries).map(|_| probe(mode, records, &name, false));
        ended.into_iter().find(|&ended| ended != Ended::Well).unwrap_or(Ended::Well)
    };
    let records = tree(seed).current();
    let again = (0..TRIES).any(|_| run(&records) != Ended::Well);
    let records = if again { smallest(records, run) } else { records };
    let path = write(&name, &bytes(mode, &records));
    let listing = listing(&Stream::decode(&bytes(mode, &records)));
    if again {
        // What the verifier or an assertion says of the smallest, on standard error.
        probe(mode, &records, &name, true);
    }
    let flaky = if again { "" } else { "It did not fail again: threads decide.\n" };
    format!(
        "{ended:?}: {listing}{flaky}To run it again:\n  SPANHEAP_INPUT={} cargo test -p spanheap-tests \
         --test random_operations replay -- --nocapture\n",
        path.display()
    )
}
