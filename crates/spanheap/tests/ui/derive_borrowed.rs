use spanheap::Trace;

#[derive(Trace)]
struct Static {
    text: &'static str,
}

#[derive(Trace)]
struct Borrowed<'a> {
    text: &'a str,
}

#[derive(Trace)]
struct Unused<'a> {
    number: u64,
    text: std::marker::PhantomData<&'a ()>,
}

fn main() {}
