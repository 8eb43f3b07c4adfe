"""Calls: defaults, keywords, *args, recursion, callees, generators, comprehensions, higher-order functions."""

# Tables of arguments read best with few lines.
# fmt: off

import functools
import sys

import numpy as np

from harness import probe, scenario


@probe((1,), (1, 5), (1, 2.5, None))
def defaults(a, b=2, c=True):
    return a, b, c


@scenario(())
def keyword_only(njit):
    @njit
    def f(a, *, b, c=2.5):
        return a * 100 + b * 10 + c

    return f(1, b=2), f(b=3, a=1), f(1, c=0, b=0)


@scenario(())
def positional_only(njit):
    @njit
    def f(a, b=5, /, c=1):
        return a - b - c

    return f(1), f(1, 2), f(1, 2, c=3)


@scenario((0,), (1,), (2,), (3,), (4,), raises=TypeError)
def wrong_arguments_from_outside(njit, which):
    @njit
    def f(a, b, *, c=1):
        return a + b + c

    if which == 0:
        return f(1)
    if which == 1:
        return f(1, 2, 3)
    if which == 2:
        return f(1, 2, d=4)
    if which == 3:
        return f(1, 2, a=1)
    return f()


@scenario((), needs_fallback=True)
def star_args(njit):
    @njit
    def f(first, *rest, **named):
        total = first
        for x in rest:
            total += x
        return total, rest, named

    return f(1), f(1, 2, 3.5), f(1, x=2), f(*[1, 2], **{"y": 1})


@scenario((), needs_fallback=True)
def mutable_default_is_shared(njit):
    @njit
    def f(x, seen=[]):  # noqa: B006
        seen.append(x)
        return len(seen)

    return f(1), f(2), f(3, []), f(4)


@scenario(())
def default_evaluated_once(njit):
    k = 5

    @njit
    def f(x, y=k):
        return x + y

    k = 50
    return f(1)


@scenario(())
def defaults_are_replaced(njit):
    def f(x, y=1):
        return x + y

    g = njit(f)
    out = [g(1)]
    f.__defaults__ = (2.5,)
    return [*out, f(1)]


def plain_helper(a, b=10, *, c=1):
    return a * 100 + b + c


@probe((1,), (2.5,))
def callee_with_keywords(x):
    return plain_helper(x), plain_helper(x, 2), plain_helper(b=x, a=1), plain_helper(x, c=5)


@scenario((10,))
def compiled_calls_compiled(njit, n):
    @njit
    def square(x):
        return x * x

    @njit
    def total(n):
        out = 0
        for i in range(n):
            out += square(i) + square(i * 0.5)
        return out

    return total(n)


@scenario((2**40,), (3,))
def callee_overflows_in_the_callers_loop(njit, n):
    @njit
    def square(x):
        return x * x

    @njit
    def total(n):
        out = 0
        for i in range(n, n + 4):
            out += square(i)
        return out

    return total(n)


@scenario((5,))
def callee_changes_its_result_type(njit, n):
    @njit
    def half(x):
        return x // 2 if x % 2 == 0 else x / 2

    @njit
    def total(n):
        out = 0
        for i in range(n):
            out += half(i)
        return out

    return total(n), total(1)


@scenario((15,))
def recursion(njit, n):
    @njit
    def fib(n):
        if n < 2:
            return n
        return fib(n - 1) + fib(n - 2)

    return fib(n)


@scenario((25,), (5,))
def recursion_outgrows_64_bits(njit, n):
    @njit
    def factorial(n):
        return 1 if n <= 1 else n * factorial(n - 1)

    return factorial(n)


@scenario((9,), (10,))
def mutual_recursion(njit, n):
    @njit
    def even(n):
        return True if n == 0 else odd(n - 1)

    @njit
    def odd(n):
        return False if n == 0 else even(n - 1)

    return even(n), odd(n)


@scenario((2, 3))
def ackermann(njit, m, n):
    @njit
    def a(m, n):
        if m == 0:
            return n + 1
        if n == 0:
            return a(m - 1, 1)
        return a(m - 1, a(m, n - 1))

    return a(m, n)


@scenario((), raises=RecursionError)
def recursion_limit(njit):
    @njit
    def down(n):
        return down(n + 1) + 1

    return down(0)


@scenario(())
def recursion_below_the_limit(njit):
    @njit
    def down(n):
        return 0 if n == 0 else down(n - 1) + 1

    return down(500)


@scenario((), needs_fallback=True)
def recursion_error_is_caught_and_all_works_after(njit):
    @njit
    def down(n):
        return down(n + 1)

    out = []
    for _ in range(2):
        try:
            down(0)
        except RecursionError:
            out.append("deep")
    return out, sys.getrecursionlimit() > 0


@scenario(())
def function_as_argument(njit):
    @njit
    def twice(f, x):
        return f(f(x))

    @njit
    def inc(x):
        return x + 1

    return twice(inc, 1), twice(lambda v: v * 2.5, 2), twice(abs, -3)


@probe((5,), needs_fallback=True)
def generator_consumed_locally(n):
    return sum(i * i for i in range(n)), any(i > 3 for i in range(n)), all(i < 3 for i in range(n)), max(i % 4 for i in range(n))


@scenario((5,), needs_fallback=True)
def generator_function(njit, n):
    @njit
    def count(n):
        for i in range(n):
            got = yield i * i
            if got:
                yield -got

    g = count(n)
    return list(count(n)), next(g), g.send(7), next(g), g.close()


@scenario((), needs_fallback=True)
def generator_throw_and_return_value(njit):
    @njit
    def gen():
        try:
            yield 1
        except ValueError as error:
            yield str(error)
        return 5

    g = gen()
    out = [next(g), g.throw(ValueError("in"))]
    try:
        next(g)
    except StopIteration as stop:
        out.append(stop.value)
    return out


@probe((4,), needs_fallback=True)
def comprehensions(n):
    return [i * i for i in range(n) if i % 2], {i % 3 for i in range(n)}, {i: i / 2 for i in range(n)}, [(i, j) for i in range(n) for j in range(i)]


@probe((3,), needs_fallback=True)
def comprehension_scope(n):
    i = 100
    squares = [i * n for i in range(n)]
    return i, squares


@probe(([3, 1.5, 2],), ([],), needs_fallback=True)
def list_operations(items):
    items.append(4)
    items += [5]
    items.sort()
    last = items.pop()
    items.insert(0, last)
    return items, len(items), items[::-1], items[-1], 1.5 in items, sorted(items), sum(items), [*items, 9]


@probe((3,), needs_fallback=True)
def dict_operations(n):
    d = {}
    for i in range(n):
        d[i % 2] = d.get(i % 2, 0) + i
    d["x"] = 1.5
    del d[0]
    return d, d.get(99, 0), 1 in d, list(d.items()), len(d), {**d, "y": 2}


@probe((3,), needs_fallback=True)
def set_operations(n):
    s = {1, 2}
    s.add(n)
    s |= {7}
    return s, n in s, len(s), s & {1, n}, s - {1}, frozenset(s) == s


@probe(([[1, 2], [3]],), needs_fallback=True)
def nested_lists(rows):
    total = 0
    for row in rows:
        for x in row:
            total += x
        row.append(total)
    rows[0][0] = None
    return total


@probe((4,), needs_fallback=True)
def map_filter_sorted(n):
    return list(map(abs, range(-n, 0))), list(filter(None, range(n))), sorted(range(n), key=lambda x: -x), functools.reduce(max, range(n))


@probe((5,), needs_fallback=True)
def any_all_over_containers(n):
    return any([0, n]), all([1, n - 5]), any(()), all(()), any(x > 3 for x in (1, n))


@probe((1, 2.5), (0, 0), (None, 3))
def any_all_over_tuples(a, b):
    return any((a, b)), all((a, b))


@probe((7, -3), (7.5, 2), (2**70, 3))
def numeric_builtins(a, b):
    return divmod(a, b), abs(b), pow(a, 2), max(a, b, 0), min((a, b)), round(a), sum((a, b))


@probe((3,), needs_fallback=True)
def nested_class(n):
    class Point:
        scale = 2

        def __init__(self, x):
            self.x = x

        def scaled(self):
            return self.x * self.scale

    return Point(n).scaled()


class Box:
    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        return Box(self.value + other)


@probe((Box(3), 4), needs_fallback=True)
def user_objects(box, n):
    for i in range(n):
        box = box + i
    box.value += 0.5
    return box, box.value


@scenario((), needs_fallback=True)
def method_under_njit(njit):
    class Model:
        def __init__(self, k):
            self.k = k

        @njit
        def scaled(self, x):
            return self.k * x

    return Model(3).scaled(2), Model(0.5).scaled(4)


@scenario((), needs_fallback=True)
def staticmethod_under_njit(njit):
    class Tools:
        @staticmethod
        @njit
        def twice(x):
            return 2 * x

    return Tools.twice(4), Tools().twice(0.5)


@scenario(())
def argument_types_change(njit):
    @njit
    def double(x):
        return x + x

    values = [1, 2.5, True, 2**62, 1j, np.float32(0.1), np.int8(100), np.int64(3), 1, 0.5]
    return [double(x) for x in values * 2], double(np.arange(3)[1])


@probe((1,), (1.5,))
def annotations_mean_nothing(x: int) -> float:
    y: int = x * 2
    z: float
    z = y
    return z


@scenario(())
def metadata_is_kept(njit):
    @njit
    def documented(a, b=1):
        """What it does."""
        return a + b

    return documented.__name__, documented.__doc__, documented.__qualname__.endswith("documented"), documented.__defaults__


@probe((3,), needs_fallback=True)
def decorated_inside(n):
    @functools.lru_cache
    def square(x):
        return x * x

    return square(n) + square(n)


@scenario((3,), needs_fallback=True)
def coroutine(njit, n):
    @njit
    async def double(n):
        return n * 2

    try:
        double(n).send(None)
    except StopIteration as stop:
        return stop.value


@scenario((3,), needs_fallback=True)
def private_names_are_mangled(njit, n):
    class Model:
        __scale = 2

        def __init__(self):
            self.__k = 5

        @njit
        def scaled(self, __x):
            return self.__k * __x * Model.__scale

    return Model().scaled(n)
