"""seed → program: a deterministic generator of random typed Python functions.

A program is one module text. It defines helpers, module globals `G0…`, the function `f` (all under
`@njit`, which the runner supplies) and `STEPS`, a literal list of

    ("call", function name, arguments as text, keyword arguments as text)
    ("set", global name, value as text)

so that a reproducer is the text alone. Start at [`generate`].

Promises: the text compiles; every program terminates (loops are counted, recursion has a depth,
see also `expressions`); most raise nothing. Statements are emitted through [`Body`], which tracks
the kind of every variable; where paths disagree, a variable becomes "num" or merely `maybe` bound.
"""

from collections import Counter
from typing import NamedTuple

from .expressions import Expressions, scalar_kinds
from .values import (Arr, CODES, Rng, Table, Tup, argument, array_value, element_kind, float_value, int_value,
                     other_argument)

STATEMENTS = Table({"assign": 26, "augmented": 22, "unpack": 4, "swap": 2, "divmod": 1.5, "if": 13, "for": 12, "while": 6,
                    "store": 12, "store_augmented": 5, "view": 4, "make": 2, "return": 2, "assert": 1.2, "raise": 1.2,
                    "try": 3.5, "del": 0.6, "retype": 1.5, "closure": 0.4, "star": 0.5, "global": 0.8, "walrus_if": 1,
                    "opt": 1, "pass": 0.3, "slice_store": 0.7})
LOOPS = Table({"range": 30, "range_array": 16, "range3": 12, "array": 8, "tuple": 4, "enumerate": 6, "zip": 6, "range_big": 4})
PARAMETERS = Table({"int": 34, "float": 22, "bool": 3, "complex": 3, "opt": 3, "tuple": 5, "array": 26, "npi": 3,
                    "npf": 3, "npc": 0.5, "npb": 0.5, "num": 2})
ERRORS = ("ValueError", "ZeroDivisionError", "IndexError", "TypeError", "OverflowError", "RuntimeError",
          "ArithmeticError", "KeyError")
CAUGHT = ("ZeroDivisionError", "ZeroDivisionError", "ValueError", "OverflowError", "IndexError", "ArithmeticError",
          "(ValueError, ZeroDivisionError)", "(IndexError, OverflowError)", "LookupError", "AssertionError", "Exception")
NUMERIC = ("int", "float", "bool", "num", "npi", "npf")
SCALARS = scalar_kinds()


class Program(NamedTuple):
    seed: int
    text: str
    constructs: dict        # construct name -> times emitted


def generate(seed: int) -> Program:
    """The program of `seed`: the same text on every machine and Python version."""
    rng, cover = Rng(seed), Counter()
    module = _Module(rng, cover)
    return Program(seed, module.text(), dict(cover))


class _Module:
    def __init__(self, rng: Rng, cover: Counter):
        self.rng, self.cover = rng, cover
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
        for i in range(rng.pick((0, 0, 1, 1, 2))):
            self._helper(i)
        kinds = [self._parameter_kind() for _ in range(rng.pick((1, 2, 2, 3, 3, 4)))]
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
        self.lines += ["    " * indent + "@njit", "    " * indent + f"def f({', '.join(signature)}):"] if factory else \
            ["", "", "@njit", f"def f({', '.join(signature)}):"]
        self.lines += body.main()
        steps = self._steps(kinds)
        if factory:
            self.lines += ["", "    def rebind(value):", "        nonlocal k0", "        k0 = value",
                           "    return f, rebind", "", "", f"f, rebind = make({rng.between(-3, 9)})"]
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
            return Tup(tuple(rng.pick(("int", "float", "int", "bool", "npi", "complex")) for _ in range(rng.between(1, 4))))
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
        for i in range(rng.pick((2, 2, 3, 3, 4))):
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
                values = values[:len(kinds) - 1]
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


class Body(Expressions):
    """The statements of one function."""

    def __init__(self, module: _Module, name: str, parameters: list, indent: int):
        super().__init__(module.rng, module.cover, [h for h in module.helpers], module.globals)
        self.name, self.lines, self.depth = name, [], indent + 1
        self.env = dict(parameters)
        for n, k in module.globals.items():
            if isinstance(k, Arr):
                self.env[n] = k
        # A frozen parameter is never assigned, so it may stand where a growing value must not.
        self.frozen = {n for n, k in parameters if isinstance(k, (Arr, Tup)) or self.rng.chance(0.4)}
        self.cells: set = set()
        self.n_loops = 0
        self.in_helper = False
        self.in_try = 0
        self.has_global = False
        self.loop_vars: set = set()

    def emit(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def main(self) -> list:
        rng = self.rng
        assigned = [n for n, k in self.globals.items() if k == "int"]
        if assigned and rng.chance(0.15):
            self.assignable_global = rng.pick(assigned)
            self.emit(f"global {self.assignable_global}")
            self.has_global = True
        for i in range(rng.between(1, 3)):
            kind = rng.draw(SCALARS)
            self.assign(f"v{i}", kind)
        if rng.chance(0.12):
            self.do_closure(0)
        self.block(rng.between(0, 2), 0)
        if rng.chance(0.92):
            self.loop(hot=True)
        self.block(rng.between(0, 3), 0)
        names = [n for n in self.env if n not in self.loop_vars or rng.chance(0.5)][-7:]
        self.emit(f"return ({', '.join(names)},)" if len(names) != 1 or rng.chance(0.3) else f"return {names[0]}")
        return self.lines

    # -- blocks and merging -----------------------------------------------------------------------
    def block(self, n: int, level: int) -> None:
        for _ in range(n):
            self.statement(level)

    def nested(self, n: int, level: int) -> None:
        """An indented block of at least one statement."""
        self.depth += 1
        before = len(self.lines)
        self.block(n, level)
        if len(self.lines) == before:
            self.emit("pass")
        self.depth -= 1

    def merge(self, *paths: dict) -> None:
        """The environment where `paths` meet."""
        merged, everything = {}, {}
        for path in paths:
            everything.update(path)
        for name in everything:
            kinds = {str(p.get(name)): p.get(name) for p in paths}
            if "None" in kinds:
                if name not in self.maybe:
                    self.maybe.append(name)
            elif len(kinds) == 1:
                merged[name] = paths[0][name]
            elif all(k in NUMERIC for k in kinds):
                merged[name] = "num"
        self.env = merged

    def statement(self, level: int) -> None:
        kind = self.rng.draw(STATEMENTS)
        if level >= 3 and kind in ("if", "for", "while", "try", "closure"):
            kind = "augmented"
        getattr(self, "do_" + kind)(level)
        self.cover["statement." + kind] += 1

    def target(self, kind) -> str:
        """A variable to assign a value of `kind`: mostly one that already holds that kind."""
        names = [n for n, k in self.env.items() if k == kind and self.may_assign(n)]
        if names and (self.rng.chance(0.65) or self.in_loop):
            return self.rng.pick(names)
        self.fresh += 1
        return f"v{self.fresh % 9}" if self.may_assign(f"v{self.fresh % 9}") and not self.in_loop else f"x{self.fresh}"

    def may_assign(self, name: str) -> bool:
        return name not in self.frozen and name not in self.loop_vars and name not in self.cells and name[0] != "G"

    def assign(self, name: str, kind, depth: int = 3) -> None:
        self.emit(f"{name} = {self.expr(kind, depth)}")
        self.env[name] = kind

    # -- simple statements --------------------------------------------------------------------------
    def do_assign(self, level: int) -> None:
        kind = self.rng.draw(SCALARS)
        if self.rng.chance(0.04):
            kind = Tup(("int", "float"))
        self.assign(self.target(kind), kind)

    def do_retype(self, level: int) -> None:
        """A variable takes a value of another type: it becomes a union where paths meet."""
        names = [n for n, k in self.env.items() if k in ("int", "float", "num") and self.may_assign(n)]
        if names:
            name = self.rng.pick(names)
            kind = "float" if self.env[name] == "int" else "int"
            self.emit(f"{name} = {self.expr(kind, 2)}")
            self.env[name] = "num" if self.in_loop else kind

    def do_augmented(self, level: int) -> None:
        rng = self.rng
        names = [n for n, k in self.env.items() if k in ("int", "float", "npi", "npf", "num", "complex") and self.may_assign(n)]
        if not names:
            return self.do_assign(level)
        name = rng.pick(names)
        kind = self.env[name]
        if kind == "int":
            op = rng.pick(("+=", "+=", "+=", "-=", "*=", "^=", "|=", "&=", "//=", "%=", ">>=", "<<="))
            if op == "*=":
                right = self.small()
            elif op in (">>=", "<<="):
                right = str(rng.between(0, 9)) if rng.chance(0.6) else f"({self.expr('int', 0)} & 7)"
            elif op in ("//=", "%="):
                right = str(rng.pick((2, 3, 7, 1000003, "(-5)"))) if rng.chance(0.8) else self.expr("int", 1)
            else:
                right = self.expr("int", 2)
        elif kind in ("float", "num"):
            op = rng.pick(("+=", "+=", "-=", "*=", "/="))
            right = self.expr("float", 2) if kind == "float" or rng.chance(0.5) else self.small()
            if op == "/=" and rng.chance(0.8):
                right = rng.pick(("2.0", "3.0", "0.7"))
        elif kind == "complex":
            op, right = rng.pick(("+=", "-=", "*=")), self.expr("complex", 1)
        else:
            op = rng.pick(("+=", "-=", "*="))
            right = self.expr(kind, 1) if rng.chance(0.6) else self.small()
        self.emit(f"{name} {op} {right}")

    def do_unpack(self, level: int) -> None:
        kinds = [self.rng.draw(SCALARS) for _ in range(self.rng.between(2, 3))]
        names = []
        for kind in kinds:
            name = self.target(kind)
            names.append(name if name not in names else f"y{len(names)}")
        rights = [self.expr(k, 2) for k in kinds]
        self.emit(f"{', '.join(names)} = {', '.join(rights)}")
        self.env.update(zip(names, kinds))

    def do_swap(self, level: int) -> None:
        names = [n for n, k in self.env.items() if k in NUMERIC and self.may_assign(n)]
        if len(names) >= 2:
            a, b = names[0], names[-1]
            self.emit(f"{a}, {b} = {b}, {a}")
            kinds = (self.env[b], self.env[a])
            if self.in_loop and kinds[0] != kinds[1]:
                kinds = ("num", "num")
            self.env[a], self.env[b] = kinds

    def do_divmod(self, level: int) -> None:
        kind = self.rng.pick(("int", "int", "float"))
        a, b = self.target(kind), f"y{self.rng.below(3)}"
        divisor = self.rng.pick(("7", "(-3)", "10")) if self.rng.chance(0.7) else self.expr(kind, 1)
        self.emit(f"{a}, {b} = divmod({self.expr(kind, 1)}, {divisor})")
        self.env[a] = self.env[b] = kind

    def do_star(self, level: int) -> None:
        names = [n for n, k in self.env.items() if isinstance(k, Tup)]
        if names and not self.in_loop:
            name = self.rng.pick(names)
            kinds = self.env[name].items
            self.emit(f"y0, *_rest = {name}")
            self.env["y0"] = kinds[0]

    def do_walrus_if(self, level: int) -> None:
        self.emit(f"if (w0 := {self.expr('int', 2)}) {self.rng.pick(('>', '<', '!='))} {self.small()}:")
        self.env["w0"] = "int"
        before = dict(self.env)
        self.nested(1, level + 1)
        self.merge(before, self.env)

    def do_opt(self, level: int) -> None:
        name = self._name("opt")
        if not name:
            self.emit(f"o0 = None if {self.condition()} else {self.small()}")
            self.env["o0"] = "opt"
            return
        self.emit(f"if {name} is not None:")
        before = dict(self.env)
        self.env[name] = "int"
        self.frozen.add(name)
        self.nested(1, level + 1)
        self.merge(before, self.env | {name: "opt"})

    def do_global(self, level: int) -> None:
        if self.has_global:
            self.emit(f"{self.assignable_global} {self.rng.pick(('+=', '='))} {self.small()}")

    def do_pass(self, level: int) -> None:
        self.emit("pass")

    def do_del(self, level: int) -> None:
        names = [n for n in self.env if self.may_assign(n) and n[0] in "vxy"]
        if len(names) > 1 and not self.in_loop:
            name = self.rng.pick(names)
            self.emit(f"del {name}")
            del self.env[name]
            if name not in self.maybe:
                self.maybe.append(name)

    def do_return(self, level: int) -> None:
        self.emit(f"if {self.condition()}:")
        self.emit(f"    return {self.expr(self.rng.draw(SCALARS), 1)}")

    def do_assert(self, level: int) -> None:
        if self.rng.chance(0.6):
            self.emit(f"assert {self.condition()} or {self.condition()}, {self.expr('int', 0)}")
        else:
            self.emit(f"assert {self.small()} != {self.small()} or {self.condition()}, 'planned'")

    def do_raise(self, level: int) -> None:
        error = self.rng.pick(ERRORS)
        argument_text = self.rng.pick(("'planned'", "", self.expr("int", 0), f"'planned', {self.expr('int', 0)}"))
        self.emit(f"if {self.condition()} and {self.condition()}:")
        self.emit(f"    raise {error}({argument_text})" if self.rng.chance(0.85) else f"    raise {error}")

    # -- arrays ---------------------------------------------------------------------------------------
    def stored(self, name: str, depth: int = 2) -> str:
        """A value to be stored in array `name`."""
        code = self.env[name].code
        if code[0] in "iu":
            return self.expr("npi", depth) if self.rng.chance(0.45) else self.small()
        if code == "?":
            return self.expr("bool", 1)
        if code[0] == "c":
            return self.expr("complex", 1)
        return self.expr(self.rng.pick(("float", "float", "npf", "int")), depth)

    def do_store(self, level: int) -> None:
        name = self._array()
        if not name:
            return self.do_augmented(level)
        right = self.stored(name)
        self.emit(f"{self.element(name)} = {right}")

    def do_store_augmented(self, level: int) -> None:
        name = self._array("iufc")
        if not name:
            return self.do_augmented(level)
        right = self.stored(name, 1)
        self.emit(f"{self.element(name)} {self.rng.pick(('+=', '-=', '*=', '+='))} {right}")

    def do_slice_store(self, level: int) -> None:
        name = self._array()
        if name:
            self.emit(f"{name}[{self.slice()}] = {self.rng.pick((0, 1, 3))}")

    def slice(self) -> str:
        rng = self.rng
        part = lambda: "" if rng.chance(0.4) else self.small() if rng.chance(0.4) else str(rng.pick((0, 1, 2, 3, "-1", "-2")))
        step = rng.pick(("", "", "", ":2", ":-1", ":-2", ":1"))
        return f"{part()}:{part()}{step}"

    def do_view(self, level: int) -> None:
        rng = self.rng
        name = self._array()
        if not name or self.in_loop > 1:
            return self.do_assign(level)
        kind = self.env[name]
        self.fresh += 1
        view = f"b{self.fresh % 4}"
        if view in self.env and self.in_loop or view == name:
            view = f"b{self.fresh + 4}"
        choice = rng.below(6)
        if kind.rank > 1 and choice < 2:
            self.emit(f"{view} = {name}[{self.index(name)}]")
            kind = Arr(kind.rank - 1, kind.code)
        elif kind.rank > 1 and choice == 2:
            self.emit(f"{view} = {name}[:, {self.index(name, 1)}]")
            kind = Arr(kind.rank - 1, kind.code)
        elif kind.rank > 1 and choice == 3:
            self.emit(f"{view} = {name}[{self.slice()}, {self.slice()}]")
        else:
            self.emit(f"{view} = {name}[{self.slice()}]")
        self.env[view] = kind

    def do_make(self, level: int) -> None:
        kind = Arr(self.rng.pick((1, 1, 2)), self.rng.draw(CODES))
        self.fresh += 1
        name = f"z{self.fresh % 3}"
        if name not in self.env:
            self.emit(f"{name} = {self.make_array(kind)}")
            self.env[name] = kind

    # -- compound statements ----------------------------------------------------------------------------
    def do_if(self, level: int) -> None:
        self.emit(f"if {self.condition()}:")
        before = dict(self.env)
        paths = []
        self.nested(self.rng.between(1, 2), level + 1)
        self.maybe_jump()
        paths.append(self.env)
        for word in ("elif", "else"):
            self.env = dict(before)
            if self.rng.chance(0.25 if word == "elif" else 0.45):
                self.cover[word] += 1
                self.emit(f"elif {self.condition()}:" if word == "elif" else "else:")
                self.nested(self.rng.between(1, 2), level + 1)
                paths.append(self.env)
            elif word == "else":
                paths.append(before)
        self.merge(*paths)

    def maybe_jump(self) -> None:
        """`break` or `continue` at the end of the branch just written."""
        if self.n_loops and self.rng.chance(0.2):
            word = self.rng.pick(("break", "continue"))
            self.cover[word] += 1
            self.emit(f"    {word}")

    def do_for(self, level: int) -> None:
        self.loop(hot=False, level=level)

    def do_while(self, level: int) -> None:
        most = 40 if not self.in_loop else 5
        self.fresh += 1
        counter = f"c{self.fresh}"
        self.emit(f"{counter} = 0")
        self.env[counter] = "int"
        self.loop_vars.add(counter)
        condition = f"{counter} < {self.count(most)}"
        if self.rng.chance(0.4):
            condition = f"{condition} and {self.condition()}"
        self.emit(f"while {condition}:")
        self.loop_body(level, [counter], first=f"{counter} += 1")

    def loop(self, hot: bool, level: int = 0) -> None:
        """A `for` statement; `hot`: the loop the program is about."""
        rng = self.rng
        most = rng.pick((30, 60, 60, 120, 300, 1000)) if hot else (16 if not self.in_loop else 5)
        self.fresh += 1
        var = f"i{self.fresh}"
        kind = rng.draw(LOOPS)
        array = self._array()
        new = {var: "int"}
        index_of = None
        if kind in ("array", "enumerate", "zip", "range_array") and not array:
            kind = "range"
        if kind == "range_array":
            axis = rng.below(self.env[array].rank)
            extent = f"{array}.shape[{axis}]" if axis or rng.chance(0.3) else f"len({array})"
            source = f"range({extent})" if rng.chance(0.9) else f"range({extent} + 1)"
            index_of = (array, axis)
        elif kind == "range3":
            step = rng.pick((1, 2, 3, -1, -1, -2, -3))
            low, high = self.small(), self.count(most)
            source = f"range({low}, {high}, {step})" if step > 0 else f"range({high}, {low}, {step})"
        elif kind == "range_big":
            base = rng.pick(("2**31", "2**53", "2**62", "2**63", "-2**63", "2**64"))
            source = f"range({base} - {rng.between(0, 5)}, {base} + {rng.between(0, 9)})"
            self.cover["range_big"] += 1
        elif kind == "tuple":
            kinds = [rng.pick(("int", "float", "int", "bool"))] * 3 if rng.chance(0.6) else ["int", "float", "bool"]
            source = "(" + ", ".join(self.expr(k, 1) for k in kinds) + ")"
            new = {var: kinds[0] if len(set(kinds)) == 1 else "num"}
        elif kind in ("array", "enumerate", "zip"):
            a = self.env[array]
            item = element_kind(a.code) if a.rank == 1 else Arr(a.rank - 1, a.code)
            new, source = {var: item}, array
            if kind == "enumerate":
                start = rng.pick(("", "", ", 1", f", {self.small()}"))
                new, source = {f"j{self.fresh}": "int", var: item}, f"enumerate({array}{start})"
            elif kind == "zip":
                other, strict = rng.pick((f"range({most})", array, f"{array}[::-1]")), ", strict=True" if rng.chance(0.1) else ""
                new, source = {var: item, f"j{self.fresh}": "int" if other[0] == "r" else item}, f"zip({array}, {other}{strict})"
        else:
            source = f"range({self.count(most)})"
        self.cover["for." + kind] += 1
        self.emit(f"for {', '.join(new)} in {source}:")
        self.env.update(new)
        self.loop_vars.update(new)
        if index_of:
            self.indexes[var] = index_of
        self.loop_body(level, [n for n, k in new.items() if k == "int" and kind != "range_big"], hot=hot)
        self.indexes.pop(var, None)

    def loop_body(self, level: int, small: list, first: str = "", hot: bool = False) -> None:
        rng = self.rng
        before = dict(self.env)
        outer_small = self.small_names
        self.small_names = outer_small + [n for n in small if self.env.get(n) == "int"]
        self.in_loop += 1
        self.n_loops += 1
        self.depth += 1
        if first:
            self.emit(first)
        self.depth -= 1
        self.nested(rng.between(2, 4) if hot else rng.between(1, 3), level + 1)
        if rng.chance(0.1):
            self.emit(f"    if {self.condition()}:")
            self.emit(f"        {rng.pick(('break', 'continue'))}")
        self.in_loop -= 1
        self.n_loops -= 1
        self.small_names = outer_small
        if not first:
            for n in small:
                before.pop(n, None)
        if rng.chance(0.1):
            self.cover["loop_else"] += 1
            self.merge(before, self.env)
            self.emit("else:")
            self.nested(1, level + 1)
        self.merge(before, self.env)

    def do_try(self, level: int) -> None:
        rng = self.rng
        self.emit("try:")
        before = dict(self.env)
        self.in_try += 1
        self.nested(rng.between(1, 2), level + 1)
        if rng.chance(0.5):
            name = self.target("int")
            self.emit(f"    {name} = {self.expr('int', 1)} // {self.small()}")
            self.env[name] = "int"
        self.in_try -= 1
        paths, after = [], self.env
        self.merge(before, after)
        start = dict(self.env)
        handlers = rng.pick((1, 1, 2, 0))
        for _ in range(handlers):
            self.env = dict(start)
            named = rng.chance(0.3)
            self.emit(f"except {rng.pick(CAUGHT)}{' as e' if named else ''}:")
            self.nested(1, level + 1)
            if rng.chance(0.1):
                self.emit("    raise" if rng.chance(0.5) else f"    raise {rng.pick(ERRORS)}('again')")
            elif named and rng.chance(0.5):
                self.emit(f"    t{rng.below(2)} = len(e.args)")
            paths.append(self.env)
        self.env = after
        if handlers and rng.chance(0.2):
            self.cover["try_else"] += 1
            self.emit("else:")
            self.nested(1, level + 1)
        paths.append(self.env)
        self.merge(*paths)
        if not handlers or rng.chance(0.2):
            self.cover["finally"] += 1
            # Entered from anywhere in the body, so only what was bound before is certain.
            after, self.env = self.env, {n: k for n, k in start.items() if n in self.env}
            self.emit("finally:")
            loops, self.n_loops = self.n_loops, 0
            self.nested(1, level + 1)
            self.n_loops = loops
            self.env = {n: self.env.get(n, k) for n, k in after.items()}

    def do_closure(self, level: int) -> None:
        """A nested function over a cell of this one, read or rebound through `nonlocal`."""
        names = [n for n, k in self.env.items() if k == "int" and self.may_assign(n) and n[0] in "vx"]
        if level or self.in_helper or self.in_loop or self.in_try:
            return self.do_assign(level)
        if not names:
            self.assign("x0", "int")
            names = ["x0"]
        cell = self.rng.pick(names)
        self.cover["nested_function"] += 1
        self.fresh += 1
        name = f"g{self.fresh}"
        if self.rng.chance(0.3):
            self.emit(f"{name} = lambda q: q {self.rng.pick('+-^')} {cell}")
        else:
            self.emit(f"def {name}(q):")
            if self.rng.chance(0.6):
                self.cover["nonlocal"] += 1
                self.emit(f"    nonlocal {cell}")
                self.emit(f"    {cell} {self.rng.pick(('+=', '-=', '^='))} q")
            self.emit(f"    return q {self.rng.pick(('+', '-', '|'))} {cell}")
        self.helpers.append((name, ["int"], "int"))
        self.do_assign(level)


__all__ = ["Program", "generate", "float_value"]
