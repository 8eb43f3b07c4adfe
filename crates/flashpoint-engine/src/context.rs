//! The thread's context, and entering compiled code from outside: unsafe code of the engine's boundary.
//!
//! Each thread has one [`Context`], made at its first entry and freed when the thread ends. Entries nest (compiled code
//! calls tier 0, which enters compiled code): each saves and restores the fields that belong to an activation.
#![allow(unsafe_code, reason = "compiled code is entered, and reads and writes the context through a raw pointer")]

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use flashpoint_frontend::lower::types::SlotType;
use flashpoint_frontend::lower::{EntryParam, EntrySource};
use flashpoint_ir::abi::{Context, EXIT_WORDS, SCRATCH_WORDS};
use flashpoint_ir::generic::SlotIdx;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::slot::Slot;

use crate::python::Python;
use crate::run::Engine;
use crate::unit::{Compiled, Unit, Version};

/// Counts up when better code was published: running loops are to look for it.
static SWAP_GENERATION: AtomicU64 = AtomicU64::new(0);
/// The poll words of all threads; null for [`FIRST_POLL_WORDS`]. A child of a fork has a registry of its own, and leaks the
/// one it inherited.
static POLL_WORDS: AtomicPtr<PollWords> = AtomicPtr::new(std::ptr::null_mut());
static FIRST_POLL_WORDS: PollWords = Mutex::new(Vec::new());
type PollWords = Mutex<Vec<Weak<PollWord>>>;

fn poll_words() -> &'static PollWords {
    // SAFETY: null, or a registry that is never freed.
    unsafe { POLL_WORDS.load(Ordering::Acquire).as_ref() }.unwrap_or(&FIRST_POLL_WORDS)
}

/// A thread's context, for other threads.
#[derive(Debug)]
struct PollWord(*const Context);

impl PollWord {
    /// Asks the thread to call the poll helper at its next poll.
    ///
    /// # Safety
    /// The registry's lock is held.
    unsafe fn request(&self) {
        // SAFETY: the thread's context is alive: its drop takes the lock. The field is atomic.
        unsafe { &(*self.0).poll }.store(1, Ordering::Release);
    }

    /// Whether the thread is inside compiled code.
    ///
    /// # Safety
    /// As for [`PollWord::request`].
    unsafe fn is_inside(&self) -> bool {
        // SAFETY: as above.
        unsafe { &(*self.0).inside }.load(Ordering::Relaxed) > 0
    }
}

// SAFETY: the pointer leads to the thread's boxed context, of which only atomic fields are used, and whose thread owns the
// only strong count; whoever upgrades the weak one holds the registry's lock, under which the owner gives its count up
// before the box is freed.
unsafe impl Send for PollWord {}
// SAFETY: as above; all accesses are atomic.
unsafe impl Sync for PollWord {}

struct ThreadContext {
    context: Box<UnsafeCell<Context>>,
    exit_buffer: Box<UnsafeCell<[u64; EXIT_WORDS]>>,
    poll_word: Option<Arc<PollWord>>,
}

impl ThreadContext {
    fn new() -> ThreadContext {
        let exit_buffer = Box::new(UnsafeCell::new([0; EXIT_WORDS]));
        let context = Box::new(UnsafeCell::new(Context {
            poll: AtomicU32::new(0),
            calls_left: 0,
            stress: i64::MAX,
            result: 0,
            poll_answer: 0,
            exit_buffer: exit_buffer.get().cast(),
            exit_version: 0,
            frame: std::ptr::null_mut(),
            helpers: std::ptr::null(),
            inside: AtomicU32::new(0),
            engine: std::ptr::null_mut(),
            result_slot: Slot::UNBOUND,
            scratch: [0; SCRATCH_WORDS],
        }));
        let poll_word = Arc::new(PollWord(context.get()));
        let mut words = poll_words().lock().expect("no panic while locked");
        words.retain(|word| word.strong_count() > 0);
        words.push(Arc::downgrade(&poll_word));
        ThreadContext { context, exit_buffer, poll_word: Some(poll_word) }
    }
}

impl Drop for ThreadContext {
    fn drop(&mut self) {
        // Under the lock, so that no other thread writes to the poll word afterwards.
        let _guard = poll_words().lock();
        self.poll_word = None;
        let _ = &self.exit_buffer;
    }
}

thread_local! {
    static CONTEXT: ThreadContext = ThreadContext::new();
}

/// The calling thread's context. Valid until the thread ends.
pub(crate) fn current() -> *mut Context {
    CONTEXT.with(|thread| thread.context.get())
}

/// Asks every thread inside compiled code to look for better code.
pub fn announce_better_code() {
    SWAP_GENERATION.fetch_add(1, Ordering::Release);
    request_poll();
}

/// In the child of a fork: the other threads are gone, and one of them may have held the registry's lock.
pub(crate) fn forget_other_threads() {
    POLL_WORDS.store(Box::into_raw(Box::default()), Ordering::Release);
    CONTEXT.with(|thread| {
        let own = thread.poll_word.iter().map(Arc::downgrade);
        poll_words().lock().expect("no panic while locked").extend(own);
    });
}

/// Asks every thread inside compiled code to call the poll helper.
pub fn request_poll() {
    let words = poll_words().lock().expect("no panic while locked");
    for word in words.iter().filter_map(Weak::upgrade) {
        // SAFETY: the lock is held.
        unsafe { word.request() };
    }
}

/// Whether some thread is inside compiled code.
pub(crate) fn somebody_inside() -> bool {
    let words = poll_words().lock().expect("no panic while locked");
    // SAFETY: the lock is held.
    words.iter().filter_map(Weak::upgrade).any(|word| unsafe { word.is_inside() })
}

pub(crate) fn swap_generation() -> u64 {
    SWAP_GENERATION.load(Ordering::Acquire)
}

/// What the helpers find behind [`Context::engine`].
pub(crate) struct Activation<H: Python> {
    /// The host of the thread that entered.
    pub host: *mut H,
    /// The engine.
    pub engine: *const c_void,
    /// The version that was entered, whose assumptions hold; alive as long as the activation.
    pub version: *const Version<H>,
    /// Its unit; alive as long as the activation.
    pub unit: *const Arc<Unit<H>>,
    /// What the slots of its unit hold at entry; alive as long as the activation.
    pub entry: *const [Slot],
    /// Of a call that made no slots, the addresses of its arguments instead, in the order of the unit's slots; alive as long
    /// as the activation.
    pub arguments: *const [u64],
    /// Whether the host was told of the call: the code was entered from a frame of tier 0.
    pub is_told: bool,
    /// Polls that are to pass before the host is attached to again: it was busy the last time.
    pub polls_to_skip: u32,
    /// The swap generation at entry.
    pub generation: u64,
    /// Polls left before the stress switch makes one leave; 0 if it is off.
    pub polls_left: u32,
    /// Whether a helper left an exception pending for the exit that follows.
    pub raised: bool,
    /// The words of the version's parameters at entry; alive as long as the activation.
    pub words: *const [u64],
    /// Arrays made by the code, released when the activation ends.
    pub made: Vec<Made>,
    /// Room for the words of an array as it is now.
    pub now: Vec<u64>,
}

/// An array made by compiled code.
pub(crate) struct Made {
    /// The array; owned.
    pub array: Slot,
    /// What it was when it was made.
    pub ty: SlotType,
    /// Its pointer and extents then.
    pub words: Vec<u64>,
}

/// Arrays made by one activation before it is to end.
const MANY_ARRAYS: usize = 64;

impl<H: Python> Activation<H> {
    /// The version that was entered.
    pub fn version<'a>(&self) -> &'a Version<H> {
        // SAFETY: whoever enters holds a reference of the version for longer than the activation lives; references to it end
        // with the helper's call.
        unsafe { &*self.version }
    }

    /// The unit of that version.
    pub fn unit<'a>(&self) -> &'a Arc<Unit<H>> {
        // SAFETY: as for the version.
        unsafe { &*self.unit }
    }

    /// What the slots of the unit held when the version was entered.
    pub fn entry<'a>(&self) -> &'a [Slot] {
        // SAFETY: whoever enters keeps the slots for longer than the activation lives; references to them end with the
        // helper's call.
        unsafe { &*self.entry }
    }

    /// A reference of its own to the version that was entered.
    pub fn counted_version(&self) -> Arc<Version<H>> {
        // SAFETY: the pointer is from `Arc::as_ptr`, of a version that whoever entered holds a reference of.
        unsafe {
            Arc::increment_strong_count(self.version);
            Arc::from_raw(self.version)
        }
    }

    /// Whether what the entered version takes for granted still holds, after other Python code may have run, and nothing
    /// better can be made of it.
    pub fn may_go_on(&mut self, host: &mut H) -> bool {
        let version = self.version();
        version.holds(host)
            && self.unit().epoch() == version.epoch
            && (!version.lowered.has_numpy_floats || host.ignores_underflow())
            && (self.arrays_are_as_read(host) || planted(Defect::ArrayHeaderKept))
    }

    /// Whether the activation is to end at its next poll, so that arrays that nobody uses any more are given back.
    pub fn has_made_many(&self) -> bool {
        self.made.len() > MANY_ARRAYS
    }

    /// The array, or what holds arrays, that a parameter's words were read from.
    fn array_of(&self, param: &EntryParam) -> Option<(Slot, SlotIdx)> {
        // SAFETY: whoever enters keeps the arguments for longer than the activation lives.
        let arguments = unsafe { &*self.arguments };
        match param.source {
            EntrySource::Slot(slot) | EntrySource::Lent(slot) => {
                let argument = || arguments.get(slot.idx()).map(|address| Slot::object(*address));
                Some((self.entry().get(slot.idx()).copied().or_else(argument)?, slot))
            }
            EntrySource::Known(object) => Some((self.version().tables.objects[object as usize], SlotIdx(0))),
        }
    }

    /// The arrays that the code reads and writes: those whose memory must stay where it is while other threads run.
    pub fn arrays(&self) -> Vec<Slot> {
        let read = self.version().params().iter().filter(|param| param.ty.holds_arrays());
        let made = self.made.iter().map(|made| made.array);
        read.filter_map(|param| Some(self.array_of(param)?.0)).chain(made).collect()
    }

    /// Whether the arrays whose pointers, extents and strides the code has read are what they were: Python code may give an
    /// array another shape, type, memory or writability.
    fn arrays_are_as_read(&mut self, host: &mut H) -> bool {
        let version = self.version();
        if version.arrays.is_empty() && self.made.is_empty() {
            return true;
        }
        // SAFETY: whoever enters keeps the words for longer than the activation lives.
        let words = unsafe { &*self.words };
        let mut now = std::mem::take(&mut self.now);
        let are_as_read = version.arrays.iter().all(|(number, at)| {
            let param = &version.params()[*number];
            let Some((slot, place)) = self.array_of(param) else { return true };
            now.clear();
            host.has_type(&slot, place, &param.ty) && {
                host.push_words(&slot, &param.ty, &mut now);
                words.get(at.clone()) == Some(&now[..])
            }
        }) && self.made.iter().all(|made| {
            now.clear();
            host.push_array_words(&made.array, &mut now);
            now == made.words && host.has_type(&made.array, SlotIdx(0), &made.ty)
        });
        self.now = now;
        are_as_read
    }

    /// See [`Engine::relink`].
    pub fn relink(&self, engine: &Engine<H>, old: &Arc<Version<H>>) {
        engine.relink(self.version(), old);
    }
}

/// How an entry ended.
pub(crate) struct Left {
    /// See [`flashpoint_ir::abi`].
    pub status: u64,
    /// The register result's word.
    pub result: u64,
    /// The exit's words.
    pub words: Vec<u64>,
    /// The tagged result, if the exit's recipe wants it: owned.
    pub result_slot: Slot,
    /// Whether the stress counter ran out: the exit says nothing about the program.
    pub stressed: bool,
}

/// What an entry needs besides the code's parameters.
pub(crate) struct EntryState {
    /// The generic frame that the code may use.
    pub frame: *mut Slot,
    /// The table of helpers for the activation's host.
    pub helpers: *const usize,
    /// How many more calls may be nested.
    pub calls_left: i32,
    /// The number of guards until one fails on purpose; 0 for none.
    pub stress: u32,
}

/// Enters code from outside with `words` as its parameters.
#[inline]
pub(crate) fn enter<H: Python>(
    compiled: &Compiled,
    words: &[u64],
    state: &EntryState,
    activation: &mut Activation<H>,
) -> Left {
    let ctx = current();
    // SAFETY: `ctx` is this thread's context, alive as long as the thread. Fields that belong to an activation are saved
    // and restored around the call. The code was made by a back end for this ABI, is kept alive by `compiled`, and reads
    // as many words as it has parameters, which the caller has laid out from the same version. Only this thread writes
    // `inside`. The activation's host is the caller's.
    unsafe {
        let saved = ((*ctx).frame, (*ctx).helpers, (*ctx).engine, (*ctx).calls_left, (*ctx).stress);
        (*ctx).frame = state.frame;
        (*ctx).helpers = state.helpers;
        (*ctx).engine = std::ptr::from_mut(activation).cast();
        (*ctx).calls_left = state.calls_left;
        (*ctx).stress = if state.stress == 0 { i64::MAX } else { i64::from(state.stress) };
        let depth = (*ctx).inside.load(Ordering::Relaxed);
        (*ctx).inside.store(depth + 1, Ordering::Relaxed);
        let entry: unsafe extern "C" fn(*mut Context, *const u64) -> u64 = std::mem::transmute(compiled.code.entry());
        let status = entry(ctx, words.as_ptr());
        (*ctx).inside.store(depth, Ordering::Relaxed);
        (*activation.host).attach();
        let stressed = state.stress != 0 && (*ctx).stress == 0;
        ((*ctx).frame, (*ctx).helpers, (*ctx).engine, (*ctx).calls_left, (*ctx).stress) = saved;
        let mut left = Left { status, result: (*ctx).result, words: Vec::new(), result_slot: Slot::UNBOUND, stressed };
        if status >= flashpoint_ir::abi::STATUS_EXIT {
            take_exit(ctx, compiled, &mut left);
        }
        left
    }
}

/// Copies the words of the exit that was just taken, before anything else runs on this thread.
///
/// # Safety
/// `ctx` is this thread's context, and `compiled` the code whose exit was taken.
#[cold]
pub(crate) unsafe fn take_exit(ctx: *mut Context, compiled: &Compiled, left: &mut Left) {
    let exit = (left.status - flashpoint_ir::abi::STATUS_EXIT) as usize;
    let n_words = compiled.exit_words[exit];
    // SAFETY: the code has stored `n_words` words, at most `EXIT_WORDS`, in this thread's exit buffer.
    unsafe {
        left.words = std::slice::from_raw_parts((*ctx).exit_buffer, n_words).to_vec();
        left.result_slot = std::mem::replace(&mut (*ctx).result_slot, Slot::UNBOUND);
    }
}

/// Number of the code whose exit was taken last on this thread.
pub(crate) fn exit_version(ctx: *mut Context) -> u64 {
    // SAFETY: helpers pass on this thread's context.
    unsafe { (*ctx).exit_version }
}

/// Sets the word that a completed callee returns.
pub(crate) fn set_result(ctx: *mut Context, word: u64) {
    // SAFETY: as above.
    unsafe { (*ctx).result = word }
}

/// A copy of scratch words.
pub(crate) struct ScratchWords {
    few: [u64; FEW_WORDS],
    many: Vec<u64>,
    n: usize,
}

/// Scratch words that are copied without allocating.
const FEW_WORDS: usize = 12;

impl ScratchWords {
    /// The first `n`.
    #[inline]
    pub fn new(ctx: *mut Context, n: usize) -> ScratchWords {
        let mut words = ScratchWords { few: [0; FEW_WORDS], many: Vec::new(), n };
        if n > FEW_WORDS {
            // SAFETY: as above.
            words.many = unsafe { (&(*ctx).scratch)[..n].to_vec() };
            return words;
        }
        for (at, word) in words.few[..n].iter_mut().enumerate() {
            // One by one, as the code has just stored them: the processor does not forward what it stored in parts.
            // SAFETY: as above; there are more scratch words than a few.
            *word = unsafe { std::ptr::read_volatile(&(&(*ctx).scratch)[at]) };
        }
        words
    }

    #[inline]
    pub fn as_slice(&self) -> &[u64] {
        if self.n > FEW_WORDS { &self.many } else { &self.few[..self.n] }
    }
}

/// One scratch word.
#[inline]
pub(crate) fn scratch_word(ctx: *mut Context, at: usize) -> u64 {
    // SAFETY: as above.
    unsafe { (&(*ctx).scratch)[at] }
}

/// Sets the first scratch words.
pub(crate) fn set_scratch(ctx: *mut Context, words: &[u64]) {
    // SAFETY: as above.
    unsafe { (&mut (*ctx).scratch)[..words.len()].copy_from_slice(words) }
}

/// Sets three scratch words, the first of which is number `at`.
#[inline]
pub(crate) fn set_scratch_at(ctx: *mut Context, at: usize, words: &[u64; 3]) {
    // SAFETY: as above.
    unsafe { (&mut (*ctx).scratch)[at..at + 3].copy_from_slice(words) }
}

/// Sets the tagged result of a completed callee.
pub(crate) fn set_result_slot(ctx: *mut Context, slot: Slot) {
    // SAFETY: as above.
    unsafe { (*ctx).result_slot = slot }
}

/// What a callee left behind that was called in registers.
pub(crate) fn left_of(ctx: *mut Context, compiled: &Compiled, status: u64, stress: bool) -> Left {
    // SAFETY: as above; the exit was the last thing that happened on this thread.
    unsafe {
        let stressed = stress && (*ctx).stress == 0;
        if stressed {
            (*ctx).stress = i64::MAX;
        }
        let mut left = Left { status, result: 0, words: Vec::new(), result_slot: Slot::UNBOUND, stressed };
        take_exit(ctx, compiled, &mut left);
        left
    }
}
