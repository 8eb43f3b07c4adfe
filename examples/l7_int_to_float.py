"""L7: a loop whose variable turns from int to float half way.

Shows that the variable is never converted before its time: up to the change it is an exact integer, from then on a
float, also when the change comes late, comes back, or never comes; and that this compiles a bounded number of times.
"""

import time

import flashpoint


@flashpoint.njit
def turn(n, when):
    x = 2**53
    for i in range(n):
        if i == when:
            x = x / 2
        x = x + 1
    return x


@flashpoint.njit
def back_and_forth(n):
    x = 0
    for i in range(n):
        x = x + 0.5 if i % 3 == 0 else int(x) + i
    return x


def run(small=False):
    n = 1000 if small else 1_000_000
    return [*(turn(n, when) for when in (n // 2, 0, n - 1, n, -1)), back_and_forth(n), back_and_forth(n + 1)]


def main():
    for i in range(4):
        begin = time.perf_counter()
        x = turn(1_000_000, 500_000)
        print(f"call {i + 1}: {x!r} ({type(x).__name__})  {(time.perf_counter() - begin) * 1e3:.2f} ms")
    print(turn.explain())


if __name__ == "__main__":
    main()
