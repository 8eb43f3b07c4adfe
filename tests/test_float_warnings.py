"""NumPy's float warnings where the tests of compiled code stand behind the arithmetic: what was stored, what is said."""

import warnings

import numpy as np
import pytest

import flashpoint

N = 5000


def out_of_place(a, c):
    for i in range(len(a)):
        c[i] = a[i] * a[i]


def in_place(a, c):
    for i in range(len(a)):
        a[i] *= a[i]
        c[i] -= a[i]


def two_kinds(a, c):
    for i in range(len(a)):
        c[i] = (a[i] - a[0]) * (a[i] + 1.0)


def beside_python(a, c):
    big = 1e300
    for i in range(len(a)):
        big = big * 1.5
        c[i] = a[i] * 2.0
    return big


def total(a, c):
    out = 0.0
    for i in range(len(a)):
        if a[i] > 0:
            out += a[i] * c[i]
    return out


def data(kind):
    a = np.linspace(1.0, 2.0, N)
    if kind == "overflow":
        a[3000:3002] = 1e200
    elif kind == "nan":
        a[::7] = np.nan
    elif kind == "inf":
        a[0] = np.inf
        a[40::11] = np.inf
    return a, np.zeros(N)


def observed(fn, kind, action):
    a, c = data(kind)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(action)
        try:
            result = fn(a, c)
        except RuntimeWarning as warning:
            result = ("raised", str(warning))
    return repr(result), sorted({str(w.message) for w in caught}), a.tobytes(), c.tobytes()


@pytest.mark.parametrize("action", ["always", "error"])
@pytest.mark.parametrize("kind", ["quiet", "overflow", "nan", "inf"])
@pytest.mark.parametrize("tier", [1, 2, None])
@pytest.mark.parametrize("fn", [out_of_place, in_place, two_kinds, beside_python, total], ids=lambda fn: fn.__name__)
def test_as_numpy_does(fn, tier, kind, action):
    expected = observed(fn, kind, action)
    compiled = flashpoint.njit(fn, tier=tier)
    for _ in range(3):
        assert observed(compiled, kind, action) == expected


@pytest.mark.parametrize("state", [{"over": "raise"}, {"invalid": "ignore"}, {"under": "warn"}])
@pytest.mark.parametrize("tier", [1, 2])
def test_under_errstate(tier, state):
    def tiny(a, c):
        for i in range(len(a)):
            c[i] = a[i] * 1e-300 * a[i] * 1e-300

    for fn in (out_of_place, two_kinds, tiny):
        outcomes = []
        for f in (fn, flashpoint.njit(fn, tier=tier)):
            for kind in ("quiet", "overflow"):
                with np.errstate(**state):
                    try:
                        outcomes.append(observed(f, kind, "always"))
                    except FloatingPointError as error:
                        outcomes.append(str(error))
        assert outcomes[:2] == outcomes[2:]
