"""L5: one call that loops for seconds.

Shows on-stack replacement: the loop starts in the interpreter and moves into compiled code, and later into better
code, while the one call is running. Ctrl-C works all the time.
"""

import time

import flashpoint


@flashpoint.njit
def scramble(n):
    r = 1
    for i in range(n):
        r = (r * 31 + i) % 1000003
    return r


def run(small=False):
    return [scramble(5000 if small else 5_000_000)]


def main():
    n = 200_000_000
    begin = time.perf_counter()
    answer = scramble(n)
    seconds = time.perf_counter() - begin
    print(
        f"one call, {n} iterations: {answer} in {seconds:.2f} s, {seconds / n * 1e9:.2f} ns per iteration (CPython: 70)"
    )
    print(scramble.explain())


if __name__ == "__main__":
    main()
