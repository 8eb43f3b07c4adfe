"""L1: a counted loop with an integer accumulator.

Shows that a loop with a closed form costs next to nothing, and that a sum that outgrows 64 bits is still the exact
integer CPython would give: nothing wraps, and nobody has to choose a wider type.
"""

import time

import flashpoint


@flashpoint.njit
def sum_of_squares(n, total=0):
    for i in range(n):
        total += i * i
    return total


def run(small=False):
    # From 0 the sum passes 2**63 near n = 3_024_618; a start just below reaches the same place within a few steps.
    sums = [sum_of_squares(n) for n in ((0, 1, 1000) if small else (0, 1, 1_000_000, 100_000_000))]
    return [*sums, sum_of_squares(1000, 2**63 - 10_000), sum_of_squares(1000, 2**127 - 10_000)]


def main():
    for n in (1_000_000, 1_000_000, 100_000_000, 100_000_000):
        begin = time.perf_counter()
        total = sum_of_squares(n)
        print(f"sum_of_squares({n}) = {total}  ({total.bit_length()} bits)  {time.perf_counter() - begin:.6f} s")
        assert total == (n - 1) * n * (2 * n - 1) // 6
    print(sum_of_squares.explain())


if __name__ == "__main__":
    main()
