//! The lowering's questions, answered from the interpreter as it is now.

use std::collections::HashMap;
use std::sync::Arc;

use flashpoint_engine::links::{Caller, Links};
use flashpoint_engine::run::Engine;
use flashpoint_engine::unit::{CodeCell, Tables};
use flashpoint_frontend::lower::Request;
use flashpoint_frontend::lower::types::SlotType;
use flashpoint_frontend::lower::world::{CallTarget, Feedback, HostFunction, Known, KnownKind, Seen, World};
use flashpoint_ir::generic::{BinOp, Const, ConstIdx, GenericFunction, NestedIdx, Pc, SlotKind};
use flashpoint_ir::slot::{Slot, Tag};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyModule, PyString, PyTuple};

use super::assume::Assumptions;
use super::{EngineHost, EngineUnit, host_functions, known, words};
use crate::function;
use crate::host::convert::unbox_borrowed;
use crate::host::data::FunctionData;

pub struct CPythonWorld<'a> {
    host: &'a mut EngineHost,
    engine: &'a Engine<EngineHost>,
    unit: &'a Arc<EngineUnit>,
    request: &'a Request,
    cell: &'a Arc<CodeCell>,
    functions: Vec<Arc<EngineUnit>>,
    /// Function numbers by the address of the function's object.
    function_numbers: HashMap<usize, u32>,
    objects: Vec<Slot>,
    object_numbers: HashMap<usize, u32>,
    links: Links<EngineHost>,
    assumptions: Assumptions,
}

impl<'a> CPythonWorld<'a> {
    pub fn new(
        host: &'a mut EngineHost,
        engine: &'a Engine<EngineHost>,
        unit: &'a Arc<EngineUnit>,
        request: &'a Request,
        cell: &'a Arc<CodeCell>,
    ) -> CPythonWorld<'a> {
        CPythonWorld {
            host,
            engine,
            unit,
            request,
            cell,
            functions: Vec::new(),
            function_numbers: HashMap::new(),
            objects: Vec::new(),
            object_numbers: HashMap::new(),
            links: Links::default(),
            assumptions: Assumptions::default(),
        }
    }

    pub fn into_tables(self) -> Tables<EngineHost> {
        Tables {
            functions: self.functions,
            objects: self.objects,
            callees: self.links.callees,
            linked: self.links.linked,
            assumptions: self.assumptions,
        }
    }

    fn unit_of(&self, function: u32) -> Arc<EngineUnit> {
        if function == 0 { self.unit.clone() } else { self.functions[function as usize - 1].clone() }
    }

    fn data<R>(&self, function: u32, look: impl FnOnce(&FunctionData) -> R) -> R {
        look(&self.unit_of(function).function)
    }

    /// The number of an object in the version's table, which keeps it alive.
    fn keep(&mut self, object: &Bound<'_, PyAny>) -> u32 {
        let address = object.as_ptr() as usize;
        if let Some(number) = self.object_numbers.get(&address) {
            return *number;
        }
        let number = self.objects.len() as u32;
        self.objects.push(Slot::object(object.clone().into_ptr() as u64));
        self.object_numbers.insert(address, number);
        number
    }

    fn object(&self, number: u32) -> Bound<'static, PyAny> {
        // SAFETY: the table owns a reference.
        unsafe { Bound::from_borrowed_ptr(self.host.py, self.objects[number as usize].a as *mut ffi::PyObject) }
    }

    fn known(&mut self, object: &Bound<'_, PyAny>) -> Known {
        let number = self.keep(object);
        let kind = match self.value_of(object) {
            Some(value) => KnownKind::Value(value),
            None => {
                let address = object.as_ptr();
                if let Some(ty) = words::known_array(self.host, address as u64) {
                    self.assumptions.layout(address, ty);
                    KnownKind::Array(ty)
                } else if let Some(builtin) = known::builtin_of(object) {
                    KnownKind::Builtin(builtin)
                } else if object.is_exact_instance_of::<PyFunction>() || function::parts_of(object).is_some() {
                    KnownKind::Function
                } else if !self.is_numeric(object) {
                    KnownKind::Object
                } else {
                    KnownKind::Untyped
                }
            }
        };
        Known { object: number, kind }
    }

    /// A number, `None`, bool, or tuple of such as a constant: objects that never change.
    fn value_of(&self, object: &Bound<'_, PyAny>) -> Option<Const> {
        if let Ok(items) = object.cast_exact::<PyTuple>() {
            return items.iter().map(|item| self.value_of(&item)).collect::<Option<_>>().map(Const::Tuple);
        }
        // SAFETY: a live object.
        let slot = unsafe { unbox_borrowed(self.host.numpy, object.as_ptr()) }?;
        match slot.tag {
            Tag::None => Some(Const::None),
            Tag::Bool => Some(Const::Bool(slot.a != 0)),
            Tag::Int => Some(Const::Int(slot.as_i64())),
            Tag::Float => Some(Const::Float(slot.a)),
            Tag::Complex => Some(Const::Complex(slot.a, slot.b)),
            _ => None,
        }
    }

    fn is_numeric(&self, object: &Bound<'_, PyAny>) -> bool {
        // SAFETY: a live object; the GIL is held.
        unsafe { words::is_numeric(self.host, object.as_ptr()) }
    }

    /// A key of a dictionary, with the assumption that it stays as it is.
    fn item(&mut self, dict: *mut ffi::PyObject, key: &Bound<'static, PyString>) -> Option<Bound<'static, PyAny>> {
        // SAFETY: a dictionary that is kept, or that the unit's function or a kept module keeps alive.
        let bound = unsafe { Bound::from_borrowed_ptr(self.host.py, dict) };
        let found = bound.cast::<PyDict>().ok()?.get_item(key).ok()?;
        let expected = found.as_ref().map_or(std::ptr::null_mut(), |found| found.as_ptr());
        self.assumptions.item(dict, key.as_any(), expected);
        found
    }
}

impl World for CPythonWorld<'_> {
    fn global(&mut self, function: u32, name: &str) -> Option<Known> {
        let key = PyString::intern(self.host.py, name);
        let (globals, builtins) = self.data(function, |data| (data.globals, data.builtins));
        let found = match self.item(globals, &key) {
            Some(found) => found,
            None => self.item(builtins, &key)?,
        };
        Some(self.known(&found))
    }

    fn free_variable(&mut self, function: u32, name: &str) -> Option<Known> {
        let py = self.host.py;
        let unit = self.unit_of(function);
        let generic = unit.code.generic();
        let index = generic.slots.iter().filter(|s| s.kind == SlotKind::Free).position(|s| s.name == name)?;
        let cell = unit.function.closure(py)?.get_item(index).ok()?;
        let content = cell.getattr("cell_contents").ok()?;
        self.assumptions.cell(cell.as_ptr(), content.as_ptr());
        Some(self.known(&content))
    }

    fn attribute(&mut self, object: u32, name: &str) -> Option<Known> {
        let object = self.object(object);
        let module = object.cast_exact::<PyModule>().ok()?;
        let key = PyString::intern(self.host.py, name);
        let dict = module.dict();
        let found = self.item(dict.as_ptr(), &key)?;
        Some(self.known(&found))
    }

    fn function_body(&mut self, object: u32) -> Option<(u32, Arc<GenericFunction>, Vec<Option<Known>>)> {
        let object = self.object(object);
        let (unit, py_func) = function::unit_for_inlining(&object).ok()??;
        let address = py_func.as_ptr();
        self.keep(&py_func);
        let number = match self.function_numbers.get(&(address as usize)) {
            Some(number) => *number,
            None if Arc::ptr_eq(&unit, self.unit) => {
                self.function_numbers.insert(address as usize, 0);
                self.assumptions.function(address);
                0
            }
            None => {
                self.functions.push(unit.clone());
                let number = self.functions.len() as u32;
                self.function_numbers.insert(address as usize, number);
                self.assumptions.function(address);
                number
            }
        };
        let generic = unit.code.generic().clone();
        let defaults = self.defaults(&py_func, &generic);
        Some((number, generic, defaults))
    }

    fn nested_function(&mut self, function: u32, nested: NestedIdx) -> Option<(u32, Arc<GenericFunction>)> {
        let trips = self.engine.policy.trips_before_tier1();
        let unit = self.unit_of(function).nested(self.host, nested, trips)?;
        let generic = unit.code.generic().clone();
        let address = Arc::as_ptr(&unit) as usize;
        if let Some(number) = self.function_numbers.get(&address) {
            return Some((*number, generic));
        }
        self.functions.push(unit);
        let number = self.functions.len() as u32;
        self.function_numbers.insert(address, number);
        Some((number, generic))
    }

    fn free_cell(&mut self, function: u32, name: &str) -> Option<u32> {
        let unit = self.unit_of(function);
        let free = unit.code.generic().slots.iter().filter(|slot| slot.kind == SlotKind::Free);
        let index = free.into_iter().position(|slot| slot.name == name)?;
        let cell = unit.function.closure(self.host.py)?.get_item(index).ok()?;
        Some(self.keep(&cell))
    }

    fn constant(&mut self, function: u32, index: u32) -> u32 {
        let unit = self.unit_of(function);
        match unit.function.constant(self.host.py, ConstIdx(index)) {
            Ok(object) => self.keep(&object),
            Err(_) => self.keep(&self.host.py.None().into_bound(self.host.py)),
        }
    }

    fn seen(&self, function: u32, pc: Pc) -> Seen {
        self.unit_of(function).seen(pc)
    }

    fn callee(
        &mut self,
        object: u32,
        args: &[SlotType],
        function: u32,
        pc: Pc,
        promised: Option<&SlotType>,
    ) -> CallTarget {
        let object = self.object(object);
        let Some((target, _)) = function::unit_of_compiled(&object) else { return CallTarget::Untyped };
        // Called with other types, a function may give others; a call of itself gives what it promises.
        let own = promised.filter(|_| Arc::ptr_eq(&target, self.unit)).cloned();
        let seen = self.unit_of(function).seen_result(pc, promised).or(own);
        let caller = Caller { unit: self.unit, request: self.request, cell: self.cell };
        self.engine.callee(self.host, &mut self.links, &caller, &target, args, seen)
    }

    fn host_function(&mut self, object: u32, args: &[SlotType]) -> Option<HostFunction> {
        let object = self.object(object);
        host_functions::find(self.host, &object, args)
    }

    fn host_operator(&mut self, op: BinOp, args: &[SlotType]) -> Option<HostFunction> {
        host_functions::find_operator(self.host, op, args)
    }

    fn complex_as_in_c99(&self) -> bool {
        cfg!(Py_3_14)
    }

    fn feedback(&self, function: u32, pc: Pc) -> Feedback {
        self.unit_of(function).feedback(pc)
    }
}

impl CPythonWorld<'_> {
    /// Default values by parameter slot.
    fn defaults(&mut self, py_func: &Bound<'_, PyAny>, generic: &GenericFunction) -> Vec<Option<Known>> {
        let n_positional = generic.params.n_positional as usize;
        let n = n_positional + generic.params.n_keyword_only as usize;
        let mut defaults = vec![None; n];
        if let Ok(tuple) = py_func.getattr("__defaults__")
            && let Ok(values) = tuple.extract::<Vec<Bound<'_, PyAny>>>()
        {
            // Kept, so that no other tuple comes to lie at its address, by which it is compared.
            self.keep(&tuple);
            for (at, value) in (n_positional.saturating_sub(values.len())..n_positional).zip(&values) {
                defaults[at] = Some(self.known(value));
            }
        }
        if let Ok(values) = py_func.getattr("__kwdefaults__")
            && values.is_instance_of::<PyDict>()
        {
            // The dictionary can change without the function having another one.
            self.keep(&values);
            for (default, slot) in defaults[n_positional..].iter_mut().zip(&generic.slots[n_positional..]) {
                let key = PyString::intern(self.host.py, &slot.name);
                *default = self.item(values.as_ptr(), &key).map(|value| self.known(&value));
            }
        }
        defaults
    }
}
