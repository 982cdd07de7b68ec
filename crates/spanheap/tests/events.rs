//! What a host is told while collections run, and how long mutators work for them.
//!
//! *Callers:* `cargo test`. *Invariants:* none.

use spanheap::{Event, Heap, Request, Slot, Trace};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

#[derive(Trace)]
struct Node {
    next: Slot<Node>,
}

/// What was told: whose lateness, at what, whether it had answered.
type Told = Arc<Mutex<Vec<(ThreadId, Request, Duration, bool)>>>;

fn listener() -> (Told, Arc<dyn spanheap::Listener>) {
    let told = Told::default();
    let hears = Arc::clone(&told);
    let listen = move |event: &Event| {
        if let Event::LateMutator { thread, request, waited, answered, .. } = *event {
            hears.lock().unwrap().push((thread, request, waited, answered));
        }
    };
    (told, Arc::new(listen))
}

/// Processor time that this process has used.
fn cpu_time() -> Duration {
    // SAFETY: the structure is plain numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: a place for the figures.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) }, 0);
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// A collection that waits for a thread which sleeps so long without telling the heap.
fn late(heap: &Heap, sleep: Duration) -> ThreadId {
    let (attached, asked) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            heap.attach(|cx| {
                attached.store(true, Ordering::Release);
                while !asked.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(sleep);
                cx.safepoint();
                cx.native(|| std::thread::sleep(Duration::from_millis(1)));
            })
        });
        while !attached.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        asked.store(true, Ordering::Release);
        heap.collect().unwrap();
        thread.thread().id()
    })
}

#[test]
fn a_late_mutator_is_told_of_once_and_once_it_has_answered() {
    for background in [true, false] {
        let (told, listener) = listener();
        let heap =
            Heap::builder().background(background).late_after(Some(Duration::from_millis(20))).on_event(listener);
        let heap = heap.verify(true).build().unwrap();
        let thread = late(&heap, Duration::from_millis(200));
        let told = told.lock().unwrap().clone();
        let [(late, request, waited, false), (answered, again, later, true)] = told[..] else { panic!("{told:?}") };
        assert_eq!((late, answered, request, again), (thread, thread, Request::BarrierOn, Request::BarrierOn));
        assert!(waited >= Duration::from_millis(20) && waited < later, "{told:?}");
        assert!(later >= Duration::from_millis(100), "{told:?}");
    }
}

#[test]
fn nobody_is_told_where_nobody_may_be_late() {
    let (told, listener) = listener();
    let heap = Heap::builder().late_after(None).on_event(listener).build().unwrap();
    late(&heap, Duration::from_millis(50));
    assert!(told.lock().unwrap().is_empty());
}

#[test]
fn a_listener_that_panics_changes_nothing() {
    let heap = Heap::builder().late_after(Some(Duration::ZERO)).verify(true);
    let heap = heap.on_event(Arc::new(|_: &Event| panic!("no news, please"))).build().unwrap();
    late(&heap, Duration::from_millis(20));
    assert_eq!(heap.collect().unwrap().live_of::<Node>(), 0);
}

/// Runs on a process of its own, whose processor time is nobody else's.
#[test]
fn waiting_for_a_late_mutator_costs_next_to_nothing() {
    const VARIABLE: &str = "SPANHEAP_TEST_WAITING";
    if std::env::var_os(VARIABLE).is_none() {
        let test = std::env::current_exe().unwrap();
        let name = "waiting_for_a_late_mutator_costs_next_to_nothing";
        let run = std::process::Command::new(test).args(["--exact", name]).env(VARIABLE, "1").output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        return;
    }
    let heap = Heap::new().unwrap();
    let before = cpu_time();
    late(&heap, Duration::from_millis(600));
    let spent = cpu_time() - before;
    assert!(spent < Duration::from_millis(60), "{spent:?} of 600 ms");
}

#[test]
fn handshake_times_add_up_and_can_be_asked_anew() {
    let heap = Heap::builder().verify(true).build().unwrap();
    assert_eq!(heap.handshake_times(), Default::default());
    heap.attach(|cx| {
        let report = cx.collect();
        let times = report.handshake_times;
        assert_eq!(times.count, report.handshakes, "one mutator");
        assert!(times.p50 <= times.p99 && times.p99 <= times.max && times.max > Duration::ZERO, "{times:?}");
        assert_eq!(times.max, report.longest_handshake);
        let second = cx.collect().handshake_times;
        let all = heap.handshake_times();
        assert_eq!(all.count, times.count + second.count);
        assert_eq!(all.max, times.max.max(second.max));
        assert_eq!(heap.stats().longest_handshake, all.max);
        heap.reset_handshake_times();
        assert_eq!((heap.handshake_times().count, heap.stats().longest_handshake), (0, Duration::ZERO));
        assert_eq!(cx.collect().handshake_times.count, heap.handshake_times().count);
    })
    .unwrap();
}
