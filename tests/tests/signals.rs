//! Signals all the time, to every thread of the process: whatever a thread of the heap waits in is cut short, over and over,
//! and the graph stays right.
//!
//! *Callers:* `cargo test`. *Invariants:* the only test of its binary, as a handler belongs to the whole process. The handler
//! is installed without `SA_RESTART`, so that system calls that can be interrupted are. What was delivered is counted by the
//! handler, by thread.

#![cfg(target_os = "linux")]

use spanheap::Heap;
use spanheap_tests::shared_graph::{Run, collect};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

static DELIVERED: AtomicU64 = AtomicU64::new(0);

/// By thread: the low bits of its number choose the entry.
static BY_THREAD: [AtomicUsize; 1 << 12] = [const { AtomicUsize::new(0) }; 1 << 12];

/// Counts. Nothing here that a handler may not do.
extern "C" fn handler(_: libc::c_int) {
    // SAFETY: it asks for the calling thread's number, and has no conditions.
    let thread = unsafe { libc::gettid() } as usize;
    BY_THREAD[thread % BY_THREAD.len()].fetch_add(1, Ordering::Relaxed);
    DELIVERED.fetch_add(1, Ordering::Relaxed);
}

fn install(signal: libc::c_int) {
    let action = libc::sigaction {
        sa_sigaction: handler as *const () as usize,
        sa_mask: {
            let mut mask = std::mem::MaybeUninit::uninit();
            // SAFETY: a place for a set of signals.
            unsafe { libc::sigemptyset(mask.as_mut_ptr()) };
            // SAFETY: the call has made it an empty set.
            unsafe { mask.assume_init() }
        },
        sa_flags: 0,
        sa_restorer: None,
    };
    // SAFETY: the handler does nothing but what is safe in a handler, and stays for ever.
    assert_eq!(unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) }, 0);
}

/// Sends a signal to every other thread of this process. Returns how many there were.
fn pelt(signal: libc::c_int) -> u64 {
    // SAFETY: as in the handler.
    let own = unsafe { libc::gettid() };
    let mut sent = 0;
    for entry in std::fs::read_dir("/proc/self/task").unwrap() {
        let thread: libc::pid_t = entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
        if thread != own {
            // SAFETY: to a thread of this process; if it has ended meanwhile, the call says so.
            let outcome = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) };
            sent += u64::from(outcome == 0);
        }
    }
    sent
}

#[test]
fn signals_come_all_the_time() {
    install(libc::SIGUSR1);
    let seconds = std::env::var("SPANHEAP_FAULTS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let done = AtomicBool::new(false);
    let (sent, outcomes) = std::thread::scope(|scope| {
        let pelting = scope.spawn(|| {
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                sent += pelt(libc::SIGUSR1);
                std::thread::sleep(Duration::from_micros(200));
            }
            sent
        });
        let builder = || {
            let builder = Heap::builder().initial_goal(1 << 20).poison(true).verify(true);
            builder.marking_threads(2).cpu_share(100).scavenge(Some(Duration::ZERO))
        };
        let outcomes = [builder(), builder().background(false), builder().stop_the_world(true)].map(|builder| {
            let begin = Instant::now();
            let run = Run { builder, collect, threads: 4, operations: 20_000, seed: 15 };
            run.rounds(|_| begin.elapsed() < Duration::from_secs(seconds) / 3)
        });
        done.store(true, Ordering::Relaxed);
        (pelting.join().unwrap(), outcomes)
    });
    let delivered = DELIVERED.load(Ordering::Relaxed);
    let threads = BY_THREAD.iter().filter(|count| count.load(Ordering::Relaxed) > 0).count();
    assert!(delivered > 1000 && delivered <= sent, "{delivered} of {sent}");
    // In each kind of heap four mutators and the thread that collects, in the first also the heap's own.
    assert!(threads > 3 * 5, "{threads}");
    assert!(outcomes.iter().all(|outcome| outcome.verified == outcome.cycles));
    let [cycles, operations] = [outcomes.map(|outcome| outcome.cycles), outcomes.map(|outcome| outcome.operations)];
    println!(
        "figures: faults kind=signal injected={delivered} cycles={} threads={threads} operations={}",
        cycles.iter().sum::<u64>(),
        operations.iter().sum::<u64>()
    );
}
