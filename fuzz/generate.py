"""seed → program: a deterministic generator of random typed Python functions.

A program is one module text. It defines helpers, module globals `G0…`, the function `f` (all under
`@njit`, which the runner supplies) and `STEPS`, a literal list of

    ("call", function name, arguments as text, keyword arguments as text)
    ("set", global name, value as text)

so that a reproducer is the text alone. Start at [`generate`].

Promises: the text compiles; every program terminates (loops are counted, recursion has a depth,
see also `expressions`); most raise nothing. A program has one of five shapes: "large" and "small"
ones are written by `compound`, `statements` and `expressions` (`weights` holds their mix), a "kernel"
by the package `kernels`, an "idiom" by the package `idioms`, "scalars" by `scalars`. What needs objects
without typed form says `@njit(fallback=True)`.
"""

from collections import Counter
from typing import NamedTuple

from .compound import Body
from .idioms import Idioms
from .kernels import Kernel
from .scalars import Scalars
from .values import CODES, Arr, Rng, Tup, argument, array_value, int_value, other_argument
from .weights import PARAMETERS, SHAPES


class Program(NamedTuple):
    seed: int
    text: str
    constructs: dict  # construct name -> times emitted
    shape: str


def generate(seed: int) -> Program:
    """The program of `seed`: the same text on every machine and Python version."""
    rng, cover = Rng(seed), Counter()
    shape = rng.draw(SHAPES)
    cover["shape." + shape] += 1
    if shape == "kernel":
        writer = Kernel(rng, cover)
    elif shape == "scalars":
        writer = Scalars(rng, cover)
    elif shape == "idiom":
        writer = Idioms(rng, cover)
    else:
        writer = _Module(rng, cover, shape == "small")
    return Program(seed, writer.text(), dict(cover), shape)


class _Module:
    def __init__(self, rng: Rng, cover: Counter, is_small: bool):
        self.rng, self.cover, self.is_small = rng, cover, is_small
        self.lines = ["import cmath", "import math", "", "import numpy as np", ""]
        self.helpers: list = []
        self.globals: dict = {}

    def text(self) -> str:
        rng = self.rng
        for i in range(rng.below(3)):
            kind = rng.pick(("int", "int", "float"))
            self.globals[f"G{i}"] = kind
            self.lines.append(f"G{i} = {argument(rng, kind, 0.1)}")
        if rng.chance(0.08):
            self.globals["GA"] = Arr(1, "f8")
            self.lines.append(f"GA = {array_value(rng, Arr(1, 'f8'), 5)}")
        for i in range(rng.pick((0, 0, 0, 1) if self.is_small else (0, 0, 1, 1, 2))):
            self._helper(i)
        kinds = [self._parameter_kind() for _ in range(rng.pick((1, 2, 2) if self.is_small else (1, 2, 2, 3, 3, 4)))]
        self.keyword_only = len(kinds) > 1 and kinds[-1] == "int" and rng.chance(0.2)
        factory = rng.chance(0.08)
        signature = [f"p{i}" for i in range(len(kinds))]
        if self.keyword_only:
            signature[-1:] = ["*", signature[-1] + "=3"]
        indent = 1 if factory else 0
        if factory:
            self.cover["factory"] += 1
            self.lines += ["", "", "def make(k0):"]
        body = Body(self, "f", [(f"p{i}", k) for i, k in enumerate(kinds)], indent)
        if factory:
            body.env["k0"] = "int"
            body.cells.add("k0")
        self.lines += (
            ["    " * indent + "@njit", "    " * indent + f"def f({', '.join(signature)}):"]
            if factory
            else ["", "", "@njit", f"def f({', '.join(signature)}):"]
        )
        self.lines += body.main_small() if self.is_small else body.main()
        steps = self._steps(kinds)
        if factory:
            self.lines += [
                "",
                "    def rebind(value):",
                "        nonlocal k0",
                "        k0 = value",
                "    return f, rebind",
                "",
                "",
                f"f, rebind = make({rng.between(-3, 9)})",
            ]
            steps.insert(rng.between(1, len(steps)), ("call", "rebind", f"[{int_value(rng, 0.2)}]", "{}"))
        self.lines += ["", "", "STEPS = ["] + [f"    {step!r}," for step in steps] + ["]", ""]
        return "\n".join(self.lines)

    def _parameter_kind(self):
        rng = self.rng
        name = rng.draw(PARAMETERS)
        self.cover["parameter." + name] += 1
        if name == "array":
            kind = Arr(rng.pick((1, 1, 1, 1, 1, 2, 2, 3)), rng.draw(CODES))
            self.cover["array." + kind.code] += 1
            self.cover[f"rank{kind.rank}"] += 1
            return kind
        if name == "tuple":
            return Tup(
                tuple(rng.pick(("int", "float", "int", "bool", "npi", "complex")) for _ in range(rng.between(1, 4)))
            )
        return name

    def _helper(self, i: int) -> None:
        """A helper function; `r…` recurses on its first argument."""
        rng = self.rng
        kinds = [rng.pick(("int", "int", "float")) for _ in range(rng.between(1, 3))]
        result = rng.pick(("int", "float"))
        recursive = rng.chance(0.25)
        if recursive:
            kinds[0] = "int"
        name = f"{'r' if recursive else 'h'}{i}"
        decorator = [] if rng.chance(0.03) else ["@njit"]
        names = [f"a{j}" for j in range(len(kinds))]
        signature = list(names)
        if not recursive and len(kinds) > 1 and kinds[-1] == "int" and rng.chance(0.3):
            signature[-1] += "=3"
            self.cover["default_argument"] += 1
            optional = True
        else:
            optional = False
        body = Body(self, name, list(zip(names, kinds)), 0)
        body.in_loop = 1
        if recursive:
            self.cover["recursion"] += 1
            rest = [body.small() if k == "int" else body.expr(k, 1) for k in kinds[1:]]
            call = f"{name}({', '.join(['a0 - 1', *rest])})"
            body.emit("if a0 <= 0:")
            body.emit(f"    return {body.expr(result, 2)}")
            extra = body.small() if result == "int" else body.expr("float", 2)
            body.emit(f"return {call} {rng.pick('+-')} {extra}")
        else:
            body.in_helper = True
            body.block(rng.between(0, 2), 2)
            body.emit(f"return {body.expr(result, 3)}")
        self.lines += ["", "", *decorator, f"def {name}({', '.join(signature)}):", *body.lines]
        self.helpers.append((name, kinds, result))
        if optional:
            self.helpers.append((name, kinds[:-1], result))

    def _steps(self, kinds: list) -> list:
        """Calls with values of the generated kinds, then of other types; globals are rebound between."""
        rng = self.rng
        steps = []
        for i in range(rng.pick((2, 2, 3) if self.is_small else (2, 2, 3, 3, 4))):
            # The last call changes a type: what was compiled for the first must not answer it.
            change = rng.below(len(kinds)) if i >= 1 and rng.chance(0.45) else -1
            values = [(other_argument if j == change else argument)(rng, k) for j, k in enumerate(kinds)]
            arrays = [j for j, k in enumerate(kinds) if isinstance(k, Arr)]
            if len(arrays) > 1 and rng.chance(0.1):
                self.cover["aliased_arguments"] += 1
                values[arrays[0]] = f"(_a := {values[arrays[0]]})"
                values[arrays[1]] = rng.pick(("_a", "_a[::-1]", "_a[1:]"))
            keywords = "{}"
            if self.keyword_only:
                keywords = f"{{'p{len(kinds) - 1}': {values.pop()}}}" if rng.chance(0.7) else "{}"
                values = values[: len(kinds) - 1]
            elif rng.chance(0.06):
                self.cover["keyword_argument"] += 1
                keywords = f"{{'p{len(kinds) - 1}': {values.pop()}}}"
            steps.append(("call", "f", f"[{', '.join(values)}]", keywords))
            if self.globals and rng.chance(0.25):
                name = rng.pick(list(self.globals))
                if name != "GA":
                    self.cover["rebind_global"] += 1
                    new = rng.pick(("int", "int", "float"))
                    steps.append(("set", name, argument(rng, new, 0.15)))
        return steps
