//! Objects smaller than a granule, objects that start in the middle of one, and aligned ones.
//!
//! *Callers:* `cargo test`. *Invariants:* every heap checks itself in every cycle, and fills what it frees.

use spanheap::{Ambiguous, Array, Description, Heap, LayoutError, Mutator, Root, Slot, Trace, TypeLayout, WordKind};

#[derive(Trace)]
struct Number(f64);

/// Three words: 24 bytes, of which every second object starts in the middle of a granule.
#[derive(Trace)]
struct Cell {
    head: Slot<Number>,
    tail: Slot<Cell>,
    count: u64,
}

#[derive(Trace)]
struct Guess {
    word: Ambiguous,
}

fn heap() -> Heap {
    Heap::builder().verify(true).poison(true).build().unwrap()
}

fn address<T>(root: &Root<T>, cx: &Mutator<'_>) -> usize {
    root.get(cx).addr()
}

#[test]
fn boxed_numbers_take_eight_bytes_and_die_one_by_one() {
    const COUNT: usize = 5000;
    heap()
        .attach(|cx| {
            let slots = {
                let slots = cx.alloc_array(cx.array_class::<Slot<Number>, ()>(), (), COUNT).unwrap();
                for index in 0..COUNT {
                    let number = cx.alloc(Number(index as f64)).unwrap();
                    cx.set_element(slots, index, Some(number));
                }
                cx.root(slots)
            };
            assert_eq!(cx.collect().live_of::<Number>(), COUNT as u64);
            let bytes = |cx: &Mutator<'_>| {
                let classes = cx.heap().stats().classes;
                let class = classes.into_iter().find(|class| class.name.ends_with("Number")).unwrap();
                (class.slot_bytes, class.live_bytes, class.spans)
            };
            assert_eq!(bytes(cx), (8, 8 * COUNT as u64, (COUNT as u64).div_ceil(1024)));
            for index in (0..COUNT).filter(|index| index % 3 != 1) {
                cx.set_element(slots.get(cx), index, None);
            }
            let report = cx.collect();
            let live = (0..COUNT).filter(|index| index % 3 == 1).count() as u64;
            assert_eq!((report.live_of::<Number>(), report.freed_of::<Number>()), (live, COUNT as u64 - live));
            for index in (1..COUNT).step_by(3) {
                assert_eq!(slots.get(cx).element(index).unwrap().0, index as f64);
            }
            // New ones take the places of the dead, not those of the living.
            for index in (0..COUNT).filter(|index| index % 3 != 1) {
                let number = cx.alloc(Number(-(index as f64))).unwrap();
                cx.set_element(slots.get(cx), index, Some(number));
            }
            assert_eq!(cx.collect().live_of::<Number>(), COUNT as u64);
            assert_eq!(bytes(cx).2, (COUNT as u64).div_ceil(1024));
            for index in 0..COUNT {
                let sign = if index % 3 == 1 { 1.0 } else { -1.0 };
                assert_eq!(slots.get(cx).element(index).unwrap().0, sign * index as f64);
            }
        })
        .unwrap();
}

#[test]
fn objects_of_three_words_are_found_wherever_they_start() {
    let heap = Heap::builder().verify(true).poison(true).collect_every(Some(97)).build().unwrap();
    heap.attach(|cx| {
        let class = cx.class::<Cell>();
        let mut list: Option<Root<Cell>> = None;
        for count in 0..3000 {
            let number = cx.alloc(Number(count as f64)).unwrap();
            let cell = cx.alloc_in(class, Cell { head: Slot::null(), tail: Slot::null(), count }).unwrap();
            cx.set(cell, |cell| &cell.head, Some(number));
            cx.set(cell, |cell| &cell.tail, list.as_ref().map(|list| list.get(cx)));
            let cell = cx.root(cell);
            if count % 3 == 2 {
                // The one before is cut out, and dies.
                let before = list.as_ref().and_then(|list| list.get(cx).load(|cell| &cell.tail));
                cx.set(cell.get(cx), |cell| &cell.tail, before);
            }
            list = Some(cell);
            cx.safepoint();
        }
        let report = cx.collect();
        assert_eq!((report.live_of::<Cell>(), report.live_of::<Number>()), (2000, 2000));
        let (mut cell, mut seen) = (list.as_ref().map(|list| list.get(cx)), 0);
        let mut odd = 0;
        while let Some(this) = cell {
            assert_eq!(this.load(|cell| &cell.head).unwrap().0, this.count as f64);
            odd += (this.addr() % 16 == 8) as u32;
            seen += 1;
            cell = this.load(|cell| &cell.tail);
        }
        assert_eq!(seen, 2000);
        assert!(odd > 500, "{odd} in the middle of a granule");
        drop(list);
        assert_eq!(cx.collect().live_of::<Cell>(), 0);
    })
    .unwrap();
}

#[test]
fn any_word_keeps_the_object_that_it_points_into_and_no_other() {
    heap()
        .attach(|cx| {
            for offset in 0..24 {
                let guess = cx.root(cx.alloc(Guess { word: Ambiguous::default() }).unwrap());
                let cells: Vec<_> = (0..9)
                    .map(|count| {
                        let cell = cx.alloc(Cell { head: Slot::null(), tail: Slot::null(), count }).unwrap();
                        let number = cx.alloc(Number(count as f64)).unwrap();
                        cx.set(cell, |cell| &cell.head, Some(number));
                        cx.root(cell)
                    })
                    .collect();
                for kept in &cells {
                    let word = address(kept, cx) + offset;
                    cx.set_ambiguous(guess.get(cx), |guess| &guess.word, word);
                }
                let last = address(&cells[8], cx);
                drop(cells);
                let report = cx.collect();
                assert_eq!((report.live_of::<Cell>(), report.live_of::<Number>()), (1, 1), "offset {offset}");
                let found = cx.resolve(last).unwrap();
                assert_eq!((found.slot, found.slot_bytes), (last, 24));
            }
        })
        .unwrap();
}

macro_rules! aligned {
    ($cx:expr, $($name:ident $align:literal),*) => {$(
        #[derive(Trace, Clone, Copy)]
        #[repr(align($align))]
        struct $name([u8; $align]);
        let mut kept = Vec::new();
        for count in 0..40 {
            let object = $cx.root($cx.alloc($name([count; $align])).unwrap());
            let small = $cx.alloc_array_with($cx.array_class::<$name, ()>(), (), 2, |all| all[1].0.fill(count)).unwrap();
            let small = $cx.root(small);
            let len = (40 << 10) / $align;
            let large = $cx.root($cx.alloc_array_with($cx.array_class::<$name, u8>(), count, len, |_| {}).unwrap());
            for at in [
                object.get($cx).addr(),
                small.get($cx).elements().as_ptr() as usize,
                large.get($cx).elements().as_ptr() as usize,
            ] {
                assert!(at.is_multiple_of($align), "{at:#x} is not aligned to {}", $align);
            }
            kept.push((object, small, large));
            if count % 8 == 7 {
                let report = $cx.collect();
                assert_eq!(report.live_of::<$name>(), kept.len() as u64);
                assert_eq!(report.live_of::<Array<$name>>(), kept.len() as u64);
            }
        }
        for (count, (object, small, _)) in kept.iter().enumerate() {
            assert!(object.get($cx).0.iter().chain(&small.get($cx).elements()[1].0).all(|&byte| byte == count as u8));
        }
    )*};
}

#[test]
fn objects_and_elements_are_aligned_as_their_types_ask() {
    heap()
        .attach(|cx| {
            aligned!(cx, Two 2, Eight 8, Sixteen 16, Line 64, Sector 512, Page 4096);
        })
        .unwrap();
}

#[test]
fn raw_layouts_are_aligned_on_request_and_bad_alignments_refused() {
    heap()
        .attach(|cx| {
            for align in [8, 16, 32, 256, 4096] {
                let element = Description::new(align).align(align).finish().unwrap();
                let head = Description::new(align).align(align).finish().unwrap();
                let layout = cx.register_layout("aligned", head, Some(element)).unwrap();
                for elements in [0, 1, 2, 3, 50] {
                    let object = cx.alloc_raw(layout, elements).unwrap();
                    assert!((object.as_ptr() as usize).is_multiple_of(align));
                }
            }
            let word = Description::new(8).finish().unwrap();
            let wide = Description::new(32).align(32).finish().unwrap();
            let refused = |head, element| cx.register_layout("refused", head, element).err();
            let bad = |align| TypeLayout { align, ..word };
            for align in [0, 3, 8192] {
                assert_eq!(refused(bad(align), None), Some(LayoutError::Object { size: 8, align }));
            }
            assert_eq!(refused(word, Some(wide)), Some(LayoutError::Object { size: 32, align: 32 }));
            // A leaf of one word is as small here as it is in the safe layer.
            let leaf = cx.register_layout("leaf", word, None).unwrap();
            let at = cx.alloc_raw(leaf, 0).unwrap().as_ptr() as usize;
            assert_eq!(cx.resolve(at).unwrap().slot_bytes, 8);
        })
        .unwrap();
}

/// Layouts put together by hand, whose words are not where they could be: the marker would follow them.
#[test]
fn a_layout_that_lies_is_refused() {
    let heap = Heap::builder().verify(true).poison(true).build().unwrap();
    heap.attach(|cx| {
        let word = TypeLayout::word(WordKind::Reference);
        let with = |change: &dyn Fn(&mut TypeLayout)| {
            let mut layout = word;
            change(&mut layout);
            layout
        };
        let wrong = [
            with(&|layout| layout.kinds.references = 2),
            with(&|layout| layout.kinds.ambiguous = u64::MAX),
            with(&|layout| layout.kinds.tagged = 1),
            with(&|layout| layout.kinds = TypeLayout::pair(1).kinds),
            with(&|layout| (layout.size, layout.kinds.pairs) = (512, 1 << 63)),
            with(&|layout| (layout.size, layout.kinds.pairs) = (16, 1)),
            with(&|layout| layout.size = 4),
            with(&|layout| layout.size = 0),
            with(&|layout| (layout.size, layout.align) = (12, 4)),
            TypeLayout::leaf::<u64>().with_field(8, word),
        ];
        for (number, layout) in wrong.into_iter().enumerate() {
            assert!(cx.register_layout("wrong", layout, None).is_err(), "{number}");
            assert!(cx.register_layout("wrong", TypeLayout::leaf::<u64>(), Some(layout)).is_err(), "{number}");
        }
        let (low, high) = (TypeLayout::pair(1), TypeLayout::pair(2));
        assert_eq!(cx.register_layout("two families", low, Some(high)).err(), Some(LayoutError::Pairs));
        let right = cx.register_layout("one family", high, Some(high)).unwrap();
        assert!(cx.alloc_raw(right, usize::MAX).is_err());
        for elements in 0..20 {
            cx.alloc_raw(right, elements).unwrap();
        }
        assert!(cx.collect().freed_objects >= 20);
    })
    .unwrap();
}
