"""Loops over `zip`, `enumerate`, `reversed`, and iterators in variables, which go on where the last loop left them."""

from .scene import Scene

SOURCES = ("a", "a[::-1]", "a[1:]", "range(5)", "range(n, n + 4)", "(1, 2.5, n)", "range(8, 0, -3)", "(i, n)")
STARTS = ("1", "5", "-3", "n", "start=2", "2**62", "2**63 - 2", "i", "s")


class Iterators(Scene):
    def source(self) -> str:
        return self.rng.pick(SOURCES)

    def loop(self, header: str, *values: str) -> None:
        """An inner loop over a few items, which may end early."""
        rng = self.rng
        self.in_loop(header, f"    {self.add(rng.pick(values))}")
        if rng.chance(0.5):
            self.in_loop(
                f"    if {rng.pick((values[0] + ' == 2', 'r > 50', self.condition()))}:",
                f"        {rng.pick(('break', 'break', 'continue'))}",
            )
        if rng.chance(0.3):
            self.in_loop(f"    r += {rng.pick(values)}")
        if rng.chance(0.15):
            self.in_loop("else:", f"    r += {self.small()}")

    def idea_zip(self) -> None:
        strict = self.rng.pick(("", ", strict=True", ", strict=True", ", strict=False"))
        pair = self.rng.pick(((self.source(), self.source()), ("a", "a[::-1]"), ("a", "range(len(a))"), ("a", "a[1:]")))
        if self.rng.chance(0.2):
            return self.loop(f"for x, y, z in zip({pair[0]}, {pair[1]}, range(3){strict}):", "x", "y", "z")
        self.loop(f"for x, y in zip({', '.join(pair)}{strict}):", "x", "y")

    def idea_enumerate(self) -> None:
        start = self.rng.pick((*STARTS, ""))
        self.loop(f"for k, x in enumerate({self.source()}{', ' if start else ''}{start}):", "k", "x")

    def idea_reversed(self) -> None:
        self.loop(f"for x in reversed({self.source()}):", "x")

    def idea_iterator(self) -> None:
        """An iterator in a variable: made before the loop or in it, advanced by loops and `next`."""
        rng = self.rng
        it = self.name("it")
        made, names = rng.pick(
            ((f"iter({self.source()})", "x"), ("iter(a)", "x"), ("iter(range(40))", "x"), ("enumerate(a)", "k, x"), ("zip(a, range(9))", "x, k"),
             ("reversed(range(n & 31))", "x"), (f"enumerate(range(30), {rng.pick(STARTS)})", "k, x"))
        )  # fmt: skip
        made = made.replace("(i, n)", "(3, n)").replace(", i)", ", 3)")
        (self.in_loop if rng.chance(0.4) else self.at_start)(f"{it} = {made}")
        for _ in range(rng.pick((1, 2, 2))):
            if names == "x" and rng.chance(0.25):
                self.in_loop(self.add(f"next({it}, {rng.pick((0, -1, 'i'))})"))
            else:
                self.in_loop(f"for {names} in {it}:", f"    {self.add('x')}")
                if rng.chance(0.75):
                    self.in_loop(f"    if {rng.pick(('x > 2', 'i & 1', self.condition(), 'True'))}:", "        break")
        if rng.chance(0.2):
            self.in_loop(f"other = {it}", "for y in other:", f"    {self.add('1')}", "    break")
