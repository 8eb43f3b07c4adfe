"""The function around the ideas: its lines by place, the loop, the values that the ideas work on, and the calls."""

from collections import Counter

from ..kernels.arguments import array_argument, scalar_argument
from ..values import Rng

CODES = ("i8", "i8", "f8", "f8", "i4", "f4", "u1", "c16")
CAUGHT = ("ValueError", "IndexError", "ZeroDivisionError", "(ValueError, IndexError)", "Exception", "ArithmeticError")


class Scene:
    """Ideas add lines to `functions`, `before` the loop and the newest of `body`, and names to `results`.

    In the loop there are the int `i`, the accumulator `r`, and the parameters: the array `a`, the int `n`, the number `s`.
    """

    def __init__(self, rng: Rng, cover: Counter):
        self.rng, self.cover = rng, cover
        self.code = rng.pick(CODES)
        self.functions: list = []
        self.before: list = []
        self.body: list = []  # one list of lines per idea
        self.results = ["r"]
        self.parameters: dict = {}  # further ones: name -> what they are called with
        self.needs_objects = False  # lists, text, `with`: typed code knows none of them
        self.serial = 0

    # -- lines ------------------------------------------------------------------------------------
    def name(self, prefix: str) -> str:
        """A name that no other idea has."""
        self.serial += 1
        return f"{prefix}{self.serial}"

    def at_start(self, *lines: str) -> None:
        self.before += lines

    def in_loop(self, *lines: str) -> None:
        self.body[-1] += lines

    def array(self, *makers: str) -> str:
        """A new array with a name of its own: a parameter, or made in the function, where typed code may not know it."""
        name = self.name("w")
        if self.rng.chance(0.7):
            self.parameters[name] = self.rng.pick(makers)
        else:
            self.at_start(f"{name} = {self.rng.pick(makers)}")
        self.results.append(name)
        return name

    def define(self, *lines: str) -> None:
        """A function of the module that compiles."""
        self.functions += ["", "", "@njit", *lines]

    def define_plain(self, *lines: str) -> None:
        """A function of the module that stays CPython's."""
        self.functions += ["", "", *lines]

    # -- values -----------------------------------------------------------------------------------
    def element(self) -> str:
        """An element of `a`, which may be empty in one step of many."""
        return self.rng.pick(("a[i % len(a)]", "a[i % len(a)]", "a[-1 - i % len(a)]", "a[0]"))

    def small(self) -> str:
        """An int of a few bits that differs between iterations."""
        return self.rng.pick(("i", "i", "i & 7", "i % 5", "n & 3", "(i + n) % 7", "i * 3 % 8", "3", "i - 4"))

    def int(self) -> str:
        if self.code[0] in "iu" and self.rng.chance(0.3):
            return f"int({self.element()})"
        return self.rng.pick(("i", "n", "i + 1", "i * n", "n - i", "i * 5 - 40", "7", "i * i - n"))

    def number(self) -> str:
        return self.rng.pick((self.int(), self.int(), "s", "s + i", f"{self.element()}", "0.5", "i / 2"))

    def condition(self) -> str:
        k = self.rng.pick((2, 3, 5))
        return self.rng.pick(
            (f"i % {k} == {self.rng.below(k)}", "i > n", f"i == {self.rng.pick((3, 9, 20))}", "i & 4", "s > i")
        )

    def add(self, value: str) -> str:
        """A statement that lets `value` be seen in the result."""
        return self.rng.pick((f"r += {value}", f"r += {value}", f"r = r - {value}", f"r = {value}"))

    # -- the whole --------------------------------------------------------------------------------
    def program(self) -> str:
        rng = self.rng
        lines = ["r = 0", *self.before]
        parts = [line for part in self.body for line in self.wrapped(part)]
        tail = [f"if {self.condition()}:", f"    {rng.pick(('break', 'continue', 'r = r * 1.5', 'n = n + 1'))}"]
        if rng.chance(0.15):
            parts += tail
        trips = rng.pick(
            ("range(n & 63)", "range(len(a))", "range(30)", "range(12)", "range(n, n + 25)", "range(40, -2, -3)")
        )
        lines += [f"for i in {trips}:", *("    " + line for line in parts)]
        lines.append(f"return {', '.join(self.results)}")
        decorator = "@njit(fallback=True)" if self.needs_objects else "@njit"
        functions = [decorator if line == "@njit" else line for line in self.functions]
        return "\n".join(
            [
                "import math",
                "",
                "import numpy as np",
                *functions,
                "",
                "",
                decorator,
                f"def f({', '.join(['a', 'n', 's', *self.parameters])}):",
            ]
            + ["    " + line for line in lines]
            + ["", "", "STEPS = [", *(f"    {step!r}," for step in self.steps()), "]", ""]
        )

    def wrapped(self, part: list) -> list:
        """An idea's lines in the loop, now and then under a condition or in a `try`."""
        rng = self.rng
        choice = rng.below(10)
        if choice < 2:
            return [f"if {self.condition()}:", *("    " + line for line in part)]
        if choice < 4:
            handler = rng.pick(("r += 1000", "r = i", "continue", "break", "pass"))
            return ["try:", *("    " + line for line in part), f"except {rng.pick(CAUGHT)}:", f"    {handler}"]
        return part

    def tried(self, line: str) -> list:
        """A statement in a `try` whose handler reads what the statement would have written."""
        return [
            "try:",
            f"    {line}",
            f"except {self.rng.pick(CAUGHT)}:",
            f"    {self.rng.pick(('r += 1000', 'r = (r, i)[1]', 'r = r * 2'))}",
        ]

    def steps(self) -> list:
        rng = self.rng
        steps = []
        for i in range(rng.pick((2, 2, 3))):
            n = rng.pick((1, 2, 3, 8, 12, 12, 12, 30, 30)) if rng.chance(0.97) else 0
            code = self.code if i == 0 or rng.chance(0.9) else rng.pick(CODES)
            array = array_argument(rng, 1, code, n, 0.15)
            count = (
                rng.pick(("0", "3", "7", "9", "20", "25", "50", "-4"))
                if rng.chance(0.9)
                else scalar_argument(rng, "int")
            )
            number = scalar_argument(rng, rng.pick(("float", "float", "int", "bool", "numpy")) if i else "float")
            values = ", ".join([array, count, number, *self.parameters.values()])
            steps.append(("call", "f", f"[{values}]", "{}"))
        return steps
