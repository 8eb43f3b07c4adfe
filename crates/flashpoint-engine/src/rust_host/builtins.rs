//! Built-in functions, methods, and text.

use flashpoint_ir::slot::{Slot, Tag};
use num_bigint::BigInt;
use num_traits::{FromPrimitive, Signed, ToPrimitive};

use super::items::range_len;
use super::{Native, Object, RustHost};
use crate::host::{Host, HostResult, Rematerialize};
use flashpoint_ir::generic::CmpOp;

type Builtin = fn(&mut RustHost, &[Slot]) -> HostResult<Slot>;

const FUNCTIONS: [(&str, Builtin); 15] = [
    ("range", range),
    ("len", len),
    ("abs", abs),
    ("min", |host, args| extreme(host, args, CmpOp::Lt)),
    ("max", |host, args| extreme(host, args, CmpOp::Gt)),
    ("sum", sum),
    ("int", int),
    ("float", float),
    ("bool", |host, args| Ok(Slot::bool(args.first().map_or(Ok(false), |arg| host.truth(arg))?))),
    ("str", |host, args| {
        let text = args.first().map_or(String::new(), |arg| host.text(arg));
        Ok(host.str(&text))
    }),
    ("list", |host, args| {
        let items = args.first().map_or(Ok(Vec::new()), |arg| host.collect(arg))?;
        Ok(host.list(items))
    }),
    ("tuple", |host, args| {
        let items = args.first().map_or(Ok(Vec::new()), |arg| host.collect(arg))?;
        Ok(host.object(Object::Tuple(items)))
    }),
    ("iter", |host, args| {
        let inner = host.iter(&args[0])?;
        Ok(if inner.tag == Tag::Object { inner } else { host.object(Object::Iterator(inner)) })
    }),
    ("enumerate", |host, args| {
        let inner = host.iter(&args[0])?;
        let enumerate = host.make_enumerate(0, &inner);
        host.release(inner);
        enumerate
    }),
    ("zip", |host, args| {
        let mut inner = Vec::new();
        for arg in args {
            inner.push(host.iter(arg)?);
        }
        Ok(host.object(Object::Zip { inner, strict: false }))
    }),
];

pub(super) fn register(host: &mut RustHost) {
    for (name, function) in FUNCTIONS {
        let slot = host.object(Object::Native(Native(std::rc::Rc::new(function))));
        host.builtins.insert(name, slot);
    }
}

fn range(host: &mut RustHost, args: &[Slot]) -> HostResult<Slot> {
    let mut bounds = Vec::new();
    for arg in args {
        match host.as_int(arg).and_then(|value| value.to_i64()) {
            Some(value) => bounds.push(value),
            None => return Err(host.type_error("range() takes machine integers")),
        }
    }
    match bounds[..] {
        [stop] => host.make_range(0, stop, 1),
        [start, stop] => host.make_range(start, stop, 1),
        [_, _, 0] => Err(host.error("ValueError", "range() arg 3 must not be zero")),
        [start, stop, step] => host.make_range(start, stop, step),
        _ => Err(host.type_error("range() takes 1 to 3 arguments")),
    }
}

fn len(host: &mut RustHost, args: &[Slot]) -> HostResult<Slot> {
    let len = match host.get(&args[0]).as_deref() {
        Some(Object::Tuple(items) | Object::List(items) | Object::Set(items)) => items.len(),
        Some(Object::Dict(items)) => items.len(),
        Some(Object::Str(text)) => text.chars().count(),
        Some(Object::Array(array)) if !array.shape.is_empty() => array.shape[0] as usize,
        Some(&Object::Range { start, stop, step }) => range_len(start, stop, step) as usize,
        _ => {
            let text = format!("object of type '{}' has no len()", host.type_name(&args[0]));
            return Err(host.type_error(text));
        }
    };
    Ok(Slot::int(len as i64))
}

fn abs(host: &mut RustHost, args: &[Slot]) -> HostResult<Slot> {
    match (args[0].tag, host.as_int(&args[0])) {
        (_, Some(value)) => Ok(host.int(value.abs())),
        (Tag::Float, _) => Ok(Slot::float(args[0].as_f64().abs())),
        (Tag::Complex, _) => Ok(Slot::float(args[0].as_f64().hypot(f64::from_bits(args[0].b)))),
        _ => Err(host.type_error("bad operand type for abs()")),
    }
}

/// The first value that compares so with all before it.
fn extreme(host: &mut RustHost, args: &[Slot], op: CmpOp) -> HostResult<Slot> {
    let items = match args {
        [only] => host.collect(only)?,
        several => {
            several.iter().for_each(|arg| host.retain(arg));
            several.to_vec()
        }
    };
    let Some(mut best) = items.first().copied() else {
        return Err(host.error("ValueError", "arg is an empty sequence"));
    };
    let mut outcome = Ok(());
    for item in &items[1..] {
        match host.compare(op, item, &best) {
            Ok(Slot::TRUE) => best = *item,
            Ok(_) => {}
            Err(raised) => {
                outcome = Err(raised);
                break;
            }
        }
    }
    host.retain(&best);
    items.into_iter().for_each(|item| host.release(item));
    if outcome.is_err() {
        host.release(best);
    }
    outcome.map(|()| best)
}

fn sum(host: &mut RustHost, args: &[Slot]) -> HostResult<Slot> {
    let items = host.collect(&args[0])?;
    let mut total = Slot::int(0);
    for item in items {
        let next = host.binary_op(flashpoint_ir::generic::BinOp::Add, &total, &item);
        host.release(item);
        host.release(total);
        total = next?;
    }
    Ok(total)
}

fn int(host: &mut RustHost, args: &[Slot]) -> HostResult<Slot> {
    if let Some(value) = host.as_int(&args[0]) {
        return Ok(host.int(value));
    }
    if args[0].tag == Tag::Float || args[0].tag == Tag::Numpy {
        let value = if args[0].dtype().is_some_and(|dtype| dtype.is_int()) {
            return Ok(Slot::int(args[0].as_i64()));
        } else {
            args[0].as_f64()
        };
        return match BigInt::from_f64(value.trunc()) {
            Some(value) => Ok(host.int(value)),
            None if value.is_nan() => Err(host.error("ValueError", "cannot convert float NaN to integer")),
            None => Err(host.error("OverflowError", "cannot convert float infinity to integer")),
        };
    }
    if let Some(Object::Str(text)) = host.get(&args[0]).as_deref() {
        return match text.trim().parse::<BigInt>() {
            Ok(value) => Ok(host.int(value)),
            Err(_) => Err(host.error("ValueError", &format!("invalid literal for int() with base 10: '{text}'"))),
        };
    }
    Err(host.type_error("int() argument must be a string or a number"))
}

fn float(host: &mut RustHost, args: &[Slot]) -> HostResult<Slot> {
    match (args[0].tag, host.as_int(&args[0])) {
        (Tag::Float, _) => Ok(args[0]),
        (Tag::Numpy, _) if args[0].dtype().is_some_and(|dtype| dtype.is_int()) => {
            Ok(Slot::float(args[0].as_i64() as f64))
        }
        (Tag::Numpy, _) => Ok(Slot::float(args[0].as_f64())),
        (_, Some(value)) => match value.to_f64() {
            Some(value) if value.is_finite() => Ok(Slot::float(value)),
            _ => Err(host.error("OverflowError", "int too large to convert to float")),
        },
        _ => Err(host.type_error("float() argument must be a string or a number")),
    }
}

impl RustHost {
    /// Calls a method of a built-in type.
    pub(super) fn call_method(&mut self, receiver: &Slot, name: &str, args: &[Slot]) -> HostResult<Slot> {
        match (self.type_name(receiver), name, args) {
            ("list", "append", [value]) => self.append(receiver, value).map(|()| Slot::NONE),
            ("list", "pop", []) => {
                let last = match self.heap.get_mut(receiver) {
                    Object::List(items) => items.pop(),
                    _ => None,
                };
                last.ok_or_else(|| self.error("IndexError", "pop from empty list"))
            }
            ("dict", "get", [key, default]) => {
                let found = match self.get(receiver).as_deref() {
                    Some(Object::Dict(items)) => items.iter().find(|(k, _)| self.equal(k, key)).map(|(_, v)| *v),
                    _ => None,
                };
                let value = found.unwrap_or(*default);
                self.retain(&value);
                Ok(value)
            }
            (type_name, _, _) => {
                let text = format!("'{type_name}' object has no such method '{name}'");
                Err(self.error("AttributeError", &text))
            }
        }
    }

    /// `str(value)`, roughly.
    pub fn text(&self, slot: &Slot) -> String {
        match self.get(slot).as_deref() {
            Some(Object::Str(text)) => text.to_string(),
            _ => self.repr(slot),
        }
    }

    /// `repr(value)`, roughly: floats as Rust writes them.
    pub fn repr(&self, slot: &Slot) -> String {
        let list = |items: &[Slot]| items.iter().map(|item| self.repr(item)).collect::<Vec<_>>().join(", ");
        match slot.tag {
            Tag::None => "None".into(),
            Tag::Bool => (if slot.a != 0 { "True" } else { "False" }).into(),
            Tag::Int | Tag::Int128 => slot.as_i128().to_string(),
            Tag::Float => format!("{:?}", slot.as_f64()),
            Tag::Complex => format!("({:?}{:+?}j)", slot.as_f64(), f64::from_bits(slot.b)),
            Tag::Numpy if slot.dtype().is_some_and(|dtype| dtype.is_int()) => slot.as_i64().to_string(),
            Tag::Numpy => format!("{:?}", slot.as_f64()),
            Tag::Unbound | Tag::RangeIter | Tag::SeqIter => format!("<{:?}>", slot.tag),
            Tag::Object => match self.get(slot).as_deref() {
                Some(Object::Str(text)) => format!("'{text}'"),
                Some(Object::BigInt(value)) => value.to_string(),
                Some(Object::Tuple(items)) if items.len() == 1 => format!("({},)", self.repr(&items[0])),
                Some(Object::Tuple(items)) => format!("({})", list(items)),
                Some(Object::List(items)) => format!("[{}]", list(items)),
                Some(Object::Set(items)) => format!("{{{}}}", list(items)),
                Some(Object::Dict(items)) => {
                    let pair = |(key, value): &(Slot, Slot)| format!("{}: {}", self.repr(key), self.repr(value));
                    format!("{{{}}}", items.iter().map(pair).collect::<Vec<_>>().join(", "))
                }
                Some(object) => format!("<{}>", object.type_name()),
                None => "<released>".into(),
            },
        }
    }
}
