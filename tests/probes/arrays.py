"""NumPy arrays: indexing, slices as views, layouts, every dtype, writes with conversion, creation, attributes."""

# Tables of arguments read best with few lines.
# fmt: off

import numpy as np

from harness import probe

INTS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
FLOATS = ["f2", "f4", "f8"]
DTYPES = [*INTS, *FLOATS, "c8", "c16", "?"]
EVERY_DTYPE = [(np.arange(5).astype(dtype),) for dtype in DTYPES]


def misaligned():
    return np.frombuffer(bytearray(41), np.uint8)[1:].view("f8")


def readonly():
    a = np.arange(4.0)
    a.flags.writeable = False
    return a


LAYOUTS = [
    (np.arange(8.0),), (np.arange(16.0)[::2],), (np.arange(8.0)[::-1],), (np.arange(16.0)[14::-3],), (np.arange(4, dtype=">f8"),),
    (misaligned(),), (np.arange(20.0).reshape(4, 5)[:, 2],), (np.broadcast_to(np.float64(2.5), (3,)),), (np.zeros(0),), (readonly(),),
]
MATRICES = [
    (np.arange(12.0).reshape(3, 4),), (np.arange(12.0).reshape(3, 4).T,), (np.asfortranarray(np.arange(12.0).reshape(3, 4)),),
    (np.arange(24.0).reshape(4, 6)[::-1, ::2],), (np.zeros((0, 3)),), (np.zeros((3, 0)),), (np.arange(4, dtype=">i2").reshape(2, 2),),
]


@probe(
    *[(n,) for n in (0, 4, -1, -5, 5, 7, -6, -9, 2**62, -(2**63), 2**63, -(2**70), True)],
    raises=(IndexError, OverflowError),
)
def index_bounds(n):
    a = np.arange(5)
    return a[n]


@probe(
    *[(np.arange(6.0).reshape(2, 3), i, j) for i, j in ((0, 0), (-1, -3), (1, 2), (2, 0), (0, 3), (-3, 0), (0, -4), (2, 3))],
    raises=IndexError,
)
def index_two_axes(a, i, j):
    return a[i, j]


@probe((np.arange(4.0), 9), (np.arange(4.0), -5), (np.zeros(0), 0), raises=IndexError)
def write_out_of_bounds(a, i):
    a[0 if len(a) else i] = 7.0
    a[i] = 1.0


@probe((np.arange(4.0), 1.0), (np.arange(4.0), "x"), (np.arange(4.0), 1j), raises=IndexError)
def index_of_wrong_type(a, i):
    return a[i]


@probe(
    (np.arange(4.0), np.int8(-1)), (np.arange(4.0), np.uint64(3)), (np.arange(4.0), np.uint8(200)),
    raises=IndexError,
)
def index_by_numpy_integer(a, i):
    return a[i]


@probe((np.arange(6.0).reshape(2, 3),), (np.array(1.0),), (np.arange(3.0),), raises=IndexError)
def too_many_indices(a):
    return a[0, 0, 0]


@probe(*EVERY_DTYPE)
def read_every_dtype(a):
    return a[1], a[-1], a[0] + a[1], a[2] * a[2]


@probe(*EVERY_DTYPE)
def write_every_dtype(a):
    a[0] = 1
    a[1] = True
    a[2] = a[3]
    a[-1] += 1
    return a


@probe(
    *[(np.zeros(3, d), v) for d in INTS for v in (127, 128, 255, 256, -1, -129, 2**31, 2**63, 2**64, -(2**63) - 1)],
    raises=OverflowError,
)
def write_python_int_out_of_bound(a, v):
    a[1] = v
    return a


@probe(
    *[(np.zeros(2, d), v) for d in DTYPES[:-3] for v in (2.7, -2.7)], (np.zeros(2, "f4"), 0.1),
    (np.zeros(2, "f2"), 1e6), (np.zeros(2, "f4"), 1e300), (np.zeros(2, "?"), 0.5), (np.zeros(2, "c8"), 0.1),
    raises=OverflowError,
)
def write_python_float(a, v):
    a[0] = v
    return a, a[0]


@probe(
    (np.zeros(2, "i4"), float("nan")), (np.zeros(2, "i8"), float("inf")), (np.zeros(2, "u1"), -3.5),
    (np.zeros(2, "i8"), 1e300), raises=(ValueError, OverflowError),
)
def write_unrepresentable_float(a, v):
    a[0] = v
    return a


@probe(
    (np.zeros(2, "i1"), np.int64(300)), (np.zeros(2, "u1"), np.int8(-1)), (np.zeros(2, "i4"), np.float64(1e10)),
    (np.zeros(2, "f4"), np.float64(0.1)), (np.zeros(2, "i8"), np.uint64(2**63)),
    (np.zeros(2, "u1"), np.float64(2.7)), (np.zeros(2), np.int64(2**53 + 1)), raises=OverflowError,
)
def write_numpy_scalar_converts(a, v):
    a[0] = v
    return a


@probe(
    (np.zeros(2), 1j), (np.zeros(2, "i4"), "x"), (np.zeros(2), None), (np.zeros(2, "i8"), None),
    raises=(TypeError, ValueError),
)
def write_wrong_type(a, v):
    a[0] = v
    return a


@probe(*LAYOUTS)
def sum_any_layout(a):
    total = 0.0
    for i in range(len(a)):
        total += a[i]
    return total


@probe(*LAYOUTS)
def iterate_any_layout(a):
    total, count = 0.0, 0
    for x in a:
        total = total * 0.5 + x
        count += 1
    return total, count


@probe(*LAYOUTS[:7], LAYOUTS[8])
def write_any_layout(a):
    for i in range(len(a)):
        a[i] = i * 0.5
    return a


@probe((readonly(),), (np.broadcast_to(np.float64(1.0), (3,)),), raises=ValueError)
def write_readonly(a):
    a[0] = 1.0
    return a


@probe((readonly(),), raises=ValueError)
def write_readonly_after_work(a):
    total = 0.0
    for i in range(3):
        total += a[i]
    a[1] += total
    return a


@probe(*MATRICES)
def matrix_walk(a):
    n, m = a.shape
    total = 0
    for i in range(n):
        for j in range(m):
            total = total * 0.5 + a[i, j] * (i - j)
    return total


@probe(*MATRICES)
def matrix_rows(a):
    total = 0
    for row in a:
        for x in row:
            total = total * 0.25 + x
    return total


@probe(*MATRICES[:4])
def matrix_write_and_chain(a):
    for i in range(a.shape[0]):
        a[i][0] = -1.0
        a[i, -1] += a[i, 1]
    return a


@probe((np.arange(24).reshape(2, 3, 4),), (np.arange(24).reshape(4, 3, 2).T,), (np.zeros((2, 0, 3), int),))
def three_dimensions(a):
    total = 0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            for k in range(a.shape[2]):
                total += int(a[i, j, k]) * (i + 2 * j + 3 * k)
    return total, a.shape, a.ndim, a.size


@probe((np.array(3.5),), (np.array(3),))
def zero_dimensions(a):
    a[()] = a[()] + 1
    return a[()], a.shape, a.ndim, a.size


@probe((np.array(3.5),), raises=TypeError)
def len_of_zero_dimensions(a):
    return len(a)


@probe(
    (np.arange(6.0), 1, 4), (np.arange(6.0), -3, 100), (np.arange(6.0), 4, 1), (np.arange(12.0)[::-2], 1, 3),
    (np.arange(6.0), -100, -1),
)
def slice_is_a_view(a, i, j):
    v = a[i:j]
    if len(v):
        v[0] = 99.0
    return v, a[i:], a[:j], a[:], len(v)


@probe((np.arange(10),), (np.arange(20)[::2],), (np.arange(1),), (np.zeros(0, int),))
def slice_with_step(a):
    return a[::2], a[::-1], a[8:2:-3], a[-3::-1], a[::-1][::-1], a[1::100]


@probe((np.arange(4), 0), raises=ValueError)
def slice_step_zero(a, s):
    return a[::s]


@probe((np.arange(12.0).reshape(3, 4),), (np.arange(12.0).reshape(4, 3).T,))
def slices_of_matrix(a):
    row, column, block = a[1], a[:, 1], a[1:, ::2]
    row[0] = 50.0
    column[2] = 60.0
    block[0, 0] += 1.0
    return row, column, block, a[-1, 1:3], a[..., 0], a[:, :, None]


@probe((np.arange(6.0),))
def overlapping_views(a):
    left, right = a[:-1], a[1:]
    for i in range(5):
        right[i] = left[i] + 1.0
    return a


@probe((np.arange(6.0), np.arange(6.0)))
def two_arrays_apart(a, b):
    for i in range(6):
        a[i] = b[i] + a[5 - i]
    return a


def aliased():
    a = np.arange(8.0)
    return a[1:], a[:-1]


@probe(aliased)
def two_arrays_overlap(a, b):
    for i in range(7):
        a[i] = b[i] * 2.0 + 1.0
    return a, b


@probe((np.arange(6.0), 2.5), (np.arange(6), 3))
def fill_a_slice(a, v):
    a[1:3] = v
    a[::-2] = 0
    return a


@probe(
    (np.arange(6.0), np.arange(3.0)), (np.arange(6.0), np.arange(2.0)), (np.arange(6), np.array([1.5, 2.5, 3.5])),
    needs_fallback=True, raises=ValueError,
)
def assign_array_to_slice(a, b):
    a[1:4] = b
    return a


@probe(*EVERY_DTYPE, *MATRICES)
def attributes(a):
    return a.shape, a.ndim, a.size, a.itemsize, a.nbytes, a.strides, a.dtype, len(a)


@probe((np.arange(6.0).reshape(2, 3),))
def transpose_attribute(a):
    t = a.T
    t[0, 1] = 9.0
    return t, t[2, 1], t.shape


@probe((3,), (0,), (1,))
def create(n):
    return np.zeros(n), np.ones(n), np.full(n, 2.5), np.full(n, 7), np.arange(n), np.zeros((n, 2)), np.ones((2, n), np.int32)


@probe((-1,), raises=ValueError)
def create_negative(n):
    return np.zeros(n)


@probe((4,))
def create_empty_then_fill(n):
    a, b = np.empty(n), np.empty((n, 2), dtype=np.float32)
    for i in range(n):
        a[i] = i
        b[i, 0] = b[i, 1] = i * 0.1
    return a, b


@probe((3,))
def create_with_dtype(n):
    return np.zeros(n, np.int8), np.zeros(n, dtype=np.complex64), np.ones(n, bool), np.zeros((n, n), np.float16), np.full(n, 1, np.uint8)


@probe((3,), needs_fallback=True)
def create_in_fortran_order(n):
    return np.zeros((n, 2), order="F"), np.ones((2, n), dtype="i4", order="F")


@probe((0, 10, 3), (10, 0, -2), (0.0, 1.0, 0.1), (5, 0, 1), (0, 2.5, 1), (1, 1, 1))
def arange(a, b, s):
    return np.arange(a, b, s), np.arange(a, b), np.arange(b)


@probe((0, 1, 5), (0.0, 10.0, 3), (1, -1, 2), (0, 1, 1), (0, 1, 0))
def linspace(a, b, n):
    return np.linspace(a, b, n)


@probe(*MATRICES, *EVERY_DTYPE)
def like(a):
    return np.zeros_like(a), np.ones_like(a), np.full_like(a, 1), np.empty_like(a).shape


@probe((np.array([None, 1, "x"], object),), (np.array([2, 3.5], object),), needs_fallback=True)
def object_dtype(a):
    a[0] = a[1]
    return a, a[0]


@probe(
    (np.array(["ab", "c"]),), (np.array(["2020-01-01"], "M8[D]"),), (np.zeros(2, [("x", "i4"), ("y", "f8")]),),
    needs_fallback=True,
)
def dtypes_beyond_numbers(a):
    return a[0], len(a), a.dtype.kind


@probe((np.arange(4),), (np.arange(4.0),), (np.zeros(0),), (np.arange(6).reshape(2, 3),), needs_fallback=True)
def tolist_and_copy(a):
    return a.tolist(), a.copy(), a.ravel(), a.astype("f4")


@probe((np.arange(6.0).reshape(2, 3),), (np.arange(6, dtype="f4").reshape(3, 2),), needs_fallback=True)
def reductions_refused_by_others(a):
    return a.mean(axis=0), a.std(ddof=1), a.sum(keepdims=True), np.einsum("ij->j", a), a.sum(), a.min(), a.argmax()


@probe((np.full(1000003, 0.1, np.float32),), (np.full(1000, 0.1),), (np.arange(10),), needs_fallback=True)
def sum_and_mean_are_pairwise(a):
    return np.sum(a), a.mean(), np.mean(a), a.prod()


@probe(
    (np.arange(5), np.array([0, 3, 3])), (np.arange(5.0), np.array([True, False, True, False, True])),
    needs_fallback=True,
)
def fancy_index(a, index):
    return a[index]


@probe((np.arange(3.0), np.arange(3.0)), (np.arange(3), np.arange(4)), needs_fallback=True, raises=ValueError)
def whole_array_operators(a, b):
    return a + b, a * 2, -a, a < b


@probe((np.arange(3.0),), (np.array([1.0]),), needs_fallback=True, raises=ValueError)
def truth_of_an_array(a):
    return 1 if a else 2


@probe((np.arange(3.0),), (np.arange(2, dtype="i1"),))
def array_handed_back(a):
    return a, a is a, a is not None


@probe((np.arange(4.0), 3), (np.arange(4.0), 9), raises=IndexError)
def writes_before_an_exception_stay(a, n):
    for i in range(n):
        a[i] = a[i] * 2.0 + 1.0
    return a


@probe((np.array([1, 2, 0, 4]),))
def elements_are_numpy_scalars(a):
    best = a[0]
    for i in range(1, len(a)):
        if a[i] > best:
            best = a[i]
    return best, int(best), float(a[1]), bool(a[2]), a[0] == 1


@probe((np.array([5, 3, 9, 1]),), (np.array([2.5, -1.0, 0.0]),))
def bubble_sort_swaps(a):
    for i in range(len(a)):
        for j in range(len(a) - 1 - i):
            if a[j] > a[j + 1]:
                a[j], a[j + 1] = a[j + 1], a[j]
    return a


@probe((np.arange(5.0), np.arange(5)), (np.arange(3.0), np.arange(5)), (np.zeros(0), np.arange(2)))
def zip_and_enumerate_arrays(a, b):
    out = 0.0
    for i, (x, y) in enumerate(zip(a, b)):
        out += i * x - y
    return out


@probe((np.arange(4.0), np.arange(3.0)), (np.arange(3.0), np.arange(3.0)), raises=ValueError)
def zip_strict_arrays(a, b):
    out = 0.0
    for x, y in zip(a, b, strict=True):
        out += x * y
    return out


@probe((np.arange(9.0)[::9],), (np.zeros((1, 4))[:, ::2],), (np.zeros((2, 1), order="F"),))
def strides_of_short_axes(a):
    return a.strides, a.shape
