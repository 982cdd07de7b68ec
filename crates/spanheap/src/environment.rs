//! Options from the environment.
//!
//! *Callers:* users, through [`HeapBuilder::from_env`]. *Invariants:* what is set and makes no sense is an error, which
//! names the variable and what it may be; no value makes the reader panic.

use crate::builder::HeapBuilder;
use crate::error::HeapError;
use spanheap_allocator::HugePages;
use spanheap_collector::Growth;
use std::time::Duration;

impl HeapBuilder {
    /// Reads options from the environment: `SPANHEAP_INITIAL_GOAL`, `SPANHEAP_GROWTH_PERCENT`,
    /// `SPANHEAP_GROWTH_BYTES_PER_CORE`, `SPANHEAP_LIMIT`, `SPANHEAP_SOFT_LIMIT`, `SPANHEAP_CPU_SHARE`, `SPANHEAP_MARKING_THREADS`,
    /// `SPANHEAP_COLLECT_EVERY`, `SPANHEAP_FAIL_ALLOCATION`, `SPANHEAP_INITIAL_STACK`, `SPANHEAP_STACK_LIMIT` (numbers), `SPANHEAP_VERIFY`,
    /// `SPANHEAP_POISON`, `SPANHEAP_ADAPTIVE_STACKS`, `SPANHEAP_IGNORE_CGROUP`, `SPANHEAP_BACKGROUND`,
    /// `SPANHEAP_STOP_THE_WORLD`, `SPANHEAP_GUARD`, `SPANHEAP_TINY_BUFFERS`, `SPANHEAP_CHECK_HOST` (0 or 1), `SPANHEAP_DELAYS`,
    /// `SPANHEAP_REFUSE_SYSTEM_CALLS` (numbers), `SPANHEAP_HUGE_PAGES` (`never`, `auto` or `always`), `SPANHEAP_SCAVENGE_MS`,
    /// `SPANHEAP_LATE_MS` (milliseconds; 0 is never). What is not set stays as it was; what can not be understood is
    /// reported by [`HeapBuilder::build`].
    pub fn from_env(mut self) -> HeapBuilder {
        let options = &mut self.options;
        let outcome = number("SPANHEAP_INITIAL_GOAL", |n| options.initial_goal = n)
            .and_then(|()| number("SPANHEAP_GROWTH_PERCENT", |n| options.growth = Growth::Percent(n)))
            .and_then(|()| number("SPANHEAP_LIMIT", |n| self.limit = Some(n)))
            .and_then(|()| number("SPANHEAP_SOFT_LIMIT", |n| options.soft_limit = n))
            .and_then(|()| number("SPANHEAP_CPU_SHARE", |n| options.cpu_share = n))
            .and_then(|()| {
                number("SPANHEAP_GROWTH_BYTES_PER_CORE", |n| options.growth = Growth::SquareRoot { bytes_per_core: n })
            })
            .and_then(|()| number("SPANHEAP_MARKING_THREADS", |n: u32| options.workers = n as usize))
            .and_then(|()| number("SPANHEAP_COLLECT_EVERY", |n| options.collect_every = Some(n)))
            .and_then(|()| number("SPANHEAP_FAIL_ALLOCATION", |n: u64| options.fail_allocation = Some(n)))
            .and_then(|()| number("SPANHEAP_INITIAL_STACK", |n| options.initial_stack = n))
            .and_then(|()| number("SPANHEAP_STACK_LIMIT", |n| options.stack_limit = n))
            .and_then(|()| number("SPANHEAP_ADAPTIVE_STACKS", |n: Switch| options.adaptive_stacks = n.0))
            .and_then(|()| number("SPANHEAP_VERIFY", |n: Switch| options.verify = n.0))
            .and_then(|()| number("SPANHEAP_POISON", |n: Switch| options.poison = n.0))
            .and_then(|()| number("SPANHEAP_GUARD", |n: Switch| options.guard = n.0))
            .and_then(|()| number("SPANHEAP_TINY_BUFFERS", |n: Switch| options.tiny_buffers = n.0))
            .and_then(|()| number("SPANHEAP_DELAYS", |seed| options.delays = Some(seed)))
            .and_then(|()| number("SPANHEAP_REFUSE_SYSTEM_CALLS", |every| self.refuse_every = Some(every)))
            .and_then(|()| number("SPANHEAP_CHECK_HOST", |n: Switch| options.check_host = n.0))
            .and_then(|()| number("SPANHEAP_IGNORE_CGROUP", |n: Switch| self.ignore_cgroup = n.0))
            .and_then(|()| number("SPANHEAP_HUGE_PAGES", |pages| options.huge_pages = pages))
            .and_then(|()| number("SPANHEAP_BACKGROUND", |n: Switch| options.background = n.0))
            .and_then(|()| number("SPANHEAP_STOP_THE_WORLD", |n: Switch| options.stop_the_world = n.0))
            .and_then(|()| number("SPANHEAP_LATE_MS", |after: Pause| options.late_after = after.0))
            .and_then(|()| number("SPANHEAP_SCAVENGE_MS", |after: Pause| options.scavenge = after.0));
        self.environment = self.environment.or(outcome.err());
        self
    }
}

/// 0 or 1.
struct Switch(bool);

/// Milliseconds; 0 is none.
struct Pause(Option<Duration>);

trait Setting: Sized {
    const RANGE: &'static str;
    fn read(text: &str) -> Option<Self>;
}

impl Setting for usize {
    const RANGE: &'static str = "a number of bytes";
    fn read(text: &str) -> Option<usize> {
        text.parse().ok()
    }
}

impl Setting for u32 {
    const RANGE: &'static str = "a positive number";
    fn read(text: &str) -> Option<u32> {
        text.parse().ok().filter(|&number| number > 0)
    }
}

impl Setting for u64 {
    const RANGE: &'static str = "a number";
    fn read(text: &str) -> Option<u64> {
        text.parse().ok()
    }
}

impl Setting for Switch {
    const RANGE: &'static str = "0 or 1";
    fn read(text: &str) -> Option<Switch> {
        match text {
            "0" => Some(Switch(false)),
            "1" => Some(Switch(true)),
            _ => None,
        }
    }
}

impl Setting for Pause {
    const RANGE: &'static str = "a number of milliseconds";
    fn read(text: &str) -> Option<Pause> {
        text.parse().ok().map(|millis| Pause((millis != 0).then(|| Duration::from_millis(millis))))
    }
}

impl Setting for HugePages {
    const RANGE: &'static str = "never, auto or always";
    fn read(text: &str) -> Option<HugePages> {
        match text {
            "never" => Some(HugePages::Never),
            "auto" => Some(HugePages::Automatic),
            "always" => Some(HugePages::Always),
            _ => None,
        }
    }
}

fn number<T: Setting>(name: &'static str, set: impl FnOnce(T)) -> Result<(), HeapError> {
    let Some(value) = std::env::var_os(name) else { return Ok(()) };
    match value.to_str().and_then(T::read) {
        Some(number) => {
            set(number);
            Ok(())
        }
        None => Err(HeapError::Environment { name, range: T::RANGE, value: value.to_string_lossy().into_owned() }),
    }
}
