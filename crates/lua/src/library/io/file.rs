//! One open file: buffered reading and writing on an operating-system handle.
//!
//! A file holds either bytes read ahead or bytes still to be written, never both: switching flushes the one or gives back
//! the other by seeking.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};

use crate::text::number::{self, Number};

/// How much is read or written at a time.
const CHUNK: usize = 1 << 16;

/// Longest text of a number that `read("n")` takes.
const LONGEST_NUMBER: usize = 200;

/// Where the bytes come from or go to.
pub(super) enum Handle {
    /// A file of the file system.
    File(File),
    /// Standard input.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// When written bytes are handed to the system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Buffering {
    /// At once.
    None,
    /// After each line.
    Line,
    /// When the buffer is full.
    Full,
}

/// An open file.
pub(super) struct OpenFile {
    handle: Handle,
    readable: bool,
    writable: bool,
    buffering: Buffering,
    ahead: Vec<u8>,
    at: usize,
    pending: Vec<u8>,
}

fn bad_descriptor() -> io::Error {
    io::Error::from_raw_os_error(9)
}

/// Where `byte` first stands in `text`, looked for eight bytes at a time.
#[inline]
pub(in crate::library) fn find_byte(text: &[u8], byte: u8) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let pattern = LOW * u64::from(byte);
    let mut words = text.chunks_exact(8);
    let mut at = 0;
    for word in words.by_ref() {
        let word = word.try_into().map_or(0, u64::from_le_bytes) ^ pattern;
        // A byte of the difference is zero where the byte stands; the lowest such mark is exact.
        let zeros = word.wrapping_sub(LOW) & !word & HIGH;
        if zeros != 0 {
            return Some(at + (zeros.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    words.remainder().iter().position(|&other| other == byte).map(|distance| at + distance)
}

impl OpenFile {
    pub(super) fn new(handle: Handle, readable: bool, writable: bool) -> OpenFile {
        let buffering = match &handle {
            Handle::Stderr => Buffering::None,
            Handle::Stdout if io::stdout().is_terminal() => Buffering::Line,
            _ => Buffering::Full,
        };
        OpenFile { handle, readable, writable, buffering, ahead: Vec::new(), at: 0, pending: Vec::new() }
    }

    /// Whether reading may wait for somebody else.
    pub(super) fn may_block(&self) -> bool {
        matches!(self.handle, Handle::Stdin)
    }

    fn get_ready_to_read(&mut self) -> io::Result<()> {
        if !self.readable {
            return Err(bad_descriptor());
        }
        if self.pending.is_empty() { Ok(()) } else { self.flush() }
    }

    /// Reads more when all that was read ahead is used up. False at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at < self.ahead.len() {
            return Ok(true);
        }
        self.at = 0;
        self.ahead.resize(CHUNK, 0);
        let count = loop {
            let outcome = match &mut self.handle {
                Handle::File(file) => file.read(&mut self.ahead),
                Handle::Stdin => io::stdin().lock().read(&mut self.ahead),
                Handle::Stdout | Handle::Stderr => Err(bad_descriptor()),
            };
            match outcome {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(count) => break count,
                Err(error) => {
                    self.ahead.clear();
                    return Err(error);
                }
            }
        };
        self.ahead.truncate(count);
        Ok(count > 0)
    }

    /// Appends a line, with its newline if `keep`. False when there is none left.
    pub(super) fn read_line(&mut self, out: &mut Vec<u8>, keep: bool) -> io::Result<bool> {
        self.get_ready_to_read()?;
        let mut any = false;
        while self.fill()? {
            let rest = &self.ahead[self.at..];
            if let Some(distance) = find_byte(rest, b'\n') {
                out.extend_from_slice(&rest[..distance + usize::from(keep)]);
                self.at += distance + 1;
                return Ok(true);
            }
            out.extend_from_slice(rest);
            self.at = self.ahead.len();
            any = true;
        }
        Ok(any)
    }

    /// The next line without its newline, if it lies in the buffer as a whole. It is taken.
    pub(super) fn buffered_line(&mut self) -> Option<&[u8]> {
        if !self.pending.is_empty() {
            return None;
        }
        let start = self.at;
        let distance = find_byte(&self.ahead[start..], b'\n')?;
        self.at += distance + 1;
        Some(&self.ahead[start..start + distance])
    }

    /// Appends all that is left.
    pub(super) fn read_all(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.get_ready_to_read()?;
        while self.fill()? {
            out.extend_from_slice(&self.ahead[self.at..]);
            self.at = self.ahead.len();
        }
        Ok(())
    }

    /// Appends up to `count` bytes. False at the end of the file.
    pub(super) fn read_count(&mut self, out: &mut Vec<u8>, count: usize) -> io::Result<bool> {
        self.get_ready_to_read()?;
        if count == 0 {
            return self.fill();
        }
        let mut left = count;
        while left > 0 && self.fill()? {
            let part = left.min(self.ahead.len() - self.at);
            out.extend_from_slice(&self.ahead[self.at..self.at + part]);
            self.at += part;
            left -= part;
        }
        Ok(left < count)
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(if self.fill()? { self.ahead.get(self.at).copied() } else { None })
    }

    /// Takes the next byte into `text` if it is one of `wanted` and the text is not too long.
    fn accept(&mut self, text: &mut Vec<u8>, wanted: &[u8]) -> io::Result<bool> {
        match self.peek()? {
            Some(byte) if wanted.contains(&byte) => {
                if text.len() >= LONGEST_NUMBER {
                    text.clear();
                    return Ok(false);
                }
                self.at += 1;
                text.push(byte);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn accept_digits(&mut self, text: &mut Vec<u8>, hexadecimal: bool) -> io::Result<usize> {
        let digits: &[u8] = if hexadecimal { b"0123456789abcdefABCDEF" } else { b"0123456789" };
        let mut count = 0;
        while self.accept(text, digits)? {
            count += 1;
        }
        Ok(count)
    }

    /// Reads the longest text that looks like a number; `None` when it is none.
    pub(super) fn read_number(&mut self) -> io::Result<Option<Number>> {
        self.get_ready_to_read()?;
        while self.peek()?.is_some_and(number::is_space) {
            self.at += 1;
        }
        let mut text = Vec::new();
        self.accept(&mut text, b"+-")?;
        let mut digits = 0;
        let mut hexadecimal = false;
        if self.accept(&mut text, b"0")? {
            if self.accept(&mut text, b"xX")? {
                hexadecimal = true;
            } else {
                digits = 1;
            }
        }
        digits += self.accept_digits(&mut text, hexadecimal)?;
        if self.accept(&mut text, b".")? {
            digits += self.accept_digits(&mut text, hexadecimal)?;
        }
        if digits > 0 && self.accept(&mut text, if hexadecimal { b"pP" } else { b"eE" })? {
            self.accept(&mut text, b"+-")?;
            self.accept_digits(&mut text, false)?;
        }
        Ok(number::parse(&text))
    }

    /// Writes bytes, through the buffer.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.writable {
            return Err(bad_descriptor());
        }
        if self.at < self.ahead.len() {
            let unread = (self.ahead.len() - self.at) as i64;
            if let Handle::File(file) = &mut self.handle {
                file.seek(SeekFrom::Current(-unread))?;
            }
        }
        self.ahead.clear();
        self.at = 0;
        self.pending.extend_from_slice(bytes);
        let full = match self.buffering {
            Buffering::None => true,
            Buffering::Line => bytes.contains(&b'\n'),
            Buffering::Full => false,
        };
        if full || self.pending.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    /// Hands all written bytes to the system.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.pending);
        let outcome = match &mut self.handle {
            Handle::File(file) => file.write_all(&bytes),
            Handle::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&bytes).and_then(|()| stdout.flush())
            }
            Handle::Stderr => io::stderr().lock().write_all(&bytes),
            Handle::Stdin => Err(bad_descriptor()),
        };
        self.pending = bytes;
        self.pending.clear();
        outcome
    }

    /// Moves the position; returns it from the start of the file.
    pub(super) fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.flush()?;
        let unread = (self.ahead.len() - self.at) as i64;
        let Handle::File(file) = &mut self.handle else { return Err(io::Error::from_raw_os_error(29)) };
        let to = match to {
            SeekFrom::Current(offset) => SeekFrom::Current(offset - unread),
            other => other,
        };
        let position = file.seek(to)?;
        self.ahead.clear();
        self.at = 0;
        Ok(position)
    }

    pub(super) fn set_buffering(&mut self, buffering: Buffering) {
        self.buffering = buffering;
    }
}

#[cfg(test)]
mod tests {
    use super::find_byte;

    #[test]
    fn bytes_are_found_at_every_distance() {
        for len in 0..40 {
            for at in 0..len {
                let mut text = vec![b'a'; len];
                text[at] = b'\n';
                if at + 3 < len {
                    text[at + 3] = b'\n';
                }
                assert_eq!(find_byte(&text, b'\n'), Some(at));
            }
            assert_eq!(find_byte(&vec![0x8a; len], b'\n'), None);
            assert_eq!(find_byte(&vec![b'\x0b'; len], b'\n'), None);
        }
    }
}
