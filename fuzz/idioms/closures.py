"""Nested functions in and before the loop: cells, `nonlocal`, defaults, `*args`, and those that escape."""

from .scene import Scene

SIGNATURES = (
    ("x", "{x}"), ("x", "{x}"), ("x, by=2", "{x}"), ("x, by=n", "{x}, by={y}"), ("x, *, by=3", "{x}, by={y}"),
    ("x, *rest", "{x}, {y}, i"), ("x, *rest, by=1", "{x}, *pair, by={y}"), ("x, by", "*pair"), ("x=5, by=i0", "by={y}"),
)  # fmt: skip
VALUES = ("x + {cell}", "x * 2 - {cell}", "{cell}", "x", "{by} + x", "x - {by} * 2", "{cell} if x > 5 else {by}")
CHANGES = ("{cell} += x", "{cell} = x", "{cell} -= {by}", "{cell} = {cell} * 3 + x & 1023", "{cell} = {cell} + 0.5")


class Closures(Scene):
    def idea_nested(self) -> None:
        rng = self.rng
        cell, g = self.name("c"), self.name("g")
        self.at_start("i0 = 4", f"{cell} = {rng.pick(('0', '1', 'n', 's', '2**62', '0.5'))}")
        self.results.append(cell)
        signature, call = rng.pick(SIGNATURES)
        by = "by" if "by" in signature else "len(rest)" if "rest" in signature else "i0"
        lines = [f"def {g}({signature}):"]
        if rng.chance(0.6):
            self.cover["idiom.nonlocal"] += 1
            lines += [f"    nonlocal {cell}", "    " + rng.pick(CHANGES).format(cell=cell, by=by)]
        if rng.chance(0.2):
            lines += [
                f"    if x == {rng.pick((3, 8, 11))}:",
                f"        {rng.pick(('raise ValueError(x)', 'return None', 'return 0.5'))}",
            ]
        lines.append("    return " + rng.pick(VALUES).format(cell=cell, by=by))
        place = self.in_loop if rng.chance(0.3) else self.at_start
        place(*lines)
        self.in_loop(f"pair = ({self.int()}, {self.small()})")
        for _ in range(rng.pick((1, 1, 2))):
            line = self.add(f"{g}({call.format(x=self.int(), y=self.small())})")
            self.in_loop(*(self.tried(line) if rng.chance(0.25) else [line]))
        if rng.chance(0.3):
            self.in_loop(rng.pick((f"{cell} += 1", f"{cell} = i", f"{cell} = {cell} + s")))
        if rng.chance(0.2) and place == self.at_start:
            # Somebody else has the cell now.
            self.define_plain(
                "def keep(function, kept=[]):", "    kept[:] = [function]", "    return kept[0](1) if kept else 0"
            )
            self.in_loop(f"if i == {rng.pick((2, 7))}:", f"    keep({g})")

    def idea_lambda(self) -> None:
        rng = self.rng
        g = self.name("g")
        line = f"{g} = lambda x, y={rng.pick(('2', 'n', 'i'))}: {rng.pick(('x * n + y', 'x - y + s', 'x if x > y else y', 'x + i'))}"
        self.in_loop(line)
        self.in_loop(
            self.add(
                rng.pick((f"{g}({self.int()})", f"{g}({self.int()}, {self.small()})", f"{g}(y={self.small()}, x=i)"))
            )
        )
        if rng.chance(0.3):
            self.in_loop(f"i = i + {rng.pick((0, 1))}", self.add(f"{g}(2)"))

    def idea_two_nested(self) -> None:
        """One nested function calls another, or is handed over to a function."""
        rng = self.rng
        one, two = self.name("g"), self.name("g")
        self.at_start(f"def {one}(x):", f"    return x {rng.pick(('+ 1', '* 2', '// 3', '- n'))}")
        if rng.chance(0.5):
            self.at_start(f"def {two}(x):", f"    return {one}(x) + {one}(x + 1)")
            self.in_loop(self.add(f"{two}({self.int()})"))
        else:
            self.define(f"def {two}(g, x):", "    return g(g(x))")
            self.in_loop(self.add(f"{two}({one}, {self.int()})"))

    def idea_array_in_cell(self) -> None:
        rng = self.rng
        at, put = self.name("g"), self.name("g")
        self.at_start(f"def {at}(k):", "    return a[k % len(a)]")
        self.at_start(
            f"def {put}(k, v):", "    nonlocal a", f"    {rng.pick(('a[k % len(a)] = v', 'a[k] = v', 'a = a[::-1]'))}"
        )
        self.in_loop(self.add(f"{at}({self.small()})"))
        if rng.chance(0.7):
            self.in_loop(f"{put}({self.small()}, {rng.pick((1, 0, 'i & 15'))})")
