//! Subscripts, iteration, unpacking.

use std::rc::Rc;

use flashpoint_ir::dtype::DType;
use flashpoint_ir::slot::{Slot, Tag};
use num_traits::ToPrimitive;

use super::object::Array;
use super::{Object, RustHost};
use crate::host::{Host, HostResult};

impl RustHost {
    /// An index as a machine integer.
    fn index(&mut self, slot: &Slot) -> HostResult<i64> {
        if slot.tag == Tag::Numpy && slot.dtype() == Some(DType::I64) {
            return Ok(slot.as_i64());
        }
        match self.as_int(slot) {
            Some(value) => {
                value.to_i64().ok_or_else(|| self.error("IndexError", "cannot fit 'int' into an index-sized integer"))
            }
            None => {
                let text = format!("indices must be integers or slices, not {}", self.type_name(slot));
                Err(self.type_error(text))
            }
        }
    }

    /// A position in a sequence; negative ones count from the end.
    fn position(&mut self, index: &Slot, len: usize, what: &str) -> HostResult<usize> {
        let index = self.index(index)?;
        let position = if index < 0 { index + len as i64 } else { index };
        if (0..len as i64).contains(&position) {
            Ok(position as usize)
        } else {
            Err(self.error("IndexError", &format!("{what} out of range")))
        }
    }

    pub(super) fn item(&mut self, object: &Slot, index: &Slot) -> HostResult<Slot> {
        let value = match self.get(object).as_deref() {
            Some(Object::List(items)) => items[self.position(index, items.len(), "list index")?],
            Some(Object::Tuple(items)) => items[self.position(index, items.len(), "tuple index")?],
            Some(Object::Str(text)) => {
                let chars: Vec<char> = text.chars().collect();
                let position = self.position(index, chars.len(), "string index")?;
                return Ok(self.str(&chars[position].to_string()));
            }
            Some(Object::Dict(items)) => match items.iter().find(|(key, _)| self.equal(key, index)) {
                Some((_, value)) => *value,
                None => {
                    self.retain(index);
                    let class = self.class("KeyError").unwrap_or(Slot::NONE);
                    self.retain(&class);
                    let exception = self.new_exception(class, vec![*index]);
                    return Err(self.set_pending(exception));
                }
            },
            Some(Object::Array(array)) => {
                let view = self.view_at(array, index)?;
                if view.shape.is_empty() {
                    return Ok(view.element());
                }
                return Ok(self.object(Object::Array(view)));
            }
            _ => {
                let text = format!("'{}' object is not subscriptable", self.type_name(object));
                return Err(self.type_error(text));
            }
        };
        self.retain(&value);
        Ok(value)
    }

    /// The element or sub-array at an index or a tuple of indices.
    fn view_at(&mut self, array: &Array, index: &Slot) -> HostResult<Array> {
        let indices = match self.get(index).as_deref() {
            Some(Object::Tuple(items)) => items.clone(),
            _ => vec![*index],
        };
        let mut view = array.clone();
        for (axis, index) in indices.iter().enumerate() {
            let Some(&len) = view.shape.first() else {
                return Err(self.error("IndexError", "too many indices for array"));
            };
            let given = self.index(index)?;
            let position = if given < 0 { given + len } else { given };
            if !(0..len).contains(&position) {
                let text = format!("index {given} is out of bounds for axis {axis} with size {len}");
                return Err(self.error("IndexError", &text));
            }
            view = view.at(position);
        }
        Ok(view)
    }

    pub(super) fn store_item(&mut self, object: &Slot, index: &Slot, value: &Slot) -> HostResult<()> {
        let read = self.get(object);
        match read.as_deref() {
            Some(Object::List(items)) => {
                let position = self.position(index, items.len(), "list assignment index")?;
                drop(read);
                self.retain(value);
                if let Object::List(items) = self.heap.get_mut(object) {
                    let old = std::mem::replace(&mut items[position], *value);
                    self.release(old);
                }
            }
            Some(Object::Dict(items)) => {
                let found = items.iter().position(|(key, _)| self.equal(key, index));
                drop(read);
                self.retain(value);
                if found.is_none() {
                    self.retain(index);
                }
                if let Object::Dict(items) = self.heap.get_mut(object) {
                    if let Some(position) = found {
                        let old = std::mem::replace(&mut items[position].1, *value);
                        self.release(old);
                    } else {
                        items.push((*index, *value));
                    }
                }
            }
            Some(Object::Array(array)) => {
                let view = self.view_at(array, index)?;
                let word = match (array.dtype, value.tag) {
                    (DType::F64, Tag::Float) | (DType::I64, Tag::Int | Tag::Bool) => value.a,
                    (DType::F64, Tag::Int) => (value.as_i64() as f64).to_bits(),
                    (DType::I64, Tag::Float) => value.as_f64() as i64 as u64,
                    (dtype, Tag::Numpy) if value.dtype() == Some(dtype) => value.a,
                    _ => return Err(self.type_error("the value does not fit the array")),
                };
                if !view.shape.is_empty() {
                    return Err(self.type_error("only single elements are assigned"));
                }
                view.data.borrow_mut()[view.offset as usize] = word;
            }
            _ => {
                let text = format!("'{}' object does not support item assignment", self.type_name(object));
                return Err(self.type_error(text));
            }
        }
        Ok(())
    }

    pub(super) fn delete_item(&mut self, object: &Slot, index: &Slot) -> HostResult<()> {
        let read = self.get(object);
        let position = match read.as_deref() {
            Some(Object::List(items)) => self.position(index, items.len(), "list assignment index")?,
            Some(Object::Dict(items)) => match items.iter().position(|(key, _)| self.equal(key, index)) {
                Some(position) => position,
                None => return Err(self.error("KeyError", "no such key")),
            },
            _ => return Err(self.type_error("object does not support item deletion")),
        };
        drop(read);
        let (first, second) = match self.heap.get_mut(object) {
            Object::List(items) => (items.remove(position), Slot::NONE),
            Object::Dict(items) => items.remove(position),
            _ => (Slot::NONE, Slot::NONE),
        };
        self.release(first);
        self.release(second);
        Ok(())
    }

    pub(super) fn make_iter(&mut self, iterable: &Slot) -> HostResult<Slot> {
        if matches!(iterable.tag, Tag::RangeIter | Tag::SeqIter) {
            self.retain(iterable);
            return Ok(*iterable);
        }
        match self.get(iterable).as_deref() {
            Some(&Object::Range { start, stop, step }) if i32::try_from(step).is_ok() => {
                Ok(Slot::range_iter(start, range_len(start, stop, step), step as i32))
            }
            Some(Object::List(_) | Object::Tuple(_) | Object::Array(_)) => {
                self.retain(iterable);
                Ok(Slot::seq_iter(iterable.a, 0))
            }
            Some(Object::Str(text)) => {
                let chars: Vec<String> = text.chars().map(String::from).collect();
                let items = chars.iter().map(|c| self.str(c)).collect();
                let list = self.list(items);
                Ok(Slot::seq_iter(list.a, 0))
            }
            Some(Object::Dict(items)) => {
                let keys: Vec<Slot> = items.iter().map(|(key, _)| *key).collect();
                keys.iter().for_each(|key| self.retain(key));
                let list = self.list(keys);
                Ok(Slot::seq_iter(list.a, 0))
            }
            Some(Object::Set(items)) => {
                items.iter().for_each(|item| self.retain(item));
                let list = self.list(items.clone());
                Ok(Slot::seq_iter(list.a, 0))
            }
            Some(Object::Enumerate { .. } | Object::Zip { .. } | Object::Iterator(_)) => {
                self.retain(iterable);
                Ok(*iterable)
            }
            _ => {
                let text = format!("'{}' object is not iterable", self.type_name(iterable));
                Err(self.type_error(text))
            }
        }
    }

    /// The next value of any iterator, a `RangeIter` included.
    pub(super) fn next_of(&mut self, iterator: &mut Slot) -> HostResult<Option<Slot>> {
        match iterator.tag {
            Tag::RangeIter => {
                if iterator.b == 0 {
                    return Ok(None);
                }
                let value = Slot::int(iterator.as_i64());
                iterator.a = iterator.a.wrapping_add(i64::from(iterator.aux as i32) as u64);
                iterator.b -= 1;
                Ok(Some(value))
            }
            Tag::SeqIter => {
                let value = match self.get(iterator).as_deref() {
                    None => return Ok(None),
                    Some(Object::List(items) | Object::Tuple(items)) => items.get(iterator.b as usize).copied(),
                    Some(Object::Array(array)) if (iterator.b as i64) < array.shape.first().copied().unwrap_or(0) => {
                        let view = array.at(iterator.b as i64);
                        iterator.b += 1;
                        let scalar = view.shape.is_empty();
                        return Ok(Some(if scalar { view.element() } else { self.object(Object::Array(view)) }));
                    }
                    Some(_) => None,
                };
                let Some(value) = value else {
                    let sequence = *iterator;
                    iterator.a = 0;
                    self.release(sequence);
                    return Ok(None);
                };
                iterator.b += 1;
                self.retain(&value);
                Ok(Some(value))
            }
            _ => self.next_of_object(iterator),
        }
    }

    fn next_of_object(&mut self, iterator: &Slot) -> HostResult<Option<Slot>> {
        let read: Option<Rc<Object>> = self.get(iterator);
        match read.as_deref() {
            Some(&Object::Enumerate { count, mut inner }) => {
                drop(read);
                let next = self.next_of(&mut inner)?;
                let step = i64::from(next.is_some());
                self.heap.replace(iterator, Object::Enumerate { count: count + step, inner });
                Ok(next.map(|value| self.object(Object::Tuple(vec![Slot::int(count), value]))))
            }
            Some(Object::Zip { inner, strict }) => {
                let (mut inner, strict) = (inner.clone(), *strict);
                drop(read);
                let mut values = Vec::new();
                for iterator in &mut inner {
                    match self.next_of(iterator)? {
                        Some(value) => values.push(value),
                        None => break,
                    }
                }
                let (wanted, got) = (inner.len(), values.len());
                self.heap.replace(iterator, Object::Zip { inner, strict });
                if got == wanted && wanted > 0 {
                    return Ok(Some(self.object(Object::Tuple(values))));
                }
                values.into_iter().for_each(|value| self.release(value));
                if strict && got > 0 {
                    let text = format!("zip() argument {} is shorter than argument 1", got + 1);
                    return Err(self.error("ValueError", &text));
                }
                Ok(None)
            }
            Some(&Object::Iterator(mut inner)) => {
                drop(read);
                let next = self.next_of(&mut inner)?;
                self.heap.replace(iterator, Object::Iterator(inner));
                Ok(next)
            }
            _ => {
                let text = format!("'{}' object is not an iterator", self.type_name(iterator));
                Err(self.type_error(text))
            }
        }
    }

    /// All values of an iterable, owned.
    pub(super) fn collect(&mut self, iterable: &Slot) -> HostResult<Vec<Slot>> {
        let mut iterator = self.make_iter(iterable)?;
        let mut items = Vec::new();
        let outcome = loop {
            match self.next_of(&mut iterator) {
                Ok(Some(value)) => items.push(value),
                Ok(None) => break Ok(()),
                Err(raised) => break Err(raised),
            }
        };
        self.release(iterator);
        if let Err(raised) = outcome {
            items.into_iter().for_each(|item| self.release(item));
            return Err(raised);
        }
        Ok(items)
    }

    pub(super) fn contains(&mut self, container: &Slot, value: &Slot) -> HostResult<bool> {
        if let (Some(Object::Str(text)), Some(Object::Str(part))) =
            (self.get(container).as_deref(), self.get(value).as_deref())
        {
            return Ok(text.contains(&**part));
        }
        let items = self.collect(container)?;
        let found = items.iter().any(|item| self.equal(item, value));
        items.into_iter().for_each(|item| self.release(item));
        Ok(found)
    }

    pub(super) fn unpack_into(&mut self, source: &Slot, before: usize, star: bool, out: &mut [Slot]) -> HostResult<()> {
        let mut items = self.collect(source)?;
        let fixed = out.len() - usize::from(star);
        if items.len() < fixed || (!star && items.len() > fixed) {
            let text = match (star, items.len() > fixed) {
                (false, true) => format!("too many values to unpack (expected {fixed})"),
                (false, false) => format!("not enough values to unpack (expected {fixed}, got {})", items.len()),
                (true, _) => format!("not enough values to unpack (expected at least {fixed}, got {})", items.len()),
            };
            items.into_iter().for_each(|item| self.release(item));
            return Err(self.error("ValueError", &text));
        }
        let after = items.split_off(items.len() - (fixed - before));
        let middle = items.split_off(before);
        let star = star.then(|| self.list(middle));
        for (out, value) in out.iter_mut().zip(items.into_iter().chain(star).chain(after)) {
            *out = value;
        }
        Ok(())
    }
}

/// Number of values of a range.
pub(super) fn range_len(start: i64, stop: i64, step: i64) -> u64 {
    let (start, stop, step) = (i128::from(start), i128::from(stop), i128::from(step));
    let distance = if step > 0 { stop - start } else { start - stop };
    let step = step.abs();
    if distance <= 0 { 0 } else { ((distance + step - 1) / step) as u64 }
}
