"""What the real-time examples share: time each call of a function, and say how late the latest one was."""

import time

import numpy as np


def time_calls(step, inputs):
    """Calls `step(*args)` for each tuple of `inputs` and returns the seconds of every call."""
    seconds = np.zeros(len(inputs))
    clock = time.perf_counter
    for i, args in enumerate(inputs):
        begin = clock()
        step(*args)
        seconds[i] = clock() - begin
    return seconds


def report(name, seconds, warm=100):
    """Prints p50, p99 and the maximum, first of all calls, then of those after a warm start."""
    for label, part in ((f"{name}, all calls", seconds), (f"{name}, after {warm} calls", seconds[warm:])):
        p50, p99 = np.percentile(part, [50, 99])
        print(f"{label:40} p50 {p50 * 1e6:8.1f} us   p99 {p99 * 1e6:8.1f} us   max {part.max() * 1e6:8.1f} us")
