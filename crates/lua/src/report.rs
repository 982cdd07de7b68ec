//! What `--gc-report` prints: what the heap did while the program ran.

use std::fmt::Write;

use spanheap::{HeapStats, ZealFigures};

/// The report as lines of text.
pub fn text(stats: &HeapStats, zeal: &ZealFigures) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_report(&mut out, stats);
    let _ = write_zeal(&mut out, zeal);
    out
}

/// What the options for tests have done, if the heap has any.
fn write_zeal(out: &mut String, zeal: &ZealFigures) -> std::fmt::Result {
    let acted = [
        ("collections verified", zeal.verified_collections),
        ("collections forced", zeal.forced_collections),
        ("slots poisoned", zeal.poisoned_slots),
        ("pages guarded", zeal.guarded_pages),
        ("random delays", zeal.delays),
        ("requests refused", zeal.refused_system_calls),
        ("allocations refused", zeal.refused_allocations),
        ("stores watched", zeal.host_check.stores),
        ("slots compared", zeal.host_check.compared),
    ];
    for (name, count) in acted.into_iter().filter(|&(_, count)| count > 0) {
        writeln!(out, "  {name:<22}{count:>14}")?;
    }
    if !zeal.idle.is_empty() {
        writeln!(out, "  these options for tests have done nothing: {}", zeal.idle.join(", "))?;
    }
    Ok(())
}

fn write_report(out: &mut String, stats: &HeapStats) -> std::fmt::Result {
    writeln!(out, "heap report (the last cycle began when the program had ended)")?;
    writeln!(out, "  cycles                {:>14}", stats.cycles)?;
    writeln!(out, "  objects allocated     {:>14}", stats.allocated_objects)?;
    writeln!(out, "  bytes allocated       {:>14}", stats.allocated_bytes)?;
    writeln!(out, "  objects freed         {:>14}", stats.freed_objects)?;
    writeln!(out, "  bytes freed           {:>14}", stats.freed_bytes)?;
    writeln!(out, "  99 of 100 handshakes  {:>11.1} us", stats.handshake_times.p99.as_secs_f64() * 1e6)?;
    writeln!(out, "  longest handshake     {:>11.1} us", stats.longest_handshake.as_secs_f64() * 1e6)?;
    writeln!(out, "  time in marking       {:>11.3} ms", stats.mark_time.as_secs_f64() * 1e3)?;
    writeln!(out, "  time in sweeping      {:>11.3} ms", stats.sweep_time.as_secs_f64() * 1e3)?;
    writeln!(out, "  peak committed bytes  {:>14}", stats.peak_committed_bytes)?;
    writeln!(out)?;
    let header = ["type", "objects allocated", "bytes allocated", "objects freed", "bytes freed"];
    writeln!(out, "  {:<34}{:>18}{:>18}{:>16}{:>18}", header[0], header[1], header[2], header[3], header[4])?;
    let mut types: Vec<_> = stats.types.iter().filter(|of_type| of_type.allocated_objects > 0).collect();
    types.sort_by_key(|of_type| std::cmp::Reverse(of_type.allocated_bytes));
    for of_type in types {
        writeln!(
            out,
            "  {:<34}{:>18}{:>18}{:>16}{:>18}",
            of_type.name,
            of_type.allocated_objects,
            of_type.allocated_bytes,
            of_type.freed_objects,
            of_type.freed_bytes
        )?;
    }
    Ok(())
}
