//! Executable memory: maps, fills, publishes and frees it. With [`crate::loader`] and [`crate::llvm`], the only modules of
//! this crate that may use `unsafe`.
//!
//! Address space comes in regions of 64 MiB: the lower half for code and constants, the upper half for link tables, so
//! that everything of one object lies within reach of 32-bit displacements and, on aarch64, of one branch.
//!
//! Invariants:
//! - No page is ever writable and executable. Kept by `mprotect`: code pages are `RX`, and `RW` only between allocation and
//!   publication; data pages are `RW` always.
//! - A page that holds published code is never made writable before that code is freed: objects share no code page. (Two
//!   mappings of one memory file would allow sharing, but a forked child would share the pages with its parent.)
//! - Ranges handed out do not overlap. Kept by [`FreeList`], under the arena's lock.
#![allow(unsafe_code, reason = "maps, fills and publishes machine code")]

use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{CodegenError, CodegenResult};

const REGION_BYTES: usize = 64 << 20;
const CODE_BYTES: usize = REGION_BYTES / 2;
const DATA_BYTES: usize = REGION_BYTES - CODE_BYTES;
/// Granule of the data half: a cache line, so that the tables of two objects do not share one.
const DATA_GRANULE: usize = 64;

/// Executable memory of a process, with a budget.
#[derive(Debug)]
pub(crate) struct Arena {
    regions: Mutex<Vec<Region>>,
    in_use: AtomicUsize,
    budget: usize,
    page: usize,
    /// Spreads the starts of small objects over the page, so that they do not compete for the same cache sets.
    colour: AtomicUsize,
}

/// One reservation of address space.
#[derive(Debug)]
struct Region {
    base: NonNull<u8>,
    code: FreeList,
    data: FreeList,
}

// SAFETY: a region is an address and two tables; the memory behind it belongs to the process, not to a thread.
unsafe impl Send for Region {}

/// Memory of one object: pages for code, a range for its link table. Not copied: freed once, by [`Arena::free`].
#[derive(Debug)]
pub(crate) struct Allocation {
    /// Start of the region, which names it.
    region: usize,
    code: usize,
    code_len: usize,
    /// Offset of the image in the code range.
    image: usize,
    data: usize,
    data_len: usize,
}

impl Allocation {
    /// Address of the image.
    pub(crate) fn image(&self) -> usize {
        self.code + self.image
    }

    /// Address of the first data word.
    pub(crate) fn data(&self) -> usize {
        self.data
    }

    /// Bytes taken from the arena.
    pub(crate) fn size(&self) -> usize {
        self.code_len + self.data_len
    }

    /// The data words.
    pub(crate) fn words(&self, count: usize) -> &[AtomicU64] {
        assert!(count * 8 <= self.data_len, "{count} words were allocated");
        // SAFETY: the range is mapped RW, aligned to a granule and long enough (asserted), zeroed or written before, and
        // lives as long as `self`. It is only accessed through these atomics and by aligned 8-byte loads of compiled code.
        unsafe { std::slice::from_raw_parts(self.data as *const AtomicU64, count) }
    }
}

impl Arena {
    /// An arena that hands out at most `budget` bytes.
    pub(crate) fn new(budget: usize) -> Arena {
        // SAFETY: reads a constant of the system.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        Arena {
            regions: Mutex::new(Vec::new()),
            in_use: AtomicUsize::new(0),
            budget,
            page,
            colour: AtomicUsize::new(0),
        }
    }

    /// Bytes handed out and not freed yet.
    pub(crate) fn bytes_in_use(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Takes pages for an image of `image_len` bytes, aligned to at least `align`, and `data_len` bytes for its table.
    /// The pages are writable until [`Arena::publish`].
    pub(crate) fn allocate(&self, image_len: usize, align: usize, data_len: usize) -> CodegenResult<Allocation> {
        let code_len = image_len.max(1).next_multiple_of(self.page);
        let data_len = data_len.max(8).next_multiple_of(DATA_GRANULE);
        if code_len > CODE_BYTES || data_len > DATA_BYTES {
            return Err(CodegenError::TooLarge { what: "bytes of code", size: image_len, limit: CODE_BYTES });
        }
        let size = code_len + data_len;
        if self.in_use.fetch_add(size, Ordering::Relaxed) + size > self.budget {
            self.in_use.fetch_sub(size, Ordering::Relaxed);
            return Err(CodegenError::OutOfMemory(format!("the budget of {} bytes is used up", self.budget)));
        }
        let placed = self.place(code_len, data_len).and_then(|(region, code, data)| {
            let step = align.max(64);
            let n_starts = (code_len - image_len) / step + 1;
            let image = self.colour.fetch_add(5, Ordering::Relaxed) % n_starts * step;
            let allocation = Allocation { region, code, code_len, image, data, data_len };
            match protect(code, code_len, libc::PROT_READ | libc::PROT_WRITE) {
                Ok(()) => Ok(allocation),
                Err(error) => {
                    self.release(&allocation);
                    Err(error)
                }
            }
        });
        if placed.is_err() {
            self.in_use.fetch_sub(size, Ordering::Relaxed);
        }
        placed
    }

    fn place(&self, code_len: usize, data_len: usize) -> CodegenResult<(usize, usize, usize)> {
        let mut regions = self.lock();
        for attempt in 0..2 {
            for region in regions.iter_mut() {
                let Some(code) = region.code.take(code_len) else { continue };
                let Some(data) = region.data.take(data_len) else {
                    region.code.put(code, code_len);
                    continue;
                };
                let base = region.base.as_ptr() as usize;
                return Ok((base, base + code, base + CODE_BYTES + data));
            }
            if attempt == 0 {
                regions.push(Region::reserve()?);
            }
        }
        unreachable!("an empty region has room for what passed the size check")
    }

    /// Copies `image` into its pages and makes them executable. The data words start at zero.
    pub(crate) fn publish(&self, allocation: &Allocation, image: &[u8]) -> CodegenResult<()> {
        assert!(allocation.image + image.len() <= allocation.code_len, "the image has the length it was allocated for");
        // SAFETY: the range was handed out to this allocation alone and is RW since `allocate`; nothing runs it, for its
        // address has not left this crate. `image` is ordinary memory, so the two cannot overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(image.as_ptr(), allocation.image() as *mut u8, image.len());
        }
        // SAFETY: the data range is mapped RW and belongs to this allocation alone.
        unsafe { std::ptr::write_bytes(allocation.data as *mut u8, 0, allocation.data_len) };
        protect(allocation.code, allocation.code_len, libc::PROT_READ | libc::PROT_EXEC)?;
        flush_instructions(allocation.image(), image.len());
        Ok(())
    }

    /// Takes the memory back. Nothing may run or read it any more.
    pub(crate) fn free(&self, allocation: &Allocation) {
        // SAFETY: whole pages of this allocation. Their content goes back to the system; they read as zeros and stay
        // mapped, executable, until they are handed out again.
        let result =
            unsafe { libc::madvise(allocation.code as *mut libc::c_void, allocation.code_len, libc::MADV_DONTNEED) };
        debug_assert_eq!(result, 0, "MADV_DONTNEED on private memory");
        self.release(allocation);
        self.in_use.fetch_sub(allocation.size(), Ordering::Relaxed);
    }

    fn release(&self, allocation: &Allocation) {
        let mut regions = self.lock();
        let position = regions.iter().position(|region| region.base.as_ptr() as usize == allocation.region);
        let idx = position.expect("a region lives while it has allocations");
        let region = &mut regions[idx];
        region.code.put(allocation.code - allocation.region, allocation.code_len);
        region.data.put(allocation.data - allocation.region - CODE_BYTES, allocation.data_len);
        // One empty region is kept: its pages are with the system, and the next function needs an address.
        if regions.len() > 1 && regions[idx].is_empty() {
            regions.swap_remove(idx);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Region>> {
        // A panic under the lock cannot leave a free list half-changed in a way that overlaps; losing ranges is harmless.
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Region {
    fn reserve() -> CodegenResult<Region> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the system's choice overlaps nothing.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), REGION_BYTES, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(CodegenError::OutOfMemory(std::io::Error::last_os_error().to_string()));
        }
        let base = NonNull::new(base.cast::<u8>()).expect("mmap gives no null address unless asked to");
        let region = Region { base, code: FreeList::new(CODE_BYTES), data: FreeList::new(DATA_BYTES) };
        // If this fails, dropping `region` unmaps it.
        protect(base.as_ptr() as usize + CODE_BYTES, DATA_BYTES, libc::PROT_READ | libc::PROT_WRITE)?;
        Ok(region)
    }

    fn is_empty(&self) -> bool {
        self.code.total() == CODE_BYTES && self.data.total() == DATA_BYTES
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `reserve` with this length. A region is dropped when it has no allocation left, or
        // with its arena, which every allocation's owner keeps alive.
        unsafe { libc::munmap(self.base.as_ptr().cast(), REGION_BYTES) };
    }
}

fn protect(address: usize, len: usize, protection: libc::c_int) -> CodegenResult<()> {
    // SAFETY: callers pass whole pages of a region that they alone hold.
    let result = unsafe { libc::mprotect(address as *mut libc::c_void, len, protection) };
    if result == 0 {
        return Ok(());
    }
    Err(CodegenError::OutOfMemory(format!("the system refuses to protect code: {}", std::io::Error::last_os_error())))
}

/// Makes new instructions visible to instruction fetch on every core.
#[cfg(target_arch = "x86_64")]
fn flush_instructions(_address: usize, _len: usize) {
    // x86 keeps instruction caches coherent.
}

/// Makes new instructions visible to instruction fetch on every core.
#[cfg(target_arch = "aarch64")]
fn flush_instructions(address: usize, len: usize) {
    use std::arch::asm;
    // The smallest line that the architecture allows: more maintenance operations than needed, never too few.
    let line = 16;
    let start = address / line * line;
    // SAFETY: cache maintenance by address on memory that is mapped and readable changes no data.
    unsafe {
        for at in (start..address + len).step_by(line) {
            asm!("dc cvau, {}", in(reg) at);
        }
        asm!("dsb ish");
        for at in (start..address + len).step_by(line) {
            asm!("ic ivau, {}", in(reg) at);
        }
        asm!("dsb ish", "isb");
    }
    // Other cores may have fetched what stood here before. They synchronise at the latest when the kernel makes them.
    const REGISTER_SYNC_CORE: libc::c_long = 1 << 6;
    const SYNC_CORE: libc::c_long = 1 << 5;
    // SAFETY: the system call has no effect but the barrier. An old kernel refuses it; then a context switch has to do.
    unsafe {
        libc::syscall(libc::SYS_membarrier, REGISTER_SYNC_CORE, 0, 0);
        libc::syscall(libc::SYS_membarrier, SYNC_CORE, 0, 0);
    }
}

/// Free ranges by start. Adjacent ones are joined.
#[derive(Debug)]
struct FreeList {
    ranges: BTreeMap<usize, usize>,
    total: usize,
}

impl FreeList {
    fn new(len: usize) -> FreeList {
        FreeList { ranges: BTreeMap::from([(0, len)]), total: len }
    }

    fn total(&self) -> usize {
        self.total
    }

    /// Takes the lowest range that is long enough, so that low pages stay in use and high ones with the system.
    fn take(&mut self, len: usize) -> Option<usize> {
        let (&start, &available) = self.ranges.iter().find(|(_, available)| **available >= len)?;
        self.ranges.remove(&start);
        if available > len {
            self.ranges.insert(start + len, available - len);
        }
        self.total -= len;
        Some(start)
    }

    fn put(&mut self, start: usize, len: usize) {
        let (mut start, mut joined) = (start, len);
        if let Some((&before, &before_len)) = self.ranges.range(..start).next_back() {
            assert!(before + before_len <= start, "a range is freed once");
            if before + before_len == start {
                self.ranges.remove(&before);
                start = before;
                joined += before_len;
            }
        }
        if let Some((&after, &after_len)) = self.ranges.range(start + 1..).next() {
            assert!(start + joined <= after, "a range is freed once");
            if start + joined == after {
                self.ranges.remove(&after);
                joined += after_len;
            }
        }
        self.ranges.insert(start, joined);
        self.total += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ranges_are_joined_in_any_order() {
        let mut list = FreeList::new(100);
        let starts: Vec<usize> = (0..10).map(|_| list.take(10).unwrap()).collect();
        assert_eq!(list.take(1), None);
        for idx in [3, 1, 2, 9, 0, 8, 5, 4, 7, 6] {
            list.put(starts[idx], 10);
        }
        assert_eq!(list.ranges, BTreeMap::from([(0, 100)]));
        assert_eq!(list.total(), 100);
    }

    #[test]
    fn the_budget_holds_and_memory_is_reused() {
        let arena = Arena::new(3 * 4096);
        let first = arena.allocate(100, 16, 8).unwrap();
        let second = arena.allocate(100, 16, 8).unwrap();
        assert!(matches!(arena.allocate(4096, 16, 8), Err(CodegenError::OutOfMemory(_))));
        let address = first.code;
        arena.publish(&first, &[0xc3]).unwrap();
        arena.free(&first);
        let third = arena.allocate(100, 16, 8).unwrap();
        assert_eq!(third.code, address);
        arena.free(&second);
        arena.free(&third);
        assert_eq!(arena.bytes_in_use(), 0);
    }

    #[test]
    fn a_full_region_is_followed_by_another_and_an_empty_one_goes() {
        let arena = Arena::new(usize::MAX);
        let first = arena.allocate(CODE_BYTES, 16, 8).unwrap();
        let second = arena.allocate(1, 16, 8).unwrap();
        assert_eq!(arena.lock().len(), 2);
        arena.free(&first);
        assert_eq!(arena.lock().len(), 1);
        arena.free(&second);
        assert_eq!(arena.lock().len(), 1);
    }
}
