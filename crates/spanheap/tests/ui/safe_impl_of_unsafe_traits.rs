use spanheap::{Data, Gc, Object, Os, PairFamily, RootSource, RootVisitor, Scalar, StackKind, Trace};

struct Mine;

impl Trace for Mine {}

struct Other;

impl Object for Other {}

impl RootSource for Mine {
    fn visit(&self, _: &mut RootVisitor<'_>) {}
}

impl PairFamily for Mine {}

impl StackKind for &'static Mine {}

impl Os for Mine {}

#[derive(Clone, Copy)]
struct Reference(&'static u64);

// Zero would be no value of it, and it could hold anything.
impl Scalar for Reference {
    type Atomic = &'static u64;

    fn atomic(self) -> &'static u64 {
        self.0
    }

    fn load(atomic: &&'static u64) -> Reference {
        Reference(atomic)
    }

    fn store(self, _: &&'static u64) {}
}

fn read(number: Gc<'_, '_, Data<Reference>>) -> u64 {
    *number.get().0
}

fn main() {}
