"""Bools, None, tuples, and variables whose type differs by path: never silently converted."""

# Tables of arguments read best with few lines.
# fmt: off

from harness import probe


@probe((True,), (False,))
def bool_arithmetic(a):
    return a + 1, a + a, a * 2.5, -a, +a, a - True, a**2, a / 2, abs(a)


@probe((True,), (False,))
def bool_invert(a):
    return ~a


@probe((True, False), (True, True), (False, False), (True, 2), (3, False))
def bool_bitwise(a, b):
    return a & b, a | b, a ^ b


@probe((True, False), (True, 1), (False, 0.0), (True, 2))
def bool_compare(a, b):
    return a == b, a < b, a is True, b is False, not a


@probe((True, 3), (False, 40))
def bool_shift(a, n):
    return a << n, a >> 1


@probe((5, 0), (0, 0), (0.0, 1.5), (None, 2), ((), 3), (-0.0, 0))
def and_or_give_operands(a, b):
    return a and b, a or b, not a or b


@probe((0,), (1,), (-0.0,), (float("nan"),), (None,), (0j,), ((),), ((0,),))
def bool_of(a):
    return bool(a), 1 if a else 0, not a


@probe((1,), (0,), (-5,))
def conditional_int_or_float(n):
    return 1 if n > 0 else 2.5


@probe((1,), (0,))
def conditional_int_or_none(n):
    return n if n > 0 else None


@probe((1, 2.5), (3, 2.5), (True, 1), (1, True), (0.0, 0), (0, -0.0))
def min_max_keep_the_winner_type(a, b):
    return min(a, b), max(a, b)


@probe((0,), (3,), (10,))
def int_turns_float_half_way(n):
    x = 0
    for i in range(n):
        x += 1 if i < 5 else 0.5
    return x


@probe((0,), (1,), (4,))
def accumulator_starts_int(n):
    total = 0
    for i in range(n):
        total += i * 0.5
    return total


@probe((0,), (1,), (6,))
def type_alternates(n):
    x = 1
    for i in range(n):
        x = x + 0.5 if i % 2 == 0 else int(x) + 1
    return x


@probe((3, True), (3, False), (2**70, True))
def join_then_use(n, flag):
    x = n if flag else n + 0.5
    y = x * 2
    return x, y, x == n, x // 1


@probe((3, 0), (3, 1), (3, 2), (3, 3))
def join_of_four_types(n, which):
    if which == 0:
        x = n
    elif which == 1:
        x = n / 2
    elif which == 2:
        x = n > 2
    else:
        x = n + 1j
    return x, x + 1, x * x


@probe((True,), (False,))
def optional_tested_before_use(flag):
    best = None
    for i in range(5):
        if flag and (best is None or i * i > best):
            best = i * i
    return best


@probe((3,), (0,), raises=TypeError)
def none_used_in_arithmetic(n):
    x = None
    if n > 0:
        x = n
    return x + 1


@probe((0,), (1,), (2,), (-1,), (-3,), (5,), (-4,), raises=IndexError)
def heterogeneous_tuple_index(n):
    t = (1, 2.5, True)
    return t[n]


@probe((1, 2.5), (2.5, 1), (True, None))
def tuple_of_mixed(a, b):
    t = (a, b, (b, a), ())
    return t, t[0], t[-2], len(t), t[2][1]


@probe(((1, 2.0), (1, 3)), ((1, 2), (1, 2.0)), ((), (1,)), ((2**70,), (2**70,)))
def tuple_compare_and_concat(a, b):
    return a == b, a < b, a >= b, a + b, a * 2, a[:1], a[::-1], 1 in a


@probe(((1, 2.5, True, None),), ((),))
def iterate_mixed_tuple(t):
    count = 0
    last = -1
    for item in t:
        count += 1
        last = item
    return count, last


@probe((0,), (1,), needs_fallback=True)
def int_then_text(n):
    x = 0
    for _ in range(n):
        x = "a"
    return x


@probe((3,), (2.5,), needs_fallback=True)
def list_of_mixed(n):
    return [n, 2.5], [n, [True, None]]


@probe((1,), (True,), (1.0,), (None,), (1j,))
def isinstance_of(a):
    return isinstance(a, int), isinstance(a, bool), isinstance(a, float), isinstance(a, (int, complex))


@probe((1,), (True,), (1.5,), (2**70,))
def type_tests(a):
    return type(a) is int, type(a) is float, type(a) == bool, type(a)(3)  # noqa: E721


@probe((1,), (True,), (-3.7,), ("x",), raises=ValueError)
def constructors(a):
    return int(a), float(a), bool(a)


@probe(())
def constructors_without_arguments():
    return int(), float(), bool(), complex()


@probe((5,), (2.5,))
def swap_types_in_loop(a):
    b = 0.25
    for _ in range(3):
        a, b = b, a
    return a, b


@probe((1, 1.0), (1.0, 1), (True, 1), (2**53, 2.0**53))
def is_identity_of_numbers(a, b):
    return a is a, a is None, a == b, a is not b


@probe((3,), (-3,))
def nested_conditional(n):
    return (1 if n > 2 else 2.0) if n > 0 else (None if n < -2 else True)


@probe((5,), (0,))
def while_condition_is_a_number(n):
    steps = 0
    while n:
        n -= 1
        steps += True
    return steps


@probe(((1, 2.5), 3), ((), 0))
def tuple_given_back(t, n):
    for i in range(n):
        if i > len(t):
            break
    return t


@probe(((1, 2.5), 3))
def tuple_inside_a_result(t, n):
    return t, n
