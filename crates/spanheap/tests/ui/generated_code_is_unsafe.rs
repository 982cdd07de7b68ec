use spanheap::{Gc, JitView, Mutator, Pair, PairFamily};

fn safepoint(view: &JitView) {
    (view.safepoint)(view.mutator);
}

fn store(view: &JitView) {
    (view.before_store)(view.mutator, std::ptr::null(), 0, 0);
}

fn address<'m, 'h>(_: &'m Mutator<'h>) -> Gc<'m, 'h, u64> {
    Gc::from_addr(8)
}

fn raw_store(cx: &Mutator<'_>) {
    cx.store_raw(std::ptr::null(), 0);
}

fn without_barrier<F: PairFamily>(pair: &Pair<F>, value: F::Value<'_, '_>) {
    pair.store_running(value);
}

fn main() {}
