"""L8: recursion, mutual recursion, higher-order functions.

Shows calls between compiled functions, functions as arguments and as closures, and that Python's recursion limit
holds in compiled code: a runaway recursion is a RecursionError, never a crash.
"""

import time

import flashpoint


@flashpoint.njit
def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)


@flashpoint.njit
def is_even(n):
    return True if n == 0 else is_odd(n - 1)


@flashpoint.njit
def is_odd(n):
    return False if n == 0 else is_even(n - 1)


@flashpoint.njit
def parabola(x):
    return x * x - 2.0


@flashpoint.njit
def integrate(f, low, high, n):
    """The midpoint rule, for any function."""
    width = (high - low) / n
    total = 0.0
    for i in range(n):
        total += f(low + (i + 0.5) * width)
    return total * width


@flashpoint.njit
def bisect(target, low, high):
    def excess(x):
        return x * x - target

    for _ in range(60):
        middle = 0.5 * (low + high)
        if excess(middle) > 0.0:
            high = middle
        else:
            low = middle
    return low


@flashpoint.njit
def runaway(n):
    return runaway(n + 1) + 1


def run(small=False):
    try:
        outcome = runaway(0)
    except RecursionError as error:
        outcome = type(error).__name__
    n = 200 if small else 100_000
    return [
        fib(12 if small else 30),
        is_even(60),
        is_odd(60),
        integrate(parabola, 0.0, 3.0, n),
        bisect(2.0, 0.0, 2.0),
        outcome,
    ]


def main():
    for _ in range(3):
        begin = time.perf_counter()
        print(f"fib(30) = {fib(30)}  {(time.perf_counter() - begin) * 1e3:.2f} ms")
    print(run())
    print(fib.explain())


if __name__ == "__main__":
    main()
