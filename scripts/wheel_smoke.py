"""What an installed wheel must be able to do, on a machine with NumPy and nothing else."""

import ctypes
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

import flashpoint

INSTALLED = Path(flashpoint.__file__).parent
assert sys.prefix in str(INSTALLED), f"imported from {INSTALLED}, not from the wheel"


@flashpoint.njit
def sum_of_squares(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


@flashpoint.njit
def dot(a, b):
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


for n in (0, 10, 10**6, 10**7):
    assert sum_of_squares(n) == (n - 1) * n * (2 * n - 1) // 6, n
x = np.arange(1000.0)
for _ in range(100):
    assert dot(x, x) == 332833500.0

tier2 = INSTALLED / "_tier2.so"
if tier2.exists():
    ctypes.CDLL(str(tier2))  # raises where a library it needs is missing
print(f"flashpoint {version('flashpoint')}: the wheel works, {'with' if tier2.exists() else 'without'} tier 2")
