use spanheap::{Gc, Mutator, Slot, Trace, TypeLayout};

#[derive(Clone, Copy)]
struct Code<F>(F);

// SAFETY: a function's address: no reference into the heap, no destructor, written once.
unsafe impl<F: Copy + Send + Sync + 'static> Trace for Code<F> {
    const NAME: &'static str = "Code";
    const ARRAY_NAME: &'static str = "[Code]";
    const LAYOUT: TypeLayout = TypeLayout::leaf::<Code<F>>();
    const ZERO_IS_VALID: bool = false;
}

type ForAll = for<'a> fn(&'a str) -> &'static str;
type ForStatic = fn(&'static str) -> &'static str;

#[derive(Trace)]
struct Holder {
    code: Slot<Code<ForAll>>,
}

// What is stored takes only text that lives for ever; what is loaded would take any.
fn stored<'h>(cx: &Mutator<'h>, holder: Gc<'_, 'h, Holder>, code: Gc<'_, 'h, Code<ForStatic>>) {
    cx.set(holder, |holder| -> &Slot<Code<ForStatic>> { &holder.code }, Some(code));
}

fn main() {}
