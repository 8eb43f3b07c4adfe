"""Text of numbers: str, repr, f-strings, % formatting, parsing; strings as generic values; print."""

# Tables of arguments read best with few lines.
# fmt: off

import numpy as np

from harness import probe

FLOATS = [(x,) for x in (0.1, -0.0, 1e16, 1e15, 123456789.125, 1e-5, 1e-4, 1e22, 5e-324, 1.7976931348623157e308, float("inf"), float("nan"), 1 / 3)]


@probe(*FLOATS, needs_fallback=True)
def str_and_repr_of_float(x):
    return str(x), repr(x), f"{x}", f"{x!r:>30}"


@probe(
    (1,), (2**100,), (True,), (None,), (1.5 - 0j,), ((1, 2.0),), (np.float32(0.1),), (np.int8(-3),),
    needs_fallback=True,
)
def str_and_repr_of_others(x):
    return str(x), repr(x), f"{x}"


@probe(*FLOATS, (3,), needs_fallback=True)
def format_spec(a):
    return f"{a:.3f}|{a:10.2e}|{a:+g}|{a:08.1f}|{a:,.2f}|{a:%}"


@probe((255, 6), (-7, 3), needs_fallback=True)
def format_spec_of_int(a, width):
    return f"{a:{width}d}|{a:x}|{a:#b}|{a:o}|{a:_}|{a = }"


@probe((1.5,), raises=ValueError, needs_fallback=True)
def format_spec_wrong_for_type(a):
    return f"{a:d}"


@probe((5, 2.5), (-1, 1e100), needs_fallback=True)
def percent_format(a, b):
    return "%d" % a, "%5.1f|%s|%r|%%" % (b, a, b), "%x" % 255


@probe((5,), raises=TypeError, needs_fallback=True)
def percent_format_wrong_count(a):
    return "%d %d" % a


@probe(("12",), (" -7 ",), ("0x1f",), ("1_000",), ("12.5",), ("",), raises=ValueError, needs_fallback=True)
def int_of_text(s):
    return int(s)


@probe(("1f", 16), ("777", 8), ("z", 36), ("12", 2), raises=ValueError, needs_fallback=True)
def int_of_text_with_base(s, base):
    return int(s, base)


@probe((), needs_fallback=True)
def int_of_literal_text():
    return int("12"), float("1e3"), complex("1+2j")


@probe(("1.5",), ("nan",), ("-Infinity",), ("1e400",), ("x",), raises=ValueError, needs_fallback=True)
def float_of_text(s):
    return float(s)


@probe(("abc", 1), ("äöü", -1), ("", 0), raises=IndexError, needs_fallback=True)
def index_text(s, i):
    return s[i], s[::-1], len(s)


@probe(("abracadabra",), ("",), needs_fallback=True)
def count_letters(s):
    counts = {}
    for letter in s:
        counts[letter] = counts.get(letter, 0) + 1
    return counts


@probe(("a", "b"), ("x", "x"), needs_fallback=True)
def concatenate_and_compare(a, b):
    return a + b, a * 3, a < b, a == b, a in "abc", a.upper() + b.join(["1", "2"])


@probe((4,), needs_fallback=True)
def build_in_a_loop(n):
    out = ""
    for i in range(n):
        out += f"{i},"
    return out.rstrip(",").split(",")


@probe((3, 2.5), needs_fallback=True)
def prints(a, b):
    print(a, b, None, sep="|", end="!\n")
    print()
    print(f"{a}", np.float64(b), (a, b))


@probe((5,), needs_fallback=True)
def hex_oct_bin_chr_ord(n):
    return hex(n), oct(n), bin(-n), chr(65 + n), ord("a"), ascii("ä")


@probe((b"abc", 1), needs_fallback=True)
def bytes_index(b, i):
    total = 0
    for x in b:
        total = total * 256 + x
    return b[i], total, b[1:]


@probe((2,), needs_fallback=True)
def docstring_and_constant_text(n):
    "Not returned."
    unit = "m"
    return f"{n}{unit}" "!"
