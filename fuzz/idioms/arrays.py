"""Arrays as objects: slices assigned, headers that others change, `np.errstate`, compiled functions that take and give arrays."""

from .scene import Scene

SLICES = (
    "{w}[1:]", "{w}[:-1]", "{w}[::2]", "{w}[::-1]", "{w}[{k}:{k} + 4]", "{w}[-3:]", "{w}[:{k}]", "{w}[{k}:]",
    "{w}[...]", "{w}[:]", "{w}[6:2:-1]",
)  # fmt: skip
ROWS = (
    "{w}[{k} % 3]", "{w}[:, 1]", "{w}[:, ::2]", "{w}[1:]", "{w}[::-1]", "{w}[0, 1:]", "{w}[{k} % 3, ::-1]",
    "{w}.T[1]", "{w}[:2, 1:3]",
)  # fmt: skip
# Numbers, and arrays that fit, are broadcast, overlap or do not fit.
VALUES = (
    "{k}", "i & 7", "{e}", "s", "a[:4]", "(1, 2, 3, 4)", "a[:1]", "{w}[1:2]", "{w}[:1]", "np.arange(5)[3:4]", "{w}[..., :1]", "{w}[0]",
)  # fmt: skip
# Slices of one length that overlap.
SHIFTS = (
    ("{w}[1:]", "{w}[:-1]"), ("{w}[:-1]", "{w}[1:]"), ("{w}[3:]", "{w}[:-3]"), ("{w}[::-1][1:]", "{w}[::-1][:-1]"),
    ("{w}[4:8]", "{w}[{k} % 8:{k} % 8 + 4]"), ("{w}[2::2]", "{w}[:-2:2]"), ("{w}[::-1]", "{w}"), ("{w}[:6]", "{w}[6:0:-1]"),
)  # fmt: skip
# What Python code does to an array meanwhile.
HEADERS = ("w.shape = w.shape[::-1]", "w.flags.writeable = False", "w.flags.writeable = not w.flags.writeable", "w[0] = 7", "w.shape = (2, 6)", "w.shape = (12,)", "w[:] = w[::-1]")  # fmt: skip
UFUNCS = (
    "np.sqrt", "np.exp", "np.sin", "np.square", "np.negative", "np.absolute", "np.conjugate", "np.reciprocal",
    "np.log", "np.sign", "np.rint", "np.tanh",
)  # fmt: skip
TYPES = ("np.float16", "np.complex64", "np.complex128", "np.float32", "np.float64", "np.int16", "np.uint64")

# Tuples that hold arrays, and how their elements are reached.
TUPLES = (
    ("(np.arange(6).astype('{c}'), np.arange(4))", ("{t}[0][i % 6]", "{t}[1][-1 - i % 4]")),
    ("(np.arange(6) * 0.5, 3)", ("{t}[0][{k} % 6]", "{t}[1]")),
    ("(2, (np.arange(8).astype('{c}')[::2], 1.5))", ("{t}[1][0][i % 4]", "{t}[0]", "{t}[1][1]")),
    ("(np.arange(6).astype('{c}').reshape(2, 3), np.arange(3))", ("{t}[0][i % 2, {k} % 3]", "{t}[1][i % 3]", "{t}[0][1][i % 3]")),
    ("(np.arange(6).astype('{c}'), 'text', None)", ("{t}[0][i % 6]", "len({t}[1])", "{t}[2] is None")),
)  # fmt: skip


class Arrays(Scene):
    def idea_tuple_of_arrays(self) -> None:
        """A parameter is a tuple of arrays, read in place or unpacked, and now and then written."""
        rng = self.rng
        t = self.name("t")
        maker, parts = rng.pick(TUPLES)
        self.parameters[t] = maker.format(c=rng.pick((self.code, "i8", "f8", "f4", "u1")))
        self.results.append(t)
        if "text" in maker:
            self.needs_objects = True
        self.in_loop(self.add(rng.pick(parts).format(t=t, k=self.small())))
        if rng.chance(0.5) and not maker.startswith("(2") and "text" not in maker and "reshape" not in maker:
            array, other = self.name("x"), self.name("x")
            unpack = f"{array}, {other} = {t}"
            if rng.chance(0.6):
                self.at_start(unpack)
            else:
                self.in_loop(unpack)
            self.in_loop(self.add(f"{array}[i % 6]"))
            if rng.chance(0.5):
                value = rng.pick(("1", "i", "n & 3", self.element()))
                self.in_loop(f"{array}[{self.small()}] {rng.pick(('=', '+='))} {value}")

    def idea_slice_store(self) -> None:
        rng = self.rng
        code = rng.pick((self.code, self.code, "i8", "f8", "f4", "u1", "?"))
        two = rng.chance(0.35)
        shape = ".reshape(3, 4)" if two else ""
        w = self.array(
            f"np.arange(12).astype('{code}'){shape}",
            f"np.arange(24).astype('{code}')[::2]{shape}",
            f"np.arange(12){shape}",
        )
        part = lambda: rng.pick(ROWS if two else SLICES).format(w=w, k=self.small())
        for _ in range(rng.pick((1, 1, 2))):
            value = rng.pick((part(), part(), f"{part()} + 1", f"{part()} * 2", *VALUES)).format(
                w=w, e=self.element(), k=self.small()
            )
            target = part()
            if not two and rng.chance(0.35):
                target, value = (text.format(w=w, k=self.small()) for text in rng.pick(SHIFTS))
            self.in_loop(f"{target} {rng.pick(('=', '=', '=', '+='))} {value}")
        if rng.chance(0.5):
            self.in_loop(self.add(f"{w}[{'i % 3, -1' if two else 'i % 12'}]"))

    def idea_header(self) -> None:
        """A callback changes the header of an array that the loop reads and writes."""
        rng = self.rng
        poke = self.name("poke")
        w = self.array(
            "np.arange(12).reshape(3, 4)",
            "(np.arange(12) * 0.5).reshape(3, 4)",
            "np.arange(12).reshape(4, 3).T",
            "np.zeros((3, 4), np.float32)",
        )
        lines = [
            f"def {poke}(w, i):",
            f"    if i % {rng.pick((3, 4, 7))} == {rng.pick((0, 1, 2))}:",
            f"        {rng.pick(HEADERS)}",
        ]
        if rng.chance(0.3):
            lines += ["    else:", f"        {rng.pick(HEADERS)}"]
        self.define_plain(*lines, f"    return {rng.pick(('i', '0', 'None', 'w', 'w.ndim'))}")
        self.in_loop(f"{poke}({w}, i)")
        read = rng.pick(
            (
                f"{w}[1, 0]",
                f"{w}[0][1]",
                f"{w}[i % 3, i % 4]",
                f"len({w})",
                f"{w}.shape[0]",
                f"{w}[2, 3]",
                f"{w}[i % len({w})]",
            )
        )
        lines = [self.add(read)] if "len" not in read or rng.chance(0.5) else [f"for y in {w}:", "    r += 1"]
        if rng.chance(0.6):
            lines.append(f"{w}[{rng.pick(('0, 0', '1, i % 3', '-1, -1'))}] = {rng.pick(('i', '1', 'n'))}")
        self.in_loop(
            "try:", *("    " + line for line in lines), "except (IndexError, ValueError, TypeError):", "    r = 100 + i"
        )

    def idea_errstate(self) -> None:
        rng = self.rng
        self.needs_objects = True
        z = self.name("z")
        what = rng.pick(("over", "divide", "invalid", "under", "all"))
        how = rng.pick(("'raise'", "'raise'", "'ignore'", "'warn'"))
        value = rng.pick(
            (
                "{z} * {z}",
                "{z} / (i - 3)",
                "{z} - {z} * i",
                "np.sqrt({z} - i)",
                "1 / {z}",
                "{z} * 0.5",
                "np.exp({z} * i)",
                "{z} ** 5",
            )
        )
        start = rng.pick(
            (
                "np.float64(1e200)",
                "np.float32(1e30)",
                "np.float64(1e-200)",
                "np.float16(60000)",
                "np.float64(np.inf)",
                "np.int8(100)",
                "np.complex64(1e30)",
            )
        )
        self.at_start(f"{z} = {start}")
        inside = [
            "try:",
            "    y = " + value.format(z=z),
            f"    {rng.pick(('r = y', 'r += 1', 'r = (y, i)'))}",
            "except FloatingPointError:",
            f"    r = {rng.pick(('-i', 'i', '0'))}",
        ]
        self.in_loop(f"with np.errstate({what}={how}):", *("    " + line for line in inside))
        if rng.chance(0.5):
            self.in_loop("y = " + value.format(z=z), "r = y")

    def idea_scalar_ufunc(self) -> None:
        rng = self.rng
        z = self.name("z")
        make = f"{rng.pick(TYPES)}({rng.pick(('i', 'i + 1', 'n', '0.5', 'abs(s)', '3'))})"
        self.at_start(f"{z} = {rng.pick(TYPES)}({rng.pick((0, 1, 2))})")
        value = rng.pick(
            (
                f"{rng.pick(UFUNCS)}({make})",
                f"{make} * {rng.pick(TYPES)}(2)",
                f"{make} + {z}",
                f"{make} / 3",
                f"abs({make})",
                f"{make} ** 2",
                f"-{make}",
                f"{make} == {z}",
            )
        )
        self.in_loop(rng.pick((f"{z} = {value}", f"{z} = {z} + {value}", f"{z} = {value} if i & 1 else {z}")))
        self.in_loop(rng.pick((f"r += {z}", f"r = {z}", f"r += {z} == 1", f"r += int(abs({z}) < 5)")))
        self.results.append(z)

    def idea_array_calls(self) -> None:
        """Compiled functions that take arrays, and give elements, views, new arrays or several of them."""
        rng = self.rng
        g, view = self.name("g"), self.name("v")
        value, use = rng.pick(
            (("x[k % len(x)]", "{g}"), ("x[1:]", "len({g})"), ("x[k % len(x):]", "{g}.size"), ("x", "{g}[0]"), ("x * 2", "{g}[-1]"), ("len(x) + k", "{g}"),
             ("(x[0], k)", "{g}[1]"), ("(x, x[::-1])", "{g}[1][0]"), ("x.sum() + k", "{g}"), ("np.zeros(3) + k", "{g}[2]"))
        )  # fmt: skip
        lines = [f"def {g}(x, k):"]
        if rng.chance(0.5):
            lines += [
                "    for j in range(len(x)):",
                f"        {rng.pick(('x[j] = x[len(x) - 1 - j]', 'x[j] += 1', 'k += j', 'if x[j] == 3: return ' + value, 'x[j] = k & 15'))}",
            ]
        if rng.chance(0.3):
            lines += [
                "    try:",
                f"        x[{rng.pick(('k', 'k - 3', '0'))}] = 1",
                "    except IndexError:",
                f"        return {value}",
            ]
        self.define(*lines, f"    return {value}")
        self.at_start(
            f"{view} = {rng.pick(('a', 'a[::-1]', 'a[::2]', 'a.copy()', 'np.arange(7)', 'np.ones((3, 2))[:, 1]'))}"
        )
        self.in_loop(self.add(use.format(g=f"{g}({view}, {self.small()})")))
        self.results.append(view)
