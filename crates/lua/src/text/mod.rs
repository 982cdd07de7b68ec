//! Text services of the Lua interpreter: numbers to and from text, `string.format`
//! conversions, and Lua patterns. Nothing here touches the heap of the virtual machine:
//! every function works on borrowed bytes and appends to a buffer that its caller owns.

pub mod digits;
pub mod format;
pub mod number;
pub mod pattern;
