"""The statements in a kernel's loops.

Invariant: what a block that may not run binds is forgotten behind it, so that no name is read unbound. Kept by `scope`.
"""

from ..weights import KERNEL_STATEMENTS
from .expressions import Expressions


class Statements(Expressions):
    """Each `do_…` writes one statement, or nothing where none fits."""

    def statement(self) -> None:
        kind = self.rng.draw(KERNEL_STATEMENTS)
        if self.depth > 4 and kind in ("branch", "try", "view"):
            kind = "reduce"
        self.cover["kernel." + kind] += 1
        before = len(self.lines)
        getattr(self, "do_" + kind)()
        if len(self.lines) == before:
            self.emit("pass")

    def accumulators(self, *kinds: str) -> list:
        return [n for n, k in self.scalars.items() if n[0] == "r" and k in kinds]

    def do_reduce(self) -> None:
        names = self.accumulators("int", "float")
        if not names:
            return self.do_store()
        name = self.rng.pick(names)
        if self.scalars[name] == "float":
            self.reduce_float(name)
        else:
            self.reduce_int(name)

    def reduce_float(self, r: str) -> None:
        value = self.float(2)
        self.emit(
            self.rng.pick(
                (f"{r} += {value}", f"{r} += {value}", f"{r} -= {value}", f"{r} = max({r}, {value})",
                 f"{r} = min({r}, {value})", f"{r} = {r} * 0.5 + {value}")
            )
        )  # fmt: skip

    def reduce_int(self, r: str) -> None:
        rng = self.rng
        value = self.int(2)
        choice = rng.below(12)
        if choice < 6:
            self.emit(f"{r} {rng.pick(('+=', '+=', '-='))} {value}")
        elif choice == 6:
            self.emit(f"{r} = {rng.pick(('max', 'min'))}({r}, {value})")
        elif choice == 7:
            self.emit(f"{r} {rng.pick('^|&')}= {value}")
        elif choice == 8:
            self.emit(f"{r} = ({r} * {value}) {rng.pick(('% 1000003', '& (2**63 - 1)', '% -1009'))}")
        elif choice == 9:
            divisor = rng.pick(("3", "-3", "-1", "8", "16", self.int(0)))
            self.emit(f"{r} = {r} {rng.pick(('//', '%'))} {divisor} + {value}")
        elif choice == 10:
            self.emit(f"{r} = {r} * {rng.pick((31, 3, -1))} + {self.int(0)} if abs({r}) < 2**70 else 1")
        else:
            self.emit(f"{r} = {r} {rng.pick(('>> 1', '>> 64', f'<< 1 if abs({r}) < 2**90 else 3', '>> 3', '// 2'))}")

    def do_update(self) -> None:
        a = self.array()
        if self.arrays[a][1] != "?":
            self.emit(f"{self.element(a)} {self.rng.pick(('+=', '+=', '-=', '*='))} {self.for_store(a)}")

    def do_store(self) -> None:
        a = self.array()
        self.emit(f"{self.element(a)} = {self.for_store(a)}")

    def do_dot(self) -> None:
        names = self.accumulators("int", "float")
        a, b = self.array(0, "iuf"), self.array(0, "iuf")
        if not names or not a:
            return self.do_store()
        x, y = self.element(a), self.element(b)
        if self.rng.chance(0.5):
            x, y = (f"{'float' if self.arrays[n][1][0] == 'f' else 'int'}({v})" for n, v in ((a, x), (b, y)))
        self.emit(f"{self.rng.pick(names)} += {x} * {y}")

    def do_local(self) -> None:
        kind = self.rng.pick(("int", "int", "float"))
        name = f"m{self.rng.below(2)}"
        self.emit(f"{name} = {self.int(2) if kind == 'int' else self.float(2)}")
        self.scalars[name] = kind

    def do_flag(self) -> None:
        names = self.accumulators("bool")
        if not names:
            return self.do_reduce()
        name = self.rng.pick(names)
        left = self.rng.pick((f"{name} or ", f"{name} and ", "", "not ", f"{name} != "))
        self.emit(f"{name} = {left}({self.condition()})")

    def do_retype(self) -> None:
        """An accumulator changes its type at some iteration."""
        names = self.accumulators("int")
        if names:
            with self.block(f"if {self.rng.pick(self.indexes or ['r0'])} == {self.rng.pick((1, 4, 7, 20))}:"):
                change = self.rng.pick(("= 1.5", "= True", "+= 0.5", "= 2**64", "= 2**63 - 2"))
                self.emit(f"{self.rng.pick(names)} {change}")

    def do_branch(self) -> None:
        rng = self.rng
        condition = self.condition()
        if rng.chance(0.15):
            # What the first comparison decides bears on the second.
            x, y = self.int(0), self.int(0)
            first, second = rng.pick(("<=", "<", ">=", ">", "!=")), rng.pick(("==", "<", ">", ">=", "<="))
            condition = f"{x} {first} {y} and {x} {second} {y}"
        with self.block(f"if {condition}:"), self.scope():
            self.statement()
            if rng.chance(0.1):
                self.emit(rng.pick(("continue", "break")))
        if rng.chance(0.6):
            with self.block("else:"), self.scope():
                self.statement()

    def do_break(self) -> None:
        with self.block(f"if {self.condition()}:"):
            self.emit(self.rng.pick(("break", "continue")))

    def do_raise(self) -> None:
        with self.block(f"if {self.condition()} and {self.condition()}:"):
            self.emit(f"raise ValueError({self.int(1)})")

    def do_try(self) -> None:
        rng = self.rng
        with self.block("try:"), self.scope():
            self.emit(f"m9 = {self.int(1)}")
            self.statement()
            self.emit(f"m9 = {self.int(1)} {rng.pick(('//', '%'))} {self.int(1)}")
        errors = ("ZeroDivisionError", "ZeroDivisionError", "Exception", "IndexError")
        with self.block(f"except {rng.pick(errors)}:"):
            names = self.accumulators("int")
            self.emit(f"{rng.pick(names)} += m9" if names else "pass")

    def do_view(self) -> None:
        rng = self.rng
        a = self.array()
        if "w" in self.arrays:
            return self.do_store()
        rank, code = self.arrays[a]
        part = rng.pick(("[1:]", "[::-1]", "[::2]", "[:3]", "[-3:]", "[2::-1]", "[1:-1]", "[4:1:-1]", "[:20]"))
        if rank == 2 and rng.chance(0.36):
            part = rng.pick((f"[{self.index(a, 0)}]", f"[:, {self.index(a, 1)}]", f"[{self.index(a, 0)}, ::-1]"))
            rank = 1
        elif rank == 2 and rng.chance(0.4):
            part = rng.pick((".T", "[::2, 1:]", "[:, ::-1]"))
        self.emit(f"w = {a}{part}")
        if rng.chance(0.6):
            self.arrays["w"] = (rank, code)
            self.emit(f"{self.element('w')} = {self.for_store('w')}")
            del self.arrays["w"]
