//! Frames: where the slots of running generic functions live.
//!
//! Each thread has a stack of slots, in chunks that never move, so that a frame's address stays valid for compiled code
//! while it runs, and a call allocates nothing. Frames may be dropped in any order; memory is reused from the top.
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

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ptr::NonNull;

use flashpoint_ir::slot::Slot;

use super::code::{Code, Reg};
use crate::host::Host;

/// Slots of the first chunk; later ones double.
const FIRST_CHUNK: usize = 4096;

thread_local! {
    static STACK: RefCell<SlotStack> = const { RefCell::new(SlotStack { chunks: Vec::new(), frames: Vec::new() }) };
}

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
        let slots = &mut self.chunks[chunk][start..start + len];
        slots.fill(Slot::UNBOUND);
        NonNull::from(slots).cast()
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
        let constants = code.constants();
        let len = code.n_slots() + constants.len();
        let slots = STACK.with_borrow_mut(|stack| stack.push(len));
        let mut frame = Frame { slots, n_slots: code.n_slots() as u32, len: len as u32, _thread: PhantomData };
        frame.all_mut()[code.n_slots()..].copy_from_slice(constants);
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
        for index in 0..self.n_slots as usize {
            let slot = std::mem::replace(&mut self.slots_mut()[index], Slot::UNBOUND);
            if slot.owns() {
                host.release(slot);
            }
        }
    }

    /// The registers of `code`, whose frame this must be.
    pub(super) fn registers(&mut self, code: &Code) -> Registers {
        assert_eq!(self.len as usize, code.n_slots() + code.constants().len(), "the frame belongs to other code");
        Registers {
            slots: self.slots.as_ptr(),
            #[cfg(debug_assertions)]
            len: self.len,
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // The thread may be ending; its stack is gone then, and so is the need.
        let _ = STACK.try_with(|stack| stack.borrow_mut().pop(self.slots));
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
