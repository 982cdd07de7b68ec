use spanheap::{Bytes, Gc};

fn element(text: Gc<'_, '_, Bytes>) {
    text.elements()[0] = 1;
}

fn all<'m>(text: Gc<'m, '_, Bytes>) -> &'m mut [u8] {
    text.as_ref().elements()
}

fn object<'m>(mut text: Gc<'m, '_, Bytes>) -> &'m mut Bytes {
    &mut *text
}

fn main() {}
