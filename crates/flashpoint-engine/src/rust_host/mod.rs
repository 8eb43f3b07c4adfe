//! A host in plain Rust: enough of Python to run tier 0 without CPython, for tests and for Rust users.
//!
//! It knows integers of any size, floats, complex numbers, strings, tuples, lists, sets, dictionaries, ranges, slices,
//! closures, exceptions, arrays of `int64` and `float64`, NumPy scalars of these types, and a few built-in functions. It
//! knows no classes of the user's, no modules but what is registered, and its error messages follow CPython's where they
//! are common, no further.
//!
//! Objects live in a [`Heap`] of counted entries; a slot's address is an entry's number. So nothing here is unsafe, a use
//! after release panics, and tests can assert that nothing leaked ([`RustHost::n_objects`]).
//!
//! Reading order: [`object`] (what there is), [`heap`], `function` (definitions and calls), `exceptions`, `operators`,
//! `items` (subscripts and iteration), `builtins`, `host` (the trait), `typed` (functions that the engine compiles).

mod builtins;
mod exceptions;
mod function;
mod heap;
mod host;
mod items;
mod object;
mod operators;
mod typed;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use flashpoint_ir::generic::GenericFunction;
use flashpoint_ir::slot::Slot;

use crate::host::{Host, HostResult};
use crate::tier0::{self, LoadError};
use crate::unit::Unit;

pub use exceptions::ErrorInfo;
pub use function::{Definition, RustFunction};
pub use heap::Heap;
pub use object::{Array, Native, Object};

/// Back edges before a loop's hook is asked, in functions that this host loads itself.
const TRIPS: u32 = 1000;
/// Python's default recursion limit.
const RECURSION_LIMIT: u32 = 1000;

/// See the module's text.
pub struct RustHost {
    /// All objects.
    pub heap: Heap,
    /// Global names, shared by all functions. Owned slots.
    globals: HashMap<String, Slot>,
    builtins: HashMap<&'static str, Slot>,
    /// Exception classes by name.
    classes: HashMap<&'static str, Slot>,
    pending: Option<Slot>,
    handled: Slot,
    depth: u32,
    /// How often [`Host::poll`] was called.
    pub n_polls: u64,
    /// Raised at the next poll, as a signal handler would.
    pub interrupt: bool,
    /// Called at each poll, as a signal handler would be.
    pub on_poll: Option<Rc<PollHook>>,
    /// Called when compiled code attaches to the host.
    pub on_attach: Option<Rc<PollHook>>,
    /// Whether exits find no memory for the objects that they make.
    pub out_of_memory: bool,
    /// Functions that an engine runs, by their objects, which are owned.
    units: Vec<(Slot, Arc<Unit<RustHost>>)>,
}

/// See [`RustHost::on_poll`].
pub type PollHook = dyn Fn(&mut RustHost);

impl Default for RustHost {
    fn default() -> RustHost {
        RustHost::new()
    }
}

impl RustHost {
    /// A host with the built-in names and no others.
    pub fn new() -> RustHost {
        let mut host = RustHost {
            heap: Heap::default(),
            globals: HashMap::new(),
            builtins: HashMap::new(),
            classes: HashMap::new(),
            pending: None,
            handled: Slot::NONE,
            depth: 0,
            n_polls: 0,
            interrupt: false,
            on_poll: None,
            on_attach: None,
            out_of_memory: false,
            units: Vec::new(),
        };
        exceptions::register(&mut host);
        builtins::register(&mut host);
        host
    }

    /// Makes a function object of a generic form without free variables.
    pub fn function(&mut self, generic: Arc<GenericFunction>) -> Result<Rc<RustFunction>, LoadError> {
        Ok(Rc::new(RustFunction::new(Rc::new(Definition::load(generic)?), Vec::new())))
    }

    /// Calls a function with positional arguments, which are borrowed.
    pub fn call_function(&mut self, function: &RustFunction, args: &[Slot]) -> HostResult<Slot> {
        let bound = function.bind(self, args, &[])?;
        tier0::call(&function.definition.code, function, self, &bound)
    }

    /// A new object.
    pub fn object(&mut self, object: Object) -> Slot {
        self.heap.new_object(object)
    }

    /// A string.
    pub fn str(&mut self, text: &str) -> Slot {
        self.object(Object::Str(text.into()))
    }

    /// A list that takes over `items`.
    pub fn list(&mut self, items: Vec<Slot>) -> Slot {
        self.object(Object::List(items))
    }

    /// A function written in Rust. Its arguments are borrowed, its result owned.
    pub fn native(&mut self, function: impl Fn(&mut RustHost, &[Slot]) -> HostResult<Slot> + 'static) -> Slot {
        self.object(Object::Native(Native(Rc::new(function))))
    }

    /// Binds a global name to an owned value.
    pub fn set_global(&mut self, name: &str, value: Slot) {
        if let Some(old) = self.globals.insert(name.into(), value) {
            self.release(old);
        }
    }

    /// The value of a global name, borrowed.
    pub fn global(&self, name: &str) -> Option<Slot> {
        self.globals.get(name).copied()
    }

    /// Number of objects alive, built-in ones included.
    pub fn n_objects(&self) -> usize {
        self.heap.len()
    }

    /// What the slot refers to, if it refers to an object.
    pub fn get(&self, slot: &Slot) -> Option<Rc<Object>> {
        self.heap.get(slot)
    }
}
