"""Random simple statements, and the kinds of the variables they leave behind.

Invariant: `env` holds what is bound on every path that reaches the next statement; where paths
disagree a variable becomes "num" or merely `maybe` bound. Kept by `merge`. Loop variables and frozen
parameters are never assigned, since `expressions` relies on their being small.
"""

from .expressions import Expressions
from .values import CODES, Arr, Tup
from .weights import SCALARS, STATEMENTS

ERRORS = (
    "ValueError",
    "ZeroDivisionError",
    "IndexError",
    "TypeError",
    "OverflowError",
    "RuntimeError",
    "ArithmeticError",
    "KeyError",
)
CAUGHT = (
    "ZeroDivisionError",
    "ZeroDivisionError",
    "ValueError",
    "OverflowError",
    "IndexError",
    "ArithmeticError",
    "(ValueError, ZeroDivisionError)",
    "(IndexError, OverflowError)",
    "LookupError",
    "AssertionError",
    "Exception",
)
NUMERIC = ("int", "float", "bool", "num", "npi", "npf")


class Statements(Expressions):
    """The simple statements of one function; `compound.Body` adds the others."""

    def __init__(self, module, name: str, parameters: list, indent: int):
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
        names = [
            n
            for n, k in self.env.items()
            if k in ("int", "float", "npi", "npf", "num", "complex") and self.may_assign(n)
        ]
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

    def do_big(self, level: int) -> None:
        """An integer that grows beyond 128 bits and is brought back now and then: held while it is so large."""
        rng = self.rng
        name = self.target("int")
        if name not in self.env:
            return self.assign(name, "int", 2)
        exponent = rng.pick((70, 127, 128, 129, 200))
        grown = rng.pick((f"{name} * {name} + {self.small()}", f"{name} * 12345678901 - 1", f"({name} << 31) ^ {name}"))
        self.emit(f"{name} = ({grown}) % (2**{exponent} - {rng.between(1, 99)})")
        if rng.chance(0.4):
            self.emit(f"if {name} {rng.pick(('>', '<=', '=='))} 2**{rng.pick((63, 127, 128))}:")
            self.emit(f"    {name} {rng.pick(('>>= 100', '%= 1000003', '//= -(10**20)', '= -' + name))}")
        self.env[name] = "int"

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
        part = lambda: (
            "" if rng.chance(0.4) else self.small() if rng.chance(0.4) else str(rng.pick((0, 1, 2, 3, "-1", "-2")))
        )
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
