//! Where arenas stand: hints, mappings of others, and little address space.

use super::*;
use spanheap_memory::{Os, System};

#[test]
fn a_seeded_base_repeats() {
    let base = |seed| {
        let options = PageOptions { base: BaseAddress::Seeded(seed), ..PageOptions::default() };
        PageHeap::new(Arc::new(Memory::new()), options).take(1, &ArenaIndex::new()).unwrap().arena
    };
    assert_eq!(base(7), base(7));
    assert_ne!(base(7), base(8));
}

#[test]
fn a_foreign_mapping_in_the_way_is_left_alone() {
    let options = PageOptions { base: BaseAddress::Seeded(4711), ..PageOptions::default() };
    let wanted = options.base.hint().unwrap();
    let foreign = Arc::new(Memory::new()).reserve(ARENA_SIZE, ARENA_SIZE, Some(wanted + ARENA_SIZE)).unwrap();
    foreign.map(0, PAGE_SIZE).unwrap();
    assert_eq!(foreign.base().as_ptr() as usize, wanted + ARENA_SIZE);
    let squatter = Run { arena: wanted + ARENA_SIZE, page: 0, zero: true };
    fill(squatter, 1, 3);
    // The heap's own first arena stands where it was wanted, its second can not follow, its third follows the second.
    let (heap, index) = (PageHeap::new(Arc::new(Memory::new()), options), ArenaIndex::new());
    let bases: Vec<usize> = (0..3).map(|_| heap.take(DATA_PAGES, &index).unwrap().arena).collect();
    assert_eq!(bases[0], wanted);
    assert!(!bases.contains(&(wanted + ARENA_SIZE)) && bases.iter().all(|base| base.is_multiple_of(ARENA_SIZE)));
    assert!(holds(squatter, 1, 3));
    check(&heap, &index);
}

#[test]
fn a_system_that_refuses_every_place_still_gives_aligned_arenas() {
    let (heap, index, os) = mocked();
    os.refuse_places(true);
    for _ in 0..3 {
        let run = heap.take(DATA_PAGES, &index).unwrap();
        assert!(run.arena.is_multiple_of(ARENA_SIZE));
    }
    check(&heap, &index);
}

#[test]
fn arenas_are_shorter_where_address_space_is_short() {
    let (heap, index, os) = mocked();
    os.limit_address_space(100 << 20);
    let mut runs = Vec::new();
    let error = loop {
        match heap.take(16, &index) {
            Ok(run) => runs.push(run),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AllocError::Exhausted { ref source, .. } if source.is_out_of_memory()), "{error}");
    assert!(heap.figures().arenas > 1 && heap.figures().in_use > 80 << 20, "{:?}", heap.figures());
    for (number, &run) in runs.iter().enumerate() {
        fill(run, 16, number as u8);
        assert_eq!(index.arena(run.arena + run.page * PAGE_SIZE), Some(arena_of(run.arena)));
    }
    assert!(runs.iter().enumerate().all(|(number, &run)| holds(run, 16, number as u8)));
    check(&heap, &index);
    let shortest = runs.iter().rev().find(|run| run.arena != runs[0].arena).unwrap();
    let last = runs.iter().filter(|run| run.arena == shortest.arena).map(|run| run.page).max().unwrap();
    assert_eq!(heap.extend(shortest.arena, last, 16, 16 + DATA_PAGES).unwrap(), None, "the arena ends before");
    for run in runs {
        heap.give_back(run.arena, run.page, 16);
    }
    assert!(heap.trim(0) > 60 << 20);
    check(&heap, &index);
}

/// A variable whose presence makes the next test the child that lives under the limit.
const CHILD: &str = "SPANHEAP_TEST_ADDRESS_LIMIT";

#[test]
#[cfg_attr(spanheap_asan, ignore = "a sanitizer's records alone need more addresses")]
fn a_process_with_a_limit_on_its_address_space_gets_tens_of_mebibytes() {
    if std::env::var_os(CHILD).is_none() {
        let name = std::thread::current().name().expect("tests run in threads with names").to_string();
        let output = std::process::Command::new("sh")
            .args(["-c", "ulimit -v 200000 && exec \"$0\" --exact \"$1\" --test-threads=1 --nocapture"])
            .arg(std::env::current_exe().unwrap())
            .arg(name)
            .env(CHILD, "1")
            .env("RUST_MIN_STACK", "1048576")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("mebibytes in"), "{text}");
        return;
    }
    System::new().reserve(300 << 20).expect_err("the limit holds");
    let (heap, index) = heap(usize::MAX);
    let mut taken = 0;
    while let Ok(run) = heap.take(32, &index) {
        fill(run, 32, 1);
        taken += 32 * PAGE_SIZE;
    }
    assert!(taken > 60 << 20, "{taken} bytes");
    println!("{} mebibytes in {} arenas", taken >> 20, heap.figures().arenas);
}
