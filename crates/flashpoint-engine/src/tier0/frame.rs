//! Frames: where the slots of running generic functions live.
//!
//! Each thread has two stacks of slots, in chunks that never move, so that a frame's address stays valid for compiled code
//! while it runs, and a call allocates nothing. A [`Frame`] may be dropped in any order with others; memory is reused from
//! the top. The frames of an interpreter loop's calls ([`Window`]) are pushed and popped in order, at less cost
//! ([`WindowStack`]).
//!
//! A frame of code with `n` slots and `k` constants is `n + k` slots long: the constants follow the function's own slots,
//! so that operations read both alike. They own nothing and never change.
//!
//! Invariants: every slot of a frame is initialised. A frame does not release what its slots own, for that takes a host:
//! [`super::run`] does so when it leaves the frame, and whoever abandons a frame before calls [`Frame::release`].
#![allow(
    unsafe_code,
    reason = "frames are slices of a stack that outlives borrows; registers are checked once, at load"
)]

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use flashpoint_ir::slot::Slot;

use super::code::{Code, Reg};
use crate::host::Host;

/// Slots of the first chunk; later ones double.
const FIRST_CHUNK: usize = 4096;

thread_local! {
    static STACK: RefCell<SlotStack> = const { RefCell::new(SlotStack { chunks: Vec::new(), frames: Vec::new() }) };
}

/// The memory of [`Frame`]s.
struct SlotStack {
    chunks: Vec<Box<[Slot]>>,
    /// The frames, dead ones below a live one included.
    frames: Vec<Extent>,
}

/// The place of a frame.
#[derive(Clone, Copy)]
struct Extent {
    chunk: u32,
    start: u32,
    len: u32,
    live: bool,
}

impl SlotStack {
    fn push(&mut self, len: usize) -> NonNull<Slot> {
        let (mut chunk, mut start) = match self.frames.last() {
            Some(top) => (top.chunk as usize, (top.start + top.len) as usize),
            None => (0, 0),
        };
        // Chunks above the top one are free, but may be too small for a large frame.
        while self.chunks.get(chunk).is_some_and(|slots| slots.len() < start + len) {
            (chunk, start) = (chunk + 1, 0);
        }
        if chunk == self.chunks.len() {
            let size = (FIRST_CHUNK << chunk.min(16)).max(len);
            self.chunks.push(vec![Slot::UNBOUND; size].into_boxed_slice());
        }
        self.frames.push(Extent { chunk: chunk as u32, start: start as u32, len: len as u32, live: true });
        NonNull::from(&mut self.chunks[chunk][start..start + len]).cast()
    }

    fn pop(&mut self, slots: NonNull<Slot>) {
        for frame in self.frames.iter_mut().rev() {
            let address = self.chunks[frame.chunk as usize].as_ptr().wrapping_add(frame.start as usize);
            if std::ptr::eq(address, slots.as_ptr()) && frame.live {
                frame.live = false;
                break;
            }
        }
        while self.frames.last().is_some_and(|top| !top.live) {
            self.frames.pop();
        }
    }
}

/// The slots of one activation of a generic function. Belongs to the thread that made it.
#[derive(Debug)]
pub struct Frame {
    slots: NonNull<Slot>,
    /// Slots of the function, without the constants.
    n_slots: u32,
    /// All slots.
    len: u32,
    /// Not `Send`: the memory is the thread's.
    _thread: PhantomData<*mut Slot>,
}

impl Frame {
    /// A frame for `code`; all slots are unbound.
    pub fn new(code: &Code) -> Frame {
        let image = code.frame_image();
        let slots = STACK.with_borrow_mut(|stack| stack.push(image.len()));
        let mut frame = Frame { slots, n_slots: code.n_slots() as u32, len: image.len() as u32, _thread: PhantomData };
        frame.all_mut().copy_from_slice(image);
        frame
    }

    /// The function's slots.
    pub fn slots(&self) -> &[Slot] {
        // SAFETY: the stack reserved `len >= n_slots` initialised slots at this address for this frame alone, in a chunk that
        // neither moves nor is freed while the thread lives; the frame cannot leave the thread.
        unsafe { std::slice::from_raw_parts(self.slots.as_ptr(), self.n_slots as usize) }
    }

    /// The function's slots.
    pub fn slots_mut(&mut self) -> &mut [Slot] {
        let n_slots = self.n_slots as usize;
        &mut self.all_mut()[..n_slots]
    }

    fn all_mut(&mut self) -> &mut [Slot] {
        // SAFETY: as in `slots`; `&mut self` excludes other slices of this frame.
        unsafe { std::slice::from_raw_parts_mut(self.slots.as_ptr(), self.len as usize) }
    }

    /// The address of the first slot, for compiled code. Valid as long as the frame.
    pub fn as_ptr(&self) -> *mut Slot {
        self.slots.as_ptr()
    }

    /// Gives up what the slots own and makes them unbound.
    pub fn release<H: Host>(&mut self, host: &mut H) {
        release(self.slots_mut(), host);
    }

    /// The frame, which must be one of `code`, as that of a call on a stack. The window is used as long as the frame is alive and
    /// not used otherwise.
    pub(super) fn window<'u>(&mut self, code: &'u Code) -> Window<'u> {
        assert!(self.len as usize == code.frame_image().len(), "the frame belongs to other code");
        Window { slots: self.slots, code }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // The thread may be ending; its stack is gone then, and so is the need.
        let _ = STACK.try_with(|stack| stack.borrow_mut().pop(self.slots));
    }
}

/// Gives up what slots own and makes those unbound.
#[inline]
pub fn release<H: Host>(slots: &mut [Slot], host: &mut H) {
    for slot in slots {
        if slot.owns() {
            host.release(std::mem::replace(slot, Slot::UNBOUND));
        }
    }
}

/// The slots of a call on an interpreter loop's stack: their place only. What keeps them is the stack of
/// windows, or the [`Frame`] whose window it is; [`super::CallStack`] has either as long as the window, and hands out
/// nothing but slices that borrow it.
#[derive(Debug)]
pub(super) struct Window<'u> {
    slots: NonNull<Slot>,
    pub(super) code: &'u Code,
}

impl Window<'_> {
    /// The function's slots.
    #[inline(always)]
    pub(super) fn slots_mut(&mut self) -> &mut [Slot] {
        // SAFETY: by the type's contract as many initialised slots as the code's frame has are at this address, for this
        // window alone.
        unsafe { std::slice::from_raw_parts_mut(self.slots.as_ptr(), self.code.n_slots()) }
    }

    /// The registers.
    #[inline(always)]
    pub(super) fn registers(&self) -> Registers {
        Registers {
            slots: self.slots.as_ptr(),
            #[cfg(debug_assertions)]
            len: self.code.frame_image().len() as u32,
        }
    }
}

/// A frame for one operation, given up before any that is older: what compiled code has tier 0 run.
#[derive(Debug)]
pub struct StepFrame<'u> {
    stack: Rc<WindowStack>,
    window: Window<'u>,
}

impl<'u> StepFrame<'u> {
    /// A frame for `code`; all slots are unbound.
    #[inline]
    pub fn new(code: &'u Code) -> StepFrame<'u> {
        let stack = WindowStack::current();
        let window = stack.push(code);
        StepFrame { stack, window }
    }

    /// The function's slots.
    #[inline]
    pub fn slots_mut(&mut self) -> &mut [Slot] {
        self.window.slots_mut()
    }

    /// Gives up what the slots own and makes them unbound.
    pub fn release<H: Host>(&mut self, host: &mut H) {
        release(self.slots_mut(), host);
    }

    pub(super) fn code(&self) -> &'u Code {
        self.window.code
    }

    pub(super) fn registers(&self) -> Registers {
        self.window.registers()
    }
}

impl Drop for StepFrame<'_> {
    fn drop(&mut self) {
        self.stack.pop(&self.window);
    }
}

/// Slots of windows of a thread at which calls should go no deeper: 256 MiB, a million calls of a small function.
const FULL: usize = (1 << 28) / size_of::<Slot>();
/// Chunks double in size up to so many times.
const MAX_DOUBLINGS: usize = 8;
/// Chunks that are never freed: 6 MB. Memory that is given back must be paged in again by the next recursion.
const KEPT_CHUNKS: usize = 6;

thread_local! {
    static WINDOWS: Rc<WindowStack> = Rc::new(WindowStack::new());
}

/// A thread's stack of windows: pushed and popped in order, by interpreter loops one inside the other.
#[derive(Debug)]
pub(super) struct WindowStack {
    /// Where the next window goes.
    top: Cell<*mut Slot>,
    /// The chunk in which `top` lies, where it begins and where it ends.
    chunk: Cell<usize>,
    start: Cell<*mut Slot>,
    end: Cell<*mut Slot>,
    chunks: RefCell<Vec<Chunk>>,
    /// Whether the chunks up to this one are [`FULL`] slots.
    is_full: Cell<bool>,
}

#[derive(Debug)]
struct Chunk {
    /// A boxed slice, taken apart so that no reference to it is made while windows are in it.
    start: *mut MaybeUninit<Slot>,
    len: usize,
    /// Where the stack ended in the chunk below when it went on in this one.
    below: *mut Slot,
}

impl WindowStack {
    /// The thread's.
    pub(super) fn current() -> Rc<WindowStack> {
        WINDOWS.with(Rc::clone)
    }

    fn new() -> WindowStack {
        let null = || Cell::new(ptr::null_mut());
        let chunks = RefCell::default();
        WindowStack { top: null(), chunk: Cell::new(0), start: null(), end: null(), chunks, is_full: Cell::new(false) }
    }

    /// Whether windows take up so much memory that calls should go no deeper.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.is_full.get()
    }

    /// A window for `code`, all slots of which are unbound. It is used until it is popped, as windows pushed later are
    /// before.
    #[inline(always)]
    pub(super) fn push<'u>(&self, code: &'u Code) -> Window<'u> {
        let image = code.frame_image();
        if self.end.get() as usize - (self.top.get() as usize) < size_of_val(image) {
            self.next_chunk(image.len());
        }
        let slots = self.top.get();
        // SAFETY: there are so many slots of one chunk between `top` and `end`, which no window covers.
        unsafe {
            ptr::copy_nonoverlapping(image.as_ptr(), slots, image.len());
            self.top.set(slots.add(image.len()));
            Window { slots: NonNull::new_unchecked(slots), code }
        }
    }

    /// Gives up the window pushed last.
    #[inline(always)]
    pub(super) fn pop(&self, window: &Window<'_>) {
        self.top.set(window.slots.as_ptr());
        if self.start.get() == window.slots.as_ptr() {
            self.leave_chunk();
        }
    }

    /// Goes to the next chunk that has room for `len` slots. What is left of this one stays unused meanwhile.
    #[cold]
    #[inline(never)]
    fn next_chunk(&self, len: usize) {
        let mut chunks = self.chunks.borrow_mut();
        let next = if self.start.get().is_null() { 0 } else { self.chunk.get() + 1 };
        // Those above are free. One that is too small makes room for larger ones.
        if chunks.get(next).is_some_and(|chunk| chunk.len < len) {
            chunks.truncate(next);
        }
        if next == chunks.len() {
            chunks.push(Chunk::new((FIRST_CHUNK << next.min(MAX_DOUBLINGS)).max(len)));
        }
        chunks[next].below = self.top.get();
        self.is_full.set(chunks[..=next].iter().map(|chunk| chunk.len).sum::<usize>() >= FULL);
        self.select(next, &chunks[next]);
        self.top.set(self.start.get());
    }

    /// The window at the beginning of a chunk is gone. The chunk is kept for the next call, large ones above it are freed.
    #[cold]
    #[inline(never)]
    fn leave_chunk(&self) {
        let chunk = self.chunk.get();
        if chunk > 0 {
            let mut chunks = self.chunks.borrow_mut();
            chunks.truncate(KEPT_CHUNKS.max(chunk + 1));
            self.top.set(chunks[chunk].below);
            self.is_full.set(false);
            self.select(chunk - 1, &chunks[chunk - 1]);
        }
    }

    fn select(&self, index: usize, chunk: &Chunk) {
        self.chunk.set(index);
        self.start.set(chunk.start.cast());
        self.end.set(chunk.start.cast::<Slot>().wrapping_add(chunk.len));
    }
}

impl Chunk {
    fn new(len: usize) -> Chunk {
        Chunk { start: Box::into_raw(Box::<[Slot]>::new_uninit_slice(len)).cast(), len, below: ptr::null_mut() }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: made by `Chunk::new`, dropped once, and no window is in it: the stack is dropped by the last interpreter
        // loop of its thread, and chunks above the top one are free.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(self.start, self.len)) });
    }
}

/// Unchecked access to a frame's slots, for the interpreter's loop. Reads and writes whole slots and makes no references,
/// so that it may be used between uses of the [`Frame`].
///
/// Field by field, because a slot copied as a whole goes through the stack with loads wider than the stores before them,
/// which the processor cannot forward: that costs more than the operation itself.
#[derive(Clone, Copy)]
pub(super) struct Registers {
    slots: *mut Slot,
    #[cfg(debug_assertions)]
    len: u32,
}

impl Registers {
    #[inline(always)]
    fn address(self, reg: Reg) -> *mut Slot {
        #[cfg(debug_assertions)]
        debug_assert!(reg.index() < self.len as usize);
        self.slots.wrapping_add(reg.index())
    }

    /// The content of `reg`: a copy of its bits, borrowed.
    #[inline(always)]
    pub(super) fn get(self, reg: Reg) -> Slot {
        // SAFETY: only `Code::load` makes a `Reg`, and checks it against the frame length of its code; `Frame::registers`
        // checked that the frame has that length. The interpreter takes registers and operations from the same code and
        // drops both before the frame.
        unsafe {
            let slot = self.address(reg);
            Slot { tag: (*slot).tag, aux: (*slot).aux, a: (*slot).a, b: (*slot).b }
        }
    }

    /// Overwrites `reg`.
    #[inline(always)]
    pub(super) fn put(self, reg: Reg, value: Slot) {
        // SAFETY: as in `get`; the interpreter's thread is the only one that sees the frame.
        unsafe {
            let slot = self.address(reg);
            (*slot).tag = value.tag;
            (*slot).aux = value.aux;
            (*slot).a = value.a;
            (*slot).b = value.b;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flashpoint_ir::generic::GenericOp;

    use super::super::tests::Builder;
    use super::*;

    #[test]
    fn memory_of_a_deep_recursion_is_freed() {
        let mut b = Builder::new("f", &["x"]);
        let src = b.param(0);
        b.op(GenericOp::Return { src });
        let code = Code::load(Arc::new(b.finish()), 1).expect("the code loads");
        let stack = WindowStack::new();
        let n_chunks = |stack: &WindowStack| stack.chunks.borrow().len();

        for _ in 0..2 {
            let mut windows: Vec<_> = (0..200 * FIRST_CHUNK).map(|_| stack.push(&code)).collect();
            let most = n_chunks(&stack);
            assert!(most > KEPT_CHUNKS + 2, "{most} chunks");
            // Each is in use until it is popped, whatever was freed meanwhile.
            for (i, window) in windows.iter_mut().enumerate() {
                window.slots_mut()[0] = Slot::int(i as i64);
            }
            while let Some(mut window) = windows.pop() {
                assert_eq!(window.slots_mut()[0], Slot::int(windows.len() as i64));
                stack.pop(&window);
                assert!(n_chunks(&stack) <= KEPT_CHUNKS.max(stack.chunk.get() + 2), "more than one is spare");
            }
            assert_eq!((stack.chunk.get(), n_chunks(&stack)), (0, KEPT_CHUNKS));
        }
        // Calls that go up and down at a chunk's end find their memory there.
        let below: Vec<_> = (0..FIRST_CHUNK / code.frame_image().len()).map(|_| stack.push(&code)).collect();
        for _ in 0..3 {
            let above = stack.push(&code);
            let address = above.slots;
            assert_eq!(stack.chunk.get(), 1);
            stack.pop(&above);
            assert_eq!(stack.chunk.get(), 0);
            let again = stack.push(&code);
            assert_eq!(again.slots, address);
            stack.pop(&again);
        }
        below.iter().rev().for_each(|window| stack.pop(window));
        assert_eq!(stack.top.get(), stack.start.get());
    }
}
