//! Calls in registers: which code a version that is being made may call, and what stands in where there is none yet.
//!
//! A version links to the cell of one version of each unit it calls ([`Engine::callee`]). Where that version has no code,
//! its cell is given a *stub*: code that leaves at once, before the function's first operation, so that the call is
//! completed in tier 0 and the caller stays where it is. Stubs count calls like tier 0 does; code that is published later
//! takes the stub's place in the cell, for all callers at once.
//!
//! Invariant: only values that travel in registers are arguments of such calls, because the exits of the callee find no
//! slots of a caller; an array brings the address of its object with it ([`Owner::Lent`]).
//! Versions made for such calls serve calls from outside too, whose arguments bring the same words.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flashpoint_frontend::lower::state::{ArrayParts, Val};
use flashpoint_frontend::lower::types::{Owner, SlotType};
use flashpoint_frontend::lower::world::{CallTarget, Callee};
use flashpoint_frontend::lower::{EntrySource, Request};
use flashpoint_ir::builder::Builder;
use flashpoint_ir::generic::{Pc, SlotIdx};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::snapshot::{ExitKind, FrameState, Recipe, Snapshot};
use flashpoint_ir::typed::{TypedFunction, UnitRef, Value};

use crate::python::Python;
use crate::run::Engine;
use crate::unit::{CodeCell, Unit, Version};

/// How many units may be lowered within each other, each for a call of the one before.
const MAX_NESTED: usize = 4;

/// What a version that is being made calls.
pub struct Links<H: Python> {
    /// Cells by link number.
    pub callees: Vec<Arc<CodeCell>>,
    /// The versions those cells belong to, its own left out.
    pub linked: Vec<Arc<Version<H>>>,
}

impl<H: Python> Default for Links<H> {
    fn default() -> Links<H> {
        Links { callees: Vec::new(), linked: Vec::new() }
    }
}

impl<H: Python> Links<H> {
    fn add(&mut self, cell: &Arc<CodeCell>) -> UnitRef {
        let at = match self.callees.iter().position(|known| Arc::ptr_eq(known, cell)) {
            Some(at) => at,
            None => {
                cell.link();
                self.callees.push(cell.clone());
                self.callees.len() - 1
            }
        };
        UnitRef(at as u32)
    }
}

/// The version that is being made.
pub struct Caller<'a, H: Python> {
    /// Its unit.
    pub unit: &'a Arc<Unit<H>>,
    /// What is lowered.
    pub request: &'a Request,
    /// Where its code will be published.
    pub cell: &'a Arc<CodeCell>,
}

impl<H: Python> Engine<H> {
    /// How `caller` may call `target` with such arguments. `seen` is the type of result that the call has given so far, or that
    /// the function being lowered promises, for calls of itself.
    pub fn callee(
        &self,
        host: &mut H,
        links: &mut Links<H>,
        caller: &Caller<'_, H>,
        target: &Arc<Unit<H>>,
        args: &[SlotType],
        seen: Option<SlotType>,
    ) -> CallTarget {
        if !args.iter().all(travels) {
            return CallTarget::Unknown;
        }
        let own = caller.request.slots.iter().map(|(_, ty)| ty);
        if Arc::ptr_eq(target, caller.unit) && caller.request.entry == Pc(0) && own.eq(args) {
            let Some(result) = seen else { return CallTarget::Unknown };
            let unit = links.add(caller.cell);
            return CallTarget::Unit(Callee { unit, result, is_own: true, has_numpy_floats: false });
        }
        let Some(version) = self.linkable(host, target, args) else { return CallTarget::Unknown };
        let Some(result) = version.lowered.result.clone() else { return CallTarget::Unknown };
        let unit = links.add(&version.cell);
        let has_numpy_floats = version.lowered.has_numpy_floats;
        if !links.linked.iter().any(|known| Arc::ptr_eq(known, &version)) {
            links.linked.push(version);
        }
        CallTarget::Unit(Callee { unit, result, is_own: false, has_numpy_floats })
    }

    /// The version of a unit for arguments of these types, if it can be called in registers.
    fn linkable(&self, host: &mut H, target: &Arc<Unit<H>>, args: &[SlotType]) -> Option<Arc<Version<H>>> {
        let version = match target.find(Pc(0), |slots| slots.iter().map(|(_, ty)| ty).eq(args)) {
            Some(version) => version,
            None => {
                if !BeingMade::allows(target, args) {
                    return None;
                }
                let slots = args.iter().cloned().enumerate().map(|(i, ty)| (SlotIdx(i as u32), ty)).collect();
                self.make_version(host, target, Pc(0), slots)?
            }
        };
        let from_slots = version.params().iter().all(|param| matches!(param.source, EntrySource::Slot(_)));
        if !version.holds(host) || !from_slots || version.lowered.result.is_none() || version.is_refused(target) {
            return None;
        }
        if version.cell.inner.load(Ordering::Acquire) == 0 {
            self.request_tier(&version, 0, stub(&version)?);
        }
        (version.cell.inner.load(Ordering::Acquire) != 0).then_some(version)
    }

    /// A callee has learnt something, so that better code of it is another version: versions that call the old one are made
    /// anew. `top` is the one that was entered from outside.
    pub(crate) fn relink(&self, top: &Version<H>, old: &Arc<Version<H>>) {
        if top.tables.linked.iter().any(|linked| Arc::ptr_eq(linked, old)) {
            let caller = top.unit.upgrade().filter(|unit| unit.epoch() == top.epoch);
            caller.iter().for_each(|unit| unit.bump_epoch());
        }
        top.tables.linked.iter().for_each(|linked| self.relink(linked, old));
    }
}

thread_local! {
    /// What this thread lowers, each for a call of the one before: addresses of units, and types of entry slots.
    static BEING_MADE: RefCell<Vec<(usize, Vec<SlotType>)>> = const { RefCell::new(Vec::new()) };
}

/// A unit that is being lowered, until this is dropped.
pub(crate) struct BeingMade;

impl BeingMade {
    pub fn begin<H: Python>(unit: &Arc<Unit<H>>, slots: &[(SlotIdx, SlotType)]) -> BeingMade {
        let types = slots.iter().map(|(_, ty)| ty.clone()).collect();
        BEING_MADE.with_borrow_mut(|units| units.push((Arc::as_ptr(unit) as usize, types)));
        BeingMade
    }

    /// Whether the unit may be lowered for a call with such arguments.
    fn allows<H: Python>(unit: &Arc<Unit<H>>, args: &[SlotType]) -> bool {
        let unit = Arc::as_ptr(unit) as usize;
        BEING_MADE.with_borrow(|units| {
            units.len() < MAX_NESTED && !units.iter().any(|(other, types)| *other == unit && types == args)
        })
    }
}

impl Drop for BeingMade {
    fn drop(&mut self) {
        BEING_MADE.with_borrow_mut(Vec::pop);
    }
}

/// Whether a value of this type travels in registers, without a slot that holds it.
fn travels(ty: &SlotType) -> bool {
    use SlotType::{Bool, Complex, Float, Int, Int128, None, Numpy};
    match ty {
        SlotType::Array(_, owner) => matches!(owner, Owner::Lent | Owner::ViewOfLent),
        _ => matches!(ty, None | Bool | Int | Int128 | Float | Complex | Numpy(_)),
    }
}

/// Code for a version that leaves at once, before the first operation.
fn stub<H: Python>(version: &Version<H>) -> Option<TypedFunction> {
    let mut b = Builder::new(format!("{}.stub", version.lowered.func.name));
    b.func.result = version.lowered.func.result;
    let entry = b.create_block();
    let mut slots = Vec::new();
    for (slot, ty) in &version.slots {
        let words: Vec<Value> = ty.machine_types().into_iter().map(|ty| b.append_param(entry, ty)).collect();
        slots.push((*slot, ty, words));
    }
    b.switch_to(entry);
    let slots = slots.into_iter().map(|(slot, ty, words)| Some((slot, recipe(&mut b, ty, &words)?)));
    let slots = slots.collect::<Option<Vec<_>>>()?;
    let frames = vec![FrameState { function: 0, pc: Pc(0), slots }];
    let exit = b.snapshot(Snapshot { reason: Reason::NoCode, exit: ExitKind::Resume, objects: vec![], frames });
    b.exit(exit);
    Some(b.func)
}

fn recipe(b: &mut Builder, ty: &SlotType, words: &[Value]) -> Option<Recipe> {
    Some(match (ty, words) {
        (SlotType::None, []) => Recipe::None,
        (SlotType::Bool, [value]) => Recipe::Bool(*value),
        (SlotType::Int, [value]) => Recipe::Int(*value),
        (SlotType::Int128, [value]) => Recipe::Int128(*value),
        (SlotType::Float, [value]) => Recipe::Float(*value),
        (SlotType::Complex, [re, im]) => Recipe::Complex(*re, *im),
        (SlotType::Array(..), _) => {
            let parts = ArrayParts::of(&Val::of(ty.clone(), words.to_vec()))?;
            parts.recipe(b, Recipe::Borrowed(parts.object?))
        }
        (SlotType::Numpy(dtype), [value, rest @ ..]) => Recipe::Numpy(*dtype, *value, rest.first().copied()),
        _ => return None,
    })
}
