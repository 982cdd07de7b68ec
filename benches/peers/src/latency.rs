//! The time of single operations: `latency`.
//!
//! *Callers:* `main`. *Invariants:* an operation's time contains its safepoint, and so whatever the heap makes it wait.

use crate::clock::{Laps, Meter};
use crate::objects::{made, repeat, slots, sum};
use crate::params::Params;
use spanheap::{Data, Mutator, Slot, Trace};

const BYTES: usize = 1024;
const STRIDE: usize = 64;

#[derive(Trace)]
struct Buffer {
    bytes: [Data<u8>; BYTES],
}

#[derive(Trace)]
struct Message {
    buffer: Slot<Buffer>,
    previous: Slot<Message>,
    id: u64,
    len: u64,
}

/// Replaces messages in an open table and times every replacement.
pub(crate) fn messages(params: &Params, cx: &mut Mutator<'_>, meter: &mut Meter) -> u64 {
    let (live, n) = (params.number("live"), params.number("n"));
    let bits = (2 * live).next_power_of_two().trailing_zeros();
    let mask = (1 << bits) - 1;
    let table = slots::<Message>(cx, 1 << bits);
    let (buffers, headers) = (cx.class::<Buffer>(), cx.class());
    meter.begin();
    let mut laps = Laps::new(n as usize);
    repeat(cx, &table, n, |cx, table, id| {
        let message = Message { buffer: Slot::null(), previous: Slot::null(), id, len: BYTES as u64 };
        let message = made(cx.alloc_in(headers, message));
        let buffer = made(cx.alloc_in(buffers, Buffer { bytes: std::array::from_fn(|_| Data::new(0)) }));
        for byte in buffer.as_ref().bytes.iter().step_by(STRIDE) {
            byte.set(id as u8);
        }
        cx.set(message, |message| &message.buffer, Some(buffer));
        let key = id % live;
        let mut place = (key.wrapping_mul(11400714819323198485) >> (64 - bits)) as usize;
        while table.element(place).is_some_and(|other| other.id % live != key) {
            place = (place + 1) & mask;
        }
        cx.set_element(table, place, Some(message));
        laps.lap();
    });
    meter.end();
    meter.distribution(laps.took);
    sum(table.get(cx), |message| {
        let buffer = message.load(|message| &message.buffer).expect("every message has a buffer");
        let intact = buffer.bytes[0].get() == message.id as u8 && buffer.bytes.len() as u64 == message.len;
        assert!(intact && message.previous.is_null(), "a message was overwritten");
        message.id
    })
}
