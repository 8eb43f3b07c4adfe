"""Exceptions: classes, texts, lines of the user's file, raise, assert, try/except/else/finally, partial effects."""

# Tables of arguments read best with few lines.
# fmt: off

import math

import numpy as np

from harness import probe, scenario


class OwnError(ValueError):
    def __init__(self, code):
        super().__init__(f"code {code}")
        self.code = code


@probe((1,), (-1,), raises=ValueError)
def raise_with_text(n):
    if n < 0:
        raise ValueError("n must not be negative")
    return n


@probe((-1,), raises=ValueError)
def raise_with_several_args(n):
    raise ValueError("n", n, 2.5)


@probe((-1,), raises=RuntimeError)
def raise_class_only(n):
    raise RuntimeError


@probe(
    (0,), (1,), (2,), (3,), (4,), (5,),
    raises=(TypeError, KeyError, IndexError, OverflowError, ZeroDivisionError, NotImplementedError),
)
def raise_built_in_classes(n):
    if n == 0:
        raise TypeError("a")
    if n == 1:
        raise KeyError("b")
    if n == 2:
        raise IndexError(n)
    if n == 3:
        raise OverflowError
    if n == 4:
        raise ZeroDivisionError("mine")
    raise NotImplementedError()


@probe((3,), raises=ValueError, needs_fallback=True)
def raise_with_formatted_text(n):
    raise ValueError(f"bad {n}: {n / 2}")


@probe((3,), raises=OwnError, needs_fallback=True)
def raise_own_class(n):
    raise OwnError(n)


@probe((3,), raises=TypeError, needs_fallback=True)
def raise_what_is_no_exception(n):
    raise n


@probe((3,), raises=StopIteration, needs_fallback=True)
def raise_stop_iteration(n):
    raise StopIteration(n)


@probe((1,), (0,), raises=AssertionError)
def assert_plain(n):
    assert n > 0
    return n


@probe((1,), (0,), raises=AssertionError)
def assert_with_text(n):
    assert n > 0, "n must be positive"
    return n


@probe((1,), (0,), raises=AssertionError)
def assert_with_value(n):
    assert n > 0, n
    return n


@probe((np.arange(4.0), 2), (np.arange(4.0), 7), raises=(ValueError, IndexError))
def effects_before_raise_stay(a, stop):
    for i in range(10):
        a[i] += 1.0
        if i == stop:
            raise ValueError(i)
    return a


@probe((0,), (5,), raises=ZeroDivisionError, needs_fallback=True)
def line_in_a_long_expression(n):
    x = [
        1,
        10 // n,
    ][0]
    return x


@probe((0,), (1,), (2,), raises=(ZeroDivisionError, ValueError, IndexError))
def which_of_several_lines(n):
    a = np.arange(3)
    if n == 0:
        x = 1 / n
    elif n == 1:
        x = math.sqrt(-n)
    else:
        x = a[n + 1]
    return x


def inner(n):
    return 10 // n


def middle(n):
    m = n - 1
    return inner(m) + inner(n)


@probe((1,), (0,), (3,), raises=ZeroDivisionError)
def lines_through_plain_callees(n):
    total = middle(n)
    return total


@scenario((1,), (0,), (3,), raises=ZeroDivisionError)
def lines_through_compiled_callees(njit, n):
    @njit
    def inner(n):
        return 10 // n

    @njit
    def middle(n):
        m = n - 1
        return inner(m) + inner(n)

    @njit
    def outer(n):
        total = middle(n)
        return total

    return outer(n)


@probe((1,), (0,), needs_fallback=True)
def except_zero_division(n):
    try:
        return 10 / n
    except ZeroDivisionError:
        return -1.0


@probe((0,), (1,), (2,), raises=ValueError, needs_fallback=True)
def except_as_and_else_and_finally(n):
    log = []
    try:
        log.append(10 // n)
        if n == 2:
            raise ValueError("two")
    except ZeroDivisionError as error:
        log.append(str(error))
    else:
        log.append("else")
    finally:
        log.append("finally")
        print(log)
    return log


@probe((0,), (1,), needs_fallback=True)
def except_name_is_unbound_after(n):
    error = 5
    try:
        n = 1 // n
    except ArithmeticError as error:
        n = type(error).__name__
    try:
        return n, error
    except NameError as e:
        return n, str(e)


@probe((3,), needs_fallback=True)
def finally_with_return_and_continue(n):
    out = []
    for i in range(n):
        try:
            if i == 1:
                continue
            out.append(i)
        finally:
            out.append(-i)
    return out


@probe((0,), (2,), needs_fallback=True)
def return_in_finally_wins(n):
    try:
        return 10 // n
    except ZeroDivisionError:
        return 1
    finally:
        n += 100
        print(n)


@probe((0,), (1,), (2,), raises=(RuntimeError, KeyError), needs_fallback=True)
def cause_and_context(n):
    try:
        return 1 // 0
    except ZeroDivisionError as error:
        if n == 0:
            raise RuntimeError("from") from error
        if n == 1:
            raise KeyError("during")  # noqa: B904
        raise RuntimeError("none") from None


@probe((0,), raises=ZeroDivisionError, needs_fallback=True)
def bare_raise_keeps_the_line(n):
    try:
        return 1 // n
    except Exception:
        n += 1
        raise


@probe((0,), (1,), (2,), (3,), needs_fallback=True)
def nested_try(n):
    out = []
    try:
        try:
            if n == 1:
                raise ValueError
            if n == 2:
                raise KeyError(1)
            out.append(1 // (n - 3))
        except ValueError:
            out.append("value")
        finally:
            out.append("inner")
    except (KeyError, ZeroDivisionError) as error:
        out.append(type(error).__name__)
    return out


@probe((np.arange(6), 9), needs_fallback=True)
def handler_in_a_hot_loop(a, n):
    missed = 0
    for i in range(-n, n):
        try:
            missed += a[i]
        except IndexError:
            missed -= 1
    return missed


@probe((30,), (5,))
def handler_reads_what_the_call_would_have_written(n):
    def inverse(x):
        if x == 11:
            raise ValueError(x)
        return 3

    result = 0
    for i in range(n):
        try:
            result = inverse(i)
        except ValueError:
            result += 1000
    return result


@probe((1,), raises=NameError)
def undefined_global(n):
    return n + not_defined_anywhere  # noqa: F821


@probe((np.arange(3),), raises=AttributeError)
def missing_attribute(a):
    return a.no_such_attribute


@probe((1,), raises=AttributeError)
def missing_module_attribute(x):
    return math.no_such_function(x)


@probe((1,), raises=TypeError)
def call_of_a_number(x):
    return x(1)


@probe((1,), raises=TypeError)
def index_of_a_number(x):
    return x[0]


@probe(([1, 2], 0), ([1, 2], 5), ([], -1), raises=IndexError, needs_fallback=True)
def list_index_error(items, i):
    return items[i]


@probe(([1, 2], 5), raises=IndexError, needs_fallback=True)
def list_assignment_error(items, i):
    items[0] = 9
    items[i] = 1


@probe(({1: 2}, 1), ({1: 2}, 5), raises=KeyError, needs_fallback=True)
def dict_key_error(d, key):
    return d[key]


@probe(((1, 2), 5), ((), -1), raises=IndexError)
def tuple_index_error(t, i):
    return t[i]


@probe((1.5,), raises=TypeError)
def wrong_argument_to_builtin(x):
    return len(x)


@probe((1, 2), raises=TypeError)
def wrong_number_of_arguments_inside(a, b):
    return inner(a, b)
