"""Calls that raise: inlined functions over several lines, recursion with `try`, functions that give several types."""

from .scene import Scene

ERRORS = ("ValueError", "ZeroDivisionError", "IndexError", "KeyError", "OverflowError")


class Calls(Scene):
    def idea_raising_call(self) -> None:
        """An exception leaves an inlined function: it names the line of the call, among operations on other lines."""
        rng = self.rng
        h = self.name("h")
        at = rng.pick((3, 5, 9, 11))
        error = rng.pick(
            (
                f"if x == {at}:\n        raise {rng.pick(ERRORS)}(x)",
                f"y = y // (x - {at})",
                f"y = a0[x - {at} and {at}]",
                f"assert x != {at}",
                f"y = y % (x - {at}) + y",
            )
        ).replace("a0[", "(1, 2)[")
        self.define(
            f"def {h}(x, y):", *(f"    {error}".split("\n")), f"    return {rng.pick(('y', 'x + y', 'y * 2 - x'))}"
        )
        x, y = rng.pick(("i", "i", "i + 1", "i - n")), self.small()
        lines = rng.pick(
            (
                ["r = (", "    r", "    + i * 2", f"    + {h}(", f"        {x},", f"        {y})", "    - 1)"],
                [f"y1 = {y}", "y2 = y1 * 3", f"r += {h}({x}, y2)", "y1 = y2"],
                [f"r = {h}({x}, {y}) + \\", f"    {h}({y},", f"    {x})"],
                [f"r += {h}({h}({x}, 1),", f"    {y})"],
                ["r = max(r,", f"    {h}(", f"    {x}, {y}))"],
                self.tried(f"r = {h}({x}, {y})"),
                self.tried(f"r = {h}({x}, {y}) + {h}({y}, {x})"),
            )
        )
        self.in_loop(*lines)
        if rng.chance(0.5):
            # Two levels: the line of each is another.
            outer = self.name("h")
            self.define(f"def {outer}(x, y):", "    z = x + 1", f"    z += {h}(", "        x, y)", "    return z")
            self.in_loop("r += 1", f"r -= {outer}({x}, {y})")

    def idea_recursion(self) -> None:
        rng = self.rng
        g = self.name("g")
        again = f"{g}(k - {rng.pick((1, 2))}, x {rng.pick(('- 1', '+ 1', ''))})"
        lines = [f"def {g}(k, x):"]
        if rng.chance(0.7):
            lines += [
                "    try:",
                "        if k <= 0:",
                f"            return {rng.pick(('10 // x', '10 % (x - 2)', 'x', '(1, 2)[x]'))}",
            ]
            lines.append(f"        return {again} + k" if rng.chance(0.6) else f"        return {again} * 2 - {again}")
            lines.append(f"    except {rng.pick(('ZeroDivisionError', 'IndexError', 'ArithmeticError', 'Exception'))}:")
            lines.append(
                f"        {rng.pick(('return -k', 'return 0.5', 'raise ValueError(k)', 'if k > 1: return 1', 'raise'))}"
            )
            if rng.chance(0.25):
                lines += ["    finally:", f"        {rng.pick(('x = 0', 'k += 1', 'if k > 5: return 3'))}"]
            lines.append("    return x")
        else:
            lines += [
                "    if k <= 0:",
                f"        return {rng.pick(('x', '1', '10 // x', '0.5'))}",
                f"    return {rng.pick((f'k * {again}', f'{again} + {again}', f'x - {again}'))}",
            ]
        self.define(*lines)
        self.in_loop(
            self.add(f"{g}({rng.pick(('i & 3', 'i % 5', '4', 'n & 3'))}, {rng.pick(('i', 'i - 9', 'n', 's'))})")
        )

    def idea_several_types(self) -> None:
        """A function that mostly gives one type."""
        rng = self.rng
        g = self.name("g")
        self.define(
            f"def {g}(x, y):", f"    if x {rng.pick(('==', '>', '<'))} {rng.pick((3, 9, 20))}:",
            f"        return {rng.pick(('0.5', 'True', 'None', '2**70', '(x, y)', 'y / 2', 'np.int8(x & 7)'))}",
            f"    return {rng.pick(('x + y', 'x * 2', 'y - x', 'x > y'))}",
        )  # fmt: skip
        m = self.name("m")
        self.in_loop(
            f"{m} = {g}({self.int()}, {self.small()})", rng.pick((f"r += {m}", f"r = {m}", f"r += 1 if {m} else 2"))
        )
