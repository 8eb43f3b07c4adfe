"""Random expressions of a wanted kind, as fully parenthesised text.

Kinds: "int", "float", "bool", "complex", "num" (int or float, by path), "opt" (None or int),
"npi/npf/npc/npb" (NumPy scalars), [`Arr`] and [`Tup`].

Invariant: integers stay small enough for CPython. Inside a loop (or anything a loop may call) one
factor of every product is `small`, or the product is reduced at once; shift counts and exponents
are bounded everywhere. Kept here by `int_mul`, `int_shift`, `int_pow`; a time limit in `compare`
is the net below. Does not know about statements.
"""

from collections import Counter

from .values import NP_NAMES, Arr, Rng, Tup, float_value, int_value, small_int
from .weights import BOOL, FLOAT, INT, MATH, NP_FLOAT, NPF, NPI

COMPARE = ("<", "<=", ">", ">=", "==", "!=")


class Expressions:
    """What an expression may refer to, and the random choices."""

    def __init__(self, rng: Rng, cover: Counter, helpers: list, global_names: dict):
        self.rng, self.cover = rng, cover
        self.helpers = helpers  # (name, parameter kinds, result kind)
        self.globals = global_names  # name -> kind
        self.env: dict = {}  # definitely bound variable -> kind
        self.maybe: list = []  # variables bound on some paths only
        self.small_names: list = []  # loop variables and frozen parameters with small values
        self.indexes: dict = {}  # loop variable -> array it ranges over
        self.in_loop = 0
        self.budget = 0  # expression nodes left for the current statement
        self.fresh = 0

    # -- entry points ---------------------------------------------------------------------------
    def expr(self, kind, depth: int = 2) -> str:
        self.budget = 14
        return self._of(kind, depth)

    def condition(self) -> str:
        return self.expr("bool", 2)

    def small(self) -> str:
        """An int of a few bits whatever the variables hold."""
        rng = self.rng
        choice = rng.below(10)
        if choice < 3 and self.small_names:
            return rng.pick(self.small_names)
        if choice < 7:
            name = self._name("int")
            if name:
                return rng.pick((f"({name} & 15)", f"({name} % 7)", f"({name} & 3)", f"({name} % 10 - 4)"))
        if choice == 7:
            array = self._array()
            if array:
                return f"len({array})"
        return small_int(rng)

    def count(self, most: int) -> str:
        """A trip count of at most about `most`."""
        name = self._name("int") if self.rng.chance(0.3) else None
        if name:
            return f"({name} % {self.rng.between(2, most)})" if self.rng.chance(0.5) else f"({name} & {most | 1})"
        return str(self.rng.between(max(1, most // 3), most))

    def _of(self, kind, depth: int) -> str:
        self.budget -= 1
        if self.budget < 0:
            depth = 0
        if isinstance(kind, Arr):
            names = [n for n, k in self.env.items() if k == kind]
            return self.rng.pick(names) if names else self.make_array(kind)
        if isinstance(kind, Tup):
            return "(" + "".join(f"{self._of(k, depth - 1)}, " for k in kind.items) + ")"
        if self.rng.chance(0.002) and self.maybe:
            self.cover["maybe_unbound"] += 1
            return self.rng.pick(self.maybe)
        if self.rng.chance(0.0005) and self.env:
            self.cover["ill_typed"] += 1
            # Not a tuple: repeating one by a big number asks for all memory.
            return self.rng.pick([n for n, k in self.env.items() if not isinstance(k, Tup)] or ["None"])
        return getattr(self, "_" + kind)(depth)

    def _name(self, *kinds):
        names = [n for n, k in self.env.items() if k in kinds]
        return self.rng.pick(names) if names else None

    def _array(self, families: str = "", rank: int = 0):
        names = [
            n
            for n, k in self.env.items()
            if isinstance(k, Arr) and (not families or k.code[0] in families) and (not rank or k.rank == rank)
        ]
        return self.rng.pick(names) if names else None

    def _item(self, *kinds):
        """`t[1]` for some tuple variable with an item of one of these kinds."""
        spots = [
            (n, i)
            for n, k in self.env.items()
            if isinstance(k, Tup)
            for i, inner in enumerate(k.items)
            if inner in kinds
        ]
        if not spots:
            return None
        name, i = self.rng.pick(spots)
        if self.rng.chance(0.3):
            i -= len(self.env[name].items)
        self.cover["tuple_item"] += 1
        return f"{name}[{i}]"

    def _call(self, kind, depth: int):
        found = [h for h in self.helpers if h[2] == kind]
        if not found:
            return None
        name, kinds, _ = self.rng.pick(found)
        self.cover["call_helper"] += 1
        arguments = [
            self.small() if k == "int" and (self.in_loop or name.startswith("r")) else self._of(k, depth - 1)
            for k in kinds
        ]
        if name.startswith("r"):
            arguments[0] = f"({arguments[0]} & 7)"
        return f"{name}({', '.join(arguments)})"

    # -- Python ints ----------------------------------------------------------------------------
    def _int(self, depth: int) -> str:
        rng = self.rng
        op = rng.draw(INT) if depth > 0 else ("var" if rng.chance(0.7) else "const")
        self.cover["int." + op] += 1
        d = depth - 1
        text = None
        if op == "add" or op == "sub":
            text = f"({self._of('int', d)} {'+' if op == 'add' else '-'} {self._of('int', d)})"
        elif op == "mul":
            text = self._int_mul(d)
        elif op == "floordiv" or op == "mod":
            sign = "//" if op == "floordiv" else "%"
            right = str(rng.pick((2, 3, 7, "(-3)", 10, 64, 1000003))) if rng.chance(0.85) else self._of("int", d)
            text = f"({self._of('int', d)} {sign} {right})"
        elif op == "pow":
            base = self.small() if self.in_loop else self._of("int", 0)
            power = f"({self.small()} & 7)" if rng.chance(0.5) else str(rng.between(0, 5))
            text = f"({base} ** {power})"
        elif op == "shift":
            count = (
                str(rng.pick((1, 2, 3, 7, 31, 32, 62, 63, 64))) if rng.chance(0.5) else f"({self._of('int', 0)} & 31)"
            )
            if rng.chance(0.03):
                count = f"(-{count})"
            text = f"({self._of('int', d)} {rng.pick(('<<', '>>', '>>'))} {count})"
        elif op == "bits":
            text = f"({self._of('int', d)} {rng.pick('&|^')} {self._of('int', d)})"
        elif op == "neg":
            text = f"(-{self._of('int', d)})"
        elif op == "invert":
            text = f"(~{self._of('int', d)})"
        elif op == "abs":
            text = f"abs({self._of('int', d)})"
        elif op == "int_of_float":
            text = (
                f"int({self._of('float', d)})"
                if rng.chance(0.5)
                else f"int(max(-1e20, min({self._of('float', d)}, 1e20)))"
            )
        elif op == "len":
            name = (
                self._array() if rng.chance(0.8) else self._name(*[k for k in self.env.values() if isinstance(k, Tup)])
            )
            text = name and f"len({name})"
        elif op == "attribute":
            name = self._array()
            text = name and rng.pick((f"{name}.shape[0]", f"{name}.ndim", f"{name}.size", f"{name}.shape[-1]"))
        elif op == "element":
            name = self._array("iu?")
            text = name and f"int({self.element(name)})"
        elif op == "conditional":
            text = f"({self._of('int', d)} if {self._of('bool', d)} else {self._of('int', d)})"
        elif op == "minmax":
            text = f"{rng.pick(('min', 'max'))}({self._of('int', d)}, {self._of('int', d)})"
        elif op == "round":
            text = (
                f"round({self._of('float', d)})"
                if rng.chance(0.5)
                else f"round({self._of('int', d)}, {rng.pick((-2, -1, 0, 1))})"
            )
        elif op == "floor":
            text = f"math.{rng.pick(('floor', 'ceil', 'trunc'))}({self._of('float', d)})"
        elif op == "divmod":
            right = self._of("int", d) if rng.chance(0.3) else rng.pick(("7", "(-3)", "(2**62)"))
            text = f"divmod({self._of('int', d)}, {right})[{rng.below(2)}]"
        elif op == "pow3":
            power = self.small() if rng.chance(0.3) else f"({self.small()} & 7)"
            text = f"pow({self._of('int', d)}, {power}, {rng.pick((7, 1000003, 10, '(-5)'))})"
        elif op == "gcd":
            text = f"math.gcd({self._of('int', d)}, {self._of('int', d)})"
        elif op == "isqrt":
            text = f"math.isqrt(abs({self._of('int', d)}))"
        elif op == "sum_tuple":
            text = f"sum(({self._of('int', d)}, {self._of('int', d)}))"
        elif op == "call":
            text = self._call("int", d)
        elif op == "walrus":
            text = self._walrus("w", "int", d)
        elif op == "global":
            names = [n for n, k in self.globals.items() if k == "int"]
            text = rng.pick(names) if names else None
        elif op == "bool_add":
            text = f"({self._of('bool', d)} {rng.pick(('+', '*', '-', '<<'))} {self._of('bool', d)})"
        elif op == "and_or":
            text = f"({self._of('int', d)} {rng.pick(('and', 'or'))} {self._of('int', d)})"
        elif op == "item":
            text = self._item("int", "bool")
        elif op == "opt":
            name = self._name("opt")
            text = name and f"(0 if {name} is None else {name})"
        elif op == "bit_length":
            text = f"({self._of('int', d)}).bit_length()"
        elif op == "var":
            text = self._name("int", "int", "num") if rng.chance(0.1) else self._name("int")
        return text or self._int_const()

    def _walrus(self, prefix: str, kind: str, d: int) -> str:
        self.fresh += 1
        name = f"{prefix}{self.fresh % 3}"
        text = f"({name} := {self._of(kind, d)})"
        if name not in self.env and name not in self.maybe:
            self.maybe.append(name)
        return text

    def _int_const(self) -> str:
        if self.small_names and self.rng.chance(0.3):
            return self.rng.pick(self.small_names)
        return int_value(self.rng, 0.06)

    def _int_mul(self, d: int) -> str:
        left = self._of("int", d)
        if not self.in_loop:
            return f"({left} * {self._of('int', d)})"
        if self.rng.chance(0.3):
            return f"(({left} * {self._of('int', d)}) {self.rng.pick(('% 1000003', '& 65535', '% 2147483647', '& (2**63 - 1)'))})"
        pair = (left, self.small()) if self.rng.chance(0.7) else (self.small(), left)
        return "({} * {})".format(*pair)

    # -- floats, and values that are int or float -------------------------------------------------
    def _float(self, depth: int) -> str:
        rng = self.rng
        op = rng.draw(FLOAT) if depth > 0 else ("var" if rng.chance(0.7) else "const")
        self.cover["float." + op] += 1
        d = depth - 1
        text = None
        if op == "arith":
            text = f"({self._of('float', d)} {rng.pick(('+', '-', '*', '*', '+'))} {self._of('float', d)})"
        elif op == "mixed":
            pair = [self._of("float", d), self._of("num" if rng.chance(0.2) else "int", d)]
            if rng.chance(0.5):
                pair.reverse()
            text = f"({pair[0]} {rng.pick(('+', '-', '*'))} {pair[1]})"
        elif op == "div":
            right = (
                f"({self._of('float', d)} + {rng.pick(('0.5', '1.0', '3.0'))})"
                if rng.chance(0.85)
                else self._of("float", d)
            )
            text = f"({self._of('float', d)} / {right})"
        elif op == "int_div":
            text = f"({self._of('int', d)} / {rng.pick(('2', '3', '7')) if rng.chance(0.8) else self._of('int', d)})"
        elif op == "floordiv" or op == "mod":
            right = rng.pick(("0.5", "3.0", "(-2.0)", "0.1")) if rng.chance(0.85) else self._of("float", d)
            text = f"({self._of('float', d)} {'//' if op == 'floordiv' else '%'} {right})"
        elif op == "pow":
            power = rng.pick(("2", "3", "0.5", "(-1)", "2.0")) if rng.chance(0.8) else self._of("float", 0)
            text = f"(abs({self._of('float', d)}) ** {power})" if rng.chance(0.9) else f"({self._of('float', d)} ** 2)"
        elif op == "neg":
            text = f"(-{self._of('float', d)})"
        elif op == "abs":
            text = f"abs({self._of('float', d)})"
        elif op == "math":
            text = self._math(d)
        elif op == "of_int":
            text = f"float({self._of('int', d)})"
        elif op == "element":
            name = self._array("f")
            text = name and (f"float({self.element(name)})" if rng.chance(0.7) else f"({self.element(name)} * 1.0)")
        elif op == "conditional":
            text = f"({self._of('float', d)} if {self._of('bool', d)} else {self._of('float', d)})"
        elif op == "minmax":
            text = f"{rng.pick(('min', 'max'))}({self._of('float', d)}, {self._of('float' if rng.chance(0.7) else 'int', d)})"
        elif op == "round":
            text = f"round({self._of('float', d)}, {rng.pick((0, 1, 2, 3, -1))})"
        elif op == "call":
            text = self._call("float", d)
        elif op == "item":
            text = self._item("float")
        elif op == "parts":
            name = self._name("complex")
            text = name and rng.pick((f"{name}.real", f"{name}.imag", f"abs({name})"))
        elif op == "sum_tuple":
            text = f"sum(({self._of('float', d)}, {self._of('int', d)}, {self._of('float', 0)}))"
        elif op == "global":
            names = [n for n, k in self.globals.items() if k == "float"]
            text = rng.pick(names) if names else None
        elif op == "walrus":
            text = self._walrus("u", "float", d)
        elif op == "var":
            text = self._name("float")
        if not text and rng.chance(0.03):
            return rng.pick(("math.pi", "math.tau", "math.e", "np.pi"))
        return text or float_value(rng, 0.05)

    def _math(self, d: int) -> str:
        name = self.rng.draw(MATH)
        self.cover["math." + name] += 1
        x = self._of("float", d)
        if name in ("sqrt", "log", "log2", "log10") and self.rng.chance(0.85):
            return f"math.{name}(abs({x}) + {self.rng.pick(('1.0', '0.5', '1e-9'))})"
        if name in ("exp", "sinh", "cosh", "gamma", "lgamma", "expm1") and self.rng.chance(0.85):
            return f"math.{name}(min(abs({x}), 20.0) + 0.5)"
        if name in ("sin", "cos", "tan", "asin", "acos", "atanh", "floor", "ceil", "trunc") and self.rng.chance(0.9):
            return f"math.{name}(max(-1.0, min({x}, 1.0)))"
        if name == "acosh":
            return f"math.acosh(abs({x}) + 1.0)"
        if name in ("hypot", "atan2", "copysign", "fmod"):
            return f"math.{name}({x}, {self._of('float', d) if self.rng.chance(0.6) else '2.5'})"
        if name == "pow":
            return f"math.pow(abs({x}), {self.rng.pick(('2', '0.5', '-1.0', '3'))})"
        if name == "ldexp":
            return f"math.ldexp({x}, {self.small()})"
        return f"math.{name}({x})"

    def _num(self, depth: int) -> str:
        name = self._name("num")
        if name and self.rng.chance(0.7):
            return name
        return self._of("int" if self.rng.chance(0.5) else "float", depth - 1)

    def _opt(self, depth: int) -> str:
        return self._name("opt") or ("None" if self.rng.chance(0.5) else self.small())

    # -- bools ----------------------------------------------------------------------------------
    def _bool(self, depth: int) -> str:
        rng = self.rng
        op = rng.draw(BOOL) if depth > 0 else "compare"
        self.cover["bool." + op] += 1
        d = depth - 1
        text = None
        if op == "compare":
            text = f"({self._of('int', d)} {rng.pick(COMPARE)} {self._of('int', d)})"
        elif op == "float_compare":
            text = f"({self._of('float', d)} {rng.pick(COMPARE)} {self._of('float', d)})"
        elif op == "mixed_compare":
            text = f"({self._of('int', d)} {rng.pick(COMPARE)} {self._of('float', d)})"
        elif op == "chain":
            text = f"({self._of('int', d)} {rng.pick(COMPARE)} {self._of('num', d)} {rng.pick(COMPARE)} {self._of('int', d)})"
        elif op == "not":
            text = f"(not {self._of(rng.pick(('bool', 'int', 'float')), d)})"
        elif op in ("and", "or"):
            text = f"({self._of('bool', d)} {op} {self._of('bool', d)})"
        elif op == "var":
            text = self._name("bool", "npb")
        elif op == "const":
            text = rng.pick(("True", "False"))
        elif op == "isnan":
            text = f"math.{rng.pick(('isnan', 'isinf', 'isfinite'))}({self._of('float', d)})"
        elif op == "is_none":
            name = self._name("opt")
            text = name and f"({name} is {rng.pick(('', 'not '))}None)"
        elif op == "to_bool":
            text = f"bool({self._of(rng.pick(('int', 'float', 'num')), d)})"
        elif op == "in":
            text = f"({self._of('int', d)} in (1, 2, {self._of('int', 0)}))"
        elif op == "dtype":
            name = self._array()
            text = name and f"({name}.dtype == np.{NP_NAMES[rng.pick(('f8', 'i8', 'f4', 'i4'))]})"
        elif op == "npb":
            name = self._array("iuf")
            text = (
                name
                and f"({self.element(name)} {rng.pick(COMPARE)} {self._of('int', 0) if rng.chance(0.3) else rng.pick(('0', '1', '2.5'))})"
            )
        return text or f"({self._of('int', 0)} {rng.pick(COMPARE)} {self._of('int', 0)})"

    # -- complex ----------------------------------------------------------------------------------
    def _complex(self, depth: int) -> str:
        rng, d = self.rng, depth - 1
        self.cover["complex"] += 1
        name = self._name("complex")
        if depth <= 0 or rng.chance(0.35):
            return name or f"complex({self._of('float', 0)}, {self._of('float', 0)})"
        choice = rng.below(8)
        if choice < 4:
            other = rng.pick(("complex", "complex", "float", "int"))
            return f"({self._of('complex', d)} {rng.pick(('+', '-', '*', '*', '/'))} {self._of(other, d)})"
        if choice == 4:
            return f"({self._of('complex', d)} ** {rng.pick(('2', '3', '0.5', '(-1)'))})"
        if choice == 5:
            return f"{self._of('complex', 0)}.conjugate()"
        if choice == 6:
            self.cover["cmath"] += 1
            return f"cmath.{rng.pick(('sqrt', 'exp', 'log', 'sin', 'cos'))}({self._of('complex', 0)})"
        return f"(-{self._of('complex', d)})"

    # -- NumPy scalars and arrays -----------------------------------------------------------------
    def _npi(self, depth: int) -> str:
        rng, d = self.rng, depth - 1
        op = rng.draw(NPI) if depth > 0 else rng.pick(("var", "element"))
        self.cover["npi." + op] += 1
        text = None
        if op == "var":
            text = self._name("npi")
        elif op == "element":
            name = self._array("iu")
            text = name and self.element(name)
        elif op == "sum":
            name = self._array("iu", 1)
            text = name and f"{rng.pick(('sum', 'max', 'min'))}({name})"
        elif op == "arith":
            text = f"({self._of('npi', d)} {rng.pick(('+', '-', '*', '+'))} {self._of('npi', d)})"
        elif op == "divide":
            text = f"({self._of('npi', d)} {rng.pick(('//', '%'))} {self._of('npi', d)})"
        elif op == "bits":
            text = f"({self._of('npi', d)} {rng.pick(('&', '|', '^', '>>', '<<'))} {self._of('npi', d)})"
        elif op == "python":
            pair = [self._of("npi", d), self.small()]
            if rng.chance(0.3):
                pair.reverse()
            text = f"({pair[0]} {rng.pick(('+', '-', '*', '&', '//', '%'))} {pair[1]})"
        elif op == "neg":
            text = f"({rng.pick('-~')}{self._of('npi', d)})"
        elif op == "function":
            text = f"np.{rng.pick(('abs', 'sign', 'square'))}({self._of('npi', d)})"
        return (
            text or f"np.{NP_NAMES[rng.pick(('i8', 'i8', 'i4', 'i1', 'u1', 'u8', 'i2', 'u4'))]}({self.small_nonneg()})"
        )

    def small_nonneg(self) -> str:
        name = self._name("int")
        return (
            f"({name} & {self.rng.pick((1, 7, 31, 127))})"
            if name and self.rng.chance(0.6)
            else str(self.rng.between(0, 100))
        )

    def _npf(self, depth: int) -> str:
        rng, d = self.rng, depth - 1
        op = rng.draw(NPF) if depth > 0 else rng.pick(("var", "element"))
        self.cover["npf." + op] += 1
        text = None
        if op == "var":
            text = self._name("npf")
        elif op == "element":
            name = self._array("f")
            text = name and self.element(name)
        elif op == "sum":
            name = self._array("f", 1)
            text = name and f"{rng.pick(('sum', 'max', 'min'))}({name})"
        elif op == "arith":
            text = f"({self._of('npf', d)} {rng.pick(('+', '-', '*', '*'))} {self._of('npf', d)})"
        elif op == "divide":
            text = f"({self._of('npf', d)} {rng.pick(('/', '/', '//', '%'))} {self._of(rng.pick(('npf', 'npi')), d)})"
        elif op == "python":
            pair = [self._of("npf", d), self._of(rng.pick(("int", "float", "float", "bool")), 0)]
            if rng.chance(0.3):
                pair.reverse()
            text = f"({pair[0]} {rng.pick(('+', '-', '*', '/'))} {pair[1]})"
        elif op == "pow":
            text = f"({self._of('npf', d)} ** {rng.pick(('2', '0.5', '3'))})"
        elif op == "function":
            name = rng.draw(NP_FLOAT)
            self.cover["np." + name] += 1
            second = f", {self._of('npf', d)}" if name in ("minimum", "maximum") else ""
            text = f"np.{name}({self._of('npf', d)}{second})"
        return text or f"np.{rng.pick(('float64', 'float32', 'float64', 'float16'))}({self._of('float', 0)})"

    def _npb(self, depth: int) -> str:
        return self._name("npb") or f"np.bool_({self._of('bool', 0)})"

    def _npc(self, depth: int) -> str:
        name = self._array("c")
        if name and self.rng.chance(0.6):
            return self.element(name)
        return self._name("npc") or f"np.complex128({self._of('complex', 0)})"

    def element(self, name: str) -> str:
        """A full index of array `name`: one scalar."""
        rank = self.env[name].rank
        self.cover["element"] += 1
        if rank > 1 and self.rng.chance(0.15):
            return name + "".join(f"[{self.index(name)}]" for _ in range(rank))
        return f"{name}[{', '.join(self.index(name, axis) for axis in range(rank))}]"

    def index(self, name: str, axis: int = 0) -> str:
        """Mostly in range, sometimes negative, now and then far out."""
        rng = self.rng
        mine = [v for v, a in self.indexes.items() if a == (name, axis)]
        if mine and rng.chance(0.8):
            return rng.pick(mine) if rng.chance(0.85) else f"{rng.pick(mine)} - 1"
        choice = rng.below(20)
        if choice < 7:
            return "0"
        if choice < 11:
            return "-1"
        if choice < 17:
            return f"{self.small()} % {name}.shape[{axis}]"
        if choice == 17:
            return rng.pick(("1", "-2", "2", "7", "-9")) if rng.chance(0.5) else "-1"
        return self.small() if choice == 18 and rng.chance(0.5) else self._of("int", 0) if rng.chance(0.1) else "0"

    def make_array(self, kind: Arr) -> str:
        rng = self.rng
        self.cover["make_array"] += 1
        shape = ", ".join(str(rng.between(1, 4)) for _ in range(kind.rank - 1))
        first = f"({self.small()} & 7)" if rng.chance(0.3) else str(rng.between(1, 9))
        shape = f"({first}, {shape})" if shape else first
        dtype = f"np.{NP_NAMES[kind.code]}"
        same = self._array(kind.code, kind.rank)
        if same and rng.chance(0.3) and self.env[same] == kind:
            return f"np.{rng.pick(('zeros_like', 'ones_like'))}({same})"
        if kind.rank == 1 and rng.chance(0.3):
            if kind.code == "i8":
                return (
                    f"np.arange({first})"
                    if rng.chance(0.5)
                    else f"np.arange({rng.between(-4, 4)}, {rng.between(2, 12)}, {rng.pick((1, 2, 3))})"
                )
            if kind.code == "f8":
                return f"np.linspace({self._of('float', 0)}, {rng.pick(('1.0', '2.5', '-3.0'))}, {rng.between(1, 9)})"
        if rng.chance(0.25):
            return f"np.full({shape}, {rng.between(0, 9)}, {dtype})"
        return f"np.{rng.pick(('zeros', 'ones'))}({shape}, {rng.pick(('', 'dtype='))}{dtype})"
