//! Large objects: above 32 KiB, each with a span of whole pages to itself.
//!
//! *Callers:* caches allocate them; the mutator layer makes arrays longer in place. *Invariants:* all bytes of a large
//! object's pages are zero when it is handed out, and those behind its end stay zero: making it longer within its last
//! page is a matter of its size alone. Its size is stored last. *Not here:* who may grow when (`growth`).

use crate::allocator::Allocator;
use crate::classes::LayoutId;
use crate::error::AllocError;
use crate::geometry::*;
use crate::span::{Bits, OwnTable, PAGE_SLOW, SlotGeometry, SpanRef};
use crate::zero;

impl Allocator {
    /// Memory for an object above 32 KiB: whole pages, all zero. `in_new` says whether it counts as new for a given
    /// generation (see `cache`).
    ///
    /// # Errors
    /// Every [`AllocError`].
    pub fn alloc_large(
        &self,
        layout: LayoutId,
        bytes: usize,
        in_new: impl Fn(u32) -> bool,
    ) -> Result<usize, AllocError> {
        let class = self.classes.span_class(self.classes.class_for(layout, None)?);
        let pages = bytes.div_ceil(PAGE_SIZE);
        self.refusals.check(bytes)?;
        let run = self.pages.take(pages, &self.index)?;
        let base = run.arena + run.page * PAGE_SIZE;
        if !run.zero {
            // SAFETY: the run is usable memory of `pages` pages that nobody else knows.
            unsafe { zero::pages(base, pages * PAGE_SIZE) };
        }
        // SAFETY: the page heap hands out pages of its arenas, which live as long as `self`.
        let span = unsafe { SpanRef::at(run.arena, run.page) };
        let geometry = SlotGeometry { slots: 1, slot_size: 0, reciprocal: 0, large_bytes: bytes };
        span.begin(class.id, pages, geometry, OwnTable::None, self.generation(), PAGE_SLOW);
        span.set_bits(if in_new(span.generation()) { Bits::New } else { Bits::Alloc }, 0, 1);
        self.classes.layout(layout).counters.add_allocated(1, bytes as u64);
        class.central.put(span, true);
        Ok(base)
    }

    /// Makes room for `bytes` bytes in a large object, by the free pages behind it if need be. Returns how many bytes longer
    /// it has become, none if it was long enough; `None` if the pages behind are not free. What is new is zero.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`]. The object is as before then.
    ///
    /// # Safety
    /// 1. The span holds a large object that is alive until the call returns. 2. The caller holds
    ///    [`Growth`](crate::Growth)'s lock: two who grow one object would clear each other's contents.
    pub(crate) unsafe fn grow_large(&self, span: SpanRef, bytes: usize) -> Result<Option<usize>, AllocError> {
        let (old_bytes, old_pages) = (span.large_bytes(), span.pages());
        if bytes <= old_bytes {
            return Ok(Some(0));
        }
        let bytes = round_up(bytes, GRANULE).ok_or(AllocError::TooLarge { requested: bytes })?;
        let pages = bytes.div_ceil(PAGE_SIZE);
        self.refusals.check(bytes - old_bytes)?;
        if pages > old_pages {
            let Some(zero) = self.pages.extend(span.arena(), span.page(), old_pages, pages)? else { return Ok(None) };
            if !zero {
                // SAFETY: the new pages are this span's now, and nobody else looks at them before it has them.
                unsafe { zero::pages(span.base() + old_pages * PAGE_SIZE, (pages - old_pages) * PAGE_SIZE) };
            }
            span.extend(pages);
        }
        span.set_large_bytes(bytes);
        let added = bytes - old_bytes;
        if let Some(layout) = self.class_of(span).layout {
            self.classes.layout(layout).counters.add_allocated(0, added as u64);
        }
        Ok(Some(added))
    }
}
