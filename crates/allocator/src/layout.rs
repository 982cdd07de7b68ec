//! Layouts: which words of an object the marker must look at, and how.
//!
//! *Callers:* `#[derive(Trace)]` builds a [`TypeLayout`] in a constant; the raw layer describes one at run time with a
//! [`Description`]; `classes` turns either into a [`ScanPlan`]. *Invariants:* a word has at most one kind; a word with
//! a kind is 8-byte aligned in its object; all kinds lie in the first 64 words of the fixed part or of the element.
//! *Not here:* where an object's span keeps its layout (`span`), reading the words (the collector's `scan`).

use bitvec::vec::BitVec;

/// Bytes of a word.
pub const WORD: usize = size_of::<usize>();
/// Words of an object's fixed part, or of one element, that can have a kind.
pub const MAX_WORDS: usize = 64;

/// What a word of an object holds, as the marker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordKind {
    /// Nothing for the marker.
    Scalar,
    /// Null, or the address of an object's first byte.
    Reference,
    /// A host value in one word, whose reference is found by the heap's [`TagScheme`].
    Tagged,
    /// Any word at all: if it lies in an allocated object, it keeps that object.
    Ambiguous,
    /// The tag word of a two-word host value; the word after it is the payload. The payload is looked at as an
    /// ambiguous word, but only where the tag says that it may be a reference (see [`TypeLayout::pair`]).
    Pair,
}

/// How a heap's one-word host values hide a reference.
///
/// A word `w` holds a reference exactly if `w & mask == tag`; its address is then `w & address`. Both low-bit tags and
/// NaN boxing fit. A word whose address part is 0 is no reference. Objects are aligned to 8 bytes, some to no more: a
/// scheme must keep bits 3 to 47 of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagScheme {
    /// Bits that tell references from other values.
    pub mask: usize,
    /// Value of those bits in a reference.
    pub tag: usize,
    /// Bits of the address.
    pub address: usize,
}

impl TagScheme {
    /// The reference in `word`, or 0.
    #[inline(always)]
    pub const fn reference(self, word: usize) -> usize {
        if word & self.mask == self.tag { word & self.address } else { 0 }
    }
}

/// The kinds of up to 64 words, one bit mask per kind. Bit `i` stands for word `i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WordKinds {
    /// Words of kind [`WordKind::Reference`].
    pub references: u64,
    /// Words of kind [`WordKind::Tagged`].
    pub tagged: u64,
    /// Words of kind [`WordKind::Ambiguous`].
    pub ambiguous: u64,
    /// Words of kind [`WordKind::Pair`]: the tag words only.
    pub pairs: u64,
}

impl WordKinds {
    /// No word has a kind.
    pub const NONE: WordKinds = WordKinds { references: 0, tagged: 0, ambiguous: 0, pairs: 0 };

    /// Whether the marker has nothing to look at.
    pub const fn is_none(self) -> bool {
        self.references | self.tagged | self.ambiguous | self.pairs == 0
    }

    const fn last_word(self) -> usize {
        let all = self.references | self.tagged | self.ambiguous | self.pairs | (self.pairs << 1);
        64 - all.leading_zeros() as usize
    }

    const fn shifted(self, words: usize) -> WordKinds {
        assert!(self.is_none() || words + self.last_word() <= MAX_WORDS, "a type's references must lie in 512 bytes");
        if self.is_none() {
            return self;
        }
        WordKinds {
            references: self.references << words,
            tagged: self.tagged << words,
            ambiguous: self.ambiguous << words,
            pairs: self.pairs << words,
        }
    }

    const fn merged(self, other: WordKinds) -> WordKinds {
        WordKinds {
            references: self.references | other.references,
            tagged: self.tagged | other.tagged,
            ambiguous: self.ambiguous | other.ambiguous,
            pairs: self.pairs | other.pairs,
        }
    }
}

/// The layout of a Rust type, computed in a constant from its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeLayout {
    /// Bytes of the type.
    pub size: usize,
    /// Alignment of the type in bytes.
    pub align: usize,
    /// Kinds of its words.
    pub kinds: WordKinds,
    /// Lowest tag whose payload may be a reference, for the words of kind [`WordKind::Pair`].
    pub pair_threshold: usize,
    /// Few objects of this type exist: they share mixed spans instead of filling spans of their own.
    pub rare: bool,
}

impl TypeLayout {
    /// A type without references.
    pub const fn leaf<T>() -> TypeLayout {
        let kinds = WordKinds::NONE;
        TypeLayout { size: size_of::<T>(), align: align_of::<T>(), kinds, pair_threshold: 0, rare: false }
    }

    /// A one-word type of the given kind (not [`WordKind::Pair`]).
    pub const fn word(kind: WordKind) -> TypeLayout {
        let mut kinds = WordKinds::NONE;
        match kind {
            WordKind::Scalar => {}
            WordKind::Reference => kinds.references = 1,
            WordKind::Tagged => kinds.tagged = 1,
            WordKind::Ambiguous => kinds.ambiguous = 1,
            WordKind::Pair => panic!("a pair has two words"),
        }
        TypeLayout { size: WORD, align: WORD, kinds, pair_threshold: 0, rare: false }
    }

    /// A two-word host value: a tag, then a payload that may be a reference where the tag is at least `threshold`.
    pub const fn pair(threshold: usize) -> TypeLayout {
        let kinds = WordKinds { pairs: 1, ..WordKinds::NONE };
        TypeLayout { size: 2 * WORD, align: WORD, kinds, pair_threshold: threshold, rare: false }
    }

    /// This type with a field of layout `field` at byte `offset`.
    ///
    /// # Panics
    /// At compile time, where used in a constant: a reference at an odd offset or in a packed type, a reference beyond the
    /// first 512 bytes, or two kinds of pairs with different thresholds in one type.
    pub const fn with_field(self, offset: usize, field: TypeLayout) -> TypeLayout {
        if field.kinds.is_none() {
            return self;
        }
        assert!(
            offset.is_multiple_of(WORD) && self.align.is_multiple_of(WORD),
            "a field with references must be word aligned"
        );
        assert!(self.shares_pairs_with(field), "the pairs of one type must be of one family");
        let kinds = self.kinds.merged(field.kinds.shifted(offset / WORD));
        let pair_threshold = if field.kinds.pairs != 0 { field.pair_threshold } else { self.pair_threshold };
        TypeLayout { kinds, pair_threshold, ..self }
    }

    /// `count` values of this layout in a row.
    ///
    /// # Panics
    /// At compile time, as [`TypeLayout::with_field`].
    pub const fn repeated(self, count: usize) -> TypeLayout {
        let size = self.size * count;
        let mut whole = TypeLayout { size, kinds: WordKinds::NONE, ..self };
        let mut index = 0;
        while index < count && !self.kinds.is_none() {
            whole = whole.with_field(index * self.size, self);
            index += 1;
        }
        whole
    }

    /// Whether the pairs of both, if both have any, are read in the same way. The marker knows one threshold per type: if
    /// there were two, it would take references for other values.
    pub const fn shares_pairs_with(self, other: TypeLayout) -> bool {
        self.kinds.pairs == 0 || other.kinds.pairs == 0 || self.pair_threshold == other.pair_threshold
    }

    /// Checks a layout that may have been put together by hand: the marker follows it without looking.
    ///
    /// # Errors
    /// [`LayoutError::Word`] for a word with a kind that does not lie in the type, [`LayoutError::Twice`] for one with two,
    /// [`LayoutError::Object`] if words with a kind would not be aligned.
    pub const fn check(self) -> Result<(), LayoutError> {
        let WordKinds { references, tagged, ambiguous, pairs } = self.kinds;
        if self.kinds.is_none() {
            return Ok(());
        }
        if !self.align.is_multiple_of(WORD) || !self.size.is_multiple_of(WORD) {
            return Err(LayoutError::Object { size: self.size, align: self.align });
        }
        let rows = [references, tagged, ambiguous, pairs, pairs << 1];
        let (mut seen, mut twice, mut row) = (0, 0, 0);
        while row < rows.len() {
            twice |= seen & rows[row];
            seen |= rows[row];
            row += 1;
        }
        let limit = if self.size / WORD < MAX_WORDS { self.size / WORD } else { MAX_WORDS };
        // A pair in the last of 64 words has its payload in one that no mask shows.
        let end = if pairs >> (MAX_WORDS - 1) != 0 { MAX_WORDS + 1 } else { MAX_WORDS - seen.leading_zeros() as usize };
        if end > limit {
            return Err(LayoutError::Word { word: end - 1, limit });
        }
        if twice != 0 {
            return Err(LayoutError::Twice(twice.trailing_zeros() as usize));
        }
        Ok(())
    }

    /// This layout, marked as one of few objects.
    pub const fn as_rare(self) -> TypeLayout {
        TypeLayout { rare: true, ..self }
    }
}

/// A layout described at run time, word by word, and checked when it is finished.
#[derive(Clone, Debug)]
pub struct Description {
    size: usize,
    align: usize,
    kinds: [BitVec<u64>; 4],
    pair_threshold: usize,
}

/// Why a [`Description`] is no layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The size is 0, or not a multiple of 8 bytes.
    #[error("a layout's size must be a positive multiple of 8 bytes, not {0}")]
    Size(usize),
    /// A word with a kind lies outside the object, or beyond word 64.
    #[error("word {word} has a kind, but only the first {limit} words can")]
    Word {
        /// The word.
        word: usize,
        /// The first word that can not have a kind.
        limit: usize,
    },
    /// A word was given two kinds, or a pair's payload was given one of its own.
    #[error("word {0} was given two kinds")]
    Twice(usize),
    /// The pairs of an object's fixed part and those of its elements have different thresholds.
    #[error("the pairs of the fixed part and of the elements must have the same threshold")]
    Pairs,
    /// The heap holds as many layouts as it can.
    #[error("the heap can hold no more than {0} layouts")]
    TooMany(usize),
    /// The operating system gave no memory for the heap's record of it.
    #[error("the operating system gave no memory for {requested} bytes of records: {kind}")]
    Memory {
        /// Bytes asked for.
        requested: usize,
        /// What the operating system said.
        kind: std::io::ErrorKind,
    },
    /// A type is larger than a small object may be, or its alignment is none that objects can have.
    #[error(
        "a type of {size} bytes aligned to {align} can not be an object here: at most {} bytes, alignment a power of two up to {}, \
         which divides the size of the part before",
        super::MAX_SMALL,
        super::MAX_ALIGN
    )]
    Object {
        /// Bytes of the type.
        size: usize,
        /// Its alignment.
        align: usize,
    },
}

impl Description {
    /// An object (or element) of `size` bytes, all words scalar.
    pub fn new(size: usize) -> Description {
        let words = size / WORD;
        let kinds = std::array::from_fn(|_| BitVec::repeat(false, words));
        Description { size, align: WORD, kinds, pair_threshold: 0 }
    }

    fn row(kind: WordKind) -> Option<usize> {
        match kind {
            WordKind::Scalar => None,
            WordKind::Reference => Some(0),
            WordKind::Tagged => Some(1),
            WordKind::Ambiguous => Some(2),
            WordKind::Pair => Some(3),
        }
    }

    /// Gives `word` a kind. Words outside the object are reported by [`Description::finish`].
    pub fn set(&mut self, word: usize, kind: WordKind) -> &mut Description {
        if let Some(row) = Self::row(kind) {
            let bits = &mut self.kinds[row];
            if word >= bits.len() {
                bits.resize(word + 1, false);
            }
            bits.set(word, true);
        }
        self
    }

    /// Bytes to which the object is aligned, or to which an array is whose element this is. Default: 8.
    pub fn align(&mut self, align: usize) -> &mut Description {
        self.align = align;
        self
    }

    /// Lowest tag whose payload may be a reference, for the words of kind [`WordKind::Pair`].
    pub fn pair_threshold(&mut self, threshold: usize) -> &mut Description {
        self.pair_threshold = threshold;
        self
    }

    /// Checks the description and turns it into a layout.
    ///
    /// # Errors
    /// [`LayoutError::Size`], [`LayoutError::Word`], [`LayoutError::Twice`].
    pub fn finish(&self) -> Result<TypeLayout, LayoutError> {
        if self.size == 0 || !self.size.is_multiple_of(WORD) {
            return Err(LayoutError::Size(self.size));
        }
        let limit = (self.size / WORD).min(MAX_WORDS);
        let payloads = self.kinds[3].iter_ones().map(|word| word + 1);
        let mut seen: BitVec<u64> = BitVec::repeat(false, limit);
        for word in self.kinds.iter().flat_map(|row| row.iter_ones()).chain(payloads) {
            if word >= limit {
                return Err(LayoutError::Word { word, limit });
            }
            if seen.replace(word, true) {
                return Err(LayoutError::Twice(word));
            }
        }
        let mask = |row: usize| self.kinds[row].iter_ones().fold(0u64, |mask, word| mask | 1 << word);
        Ok(TypeLayout {
            size: self.size,
            align: self.align,
            kinds: WordKinds { references: mask(0), tagged: mask(1), ambiguous: mask(2), pairs: mask(3) },
            pair_threshold: self.pair_threshold,
            rare: false,
        })
    }
}

/// The layout of an object: a fixed part and, where it is an array, the element that repeats behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectLayout {
    /// The type's name, for reports.
    pub name: &'static str,
    /// The fixed part.
    pub head: TypeLayout,
    /// The repeated element; starts at `head.size`.
    pub element: Option<TypeLayout>,
    /// A VM stack, which is not scanned like other objects: its first word names the block that holds its slots, which
    /// are what `element` describes (see `stack_memory`). It is never rare.
    pub stack: bool,
}

impl ObjectLayout {
    /// An object without repeated elements.
    pub const fn fixed(name: &'static str, head: TypeLayout) -> ObjectLayout {
        ObjectLayout { name, head, element: None, stack: false }
    }

    /// Whether the marker never needs to look into such objects.
    pub const fn is_leaf(&self) -> bool {
        self.head.kinds.is_none()
            && match self.element {
                Some(element) => element.kinds.is_none(),
                None => true,
            }
    }
}

/// What the marker does with an object of a span: the layout, ready for the scan loop.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ScanPlan {
    /// Kinds of the fixed part's words.
    pub head: WordKinds,
    /// Bytes of the fixed part, where the elements begin.
    pub head_size: u32,
    /// Bytes of one element; 0 where nothing repeats, or where the elements hold nothing for the marker.
    pub element_size: u32,
    /// Bytes of a slot; 0 in a large span, whose header knows the size.
    pub slot_size: u32,
    /// How to read it.
    pub shape: Shape,
    /// Kinds of an element's words.
    pub element: WordKinds,
    /// See [`TypeLayout::pair_threshold`].
    pub pair_threshold: usize,
}

/// The ways in which an object can be scanned, the frequent ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Shape {
    /// Only references, all in the fixed part.
    References,
    /// No word has a kind.
    Leaf,
    /// A fixed part with any kinds.
    Fixed,
    /// Elements that are one reference each, with any fixed part before them.
    ReferenceArray,
    /// Elements of any layout, with any fixed part before them.
    Array,
    /// Slots of several layouts: the span's table tells which.
    Mixed,
    /// A VM stack: slots outside the object that its owner writes without a barrier; scanned only under a claim.
    Stack,
}

impl ScanPlan {
    /// The plan for objects of `layout` in slots of `slot_size` bytes.
    pub fn new(layout: &ObjectLayout, slot_size: usize) -> ScanPlan {
        let head = layout.head.kinds;
        let element = layout.element.filter(|element| !element.kinds.is_none());
        let kinds = element.map_or(WordKinds::NONE, |element| element.kinds);
        let only_references = WordKinds { references: head.references, ..WordKinds::NONE };
        let shape = match element {
            _ if layout.stack => Shape::Stack,
            None if head.is_none() => Shape::Leaf,
            None if head == only_references => Shape::References,
            None => Shape::Fixed,
            Some(e) if e.size == WORD && e.kinds.references == 1 => Shape::ReferenceArray,
            Some(_) => Shape::Array,
        };
        let threshold = match element {
            Some(element) if element.kinds.pairs != 0 => element.pair_threshold,
            _ => layout.head.pair_threshold,
        };
        ScanPlan {
            head,
            head_size: layout.head.size as u32,
            element_size: element.map_or(0, |element| element.size as u32),
            slot_size: slot_size as u32,
            shape,
            element: kinds,
            pair_threshold: threshold,
        }
    }

    /// What the word at a byte offset of an object holds, as the marker sees it: [`WordKind::Pair`] for both words of a pair;
    /// `None` for an offset within a word.
    pub fn kind_at(&self, offset: usize) -> Option<WordKind> {
        let (head, element) = (self.head_size as usize, self.element_size as usize);
        let (kinds, offset) = match offset.checked_sub(head) {
            Some(behind) if element != 0 => (self.element, behind % element),
            _ => (self.head, offset),
        };
        let has = |mask: u64| offset / WORD < MAX_WORDS && mask >> (offset / WORD) & 1 != 0;
        offset.is_multiple_of(WORD).then(|| match () {
            () if has(kinds.references) => WordKind::Reference,
            () if has(kinds.tagged) => WordKind::Tagged,
            () if has(kinds.ambiguous) => WordKind::Ambiguous,
            () if has(kinds.pairs | kinds.pairs << 1) => WordKind::Pair,
            () => WordKind::Scalar,
        })
    }

    /// The plan of a span whose slots have layouts of their own.
    pub fn mixed(slot_size: usize) -> ScanPlan {
        let empty = TypeLayout { size: 0, align: 1, kinds: WordKinds::NONE, pair_threshold: 0, rare: true };
        ScanPlan { shape: Shape::Mixed, ..ScanPlan::new(&ObjectLayout::fixed("", empty), slot_size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: TypeLayout = TypeLayout::leaf::<[u64; 4]>()
        .with_field(0, TypeLayout::word(WordKind::Reference))
        .with_field(8, TypeLayout::pair(5));

    #[test]
    fn fields_merge_in_constants() {
        assert_eq!(NODE.kinds, WordKinds { references: 1, pairs: 2, ..WordKinds::NONE });
        let three = NODE.repeated(3);
        assert_eq!(three.size, 96);
        assert_eq!(three.kinds.references, 1 | 1 << 4 | 1 << 8);
        assert_eq!(three.pair_threshold, 5);
    }

    #[test]
    fn a_description_equals_the_constant() {
        let mut description = Description::new(32);
        description.set(0, WordKind::Reference).set(1, WordKind::Pair).pair_threshold(5);
        assert_eq!(description.finish().unwrap().kinds, NODE.kinds);
    }

    #[test]
    fn bad_descriptions_are_refused() {
        assert_eq!(Description::new(12).finish(), Err(LayoutError::Size(12)));
        assert_eq!(Description::new(0).finish(), Err(LayoutError::Size(0)));
        let mut outside = Description::new(16);
        outside.set(2, WordKind::Reference);
        assert_eq!(outside.finish(), Err(LayoutError::Word { word: 2, limit: 2 }));
        let mut payload = Description::new(16);
        payload.set(1, WordKind::Pair);
        assert_eq!(payload.finish(), Err(LayoutError::Word { word: 2, limit: 2 }));
        let mut twice = Description::new(32);
        twice.set(1, WordKind::Pair).set(2, WordKind::Reference);
        assert_eq!(twice.finish(), Err(LayoutError::Twice(2)));
        let mut far = Description::new(1024);
        far.set(64, WordKind::Ambiguous);
        assert_eq!(far.finish(), Err(LayoutError::Word { word: 64, limit: 64 }));
    }

    #[test]
    fn plans_pick_the_simplest_shape() {
        let plan = |head: TypeLayout, element| {
            ScanPlan::new(&ObjectLayout { element, ..ObjectLayout::fixed("t", head) }, 64).shape
        };
        let reference = TypeLayout::word(WordKind::Reference);
        let count = TypeLayout::leaf::<u64>();
        assert_eq!(plan(count, None), Shape::Leaf);
        assert_eq!(plan(reference, None), Shape::References);
        assert_eq!(plan(NODE, None), Shape::Fixed);
        assert_eq!(plan(count, Some(reference)), Shape::ReferenceArray);
        assert_eq!(plan(count, Some(NODE)), Shape::Array);
        assert_eq!(plan(count, Some(count)), Shape::Leaf);
        assert_eq!(plan(reference, Some(count)), Shape::References);
    }

    #[test]
    fn tag_schemes_find_references() {
        let low_bit = TagScheme { mask: 1, tag: 0, address: !7 };
        assert_eq!(low_bit.reference(0x1000), 0x1000);
        assert_eq!(low_bit.reference(0x1001), 0);
        let nan_box = TagScheme { mask: 0xfffe << 48, tag: 0xfffc << 48, address: (1 << 48) - 1 };
        assert_eq!(nan_box.reference((0xfffc << 48) | 0x7f00_0010), 0x7f00_0010);
        assert_eq!(nan_box.reference(1.5f64.to_bits() as usize), 0);
    }
}
