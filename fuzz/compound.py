"""Random compound statements: branches, loops, `try`, nested functions; and the body of `f` itself.

Every loop is counted, so that programs end; see `statements` for what is known about variables.
"""

from .statements import CAUGHT, ERRORS, Statements
from .values import Arr, element_kind
from .weights import LOOPS, SCALARS


class Body(Statements):
    """All statements of one function."""

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
        return self.end(7)

    def main_small(self) -> list:
        """A few statements, nearly always one loop: cheap to run, and what goes wrong is not hidden by what else does."""
        rng = self.rng
        for i in range(rng.between(1, 2)):
            self.assign(f"v{i}", rng.draw(SCALARS), 2)
        if rng.chance(0.9):
            self.loop(hot=True, size=(1, 2))
        self.block(rng.between(0, 1), 1)
        return self.end(4)

    def end(self, most: int) -> list:
        """The return; the function's lines."""
        rng = self.rng
        names = [n for n in self.env if n not in self.loop_vars or rng.chance(0.5)][-most:]
        self.emit(f"return ({', '.join(names)},)" if len(names) != 1 or rng.chance(0.3) else f"return {names[0]}")
        return self.lines

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
        if self.rng.chance(0.2):
            self.cover["while_true"] += 1
            self.emit("while True:")
            self.emit(f"    if not ({condition}):")
            self.emit("        break")
        else:
            self.emit(f"while {condition}:")
        self.loop_body(level, [counter], first=f"{counter} += 1")

    def loop(self, hot: bool, level: int = 0, size: tuple = ()) -> None:
        """A `for` statement; `hot`: the loop the program is about; `size`: how many statements its body has."""
        rng = self.rng
        most = rng.pick((30, 60, 60, 120, 300, 1000)) if hot else (16 if not self.in_loop else 5)
        size = size or ((2, 4) if hot else (1, 3))
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
            source = rng.pick(
                (
                    f"range({extent})",
                    f"range({extent})",
                    f"range({extent})",
                    f"range(1, {extent})",
                    f"range({extent} - 1, -1, -1)",
                    f"range(0, {extent}, 2)",
                )
            )
            if rng.chance(0.05):
                source = f"range({extent} + 1)"
            index_of = (array, axis)
        elif kind == "range3":
            step = rng.pick((1, 2, 3, -1, -1, -2, -3))
            low, high = self.small(), self.count(most)
            source = f"range({low}, {high}, {step})" if step > 0 else f"range({high}, {low}, {step})"
            if rng.chance(0.15):
                source = f"range({low}, {high}, {self.small()})"
        elif kind == "range_big":
            base = rng.pick(("2**31", "2**53", "2**62", "2**63", "-2**63", "2**64"))
            source = f"range({base} - {rng.between(0, 5)}, {base} + {rng.between(0, 9)})"
            self.cover["range_big"] += 1
        elif kind == "range_from":
            name = self._name("int") or "3"
            source = rng.pick(
                (
                    f"range({name}, {name} + {rng.between(1, 30)})",
                    f"range({name}, {name} - {rng.between(1, 30)}, -1)",
                    f"range({name} - 4, {name} + 9, 3)",
                )
            )
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
                other, strict = (
                    rng.pick((f"range({most})", array, f"{array}[::-1]")),
                    ", strict=True" if rng.chance(0.1) else "",
                )
                new, source = (
                    {var: item, f"j{self.fresh}": "int" if other[0] == "r" else item},
                    f"zip({array}, {other}{strict})",
                )
        else:
            source = f"range({self.count(most)})"
        self.cover["for." + kind] += 1
        self.emit(f"for {', '.join(new)} in {source}:")
        self.env.update(new)
        self.loop_vars.update(new)
        if index_of:
            self.indexes[var] = index_of
        self.loop_body(
            level, [n for n, k in new.items() if k == "int" and kind not in ("range_big", "range_from")], size=size
        )
        self.indexes.pop(var, None)

    def loop_body(self, level: int, small: list, first: str = "", size: tuple = (1, 3)) -> None:
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
        self.nested(rng.between(*size), level + 1)
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
