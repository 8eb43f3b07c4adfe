"""Loop nests with random bodies."""

import contextlib

from .statements import Statements


class Loops(Statements):
    """Each `nest_…` writes one nest. [`Loops.loop`] is the one way to open a loop."""

    @contextlib.contextmanager
    def loop(self, header: str, variables: dict, index: str = ""):
        """A loop statement, around what is written meanwhile. `index`: its variable that arrays are indexed with."""
        with self.block(header), self.scope():
            self.scalars.update(variables)
            self.fixed.update(variables)
            if index:
                self.indexes.append(index)
            yield
            if index:
                self.indexes.pop()

    def statements(self, *counts: int) -> None:
        for _ in range(self.rng.pick(counts)):
            self.statement()

    def extent(self, name: str, axis: int = 0) -> str:
        return f"{name}.shape[{axis}]" if axis or self.rng.chance(0.3) else f"len({name})"

    def nest_one(self) -> None:
        n = self.extent(self.array())
        source = self.rng.pick(
            (n, n, n, n, f"1, {n}", f"{n} - 1", f"1, {n} - 1", f"{n} - 1, -1, -1", f"0, {n}, 2", f"{n} - 1, 0, -2")
        )
        if self.rng.chance(0.05):
            source = f"{n} + 1"
        with self.loop(f"for i in range({source}):", {"i": "int"}, "i"):
            self.statements(1, 1, 2, 3)

    def nest_range(self) -> None:
        """Not over an array's extent: bounds from parameters, also large ones."""
        s = self.scalar("int", "9")
        source = self.rng.pick(
            (f"{s} & 63", f"{s}, {s} + 20", f"{s}, {s} - 20, -1", f"{s} - 5, {s} + 30, 3", f"{s} - 40, {s}, 3", f"{s} + 40, {s}, -7",
             f"{s} + 9, {s} - 30, -4", f"-3, {s} % 50",
             "2, 40, 3", f"0, 40, {s}", f"30, -2, {s}", "30, -1, -1")
        )  # fmt: skip
        if self.rng.chance(0.12):
            # The value after the last one does not fit 64 bits any more.
            end, step = 2**63 - 1 - self.rng.below(4), self.rng.pick((1, 2, 3, 7, 11))
            source = self.rng.pick((f"{end - 50}, {end}, {step}", f"{50 - end}, {-end}, -{step}"))
        with self.loop(f"for i in range({source}):", {"i": "int"}):
            self.statements(1, 1, 2, 3)

    def nest_while(self) -> None:
        rng = self.rng
        self.emit("i = 0")
        self.scalars["i"] = "int"
        more = f" and {self.condition()}" if rng.chance(0.3) else ""
        header = f"while i < {self.extent(self.array())}{more}:"
        before = len(self.lines)
        with self.loop(header, {}, "i"):
            self.fixed.add("i")
            self.statement()
            self.emit(f"i += {rng.pick((1, 1, 1, 2))}")
        # `continue` would skip the step.
        self.lines[before:] = [line.replace("continue", "break") for line in self.lines[before:]]

    def nest_two(self) -> None:
        rng = self.rng
        a = self.array(2)
        low = "1, " if rng.chance(0.25) else ""
        high = " - 1" if rng.chance(0.25) else ""
        with self.loop(f"for i in range({low}{a}.shape[0]{high}):", {"i": "int"}, "i"):
            if rng.chance(0.3):
                self.statement()
            with self.loop(f"for j in range({low}{a}.shape[1]{high}):", {"j": "int"}, "j"):
                self.statements(1, 1, 2)
            if rng.chance(0.2):
                self.statement()

    def nest_rows(self) -> None:
        a = self.array(2)
        with self.block(f"for row in {a}{self.rng.pick(('', '', '[::-1]', '.T'))}:"):
            self.arrays["row"] = (1, self.arrays[a][1])
            if self.rng.chance(0.5):
                inner = self.loop("for i in range(len(row)):", {"i": "int"}, "i")
            else:
                inner = self.loop("for x in row:", {"x": self.element_kind(a)})
            with inner:
                self.statement()
            del self.arrays["row"]

    def nest_array(self) -> None:
        a = self.array(1)
        view = self.rng.pick(("", "", "", "[::-1]", "[1:]", "[::2]", "[:-1]"))
        with self.loop(f"for x in {a}{view}:", {"x": self.element_kind(a)}):
            self.statements(1, 1, 2)

    def nest_enumerate(self) -> None:
        a = self.array(1)
        start = self.rng.pick(("", "", ", 1", ", 5", ", start=2", ", -3"))
        with self.loop(f"for i, x in enumerate({a}{start}):", {"i": "int", "x": self.element_kind(a)}):
            self.statements(1, 2)

    def nest_zip(self) -> None:
        a, b = self.array(1), self.array(1)
        second = self.rng.pick((b, b, f"{b}[1:]", "range(6)", f"{b}[::-1]"))
        kind = "int" if second == "range(6)" else self.element_kind(b)
        with self.loop(f"for x, y in zip({a}, {second}):", {"x": self.element_kind(a), "y": kind}):
            self.statements(1, 2)
