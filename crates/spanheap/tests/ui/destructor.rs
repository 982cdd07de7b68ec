use spanheap::Trace;

#[derive(Trace)]
struct Named {
    id: u64,
}

impl Drop for Named {
    fn drop(&mut self) {}
}

fn main() {}
