"""Control flow: loops with else, break and continue, unbound locals, del, unpacking, ranges near 2**63."""

# Tables of arguments read best with few lines.
# fmt: off

from harness import probe

M = 2**63


@probe((0,), (1,), (5,))
def unbound_after_empty_loop(n):
    for i in range(n):
        pass
    return i if n else -1


@probe((0,), (3,), raises=UnboundLocalError)
def loop_variable_after_loop(n):
    for i in range(n):
        pass
    return i


@probe((True,), (False,), raises=UnboundLocalError)
def unbound_by_path(flag):
    if flag:
        x = 1
    return x


@probe((1,), (0,), raises=UnboundLocalError)
def unbound_in_loop(n):
    for i in range(3):
        if i >= n:
            y = i
        n += y
    return n


@probe((2,), raises=UnboundLocalError)
def augmented_unbound(n):
    total += n  # noqa: F821, F841
    return total


@probe((2,))
def del_and_rebind(a):
    x = a
    del x
    x = a + 1
    return x


@probe((2,), (-1,), raises=UnboundLocalError)
def del_then_use(a):
    x = a
    if a > 0:
        del x
    return x


@probe((2,), raises=UnboundLocalError)
def del_twice(a):
    x = a
    del x
    del x  # noqa: F821
    return a


@probe((10, 3), (10, 20), (0, 0))
def for_else(n, stop):
    for i in range(n):
        if i == stop:
            break
    else:
        return -1
    return i


@probe((10, 3), (10, 20))
def while_else(n, stop):
    i = 0
    while i < n:
        if i == stop:
            result = "broke"
            break
        i += 1
    else:
        result = "ended"
    return i, result == "broke"


@probe((7,), (0,))
def break_and_continue(n):
    total = 0
    for i in range(n):
        if i % 2:
            continue
        if i > 4:
            break
        total += i
    return total, n


@probe((4,), (0,))
def nested_break(n):
    found = None
    for i in range(n):
        for j in range(n):
            if i * j == 6:
                found = (i, j)
                break
        else:
            continue
        break
    return found


@probe((6,), (1,))
def return_inside_nested_loops(n):
    for i in range(n):
        while True:
            if i * i > 10:
                return i, n
            break
    return -1.5


@probe((3,), (0,))
def reassign_loop_variable(n):
    out = 0
    for i in range(n):
        out += i
        i = 100
        out += i
    return out


@probe((4,))
def change_bound_inside_loop(n):
    count = 0
    for _ in range(n):
        n += 1
        count += 1
    return n, count


@probe((0, 10, 3), (10, 0, -3), (0, 10, -1), (5, 5, 1), (-3, 4, 2), (10, -1, -1), (0, 10, 0), raises=ValueError)
def range_with_step(a, b, s):
    out = 0
    for i in range(a, b, s):
        out = out * 31 + i
    return out, a


@probe(
    (M - 3, M + 2, 1), (M - 1, M + 5, 2), (-M - 2, -M + 3, 1), (2**70, 2**70 + 3, 1), (M - 3, M - 1, 2**62),
    (-M, M - 1, 2**62), (M + 2, M - 3, -2),
)
def range_near_64_bits(a, b, s):
    last, count = None, 0
    for i in range(a, b, s):
        last = i
        count += 1
    return last, count, i


@probe((2.0,), (None,), raises=TypeError)
def range_of_wrong_type(n):
    total = 0
    for i in range(n):
        total += i
    return total


@probe((True,), (-5,))
def range_of_bool_or_negative(n):
    count = 0
    for i in range(n):
        count += 1
    return count


@probe((0, 10, 3), (10, 0, -4), (0, 0, 1), (0, 2**62, 7))
def range_as_value(a, b, s):
    r = range(a, b, s)
    return len(r), a in r, b in r, r.start, r.stop, r.step


@probe((5,), (0,))
def reversed_range(n):
    out = 0
    for i in reversed(range(n)):
        out = out * 10 + i
    return out


@probe(((3, 1.5, 4),), ((),))
def enumerate_tuple(t):
    out = 0
    for i, x in enumerate(t):
        out += i * x
    for i, x in enumerate(t, 10):
        out -= i * x
    return out


@probe((5, 3), (0, 3))
def zip_ranges(n, m):
    out = 0
    for i, j in zip(range(n), range(10, 10 + m)):
        out = out * 100 + i * j
    return out


@probe((3, 3), (3, 2), (2, 3), raises=ValueError)
def zip_strict(n, m):
    out = 0
    for i, j in zip(range(n), range(m), strict=True):
        out += i * 10 + j
    return out


@probe((4,))
def zip_and_enumerate_nested(n):
    out = 0
    for k, (i, (j, x)) in enumerate(zip(range(n), enumerate(range(5, 20)))):
        out += k * i + j * x
    return out


@probe((1, 2))
def tuple_unpack_and_swap(a, b):
    a, b = b, a
    (c, d), e = (a, b), a + b
    [f, g] = c, d
    return a, b, c, d, e, f, g


@probe(((1, 2, 3, 4),), ((1, 2),), ((1,),), raises=ValueError)
def star_unpack(t):
    first, *middle, last = t
    return first, len(middle), last


@probe(((1, 2, 3),), ((1,),), ((),), raises=ValueError)
def unpack_wrong_count(t):
    a, b = t
    return a + b


@probe((5,), raises=TypeError)
def unpack_a_number(n):
    a, b = n
    return a + b


@probe((1,))
def chained_assignment(a):
    x = y = z = a + 1
    y += 1
    return x, y, z


@probe((1,), (2,))
def walrus(a):
    if (n := a + 1) > 2:
        return n * 10
    return n, a


@probe((100,), (1,))
def walrus_in_while(n):
    steps = 0
    while (n := n // 2) > 0:
        steps += 1
    return n, steps


@probe((3, 4, 5), (5, 4, 3), (3, 3, 3))
def chained_comparison_evaluates_once(a, b, c):
    n = 0
    if a < (n := n + b) < c:
        n += 100
    return n


@probe((0, 1), (1, 0), (1, 1), raises=ZeroDivisionError)
def short_circuit(a, b):
    return (b != 0 and a / b) or (a == 0 or a // b)


@probe((1,))
def pass_and_ellipsis(a):
    """A docstring."""
    pass
    ...
    a
    return


@probe((10,), (0,))
def empty_loop(n):
    for _ in range(n):
        pass


@probe((0.0, 1.0, 0.1), (1.0, 0.0, 0.1))
def while_on_floats(x, end, step):
    n = 0
    while x < end:
        x += step
        n += 1
    return x, n


@probe((3,))
def deep_nesting(n):
    out = 0
    for a in range(n):
        for b in range(a, n):
            for c in range(b, n):
                for d in range(c, n):
                    if (a + b + c + d) % 3 == 0:
                        continue
                    out += a * b + c * d
    return out


@probe((0,), (1,), (2,), (7,))
def if_elif_else(n):
    if n == 0:
        r = 10
    elif n == 1:
        r = 20
    elif n < 5:
        r = 30
    else:
        r = 40
    return r


@probe((30,), needs_fallback=True)
def match_statement(n):
    match n:
        case 0:
            return "zero"
        case int() if n > 20:
            return "large"
        case _:
            return "other"


@probe((5,), needs_fallback=True)
def loop_over_list(n):
    out = 0
    items = [n, 2.5, True]
    for x in items:
        if len(items) < 6:
            items.append(n)
        out += x
    return out, items


@probe((5,), needs_fallback=True)
def with_statement(n):
    import contextlib

    with contextlib.suppress(ZeroDivisionError):
        n //= 0
    with contextlib.nullcontext(n) as m:
        return m + 1
