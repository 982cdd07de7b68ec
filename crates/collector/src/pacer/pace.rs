//! The pace: what cycles have shown of rates, speeds and costs.
//!
//! *Callers:* the collector tells it at the end of each cycle; `goal`, `trigger` and `assist` plan with it.
//! *Invariants:* all figures are finite and not negative as long as the observations are; a cycle that tells nothing
//! of a figure leaves it as it was.

use super::assist::AssistPlan;

/// A figure that is measured in every cycle: its mean, and how far measurements are from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    mean: f64,
    deviation: f64,
}

/// Deviations above the mean, or below it, that a figure is expected to stay within.
const MARGIN: f64 = 2.0;

impl Estimate {
    /// With another measurement. The mean goes half of the way. The deviation rises as fast, so that the step which a
    /// figure has just made is within the margin at once, and falls more slowly, so that a lucky cycle is not taken
    /// for calm.
    pub(crate) fn learn(before: Option<Estimate>, sample: f64) -> Option<Estimate> {
        if !sample.is_finite() || sample < 0.0 {
            return before;
        }
        let Some(Estimate { mean, deviation }) = before else {
            return Some(Estimate { mean: sample, deviation: sample / 8.0 });
        };
        let error = (sample - mean).abs();
        let weight = if error > deviation { 0.5 } else { 0.25 };
        Some(Estimate { mean: mean + (sample - mean) / 2.0, deviation: deviation + (error - deviation) * weight })
    }

    /// More than this is not expected.
    pub(crate) fn high(self) -> f64 {
        self.mean + MARGIN * self.deviation
    }

    /// Less than this is not expected; not less than a quarter of the mean.
    pub(crate) fn low(self) -> f64 {
        (self.mean - MARGIN * self.deviation).max(self.mean / 4.0)
    }
}

/// What one cycle has shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Observation {
    /// Seconds from its first handshake to its last swept span.
    pub cycle: f64,
    /// Bytes handed out from the end of the marking before to the end of this one.
    pub allocated: usize,
    /// Seconds between these two.
    pub elapsed: f64,
    /// What its marking has shown, if that was looked at.
    pub marking: Option<Marking>,
}

/// What the marking of one cycle has shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marking {
    /// Seconds from the first handshake to the proof that all is marked.
    pub seconds: f64,
    /// Bytes handed out meanwhile.
    pub allocated: usize,
    /// Work done, by whomever.
    pub work: u64,
    /// Part of it that mutators did.
    pub assisted: u64,
    /// Seconds that mutators spent on it, all of them together.
    pub assist_seconds: f64,
    /// Seconds that they waited, because they were throttled or there was no memory.
    pub waited_seconds: f64,
    /// Threads that marked, those of mutators not counted.
    pub workers: usize,
    /// Mutators that ran, native regions not counted; 0 if all waited for this cycle or for something else.
    pub mutators: usize,
    /// Cores that they all had.
    pub cores: usize,
}

impl Observation {
    /// Seconds of cores that the cycle took, assists included, and what mutators waited for it.
    pub(crate) fn collecting(&self) -> f64 {
        let Some(marking) = self.marking else { return self.cycle };
        let threads = marking.seconds * marking.workers as f64 + marking.hindered();
        threads * marking.crowd() + (self.cycle - marking.seconds).max(0.0)
    }

    /// Seconds of cores that mutators had for themselves. `None` if nothing is known of them.
    pub(crate) fn working(&self) -> Option<f64> {
        let marking = self.marking.filter(|marking| marking.mutators > 0)?;
        let all = |seconds: f64| seconds * marking.mutators as f64;
        let meanwhile = (all(marking.seconds) - marking.hindered()).max(0.0) * marking.crowd();
        let alone = all((self.elapsed - marking.seconds).max(0.0));
        Some(meanwhile + alone.min((self.elapsed - marking.seconds).max(0.0) * marking.cores as f64))
    }
}

impl Marking {
    /// The part of a core that each thread had while it marked.
    fn crowd(&self) -> f64 {
        (self.cores as f64 / (self.workers + self.mutators).max(1) as f64).min(1.0)
    }

    /// Seconds for which mutators could not go on with their work.
    fn hindered(&self) -> f64 {
        self.assist_seconds + self.waited_seconds
    }

    /// Units that one thread does in a second while it has a core. The collector's threads may have had none for a
    /// part of the time; what mutators did is measured slice by slice. `None` if there was nothing to do.
    fn speed(&self) -> Option<f64> {
        let of = |work: u64, seconds: f64| if seconds > 0.0 { work as f64 / seconds } else { 0.0 };
        let background = of(self.work.saturating_sub(self.assisted), self.seconds * self.workers as f64);
        let speed = background.max(of(self.assisted, self.assist_seconds));
        (speed > 0.0).then_some(speed)
    }

    /// Bytes that would have been handed out during marking if no mutator had helped or waited: more in the same time,
    /// as mutators would not have stopped to help, and for longer, as marking would have taken longer.
    fn unassisted(&self) -> Option<f64> {
        if self.mutators == 0 {
            return None;
        }
        let busy = (self.hindered() / (self.seconds * self.mutators as f64)).min(0.75);
        let helped = (self.assisted as f64 / self.work.max(1) as f64).min(0.75);
        Some(self.allocated as f64 / (1.0 - busy) / (1.0 - helped))
    }
}

/// How fast mutators allocate, and what a cycle takes. All of it is smoothed over cycles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Bytes handed out per second.
    pub rate: f64,
    /// Seconds from the first handshake of a cycle to its last swept span.
    pub cycle: f64,
    /// Seconds of cores that a cycle takes.
    cost: f64,
    /// Bytes handed out while a cycle marks, by mutators that do not help.
    runway: Option<Estimate>,
    /// Units of work that one thread does in a second.
    speed: Option<Estimate>,
    /// Units of work in the last cycle.
    work: u64,
}

/// Cycle times in which mutators can allocate before the next cycle ends, where the heap grows no further than it pays.
/// Where cycles are cheap (few references in what is live), memory is not spent on making them rare.
const CYCLES_OF_ROOM: f64 = 2.0;

/// Cycle times for which they run alone, where it is known what they need while a cycle marks: that comes on top.
const CYCLES_ALONE: f64 = 1.5;

/// Seconds that a cycle counts at least: threads are woken and caches flushed, which its length does not show.
const LEAST_CYCLE: f64 = 500e-6;

impl Pace {
    /// A pace of which the rate and the length of a cycle are known, and no more.
    pub(crate) fn of(rate: f64, cycle: f64) -> Pace {
        Pace { rate, cycle, cost: cycle, runway: None, speed: None, work: 0 }
    }

    /// With what another cycle has shown. Cycles that were asked for one right after the other tell nothing of the
    /// rate, and one that everybody waited for had all cores: it tells nothing but how much there is to mark.
    pub(crate) fn learn(before: Option<Pace>, seen: &Observation) -> Option<Pace> {
        if let (Some(pace), Some(marking)) = (before, seen.marking.filter(|marking| marking.mutators == 0)) {
            return Some(Pace { work: marking.work, ..pace });
        }
        let fresh = (seen.allocated > 0 && seen.elapsed > seen.cycle).then(|| seen.allocated as f64 / seen.elapsed);
        let mean = |old: f64, new: f64| old + (new - old) / 2.0;
        let mut pace = match (before, fresh) {
            (None, None) => return None,
            (None, Some(rate)) => Pace { cost: seen.collecting(), ..Pace::of(rate, seen.cycle) },
            (Some(old), fresh) => Pace {
                rate: fresh.map_or(old.rate, |rate| mean(old.rate, rate)),
                cycle: mean(old.cycle, seen.cycle),
                cost: mean(old.cost, seen.collecting()),
                ..old
            },
        };
        if let Some(marking) = seen.marking {
            if let Some(bytes) = marking.unassisted() {
                pace.runway = Estimate::learn(pace.runway, bytes);
            }
            if let Some(speed) = marking.speed() {
                pace.speed = Estimate::learn(pace.speed, speed);
            }
            pace.work = marking.work;
        }
        Some(pace)
    }

    /// The room that mutators need so that a cycle is under way less than half of the time.
    pub(super) fn room(self) -> usize {
        let cycle = self.rate * self.cycle.max(LEAST_CYCLE);
        // The casts saturate.
        match self.runway() {
            Some(runway) => ((cycle * CYCLES_ALONE) as usize).saturating_add(runway),
            None => (cycle * CYCLES_OF_ROOM) as usize,
        }
    }

    /// Bytes that will be handed out while a cycle marks, if that is known. No more than is expected: see `trigger`.
    pub(super) fn runway(self) -> Option<usize> {
        self.runway.map(|bytes| bytes.high() as usize)
    }

    /// Seconds of cores that a cycle takes.
    pub(super) fn cost(self) -> f64 {
        self.cost.max(LEAST_CYCLE)
    }

    /// Units of work that the next cycle is expected to take.
    pub(crate) fn work(self) -> u64 {
        self.work
    }

    /// What mutators owe while a cycle marks that has done `done` units so far, where `allocated` bytes have been
    /// handed out since the marking before of the plan's `room`, to objects that take `bytes_per_unit` bytes for each
    /// unit.
    pub(crate) fn assist(self, done: u64, allocated: usize, room: usize, bytes_per_unit: usize) -> AssistPlan {
        let Some(speed) = self.speed else { return AssistPlan::OFF };
        let survivors = (allocated / bytes_per_unit.max(1)) as u64;
        AssistPlan::new(super::assist::work_left(self.work, done, survivors), allocated, room, speed.low())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(cycle: f64, allocated: usize, elapsed: f64) -> Observation {
        Observation { cycle, allocated, elapsed, marking: None }
    }

    #[test]
    fn the_pace_follows_what_cycles_show() {
        let first = Pace::learn(None, &seen(0.01, 1000, 1.0));
        assert_eq!(first, Some(Pace::of(1000.0, 0.01)));
        let faster = Pace::learn(first, &seen(0.03, 3000, 1.0)).unwrap();
        assert_eq!(faster.rate, 2000.0);
        assert!((faster.cycle - 0.02).abs() < 1e-12 && (faster.cost() - 0.02).abs() < 1e-12);
        assert_eq!(Pace::learn(None, &seen(0.01, 0, 1.0)), None, "nothing was allocated");
        assert_eq!(Pace::learn(first, &seen(0.01, 50, 0.01)), first, "a cycle that followed the one before at once");
    }

    const MARKING: Marking = Marking {
        seconds: 0.1,
        allocated: 1000,
        work: 400,
        assisted: 0,
        assist_seconds: 0.0,
        waited_seconds: 0.0,
        workers: 2,
        mutators: 2,
        cores: 8,
    };

    #[test]
    fn the_runway_is_what_mutators_hand_out_if_they_do_not_help() {
        assert_eq!(MARKING.unassisted(), Some(1000.0));
        // They helped for half of their time and did a quarter of the work.
        assert_eq!(Marking { assist_seconds: 0.1, assisted: 100, ..MARKING }.unassisted(), Some(1000.0 / 0.5 / 0.75));
        assert_eq!(Marking { mutators: 0, ..MARKING }.unassisted(), None, "nobody ran");
        let all = Marking { assist_seconds: 9.0, assisted: 400, ..MARKING }.unassisted();
        assert_eq!(all, Some(16_000.0), "bounded, whatever was measured");
    }

    #[test]
    fn time_is_the_collectors_or_the_mutators() {
        let seen = Observation { marking: Some(Marking { assist_seconds: 0.05, ..MARKING }), ..seen(0.12, 5000, 1.0) };
        assert!((seen.collecting() - (0.2 + 0.02 + 0.05)).abs() < 1e-12);
        assert!((seen.working().unwrap() - 1.95).abs() < 1e-12);
        let crowded = Observation { marking: Some(Marking { cores: 2, ..MARKING }), ..seen };
        assert!((crowded.collecting() - 0.12).abs() < 1e-12, "four threads had half a core each");
        assert!((crowded.working().unwrap() - 1.9).abs() < 1e-12);
        let pace = Pace::learn(None, &seen).unwrap();
        assert_eq!(pace.speed.unwrap().mean, 2000.0, "per thread");
        let helped = Marking { assisted: 300, assist_seconds: 0.03, ..MARKING };
        assert_eq!(helped.speed(), Some(10_000.0), "the collector's threads hardly had a core");
        assert_eq!(pace.work(), 400);
        let waited = Observation { marking: Some(Marking { mutators: 0, work: 300, ..MARKING }), ..seen };
        assert_eq!(Pace::learn(Some(pace), &waited), Some(Pace { work: 300, ..pace }));
    }

    #[test]
    fn an_estimate_covers_a_step_at_once_and_settles() {
        let mut estimate = Estimate::learn(None, 100.0);
        for _ in 0..20 {
            estimate = Estimate::learn(estimate, 100.0);
        }
        let steady = estimate.unwrap();
        assert!(steady.high() < 100.1 && steady.low() > 99.9, "{steady:?}");
        let step = Estimate::learn(estimate, 400.0).unwrap();
        assert!(step.high() >= 400.0, "{step:?}");
        let mut after = Some(step);
        for _ in 0..14 {
            after = Estimate::learn(after, 400.0);
        }
        assert!(after.unwrap().high() < 420.0, "{after:?}");
        assert_eq!(Estimate::learn(estimate, f64::NAN), estimate);
        assert_eq!(Estimate::learn(estimate, f64::INFINITY), estimate);
        assert!(Estimate::learn(estimate, 0.0).unwrap().low() > 0.0);
    }
}
