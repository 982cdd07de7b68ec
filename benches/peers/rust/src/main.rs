//! Peer benchmarks on Rust's garbage-collected heaps (see ../README.md for the workloads and the output).
//!
//!     peer --impl NAME WORKLOAD [key=value ...]

mod boa;
mod bump;
mod harness;
mod dumpster_sync;
mod dumpster_unsync;
mod gcarena;
mod mmtk_vm;
mod mmtk_work;
mod sandpit_gc;

use harness::{Heap, Params, Report, WORKLOADS};

const HEAPS: &[&Heap] = &[
    &gcarena::HEAP,
    &dumpster_unsync::HEAP,
    &boa::HEAP,
    &mmtk_work::IMMIX,
    &mmtk_work::MARK_SWEEP,
    &sandpit_gc::HEAP,
    &bump::HEAP,
];

pub fn fail(why: &str) -> ! {
    eprintln!("peer: {why}\nusage: peer --impl NAME WORKLOAD [key=value ...]");
    let heaps: Vec<_> = HEAPS.iter().map(|h| h.name).collect();
    eprintln!("impls: {}\nworkloads and defaults:", heaps.join(" "));
    for (name, params) in WORKLOADS {
        let params: Vec<_> = params.iter().map(|(k, v)| format!(" {k}={v}")).collect();
        eprintln!("  {name}{}", params.concat());
    }
    std::process::exit(2)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [flag, heap, workload, settings @ ..] = args.as_slice() else { fail("too few arguments") };
    if flag != "--impl" {
        fail("--impl must come first");
    }
    let heap = *HEAPS.iter().find(|h| h.name == heap).unwrap_or_else(|| fail("unknown impl"));
    let (workload, defaults) = WORKLOADS.iter().find(|w| w.0 == workload).unwrap_or_else(|| fail("unknown workload"));
    let mut params = Params(defaults.iter().map(|(k, v)| (*k, v.to_string())).collect());
    for setting in settings {
        let (key, value) = setting.split_once('=').unwrap_or_else(|| fail("parameters are key=value"));
        let known = params.0.iter_mut().find(|p| p.0 == key).unwrap_or_else(|| fail("unknown parameter"));
        known.1 = value.into();
    }
    // Some collectors recurse as deep as the object graph: a large stack, of which only what is used is resident.
    let run = std::thread::Builder::new().stack_size(2 << 30).spawn(move || run(heap, workload, &params));
    run.expect("a thread").join().expect("the run");
}

fn run(heap: &Heap, workload: &str, params: &Params) {
    let mut report = Report::new();
    let outcome = match heap.work.iter().find(|w| w.0 == workload) {
        Some((_, work)) => work(params, &mut report),
        None => Err("not a workload for this kind of heap".into()),
    };
    match outcome {
        Ok(()) => report.print(heap.label, workload, params),
        Err(why) => println!("{{\"impl\":\"{}\",\"workload\":\"{workload}\",\"unsupported\":\"{why}\"}}", heap.label),
    }
    unsafe { libc::_exit(0) } // no teardown: it is not part of the work
}
