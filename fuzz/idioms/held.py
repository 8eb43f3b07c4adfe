"""Values that typed code holds without looking into them: large ints, text, lists, dicts, methods of numbers."""

from .scene import Scene

BIG = (
    "{h} = {h} * 3 + i", "{h} = {h} * {h} if {h} < 2**200 else {h} >> 150", "{h} ^= i << 70", "{h} = -{h}", "{h} //= 7",
    "{h} = {h} - 2**130", "{h} += n", "{h} = {h} << 5 | i & 31", "{h} = {h} % (2**140 + 1)", "{h} = abs({h}) + 1",
    "{h} = {h} * n + 1", "{h} = {h} + {h}",
)  # fmt: skip
BIG_READ = (
    "{h} & 255", "{h} % 7", "{h} > 2**128", "{h}.bit_length()", "int({h} == {h} + 0)", "{h} >> 120", "{h} // 2**126", "math.isqrt(abs({h})) & 15",
    "divmod({h}, 1000003)[1]", "min({h}, i)", "{h} / 2**120",
)  # fmt: skip
LIST = (
    "{h}.append({v})", "{h}.append({v})", "{h} += [{v}]", "{h}[i % len({h})] = {v}", "{h}[-1] = {h}[0]", "{h} = [x * 2 for x in {h}[-3:]] + [1]",
    "{h}.insert(0, {v})", "{h}.pop() if len({h}) > 3 else {h}.append(1)", "{h}[:2] = [{v}]", "del {h}[{v} % 3:2]", "{h}.reverse()",
)  # fmt: skip
LIST_READ = (
    "len({h})", "{h}[0]", "{h}[-1]", "{h}[i]", "sum({h}[-3:])", "{h}.index({h}[-1])", "{h}.count(i)", "max({h})",
    "{v} in {h}",
)  # fmt: skip
DICT = (
    "{h}[i % 5] = {h}.get(i % 5, 0) + {v}", "{h}[{v}] = i", "{h}.pop(i % 3, None)", "{h}.setdefault(i & 3, {v})", "{h} = {{**{h}, i: 1}}",
    "{h}.update(x={v})", "{h}[i & 1] += {v}",
)  # fmt: skip
DICT_READ = ("len({h})", "{h}.get(i, 1)", "{h}[i % 5]", "sum({h}.values())", "i in {h}")
TEXT = (
    "{h} += str({v})",
    "{h} = f'{{i}}:{{n:x}}'",
    "{h} = {h}[-5:] + 'x'",
    "{h} = {h}.replace('1', '2')",
    "{h} = {h} * 2 if len({h}) < 9 else {h}[:3]",
)
TEXT_READ = ("len({h})", "{h}.count('1')", "{h}.startswith('1')", "ord({h}[-1])", "int({h}[:2] or '0')", "{h} > 'm'")
METHODS = (
    "i.bit_length()", "(i - n).bit_count()", "s.is_integer()", "float(i).hex()[2] > '0'", "(i / 4).as_integer_ratio()[1]", "i.conjugate()", "s.real",
    "n.to_bytes(8, 'little', signed=True)[0]", "a.sum()", "a.item(0)", "a.max()", "a[:2].copy()[0]", "a.mean()", "np.dot(a, a)", "a.astype('f8')[-1]", "len(a.tolist())",
)  # fmt: skip


class Held(Scene):
    def idea_big(self) -> None:
        start = self.rng.pick(("3**90", "2**127 - 5", "1", "-2**128", "n", "2**64", "10**40"))
        self.held("b", start, BIG, BIG_READ)

    def idea_list(self) -> None:
        self.needs_objects = True
        name = self.held("l", self.rng.pick(("[]", "[1]", "[0, 1, 2]", "list(range(n & 7))")), LIST, LIST_READ)
        if self.rng.chance(0.2):
            self.at_start(f"put = {name}.append")
            self.in_loop(f"put({self.int()})")

    def idea_dict(self) -> None:
        self.needs_objects = True
        self.held(
            "d", self.rng.pick(("{}", "{0: 1, 1: 2}", "dict(x=1)", "{k: k * k for k in range(3)}")), DICT, DICT_READ
        )

    def idea_text(self) -> None:
        self.needs_objects = True
        self.held("t", self.rng.pick(("''", "'abc'", "str(n)", "repr(s)")), TEXT, TEXT_READ)

    def idea_method(self) -> None:
        value = self.rng.pick(METHODS)
        if self.rng.chance(0.3):
            name = self.name("m")
            method, _, rest = value.partition("(") if value.startswith("a.") else (value, "", "")
            if rest:
                self.at_start(f"{name} = {method}")
                value = f"{name}({rest}"
        self.in_loop(self.add(value))

    def held(self, prefix: str, start: str, changes: tuple, reads: tuple) -> str:
        rng = self.rng
        name = self.name(prefix)
        self.at_start(f"{name} = {start}")
        for _ in range(rng.pick((1, 1, 2))):
            self.in_loop(rng.pick(changes).format(h=name, v=self.small()))
        for _ in range(rng.pick((0, 1, 1, 2))):
            value = rng.pick(reads).format(h=name, v=self.small())
            if rng.chance(0.3):
                self.in_loop(f"if {value}:", f"    r += {self.small()}")
            else:
                self.in_loop(self.add(value))
        if rng.chance(0.15):
            # Two names of one value.
            self.in_loop(f"other = {name}", f"if {self.condition()}:", f"    {name} = other")
        self.results.append(name)
        return name
