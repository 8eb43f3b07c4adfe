//! The [`Host`] trait.

use std::rc::Rc;

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{BinOp, CmpOp, ConstIdx, Conversion, NameIdx, NestedIdx, Pc, SlotIdx, SlotKind, UnOp};
use flashpoint_ir::slot::{Slot, Tag};

use super::object::Array;
use super::{Object, RECURSION_LIMIT, RustFunction, RustHost};
use crate::host::{ArrayFill, ArrayOrder, Host, HostArg, HostResult, Raised, Rematerialize};
use crate::tier0::operators;

impl RustHost {
    /// Takes references of borrowed slots.
    fn own(&mut self, items: &[Slot]) -> Vec<Slot> {
        items.iter().for_each(|item| self.heap.retain(item));
        items.to_vec()
    }

    /// The values of plain and starred items, owned.
    fn spread(&mut self, items: &[HostArg]) -> HostResult<Vec<Slot>> {
        let mut values = Vec::new();
        for item in items {
            match item {
                HostArg::Star(iterable) => match self.collect(iterable) {
                    Ok(more) => values.extend(more),
                    Err(raised) => {
                        values.into_iter().for_each(|value| self.release(value));
                        return Err(raised);
                    }
                },
                HostArg::Plain(value) => values.extend(self.own(&[*value])),
                HostArg::Keyword(..) | HostArg::DoubleStar(_) => unreachable!("displays have no keywords"),
            }
        }
        Ok(values)
    }

    fn call_any(&mut self, callee: &Slot, args: &[Slot], keywords: &[(String, Slot)]) -> HostResult<Slot> {
        match self.get(callee).as_deref() {
            Some(Object::Function(function)) => {
                let bound = function.bind(self, args, keywords)?;
                crate::tier0::call(&function.definition.code, &**function, self, &bound)
            }
            Some(Object::Native(native)) if keywords.is_empty() => (native.0)(self, args),
            Some(Object::Method { receiver, name }) if keywords.is_empty() => self.call_method(receiver, name, args),
            Some(Object::Class { .. }) if keywords.is_empty() => {
                self.retain(callee);
                let args = self.own(args);
                Ok(self.new_exception(*callee, args))
            }
            _ => {
                let text = format!("'{}' object is not callable", self.type_name(callee));
                Err(self.type_error(text))
            }
        }
    }

    fn cell_content(&mut self, function: &RustFunction, slot: SlotIdx, cell: &Slot) -> HostResult<Slot> {
        match self.get(cell).as_deref() {
            Some(Object::Cell(value)) if value.tag != Tag::Unbound => Ok(*value),
            _ => Err(self.unbound_error(function, slot)),
        }
    }

    fn unbound_error(&mut self, function: &RustFunction, slot: SlotIdx) -> Raised {
        let info = &function.definition.code.generic().slots[slot.0 as usize];
        if info.kind == SlotKind::Free {
            let text = format!(
                "cannot access free variable '{}' where it is not associated with a value in enclosing scope",
                info.name
            );
            return self.error("NameError", &text);
        }
        let text = format!("cannot access local variable '{}' where it is not associated with a value", info.name);
        self.error("UnboundLocalError", &text)
    }
}

impl Host for RustHost {
    type Function = RustFunction;

    fn retain(&mut self, slot: &Slot) {
        self.heap.retain(slot);
    }

    fn release(&mut self, slot: Slot) {
        self.heap.release(&slot);
    }

    fn constant(&mut self, function: &RustFunction, value: ConstIdx) -> Slot {
        let slot = function.definition.constant(self, value);
        self.retain(&slot);
        slot
    }

    fn enter_frame(&mut self, _: &RustFunction) -> HostResult<()> {
        if self.depth == RECURSION_LIMIT {
            return Err(self.error("RecursionError", "maximum recursion depth exceeded"));
        }
        self.depth += 1;
        Ok(())
    }

    fn leave_frame(&mut self) {
        self.depth -= 1;
    }

    fn load_closure(&mut self, function: &RustFunction, free: &mut [Slot]) {
        for (slot, cell) in free.iter_mut().zip(&function.closure) {
            self.retain(cell);
            *slot = *cell;
        }
    }

    fn poll(&mut self) -> HostResult<()> {
        self.n_polls += 1;
        if let Some(hook) = self.on_poll.clone() {
            hook(self);
        }
        if std::mem::take(&mut self.interrupt) {
            return Err(self.error("KeyboardInterrupt", ""));
        }
        Ok(())
    }

    fn load_global(&mut self, function: &RustFunction, name: NameIdx) -> HostResult<Slot> {
        let name = function.definition.name(name);
        let found = self.globals.get(name).or_else(|| self.builtins.get(name)).copied().or_else(|| self.class(name));
        match found {
            Some(value) => {
                self.retain(&value);
                Ok(value)
            }
            None => Err(self.error("NameError", &format!("name '{name}' is not defined"))),
        }
    }

    fn store_global(&mut self, function: &RustFunction, name: NameIdx, value: &Slot) -> HostResult<()> {
        self.retain(value);
        self.set_global(function.definition.name(name), *value);
        Ok(())
    }

    fn delete_global(&mut self, function: &RustFunction, name: NameIdx) -> HostResult<()> {
        let name = function.definition.name(name);
        match self.globals.remove(name) {
            Some(value) => {
                self.release(value);
                Ok(())
            }
            None => Err(self.error("NameError", &format!("name '{name}' is not defined"))),
        }
    }

    fn make_cell(&mut self, initial: Option<&Slot>) -> HostResult<Slot> {
        let value = initial.copied().unwrap_or(Slot::UNBOUND);
        self.retain(&value);
        Ok(self.object(Object::Cell(value)))
    }

    fn load_cell(&mut self, function: &RustFunction, slot: SlotIdx, cell: &Slot) -> HostResult<Slot> {
        let value = self.cell_content(function, slot, cell)?;
        self.retain(&value);
        Ok(value)
    }

    fn store_cell(&mut self, cell: &Slot, value: &Slot) {
        self.retain(value);
        if let Object::Cell(content) = self.heap.get_mut(cell) {
            let old = std::mem::replace(content, *value);
            self.release(old);
        }
    }

    fn delete_cell(&mut self, function: &RustFunction, slot: SlotIdx, cell: &Slot) -> HostResult<()> {
        self.cell_content(function, slot, cell)?;
        self.store_cell(cell, &Slot::UNBOUND);
        Ok(())
    }

    fn binary(&mut self, op: BinOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot> {
        self.binary_op(op, lhs, rhs)
    }

    fn in_place(&mut self, op: BinOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot> {
        self.in_place_op(op, lhs, rhs)
    }

    fn unary(&mut self, op: UnOp, operand: &Slot) -> HostResult<Slot> {
        self.unary_op(op, operand)
    }

    fn compare(&mut self, op: CmpOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot> {
        self.compare_op(op, lhs, rhs)
    }

    fn truth(&mut self, operand: &Slot) -> HostResult<bool> {
        if let Some(value) = operators::truth(operand) {
            return Ok(value);
        }
        Ok(match self.get(operand).as_deref() {
            Some(Object::Tuple(items) | Object::List(items) | Object::Set(items)) => !items.is_empty(),
            Some(Object::Dict(items)) => !items.is_empty(),
            Some(Object::Str(text)) => !text.is_empty(),
            Some(Object::Array(array)) if array.shape.iter().product::<i64>() != 1 => {
                return Err(self.error(
                    "ValueError",
                    "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()",
                ));
            }
            Some(_) => true,
            None if operand.dtype().is_some_and(|dtype| dtype.is_float()) => operand.as_f64() != 0.0,
            None => operand.a != 0,
        })
    }

    fn get_attr(&mut self, function: &RustFunction, object: &Slot, name: NameIdx) -> HostResult<Slot> {
        self.get_attr_named(object, function.definition.name(name))
    }

    fn set_attr(&mut self, function: &RustFunction, object: &Slot, name: NameIdx, _: &Slot) -> HostResult<()> {
        self.del_attr(function, object, name)
    }

    fn del_attr(&mut self, function: &RustFunction, object: &Slot, name: NameIdx) -> HostResult<()> {
        let name = function.definition.name(name);
        let text = format!("'{}' object attribute '{name}' is read-only", self.type_name(object));
        Err(self.error("AttributeError", &text))
    }

    fn get_item(&mut self, object: &Slot, index: &Slot) -> HostResult<Slot> {
        self.item(object, index)
    }

    fn set_item(&mut self, object: &Slot, index: &Slot, value: &Slot) -> HostResult<()> {
        self.store_item(object, index, value)
    }

    fn del_item(&mut self, object: &Slot, index: &Slot) -> HostResult<()> {
        self.delete_item(object, index)
    }

    fn iter(&mut self, iterable: &Slot) -> HostResult<Slot> {
        self.make_iter(iterable)
    }

    fn iter_next(&mut self, iterator: &mut Slot) -> HostResult<Option<Slot>> {
        self.next_of(iterator)
    }

    fn call(&mut self, callee: &Slot, args: &[Slot]) -> HostResult<Slot> {
        self.call_any(callee, args, &[])
    }

    fn call_ex(&mut self, function: &RustFunction, callee: &Slot, args: &[HostArg]) -> HostResult<Slot> {
        let mut keywords = Vec::new();
        let mut positional = Vec::new();
        for arg in args {
            match arg {
                HostArg::Keyword(name, value) => keywords.push((function.definition.name(*name).to_string(), *value)),
                HostArg::DoubleStar(mapping) => match self.get(mapping).as_deref() {
                    Some(Object::Dict(items)) => {
                        keywords.extend(items.iter().map(|(key, value)| (self.text(key), *value)));
                    }
                    _ => return Err(self.type_error("argument after ** must be a mapping")),
                },
                HostArg::Plain(_) | HostArg::Star(_) => positional.push(*arg),
            }
        }
        let positional = self.spread(&positional)?;
        let result = self.call_any(callee, &positional, &keywords);
        positional.into_iter().for_each(|value| self.release(value));
        result
    }

    fn make_function(
        &mut self,
        function: &RustFunction,
        nested: NestedIdx,
        defaults: &[Slot],
        keyword_defaults: &[(NameIdx, Slot)],
        closure: &[Slot],
    ) -> HostResult<Slot> {
        let Some(definition) = function.definition.nested[nested.0 as usize].clone() else {
            return Err(self.error("NotImplementedError", "generators need CPython"));
        };
        let mut new = RustFunction::new(definition, self.own(closure));
        new.defaults = self.own(defaults);
        for (name, value) in keyword_defaults {
            self.retain(value);
            new.keyword_defaults.push((function.definition.name(*name).to_string(), *value));
        }
        Ok(self.object(Object::Function(Rc::new(new))))
    }

    fn build_tuple(&mut self, items: &[Slot]) -> HostResult<Slot> {
        let items = self.own(items);
        Ok(self.object(Object::Tuple(items)))
    }

    fn build_tuple_ex(&mut self, items: &[HostArg]) -> HostResult<Slot> {
        let items = self.spread(items)?;
        Ok(self.object(Object::Tuple(items)))
    }

    fn build_list(&mut self, items: &[HostArg]) -> HostResult<Slot> {
        let items = self.spread(items)?;
        Ok(self.list(items))
    }

    fn build_set(&mut self, items: &[HostArg]) -> HostResult<Slot> {
        let items = self.spread(items)?;
        let set = self.object(Object::Set(Vec::new()));
        for item in items {
            let added = self.append(&set, &item);
            self.release(item);
            added?;
        }
        Ok(set)
    }

    fn build_dict(&mut self, items: &[(Option<Slot>, Slot)]) -> HostResult<Slot> {
        let dict = self.object(Object::Dict(Vec::new()));
        for (key, value) in items {
            match key {
                Some(key) => self.store_item(&dict, key, value)?,
                None => {
                    let mapping = self.get(value);
                    let Some(Object::Dict(more)) = mapping.as_deref() else {
                        self.release(dict);
                        return Err(self.type_error("argument after ** must be a mapping"));
                    };
                    for (key, value) in more {
                        self.store_item(&dict, key, value)?;
                    }
                }
            }
        }
        Ok(dict)
    }

    fn build_slice(&mut self, start: &Slot, stop: &Slot, step: &Slot) -> HostResult<Slot> {
        self.own(&[*start, *stop, *step]);
        Ok(self.object(Object::Slice(*start, *stop, *step)))
    }

    fn format_value(&mut self, value: &Slot, conversion: Conversion, spec: Option<&Slot>) -> HostResult<Slot> {
        if spec.is_some_and(|spec| !self.text(spec).is_empty()) {
            return Err(self.error("NotImplementedError", "format specifications need CPython"));
        }
        let text = match conversion {
            Conversion::Repr | Conversion::Ascii => self.repr(value),
            Conversion::None | Conversion::Str => self.text(value),
        };
        Ok(self.str(&text))
    }

    fn build_string(&mut self, parts: &[Slot]) -> HostResult<Slot> {
        let text: String = parts.iter().map(|part| self.text(part)).collect();
        Ok(self.str(&text))
    }

    fn append(&mut self, into: &Slot, value: &Slot) -> HostResult<()> {
        if let Some(Object::Set(items)) = self.get(into).as_deref()
            && items.iter().any(|item| self.equal(item, value))
        {
            return Ok(());
        }
        self.retain(value);
        if let Object::List(items) | Object::Set(items) = self.heap.get_mut(into) {
            items.push(*value);
        }
        Ok(())
    }

    fn insert(&mut self, into: &Slot, key: &Slot, value: &Slot) -> HostResult<()> {
        self.store_item(into, key, value)
    }

    fn unpack(&mut self, source: &Slot, before: usize, star: bool, out: &mut [Slot]) -> HostResult<()> {
        self.unpack_into(source, before, star, out)
    }

    fn import(&mut self, function: &RustFunction, module: NameIdx, _: &[NameIdx], _: u32) -> HostResult<Slot> {
        let text = format!("No module named '{}'", function.definition.name(module));
        Err(self.error("ImportError", &text))
    }

    fn import_from(&mut self, function: &RustFunction, _: &Slot, name: NameIdx) -> HostResult<Slot> {
        let text = format!("cannot import name '{}'", function.definition.name(name));
        Err(self.error("ImportError", &text))
    }

    fn raise(&mut self, exc: &Slot, cause: Option<&Slot>) -> Raised {
        self.raise_value(exc, cause)
    }

    fn raise_handled(&mut self) -> bool {
        let handled = self.handled;
        if !handled.owns() {
            let _pending = self.error("RuntimeError", "No active exception to reraise");
            return false;
        }
        self.retain(&handled);
        self.pending = Some(handled);
        true
    }

    fn raise_assertion(&mut self, message: Option<&Slot>) -> Raised {
        let class = self.class("AssertionError").unwrap_or(Slot::NONE);
        self.retain(&class);
        let args = message.map(|message| self.own(&[*message])).unwrap_or_default();
        let exception = self.new_exception(class, args);
        self.set_pending(exception)
    }

    fn raise_unbound_local(&mut self, function: &RustFunction, slot: SlotIdx) -> Raised {
        self.unbound_error(function, slot)
    }

    fn enter_handler(&mut self) -> (Slot, Slot) {
        let exc = self.pending.take().expect("an exception is pending");
        self.retain(&exc);
        (exc, std::mem::replace(&mut self.handled, exc))
    }

    fn leave_handler(&mut self, saved: Slot) {
        let handled = std::mem::replace(&mut self.handled, saved);
        self.release(handled);
    }

    fn reraise(&mut self, exc: Slot, saved: Slot) -> Raised {
        self.leave_handler(saved);
        self.pending = Some(exc);
        Raised
    }

    fn match_exception(&mut self, exc: &Slot, class: &Slot) -> HostResult<bool> {
        match self.matches(exc, class) {
            Some(matches) => Ok(matches),
            None => Err(self.type_error("catching classes that do not inherit from BaseException is not allowed")),
        }
    }

    fn with_enter(&mut self, manager: &Slot) -> HostResult<(Slot, Slot)> {
        let object = self.get(manager);
        let Some(Object::Manager { enter, exit }) = object.as_deref() else {
            let text = format!("'{}' object does not support the context manager protocol", self.type_name(manager));
            return Err(self.type_error(text));
        };
        let value = self.call(enter, &[])?;
        self.retain(exit);
        Ok((*exit, value))
    }

    fn with_exit(&mut self, exit: &Slot, exc: Option<&Slot>) -> HostResult<Slot> {
        // The class and the traceback are not passed: a test's manager does not look at them.
        let exc = exc.copied().unwrap_or(Slot::NONE);
        self.call(exit, &[Slot::NONE, exc, Slot::NONE])
    }

    fn add_traceback(&mut self, function: &RustFunction, pc: Pc) {
        let generic = function.definition.code.generic();
        self.add_traceback_entry(&generic.name, generic.spans[pc.0 as usize].line);
    }

    fn describe(&mut self, slot: &Slot) -> String {
        format!("{} {}", self.type_name(slot), self.repr(slot))
    }
}

impl Rematerialize for RustHost {
    fn fill_cell(&mut self, cell: &Slot, content: &Slot) {
        self.store_cell(cell, content);
    }

    fn make_range(&mut self, start: i64, stop: i64, step: i64) -> HostResult<Slot> {
        if self.out_of_memory {
            return Err(self.error("RuntimeError", "out of memory"));
        }
        Ok(self.object(Object::Range { start, stop, step }))
    }

    fn make_iterator(&mut self, iterator: &Slot) -> HostResult<Slot> {
        self.retain(iterator);
        Ok(self.object(Object::Iterator(*iterator)))
    }

    fn make_enumerate(&mut self, count: i64, iterator: &Slot) -> HostResult<Slot> {
        self.retain(iterator);
        Ok(self.object(Object::Enumerate { count, inner: *iterator }))
    }

    fn make_zip(&mut self, iterators: &[Slot], strict: bool) -> HostResult<Slot> {
        let inner = self.own(iterators);
        Ok(self.object(Object::Zip { inner, strict }))
    }

    /// `data` is the byte offset of the first element in the owner's memory: this host has no addresses.
    fn make_view(
        &mut self,
        owner: &Slot,
        dtype: DType,
        data: u64,
        extents: &[i64],
        strides: &[i64],
    ) -> HostResult<Slot> {
        let object = self.get(owner);
        let Some(Object::Array(array)) = object.as_deref() else {
            return Err(self.type_error("the owner of a view is an array"));
        };
        let view = Array {
            dtype,
            data: array.data.clone(),
            offset: data as i64 / 8,
            shape: extents.to_vec(),
            strides: strides.iter().map(|stride| stride / 8).collect(),
        };
        Ok(self.object(Object::Array(view)))
    }

    fn get_attr_named(&mut self, object: &Slot, name: &str) -> HostResult<Slot> {
        match (self.get(object).as_deref(), name) {
            (Some(Object::Array(array)), "shape") => {
                let shape: Vec<Slot> = array.shape.iter().map(|&extent| Slot::int(extent)).collect();
                self.build_tuple(&shape)
            }
            (Some(Object::Exception(exception)), "args") => self.build_tuple(&exception.args),
            (Some(Object::Exception(exception)), "__cause__" | "__context__") => {
                let value = if name == "__cause__" { exception.cause } else { exception.context };
                self.retain(&value);
                Ok(value)
            }
            (Some(Object::List(_) | Object::Dict(_)), _) => {
                self.retain(object);
                Ok(self.object(Object::Method { receiver: *object, name: name.into() }))
            }
            _ => {
                let text = format!("'{}' object has no attribute '{name}'", self.type_name(object));
                Err(self.error("AttributeError", &text))
            }
        }
    }

    fn new_array(&mut self, dtype: DType, extents: &[i64], fill: ArrayFill, order: ArrayOrder) -> HostResult<Slot> {
        let one = match dtype {
            DType::F64 => 1.0f64.to_bits(),
            DType::I64 => 1,
            _ => return Err(self.type_error("this host's arrays are of int64 or float64")),
        };
        let word = if fill == ArrayFill::Ones { one } else { 0 };
        let len = extents.iter().product::<i64>();
        let mut array = Array::new(dtype, extents, vec![word; len as usize]);
        if order == ArrayOrder::Fortran {
            let mut stride = 1;
            for (axis, extent) in extents.iter().enumerate() {
                array.strides[axis] = stride;
                stride *= extent;
            }
        }
        Ok(self.object(Object::Array(array)))
    }
}
