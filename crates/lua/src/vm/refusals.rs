//! Every allocation of Lua programs refused in turn: what the machine makes of a full heap at every place where it can be full.
//!
//! *Callers:* `cargo test`. *Invariants:* a program (`tests/refusals/*.lua`) defines `work`, which answers with a text, and
//! `consistent`, which fails where what the program keeps contradicts itself. After every refusal `work` must have answered as
//! ever (the machine collected and tried again) or said "not enough memory"; then the program is consistent, works again,
//! and after a collection (which verifies) as many objects of each type live as after an undisturbed run.
//!
//! `SPANHEAP_LUA_REFUSALS=all` refuses at every place; without it, where there are many, some are left out.

use spanheap::{Heap, HeapBuilder};

use super::{Memory, Vm};
use crate::string;
use crate::syntax::compile::compile;
use crate::value::Value;

/// What the text of the error about memory is.
const MESSAGE: &str = "not enough memory";

/// Calls `work` as a program does that wants to go on.
const DRIVER: &str = "function attempt() local ok, value = pcall(work) return ok, value end";

const PROGRAMS: [(&str, &str); 3] = [
    ("data", include_str!("../../tests/refusals/data.lua")),
    ("calls", include_str!("../../tests/refusals/calls.lua")),
    ("files", include_str!("../../tests/refusals/files.lua")),
];

/// How allocations are refused, and at which places.
struct Mode {
    name: &'static str,
    /// How many in a row.
    count: u64,
    collect_every: Option<u32>,
    /// Every place up to the first, and every so many beyond.
    dense: u64,
    stride: u64,
}

const MODES: [Mode; 4] = [
    // A collection and another try go well.
    Mode { name: "one", count: 1, collect_every: None, dense: 2000, stride: 7 },
    // Nothing goes well until the program has failed.
    Mode { name: "all", count: u64::MAX, collect_every: None, dense: 2000, stride: 7 },
    // The second try fails too, and what follows goes well.
    Mode { name: "two", count: 2, collect_every: None, dense: 0, stride: 11 },
    Mode { name: "one, while it collects", count: 1, collect_every: Some(101), dense: 0, stride: 11 },
];

/// What came of the refusals.
#[derive(Default)]
struct Figures {
    positions: u64,
    reported: u64,
    recovered: u64,
}

fn builder() -> HeapBuilder {
    // Cycles run when they are asked for: the places are the same in every run.
    Heap::builder().verify(true).poison(true).initial_goal(1 << 30).ignore_cgroup_limit(true).fail_allocation(Some(0))
}

fn text_of(value: Value<'_, '_>) -> String {
    value
        .as_str()
        .map_or_else(|| format!("{:?}", value.type_name()), |s| String::from_utf8_lossy(string::bytes(s)).into())
}

/// Runs a chunk of a program that must not fail.
fn run(vm: &mut Vm<'_>, text: &str) {
    let top = vm.top.get();
    let env = vm.globals().map_or(Value::NIL, Value::table);
    vm.push_chunk(&compile(text.as_bytes(), b"=program"), env).expect("there is room");
    let outcome = vm.call(top, 0);
    assert!(outcome.is_ok(), "{outcome:?}: {}", text_of(vm.error_value()));
    vm.top.set(top);
}

/// Pushes a global function.
fn push_global(vm: &Vm<'_>, name: &str) {
    let globals = vm.globals().expect("the libraries are open");
    let key = vm.string(name.as_bytes()).expect("there is room");
    vm.push(crate::table::get_str(globals, key)).expect("there is room");
}

/// Calls the function on top, and takes it away: its first two results, or the error.
fn call(vm: &mut Vm<'_>) -> Result<(bool, String), String> {
    let func = vm.top.get() - 1;
    let answer = match vm.call(func, 2) {
        Ok(()) => Ok((!vm.get(func).is_falsy(), text_of(vm.get(func + 1)))),
        Err(_) => Err(text_of(vm.error_value())),
    };
    vm.top.set(func);
    answer
}

/// Calls `work`, which must answer, and makes sure that the program is consistent.
fn work(vm: &mut Vm<'_>) -> String {
    push_global(vm, "attempt");
    let answer = call(vm);
    check(vm);
    match answer {
        Ok((true, text)) => text,
        other => panic!("{other:?}"),
    }
}

fn check(vm: &mut Vm<'_>) {
    push_global(vm, "consistent");
    let outcome = call(vm);
    assert!(outcome.is_ok(), "{outcome:?}");
}

/// How many objects of each type live.
fn live(vm: &mut Vm<'_>) -> Vec<(&'static str, u64)> {
    let report = vm.collect();
    report.types.iter().map(|entry| (entry.name, entry.live_objects)).filter(|entry| entry.1 > 0).collect()
}

/// Runs a program with refusals at every place of a mode.
fn refuse(name: &str, text: &str, mode: &Mode, everywhere: bool) -> Figures {
    let heap = builder().collect_every(mode.collect_every).build().expect("the options are in range");
    let mut figures = Figures::default();
    let outcome = heap.attach(|cx| {
        Vm::enter(&heap, cx, |vm| {
            run(vm, &format!("PATH = '{}/programs/args.txt'", env!("CARGO_MANIFEST_DIR")));
            run(vm, text);
            run(vm, DRIVER);
            let expected = work(vm);
            assert_eq!(work(vm), expected);
            let alive = live(vm);
            for n in 1.. {
                if !everywhere && n > mode.dense && n % mode.stride != 0 {
                    continue;
                }
                let refused = heap.allocations_refused();
                push_global(vm, "attempt");
                heap.fail_allocations(n, mode.count).expect("the heap is prepared");
                let answer = call(vm);
                heap.fail_allocation(None).expect("the heap is prepared");
                let place = format!("{name}, {}, allocation {n}", mode.name);
                if heap.allocations_refused() == refused {
                    assert_eq!(answer, Ok((true, expected)), "{place}: nothing was refused");
                    break;
                }
                figures.positions += 1;
                match answer {
                    Ok((true, text)) if text == expected => figures.recovered += 1,
                    // The program may have caught it itself, and said so.
                    Ok((true, text)) => {
                        assert!(text.contains(MESSAGE), "{place}: {text}");
                        figures.reported += 1;
                    }
                    Ok((false, text)) | Err(text) => {
                        assert_eq!(text, MESSAGE, "{place}");
                        figures.reported += 1;
                    }
                }
                check(vm);
                assert_eq!(work(vm), expected, "{place}: the program works again");
                assert_eq!(live(vm), alive, "{place}: as many objects as before");
            }
        })
    });
    outcome.expect("the thread is not attached").expect("there is room");
    assert!(heap.stats().verified_cycles > figures.positions);
    figures
}

#[test]
fn every_allocation_of_a_program_may_be_refused() {
    let everywhere = std::env::var("SPANHEAP_LUA_REFUSALS").is_ok_and(|value| value == "all");
    let (mut all, programs) = (Figures::default(), PROGRAMS.len());
    for mode in &MODES {
        for (name, text) in PROGRAMS {
            let figures = refuse(name, text, mode, everywhere);
            let Figures { positions, reported, recovered } = figures;
            println!("{name}, {}: {positions} positions, {reported} reported, {recovered} recovered", mode.name);
            if mode.count == 1 {
                assert!(recovered > 9 * reported, "a collection makes room nearly everywhere");
            }
            if mode.count == u64::MAX {
                assert!(reported > 9 * recovered, "nothing can go well where nothing is given");
            }
            all.positions += positions;
            all.reported += reported;
            all.recovered += recovered;
        }
    }
    let Figures { positions, reported, recovered } = all;
    println!(
        "figures: lua_refusals programs={programs} positions={positions} reported={reported} recovered={recovered}"
    );
}

#[test]
fn a_state_that_can_not_be_made_leaves_nothing() {
    let heap = builder().build().expect("the options are in range");
    let answer = heap.attach(|cx| {
        for n in 1.. {
            let refused = heap.allocations_refused();
            heap.fail_allocation(Some(n)).expect("the heap is prepared");
            let made = Vm::enter(&heap, cx, |_| heap.fail_allocation(None).expect("the heap is prepared"));
            if heap.allocations_refused() == refused {
                assert_eq!(made, Ok(()));
                return n - 1;
            }
            assert_eq!(made, Err(Memory), "allocation {n}");
            // Collections are slow next to what is looked for: one every few places.
            if n % 8 == 0 {
                assert_eq!(cx.collect().live_objects, 0, "allocation {n}");
            }
            heap.fail_allocation(None).expect("the heap is prepared");
            let made = Vm::enter(&heap, cx, |vm| run(vm, "assert(#('x'):rep(3) == 3)"));
            assert_eq!(made, Ok(()), "allocation {n}");
        }
        unreachable!("a state has only so many allocations");
    });
    assert!(answer.expect("the thread is not attached") > 200);
}
