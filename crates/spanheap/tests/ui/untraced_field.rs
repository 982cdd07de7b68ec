use spanheap::Trace;

#[derive(Trace)]
struct Named {
    name: String,
}

fn main() {}
