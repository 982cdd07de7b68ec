//! From bytes to operations: the one generator.
//!
//! *Callers:* the tests, with bytes from proptest; the fuzz target, with bytes from libFuzzer. *Invariants:* every byte string is a
//! valid stream. Its first byte is the mode; the rest is cut into records of [`RECORD`] bytes, of which the last may be short.
//! A record's first byte picks a row of [`KINDS`], what follows are its numbers, and what is missing is 0. So whoever takes
//! a record out has a stream that lacks one operation, and whoever makes a byte smaller has a simpler one.
//!
//! Some rows stand for several operations: a *pattern* makes an object with one reference to it, and moves this reference from
//! where the marker has not been to where it has been, which chance alone seldom does.

use super::mode::Mode;
use super::operation::{Change, EDGES, LATEST, Operation, Place, Row, Shape, Target};
use spanheap::Phase;

/// Bytes of a record.
pub const RECORD: usize = 16;

/// Operations for a heap.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The heap.
    pub mode: Mode,
    /// The operations, with the rows of the table that they are of.
    pub(crate) operations: Vec<(usize, Operation)>,
}

impl Stream {
    /// The stream that bytes stand for: any do.
    pub fn decode(bytes: &[u8]) -> Stream {
        let (mode, mut rest) = bytes.split_first().unwrap_or((&0, &[]));
        let mut operations = Vec::new();
        while !rest.is_empty() {
            let mut fields = Fields::next(&mut rest);
            let kind = fields.kind();
            let mut made = Vec::new();
            (KINDS[kind].read)(&mut fields, &mut rest, &mut made);
            operations.extend(made.into_iter().map(|operation| (kind, operation)));
        }
        Stream { mode: Mode::of(*mode), operations }
    }

    /// The operations.
    pub fn operations(&self) -> impl ExactSizeIterator<Item = &Operation> {
        self.operations.iter().map(|(_, operation)| operation)
    }
}

/// A row of the table.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// How likely it is, against all others.
    weight: u16,
    /// Reads the numbers of a record, and takes as many of the records that follow as it is to have.
    read: fn(&mut Fields<'_>, &mut &[u8], &mut Vec<Operation>),
}

macro_rules! kinds {
    ($($weight:literal $name:literal $read:expr;)*) => {
        /// Every kind of operation.
        pub(crate) const KINDS: &[Kind] = &[$(Kind { name: $name, weight: $weight, read: $read }),*];
    };
}

kinds! {
    14 "new" |f, _, made| made.push(Operation::New(f.shape()));
    10 "store" |f, _, made| made.push(Operation::Change(Change::Store(f.target(), f.place(), f.other())));
    10 "swap" |f, _, made| made.push(Operation::Change(f.swap()));
    6 "hang" |f, _, made| made.push(Operation::Hang(f.target(), f.place(), f.shape()));
    4 "populate" |f, _, made| made.push(Operation::Populate(f.target(), f.row(), f.small(4), 1 + f.small(8)));
    9 "unroot" |f, _, made| made.push(Operation::Unroot(f.index()));
    5 "follow" |f, _, made| made.push(Operation::Follow(f.target(), f.place()));
    8 "advance" |f, _, made| made.push(Operation::Advance(f.phase(), f.small(8)));
    6 "carry" |f, _, made| {
        made.push(Operation::Carry(f.target(), f.place(), f.small(9), f.target(), f.place()));
    };
    4 "take" |f, _, made| made.push(Operation::Take(f.target(), f.place()));
    5 "put" |f, _, made| made.push(Operation::Put(f.target(), f.place()));
    2 "spread" |f, _, made| made.push(Operation::Spread(f.target(), f.row(), f.small(4), 1 + f.small(5)));
    3 "exchange" |f, _, made| made.push(Operation::Change(f.exchange()));
    2 "rotate" |f, _, made| made.push(Operation::Change(f.rotate()));
    2 "copy" |f, _, made| {
        let (from, row, (begin, count)) = (f.target(), f.row(), f.range());
        let to = if f.chance(128) { f.target() } else { from };
        made.push(Operation::Change(Change::Copy(from, row, begin, count, to, f.small(9))));
    };
    2 "fill" |f, _, made| {
        let (from, row, (begin, count)) = (f.target(), f.row(), f.range());
        made.push(Operation::Change(Change::Fill(from, row, begin, count, f.other())));
    };
    1 "count" |f, _, made| made.push(Operation::Change(Change::Count(f.target())));
    3 "litter" |f, _, made| made.push(Operation::Change(Change::Litter(f.small(256))));
    2 "large litter" |f, _, made| made.push(Operation::LargeLitter(32_768 + 4 * f.word()));
    6 "pair" |f, _, made| made.push(Operation::Pair(f.index(), f.element(), f.index(), f.chance(128)));
    3 "text" |f, _, made| {
        let len = [0, 1 + f.byte(), 30_000 + f.word() % 20_000][f.small(3)];
        made.push(Operation::Text(f.index(), len));
    };
    4 "grow" |f, _, made| {
        let more = if f.chance(64) { f.word() % 6000 } else { 1 + f.small(4) };
        made.push(Operation::Grow(f.target(), f.row(), more));
    };
    2 "external" |f, _, made| made.push(Operation::External(if f.chance(160) { 4 * f.word() } else { 0 }));
    9 "push" |f, _, made| {
        let count = if f.chance(64) { 100 + f.word() % 2900 } else { 1 + f.small(40) };
        made.push(Operation::Push(count, f.other()));
    };
    4 "pop" |f, _, made| made.push(Operation::Pop(if f.chance(64) { f.word() % 2000 } else { 1 + f.small(40) }));
    5 "write" |f, _, made| made.push(Operation::Write(f.index(), f.word(), f.other(), f.chance(128)));
    2 "fill slots" |f, _, made| made.push(Operation::FillSlots(f.index(), f.word(), 1 + f.small(64), f.other()));
    3 "move" |f, _, made| made.push(Operation::Move(f.index(), f.chance(128)));
    4 "freeze" |f, _, made| {
        made.push(Operation::Freeze(if f.chance(96) { 600 + f.word() % 1400 } else { f.small(100) }));
    };
    5 "switch" |f, _, made| made.push(Operation::Switch(f.other()));
    3 "new stack" |f, _, made| made.push(Operation::NewStack(f.word() % 400));
    2 "end stack" |f, _, made| made.push(Operation::EndStack(f.index(), f.chance(128)));
    2 "scope" |f, _, made| made.push(Operation::Scope(f.index()));
    2 "threads" |f, rest, made| {
        let (changes, cycles) = (1 + f.small(32), 1 + f.small(15) as u64);
        let change = |_| (!rest.is_empty()).then(|| Fields::next(rest).keeping_change());
        made.push(Operation::Threads((0..changes).map_while(change).collect(), cycles));
    };
    2 "reattach" |f, _, made| made.push(Operation::Reattach(f.chance(128)));
    2 "native" |_, _, made| made.push(Operation::Native);
    4 "request" |_, _, made| made.push(Operation::Request);
    6 "slice" |f, _, made| made.push(Operation::Slice(if f.chance(50) { 1000 } else { f.small(60) as u64 }));
    3 "collect" |_, _, made| made.push(Operation::Collect);
    4 "trim" |f, _, made| made.push(Operation::Trim(if f.chance(128) { 16 * f.word() } else { 0 }));
    4 "pattern: from the end of a chain" |f, _, made| {
        // What only the end of a chain holds comes to where the marker has been.
        let (other, place) = (f.target(), f.place());
        made.extend([
            Operation::Advance(Phase::Idle, 0),
            Operation::New(Shape { far: f.far(), ..Shape::default() }),
            Operation::Hang(latest(0), Place::Far, Shape::default()),
            Operation::Advance(Phase::Mark, 1 + f.small(6)),
            Operation::Change(Change::Swap(other, place, latest(0), Place::Far)),
            Operation::Advance(Phase::Idle, 0),
        ]);
    };
    4 "pattern: out of a row" |f, _, made| {
        // The same for what only the elements of a row hold, several at once.
        let (far, row, held, edge) = (f.far(), f.row(), 2 + f.small(7), f.small(EDGES));
        let shape = Shape { pairs: 10, links: 10, ..Shape::default() };
        let hidden = Target { root: LATEST - 1, through: Some(Place::Far) };
        made.extend([
            Operation::Advance(Phase::Idle, 0),
            Operation::New(Shape { far, ..shape }),
            Operation::Hang(latest(0), Place::Far, shape),
            Operation::Populate(Target { root: LATEST, ..hidden }, row, 0, held),
            Operation::New(shape),
            Operation::Advance(Phase::Mark, 1 + f.small(6)),
        ]);
        made.push(Operation::Change(match f.small(3) {
            0 => Change::Swap(latest(0), Place::Edge(edge), hidden, row.place(f.small(held))),
            _ => Change::Exchange(hidden, row, f.small(2), 1 + f.small(held), latest(0), f.small(4)),
        }));
        made.push(Operation::Advance(Phase::Idle, 0));
    };
    4 "pattern: by way of a stack" |f, _, made| {
        // What only a slot of a stack holds that is not yet scanned comes to an object that is never scanned, as it is new.
        let (target, place, phase) = (f.target(), f.place(), f.small(6));
        let phase = [Phase::SyncRound, Phase::BarrierOn, Phase::Roots].get(phase).copied().unwrap_or(Phase::SyncRound);
        made.extend([
            Operation::Advance(Phase::Idle, 0),
            Operation::NewStack(f.small(4)),
            Operation::Switch(Some(LATEST)),
            Operation::Hang(target, place, Shape::default()),
            Operation::Take(target, place),
            Operation::Advance(phase, 0),
            Operation::New(Shape { pairs: 3, links: 3, ..Shape::default() }),
        ]);
        made.push(match f.small(2) {
            0 => Operation::Put(latest(0), f.place()),
            _ => Operation::Spread(latest(0), f.row(), f.small(2), 1 + f.small(3)),
        });
        made.push(Operation::Advance(Phase::Idle, 0));
    };
    4 "pattern: out of a root" |f, _, made| {
        // What only a root holds, which goes before it has been looked at, comes to where the marker has been.
        let to_stack = f.chance(100);
        made.extend([
            Operation::Advance(Phase::Idle, 0),
            Operation::NewStack(f.small(4)),
            Operation::Switch(Some(LATEST)),
            Operation::New(Shape::default()),
            Operation::Advance(Phase::SyncRound, 0),
            Operation::New(Shape { pairs: 3, links: 3, ..Shape::default() }),
            Operation::Advance(Phase::Roots, 0),
        ]);
        made.push(match to_stack {
            true => Operation::Push(1, Some(LATEST - 1)),
            false => Operation::Change(Change::Store(latest(0), f.place(), Some(LATEST - 1))),
        });
        made.extend([Operation::Unroot(LATEST - 1), Operation::Advance(Phase::Idle, 0)]);
    };
}

/// The last of the rooted objects, or one of those before it.
fn latest(before: usize) -> Target {
    Target { root: LATEST - before, through: None }
}

impl Row {
    /// The place of an element.
    pub(crate) fn place(self, index: usize) -> Place {
        match self {
            Row::Pairs => Place::Pair(index),
            Row::Links => Place::Link(index),
        }
    }
}

/// The numbers of one record.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Those of the next record of the rest.
    fn next(rest: &mut &'a [u8]) -> Fields<'a> {
        let (record, others) = rest.split_at(RECORD.min(rest.len()));
        *rest = others;
        Fields(record)
    }

    /// The row of the table.
    fn kind(&mut self) -> usize {
        let total: usize = KINDS.iter().map(|kind| usize::from(kind.weight)).sum();
        // 16 bits, as the weights may come to more than 256.
        let mut at = (self.word() * total) >> 16;
        let fits = |kind: &Kind| {
            let fits = at < usize::from(kind.weight);
            at = at.wrapping_sub(usize::from(kind.weight));
            fits
        };
        KINDS.iter().position(fits).expect("the number is less than all weights together")
    }

    fn byte(&mut self) -> usize {
        let (byte, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        usize::from(*byte)
    }

    /// From 0 to 65,535; the first byte is the more significant one.
    fn word(&mut self) -> usize {
        (self.byte() << 8) | self.byte()
    }

    /// Less than `bound`, which is at most 256.
    fn small(&mut self, bound: usize) -> usize {
        (self.byte() * bound) >> 8
    }

    /// True for so many of 256 bytes.
    fn chance(&mut self, of_256: usize) -> bool {
        self.byte() >= 256 - of_256
    }

    /// Which of several things: often one of the last.
    fn index(&mut self) -> usize {
        match self.byte() {
            late @ ..64 => LATEST - late % 4,
            index => index,
        }
    }

    fn other(&mut self) -> Option<usize> {
        self.chance(205).then(|| self.index())
    }

    fn root(&mut self) -> Target {
        Target { root: self.index(), through: None }
    }

    fn target(&mut self) -> Target {
        let root = self.index();
        let through = match self.byte() {
            ..160 => None,
            160..200 => Some(Place::Far),
            place => Some(Place::Edge(place % EDGES)),
        };
        Target { root, through }
    }

    /// Mostly one of the first few, so that what is stored is found again.
    fn element(&mut self) -> usize {
        match self.byte() {
            near @ ..208 => near % 4,
            far => (far << 8) | self.byte(),
        }
    }

    fn place(&mut self) -> Place {
        match self.byte() {
            edge @ ..96 => Place::Edge(edge % EDGES),
            96..144 => Place::Far,
            144..200 => Place::Pair(self.element()),
            _ => Place::Link(self.element()),
        }
    }

    fn row(&mut self) -> Row {
        if self.chance(128) { Row::Pairs } else { Row::Links }
    }

    /// A few elements, sometimes more than one slice of a copy.
    fn range(&mut self) -> (usize, usize) {
        if self.chance(50) { (self.byte(), self.word() % 6000) } else { (self.small(4), 1 + self.small(4)) }
    }

    /// Links of a chain: some slices of marking.
    fn far(&mut self) -> usize {
        1000 + 8 * self.byte()
    }

    /// Mostly small, sometimes beyond 32 KiB in one part or the other.
    fn shape(&mut self) -> Shape {
        let far = if self.chance(80) { self.far() } else { 0 };
        let small = Shape { far, ..Shape::default() };
        match self.byte() {
            ..160 => Shape { pairs: self.small(9), links: self.small(9), text: self.small(100), far },
            160..196 => Shape { pairs: self.byte(), links: 2 * self.byte(), text: self.word() % 5000, far },
            196..216 => Shape { pairs: 2048 + self.word() % 4000, text: self.small(9), ..small },
            216..236 => Shape { links: 4096 + self.word() % 5000, ..small },
            _ => Shape { pairs: self.small(9), text: 32_768 + 2 * self.word(), ..small },
        }
    }

    fn phase(&mut self) -> Phase {
        let phases = [
            Phase::Mark,
            Phase::Idle,
            Phase::BarrierOn,
            Phase::SyncRound,
            Phase::Roots,
            Phase::Terminate,
            Phase::BarrierOff,
            Phase::Sweep,
        ];
        // Half of the time where objects can be hidden.
        if self.chance(128) { phases[self.small(phases.len())] } else { Phase::Mark }
    }

    fn swap(&mut self) -> Change {
        Change::Swap(self.target(), self.place(), self.target(), self.place())
    }

    fn exchange(&mut self) -> Change {
        let (from, row, to) = (self.target(), self.row(), self.target());
        Change::Exchange(from, row, self.small(4), 1 + self.small(5), to, self.small(4))
    }

    fn rotate(&mut self) -> Change {
        let (from, row, (begin, count)) = (self.target(), self.row(), self.range());
        Change::Rotate(from, row, begin, count)
    }

    /// A change of rooted objects that keeps what there is: it can be made again and again, and there is still something to
    /// hide.
    fn keeping_change(&mut self) -> Change {
        match self.byte() {
            ..176 => Change::Swap(self.root(), self.place(), self.root(), self.place()),
            176..230 => {
                let (from, row, to) = (self.root(), self.row(), self.root());
                Change::Exchange(from, row, self.small(4), 1 + self.small(5), to, self.small(4))
            }
            230..238 => Change::Rotate(self.root(), self.row(), self.small(4), 1 + self.small(4)),
            238..247 => Change::Count(self.root()),
            _ => Change::Litter(self.small(60)),
        }
    }
}
