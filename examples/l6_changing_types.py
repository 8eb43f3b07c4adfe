"""L6: a function whose argument types change: int, then float, then array, then int again.

Shows that every combination of types has its own compiled entry, that coming back to an earlier one compiles
nothing, and that `explain()` lists them. The answer keeps the type CPython would give. An operation on a whole
array has no typed form yet: it runs as in CPython, and is listed.
"""

import numpy as np

import flashpoint


@flashpoint.njit
def twice_plus_one(x):
    return x * 2 + 1


@flashpoint.njit
def third(x, n):
    """Computes with elements only, which have typed forms."""
    total = x[0] if n else 0
    for i in range(1, n):
        total += x[i]
    return total / 3


ARGUMENTS = (3, 2.5, np.arange(4), 2**70, True, 1 + 2j, np.float32(0.1), 3)


def run(small=False):
    scalars = [twice_plus_one(x) for _ in range(2 if small else 2000) for x in ARGUMENTS]
    arrays = [np.arange(5), np.linspace(0, 1, 5), np.arange(5, dtype=np.int8), (1, 2, 3, 4, 5), np.arange(5)]
    return [*scalars[-len(ARGUMENTS) :], *(third(x, 5) for x in arrays)]


def main():
    for value in run():
        print(f"{type(value).__name__:12} {value!r}")
    print(twice_plus_one.explain())
    print(third.explain())


if __name__ == "__main__":
    main()
