"""Small programs shaped like numerical kernels: counted loops over arrays, with what the loop passes look for.

`compound` writes large and varied functions; hardly any of their loops becomes clean. Here a function is one loop nest
with reads and writes at `i`, `i - 1`, `n - 1 - i` …, sums that overflow in the middle, stores that alias reads, trip
counts around the lengths of strips. Start at [`Kernel.text`].

Promises: as `generate` does. Does not know about modes.
"""

from collections import Counter

from .values import FLOAT_EDGES, NP_NAMES, Rng, Table

CODES = Table(
    {
        "i8": 14,
        "f8": 12,
        "f4": 3,
        "i4": 4,
        "u1": 2.5,
        "i1": 2.5,
        "i2": 1.5,
        "u4": 3,
        "u8": 2,
        "u2": 1,
        "?": 0.7,
        "c16": 0.7,
    }
)
LENGTHS = Table({0: 1, 1: 2, 2: 2, 3: 3, 5: 4, 8: 4, 9: 4, 17: 4, 33: 3, 70: 2, 1030: 0.5, 2100: 0.25})
EDGES = (
    "2**63 - 1",
    "-2**63",
    "2**62",
    "-2**62",
    "2**61 + 3",
    "2**53 + 1",
    "-2**53 - 1",
    "2**53 + 3",
    "2**54 - 1",
    "2**31",
    "2**32",
    "-1",
    "0",
    "127",
    "128",
    "255",
    "256",
    "32768",
    "65536",
)
NESTS = Table(
    {
        "one": 30,
        "clean": 28,
        "range": 14,
        "two": 14,
        "array": 7,
        "enumerate": 6,
        "zip": 6,
        "while": 5,
        "rows": 5,
        "fixed": 5,
        "escape": 5,
        "grow": 12,
    }
)
STATEMENTS = Table(
    {
        "reduce": 24,
        "store": 24,
        "local": 10,
        "branch": 14,
        "update": 8,
        "flag": 4,
        "retype": 3,
        "try": 3,
        "break": 3,
        "view": 4,
        "raise": 2,
        "dot": 5,
    }
)


class Kernel:
    """One program: a function `f`, perhaps a helper, and the steps that call it."""

    def __init__(self, rng: Rng, cover: Counter):
        self.rng, self.cover = rng, cover
        self.arrays: dict = {}  # name -> (rank, code)
        self.scalars: dict = {}  # parameter, local or loop variable -> "int", "float", "bool"
        self.indexes: list = []  # loop variables that index, outermost first
        self.fixed: set = set()  # never assigned
        self.lines: list = []
        self.depth = 1
        self.helper = ""
        self.alias_chance = 0.12
        self.big_chance = 0.15  # of an array of ints near the limit

    # -- the program ------------------------------------------------------------------------------
    def text(self) -> str:
        rng = self.rng
        self.cover["kernel"] += 1
        for name in "abc"[: rng.pick((1, 2, 2, 3))]:
            self.arrays[name] = (1 if rng.chance(0.75) else 2, rng.draw(CODES))
        for name in "st"[: rng.pick((1, 1, 2))]:
            self.scalars[name] = rng.pick(("int", "int", "float"))
            self.fixed.add(name)
        head = ["import math", "", "import numpy as np", ""]
        self.global_name = "G0" if rng.chance(0.15) else ""
        if self.global_name:
            head.append(f"G0 = {rng.pick(('3', '7', '2.5', str(2**62)))}")
        if rng.chance(0.25):
            head += self.write_helper()
        parameters = [*self.arrays, *self.scalars]
        self.parameters = list(parameters)
        accumulators = [self.accumulator(f"r{i}") for i in range(rng.pick((1, 1, 2)))]
        guarded = rng.chance(0.1)
        if guarded:
            self.emit("try:")
            self.depth += 1
        self.nest()
        if rng.chance(0.12):
            self.nest()
        if guarded:
            self.depth -= 1
            error = rng.pick(
                ("ZeroDivisionError", "IndexError", "(IndexError, ValueError)", "Exception", "OverflowError")
            )
            self.emit(f"except {error}:")
            locals_ = [n for n in self.scalars if n[0] in "rm"]
            self.emit(f"    {accumulators[0]} = {rng.pick(locals_)}")
        results = [n for n in self.scalars if n[0] in "r"] + [n for n in self.arrays if n[0] == "w"]
        self.emit(f"return {results[0]}" if len(results) == 1 else f"return ({', '.join(results)})")
        steps = self.steps()
        return "\n".join(
            [*head, "", "", "@njit", f"def f({', '.join(parameters)}):", *self.lines]
            + ["", "", "STEPS = [", *(f"    {step!r}," for step in steps), "]", ""]
        )

    def emit(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def write_helper(self) -> list:
        rng = self.rng
        self.helper = "h"
        self.cover["kernel.helper"] += 1
        body = []
        if rng.chance(0.4):
            body += [
                f"    if y {rng.pick(('<', '==', '>'))} {rng.pick((0, 3, 5))}:",
                f"        {rng.pick(('return x', 'raise ValueError(y)', 'x = y'))}",
            ]
        return [
            "",
            "",
            "@njit",
            "def h(x, y):",
            *body,
            f"    return {rng.pick(('x + y', 'x - y', 'x * y', 'x // y', 'x % 7 - y', 'x if x > y else y', 'max(x, y) - 1', 'x * x - y'))}",
        ]

    def accumulator(self, name: str) -> str:
        rng = self.rng
        kind = rng.pick(("int", "int", "float", "bool"))
        start = {
            "int": ("0", "0", "1", "s" if self.scalars.get("s") == "int" else "5", str(2**63 - 40), str(-(2**62))),
            "float": ("0.0", "-0.0", "1.0", "0.1"),
            "bool": ("False", "True"),
        }[kind]
        self.emit(f"{name} = {rng.pick(start)}")
        self.scalars[name] = kind
        return name

    # -- loops ------------------------------------------------------------------------------------
    def nest(self) -> None:
        rng = self.rng
        kind = rng.draw(NESTS)
        ranks = {r for r, _ in self.arrays.values()}
        if kind in ("two", "rows") and 2 not in ranks:
            kind = "one"
        self.cover["kernel." + kind] += 1
        getattr(self, "nest_" + kind)()

    def array(self, rank: int = 0, families: str = ""):
        names = [
            n for n, (r, c) in self.arrays.items() if (not rank or r == rank) and (not families or c[0] in families)
        ]
        return self.rng.pick(names) if names else None

    def loop(self, header: str, variables: dict, n: int, index: str = "") -> None:
        """A loop statement and its body of `n` statements."""
        self.emit(header)
        self.depth += 1
        before = dict(self.scalars)
        self.scalars.update(variables)
        self.fixed.update(variables)
        if index:
            self.indexes.append(index)
        for _ in range(n):
            self.statement()
        if index:
            self.indexes.pop()
        self.depth -= 1
        # Locals of the body are bound only if it ran.
        self.scalars = {k: v for k, v in self.scalars.items() if k in before}

    def extent(self, name: str, axis: int = 0) -> str:
        return f"{name}.shape[{axis}]" if axis or self.rng.chance(0.3) else f"len({name})"

    def nest_one(self) -> None:
        n = self.extent(self.array())
        source = self.rng.pick(
            (n, n, n, n, f"1, {n}", f"{n} - 1", f"1, {n} - 1", f"{n} - 1, -1, -1", f"0, {n}, 2", f"{n} - 1, 0, -2")
        )
        if self.rng.chance(0.05):
            source = f"{n} + 1"
        self.loop(f"for i in range({source}):", {"i": "int"}, self.rng.pick((1, 1, 2, 3)), "i")

    def nest_clean(self) -> None:
        """A loop that tier 2 can make clean: strips, check loops, versions, vectors. Views of one array, sums at the limit."""
        rng = self.rng
        self.alias_chance = self.big_chance = 0.35
        code = rng.pick(("i8", "i8", "i8", "i8", "i4", "f8", "u1"))
        for name in self.arrays:
            self.arrays[name] = (1, code)
        names = list(self.arrays)
        a, b, c = names[0], rng.pick(names), names[-1]
        r = "r0"
        if rng.chance(0.6) and code != "f8":
            self.emit(f"{r} = {rng.pick((2**63 - 40, 2**63 - 2000, 2**62, -(2**63) + 50, 0, 0, 7))}")
            self.scalars[r] = "int"
        s = next((n for n, k in self.scalars.items() if k == "int" and n in self.fixed), "3")
        v, w = ("float({})", "float({})") if code == "f8" else ("int({})", "int({})")
        x, y = v.format(f"{a}[i]"), w.format(f"{b}[i]")
        near = rng.pick(("i", "i", "i - 1", "i + 1", "-1 - i", "i - 2"))
        body = rng.pick(
            (f"{r} += {x}", f"{r} += {x}", f"{r} -= {x}", f"{r} += {x} * {y}", f"{r} += {x} - {y}", f"{r} += {x} + {rng.pick((1, 3, s))}",
             f"{r} += i * {rng.pick(('i', '3', s))}", f"{r} += {x} * {rng.pick((2, 3, -1, s))}", f"{c}[i] = {a}[i] + {b}[i]", f"{c}[i] = {a}[i] * {rng.pick((2, 3))}",
             f"{c}[{near}] = {a}[i] - {b}[i]", f"{c}[i] = {a}[{near}] + 1", f"{c}[i] = {x} + {y}", f"{c}[i] = {x} * {rng.pick((2, s))} + i",
             f"{a}[i] += {b}[{near}]", f"{a}[i] = {a}[{near}] + {b}[i]", f"{a}[i] = {a}[i] - {a}[{rng.pick((0, 2, 5, 9))}]", f"{a}[{rng.pick((0, 3, 7))}] += {b}[i]",
             f"{r} = {rng.pick(('max', 'min'))}({r}, {x})", f"{r} {rng.pick('^|&')}= {x}" if code != "f8" else f"{r} += {x}",
             f"{r} += 1 if {x} {rng.pick(('>', '<=', '=='))} {s} else 2", f"{c}[i] = {a}[i] if {a}[i] > {b}[i] else {b}[i]", f"{c}[i] = i")
        )  # fmt: skip
        n = self.extent(rng.pick((a, a, c)))
        source = rng.pick(
            (n, n, n, n, n, f"1, {n}", f"{n} - 1", f"{n} - 1, -1, -1", f"0, {n}, 2", f"2, {n} - 2", f"0, {n}, 3")
        )
        self.emit(f"for i in range({source}):")
        if rng.chance(0.2):
            self.emit(f"    if {x} {rng.pick(('>', '<', '!='))} {rng.pick(('3', s, y))}:")
            self.emit(f"        {body}")
            if rng.chance(0.5):
                self.emit(f"    else:\n{'    ' * self.depth}        {r} += {x} * 3 + 1")
        else:
            self.emit(f"    {body}")

    def nest_range(self) -> None:
        """Not over an array's extent: bounds from parameters, also large ones."""
        rng = self.rng
        ints = [n for n, k in self.scalars.items() if k == "int" and n in self.fixed]
        s = rng.pick(ints) if ints else "9"
        source = rng.pick(
            (f"{s} & 63", f"{s}, {s} + 20", f"{s}, {s} - 20, -1", f"{s} - 5, {s} + 30, 3", f"{s} - 40, {s}, 3", f"{s} + 40, {s}, -7",
             f"{s} + 9, {s} - 30, -4", f"-3, {s} % 50",
             "2, 40, 3", f"0, 40, {s}", f"30, -2, {s}", "30, -1, -1")
        )  # fmt: skip
        self.loop(f"for i in range({source}):", {"i": "int"}, rng.pick((1, 1, 2, 3)))

    def nest_while(self) -> None:
        rng = self.rng
        a = self.array()
        self.emit("i = 0")
        self.emit(f"while i < {self.extent(a)}" + (f" and {self.condition()}:" if rng.chance(0.3) else ":"))
        before = len(self.lines)
        self.scalars["i"] = "int"
        self.fixed.add("i")
        self.indexes.append("i")
        self.depth += 1
        self.statement()
        self.emit(f"i += {rng.pick((1, 1, 1, 2))}")
        self.depth -= 1
        self.indexes.pop()
        # `continue` would skip the step.
        self.lines[before:] = [line.replace("continue", "break") for line in self.lines[before:]]

    def nest_two(self) -> None:
        rng = self.rng
        a = self.array(2)
        low = "1, " if rng.chance(0.25) else ""
        high = " - 1" if rng.chance(0.25) else ""
        self.emit(f"for i in range({low}{a}.shape[0]{high}):")
        self.depth += 1
        self.scalars["i"] = "int"
        self.fixed.add("i")
        self.indexes.append("i")
        if rng.chance(0.3):
            self.statement()
        self.loop(f"for j in range({low}{a}.shape[1]{high}):", {"j": "int"}, rng.pick((1, 1, 2)), "j")
        if rng.chance(0.2):
            self.statement()
        self.indexes.pop()
        self.depth -= 1
        self.scalars.pop("i")

    def nest_rows(self) -> None:
        a = self.array(2)
        code = self.arrays[a][1]
        self.emit(f"for row in {a}{self.rng.pick(('', '', '[::-1]', '.T'))}:")
        self.depth += 1
        self.arrays["row"] = (1, code)
        if self.rng.chance(0.5):
            self.loop("for i in range(len(row)):", {"i": "int"}, 1, "i")
        else:
            self.loop("for x in row:", {"x": kind_of(code)}, 1)
        del self.arrays["row"]
        self.depth -= 1

    def nest_array(self) -> None:
        a = self.array(1) or "s"
        if a == "s":
            return self.nest_one()
        view = self.rng.pick(("", "", "", "[::-1]", "[1:]", "[::2]", "[:-1]"))
        self.loop(f"for x in {a}{view}:", {"x": kind_of(self.arrays[a][1])}, self.rng.pick((1, 1, 2)))

    def nest_enumerate(self) -> None:
        a = self.array(1)
        if not a:
            return self.nest_one()
        start = self.rng.pick(("", "", ", 1", ", 5", ", start=2", ", -3"))
        self.loop(
            f"for i, x in enumerate({a}{start}):", {"i": "int", "x": kind_of(self.arrays[a][1])}, self.rng.pick((1, 2))
        )

    def nest_zip(self) -> None:
        a, b = self.array(1), self.array(1)
        if not a:
            return self.nest_one()
        second = self.rng.pick((b, b, f"{b}[1:]", "range(6)", f"{b}[::-1]"))
        kind = "int" if second[0] == "r" else kind_of(self.arrays[b][1])
        self.loop(
            f"for x, y in zip({a}, {second}):", {"x": kind_of(self.arrays[a][1]), "y": kind}, self.rng.pick((1, 2))
        )

    def nest_fixed(self) -> None:
        """A read at an address that does not change, beside stores that may hit it."""
        a = self.array(1, "iuf")
        if not a:
            return self.nest_one()
        at = self.rng.pick(("0", "-1", "2", "5", "len(a) // 2" if self.arrays.get("a", (2,))[0] == 1 else "1"))
        op = self.rng.pick(("+", "-"))
        self.emit(f"for i in range({self.rng.pick(('', '1, '))}len({a})):")
        self.emit(f"    {a}[i] = {a}[i] {op} {a}[{at}]" if self.rng.chance(0.6) else f"    {a}[{at}] {op}= {a}[i]")

    def nest_grow(self) -> None:
        """An int that outgrows 64 bits, then 128."""
        rng = self.rng
        step = rng.pick(("r9 *= i + 2", "r9 *= 7", "r9 *= -5", "r9 = r9 * r9 + 1 if r9 < 2**130 else 3", "r8, r9 = r9, r8 + r9", "r9 = r9 * 6364136223846793005 + i",
                         "r9 += r9", "r9 -= r8 * 3; r8 = r8 * 4 + 1", "r9 = (r9 << 3) - i", "r9 = r9 * r8; r8 = -r8 - 2", "r9 = abs(r9) * -3"))  # fmt: skip
        if "r9" not in self.scalars:
            self.emit(
                f"r8, r9 = {rng.pick((1, 0, 3))}, {rng.pick((1, 1, 3, 's' if self.scalars.get('s') == 'int' else 2))}"
            )
        self.emit(f"for i in range({rng.pick((30, 60, 100))}):")
        if rng.chance(0.3):
            self.emit(
                f"    if r9 {rng.pick(('> 2**64', '< -2**63', '% 3 == 1', '& 5 == 5'))}:\n{'    ' * self.depth}        r8 += 1"
            )
        if rng.chance(0.15):
            self.emit(
                f"    if {rng.pick(('i == 20', 'r9 > 2**100', 'r9 < -2**70'))}:\n{'    ' * self.depth}        break"
            )
        self.emit(f"    {step}")
        self.scalars["r8"] = self.scalars["r9"] = "int"

    def nest_escape(self) -> None:
        """Iterates z = z * z + c, as the Mandelbrot set does."""
        rng = self.rng
        self.emit(f"z = complex({rng.pick(('0.0', '0.1', '-0.5'))}, 0.0)")
        c = rng.pick(("complex(-0.4, 0.6)", "complex(0.3, -0.01)", "complex(1.0, 1.0)"))
        self.emit(f"for i in range({rng.pick((20, 60))}):")
        self.emit(f"    z = z * z {rng.pick('+-')} {c}")
        self.emit(f"    if {rng.pick(('abs(z) > 2.0', 'z.real * z.real + z.imag * z.imag > 4.0'))}:")
        self.emit("        break")
        self.emit("rz = z")
        self.scalars["rz"] = "complex"

    # -- statements -------------------------------------------------------------------------------
    def statement(self) -> None:
        kind = self.rng.draw(STATEMENTS)
        if self.depth > 4 and kind in ("branch", "try", "view"):
            kind = "reduce"
        self.cover["kernel." + kind] += 1
        before = len(self.lines)
        getattr(self, "do_" + kind)()
        if len(self.lines) == before:
            self.emit("pass")

    def do_reduce(self) -> None:
        rng = self.rng
        names = [n for n, k in self.scalars.items() if n[0] == "r" and k in ("int", "float")]
        if not names:
            return self.do_store()
        name = rng.pick(names)
        if self.scalars[name] == "float":
            value = self.float(2)
            self.emit(
                rng.pick(
                    (
                        f"{name} += {value}",
                        f"{name} += {value}",
                        f"{name} = {rng.pick(('max', 'min'))}({name}, {value})",
                        f"{name} = {name} * 0.5 + {value}",
                        f"{name} -= {value}",
                    )
                )
            )
            return
        value = self.int(2)
        choice = rng.below(12)
        if choice < 6:
            self.emit(f"{name} {rng.pick(('+=', '+=', '-='))} {value}")
        elif choice == 6:
            self.emit(f"{name} = {rng.pick(('max', 'min'))}({name}, {value})")
        elif choice == 7:
            self.emit(f"{name} {rng.pick(('^=', '|=', '&='))} {value}")
        elif choice == 8:
            self.emit(f"{name} = ({name} * {value}) {rng.pick(('% 1000003', '& (2**63 - 1)', '% -1009'))}")
        elif choice == 9:
            self.emit(
                f"{name} = {name} {rng.pick(('//', '%'))} {rng.pick(('3', '-3', '-1', '8', '16', self.int(0)))} + {value}"
            )
        elif choice == 10:
            self.emit(f"{name} = {name} * {rng.pick((31, 3, -1))} + {self.int(0)} if abs({name}) < 2**70 else 1")
        else:
            self.emit(
                f"{name} = {name} {rng.pick(('>> 1', '>> 64', '<< 1 if abs(' + name + ') < 2**90 else 3', '>> 3', '// 2'))}"
            )

    def do_update(self) -> None:
        a = self.array(0, "iuf?c")
        self.emit(
            f"{self.element(a)} {self.rng.pick(('+=', '+=', '-=', '*='))} {self.for_store(a)}"
            if self.arrays[a][1] != "?"
            else "pass"
        )

    def do_store(self) -> None:
        a = self.array()
        self.emit(f"{self.element(a)} = {self.for_store(a)}")

    def do_dot(self) -> None:
        names = [n for n, k in self.scalars.items() if n[0] == "r" and k in ("int", "float")]
        a, b = self.array(0, "iuf"), self.array(0, "iuf")
        if not names or not a:
            return self.do_store()
        x, y = self.element(a), self.element(b)
        if self.rng.chance(0.5):
            x, y = (f"int({v})" if self.arrays[n][1][0] in "iu" else f"float({v})" for n, v in ((a, x), (b, y)))
        self.emit(f"{self.rng.pick(names)} += {x} * {y}")

    def do_local(self) -> None:
        kind = self.rng.pick(("int", "int", "float"))
        name = f"m{self.rng.below(2)}"
        if name not in self.fixed:
            self.emit(f"{name} = {self.int(2) if kind == 'int' else self.float(2)}")
            self.scalars[name] = kind

    def do_flag(self) -> None:
        names = [n for n, k in self.scalars.items() if n[0] == "r" and k == "bool"]
        if names:
            name = self.rng.pick(names)
            self.emit(
                f"{name} = {self.rng.pick((f'{name} or ', f'{name} and ', '', 'not ', f'{name} != '))}({self.condition()})"
            )
        else:
            self.do_reduce()

    def do_retype(self) -> None:
        """An accumulator changes its type at some iteration."""
        names = [n for n, k in self.scalars.items() if n[0] == "r" and k == "int"]
        if names:
            self.emit(f"if {self.rng.pick(self.indexes or ['r0'])} == {self.rng.pick((1, 4, 7, 20))}:")
            self.emit(
                f"    {self.rng.pick(names)} {self.rng.pick(('= 1.5', '= True', '+= 0.5', '= 2**64', '= 2**63 - 2'))}"
            )

    def do_branch(self) -> None:
        rng = self.rng
        if rng.chance(0.15):
            # What the first comparison decides bears on the second.
            x, y = self.int(0), self.int(0)
            self.emit(
                f"if {x} {rng.pick(('<=', '<', '>=', '>', '!='))} {y} and {x} {rng.pick(('==', '<', '>', '>=', '<='))} {y}:"
            )
        else:
            self.emit(f"if {self.condition()}:")
        before = dict(self.scalars)
        self.depth += 1
        self.statement()
        if rng.chance(0.1):
            self.emit(rng.pick(("continue", "break")))
        self.depth -= 1
        self.scalars = dict(before)
        if rng.chance(0.6):
            self.emit("else:")
            self.depth += 1
            self.statement()
            self.depth -= 1
            self.scalars = before

    def do_break(self) -> None:
        self.emit(f"if {self.condition()}:")
        self.emit(f"    {self.rng.pick(('break', 'continue'))}")

    def do_raise(self) -> None:
        self.emit(f"if {self.condition()} and {self.condition()}:")
        self.emit(f"    raise ValueError({self.int(1)})")

    def do_try(self) -> None:
        rng = self.rng
        before = dict(self.scalars)
        self.emit("try:")
        self.depth += 1
        self.emit(f"m9 = {self.int(1)}")
        self.statement()
        self.emit(f"m9 = {self.int(1)} {rng.pick(('//', '%'))} {self.int(1)}")
        self.depth -= 1
        self.scalars = before
        names = [n for n, k in self.scalars.items() if n[0] == "r" and k == "int"]
        self.emit(f"except {rng.pick(('ZeroDivisionError', 'ZeroDivisionError', 'Exception', 'IndexError'))}:")
        self.emit(f"    {rng.pick(names)} += m9" if names else "    pass")

    def do_view(self) -> None:
        rng = self.rng
        a = self.array()
        if "w" in self.arrays:
            return self.do_store()
        rank, code = self.arrays[a]
        part = rng.pick(("[1:]", "[::-1]", "[::2]", "[:3]", "[-3:]", "[2::-1]", "[1:-1]", "[4:1:-1]", "[:20]"))
        if rank == 2 and rng.chance(0.6):
            row = (f"[{self.index(a, 0)}]", f"[:, {self.index(a, 1)}]", f"[{self.index(a, 0)}, ::-1]")
            part, rank = (rng.pick(row), 1) if rng.chance(0.6) else (rng.pick((".T", "[::2, 1:]", "[:, ::-1]")), 2)
        self.emit(f"w = {a}{part}")
        self.arrays["w"] = (rank, code)
        self.emit(f"{self.element('w')} = {self.for_store('w')}" if rng.chance(0.6) else "pass")
        del self.arrays["w"]

    # -- expressions ------------------------------------------------------------------------------
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
                return f"({v} + {rng.pick(('s', '3')) if self.scalars.get('s') == 'int' else 3}) % {size}"
            if choice == 21 and self.array(1, "i") and name != "row":
                return f"int({self.array(1, 'i')}[{v}]) % {size}"
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
        same = [n for n, (_, c) in self.arrays.items() if c == code]
        choice = rng.below(10)
        if choice < 5:
            other = rng.pick(same)
            return f"{self.element(name)} {rng.pick(('+', '-', '*', '+', '//', '%', '&', '>>', '<<'))} {self.element(other)}"
        if choice < 7:
            return f"{self.element(rng.pick(same))} {rng.pick(('+', '-', '*', '//', '%', '&', '>>'))} {rng.pick(('1', '3', '2', 's' if self.scalars.get('s') == 'int' else '5'))}"
        if choice == 7:
            return f"{self.element(rng.pick(same))}"
        if rng.chance(0.3):
            return rng.pick([n for n, k in self.scalars.items() if k == "int"] or ["7"])
        return (
            f"({self.int(2)}) % {rng.pick((7, 100, 50, 129, 257))}" if code != "i8" or rng.chance(0.5) else self.int(2)
        )

    def int(self, depth: int) -> str:
        """A Python int."""
        rng = self.rng
        if depth <= 0 or rng.chance(0.35):
            return self.int_leaf()
        d = depth - 1
        choice = rng.below(20)
        if choice < 8:
            return f"({self.int(d)} {rng.pick(('+', '-', '+', '-', '*'))} {self.int(d)})"
        if choice < 10:
            return f"({self.int(d)} {rng.pick(('*', '+', '-', '//', '%'))} {rng.pick(('2', '3', '-3', '7', '8', '-1', '1', '16', '-8'))})"
        if choice == 10:
            return f"({self.int(d)} {rng.pick(('//', '%'))} {self.int(d)})"
        if choice == 11:
            return f"({self.int(d)} {rng.pick(('&', '|', '^'))} {self.int(d)})"
        if choice == 12:
            return f"({self.int(d)} {rng.pick(('>>', '>>', '<<'))} {rng.pick(('1', '3', '5', '63', '64', '(' + self.int_leaf() + ' & 63)', self.int_leaf() + ' % 70'))})"
        if choice == 13:
            return f"abs({self.int(d)})"
        if choice == 14:
            x, y = self.int(0), self.int(0)
            return f"({x} - {y} if {x} {rng.pick(('>', '<', '>='))} {y} else {y} - {x})"
        if choice == 15:
            return f"{rng.pick(('min', 'max'))}({self.int(d)}, {self.int(d)})"
        if choice == 16:
            return f"({self.int(d)} if {self.condition()} else {self.int(d)})"
        if choice == 17 and self.helper:
            self.cover["kernel.call"] += 1
            return (
                f"h({self.int(d)},\n{'    ' * self.depth}  {self.int(d)})"
                if rng.chance(0.2)
                else f"h({self.int(d)}, {self.int(d)})"
            )
        if choice == 18:
            return rng.pick(
                (
                    f"int({self.float(d)})",
                    f"round({self.float(d)})",
                    f"({self.int(d)} ** {rng.pick((2, 3))})",
                    f"divmod({self.int(d)}, {rng.pick((3, -7))})[{rng.below(2)}]",
                )
            )
        return f"(-{self.int(d)})"

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
            return rng.pick((str(2**63 - 1), "(-9223372036854775808)", str(2**62), str(2**31), str(2**53 + 1)))
        n = rng.between(-3, 9)
        return str(n) if n >= 0 else f"({n})"

    def float(self, depth: int) -> str:
        """A float, or a NumPy scalar of one."""
        rng = self.rng
        if depth <= 0 or rng.chance(0.35):
            return self.float_leaf()
        d = depth - 1
        choice = rng.below(16)
        if choice < 8:
            return f"({self.float(d)} {rng.pick(('+', '-', '*', '+', '*'))} {self.float(d)})"
        if choice == 8:
            return f"({self.float(d)} / {rng.pick(('2.0', '3.0', self.float(0), '(' + self.float(0) + ' + 0.5)'))})"
        if choice == 9:
            return f"({self.float(d)} {rng.pick(('//', '%'))} {rng.pick(('0.5', '-2.0', '3.0', '0.1'))})"
        if choice == 10:
            return f"abs({self.float(d)})"
        if choice == 11:
            return f"{rng.pick(('min', 'max'))}({self.float(d)}, {self.float(d)})"
        if choice == 12:
            return f"({self.float(d)} if {self.condition()} else {self.float(d)})"
        if choice == 13:
            return f"math.{rng.pick(('sqrt', 'floor', 'fabs', 'exp', 'sin'))}({rng.pick(('abs', 'abs', 'float'))}({self.float(d)}) % 9.0)"
        if choice == 14:
            return f"({self.float(d)} {rng.pick(('+', '*', '-'))} {self.int(d)})"
        return rng.pick(
            (
                f"(-{self.float(d)})",
                f"({self.float(d)} ** {rng.pick(('2', '0.5', '1.5', '3'))})",
                f"({self.int(d)} / {rng.pick(('3', '7', self.int(0)))})",
            )
        )

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
        return rng.pick(("0.5", "2.0", "1.0", "-1.5", "0.1", "3.0"))

    def condition(self) -> str:
        rng = self.rng
        compare = rng.pick(("<", "<=", ">", ">=", "==", "!="))
        choice = rng.below(12)
        if choice < 5:
            return f"{self.int(1)} {compare} {self.int(0)}"
        if choice < 8:
            return f"{self.float(1)} {compare} {self.float(0)}"
        if choice == 8:
            return f"{self.int(0)} {compare} {self.float(0)}"
        if choice == 9:
            return f"{self.int(0)} {rng.pick(('%', '&'))} {rng.pick((2, 3))} == {rng.pick((0, 1))}"
        if choice == 10:
            return f"{self.int(0)} < {self.int(0)} <= {self.int(0)}"
        return rng.pick(
            (
                f"({self.int(0)}, {self.float(0)}) == ({self.int(0)}, {self.float(0)})",
                f"not {self.int(0)}",
                f"{self.int(0)} > 0 and {self.float(0)} < 2.0",
            )
        )

    # -- steps ------------------------------------------------------------------------------------
    def steps(self) -> list:
        rng = self.rng
        steps = []
        for i in range(rng.pick((2, 2, 3))):
            n = rng.draw(LENGTHS)
            values = []
            for name in self.parameters:
                if name in self.arrays:
                    rank, code = self.arrays[name]
                    size = n if rng.chance(0.9) else max(0, n + rng.pick((-1, 1, 2)))
                    if i and rng.chance(0.06):
                        code = rng.draw(CODES)
                    values.append(array(rng, rank, code, size, self.big_chance))
                else:
                    kind = self.scalars[name]
                    if i and rng.chance(0.1):
                        kind = rng.pick(("int", "float", "bool", "numpy"))
                    values.append(scalar(rng, kind))
            if len(self.arrays) > 1 and rng.chance(self.alias_chance) and "b" in self.parameters:
                self.cover["kernel.aliased"] += 1
                values[0] = f"(_a := {values[0]})"
                values[1] = rng.pick(("_a", "_a[1:]", "_a[::-1]", "_a[:-1]"))
            steps.append(("call", "f", f"[{', '.join(values)}]", "{}"))
            if self.global_name and rng.chance(0.6):
                steps.append(("set", "G0", rng.pick(("4", "2**62", "1.25", "-3", "True"))))
        return steps


def kind_of(code: str) -> str:
    """What may be done with an element of type `code` under its own name."""
    return {"f": "float", "c": "complex", "?": "bool"}.get(code[0], "numpy")


def scalar(rng: Rng, kind: str) -> str:
    if kind == "int":
        return (
            rng.pick(("0", "1", "2", "-1", "3", "7", "-5", "12", "40", *EDGES))
            if rng.chance(0.7)
            else str(rng.between(-60, 60))
        )
    if kind == "float":
        return rng.pick(FLOAT_EDGES) if rng.chance(0.2) else rng.pick(("0.5", "1.5", "-2.25", "3.0", "0.1"))
    if kind == "bool":
        return rng.pick(("True", "False"))
    return f"np.{rng.pick(('int64', 'int32', 'float64', 'uint8'))}({rng.pick((0, 1, 3, 100))})"


def array(rng: Rng, rank: int, code: str, n: int, big_chance: float) -> str:
    """An array of about `n` elements: a pattern, often with one element that is out of the ordinary."""
    shape = "" if rank == 1 else f".reshape({max(1, n // 3)}, -1)" if n % max(1, n // 3) == 0 else f".reshape(-1, {n})"
    if n == 0:
        return f"np.zeros({0 if rank == 1 else (0, 3)}, '{code}')"
    pattern = rng.pick(
        ("np.arange({n})", "np.arange({n}) - {h}", "np.arange({n}) * 7 % 11", "np.arange({n})[::-1]", "np.ones({n})", "np.arange({n}) % 3", "np.full({n}, 5)")
    ).format(n=n, h=n // 2)  # fmt: skip
    if code in ("f8", "f4", "c16"):
        pattern = f"({pattern}) * {rng.pick(('0.5', '1.0', '-0.75', '0.1'))}"
        edge = rng.pick(("math.nan", "math.inf", "-0.0", "0.0", "1e300", "-1.0", "9223372036854775808.0", "2.5", "0.5"))
    elif code == "?":
        edge = "1"
    else:
        bits, signed = 8 * int(code[1:]), code[0] == "i"
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        edge = str(rng.pick((low, high, high, high // 2 + 1, high // 3, 0, 0, max(low, -1))))
        if code == "i8" and rng.chance(big_chance):
            pattern = f"({pattern}) * {rng.pick((2**61, 2**58, 2**59, 2**55, 2**31 + 1))}"
    if not rng.chance(0.4):
        edge = ""
    if code[0] == "u" or code == "?":
        pattern = f"abs({pattern})"
    text = f"({pattern}).astype('{code}')"
    if edge:
        at = rng.pick((0, n - 1, n // 2, rng.below(n), 7 if n > 7 else 0))
        dtype = f"np.{NP_NAMES[code]}"
        text = f"np.where(np.arange({n}) == {at}, {dtype}({edge}), {text})"
    text = text + shape
    layout = rng.below(14)
    if layout == 0:
        return f"np.repeat({text}, 2, axis=0)[::2]"
    if layout == 1:
        return f"({text})[::-1]"
    if rank == 2 and layout in (2, 3):
        return f"np.asfortranarray({text})" if layout == 2 else f"({text}).T"
    return text
