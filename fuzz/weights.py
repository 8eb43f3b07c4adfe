"""How often each construct is drawn: the one place to tune the mix. Measure with `python -m fuzz.survey`."""

from .values import Table

SHAPES = Table({"kernel": 38, "scalars": 18, "small": 18, "large": 10, "idiom": 18})
STATEMENTS = Table(
    {
        "assign": 26,
        "augmented": 22,
        "unpack": 4,
        "swap": 2,
        "divmod": 1.5,
        "if": 13,
        "for": 12,
        "while": 6,
        "store": 12,
        "store_augmented": 5,
        "view": 4,
        "make": 2,
        "return": 2,
        "assert": 1.2,
        "raise": 1.2,
        "try": 3.5,
        "del": 0.6,
        "retype": 1.5,
        "closure": 0.4,
        "star": 0.5,
        "global": 0.8,
        "walrus_if": 1,
        "opt": 1,
        "pass": 0.3,
        "slice_store": 0.7,
        "big": 1.2,
    }
)
LOOPS = Table(
    {
        "range": 30,
        "range_array": 16,
        "range3": 12,
        "array": 8,
        "tuple": 4,
        "enumerate": 6,
        "zip": 6,
        "range_big": 4,
        "range_from": 4,
    }
)
PARAMETERS = Table(
    {
        "int": 34,
        "float": 22,
        "bool": 3,
        "complex": 3,
        "opt": 3,
        "tuple": 5,
        "array": 26,
        "npi": 3,
        "npf": 3,
        "npc": 0.5,
        "npb": 0.5,
        "num": 2,
    }
)
SCALARS = Table({"int": 34, "float": 24, "bool": 5, "npi": 8, "npf": 8, "complex": 3, "num": 3})
INT = Table(
    {
        "var": 26,
        "const": 12,
        "add": 12,
        "sub": 9,
        "mul": 9,
        "floordiv": 4,
        "mod": 5,
        "pow": 2,
        "shift": 4,
        "bits": 6,
        "neg": 3,
        "invert": 1.5,
        "abs": 1.5,
        "int_of_float": 1.5,
        "len": 3,
        "attribute": 1.5,
        "element": 6,
        "conditional": 3,
        "minmax": 2,
        "round": 1,
        "floor": 1,
        "divmod": 1,
        "pow3": 0.7,
        "gcd": 0.7,
        "isqrt": 0.5,
        "sum_tuple": 1,
        "call": 5,
        "walrus": 1.5,
        "global": 3,
        "bool_add": 1.5,
        "and_or": 1.5,
        "item": 3,
        "opt": 2,
        "bit_length": 0.5,
    }
)
FLOAT = Table(
    {
        "var": 26,
        "const": 12,
        "arith": 24,
        "div": 6,
        "int_div": 4,
        "floordiv": 2,
        "mod": 2,
        "pow": 2,
        "neg": 3,
        "abs": 2,
        "math": 7,
        "of_int": 4,
        "element": 6,
        "conditional": 3,
        "minmax": 2,
        "round": 1,
        "mixed": 6,
        "call": 4,
        "item": 2,
        "parts": 1,
        "sum_tuple": 1,
        "global": 2,
        "walrus": 1,
    }
)
BOOL = Table(
    {
        "compare": 30,
        "chain": 5,
        "not": 4,
        "and": 6,
        "or": 6,
        "var": 6,
        "const": 1,
        "isnan": 2,
        "is_none": 2,
        "to_bool": 3,
        "float_compare": 10,
        "mixed_compare": 4,
        "in": 1.5,
        "npb": 3,
        "dtype": 0.7,
    }
)
NPI = Table(
    {
        "var": 16,
        "element": 24,
        "make": 8,
        "arith": 18,
        "divide": 5,
        "bits": 5,
        "python": 8,
        "neg": 2,
        "function": 3,
        "sum": 1,
    }
)
NPF = Table(
    {"var": 16, "element": 24, "make": 6, "arith": 20, "divide": 5, "python": 8, "function": 7, "pow": 1.5, "sum": 1}
)
MATH = Table(
    {
        "sqrt": 5,
        "exp": 2,
        "log": 2,
        "sin": 2,
        "cos": 2,
        "tan": 1,
        "atan": 1,
        "floor": 2,
        "ceil": 1,
        "fabs": 2,
        "trunc": 1,
        "tanh": 1,
        "asin": 0.5,
        "acos": 0.5,
        "log2": 0.7,
        "log10": 0.7,
        "log1p": 0.5,
        "expm1": 0.5,
        "sinh": 0.5,
        "cosh": 0.5,
        "erf": 0.5,
        "gamma": 0.4,
        "lgamma": 0.4,
        "degrees": 0.5,
        "radians": 0.5,
        "asinh": 0.3,
        "acosh": 0.3,
        "atanh": 0.3,
        "exp2": 0,
        "hypot": 1,
        "atan2": 1,
        "fmod": 1,
        "copysign": 1,
        "pow": 1,
        "ldexp": 0.5,
    }
)
NP_FLOAT = Table(
    {
        "sqrt": 4,
        "abs": 2,
        "floor": 2,
        "ceil": 1,
        "trunc": 1,
        "sin": 0.7,
        "exp": 0.7,
        "log": 0.7,
        "rint": 0.5,
        "square": 0.7,
        "minimum": 1,
        "maximum": 1,
        "sign": 0.5,
    }
)
KERNEL_NESTS = Table(
    {
        "one": 30,
        "clean": 28,
        "range": 14,
        "two": 14,
        "array": 7,
        "enumerate": 6,
        "zip": 6,
        "while": 5,
        "rows": 5,
        "fixed": 5,
        "escape": 5,
        "grow": 12,
        "feedback": 7,
        "calls": 9,
    }
)
KERNEL_STATEMENTS = Table(
    {
        "reduce": 24,
        "store": 24,
        "local": 10,
        "branch": 14,
        "update": 8,
        "flag": 4,
        "retype": 3,
        "try": 3,
        "break": 3,
        "view": 4,
        "raise": 2,
        "dot": 5,
    }
)
KERNEL_CODES = Table(
    {
        "i8": 14,
        "f8": 12,
        "f4": 3,
        "i4": 4,
        "u1": 2.5,
        "i1": 2.5,
        "i2": 1.5,
        "u4": 3,
        "u8": 2,
        "u2": 1,
        "?": 0.7,
        "c16": 0.7,
    }
)
KERNEL_LENGTHS = Table({0: 1, 1: 2, 2: 2, 3: 3, 5: 4, 8: 4, 9: 4, 17: 4, 33: 3, 70: 2, 1030: 0.5, 2100: 0.25})
IDIOMS = Table(
    {
        "nested": 14,
        "lambda": 3,
        "two_nested": 4,
        "array_in_cell": 3,
        "big": 9,
        "list": 4,
        "dict": 2,
        "text": 2,
        "method": 4,
        "zip": 5,
        "enumerate": 5,
        "reversed": 3,
        "iterator": 8,
        "slice_store": 9,
        "header": 8,
        "errstate": 2,
        "scalar_ufunc": 7,
        "array_calls": 8,
        "tuple_of_arrays": 6,
        "raising_call": 10,
        "recursion": 7,
        "several_types": 5,
    }
)
