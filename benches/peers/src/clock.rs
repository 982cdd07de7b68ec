//! What is measured: wall and CPU time, collections, handshakes, resident memory.
//!
//! *Callers:* every workload brackets its measured part with [`Meter::begin`] and [`Meter::end`]; `json` prints the
//! figures. *Invariants:* CPU time is that of the whole process, the collector's threads included; a MB is 2^20 bytes.

use rustix::time::{ClockId, clock_gettime};
use spanheap::{CycleReport, Heap};
use std::time::{Duration, Instant};

/// The figures of one run.
pub(crate) struct Meter {
    heap: Heap,
    start: (Instant, Duration),
    cycles_before: u64,
    /// Wall time of the measured part.
    pub(crate) wall: Duration,
    /// CPU time of the process over the same part.
    pub(crate) cpu: Duration,
    /// Cycles completed in it.
    pub(crate) cycles: u64,
    /// The longest time that one mutator spent on one handshake. The heap never stops all mutators, so this is what
    /// it reports in the place of a pause. It keeps the maximum since it was made: where the set-up had a longer
    /// handshake than the measured part, this is an upper bound.
    pub(crate) longest_handshake: Duration,
    /// Figures of the workload's own.
    pub(crate) extra: Vec<(&'static str, f64)>,
}

impl Meter {
    /// Nothing measured yet.
    pub(crate) fn new(heap: &Heap) -> Meter {
        Meter {
            heap: heap.clone(),
            start: (Instant::now(), Duration::ZERO),
            cycles_before: 0,
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            cycles: 0,
            longest_handshake: Duration::ZERO,
            extra: Vec::new(),
        }
    }

    /// The measured part begins.
    pub(crate) fn begin(&mut self) {
        self.cycles_before = self.heap.stats().cycles;
        self.start = (Instant::now(), cpu_time());
    }

    /// The measured part ends.
    pub(crate) fn end(&mut self) {
        self.wall = self.start.0.elapsed();
        self.cpu = cpu_time() - self.start.1;
        let stats = self.heap.stats();
        self.cycles = stats.cycles - self.cycles_before;
        self.longest_handshake = stats.longest_handshake;
    }

    /// The measured part of the `mark-*` workloads: the median wall time, and the median CPU time, of `reps` full
    /// collections. The handshake figure is theirs alone.
    pub(crate) fn collections(&mut self, reps: u64, mut collect: impl FnMut() -> CycleReport) {
        let (mut walls, mut cpus, mut longest) = (Vec::new(), Vec::new(), Duration::ZERO);
        for _ in 0..reps {
            self.begin();
            longest = longest.max(collect().longest_handshake);
            self.end();
            walls.push(self.wall);
            cpus.push(self.cpu);
        }
        walls.sort();
        cpus.sort();
        (self.wall, self.cpu) = (walls[walls.len() / 2], cpus[cpus.len() / 2]);
        (self.cycles, self.longest_handshake) = (reps, longest);
    }

    /// Notes how the operations' times, in nanoseconds, are distributed.
    pub(crate) fn distribution(&mut self, mut took: Vec<u32>) {
        took.sort_unstable();
        let count = took.len();
        for (name, place) in [
            ("p50_us", count / 2),
            ("p99_us", count * 99 / 100),
            ("p999_us", count * 999 / 1000),
            ("p9999_us", count * 9999 / 10000),
            ("max_us", count - 1),
        ] {
            self.extra.push((name, took[place] as f64 / 1e3));
        }
    }
}

/// The clock of `latency`: an operation lasts from the end of the one before to its own.
pub(crate) struct Laps {
    last: Instant,
    /// Nanoseconds of every operation.
    pub(crate) took: Vec<u32>,
}

impl Laps {
    /// A clock that starts now, with room for `count` operations, touched beforehand.
    pub(crate) fn new(count: usize) -> Laps {
        let mut took = vec![1; count];
        took.clear();
        Laps { last: Instant::now(), took }
    }

    /// An operation ends.
    #[inline]
    pub(crate) fn lap(&mut self) {
        let now = Instant::now();
        self.took.push((now - self.last).as_nanos().min(u32::MAX as u128) as u32);
        self.last = now;
    }
}

/// User and system time of the whole process.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The resident set now.
pub(crate) fn resident_mb() -> f64 {
    status_mb("VmRSS:")
}

/// The most that was ever resident of this program; ru_maxrss would also count what its parent held before exec.
pub(crate) fn peak_resident_mb() -> f64 {
    status_mb("VmHWM:")
}

/// The lowest resident set until it has been steady for a second, in 10 seconds at most.
pub(crate) fn lowest_resident_mb() -> f64 {
    let (mut lowest, mut steady) = (resident_mb(), 0);
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(100));
        let now = resident_mb();
        steady = if now < lowest - 0.05 { 0 } else { steady + 1 };
        lowest = lowest.min(now);
        if steady == 10 {
            break;
        }
    }
    lowest
}

fn status_mb(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux describes every process in /proc");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("Linux reports the resident set");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number of kB") / 1024.0
}
