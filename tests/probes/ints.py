"""Python integers: unbounded, checked at 64 bits, floor division, shifts, powers, bit operations."""

# Tables of arguments read best with few lines.
# fmt: off

from harness import probe

M = 2**63
EDGES = [0, 1, -1, 2, -2, 3, -7, 2**31, -(2**31), 2**53, 2**53 + 1, 2**62, M - 1, M, -M, -M - 1, 2**64, -(2**64) + 1, 2**100]
PAIRS = [(a, b) for a in EDGES for b in EDGES]
NONZERO = [(a, b) for a, b in PAIRS if b] + [(7, 2), (-7, 2), (7, -2), (-7, -2), (6, 3), (-6, 3), (6, -3), (1, 0)]


@probe(*PAIRS)
def add(a, b):
    return a + b


@probe(*PAIRS)
def subtract(a, b):
    return a - b


@probe(*PAIRS, (2**40, 2**40), (3037000500, 3037000500), (3037000499, 3037000499), (-(2**32), 2**31))
def multiply(a, b):
    return a * b


@probe((1,), (5,), (20,), (21,), (25,), (40,))
def product_1_to_n(n):
    result = 1
    for i in range(1, n + 1):
        result *= i
    return result


@probe(*[(a,) for a in EDGES])
def negate(a):
    return -a, +a, ~a


@probe(*[(a,) for a in EDGES])
def absolute(a):
    return abs(a)


@probe(*NONZERO, raises=ZeroDivisionError)
def floor_divide(a, b):
    return a // b


@probe(*NONZERO, raises=ZeroDivisionError)
def remainder(a, b):
    return a % b


@probe(*NONZERO, raises=ZeroDivisionError)
def divmod_builtin(a, b):
    return divmod(a, b)


@probe(
    *NONZERO, (2**53 + 1, 3), (2**53 + 1, 2), (2**63 - 1, 2**63 - 1), (1, 2**1074), (2**2000, 2**1999),
    raises=ZeroDivisionError,
)
def true_divide(a, b):
    return a / b


@probe((2**2000, 1), (-(10**400), 3), raises=OverflowError)
def true_divide_too_large(a, b):
    return a / b


SHIFTS = [(a, n) for a in (0, 1, -1, 5, -5, 2**62, M - 1, -M, 2**70) for n in (0, 1, 5, 31, 32, 62, 63, 64, 65, 70, 128, -1, -M)]


@probe(*SHIFTS, raises=ValueError)
def shift_left(a, n):
    return a << n


@probe(*SHIFTS, (1, 2**70), (-1, 2**70), raises=ValueError)
def shift_right(a, n):
    return a >> n


@probe((0, 2**80), (0, -1), raises=ValueError)
def shift_zero_by_anything(a, n):
    return a << n


@probe(
    (3, 50), (2, 62), (2, 63), (2, 64), (-2, 63), (-2, 64), (-3, 3), (0, 0), (0, 5), (1, 10**6), (-1, 10**6 + 1),
    (7, 22), (7, 23), (10, 18), (10, 19), (10, 30),
)
def power(a, b):
    return a**b


@probe((2, -1), (2, -2), (-2, -3), (10, -20), (1, -1), (0, -1), raises=ZeroDivisionError)
def power_negative_exponent(a, b):
    return a**b


@probe((3, 7), (12345678901, 3), (-5, 3), (M, 1), (5, 0))
def power_by_literal(a, b):
    return a**2, a**3, 2**b, a**0, a**-0


@probe((2, -1, 7), (3, 10**12, 1000003), (5, 3, -7), (2, 5, 1), (2, -1, 4), (2, 3, 0), raises=ValueError)
def pow_with_modulus(a, b, m):
    return pow(a, b, m)


@probe((2, 3), (3, 3), (9, 2))
def pow_mod_seven(a, b):
    return pow(a, b, 7)


@probe(*PAIRS[:120], (-1, 2**64), (M, -M))
def bitwise(a, b):
    return a & b, a | b, a ^ b


@probe(*[(a,) for a in EDGES])
def bit_length(a):
    return a.bit_length()


@probe(*[(a,) for a in EDGES])
def bit_count_and_ratio(a):
    return a.bit_count(), a.as_integer_ratio(), a.real, a.imag, a.numerator, a.denominator, a.conjugate()


@probe(*[(a, b) for a in EDGES for b in (0, M - 1, -M, 2**100)])
def compare(a, b):
    return a < b, a <= b, a == b, a != b, a > b, a >= b


@probe((1, 2, 3), (1, 3, 2), (2, 2, 2), (2**70, 2**71, 2**72), (3, 2, 1))
def chained_comparison(a, b, c):
    return a < b < c, a < b > c, a == b == c, a <= b <= c != a


@probe((0,), (10,), (1000,), (10**5,))
def sum_of_squares(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


@probe((2**62, 10), (2**63 - 5, 10), (-(2**63) + 5, 10), (2**200, 5))
def accumulator_crosses_64_bits(start, n):
    for i in range(n):
        start += i if start > 0 else -i
    return start


@probe((2**126, 8), (-(2**126), 8), (2**127 - 3, 8))
def accumulator_crosses_128_bits(x, n):
    for i in range(n):
        x += x // 3 + i
    return x


@probe((90,), (93,), (94,), (200,))
def fibonacci_iterative(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


@probe((10,), (70,), (130,))
def grows_and_shrinks_again(n):
    x = 1
    for _ in range(n):
        x *= 2
    for _ in range(n):
        x //= 2
    return x


@probe((27,), (97,), (2**61 + 1,), (2**64 + 3,))
def collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


@probe((1,), (12345,))
def lcg_modulo_2_64(seed):
    x = seed
    for _ in range(20):
        x = (x * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        x ^= x >> 33
    return x


@probe((48, 18), (2**64, 2**32 + 2), (0, 5), (-4, 6), (17, 0))
def gcd_by_remainder(a, b):
    while b:
        a, b = b, a % b
    return a


@probe((2**63 - 1,), (-(2**63),), (0,), (2**70,))
def augmented_operators(a):
    x = a
    x += 1
    x -= 2
    x *= 3
    x //= 2
    x %= 10**9
    x <<= 3
    x >>= 1
    x |= 64
    x &= 0xFFFF
    x ^= 5
    x **= 2
    return x


@probe((7,), (2**64,), (-3,))
def literals(a):
    return a + 9223372036854775807, a - 9223372036854775808, a + 18446744073709551616, 0xFF, 0b101, 0o17, 1_000_000


@probe((0,), (3,), (-3,), (2**65,))
def truthiness(a):
    return bool(a), not a, a and 5, a or 7, 1 if a else 2


@probe((2**62, 2**62, 3), (1, 2, 3), (-(2**63), 1, 1))
def sum_builtin(a, b, c):
    return sum((a, b, c)), sum((a, b, c), 10), min(a, b, c), max(a, b, c)


@probe((1, 0), (0, 0), (-(2**63), 0), (2**70, 0), raises=ZeroDivisionError)
def zero_division_texts_floor(a, b):
    return a // b


@probe((1, 0), (2**70, 0), raises=ZeroDivisionError)
def zero_division_texts_mod(a, b):
    return a % b


@probe((1, 0), (2**70, 0), raises=ZeroDivisionError)
def zero_division_texts_true(a, b):
    return a / b


@probe((1, 0), raises=ZeroDivisionError)
def zero_division_texts_divmod(a, b):
    return divmod(a, b)


@probe((10,), (-10,), (2**63,))
def constant_divisors(a):
    return a // 1, a // -1, a // 2, a % 2, a // 3, a % -3, a // 8, a % 8, a % -8, a // 1000003, a % 1000003


@probe((5, "x"), ("x", 5), (5, None), raises=TypeError)
def unsupported_operands(a, b):
    return a - b


@probe((2**63 - 2,), (2**64,))
def identity_of_small_and_large(a):
    return a is a, a is not None, a == a


@probe((2,))
def constant_expressions(a):
    return 3**50, 2**-1, a**-2, 1 << 70, 1 << 63, 2**62 + 2**62, -(2**63) // -1, (2**53 + 1) / 3, 2**53 + 1 == 2.0**53


@probe((1,), raises=ValueError)
def constant_negative_shift(a):
    return a << -1
