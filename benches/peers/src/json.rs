//! The output: one line of JSON, as the peers' README describes it.
//!
//! *Callers:* `main`, once a run. *Invariants:* names are plain ASCII without quotes, so that nothing needs escaping.

use crate::clock::Meter;
use crate::params::Params;

/// The line for a finished run.
pub(crate) fn line(workload: &str, params: &Params, meter: &Meter, checksum: u64) -> String {
    let quoted = |value: &str| if value.parse::<u64>().is_ok() { value.to_string() } else { format!("\"{value}\"") };
    let params: Vec<String> = params.iter().map(|(key, value)| format!("\"{key}\":{}", quoted(value))).collect();
    let extra: Vec<String> = meter.extra.iter().map(|(key, value)| format!("\"{key}\":{value:.4}")).collect();
    format!(
        "{{\"impl\":\"spanheap\",\"workload\":\"{workload}\",\"params\":{{{}}},\"wall_s\":{:.6},\"cpu_s\":{:.6},\
         \"peak_rss_mb\":{:.1},\"checksum\":{checksum},\"gc_cycles\":{},\"max_pause_us\":{:.1},\"extra\":{{{}}}}}",
        params.join(","),
        meter.wall.as_secs_f64(),
        meter.cpu.as_secs_f64(),
        crate::clock::peak_resident_mb(),
        meter.cycles,
        meter.longest_handshake.as_secs_f64() * 1e6,
        extra.join(",")
    )
}
