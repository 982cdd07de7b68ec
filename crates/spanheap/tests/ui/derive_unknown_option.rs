use spanheap::Trace;

#[derive(Trace)]
#[trace(common)]
struct Node {
    number: u64,
}

fn main() {}
