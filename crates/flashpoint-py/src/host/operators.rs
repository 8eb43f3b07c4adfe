//! [`Host`] for CPython: each method is the C API's function of the same meaning, or a few lines in the sister modules.
#![allow(unsafe_code, reason = "slots hold addresses of Python objects")]

use flashpoint_engine::host::{Host, HostArg, HostResult, Raised};
use flashpoint_ir::generic::{BinOp, CmpOp, ConstIdx, Conversion, NameIdx, NestedIdx, Pc, SlotIdx, UnOp};
use flashpoint_ir::slot::{Slot, Tag};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyString, PyTuple};

use super::convert::{from_bound, object_of, to_bound};
use super::data::FunctionData;
use super::protocols::{extend, not_a_manager, special, update};
use super::{CPythonHost, calls, exceptions, raised, stack};

impl<'py> CPythonHost<'py> {
    #[inline]
    pub(super) fn bound(&self, slot: &Slot) -> HostResult<Bound<'py, PyAny>> {
        raised(self.py, to_bound(self.py, self.numpy, slot))
    }

    fn slot(&self, result: PyResult<Bound<'py, PyAny>>) -> HostResult<Slot> {
        raised(self.py, result).map(|object| from_bound(self.numpy, object))
    }

    pub(super) fn undefined(&self, function: &FunctionData, name: NameIdx) -> Raised {
        exceptions::raise_undefined(self.py, &function.name(self.py, name).to_string_lossy())
    }

    fn empty_cell(&self, function: &FunctionData, slot: SlotIdx) -> Raised {
        let name = function.slot_name(slot);
        if function.is_free(slot) {
            exceptions::raise_unbound_free(self.py, name)
        } else {
            exceptions::raise_unbound_local(self.py, name)
        }
    }
}

impl Host for CPythonHost<'_> {
    type Function = FunctionData;

    #[inline]
    fn retain(&mut self, slot: &Slot) {
        if slot.owns() {
            // SAFETY: a slot that owns a reference holds a live object; the GIL is held.
            unsafe { ffi::Py_INCREF(slot.a as *mut ffi::PyObject) };
        }
    }

    #[inline]
    fn release(&mut self, slot: Slot) {
        if slot.owns() {
            // SAFETY: as above; the reference is given up. Deallocators keep a pending exception.
            unsafe { ffi::Py_DECREF(slot.a as *mut ffi::PyObject) };
        }
    }

    fn constant(&mut self, function: &FunctionData, value: ConstIdx) -> Slot {
        match function.constant(self.py, value) {
            Ok(object) => from_bound(self.numpy, object),
            // Only memory can be short.
            Err(_) => Slot::NONE,
        }
    }

    #[inline]
    fn enter_frame(&mut self, function: &FunctionData) -> HostResult<()> {
        stack::check(self.py)?;
        stack::enter(self.py)?;
        self.push_frame(function);
        Ok(())
    }

    #[inline(always)]
    fn enter_inner_frame(&mut self, function: &FunctionData) -> HostResult<()> {
        self.count_call()?;
        self.frame = (function, Pc(0));
        Ok(())
    }

    #[inline(always)]
    fn leave_inner_frame(&mut self, caller: &FunctionData, pc: Pc) {
        self.frame = (caller, pc);
        self.uncount_call();
    }

    fn raise_too_deep(&mut self) -> Raised {
        stack::raise(self.py)
    }

    #[inline]
    fn leave_frame(&mut self) {
        self.pop_frame();
        stack::leave();
    }

    #[inline]
    fn set_position(&mut self, pc: Pc) {
        self.frame.1 = pc;
    }

    fn load_closure(&mut self, function: &FunctionData, free: &mut [Slot]) {
        if let Some(cells) = function.closure(self.py) {
            for (slot, cell) in free.iter_mut().zip(cells.iter()) {
                *slot = Slot::object(cell.into_ptr() as u64);
            }
        }
    }

    fn poll(&mut self) -> HostResult<()> {
        // CPython's own evaluation loop does all that is due: signals, pending calls, handing over the GIL. A handler sees
        // the running frame. Costs about 0.1 µs.
        let nothing = self.snippet("lambda: None", &[])?;
        debug_assert_eq!(nothing, Slot::NONE);
        Ok(())
    }

    fn load_global(&mut self, function: &FunctionData, name: NameIdx) -> HostResult<Slot> {
        self.look_up_global(function, name)
    }

    #[inline(always)]
    fn known_global(&self, function: &FunctionData, name: NameIdx) -> Option<Slot> {
        super::globals::known(function, name)
    }

    fn store_global(&mut self, function: &FunctionData, name: NameIdx, value: &Slot) -> HostResult<()> {
        let value = self.bound(value)?;
        let key = function.name(self.py, name);
        // SAFETY: `__globals__` is a dict; it takes references of its own.
        let status = unsafe { ffi::PyDict_SetItem(function.globals, key.as_ptr(), value.as_ptr()) };
        if status < 0 { Err(Raised) } else { Ok(()) }
    }

    fn delete_global(&mut self, function: &FunctionData, name: NameIdx) -> HostResult<()> {
        let globals = function.globals(self.py);
        match globals.del_item(function.name(self.py, name)) {
            Ok(()) => Ok(()),
            Err(error) if error.is_instance_of::<pyo3::exceptions::PyKeyError>(self.py) => {
                Err(self.undefined(function, name))
            }
            Err(error) => raised(self.py, Err(error)),
        }
    }

    fn make_cell(&mut self, initial: Option<&Slot>) -> HostResult<Slot> {
        let initial = initial.map(|slot| self.bound(slot)).transpose()?;
        // SAFETY: the cell takes a reference of its own.
        let cell = unsafe { ffi::PyCell_New(initial.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr)) };
        self.owned(cell)
    }

    fn load_cell(&mut self, function: &FunctionData, slot: SlotIdx, cell: &Slot) -> HostResult<Slot> {
        // SAFETY: slots of the kinds `Cell` and `Free` hold cells.
        let value = unsafe { ffi::PyCell_Get(cell.a as *mut ffi::PyObject) };
        if value.is_null() { Err(self.empty_cell(function, slot)) } else { self.owned(value) }
    }

    fn store_cell(&mut self, cell: &Slot, value: &Slot) {
        let Ok(value) = self.bound(value) else { return };
        // SAFETY: as above; the cell takes a reference of its own.
        unsafe { ffi::PyCell_Set(cell.a as *mut ffi::PyObject, value.as_ptr()) };
    }

    fn delete_cell(&mut self, function: &FunctionData, slot: SlotIdx, cell: &Slot) -> HostResult<()> {
        // SAFETY: as above.
        unsafe {
            let value = ffi::PyCell_Get(cell.a as *mut ffi::PyObject);
            if value.is_null() {
                return Err(self.empty_cell(function, slot));
            }
            ffi::PyCell_Set(cell.a as *mut ffi::PyObject, std::ptr::null_mut());
            ffi::Py_DECREF(value);
        }
        Ok(())
    }

    fn binary(&mut self, op: BinOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot> {
        self.apply_binary(op, lhs, rhs)
    }

    fn in_place(&mut self, op: BinOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot> {
        self.apply_in_place(op, lhs, rhs)
    }

    fn unary(&mut self, op: UnOp, operand: &Slot) -> HostResult<Slot> {
        self.apply_unary(op, operand)
    }

    fn compare(&mut self, op: CmpOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot> {
        self.apply_compare(op, lhs, rhs)
    }

    fn truth(&mut self, operand: &Slot) -> HostResult<bool> {
        if self.is_numpy(operand) && operand.tag == Tag::Object {
            return Ok(self.snippet("lambda a: True if a else False", &[*operand])? == Slot::TRUE);
        }
        let object = self.bound(operand)?;
        raised(self.py, object.is_truthy())
    }

    fn get_attr(&mut self, function: &FunctionData, object: &Slot, name: NameIdx) -> HostResult<Slot> {
        let key = function.name(self.py, name);
        if let Some(module) = object_of(object) {
            // SAFETY: a live object; results of the dictionary are borrowed.
            unsafe {
                if ffi::PyModule_CheckExact(module) != 0 {
                    let value = ffi::PyDict_GetItemWithError(ffi::PyModule_GetDict(module), key.as_ptr());
                    if !value.is_null() {
                        ffi::Py_INCREF(value);
                        return self.owned(value);
                    }
                    ffi::PyErr_Clear();
                    // A module's `__getattr__` warns about old names.
                    return self.snippet(format!("lambda a: a.{key}"), &[*object]);
                }
            }
        }
        let key = key.as_ptr();
        // SAFETY: live objects.
        self.apply([object], |[a]| unsafe { ffi::PyObject_GetAttr(a, key) })
    }

    fn set_attr(&mut self, function: &FunctionData, object: &Slot, name: NameIdx, value: &Slot) -> HostResult<()> {
        let (object, value) = (self.bound(object)?, self.bound(value)?);
        raised(self.py, object.setattr(function.name(self.py, name), value))
    }

    fn del_attr(&mut self, function: &FunctionData, object: &Slot, name: NameIdx) -> HostResult<()> {
        let object = self.bound(object)?;
        raised(self.py, object.delattr(function.name(self.py, name)))
    }

    #[inline]
    fn get_item(&mut self, object: &Slot, index: &Slot) -> HostResult<Slot> {
        self.read_item(object, index)
    }

    #[inline]
    fn get_element(&mut self, object: &Slot, indices: &[Slot]) -> Option<Slot> {
        self.read_element_in_place(object, indices)
    }

    #[inline]
    fn set_element(&mut self, object: &Slot, indices: &[Slot], value: &Slot) -> bool {
        self.write_element_in_place(object, indices, value).is_some()
    }

    #[inline]
    fn set_item(&mut self, object: &Slot, index: &Slot, value: &Slot) -> HostResult<()> {
        self.write_item(object, index, value)
    }

    fn del_item(&mut self, object: &Slot, index: &Slot) -> HostResult<()> {
        let (object, index) = (self.bound(object)?, self.bound(index)?);
        raised(self.py, object.del_item(index))
    }

    fn iter(&mut self, iterable: &Slot) -> HostResult<Slot> {
        self.new_iterator(iterable)
    }

    #[inline]
    fn iter_next(&mut self, iterator: &mut Slot) -> HostResult<Option<Slot>> {
        self.advance(iterator)
    }

    fn call(&mut self, callee: &Slot, args: &[Slot]) -> HostResult<Slot> {
        self.call_plain(callee, args)
    }

    fn call_ex(&mut self, function: &FunctionData, callee: &Slot, args: &[HostArg]) -> HostResult<Slot> {
        self.call_any(function, callee, args)
    }

    fn make_function(
        &mut self,
        function: &FunctionData,
        nested: NestedIdx,
        defaults: &[Slot],
        keyword_defaults: &[(NameIdx, Slot)],
        closure: &[Slot],
    ) -> HostResult<Slot> {
        let made = self.new_function(function, nested, defaults, keyword_defaults, closure);
        raised(self.py, made)
    }

    fn build_tuple(&mut self, items: &[Slot]) -> HostResult<Slot> {
        let tuple = self.tuple(items);
        self.slot(tuple.map(Bound::into_any))
    }

    fn build_tuple_ex(&mut self, items: &[HostArg]) -> HostResult<Slot> {
        let list = self.build_list(items)?;
        let tuple = self.bound(&list).and_then(|list| {
            // SAFETY: a live list.
            let tuple = unsafe { ffi::PyList_AsTuple(list.as_ptr()) };
            self.owned(tuple)
        });
        self.release(list);
        tuple
    }

    fn build_list(&mut self, items: &[HostArg]) -> HostResult<Slot> {
        let list = PyList::empty(self.py);
        for item in items {
            match item {
                HostArg::Star(slot) => {
                    let iterable = self.bound(slot)?;
                    raised(self.py, extend(&list, &iterable))?;
                }
                HostArg::Plain(slot) | HostArg::Keyword(_, slot) | HostArg::DoubleStar(slot) => {
                    let value = self.bound(slot)?;
                    raised(self.py, list.append(value))?;
                }
            }
        }
        Ok(Slot::object(list.into_ptr() as u64))
    }

    fn build_set(&mut self, items: &[HostArg]) -> HostResult<Slot> {
        let set = raised(self.py, PySet::empty(self.py))?;
        for item in items {
            match item {
                HostArg::Star(slot) => {
                    let iterable = self.bound(slot)?;
                    raised(self.py, set.call_method1(intern!(self.py, "update"), (iterable,)))?;
                }
                HostArg::Plain(slot) | HostArg::Keyword(_, slot) | HostArg::DoubleStar(slot) => {
                    let value = self.bound(slot)?;
                    raised(self.py, set.add(value))?;
                }
            }
        }
        Ok(Slot::object(set.into_ptr() as u64))
    }

    fn build_dict(&mut self, items: &[(Option<Slot>, Slot)]) -> HostResult<Slot> {
        let dict = PyDict::new(self.py);
        for (key, value) in items {
            let value = self.bound(value)?;
            match key {
                Some(key) => {
                    let key = self.bound(key)?;
                    raised(self.py, dict.set_item(key, value))?;
                }
                None => raised(self.py, update(&dict, &value))?,
            }
        }
        Ok(Slot::object(dict.into_ptr() as u64))
    }

    fn build_slice(&mut self, start: &Slot, stop: &Slot, step: &Slot) -> HostResult<Slot> {
        // SAFETY: live objects.
        self.apply([start, stop, step], |[a, b, c]| unsafe { ffi::PySlice_New(a, b, c) })
    }

    fn format_value(&mut self, value: &Slot, conversion: Conversion, spec: Option<&Slot>) -> HostResult<Slot> {
        let value = self.bound(value)?;
        let converted = match conversion {
            Conversion::None => Ok(value),
            Conversion::Str => value.str().map(Bound::into_any),
            Conversion::Repr => value.repr().map(Bound::into_any),
            // SAFETY: a live object; the result is owned or null.
            Conversion::Ascii => unsafe { Bound::from_owned_ptr_or_err(self.py, ffi::PyObject_ASCII(value.as_ptr())) },
        };
        let value = raised(self.py, converted)?;
        let spec = spec.map(|spec| self.bound(spec)).transpose()?;
        // SAFETY: live objects, or null for no specification.
        let text =
            unsafe { ffi::PyObject_Format(value.as_ptr(), spec.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr)) };
        self.owned(text)
    }

    fn build_string(&mut self, parts: &[Slot]) -> HostResult<Slot> {
        let parts = self.tuple(parts);
        let parts = raised(self.py, parts)?;
        let separator = PyString::intern(self.py, "");
        // SAFETY: live objects.
        let text = unsafe { ffi::PyUnicode_Join(separator.as_ptr(), parts.as_ptr()) };
        self.owned(text)
    }

    fn append(&mut self, into: &Slot, value: &Slot) -> HostResult<()> {
        let (into, value) = (self.bound(into)?, self.bound(value)?);
        match into.cast::<PyList>() {
            Ok(list) => raised(self.py, list.append(value)),
            Err(_) => raised(self.py, into.cast::<PySet>().map_err(PyErr::from).and_then(|set| set.add(value))),
        }
    }

    fn insert(&mut self, into: &Slot, key: &Slot, value: &Slot) -> HostResult<()> {
        let (into, key, value) = (self.bound(into)?, self.bound(key)?, self.bound(value)?);
        raised(self.py, into.set_item(key, value))
    }

    fn unpack(&mut self, source: &Slot, before: usize, star: bool, out: &mut [Slot]) -> HostResult<()> {
        if !star && let Some(object) = object_of(source) {
            let object = raised(self.py, to_bound(self.py, self.numpy, &Slot::object(object as u64)))?;
            if let Ok(tuple) = object.cast_exact::<PyTuple>()
                && tuple.len() == out.len()
            {
                out.iter_mut().zip(tuple.iter()).for_each(|(slot, item)| *slot = from_bound(self.numpy, item));
                return Ok(());
            }
        }
        // CPython unpacks, so that its texts are its own.
        let names: Vec<String> =
            (0..out.len()).map(|i| if star && i == before { format!("*a{i}, ") } else { format!("a{i}, ") }).collect();
        let results = (0..out.len()).map(|i| format!("a{i}, ")).collect::<String>();
        let (targets, results) =
            if out.is_empty() { ("[]".to_owned(), "()".to_owned()) } else { (names.concat(), results) };
        let tuple = self.snippet(format!("def f(a): {targets} = a; return {results}"), &[*source])?;
        let object = self.bound(&tuple);
        self.release(tuple);
        let object = object?;
        if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            out.iter_mut().zip(tuple.iter()).for_each(|(slot, item)| *slot = from_bound(self.numpy, item));
        }
        Ok(())
    }

    fn import(
        &mut self,
        function: &FunctionData,
        module: NameIdx,
        from_names: &[NameIdx],
        level: u32,
    ) -> HostResult<Slot> {
        let py = self.py;
        let import = || -> PyResult<Bound<'_, PyAny>> {
            let names: Vec<_> = from_names.iter().map(|name| function.name(py, *name).clone()).collect();
            let from_list =
                if names.is_empty() { py.None().into_bound(py) } else { PyTuple::new(py, names)?.into_any() };
            let import = function
                .builtins(py)
                .get_item(intern!(py, "__import__"))
                .map_err(|_| pyo3::exceptions::PyImportError::new_err("__import__ not found"))?;
            import.call1((function.name(py, module), function.globals(py), py.None(), from_list, level))
        };
        let module = import();
        self.slot(module)
    }

    fn import_from(&mut self, function: &FunctionData, module: &Slot, name: NameIdx) -> HostResult<Slot> {
        let module = self.bound(module)?;
        let value = calls::import_from(&module, function.name(self.py, name));
        self.slot(value)
    }

    fn raise(&mut self, exc: &Slot, cause: Option<&Slot>) -> Raised {
        let exc = match self.bound(exc) {
            Ok(exc) => exc,
            Err(raised) => return raised,
        };
        match cause.map(|cause| self.bound(cause)).transpose() {
            Ok(cause) => exceptions::raise(&exc, cause.as_ref()),
            Err(raised) => raised,
        }
    }

    fn raise_handled(&mut self) -> bool {
        exceptions::raise_handled(self.py)
    }

    fn raise_assertion(&mut self, message: Option<&Slot>) -> Raised {
        match message.map(|message| self.bound(message)).transpose() {
            Ok(message) => exceptions::raise_assertion(self.py, message.as_ref()),
            Err(raised) => raised,
        }
    }

    fn raise_unbound_local(&mut self, function: &FunctionData, slot: SlotIdx) -> Raised {
        exceptions::raise_unbound_local(self.py, function.slot_name(slot))
    }

    fn enter_handler(&mut self) -> (Slot, Slot) {
        let saved = exceptions::handled(self.py);
        let exc = exceptions::take_pending(self.py);
        exceptions::set_handled(self.py, exc.as_ref());
        let slot = |object: Option<Bound<'_, PyAny>>| {
            object.map_or(Slot::NONE, |object| Slot::object(object.into_ptr() as u64))
        };
        (slot(exc), slot(saved))
    }

    fn leave_handler(&mut self, saved: Slot) {
        let exc = to_bound(self.py, self.numpy, &saved).ok().filter(|exc| !exc.is_none());
        exceptions::set_handled(self.py, exc.as_ref());
        drop(exc);
        self.release(saved);
    }

    fn reraise(&mut self, exc: Slot, saved: Slot) -> Raised {
        self.leave_handler(saved);
        if let Ok(object) = to_bound(self.py, self.numpy, &exc) {
            exceptions::set_pending(object);
        }
        // The pending exception has a reference of its own.
        if exc.owns() {
            // SAFETY: the slot's reference is given up; it is not the last one.
            unsafe { ffi::Py_DECREF(exc.a as *mut ffi::PyObject) };
        }
        Raised
    }

    fn match_exception(&mut self, exc: &Slot, class: &Slot) -> HostResult<bool> {
        let (exc, class) = (self.bound(exc)?, self.bound(class)?);
        raised(self.py, exceptions::matches(&exc, &class))
    }

    fn with_enter(&mut self, manager: &Slot) -> HostResult<(Slot, Slot)> {
        let manager = self.bound(manager)?;
        let enter = || -> PyResult<(Bound<'_, PyAny>, Bound<'_, PyAny>)> {
            let py = manager.py();
            let enter = special(&manager, "__enter__")?;
            let exit = special(&manager, "__exit__")?;
            match (enter, exit) {
                (Some(enter), Some(exit)) => {
                    let _ = py;
                    Ok((exit, enter.call0()?))
                }
                (enter, _) => Err(not_a_manager(&manager, enter.is_none())?),
            }
        };
        let (exit, entered) = raised(self.py, enter())?;
        Ok((from_bound(self.numpy, exit), from_bound(self.numpy, entered)))
    }

    fn with_exit(&mut self, exit: &Slot, exc: Option<&Slot>) -> HostResult<Slot> {
        let exit = self.bound(exit)?;
        let exc = exc.map(|exc| self.bound(exc)).transpose()?;
        let none = || self.py.None().into_bound(self.py);
        let result = match exc {
            None => exit.call1((none(), none(), none())),
            Some(exc) => exc
                .getattr(intern!(self.py, "__traceback__"))
                .and_then(|traceback| exit.call1((exc.get_type(), &exc, traceback))),
        };
        self.slot(result)
    }

    fn add_traceback(&mut self, function: &FunctionData, pc: Pc) {
        exceptions::add_traceback(self.py, function, pc);
    }

    fn describe(&mut self, slot: &Slot) -> String {
        super::remat::describe(self, slot)
    }
}
