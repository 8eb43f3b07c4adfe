//! What the engine needs of a host besides running the generic form: the types of values, and the lowering's questions.

use std::sync::Arc;

use flashpoint_frontend::lower::types::SlotType;
use flashpoint_frontend::lower::{LowerError, Lowered, Request};
use flashpoint_ir::abi::SCRATCH_WORDS;
use flashpoint_ir::generic::{GenericFunction, NestedIdx, SlotIdx};
use flashpoint_ir::slot::Slot;

use crate::host::{Host, Rematerialize};
use crate::opened::Opened;
use crate::run::Engine;
use crate::unit::{CodeCell, Tables, Unit, Version};

/// A host whose functions can be compiled.
pub trait Python: Host + Rematerialize + Sized + 'static {
    /// What a version takes for granted of globals, closures and modules.
    type Assumptions;

    /// The type of a slot's content; `place` is the slot of the outermost frame it lies in, which names the owner of an
    /// array. [`SlotType::Opaque`] for what typed code does not look into. Runs no Python code.
    fn slot_type(&mut self, slot: &Slot, place: SlotIdx) -> SlotType;

    /// Whether [`Python::slot_type`] would give this type. Cheaper than asking for it.
    fn has_type(&mut self, slot: &Slot, place: SlotIdx, ty: &SlotType) -> bool {
        self.slot_type(slot, place) == *ty
    }

    /// Appends the machine words that hold a content of this type. The slot has the type.
    fn push_words(&mut self, slot: &Slot, ty: &SlotType, out: &mut Vec<u64>);

    /// Appends the words of an array's C-contiguous parts: data pointer, extents.
    fn push_array_words(&mut self, array: &Slot, out: &mut Vec<u64>);

    /// Runs the typed lowering for a unit, answering its questions, and collects what the version names and assumes. `cell`
    /// is where the version's code will be published: a call of the function itself links to it. What other units may be
    /// called is [`Engine::callee`]'s answer.
    ///
    /// # Errors
    /// As the lowering's.
    fn lower(
        &mut self,
        engine: &Engine<Self>,
        unit: &Arc<Unit<Self>>,
        request: &Request,
        cell: &Arc<CodeCell>,
    ) -> Result<(Lowered, Tables<Self>), LowerError>;

    /// Whether what a version takes for granted still holds.
    fn assumptions_hold(&mut self, assumptions: &Self::Assumptions) -> bool;

    /// Raises the error for operations without typed form: `flashpoint.Unsupported`.
    fn raise_unsupported(&mut self, unit: &Arc<Unit<Self>>, version: &Version<Self>) -> crate::host::Raised;

    /// Takes the pending exception away, to be put back by [`Python::restore_pending`]. Unbound if there is none.
    fn take_pending(&mut self) -> Slot;

    /// Makes an exception taken before pending again, if there is none.
    fn restore_pending(&mut self, exception: Slot);

    /// Whether NumPy is told to ignore underflow now, as it does by default (`np.errstate`).
    fn ignores_underflow(&mut self) -> bool;

    /// Whether a filter of the `warnings` module turns warnings into exceptions.
    fn warnings_raise(&mut self) -> bool;

    /// How many more Python calls may be nested.
    fn calls_left(&mut self) -> i32;

    /// Shows the unit of a compiled function that takes `n_args` positional arguments into as many parameter slots, if `callee`
    /// is one whose calls need no noting any more. A call of it follows.
    fn unit_of<R>(&mut self, callee: &Slot, n_args: usize, look: impl FnOnce(&Arc<Unit<Self>>) -> R) -> Option<R> {
        let _ = (callee, n_args, look);
        None
    }

    /// Calls a function that the lowering was told of ([`World::host_function`]). Its operands' words stand at the beginning
    /// of `words`, where its result's go. The host may be detached.
    ///
    /// [`World::host_function`]: flashpoint_frontend::lower::world::World::host_function
    fn call_host_function(&mut self, number: u64, words: &mut [u64; SCRATCH_WORDS]) -> HostFunctionStatus {
        let _ = (number, words);
        HostFunctionStatus::Leave
    }

    /// What the host keeps for nested definition `nested` of a function, whose body is `generic`. `None` if the function must
    /// run in a frame of the host's own.
    fn nested_function(
        &mut self,
        parent: &Self::Function,
        nested: NestedIdx,
        generic: &Arc<GenericFunction>,
    ) -> Option<Self::Function> {
        let _ = (parent, nested, generic);
        None
    }

    /// The cells, nested functions and iterators in a frame of `unit` that can be reached from this frame alone. `live` are the
    /// types of its live slots, as [`Python::slot_type`] gives them. Runs no Python code.
    fn open(&mut self, unit: &Unit<Self>, slots: &[Slot], live: &[(SlotIdx, SlotType)]) -> Opened {
        let _ = (unit, slots, live);
        Opened::default()
    }

    /// Whether the slot holds an integer object of exactly Python's type: operators on it run no Python code.
    fn is_exact_int(&mut self, slot: &Slot) -> bool;

    /// Whether giving up this reference runs no Python code: others are left, or the object has no finalizer and owns nothing.
    fn releases_quietly(&mut self, slot: &Slot) -> bool {
        !slot.owns()
    }

    /// Lets other threads run Python code; nothing is asked of the host until [`Python::attach`]. The memory of these arrays
    /// (and of those in tuples and iterators among them) stays where it is meanwhile.
    fn detach(&mut self, arrays: &[Slot]) {
        let _ = arrays;
    }

    /// Ends what [`Python::detach`] began, if it did.
    #[inline]
    fn attach(&mut self) {}
}

/// How a call of a function of the host ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostFunctionStatus {
    /// There is a result of the promised type.
    Done,
    /// The same, but the host was called, and what it allocates may have had finalizers run.
    Called,
    /// There is not: tier 0 has to do the call again.
    Leave,
    /// Something else interrupted it: a signal's handler, say. The exception is pending.
    Raised,
}
