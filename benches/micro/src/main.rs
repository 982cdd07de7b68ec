//! Allocates a number of objects and does nothing else: `alloc-instructions heap|bump COUNT`.
//!
//! *Callers:* `benches/instructions.sh`, which counts this program's instructions for two numbers of objects. *Invariants:* all
//! objects come from fresh memory, none is collected, and what the program does besides allocating does not depend on
//! their number.

use spanheap_micro::{Bump, NODE_BYTES, Node, allocate, quiet_heap};
use std::hint::black_box;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = arguments.get(1).and_then(|text| text.parse::<u64>().ok()).filter(|&count| count > 0);
    match (arguments.first().map(String::as_str), count) {
        (Some("heap"), Some(count)) => heap(count),
        (Some("bump"), Some(count)) => bump(count),
        _ => {
            eprintln!("usage: alloc-instructions heap|bump COUNT");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn heap(count: u64) {
    let attached = quiet_heap().attach(|cx| allocate(cx, cx.class::<Node>(), black_box(count)));
    black_box(attached.expect("a thread without a mutator"));
}

fn bump(count: u64) {
    // As large for every number of objects, so that touching it costs the same.
    let bump = Bump::new(BUFFER_OBJECTS * NODE_BYTES);
    black_box(bump.allocate(black_box(count)));
}

/// Objects in the bump loop's buffer.
const BUFFER_OBJECTS: usize = 1 << 16;
