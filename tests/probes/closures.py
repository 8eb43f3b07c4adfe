"""Nested functions and closure cells in hot loops: defaults, `nonlocal`, cycles, identity, escapes, unbound cells."""

import numpy as np

from harness import probe


@probe((50,), (0,))
def small_function_called_in_a_loop(n):
    def square(x):
        return x * x

    total = 0
    for i in range(n):
        total += square(i)
    return total


@probe((50,), (3.5,), raises=TypeError)
def lambda_called_in_a_loop(n):
    scale = 3
    f = lambda x, y=2: x * scale + y  # noqa: E731
    total = 0
    for i in range(n):
        total += f(i) + f(i, 5) + f(y=i, x=1)
    return total


@probe((40,), (0,), (1,))
def nonlocal_sum(n):
    total = 0

    def add(x):
        nonlocal total
        total += x

    for i in range(n):
        add(i)
    return total


@probe((70,))
def nonlocal_outgrows_64_bits(n):
    product = 1

    def times(x):
        nonlocal product
        product *= x

    for i in range(1, n):
        times(i)
    return product


@probe((30,))
def nonlocal_changes_type(n):
    state = 0

    def step(i):
        nonlocal state
        if i % 7 == 3:
            state = state / 2
        elif i % 11 == 5:
            state = int(state) + 1
        else:
            state = state + i

    for i in range(n):
        step(i)
    return state


@probe(lambda: (np.arange(20.0),))
def captured_array(a):
    def at(i):
        return a[i] * 2.0

    total = 0.0
    for i in range(len(a)):
        total += at(i)
        a[i] = total
    return total


@probe((20,))
def function_captures_another(n):
    def one(x):
        return x + 1

    def two(x):
        return one(x) * 2

    total = 0
    for i in range(n):
        total += two(i)
    return total


@probe((12,))
def function_that_calls_itself(n):
    def fact(k):
        return 1 if k < 2 else k * fact(k - 1)

    total = 0
    for i in range(n):
        total += fact(i)
    return total


@probe((12,), needs_fallback=True)
def functions_that_call_each_other(n):
    def even(k):
        return True if k == 0 else odd(k - 1)

    def odd(k):
        return False if k == 0 else even(k - 1)

    return [even(i) for i in range(n)], sum([odd(i) for i in range(n)])


@probe((25,))
def made_in_the_loop(n):
    total = 0
    for i in range(n):

        def plus(x, by=i):
            return x + by + i

        total += plus(1)
    return total


@probe((25,))
def late_binding(n):
    total = 0
    for i in range(n):
        f = lambda: i * 2  # noqa: E731, B023
        i += 1  # noqa: PLW2901
        total += f()
    return total


@probe((25,), needs_fallback=True)
def functions_kept_from_the_loop(n):
    kept = []
    for i in range(n):
        scale = i

        def f(x, *, by=i * 0.5):
            return x * by + scale  # noqa: B023

        if i % 8 == 5:
            kept.append(f)
    return [f(2) for f in kept], [f(2, by=1) for f in kept], len({id(f) for f in kept}), kept[0] is kept[-1]


@probe((25,))
def returned_closure_is_live(n):
    count = 0

    def bump(by=1):
        nonlocal count
        count += by
        return count

    for i in range(n):
        bump(i % 3)
    return count, bump(), bump(2), bump.__defaults__, bump.__name__, bump.__closure__[0].cell_contents


@probe((9,), (10,))
def unbound_cell_raises(n):
    def read():
        return late

    total = 0
    for i in range(n):
        if i == 9:
            del late  # noqa: F821
        else:
            late = i
        try:
            total += read()
        except NameError as error:
            return str(error)
    return total


@probe((10,), raises=NameError)
def unbound_cell_raises_through(n):
    def read():
        return late

    total = 0
    for i in range(n):
        if i < 9:
            late = i
        else:
            del late  # noqa: F821
        total += read()
    return total


@probe((10,), raises=ZeroDivisionError)
def exception_inside_has_both_lines(n):
    def inverse(x):
        return 1 / x

    total = 0.0
    for i in range(n):
        total += inverse(8 - i)
    return total


@probe((10,), raises=TypeError)
def wrong_number_of_arguments(n):
    def f(x, y):
        return x + y

    total = 0
    for i in range(n):
        total += f(i, i) if i < 8 else f(i)
    return total


@probe((20,))
def mutable_default(n):
    def f(x, seen=np.zeros(3)):  # noqa: B008
        seen[x % 3] += 1.0
        return seen[0]

    total = 0.0
    for i in range(n):
        total += f(i)
    return total, f.__defaults__[0].tolist()


@probe((20,))
def variable_number_of_arguments(n):
    def total_of(first, *rest, scale=1):
        result = first
        for x in rest:
            result += x * scale
        return result, len(rest)

    total = 0
    for i in range(n):
        pair = (i, i + 1)
        total += total_of(i)[0] + total_of(i, 1, 2)[0] + total_of(*pair, scale=3)[0] + total_of(3, *pair)[1]
    return total


@probe((20,))
def two_cells_of_one_name(n):
    def make(step):
        def advance(x):
            return x + step

        return advance

    f, g = make(1), make(100)
    total = 0
    for i in range(n):
        total = f(total) + (g(i) if i % 2 else 0)
    return total


@probe((20,))
def identity_of_functions(n):
    def f(x):
        return x

    g = f
    same = 0
    for i in range(n):
        if g is f:
            same += g(i)
        h = f if i % 2 else g
        same += h is g
    return same


@probe((20,))
def loop_inside_the_nested_function(n):
    scale = 3

    def inner(k):
        nonlocal scale
        s = 0
        for j in range(k):
            s += j * scale
        scale += 1
        return s

    total = 0
    for i in range(n):
        total += inner(i)
    return total, scale


@probe((20,))
def cell_is_a_parameter(n):
    def less():
        nonlocal n
        n -= 1
        return n

    total = 0
    while n > 0:
        total += less()
    return total, n


@probe((20,), (-1,))
def function_as_argument(n):
    def twice(f, x):
        return f(f(x))

    offset = 2

    def shift(x):
        return x + offset

    total = 0
    for i in range(n):
        total += twice(shift, i) + twice(lambda x: x * 2, i)
        offset = i % 5
    return total


@probe((30,), needs_fallback=True)
def escaped_function_sees_every_store(n):
    seen = 0
    last = 0

    def note():
        nonlocal seen
        seen += last
        return seen

    caller = [note]
    total = 0
    for i in range(n):
        last = i
        total += caller[0]()
    return total, seen
