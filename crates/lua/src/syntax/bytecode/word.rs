//! Taking instruction words apart and putting them together; everything here is part of `bytecode`.

use super::Op;

/// Operand A.
#[inline(always)]
pub const fn a(word: u32) -> usize {
    (word >> 8) as u8 as usize
}

/// Operand B.
#[inline(always)]
pub const fn b(word: u32) -> usize {
    (word >> 16) as u8 as usize
}

/// Operand C.
#[inline(always)]
pub const fn c(word: u32) -> usize {
    (word >> 24) as usize
}

/// Operand B as a signed byte.
#[inline(always)]
pub const fn sb(word: u32) -> i64 {
    (word >> 16) as u8 as i8 as i64
}

/// Operand C as a signed byte.
#[inline(always)]
pub const fn sc(word: u32) -> i64 {
    (word >> 24) as u8 as i8 as i64
}

/// Operand Bx, unsigned 16 bits.
#[inline(always)]
pub const fn bx(word: u32) -> usize {
    (word >> 16) as usize
}

/// Operand Bx as a signed 16-bit number.
#[inline(always)]
pub const fn sbx(word: u32) -> i64 {
    (word >> 16) as u16 as i16 as i64
}

/// Operand sJ: the signed distance of a `Jmp`, counted from the word after it.
#[inline(always)]
pub const fn sj(word: u32) -> isize {
    ((word as i32) >> 8) as isize
}

/// Operand Ax of an `Extra` word.
#[inline(always)]
pub const fn ax(word: u32) -> usize {
    (word >> 8) as usize
}

/// Puts together a word of shape ABC.
#[inline]
pub const fn abc(op: Op, a: u8, b: u8, c: u8) -> u32 {
    op as u32 | (a as u32) << 8 | (b as u32) << 16 | (c as u32) << 24
}

/// Puts together a word of shape ABx. For a signed operand pass the `i16` cast to `u16`.
#[inline]
pub const fn abx(op: Op, a: u8, bx: u16) -> u32 {
    op as u32 | (a as u32) << 8 | (bx as u32) << 16
}

/// Puts together a `Jmp`. `None` when the distance does not fit 24 bits.
#[inline]
pub const fn jump(distance: isize) -> Option<u32> {
    if distance < -(1 << 23) || distance >= 1 << 23 {
        return None;
    }
    Some(Op::Jmp as u32 | ((distance as i32) << 8) as u32)
}

/// Puts together an `Extra` word; the caller makes sure that `ax` is below `1 << 24`.
#[inline]
pub const fn extra(ax: u32) -> u32 {
    Op::Extra as u32 | ax << 8
}

/// The same word with operand A replaced.
#[inline]
pub const fn with_a(word: u32, a: u8) -> u32 {
    word & !0xff00 | (a as u32) << 8
}

/// Packs a size hint of `NewTable` into a byte: exact up to 31, then rounded up to five significant bits, and the
/// largest sizes are cut.
pub const fn encode_size(size: usize) -> u8 {
    if size < 32 {
        return size as u8;
    }
    // A byte is an exponent of four bits and a mantissa of four bits with a hidden leading one.
    let mut exponent = 1;
    let mut mantissa = size;
    while mantissa > 31 {
        mantissa = mantissa.div_ceil(2);
        exponent += 1;
        if exponent > 15 {
            return 0xff;
        }
    }
    ((exponent as u8) << 4) | (mantissa as u8 & 15)
}

/// The size that [`encode_size`] packed, in table slots.
#[inline]
pub const fn decode_size(byte: u8) -> usize {
    let exponent = byte >> 4;
    let mantissa = (byte & 15) as usize;
    if exponent == 0 { mantissa } else { (mantissa + 16) << (exponent - 1) }
}

/// Whether the word at hand is followed by a second word that belongs to it (a `Jmp` or an `Extra`).
#[inline]
pub const fn has_second_word(word: u32) -> bool {
    match Op::of(word) {
        Op::LoadKX | Op::SelfFieldX => true,
        Op::SetList => c(word) != 0,
        op => is_conditional(op),
    }
}

/// Whether the operation decides between taking and skipping the `Jmp` word that follows it.
#[inline]
pub const fn is_conditional(op: Op) -> bool {
    op as u8 >= Op::Eq as u8 && op as u8 <= Op::TestSet as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opcode_reads_back() {
        for (index, &op) in Op::ALL.iter().enumerate() {
            assert_eq!(op as usize, index);
            assert_eq!(Op::of(abc(op, 1, 2, 3)), op);
        }
        assert_eq!(Op::of(0xff), Op::Extra);
    }

    #[test]
    fn operands_read_back() {
        let word = abc(Op::AddI, 7, 200, (-3i8) as u8);
        assert_eq!((a(word), b(word), sb(word), sc(word)), (7, 200, -56, -3));
        assert_eq!(a(with_a(word, 9)), 9);
        assert_eq!(sbx(abx(Op::LoadInt, 0, (-5i16) as u16)), -5);
        assert_eq!(bx(abx(Op::LoadK, 0, 65535)), 65535);
        assert_eq!(jump(-4).map(sj), Some(-4));
        assert_eq!(jump((1 << 23) - 1).map(sj), Some((1 << 23) - 1));
        assert_eq!(jump(1 << 23), None);
        assert_eq!(ax(extra(0xff_ffff)), 0xff_ffff);
    }

    #[test]
    fn size_hints_round_up_within_one_sixteenth() {
        for size in (0..5000).chain([10_000, 100_000, 400_000]) {
            let decoded = decode_size(encode_size(size));
            assert!(decoded >= size && decoded <= size + size / 16 + 1, "{size} became {decoded}");
        }
        assert_eq!(encode_size(usize::MAX), 0xff);
    }
}
