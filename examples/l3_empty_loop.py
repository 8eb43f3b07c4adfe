"""L3: an empty counted loop, called 1000 times from plain Python.

Shows that a hot callee is found and compiled, and that a loop vanishes only as far as nothing observes it: its
variable keeps the last value after the loop, and an empty range leaves it unbound.
"""

import time

import flashpoint


@flashpoint.njit
def spin(n):
    for _ in range(n):
        pass


@flashpoint.njit
def last_of(n):
    for i in range(n):
        pass
    return i


def run(small=False):
    n = 1000 if small else 1_000_000
    nothing = [spin(n) for _ in range(20 if small else 1000)]
    try:
        unbound = last_of(0)
    except UnboundLocalError as error:
        unbound = str(error)
    return [set(nothing), last_of(n), last_of(1), unbound]


def main():
    begin = time.perf_counter()
    for _ in range(1000):
        spin(1_000_000)
    print(f"1000 calls of 10^6 iterations: {time.perf_counter() - begin:.4f} s (CPython: about 15 s)")
    print(f"the variable after the loop: {last_of(1_000_000)}")
    print(spin.explain())


if __name__ == "__main__":
    main()
