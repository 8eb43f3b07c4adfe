"""Signals, threads, fork and deep recursion: the process survives, and Python's rules hold inside compiled loops."""

import os
import threading

import numpy as np
import pytest

import flashpoint
from harness import MODES, ORACLE
from subprocesses import interrupt_script, run_script

TIERS = [mode for mode in MODES if not mode.stress] if not ORACLE else MODES[:1]


def environment(mode):
    if mode.skip_reason():
        pytest.skip(mode.skip_reason())
    return {} if mode.tier is None else {"FLASHPOINT_TIER": str(mode.tier)}


LOOPS = {
    "integers": "for i in range(10**15):\n        x = x + i if i % 3 else x - i",
    "floats": "while x != 0.5:\n        x = x * 0.5 + 1.0",
    "empty": "for _ in range(10**15):\n        pass",
    "nested": "for i in range(10**9):\n        for j in range(3):\n            a[j] = a[j] + i",
    "array": "while True:\n        for i in range(len(a)):\n            a[i] += 1.0",
}


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
@pytest.mark.parametrize("loop", LOOPS if not ORACLE else ["integers"])
def test_ctrl_c_inside_a_loop(loop, mode, tmp_path):
    script = f"""\
import sys, traceback
import numpy as np
import flashpoint

@flashpoint.njit
def spin(x, a):
    {LOOPS[loop]}
    return x

print("looping", flush=True)
try:
    spin(1, np.zeros(1000))
except KeyboardInterrupt as error:
    last = traceback.extract_tb(error.__traceback__)[-1]
    print(last.name, 6 < last.lineno < 11, last.filename == __file__)
    spin.__name__ == "spin" and print("alive")
"""
    status, output, errors, seconds = interrupt_script(script, tmp_path, **environment(mode))
    assert (status, output) == (0, "spin True True\nalive\n"), errors
    assert seconds < 5, "the loop polls for signals"


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_ctrl_c_inside_a_recursion(mode, tmp_path):
    script = """
    import threading
    import flashpoint

    @flashpoint.njit
    def fib(n):
        if n < 2:
            return n
        return fib(n - 1) + fib(n - 2)

    for _ in range(100):
        fib(12)
    ran = threading.Event()
    threading.Timer(0.05, ran.set).start()
    print("looping", flush=True)
    try:
        fib(80)
    except KeyboardInterrupt:
        print(ran.is_set(), fib(10))
    """
    status, output, errors, seconds = interrupt_script(script, tmp_path, **environment(mode))
    assert (status, output) == (0, "True 55\n"), errors
    assert seconds < 5, "the recursion polls for signals"


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_signal_handlers_run_and_the_loop_goes_on(mode, tmp_path):
    script = """
    import signal
    import flashpoint

    seen = []
    signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))

    @flashpoint.njit
    def count(a, n):
        for i in range(n):
            a = a * 0.5 + 1.0
        return a

    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    while len(seen) < 5:
        result = count(1.0, 300_000)
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(result)

    def stop(number, frame):
        raise TimeoutError("handler")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        count(1.0, 10**15)
    except TimeoutError as error:
        print(error)
    """
    output, _ = run_script(script, tmp_path=tmp_path, **environment(mode))
    assert output == "2.0\nhandler\n"


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_other_threads_run_during_a_loop(mode, tmp_path):
    script = """
    import os, threading, time
    import flashpoint

    @flashpoint.njit
    def spin(x):
        while x != 0.5:
            x = x * 0.5 + 1.0
        return x

    thread = threading.Thread(target=spin, args=(1.0,), daemon=True)
    thread.start()
    for _ in range(20):
        time.sleep(0.005)
    print(thread.is_alive(), flush=True)
    os._exit(0)
    """
    assert run_script(script, tmp_path=tmp_path, **environment(mode))[0] == "True\n"


def mixed(x, n):
    out = x
    for i in range(n):
        out = out * 3 + i if i % 2 else out - x
    return out


@pytest.mark.parametrize("tier", [None, 1] if not ORACLE else [None])
def test_eight_threads_call_one_function(tier):
    """All start at once on a new function: the first compilations, guards that fail and new signatures race."""
    values = [1, 2.5, 2**60, np.int64(3), np.float32(0.5), 1j, True, 2**70]
    with np.errstate(all="ignore"):
        expected = [[mixed(v, n) for n in (0, 3, 40, 25)] for v in values]
    for _ in range(5):
        compiled = flashpoint.njit(mixed, **({} if tier is None else {"tier": tier}))
        barrier, results = threading.Barrier(len(values)), [None] * len(values)

        def work(k):
            barrier.wait()
            with np.errstate(all="ignore"):
                for _ in range(10):
                    results[k] = [compiled(values[k], n) for n in (0, 3, 40, 25)]

        threads = [threading.Thread(target=work, args=(k,)) for k in range(len(values))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == expected
        assert [[type(x) for x in row] for row in results] == [[type(x) for x in row] for row in expected]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_fork_after_compile(mode, tmp_path):
    script = """
    import os, warnings
    import numpy as np
    import flashpoint

    def loop(x, n):
        for i in range(n):
            x = x + i
        return x

    old = flashpoint.njit(loop)
    assert old(1, 100_000) == loop(1, 100_000)
    warnings.simplefilter("ignore", DeprecationWarning)
    children = []
    for k in range(4):
        child = os.fork()
        if child == 0:
            fresh = flashpoint.njit(lambda x, n: loop(x, n) + k)
            right = old(2, 50_000) == loop(2, 50_000) and old(0.5, 50_000) == loop(0.5, 50_000)
            right = right and fresh(np.int64(3), 1000) == loop(3, 1000) + k and old(2**63, 10) == loop(2**63, 10)
            os._exit(0 if right else 3)
        children.append(child)
    print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], old(3, 10))
    """
    assert run_script(script, tmp_path=tmp_path, **environment(mode))[0] == "[0, 0, 0, 0] 48\n"


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_huge_recursion_never_ends_the_process(mode, tmp_path):
    """With a huge limit the native stack is what ends it: RecursionError or the right answer, never a crash."""
    script = """
    import sys
    import flashpoint

    @flashpoint.njit
    def down(n):
        return 0 if n == 0 else down(n - 1) + 1

    try:
        down(10**7)
    except RecursionError as error:
        print(str(error).startswith("maximum recursion depth exceeded"))
    print(down(300))
    sys.setrecursionlimit(200_000)
    try:
        print(down(100_000) == 100_000)
    except RecursionError:
        print(True)
    print(down(300))
    """
    assert run_script(script, tmp_path=tmp_path, **environment(mode))[0] == "True\n300\nTrue\n300\n"


def test_import_in_a_thread_and_exit_while_compiling(tmp_path):
    script = """
    import threading

    def work():
        import flashpoint
        flashpoint.njit(lambda x: sum((x, x)))(1)

        def loop(n):
            out = 0
            for i in range(n):
                out += i
            return out

        for _ in range(3):
            flashpoint.njit(loop)(30_000)
        print("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    """
    assert run_script(script, tmp_path=tmp_path) == ("done\n", "")


@pytest.mark.skipif(not flashpoint.tier2_available(), reason="tier 2 is not part of this build")
def test_the_process_ends_while_a_long_compile_is_under_way(tmp_path):
    lines = [f"            t += a[i] * {k}.5 + a[n - 1 - i] / ({k} + t * t)" for k in range(60)]
    script = "\n".join(
        [
            "import numpy as np",
            "import flashpoint",
            "@flashpoint.njit",
            "def f(a, m):",
            "    t = 0.0",
            "    n = len(a)",
            "    for j in range(m):",
            "        for i in range(n):",
            *lines,
            "    return t",
            "f(np.ones(100), 20)",
            "print('done')",
        ]
    )
    for _ in range(3):
        output, _ = run_script(script, tmp_path=tmp_path)
        assert output == "done\n"
