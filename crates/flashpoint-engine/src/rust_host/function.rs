//! Functions: definitions, closures, binding of arguments.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use flashpoint_ir::generic::{Const, ConstIdx, GenericFunction, NameIdx};
use flashpoint_ir::slot::Slot;

use super::{Object, RustHost, TRIPS};
use crate::host::{Host, HostResult};
use crate::tier0::{Code, LoadError};

/// A definition: what all function objects made from one `def` share.
#[derive(Debug)]
pub struct Definition {
    /// The loaded code.
    pub code: Code,
    /// The definitions inside; `None` for those without a body.
    pub nested: Vec<Option<Rc<Definition>>>,
    /// Constants that were asked for; they live as long as the host.
    constants: RefCell<Vec<Option<Slot>>>,
}

impl Definition {
    /// Loads a generic form and those nested in it.
    pub fn load(generic: Arc<GenericFunction>) -> Result<Definition, LoadError> {
        let mut nested = Vec::new();
        for inner in &generic.nested {
            nested.push(match &inner.body {
                Some(body) => Some(Rc::new(Definition::load(Arc::new((**body).clone()))?)),
                None => None,
            });
        }
        let constants = RefCell::new(vec![None; generic.consts.len()]);
        Ok(Definition { code: Code::load(generic, TRIPS)?, nested, constants })
    }

    /// The text of a name.
    pub(super) fn name(&self, name: NameIdx) -> &str {
        &self.code.generic().names[name.0 as usize]
    }

    /// The value of a constant, borrowed.
    pub(super) fn constant(&self, host: &mut RustHost, index: ConstIdx) -> Slot {
        let index = index.0 as usize;
        if let Some(slot) = self.constants.borrow()[index] {
            return slot;
        }
        let slot = materialize(host, &self.code.generic().consts[index]);
        self.constants.borrow_mut()[index] = Some(slot);
        slot
    }
}

fn materialize(host: &mut RustHost, value: &Const) -> Slot {
    match value {
        Const::None => Slot::NONE,
        Const::Bool(value) => Slot::bool(*value),
        Const::Int(value) => Slot::int(*value),
        Const::Float(bits) => Slot::float(f64::from_bits(*bits)),
        Const::Complex(re, im) => Slot::complex(f64::from_bits(*re), f64::from_bits(*im)),
        Const::Ellipsis => host.object(Object::Ellipsis),
        Const::BigInt(text) => host.int(text.parse().expect("a decimal integer")),
        Const::Str(text) => host.str(text),
        Const::Bytes(bytes) => host.object(Object::Bytes(bytes.as_slice().into())),
        Const::Tuple(items) => {
            let items = items.iter().map(|item| materialize(host, item)).collect();
            host.object(Object::Tuple(items))
        }
    }
}

/// A function object. Slots are owned.
#[derive(Debug)]
pub struct RustFunction {
    /// Its definition.
    pub definition: Rc<Definition>,
    /// The cells it closes over.
    pub(super) closure: Vec<Slot>,
    pub(super) defaults: Vec<Slot>,
    pub(super) keyword_defaults: Vec<(String, Slot)>,
}

impl RustFunction {
    pub(super) fn new(definition: Rc<Definition>, closure: Vec<Slot>) -> RustFunction {
        RustFunction { definition, closure, defaults: Vec::new(), keyword_defaults: Vec::new() }
    }

    pub(super) fn for_each_owned(&self, f: &mut impl FnMut(&Slot)) {
        self.closure.iter().for_each(&mut *f);
        self.defaults.iter().for_each(&mut *f);
        self.keyword_defaults.iter().for_each(|(_, slot)| f(slot));
    }

    /// The parameter slots of a call, owned. Arguments are borrowed.
    pub(super) fn bind(
        &self,
        host: &mut RustHost,
        args: &[Slot],
        keywords: &[(String, Slot)],
    ) -> HostResult<Vec<Slot>> {
        let generic = self.definition.code.generic().clone();
        let params = &generic.params;
        let (n_positional, n_named) =
            (params.n_positional as usize, (params.n_positional + params.n_keyword_only) as usize);
        let mut bound = vec![Slot::UNBOUND; n_named];
        if args.len() > n_positional && !params.has_varargs {
            let text =
                format!("{}() takes {n_positional} positional arguments but {} were given", generic.name, args.len());
            return Err(host.error("TypeError", &text));
        }
        let n_plain = args.len().min(n_positional);
        bound[..n_plain].copy_from_slice(&args[..n_plain]);
        let mut rest = Vec::new();
        for (name, value) in keywords {
            let names = &generic.slots[params.n_positional_only as usize..n_named];
            match names.iter().position(|slot| slot.name == *name) {
                Some(index) if bound[index + params.n_positional_only as usize] == Slot::UNBOUND => {
                    bound[index + params.n_positional_only as usize] = *value;
                }
                None if params.has_varkw => rest.push((name.clone(), *value)),
                Some(_) => {
                    let text = format!("{}() got multiple values for argument '{name}'", generic.name);
                    return Err(host.error("TypeError", &text));
                }
                None => {
                    let text = format!("{}() got an unexpected keyword argument '{name}'", generic.name);
                    return Err(host.error("TypeError", &text));
                }
            }
        }
        let first_default = n_positional - self.defaults.len();
        for (index, slot) in bound.iter_mut().enumerate().filter(|(_, slot)| **slot == Slot::UNBOUND) {
            let name = &generic.slots[index].name;
            let default = if index < n_positional {
                index.checked_sub(first_default).map(|index| self.defaults[index])
            } else {
                self.keyword_defaults.iter().find(|(other, _)| other == name).map(|(_, value)| *value)
            };
            let Some(default) = default else {
                let text = format!("{}() missing 1 required positional argument: '{name}'", generic.name);
                return Err(host.error("TypeError", &text));
            };
            *slot = default;
        }
        bound.iter().for_each(|slot| host.retain(slot));
        if params.has_varargs {
            bound.push(host.build_tuple(&args[n_plain..])?);
        }
        if params.has_varkw {
            let items: Vec<_> = rest.iter().map(|(name, value)| (Some(host.str(name)), *value)).collect();
            let dict = host.build_dict(&items);
            items.iter().for_each(|(name, _)| host.heap.release(&name.unwrap_or(Slot::NONE)));
            bound.push(dict?);
        }
        Ok(bound)
    }
}
