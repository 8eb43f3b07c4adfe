"""The expressions of a kernel, and the text that they go into."""

import contextlib
from collections import Counter

from ..values import FLOAT_PLAIN, INT_EDGES, Rng, small_int

COMPARE = ("<", "<=", ">", ">=", "==", "!=")


class Expressions:
    """What is in scope, and expressions over it: `int`, `float`, `condition`, `element`, `for_store`."""

    def __init__(self, rng: Rng, cover: Counter):
        self.rng, self.cover = rng, cover
        self.arrays: dict = {}  # name -> (rank, code)
        self.scalars: dict = {}  # parameter, local or loop variable -> "int", "float", "bool", "numpy", "complex"
        self.indexes: list = []  # loop variables that index, outermost first
        self.fixed: set = set()  # never assigned
        self.functions: list = []  # lines of functions that `f` calls
        self.lines: list = []
        self.depth = 1
        self.helper = ""
        self.global_name = ""

    # -- text -------------------------------------------------------------------------------------
    def emit(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    @contextlib.contextmanager
    def block(self, header: str):
        self.emit(header)
        self.depth += 1
        yield
        self.depth -= 1

    @contextlib.contextmanager
    def scope(self):
        """Names bound meanwhile are forgotten, and kinds that changed are what they were."""
        before = dict(self.scalars)
        yield
        self.scalars = before

    # -- names ------------------------------------------------------------------------------------
    def array(self, rank: int = 0, families: str = ""):
        names = [
            n for n, (r, c) in self.arrays.items() if (not rank or r == rank) and (not families or c[0] in families)
        ]
        return self.rng.pick(names) if names else None

    def element_kind(self, name: str) -> str:
        """The kind of a scalar that holds an element of `name`."""
        return {"f": "float", "c": "complex", "?": "bool"}.get(self.arrays[name][1][0], "numpy")

    def scalar(self, kind: str, otherwise: str) -> str:
        """A parameter of this kind."""
        return next((n for n, k in self.scalars.items() if k == kind and n in ("s", "t")), otherwise)

    # -- elements ---------------------------------------------------------------------------------
    def index(self, name: str, axis: int = 0) -> str:
        rng = self.rng
        size = f"{name}.shape[{axis}]" if axis else f"len({name})"
        if self.indexes:
            v = self.indexes[min(axis, len(self.indexes) - 1)] if rng.chance(0.85) else rng.pick(self.indexes)
            choice = rng.below(24)
            if choice < 13:
                return v
            if choice < 19:
                return rng.pick((f"{v} - 1", f"{v} + 1", f"{size} - 1 - {v}", f"-1 - {v}", f"-{v}", f"{v} // 2"))
            if choice == 19:
                return f"{v} * 2 % {size}"
            if choice == 20:
                return f"({v} + {self.scalar('int', '3')}) % {size}"
            inner = self.array(1, "i")
            if choice == 21 and inner and name != "row":
                return f"int({inner}[{v}]) % {size}"
        choice = rng.below(10)
        if choice < 6:
            return rng.pick(("0", "-1", "1", "-2"))
        if choice < 8:
            return f"{self.int(0)} % {size}"
        return rng.pick(("0", "2", "-3", self.int(0) if rng.chance(0.15) else "-1"))

    def element(self, name: str) -> str:
        rank = self.arrays[name][0]
        if rank == 2 and self.rng.chance(0.1):
            return f"{name}[{self.index(name)}][{self.index(name, 1)}]"
        return f"{name}[{', '.join(self.index(name, axis) for axis in range(rank))}]"

    def for_store(self, name: str) -> str:
        """A value that mostly fits array `name`."""
        rng = self.rng
        code = self.arrays[name][1]
        if code == "?":
            return self.condition()
        if code[0] in "fc":
            return self.float(2) if rng.chance(0.85) else self.int(1)
        other = self.element(rng.pick([n for n, (_, c) in self.arrays.items() if c == code]))
        choice = rng.below(10)
        if choice < 5:
            return f"{self.element(name)} {rng.pick(('+', '-', '*', '+', '//', '%', '&', '>>', '<<'))} {other}"
        if choice < 7:
            right = rng.pick(("1", "3", "2", self.scalar("int", "5")))
            return f"{other} {rng.pick(('+', '-', '*', '//', '%', '&', '>>'))} {right}"
        if choice == 7:
            return other
        if rng.chance(0.3):
            return rng.pick([n for n, k in self.scalars.items() if k == "int"] or ["7"])
        if code == "i8" and rng.chance(0.5):
            return self.int(2)
        return f"({self.int(2)}) % {rng.pick((7, 100, 50, 129, 257))}"

    # -- numbers ----------------------------------------------------------------------------------
    def int(self, depth: int) -> str:
        """A Python int."""
        rng = self.rng
        if depth <= 0 or rng.chance(0.35):
            return self.int_leaf()
        d = depth - 1
        if self.helper and rng.chance(0.25):
            return self.call(self.helper, self.int(d), self.int(d))
        choice = rng.below(19)
        if choice < 8:
            return f"({self.int(d)} {rng.pick(('+', '-', '+', '-', '*'))} {self.int(d)})"
        if choice < 10:
            constant = rng.pick(("2", "3", "-3", "7", "8", "-1", "1", "16", "-8"))
            return f"({self.int(d)} {rng.pick(('*', '+', '-', '//', '%'))} {constant})"
        if choice == 10:
            return f"({self.int(d)} {rng.pick(('//', '%'))} {self.int(d)})"
        if choice == 11:
            return f"({self.int(d)} {rng.pick('&|^')} {self.int(d)})"
        if choice == 12:
            count = rng.pick(("1", "3", "5", "63", "64", f"({self.int_leaf()} & 63)", f"{self.int_leaf()} % 70"))
            return f"({self.int(d)} {rng.pick(('>>', '>>', '<<'))} {count})"
        if choice == 13:
            return f"abs({self.int(d)})"
        if choice == 14:
            x, y = self.int(0), self.int(0)
            return f"({x} - {y} if {x} {rng.pick(('>', '<', '>='))} {y} else {y} - {x})"
        if choice == 15:
            return f"{rng.pick(('min', 'max'))}({self.int(d)}, {self.int(d)})"
        if choice == 16:
            return f"({self.int(d)} if {self.condition()} else {self.int(d)})"
        if choice == 17:
            return rng.pick(
                (f"int({self.float(d)})", f"round({self.float(d)})", f"({self.int(d)} ** {rng.pick((2, 3))})",
                 f"divmod({self.int(d)}, {rng.pick((3, -7))})[{rng.below(2)}]")
            )  # fmt: skip
        return f"(-{self.int(d)})"

    def call(self, name: str, x: str, y: str) -> str:
        """A call, sometimes over several lines: an exception names the line of what raised it."""
        self.cover["kernel.call"] += 1
        gap = "\n" + "    " * (self.depth + 1) if self.rng.chance(0.3) else ""
        return f"({gap}0 + {gap}{name}({x},{gap or ' '}{y}){gap})" if gap else f"{name}({x}, {y})"

    def int_leaf(self) -> str:
        rng = self.rng
        choice = rng.below(12)
        names = [n for n, k in self.scalars.items() if k == "int"]
        if choice < 5 and names:
            return rng.pick(names)
        if choice < 10:
            a = self.array(0, "iu?")
            if a:
                return f"int({self.element(a)})"
        if choice == 10 and self.global_name:
            return f"int({self.global_name})"
        if choice == 11 and rng.chance(0.3):
            return f"({rng.pick(INT_EDGES)})"
        return small_int(rng)

    def float(self, depth: int) -> str:
        """A float, or a NumPy scalar of one."""
        rng = self.rng
        if depth <= 0 or rng.chance(0.35):
            return self.float_leaf()
        d = depth - 1
        choice = rng.below(16)
        if choice < 8:
            return f"({self.float(d)} {rng.pick('+-*+*')} {self.float(d)})"
        if choice == 8:
            return f"({self.float(d)} / {rng.pick(('2.0', '3.0', self.float(0), f'({self.float(0)} + 0.5)'))})"
        if choice == 9:
            return f"({self.float(d)} {rng.pick(('//', '%'))} {rng.pick(('0.5', '-2.0', '3.0', '0.1'))})"
        if choice == 10:
            return f"abs({self.float(d)})"
        if choice == 11:
            return f"{rng.pick(('min', 'max'))}({self.float(d)}, {self.float(d)})"
        if choice == 12:
            return f"({self.float(d)} if {self.condition()} else {self.float(d)})"
        if choice == 13:
            small = f"{rng.pick(('abs', 'abs', 'float'))}({self.float(d)}) % 9.0"
            return f"math.{rng.pick(('sqrt', 'floor', 'fabs', 'exp', 'sin'))}({small})"
        if choice == 14:
            return f"({self.float(d)} {rng.pick('+*-')} {self.int(d)})"
        return rng.pick(
            (f"(-{self.float(d)})", f"({self.float(d)} ** {rng.pick(('2', '0.5', '1.5', '3'))})",
             f"({self.int(d)} / {rng.pick(('3', '7', self.int(0)))})")
        )  # fmt: skip

    def float_leaf(self) -> str:
        rng = self.rng
        choice = rng.below(10)
        names = [n for n, k in self.scalars.items() if k == "float"]
        if choice < 4 and names:
            return rng.pick(names)
        if choice < 8:
            a = self.array(0, "f")
            if a:
                return self.element(a) if rng.chance(0.6) else f"float({self.element(a)})"
        if choice == 8:
            return f"float({self.int(0)})"
        return rng.pick(FLOAT_PLAIN)

    def condition(self) -> str:
        rng = self.rng
        compare = rng.pick(COMPARE)
        choice = rng.below(12)
        if choice < 5:
            return f"{self.int(1)} {compare} {self.int(0)}"
        if choice < 8:
            return f"{self.float(1)} {compare} {self.float(0)}"
        if choice == 8:
            return f"{self.int(0)} {compare} {self.float(0)}"
        if choice == 9:
            return f"{self.int(0)} {rng.pick('%&')} {rng.pick((2, 3))} == {rng.pick((0, 1))}"
        if choice == 10:
            return f"{self.int(0)} < {self.int(0)} <= {self.int(0)}"
        return rng.pick(
            (f"({self.int(0)}, {self.float(0)}) == ({self.int(0)}, {self.float(0)})", f"not {self.int(0)}",
             f"{self.int(0)} > 0 and {self.float(0)} < 2.0")
        )  # fmt: skip
