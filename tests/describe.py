"""What counts as the same answer: canonical descriptions of values, and fresh copies of arguments.

`describe(x)` maps a value to nested tuples that are equal exactly when two values are the same answer:
exact type, every bit of a float (-0.0 differs from 0.0), all NaNs alike, element types inside containers,
and for arrays dtype with byte order, shape, strides, writeability, bytes, and which argument they share memory with.
`fresh_copy(args)` copies arguments as `copy.deepcopy` does, but keeps the layout of arrays: strides, alignment,
read-only flag, and views of one buffer stay views of one buffer.
"""

import copy
import ctypes
import types

import numpy as np


def describe(value, args=(), seen=()):
    """A hashable-free nested tuple; `args` are the call's arguments, to see which of them a result aliases."""
    kind = type(value)
    if value is None or kind in (bool, int, str, bytes, range, slice) or value is Ellipsis or value is NotImplemented:
        return (kind.__name__, value)
    if kind is float:
        return ("float", value.hex())
    if kind is complex:
        return ("complex", value.real.hex(), value.imag.hex())
    if any(value is outer for outer in seen):
        return ("cycle", len(seen))
    seen = (*seen, value)
    if isinstance(value, np.ndarray):
        return _describe_array(value, args, seen)
    if isinstance(value, np.generic):
        return (_name(kind), value.dtype.str, _bytes(np.asarray(value)))
    if isinstance(value, (tuple, list)):
        return (_name(kind), _alias(value, args), [describe(item, args, seen) for item in value])
    if isinstance(value, (set, frozenset)):
        return (_name(kind), sorted(repr(describe(item, args, seen)) for item in value))
    if isinstance(value, dict):
        items = [(describe(k, args, seen), describe(v, args, seen)) for k, v in value.items()]
        return (_name(kind), _alias(value, args), items)
    if isinstance(value, type):
        return ("type", _name(value))
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
        return ("function", value.__qualname__)
    if isinstance(value, np.dtype):
        return ("dtype", value.str)
    if isinstance(value, BaseException):
        return ("exception", _name(kind), [describe(item, args, seen) for item in value.args])
    return (_name(kind), describe(getattr(value, "__dict__", None), args, seen))


def _name(kind):
    return f"{kind.__module__}.{kind.__qualname__}"


def _alias(value, args):
    """Which argument this object is, or None: a list handed back must be the list handed in."""
    return next((i for i, arg in enumerate(args) if arg is value), None)


def _describe_array(value, args, seen):
    strides = tuple(s for s, n in zip(value.strides, value.shape) if n > 1) if value.size else ()
    head = (_name(type(value)), value.dtype.str, value.shape, strides, value.flags.writeable)
    if value.dtype.hasobject:
        content = [describe(item, args, seen) for item in value.ravel().tolist()]
    else:
        content = _bytes(value)
    return (*head, _shares_with(value, args), content)


def _bytes(array):
    """The elements in C order as bytes, every NaN (of either complex part) replaced by one NaN."""
    array = np.array(array, order="C", copy=True)
    if array.dtype.kind == "c":
        part = array.dtype.str.replace("c", "f")
        array = array.reshape(-1).view(part[:2] + str(array.dtype.itemsize // 2))
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), array.dtype.type("nan"), array).astype(array.dtype)
    return array.tobytes()


def _shares_with(value, args):
    """(index of the array argument whose memory this array lies in, distance of their first elements)."""
    for i, arg in enumerate(args):
        if isinstance(arg, np.ndarray) and arg is not value and np.may_share_memory(arg, value):
            return (i, value.ctypes.data - arg.ctypes.data)
        if arg is value:
            return (i, "itself")
    return None


def fresh_copy(args):
    """A deep copy of a tuple of arguments in which every array keeps its exact layout."""
    memo, buffers = {}, {}
    for array in _arrays_in(args):
        if not array.dtype.hasobject and type(array) is np.ndarray:
            memo[id(array)] = _copy_layout(array, buffers)
    for arg in args:
        if type(type(arg)).__hash__ is None:  # deepcopy looks types up in a table
            memo[id(arg)] = arg
    return copy.deepcopy(args, memo)


def _arrays_in(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _arrays_in(item)


def _copy_layout(array, buffers):
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    low, high = np.lib.array_utils.byte_bounds(root)
    if id(root) not in buffers:
        raw = np.zeros(high - low + 128, np.uint8)
        start = (low - raw.ctypes.data) % 64  # the same address modulo 64: alignment is part of the layout
        buffers[id(root)] = (raw, start, root)
        if high > low:
            source = (ctypes.c_char * (high - low)).from_address(low)
            raw[start : start + high - low] = np.frombuffer(source, np.uint8)
    raw, start, _ = buffers[id(root)]
    offset = start + (array.ctypes.data - low if array.size else 0)
    result = np.ndarray(array.shape, array.dtype, buffer=raw, offset=offset, strides=array.strides)
    result.flags.writeable = array.flags.writeable
    return result
