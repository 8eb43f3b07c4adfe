"""What Numba refuses and Flashpoint must run, one construct after the other."""

# Tables of arguments read best with few lines.
# fmt: off

import math

import numpy as np

from harness import probe, scenario


@probe((0,), (1,), (2,), needs_fallback=True)
def heterogeneous_tuple_item(n):
    t = (n, "text", 2.5)
    return t[n]


@probe((0,), (2,), needs_fallback=True)
def int_then_string_in_one_variable(n):
    x = 0
    if n:
        x = "a"
    return x


@probe((2.0,), (-0.0005,), needs_fallback=True)
def fstring_with_spec(a):
    return f"{a:.3f}"


@probe((5,), needs_fallback=True)
def percent_d(a):
    return "%d" % a


@probe((), needs_fallback=True)
def int_of_text():
    return int("12")


@probe((10,), (0,), needs_fallback=True)
def sum_of_generator(n):
    return sum(i * i for i in range(n))


@probe((10,), (2,), needs_fallback=True)
def any_of_generator(n):
    return any(i > 5 for i in range(n))


@probe((0,), (4,), needs_fallback=True)
def except_zero_division_error(n):
    try:
        x = 8 // n
    except ZeroDivisionError:
        x = -1
    return x


@scenario((3,))
def keyword_only_arguments(njit, n):
    @njit
    def f(a, *, k=2):
        return a * k

    return f(n), f(n, k=5)


@probe((1,), (2,))
def walrus_compared(a):
    return (n := a + 1) > 2, n


@probe((5,), needs_fallback=True)
def set_comprehension(n):
    return {i % 3 for i in range(n)}


@probe((3, 3), (3, 4), raises=ValueError)
def zip_with_strict(n, m):
    total = 0
    for a, b in zip(range(n), range(m), strict=True):
        total += a * b
    return total


@probe((3,))
def del_of_a_local(a):
    x = a
    y = x
    del x
    return y


@probe((np.arange(3.0),), (np.arange(4).reshape(2, 2),), needs_fallback=True)
def tolist(a):
    return a.tolist()


@probe((2**64,), (2**64 - 1,), (-(2**63) - 1,))
def arguments_beyond_64_bits(n):
    return n + 1, n // 3, n * n


@probe((np.arange(6.0).reshape(2, 3),), needs_fallback=True)
def mean_along_axis(a):
    return a.mean(axis=0)


@probe((np.arange(5.0),), needs_fallback=True)
def std_with_ddof(a):
    return a.std(ddof=1)


@probe((np.arange(6.0).reshape(2, 3),), needs_fallback=True)
def sum_keepdims(a):
    return a.sum(axis=1, keepdims=True)


@probe((3,), needs_fallback=True)
def zeros_in_fortran_order(n):
    return np.zeros((n, 2), order="F")


@probe((np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2)), needs_fallback=True)
def einsum(a, b):
    return np.einsum("ij,jk->ik", a, b)


@probe((1.0, 1.0 + 1e-12), (1.0, 1.1))
def math_isclose(a, b):
    return math.isclose(a, b)


@probe((0,), (255,), (2**63,), (True,))
def int_bit_length(a):
    return a.bit_length()


@probe((2.0,), (2.5,))
def float_is_integer(a):
    return a.is_integer()


@probe((3,), (10,), (2**65,))
def pow_of_three(a):
    return pow(a, 3, 7)


@probe((1,), needs_fallback=True)
def empty_dict_and_get(k):
    d = {}
    d[k] = d.get(k, 0) + 1
    return d.get(k, 0), d.get(99, 0), d
