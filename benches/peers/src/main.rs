//! The peer workloads on spanheap: the same command line, work, output and checksums as the other heaps' programs
//! beside this one. `README.md` says what each workload does.
//!
//! ```text
//! spanheap-peers WORKLOAD [key=value ...]
//! ```
//!
//! *Callers:* `compare`, or a person. *Invariants:* standard output carries one line of JSON, or nothing where the run
//! failed (exit status 1, the reason on standard error). The heap has its default options; its `SPANHEAP_*` variables
//! act as everywhere.

mod alloc;
mod clock;
mod frag;
mod json;
mod large;
mod latency;
mod mark;
mod mutate;
mod objects;
mod params;
mod rng;
mod threads;
mod trees;

use clock::Meter;
use params::{Defaults, Params};
use spanheap::{Heap, Mutator};

/// Does a workload's work and returns its checksum.
type Work = fn(&Params, &mut Mutator<'_>, &mut Meter) -> u64;

const WORKLOADS: &[(&str, Defaults, Work)] = &[
    ("alloc-leaf", &[("n", "100000000")], alloc::leaves),
    ("alloc-pair", &[("n", "100000000")], alloc::pairs),
    ("alloc-mixed", &[("n", "20000000")], alloc::mixed),
    ("binary-trees", &[("depth", "18"), ("threads", "1")], trees::binary_trees),
    ("gcbench", &[("depth", "16")], trees::gcbench),
    ("mark-tree", &[("depth", "22"), ("reps", "5")], mark::tree),
    ("mark-random", &[("n", "8000000"), ("reps", "5")], mark::random),
    ("mark-list", &[("n", "8000000"), ("reps", "5")], mark::list),
    ("mark-wide", &[("n", "20000000"), ("reps", "5")], mark::wide),
    ("latency", &[("live", "200000"), ("n", "2000000")], latency::messages),
    ("churn-threads", &[("threads", "2"), ("n", "10000000")], threads::churn),
    ("mutate", &[("n", "1000000"), ("ops", "100000000"), ("gc", "off")], mutate::stores),
    ("large", &[("n", "200000")], large::buffers),
    ("frag", &[("live_mb", "512"), ("rounds", "20")], frag::replace_and_drop),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(line) => println!("{line}"),
        Err(why) => {
            eprintln!("spanheap-peers: {why}");
            std::process::exit(1)
        }
    }
    // Dropping the heap is no part of the work.
    std::process::exit(0)
}

/// Runs what the command line says and returns the line to print.
fn run(arguments: &[String]) -> Result<String, String> {
    let Some((name, settings)) = arguments.split_first() else { return Err(usage()) };
    let workload = WORKLOADS.iter().find(|workload| workload.0 == name);
    let &(name, defaults, work) = workload.ok_or_else(|| format!("unknown workload {name:?}\n{}", usage()))?;
    let params = Params::new(defaults, settings)?;
    let heap = Heap::builder().from_env().build().map_err(|error| error.to_string())?;
    let mut meter = Meter::new(&heap);
    let checksum = heap.attach(|cx| work(&params, cx, &mut meter)).map_err(|error| error.to_string())?;
    let line = json::line(name, &params, &meter, checksum);
    // The process ends without tearing the heap down.
    std::mem::forget(heap);
    Ok(line)
}

fn usage() -> String {
    let mut text = "usage: spanheap-peers WORKLOAD [key=value ...]\nworkloads and defaults:".to_string();
    for (name, defaults, _) in WORKLOADS {
        let settings: Vec<String> = defaults.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        text += &format!("\n  {name}{}", settings.concat());
    }
    text
}
