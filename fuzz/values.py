"""Literals for arguments and constants, as Python expression text.

Promises: everything returned evaluates with only `np` and `math` in scope, and to the same value
each time. Random choices go through [`Rng`], which uses nothing but `random.random()`, so that one
seed gives one program on every Python version. Does not know about statements or tiers.
"""

import bisect
import itertools
import random
from typing import NamedTuple


class Arr(NamedTuple):
    """The kind of an array: its rank and NumPy type code."""

    rank: int
    code: str


class Tup(NamedTuple):
    """The kind of a tuple: the kinds of its items."""

    items: tuple


class Table:
    """A weighted choice: `Table({"add": 5, "mul": 2})`."""

    def __init__(self, weights: dict):
        self.names = list(weights)
        self.sums = list(itertools.accumulate(weights.values()))


class Rng:
    def __init__(self, seed: int):
        self.random = random.Random(seed).random

    def below(self, n: int) -> int:
        return int(self.random() * n)

    def between(self, low: int, high: int) -> int:
        return low + int(self.random() * (high - low + 1))

    def chance(self, p: float) -> bool:
        return self.random() < p

    def pick(self, seq):
        return seq[int(self.random() * len(seq))]

    def draw(self, table: Table):
        return table.names[bisect.bisect(table.sums, self.random() * table.sums[-1])]


SIGNED, UNSIGNED = ("i1", "i2", "i4", "i8"), ("u1", "u2", "u4", "u8")
FLOATS, COMPLEX = ("f2", "f4", "f8"), ("c8", "c16")
CODES = Table(
    {
        "i8": 8,
        "f8": 10,
        "f4": 4,
        "i4": 4,
        "i1": 2,
        "i2": 1,
        "u1": 2,
        "u2": 1,
        "u4": 2,
        "u8": 2,
        "f2": 0.4,
        "c16": 1.5,
        "c8": 0.8,
        "?": 1.2,
    }
)
NP_NAMES = {
    "i1": "int8",
    "i2": "int16",
    "i4": "int32",
    "i8": "int64",
    "u1": "uint8",
    "u2": "uint16",
    "u4": "uint32",
    "u8": "uint64",
    "f2": "float16",
    "f4": "float32",
    "f8": "float64",
    "c8": "complex64",
    "c16": "complex128",
    "?": "bool_",
}

# Ints at which something ends: a width, an exact float, the digits of a Python int.
INT_EDGES = (
    "2**63 - 1", "-2**63", "2**62", "-2**62", "2**61 + 3", "2**53 + 1", "-2**53 - 1", "2**53 + 3", "2**54 - 1",
    "2**31", "2**32", "-1", "0", "127", "128", "255", "256", "32768", "65536",
)  # fmt: skip
# Floats at which something ends, the same for elements of arrays, and plain ones.
FLOAT_EDGES = (
    "math.nan",
    "math.inf",
    "(-math.inf)",
    "(-0.0)",
    "0.0",
    "5e-324",
    "2.2250738585072014e-308",
    "1.7976931348623157e+308",
    "1e16",
    "(-1e300)",
    "9007199254740993.0",
    "9.223372036854775e+18",
    "9223372036854775808.0",
    "1e20",
    "(-2147483648.5)",
)
FLOAT_SPECIALS = (
    "math.nan",
    "math.nan",
    "math.inf",
    "-0.0",
    "0.0",
    "1e300",
    "-1.0",
    "9223372036854775808.0",
    "2.5",
    "0.5",
)
FLOAT_PLAIN = (
    "0.5",
    "1.0",
    "(-1.0)",
    "2.0",
    "2.5",
    "(-2.5)",
    "0.1",
    "3.0",
    "1.5",
    "(-0.75)",
    "10.0",
    "2.675",
    "1e-3",
    "100.25",
)


def element_kind(code: str) -> str:
    """The kind of a NumPy scalar of type `code`."""
    if code == "?":
        return "npb"
    return {"i": "npi", "u": "npi", "f": "npf", "c": "npc"}[code[0]]


def big_int(rng: Rng) -> str:
    """Near a power of two at which some representation ends."""
    power = rng.pick((31, 32, 53, 62, 63, 63, 63, 64, 70, 127))
    sign, delta = rng.pick(("", "-")), rng.between(-2, 2)
    text = f"{sign}2**{power}" + (f" {'+' if delta > 0 else '-'} {abs(delta)}" if delta else "")
    return f"({text})"


def literal(n: int) -> str:
    """An operand, whatever stands in front of it."""
    return str(n) if n >= 0 else f"({n})"


def small_int(rng: Rng) -> str:
    return literal(rng.between(-3, 9))


def int_value(rng: Rng, p_edge: float = 0.3) -> str:
    if rng.chance(p_edge):
        return big_int(rng)
    return literal(rng.between(-4, 12) if rng.chance(0.6) else rng.between(-1000, 1000))


def float_value(rng: Rng, p_edge: float = 0.2) -> str:
    if rng.chance(p_edge):
        return rng.pick(FLOAT_EDGES)
    if rng.chance(0.8):
        return rng.pick(FLOAT_PLAIN)
    return repr(abs(round((rng.random() - 0.5) * 200, 4)))


def complex_value(rng: Rng) -> str:
    return f"complex({float_value(rng, 0.1)}, {float_value(rng, 0.1)})"


def integer_limits(code: str) -> tuple:
    """The smallest and the largest integer of type `code`."""
    bits = 8 * int(code[1:])
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if code[0] == "i" else (0, (1 << bits) - 1)


def numpy_element(rng: Rng, code: str, p_edge: float) -> str:
    """A value that fits `code`, as Python literal text."""
    if code == "?":
        return rng.pick(("True", "False"))
    if code in FLOATS:
        if code == "f8":
            return float_value(rng, p_edge)
        return rng.pick(("math.nan", "math.inf", "(-0.0)", "60000.0")) if rng.chance(p_edge) else rng.pick(FLOAT_PLAIN)
    if code in COMPLEX:
        return f"complex({rng.pick(FLOAT_PLAIN)}, {rng.pick(FLOAT_PLAIN)})"
    low, high = integer_limits(code)
    if rng.chance(p_edge):
        n = rng.pick((low, low + 1, high, high - 1, high // 2))
    else:
        n = rng.between(max(low, -9), 20)
    return str(n)


def numpy_scalar(rng: Rng, code: str) -> str:
    return f"np.{NP_NAMES[code]}({numpy_element(rng, code, 0.25)})"


def array_value(rng: Rng, kind: Arr, size_hint: int = 0) -> str:
    """An array of any layout: C, Fortran, strided, reversed, transposed, empty, broadcast."""
    code, rank = kind.code, kind.rank
    dtype = f"'{code}'"
    p_edge = 0.0 if rng.chance(0.4) else 0.15
    if rng.chance(0.03):
        shape = tuple(0 if i == rng.below(rank) else rng.between(0, 3) for i in range(rank))
        return f"np.zeros({shape}, {dtype})"
    if rank == 1:
        n = size_hint or rng.pick((1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 17, 33))
        if n > 12:
            text = f"(np.arange({n}) * {rng.between(1, 5)}).astype({dtype})"
        else:
            text = f"np.array([{', '.join(numpy_element(rng, code, p_edge) for _ in range(n))}], {dtype})"
        layout = rng.below(10)
        if layout == 0:
            return f"np.repeat({text}, 2)[::2]"
        if layout == 1:
            return f"{text}[::-1]"
        if layout == 2:
            return f"np.repeat({text}, 3)[1::3]"
        if layout == 3 and rng.chance(0.2):
            return f"{text}.astype('>{code}')" if code not in ("?", "i1", "u1") else text
        return text
    shape = tuple(rng.between(1, 5 if rank == 2 else 3) for _ in range(rank))
    size = 1
    for extent in shape:
        size *= extent
    if size <= 12:
        items = ", ".join(numpy_element(rng, code, p_edge) for _ in range(size))
        text = f"np.array([{items}], {dtype}).reshape{shape}"
    else:
        text = f"np.arange({size}).astype({dtype}).reshape{shape}"
    layout = rng.below(9)
    if layout == 0:
        return f"np.asfortranarray({text})"
    if layout == 1:
        return f"{text}.T"
    if layout == 2:
        return f"np.repeat({text}, 2, axis=0)[::2]"
    if layout == 3:
        return f"{text}[::-1]"
    if layout == 4:
        return f"{text}[..., ::-1]"
    if layout == 5 and rng.chance(0.3):
        return f"np.broadcast_to(np.arange({shape[-1]}).astype({dtype}), {shape})"
    return text


def argument(rng: Rng, kind, p_edge: float = 0.3) -> str:
    """An argument of the kind a parameter was generated for."""
    if isinstance(kind, Arr):
        return array_value(rng, kind)
    if isinstance(kind, Tup):
        inner = ", ".join(argument(rng, k, 0.15) for k in kind.items)
        return f"({inner},)"
    if kind == "int":
        return int_value(rng, p_edge)
    if kind == "float":
        return float_value(rng, p_edge / 2)
    if kind == "num":
        return int_value(rng, p_edge) if rng.chance(0.5) else float_value(rng)
    if kind == "bool":
        return rng.pick(("True", "False"))
    if kind == "complex":
        return complex_value(rng)
    if kind == "opt":
        return "None" if rng.chance(0.4) else int_value(rng, 0.1)
    if kind == "npi":
        return numpy_scalar(rng, rng.pick(SIGNED + UNSIGNED + ("i8", "i8", "i4")))
    if kind == "npf":
        return numpy_scalar(rng, rng.pick(("f4", "f8", "f8", "f4", "f2")))
    if kind == "npc":
        return numpy_scalar(rng, rng.pick(COMPLEX))
    if kind == "npb":
        return numpy_scalar(rng, "?")
    raise AssertionError(f"no literal for kind {kind!r}")


def other_argument(rng: Rng, kind) -> str:
    """An argument of a different type than `kind`, one the same program can mostly still digest."""
    if isinstance(kind, Arr):
        same_family = {"i": SIGNED + UNSIGNED, "u": SIGNED + UNSIGNED, "f": FLOATS, "c": COMPLEX, "?": ("?", "u1")}
        return array_value(rng, Arr(kind.rank, rng.pick(same_family[kind.code[0]])))
    change = {
        "int": ("bool", "npi", "num", "int"),
        "float": ("int", "npf", "bool"),
        "bool": ("int", "npb"),
        "complex": ("float", "int"),
        "opt": ("int", "float"),
        "npi": ("int", "npi", "npf"),
        "npf": ("float", "npf", "npi"),
        "npb": ("bool",),
        "npc": ("complex",),
        "num": ("int", "float"),
    }
    if isinstance(kind, Tup):
        return argument(rng, Tup(tuple(rng.pick(change[k]) if isinstance(k, str) else k for k in kind.items)))
    return argument(rng, rng.pick(change[kind]), 0.15)
