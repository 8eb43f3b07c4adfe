"""Programs without loops: arithmetic on parameters, called often with the values at which something ends.

One compilation serves many calls, so these try many pairs of values: the smallest int and -1, 2^53 + 1 and a float, zeros
of both signs, shifts by the width, NumPy integers at their limits. Start at [`Scalars.text`].

Promises: as `generate` does. Does not know about modes.
"""

import math
from collections import Counter

from .values import FLOAT_EDGES, INT_EDGES, NP_NAMES, Rng, Table, integer_limits

FAMILIES = Table({"python": 40, "numpy": 30, "floats": 15, "complex": 15})
# All comparisons at once, as values and as branches: each of them is another instruction, and differs for NaN alone.
COMPARISONS = (
    "({0} < {1}, {0} <= {1}, {0} > {1}, {0} >= {1}, {0} == {1}, {0} != {1})",
    "(1 if {0} < {1} else 0, 1 if {0} <= {1} else 0, 1 if {0} > {1} else 0, 1 if {0} >= {1} else 0, 1 if {0} != {1} else 0)",
    "({0} < {1}) + 2 * ({0} >= {1}) + 4 * (not {0} > {1}) + 8 * (not {0} <= {1})",
)
# Templates by what they take: x and y are of the family's first kind, u and v floats.
PYTHON = (
    "x // y", "x % y", "x / y", "x < u", "u >= x", "x == v", "u != x", "abs(x)", "-x", "x << (y & 70)", "x >> y", "x ** 3", "x ** y if 0 <= y < 9 else y",
    "int(u) - x", "int(v)", "x * u", "round(u)", "round(v)", "min(x, u)", "max(v, x)", "max(u, v)", "min(u, v)", "u // v", "u % v",
    "u ** v", "v ** u", "u ** 0.5", "v ** -1.5", "abs(u) ** v", "divmod(x, y)", "x - (-9223372036854775808)", "x // -1", "x % 8", "x // 16", "u % -2.0", "u // -0.5", "x - 9223372036854775807",
    "x * -1", "x + y + x", "x * y", "x - y", "y - x", "x & y", "x | -y", "x ^ ~y", "x if x > y else y", "(x, u) == (y, v)", "x < y <= 7", "not x", "1 if x <= y and x == y else 2", "3 if x >= y and not x > y else 4",
    "x if x <= 7 and x >= 7 else y", "5 if x < y or x == y else 6",
    "u < v", "u >= v", "u == v", "float(x)", "math.floor(u)", "math.sqrt(u)", "int(x / 3)", "u + x", "x // 3 + x % 3", "(-x) % 7", "x * x - y",
    "x * y * x", "(x - y) * (y - x)", "(y - x) - (x - y)", "bool(x) + y", "True if x == u else y", "u * v - u", "math.copysign(u, v)", "max(x, y, 3)", "min(u, v, 0.0)",
)  # fmt: skip
NUMPY = (
    "x + y", "x - y", "x * y", "x // y", "x % y", "x << y", "x >> y", "x & y", "x | y", "x ^ y", "-x", "~x", "abs(x)", "x < y", "x == y", "x >= y",
    "int(x)", "int(x) * int(y)", "float(x)", "x + 1", "x - 1", "x * 3", "x // 2", "x % 3", "x >> 3", "x << 9", "x / y", "x / 2", "x + 0.5",
    "x < 3", "x == -1", "x + True", "1 - x", "max(x, y)", "min(y, x)", "bool(x)", "x if x > y else y", "int(x) >> 2", "x + y - x", "2 * x // y",
)  # fmt: skip
FLOATS = (
    "x + y", "x - y", "x * y", "x / y", "x // y", "x % y", "-x", "abs(x)", "x < y", "x >= y", "x == y", "x != x", "int(x)", "float(x)", "x + 1", "x * 2.5",
    "x ** 2", "max(x, y)", "min(x, y)", "x if x < y else y", "bool(x)", "np.sqrt(x)", "np.floor(x)", "round(float(x))", "x * y + x", "np.minimum(x, y)",
)  # fmt: skip
COMPLEX = (
    "x * y", "x + y", "x - y", "x * x", "abs(x)", "x == y", "x != y", "-x", "x.conjugate()", "x.real - y.imag", "x + u", "u - x", "x * u", "x ** 2",
    "x / y", "x * y + x", "(x, u)", "(y, x)", "bool(x)", "x - 1", "x == u", "x / u", "u / x", "x ** y", "x ** 3", "x ** -2", "u ** x",
    "np.complex64(x) * np.complex64(y)", "np.complex128(x) * y", "np.complex128(x) / np.complex128(y)", "np.complex64(x) + u", "np.exp(x)",
    "np.float16(u)", "np.float16(v) * np.float16(u)", "abs(np.complex64(x))", "np.complex128(x) - v", "np.hypot(u, v)", "np.sin(u) + np.float16(v)",
    "cmath.exp(x)", "cmath.sqrt(y)", "cmath.log(x)", "cmath.phase(y)", "cmath.tanh(x)", "cmath.sin(y)", "math.gcd(int(min(max(u, -9.0), 9.0)), 6) if u == u else 1",
    "math.frexp(u)", "math.isclose(u, v)", "math.nextafter(u, v)", "math.ulp(v)", "math.modf(v)", "math.remainder(u, v)", "np.float16(u) // np.float16(v)", "np.float16(u) < v",
)  # fmt: skip
COMPLEX_VALUES = ("0j", "complex(1.5, -2.0)", "complex(-0.0, 0.0)", "complex(0.0, -0.0)", "1j", "complex(3.0, 0.25)", "complex(math.inf, 1.0)", "complex(-1.0, math.nan)", "complex(1e200, 1e200)")  # fmt: skip
FLOAT_VALUES = ("0.0", "-0.0", "0.5", "1.5", "2.5", "-0.5", "-2.5", "-1.0", "7.0", "0.1", "3.0", "-3.0", "9223372036854775808.0", "-9223372036854775808.0", "9007199254740992.0", "9007199254740994.0", "1.0")  # fmt: skip


class Scalars:
    """One program: a function of four parameters, and the steps that call it."""

    def __init__(self, rng: Rng, cover: Counter):
        self.rng, self.cover = rng, cover

    def text(self) -> str:
        rng = self.rng
        family = rng.draw(FAMILIES)
        self.cover["scalars." + family] += 1
        templates = {"python": PYTHON, "numpy": NUMPY, "floats": FLOATS, "complex": COMPLEX}[family]
        values = getattr(self, family)
        lines = []
        for i in range(rng.pick((1, 3, 4, 5, 6))):
            value = rng.pick(templates)
            if rng.chance(0.08):
                pairs = (("x", "y"), ("x", "y"), ("x", "u"), ("u", "v")) if family != "complex" else (("u", "v"),)
                value = rng.pick(COMPARISONS).format(*rng.pick(pairs))
            elif rng.chance(0.1):
                value = f"{value} if {rng.pick(('u < v', 'x == y', 'u > 0.0', 'v != v'))} else {rng.pick(templates)}"
            lines.append(f"    r{i} = {value}")
        names = ", ".join(f"r{i}" for i in range(len(lines)))
        in_loop = rng.chance(0.25)
        if in_loop:
            # On-stack replacement sees the parameters too.
            lines = [f"    for i in range({rng.pick((2, 3, 5))}):", *("    " + line for line in lines)]
        steps = []
        for _ in range(rng.between(6, 14)):
            x, y = values()
            u, v = self.float_value(), self.float_value()
            if family == "python" and rng.chance(0.2):
                u = rng.pick((f"float({x})", f"{x} * 1.0", f"{x} + 0.5", f"float({x} + 1)"))
            steps.append(("call", "f", f"[{x}, {y}, {u}, {v}]", "{}"))
        return "\n".join(
            ["import cmath", "import math", "", "import numpy as np", "", "", "@njit", "def f(x, y, u, v):", *lines]
            + [f"    return {names}", "", "", "STEPS = [", *(f"    {step!r}," for step in steps), "]", ""]
        )

    def float_value(self) -> str:
        if self.rng.chance(0.06):
            return "math.nan"
        return self.rng.pick(FLOAT_EDGES) if self.rng.chance(0.3) else self.rng.pick(FLOAT_VALUES)

    def python(self) -> tuple:
        rng = self.rng
        pick = lambda: (
            rng.pick(INT_EDGES) if rng.chance(0.5) else str(rng.pick((0, 1, -1, 2, 3, -3, 7, 8, 63, 64, 65, -8, 100)))
        )
        x, y = pick(), pick()
        if rng.chance(0.12):
            x, y = "-2**63", "-1"
        if rng.chance(0.06):
            x = rng.pick(("True", "False", "2**64", "-2**70"))
        return x, y

    def numpy(self) -> tuple:
        rng = self.rng
        if not hasattr(self, "code"):
            self.code = rng.pick(("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"))
            self.other = self.code if rng.chance(0.8) else rng.pick(("i1", "i4", "i8", "u1", "u4"))
        return tuple(f"np.{NP_NAMES[c]}({self.numpy_int(c)})" for c in (self.code, self.other))

    def numpy_int(self, code: str) -> int:
        bits = 8 * int(code[1:])
        low, high = integer_limits(code)
        n = self.rng.pick(
            (low, low + 1, high, high - 1, high // 2 + 1, 0, 1, 2, 3, 7, bits - 1, bits, bits + 1, -1, -3)
        )
        return max(low, min(n, high))

    def floats(self) -> tuple:
        if not hasattr(self, "code"):
            self.code = self.rng.pick(("float64", "float64", "float32"))
        values = [self.float_value() for _ in range(2)]
        return tuple(
            f"np.{self.code}({v})"
            if self.code == "float64" or not abs(eval(v, {"math": math})) >= 1e38
            else "np.float32(2.0)"
            for v in values
        )

    def complex(self) -> tuple:
        return self.rng.pick(COMPLEX_VALUES), self.rng.pick(COMPLEX_VALUES)
