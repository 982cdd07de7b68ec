//! The random operations of the tests, with streams that libFuzzer makes: it keeps those that reach code which none has reached
//! before, and varies them.
//!
//! *Callers:* `fuzz/run`. *Invariants:* a stream means here what it means to the tests, so that `replay` there repeats what is
//! found here, on stable.

#![no_main]

use libfuzzer_sys::fuzz_target;
use spanheap_tests::oracle::Stream;

fuzz_target!(|bytes: &[u8]| {
    Stream::decode(bytes).run();
});
