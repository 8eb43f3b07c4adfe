"""L4: `compute()` called 10 000 times from a driver loop, each call tiny.

Shows invocation counting and the cost of one dispatch when the driver is plain Python, and inlining when the driver
is compiled too.
"""

import time

import flashpoint


@flashpoint.njit
def compute(x):
    return (x * 3 + 1) % 7


@flashpoint.njit
def compiled_driver(n):
    total = 0
    for i in range(n):
        total += compute(i)
    return total


def plain_driver(n):
    total = 0
    for i in range(n):
        total += compute(i)
    return total


def run(small=False):
    n = 300 if small else 10_000
    return [plain_driver(n), compiled_driver(n)]


def main():
    for name, driver in (("plain Python driver", plain_driver), ("compiled driver", compiled_driver)):
        for i in range(3):
            begin = time.perf_counter()
            driver(10_000)
            print(f"{name}, run {i + 1}: {(time.perf_counter() - begin) / 10_000 * 1e9:.1f} ns per call of compute")
    print(compute.explain())
    print(compiled_driver.explain())


if __name__ == "__main__":
    main()
