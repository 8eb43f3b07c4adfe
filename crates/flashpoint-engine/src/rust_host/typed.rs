//! The Rust host as the engine sees it: types and words of numbers, and the lowering's questions.
//!
//! Numbers, ranges and functions made by [`RustHost::define`] have typed form; everything else is left to tier 0. What a
//! version takes for granted are the values of global names.

use std::rc::Rc;
use std::sync::Arc;

use flashpoint_frontend::lower::types::SlotType;
use flashpoint_frontend::lower::world::{Builtin, CallTarget, Feedback, Known, KnownKind, Seen, World};
use flashpoint_frontend::lower::{LowerError, Lowered, Request, lower};
use flashpoint_ir::generic::{Const, ConstIdx, GenericFunction, NestedIdx, Pc, SlotIdx};
use flashpoint_ir::slot::{Slot, Tag};

use super::{Definition, Object, RECURSION_LIMIT, RustFunction, RustHost};
use crate::host::{Host, Raised};
use crate::links::{Caller, Links};
use crate::python::Python;
use crate::run::Engine;
use crate::tier0::{Code, LoadError};
use crate::unit::{CodeCell, Tables, Unit, UnitOptions, Version};
use crate::words::{plain_type, push_plain_words};

impl RustHost {
    /// Makes a function that `engine` runs, and binds it to a global name.
    ///
    /// # Errors
    /// If the generic form is not valid.
    pub fn define(
        &mut self,
        engine: &Rc<Engine<RustHost>>,
        name: &str,
        generic: Arc<GenericFunction>,
        options: UnitOptions,
    ) -> Result<Arc<Unit<RustHost>>, LoadError> {
        let code = Arc::new(Code::load(generic.clone(), engine.policy.trips_before_tier1())?);
        let function = RustFunction::new(Rc::new(Definition::load(generic)?), Vec::new());
        let unit = Unit::new(code, function, options);
        let (engine, called) = (engine.clone(), unit.clone());
        let object = self.native(move |host, args| engine.call(host, &called, args));
        self.retain(&object);
        self.units.push((object, unit.clone()));
        self.set_global(name, object);
        Ok(unit)
    }
}

impl Python for RustHost {
    /// Global names and what they are bound to.
    type Assumptions = Vec<(String, Option<Slot>)>;

    fn slot_type(&mut self, slot: &Slot, place: SlotIdx) -> SlotType {
        plain_type(slot, place).unwrap_or(SlotType::Opaque(place.0))
    }

    fn push_words(&mut self, slot: &Slot, ty: &SlotType, out: &mut Vec<u64>) {
        push_plain_words(slot, ty, out);
    }

    fn push_array_words(&mut self, _: &Slot, _: &mut Vec<u64>) {}

    fn lower(
        &mut self,
        engine: &Engine<Self>,
        unit: &Arc<Unit<Self>>,
        request: &Request,
        cell: &Arc<CodeCell>,
    ) -> Result<(Lowered, Tables<Self>), LowerError> {
        let mut world = RustWorld {
            host: self,
            engine,
            caller: Caller { unit, request, cell },
            functions: Vec::new(),
            objects: Vec::new(),
            links: Links::default(),
            assumptions: Vec::new(),
        };
        let lowered = lower(request, &mut world);
        let RustWorld { functions, objects, links, assumptions, .. } = world;
        match lowered {
            Ok(lowered) => {
                let Links { callees, linked } = links;
                Ok((lowered, Tables { functions, objects, callees, linked, assumptions }))
            }
            Err(error) => {
                objects.into_iter().for_each(|object| self.release(object));
                Err(error)
            }
        }
    }

    fn assumptions_hold(&mut self, assumptions: &Self::Assumptions) -> bool {
        assumptions.iter().all(|(name, value)| self.globals.get(name).copied() == *value)
    }

    fn raise_unsupported(&mut self, _: &Arc<Unit<Self>>, _: &Version<Self>) -> Raised {
        self.error("RuntimeError", "an operation has no typed form")
    }

    fn take_pending(&mut self) -> Slot {
        self.pending.take().unwrap_or(Slot::UNBOUND)
    }

    fn restore_pending(&mut self, exception: Slot) {
        if self.pending.is_some() {
            self.release(exception);
        } else if exception.tag != Tag::Unbound {
            self.pending = Some(exception);
        }
    }

    fn ignores_underflow(&mut self) -> bool {
        true
    }

    fn warnings_raise(&mut self) -> bool {
        false
    }

    fn is_exact_int(&mut self, slot: &Slot) -> bool {
        matches!(self.get(slot).as_deref(), Some(Object::BigInt(_)))
    }

    fn attach(&mut self) {
        if let Some(hook) = self.on_attach.clone() {
            hook(self);
        }
    }

    fn calls_left(&mut self) -> i32 {
        (RECURSION_LIMIT - self.depth) as i32
    }
}

struct RustWorld<'a> {
    host: &'a mut RustHost,
    engine: &'a Engine<RustHost>,
    caller: Caller<'a, RustHost>,
    functions: Vec<Arc<Unit<RustHost>>>,
    /// Owned.
    objects: Vec<Slot>,
    links: Links<RustHost>,
    assumptions: Vec<(String, Option<Slot>)>,
}

impl RustWorld<'_> {
    fn unit_of(&self, function: u32) -> Arc<Unit<RustHost>> {
        if function == 0 { self.caller.unit.clone() } else { self.functions[function as usize - 1].clone() }
    }

    /// The unit of a function made by [`RustHost::define`].
    fn defined(&self, object: u32) -> Option<Arc<Unit<RustHost>>> {
        let object = self.objects[object as usize];
        self.host.units.iter().find(|(known, _)| *known == object).map(|(_, unit)| unit.clone())
    }

    fn keep(&mut self, object: Slot) -> u32 {
        self.host.retain(&object);
        self.objects.push(object);
        self.objects.len() as u32 - 1
    }
}

impl World for RustWorld<'_> {
    fn global(&mut self, _: u32, name: &str) -> Option<Known> {
        let bound = self.host.globals.get(name).copied();
        self.assumptions.push((name.into(), bound));
        let object = self.keep(bound.unwrap_or(Slot::NONE));
        let kind = match bound {
            None if name == "range" => KnownKind::Builtin(Builtin::Range),
            None => return None,
            Some(slot) => match slot.tag {
                Tag::Int => KnownKind::Value(Const::Int(slot.as_i64())),
                Tag::Float => KnownKind::Value(Const::Float(slot.a)),
                Tag::Bool => KnownKind::Value(Const::Bool(slot.a != 0)),
                Tag::None => KnownKind::Value(Const::None),
                _ if self.defined(object).is_some() => KnownKind::Function,
                _ => KnownKind::Untyped,
            },
        };
        Some(Known { object, kind })
    }

    fn free_variable(&mut self, _: u32, _: &str) -> Option<Known> {
        None
    }

    fn attribute(&mut self, _: u32, _: &str) -> Option<Known> {
        None
    }

    fn function_body(&mut self, object: u32) -> Option<(u32, Arc<GenericFunction>, Vec<Option<Known>>)> {
        let unit = self.defined(object)?;
        let generic = unit.code.generic().clone();
        let number = if Arc::ptr_eq(&unit, self.caller.unit) {
            0
        } else {
            match self.functions.iter().position(|known| Arc::ptr_eq(known, &unit)) {
                Some(at) => at as u32 + 1,
                None => {
                    self.functions.push(unit);
                    self.functions.len() as u32
                }
            }
        };
        let no_defaults = vec![None; generic.params.n_slots() as usize];
        Some((number, generic, no_defaults))
    }

    fn nested_function(&mut self, _: u32, _: NestedIdx) -> Option<(u32, Arc<GenericFunction>)> {
        None
    }

    fn free_cell(&mut self, _: u32, _: &str) -> Option<u32> {
        None
    }

    fn constant(&mut self, function: u32, index: u32) -> u32 {
        let unit = self.unit_of(function);
        let value = unit.function.definition.constant(self.host, ConstIdx(index));
        self.keep(value)
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
        let Some(target) = self.defined(object) else { return CallTarget::Untyped };
        let own = promised.filter(|_| Arc::ptr_eq(&target, self.caller.unit)).cloned();
        let seen = self.unit_of(function).seen_result(pc, promised).or(own);
        self.engine.callee(self.host, &mut self.links, &self.caller, &target, args, seen)
    }

    fn feedback(&self, function: u32, pc: Pc) -> Feedback {
        self.unit_of(function).feedback(pc)
    }
}
