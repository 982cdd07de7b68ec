//! Nanoseconds of one allocation of 32 bytes: the heap's typed fast path against a bump loop, in cache and beyond it.
//!
//! Each timed portion allocates a region full of objects. Between portions, untimed, the heap collects: everything is
//! garbage, so that every span goes home and the next portion gets the same pages again as fresh spans; and the bump
//! loop goes back to its start. A region of 256 KiB stays in a core's second-level cache, one of 32 MiB does not.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spanheap_micro::{Bump, NODE_BYTES, Node, allocate, quiet_heap};
use std::hint::black_box;
use std::time::{Duration, Instant};

const REGIONS: [(&str, usize); 2] = [("256 KiB", 256 << 10), ("32 MiB", 32 << 20)];

fn allocation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("alloc 32 bytes");
    for (region, bytes) in REGIONS {
        let count = (bytes / NODE_BYTES) as u64;
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::new("bump", region), |bencher| {
            let bump = Bump::new(bytes);
            bencher.iter_custom(|portions| {
                repeat(portions, || {
                    let time = timed(|| bump.allocate(black_box(count)));
                    bump.reset();
                    time
                })
            });
        });
        group.bench_function(BenchmarkId::new("heap", region), |bencher| {
            let attached = quiet_heap().attach(|cx| {
                let class = cx.class::<Node>();
                bencher.iter_custom(|portions| {
                    repeat(portions, || {
                        let time = timed(|| allocate(cx, class, black_box(count)));
                        let freed = cx.collect().freed_objects;
                        assert!(freed >= count, "{freed} objects freed: the region is not fresh again");
                        time
                    })
                });
            });
            attached.expect("a thread without a mutator");
        });
    }
    group.finish();
}

fn repeat(portions: u64, mut portion: impl FnMut() -> Duration) -> Duration {
    (0..portions).map(|_| portion()).sum()
}

fn timed<R>(work: impl FnOnce() -> R) -> Duration {
    let begin = Instant::now();
    black_box(work());
    begin.elapsed()
}

criterion_group!(benches, allocation);
criterion_main!(benches);
