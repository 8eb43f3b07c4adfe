"""Loop nests of a given form: what one pass or one representation looks for, with its details drawn."""

from .statements import Statements

# What a loop that can become clean does. x and y are elements as Python numbers, s a number, near an index.
CLEAN = (
    "{r} += {x}", "{r} += {x}", "{r} -= {x}", "{r} += {x} * {y}", "{r} += {x} - {y}", "{r} += {x} + {k}", "{r} += i * {k}",
    "{r} += i * i", "{r} += {x} * {k}", "{r} += 1 if {x} > {s} else 2", "{r} += 1 if {x} <= {s} else 2",
    "{r} += 1 if {x} == {s} else 2", "{r} += 1 if {x} >= {y} else 2", "{r} += {x} < {y}", "{r} = max({r}, {x})", "{r} = min({r}, {x})", "{c}[i] = {a}[i] + {b}[i]",
    "{c}[i] = {a}[i] * {k}", "{c}[{near}] = {a}[i] - {b}[i]", "{c}[i] = {a}[{near}] + 1", "{c}[i] = {x} + {y}",
    "{c}[i] = {x} * {k} + i", "{a}[i] += {b}[{near}]", "{a}[i] = {a}[{near}] + {b}[i]", "{a}[i] = {a}[i] - {a}[{at}]",
    "{a}[{at}] += {b}[i]", "{c}[i] = {a}[i] if {a}[i] > {b}[i] else {b}[i]", "{c}[i] = {a}[i] if {a}[i] >= {b}[i] else {b}[i]", "{c}[i] = i",
)  # fmt: skip
CLEAN_INTS = ("{r} ^= {x}", "{r} |= {x}", "{r} &= {x}")
GROW = (
    "r9 *= i + 2", "r9 *= 7", "r9 *= -5", "r9 = r9 * r9 + 1 if r9 < 2**130 else 3", "r8, r9 = r9, r8 + r9",
    "r9 = r9 * 6364136223846793005 + i", "r9 += r9", "r9 -= r8 * 3; r8 = r8 * 4 + 1", "r9 = (r9 << 3) - i",
    "r9 = r9 * r8; r8 = -r8 - 2", "r9 = abs(r9) * -3",
)  # fmt: skip
# What a function that is not inlined gives, in most calls and in a few.
CALLED = ("x + y", "x - y * 2", "x * 3 - 1", "x < y", "y if x > y else x", "x * 0.5", "(x & 7) * y", "x >= y")
CALLED_SELDOM = ("0.5", "x", "True", "2**70", "None", "(x, y)", "-1")


class Patterns(Statements):
    def pattern_clean(self) -> None:
        """A loop that tier 2 can make clean: strips, check loops, versions, vectors. Views of one array, sums at the limit."""
        rng = self.rng
        self.alias_chance = self.big_chance = 0.35
        code = rng.pick(("i8", "i8", "i8", "i8", "i4", "f8", "u1"))
        for name in self.arrays:
            self.arrays[name] = (1, code)
        names = list(self.arrays)
        a, b, c = names[0], rng.pick(names), names[-1]
        if rng.chance(0.6) and code != "f8":
            self.emit(f"r0 = {rng.pick((2**63 - 40, 2**63 - 2000, 2**62, -(2**63) + 50, 0, 0, 7))}")
            self.scalars["r0"] = "int"
        number, s = "float" if code == "f8" else "int", self.scalar("int", "3")
        holes = {"r": "r0", "a": a, "b": b, "c": c, "s": s, "k": rng.pick((1, 2, 3, -1, s))}
        holes |= {"x": f"{number}({a}[i])", "y": f"{number}({b}[i])", "at": rng.pick((0, 2, 3, 5, 7, 9))}
        holes["near"] = rng.pick(("i", "i", "i - 1", "i + 1", "-1 - i", "i - 2"))
        body = rng.pick(CLEAN if code == "f8" else CLEAN + CLEAN_INTS).format_map(holes)
        n = f"len({rng.pick((a, a, c))})"
        source = rng.pick(
            (n, n, n, n, n, f"1, {n}", f"{n} - 1", f"{n} - 1, -1, -1", f"0, {n}, 2", f"2, {n} - 2", f"0, {n}, 3")
        )
        with self.block(f"for i in range({source}):"):
            if rng.chance(0.8):
                return self.emit(body)
            with self.block(f"if {holes['x']} {rng.pick(('>', '<', '!='))} {rng.pick(('3', s, holes['y']))}:"):
                self.emit(body)
            if rng.chance(0.5):
                with self.block("else:"):
                    self.emit(f"r0 += {holes['x']} * 3 + 1")

    def pattern_fixed(self) -> None:
        """A read at an address that does not change, beside stores that may hit it."""
        rng = self.rng
        a = self.array(1, "iuf")
        at = rng.pick(("0", "-1", "2", "5", f"len({a}) // 2"))
        op = rng.pick("+-")
        with self.block(f"for i in range({rng.pick(('', '1, '))}len({a})):"):
            self.emit(f"{a}[i] = {a}[i] {op} {a}[{at}]" if rng.chance(0.6) else f"{a}[{at}] {op}= {a}[i]")

    def pattern_grow(self) -> None:
        """An int that outgrows 64 bits, then 128."""
        rng = self.rng
        if "r9" not in self.scalars:
            self.emit(f"r8, r9 = {rng.pick((1, 0, 3))}, {rng.pick((1, 1, 3, self.scalar('int', '2')))}")
            self.scalars["r8"] = self.scalars["r9"] = "int"
        with self.block(f"for i in range({rng.pick((30, 60, 100))}):"):
            if rng.chance(0.3):
                with self.block(f"if r9 {rng.pick(('> 2**64', '< -2**63', '% 3 == 1', '& 5 == 5'))}:"):
                    self.emit("r8 += 1")
            if rng.chance(0.15):
                with self.block(f"if {rng.pick(('i == 20', 'r9 > 2**100', 'r9 < -2**70'))}:"):
                    self.emit("break")
            self.emit(rng.pick(GROW))

    def pattern_escape(self) -> None:
        """Iterates z = z * z + c, as the Mandelbrot set does."""
        rng = self.rng
        self.emit(f"z = complex({rng.pick(('0.0', '0.1', '-0.5'))}, 0.0)")
        c = rng.pick(("complex(-0.4, 0.6)", "complex(0.3, -0.01)", "complex(1.0, 1.0)"))
        with self.block(f"for i in range({rng.pick((20, 60))}):"):
            self.emit(f"z = z * z {rng.pick('+-')} {c}")
            with self.block(f"if {rng.pick(('abs(z) > 2.0', 'z.real * z.real + z.imag * z.imag > 4.0'))}:"):
                self.emit("break")
        self.emit("rz = z")
        self.scalars["rz"] = "complex"

    def pattern_feedback(self) -> None:
        """Each iteration stores what a later one reads under another name: values end at a limit only because of that."""
        rng = self.rng
        a = self.array()
        self.arrays[a] = (1, "i8")
        view = rng.pick(("[1:]", "[2:]", "[3:]", "[5:]", "[::-1]", "[9:]", "[:]"))
        if a == "a" and "b" in self.arrays and rng.chance(0.5):
            self.alias_chance, other = 0.9, "b"
            self.arrays[other] = (1, "i8")
        else:
            other = "v"
            self.emit(f"v = {a}{view}")
        big = rng.pick((2**62, 2**62 + 5, -(2**62) - 9, 2**61, 2**63 - 7))
        stored = rng.pick((str(big), f"int({a}[i]) * {rng.pick((2, 3, -3))} + 1", f"{big} + i", f"{big} - int({a}[i])"))
        used = rng.pick(
            (f"r0 += int({a}[i])", f"r0 -= int({a}[i]) * 2", f"r0 += int({a}[i]) * 3", f"r0 = int({a}[i]) + i")
        )
        self.emit("r0 = 0")
        self.scalars["r0"] = "int"
        with self.block(f"for i in range(len({other})):"):
            for line in rng.pick(((0, 1), (1, 0), (1, 0))):
                self.emit((f"{other}[i] = {stored}", used)[line])

    def pattern_calls(self) -> None:
        """Calls of functions that are not inlined, as they catch exceptions; now and then one gives another type."""
        rng = self.rng
        names = ("g", "k", "l")[: rng.pick((1, 2, 2, 3))]
        for name in names:
            self.functions += ["", "", "@njit", f"def {name}(x, y):", "    try:"]
            self.functions.append(f"        if x {rng.pick(('>', '==', '<'))} {rng.pick((-3, 2, 7, 9, 20, 50))}:")
            self.functions.append(f"            return {rng.pick(('x // (y - y)', 'x % (y - y)', 'x // y'))}")
            self.functions.append(f"    except {rng.pick(('ZeroDivisionError', 'ZeroDivisionError', 'IndexError'))}:")
            self.functions.append(f"        return {rng.pick(CALLED_SELDOM)}")
            self.functions.append(f"    return {rng.pick(CALLED)}")
        a = self.array(1, "iu")
        y = f"int({a}[i % len({a})])" if a else self.scalar("int", "5")
        with self.block(f"for i in range({rng.pick((12, 25, 70))}):"):
            for name in rng.pick((names, names, names[::-1])):
                x, z = rng.pick((("i", y), (y, "i"), ("i", "i + 3"), ("7 - i", y)))
                value = self.call(name, x, z)
                self.emit(
                    rng.pick(
                        (f"r0 += {value}", f"r0 = r0 + i -\\\n{'    ' * (self.depth + 1)}{value}", f"r0 = {value}")
                    )
                )
