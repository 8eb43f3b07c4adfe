"""Small programs shaped like numerical kernels: counted loops over arrays, with what the loop passes look for.

`compound` writes large and varied functions; hardly any of their loops becomes clean. Here a function is one loop nest
with reads and writes at `i`, `i - 1`, `n - 1 - i` …, sums that overflow in the middle, stores that alias reads, trip
counts around the lengths of strips. Start at [`Kernel.text`].

| module | writes |
|---|---|
| `loops` | nests with a random body: ranges, arrays, rows, `while` |
| `patterns` | nests of a given form, for one pass each |
| `statements` | the body of a loop |
| `expressions` | what the statements compute |
| `arguments` | the values that the function is called with |

Promises: as `generate` does. Does not know about modes.
"""

from collections import Counter

from ..values import Rng
from ..weights import KERNEL_CODES, KERNEL_LENGTHS, KERNEL_NESTS
from .arguments import array_argument, scalar_argument
from .loops import Loops
from .patterns import Patterns

HELPER_RESULTS = (
    "x + y", "x - y", "x * y", "x // y", "x % 7 - y", "x if x > y else y", "max(x, y) - 1", "x * x - y",
)  # fmt: skip


class Kernel(Loops, Patterns):
    """One program: a function `f`, perhaps a helper, and the steps that call it."""

    def __init__(self, rng: Rng, cover: Counter):
        super().__init__(rng, cover)
        self.alias_chance = 0.12
        self.big_chance = 0.15  # of an array of ints near the limit

    def text(self) -> str:
        rng = self.rng
        self.cover["kernel"] += 1
        head = ["import math", "", "import numpy as np", ""]
        if rng.chance(0.15):
            self.global_name = "G0"
            head.append(f"G0 = {rng.pick(('3', '7', '2.5', str(2**62)))}")
        if rng.chance(0.25):
            head += self.write_helper()
        parameters = self.draw_parameters()
        self.write_body()
        steps = self.steps(parameters)
        return "\n".join(
            [*head, *self.functions, "", "", "@njit", f"def f({', '.join(parameters)}):", *self.lines]
            + ["", "", "STEPS = [", *(f"    {step!r}," for step in steps), "]", ""]
        )

    def draw_parameters(self) -> list:
        """Their names; the steps pass what is drawn here, or else [`Patterns.pattern_clean`] says what."""
        rng = self.rng
        for name in "abc"[: rng.pick((1, 2, 2, 3))]:
            self.arrays[name] = (1 if rng.chance(0.75) else 2, rng.draw(KERNEL_CODES))
        for name in "st"[: rng.pick((1, 1, 2))]:
            self.scalars[name] = rng.pick(("int", "int", "float"))
            self.fixed.add(name)
        self.parameter_kinds = dict(self.scalars)
        return [*self.arrays, *self.scalars]

    def write_helper(self) -> list:
        rng = self.rng
        self.helper = "h"
        self.cover["kernel.helper"] += 1
        lines = ["", "", "@njit", "def h(x, y):"]
        if rng.chance(0.4):
            lines.append(f"    if y {rng.pick(('<', '==', '>'))} {rng.pick((0, 3, 5))}:")
            lines.append(f"        {rng.pick(('return x', 'raise ValueError(y)', 'x = y'))}")
        return [*lines, f"    return {rng.pick(HELPER_RESULTS)}"]

    def write_body(self) -> None:
        rng = self.rng
        for i in range(rng.pick((1, 1, 2))):
            self.bind_accumulator(f"r{i}")
        if rng.chance(0.1):
            with self.block("try:"):
                self.nests()
            error = rng.pick(
                ("ZeroDivisionError", "IndexError", "(IndexError, ValueError)", "Exception", "OverflowError")
            )
            with self.block(f"except {error}:"):
                self.emit(f"r0 = {rng.pick([n for n in self.scalars if n[0] in 'rm'])}")
        else:
            self.nests()
        results = [n for n in self.scalars if n[0] == "r"] + [n for n in self.arrays if n[0] == "w"]
        self.emit(f"return {results[0]}" if len(results) == 1 else f"return ({', '.join(results)})")

    def bind_accumulator(self, name: str) -> None:
        rng = self.rng
        kind = rng.pick(("int", "int", "float", "bool"))
        start = {
            "int": ("0", "0", "1", self.scalar("int", "5"), str(2**63 - 40), str(-(2**62))),
            "float": ("0.0", "-0.0", "1.0", "0.1"),
            "bool": ("False", "True"),
        }[kind]
        self.emit(f"{name} = {rng.pick(start)}")
        self.scalars[name] = kind

    def nests(self) -> None:
        self.nest()
        if self.rng.chance(0.12):
            self.nest()

    def nest(self) -> None:
        kind = self.rng.draw(KERNEL_NESTS)
        needs = {"two": 2, "rows": 2, "array": 1, "enumerate": 1, "zip": 1}.get(kind, 0)
        if not self.array(needs) or (kind == "fixed" and not self.array(1, "iuf")):
            kind = "one"
        self.cover["kernel." + kind] += 1
        write = getattr(self, "nest_" + kind, None) or getattr(self, "pattern_" + kind)
        write()

    def steps(self, parameters: list) -> list:
        rng = self.rng
        steps = []
        for i in range(rng.pick((2, 2, 3))):
            n = rng.draw(KERNEL_LENGTHS)
            values = []
            for name in parameters:
                if name in self.arrays:
                    rank, code = self.arrays[name]
                    size = n if rng.chance(0.9) else max(0, n + rng.pick((-1, 1, 2)))
                    if i and rng.chance(0.06):
                        code = rng.draw(KERNEL_CODES)
                    values.append(array_argument(rng, rank, code, size, self.big_chance))
                else:
                    kind = self.parameter_kinds[name]
                    if i and rng.chance(0.1):
                        kind = rng.pick(("int", "float", "bool", "numpy"))
                    values.append(scalar_argument(rng, kind))
            if "b" in parameters and rng.chance(self.alias_chance):
                self.cover["kernel.aliased"] += 1
                values[0] = f"(_a := {values[0]})"
                values[1] = rng.pick(("_a", "_a[1:]", "_a[::-1]", "_a[:-1]"))
            steps.append(("call", "f", f"[{', '.join(values)}]", "{}"))
            if self.global_name and rng.chance(0.6):
                steps.append(("set", "G0", rng.pick(("4", "2**62", "1.25", "-3", "True"))))
        return steps
