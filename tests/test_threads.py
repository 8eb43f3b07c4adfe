"""Compiled loops do without the GIL, and what other threads change meanwhile is seen.

With a switch interval of hours CPython never asks a thread to hand the GIL over: what goes on was given it by a loop.
"""

import os

import numpy as np
import pytest

import flashpoint
from harness import MODES, ORACLE
from subprocesses import interrupt_script, run_script

pytestmark = pytest.mark.skipif(ORACLE, reason="tests of the engine")
TIERS = [mode for mode in MODES if not mode.stress and mode.tier != 0]

START = """
import sys, threading
import numpy as np
import flashpoint

sys.setswitchinterval(10_000)

@flashpoint.njit
def wait_for(cell, value):
    n = 0
    while cell[0] != value:
        n += 1
    return n

@flashpoint.njit
def warm(n):
    x = 1.0
    for i in range(n):
        x = x * 0.5 + 1.0
    return x

# What is set up at the first call and at the first poll gives the GIL up by itself.
wait_for(np.ones(1), 1.0)
warm(20_000_000)
"""


def run(script, mode, tmp_path):
    if mode.skip_reason():
        pytest.skip(mode.skip_reason())
    return run_script(
        START + script, tmp_path=tmp_path, **({} if mode.tier is None else {"FLASHPOINT_TIER": str(mode.tier)})
    )[0]


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_another_thread_runs_python_during_a_loop(mode, tmp_path):
    script = """
cell = np.zeros(1)
thread = threading.Thread(target=wait_for, args=(cell, 1.0))
thread.start()
cell[0] = 1.0
thread.join()
print("ended")
"""
    assert run(script, mode, tmp_path) == "ended\n"


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_two_threads_are_inside_one_function_at_once(mode, tmp_path):
    """Each waits in the loop for what the other writes in its own, so neither ends unless both run."""
    script = """
@flashpoint.njit
def play(ball, me, rounds):
    n = 0
    for i in range(rounds):
        while ball[0] != me:
            n += 1
        ball[0] = 1 - me
    return rounds

ball, results = np.zeros(1, dtype=np.int64), []
threads = [threading.Thread(target=lambda me=me: results.append(play(ball, me, 30))) for me in (0, 1)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(results, ball)
"""
    assert run(script, mode, tmp_path) == "[30, 30] [0]\n"


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_a_global_that_another_thread_rebinds_is_seen_in_the_loop(mode, tmp_path):
    script = """
go_on = True

@flashpoint.njit
def spin(x):
    while go_on:
        x = x * 0.5 + 1.0
    return go_on

results = []
thread = threading.Thread(target=lambda: results.append(spin(1.0)))
thread.start()
go_on = False
thread.join()
print(results)
"""
    assert run(script, mode, tmp_path) == "[False]\n"


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_a_global_that_a_callee_rebinds_is_seen_by_its_caller(mode, tmp_path):
    """The callee leaves compiled code to rebind it and comes back with a result as promised."""
    script = """
step = 1

def rebinds(i):
    global step
    s = 0
    for k in range(3):
        s += k * i + k * k - i // (k + 1) + (i ^ k) + (i | k) + (i & k) + k * 2 + k * 3 + k * 4 - i * i  # too long
        s += k * i + k * k - i // (k + 2) + (i ^ k) + (i | k) + (i & k) + k * 2 + k * 3 + k * 4 - i * i
        s += k * i + k * k - i // (k + 3) + (i ^ k) + (i | k) + (i & k) + k * 2 + k * 3 + k * 4 - i * i
        s += k * i + k * k - i // (k + 4) + (i ^ k) + (i | k) + (i & k) + k * 2 + k * 3 + k * 4 - i * i  # to be inlined
    if i == 150:
        step = 10
    return s

def total(n):
    t = 0
    for i in range(n):
        t += rebinds(i) + step
    return t

wanted = total(300)
step = 1
rebinds = flashpoint.njit(rebinds, fallback=True)
for i in range(100):
    rebinds(i)
compiled = flashpoint.njit(total, fallback=True)
print(wanted == compiled(300), wanted)
"""
    assert run(script, mode, tmp_path).startswith("True ")


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_arrays_are_made_while_others_hold_the_gil(mode, tmp_path):
    """A loop that makes arrays takes the GIL back for that, and gives it up again."""
    script = """
@flashpoint.njit
def make(n, m):
    t = 0.0
    for i in range(n):
        a = np.ones(4)
        for j in range(m):
            a[j % 4] += 0.5
        t += a[0] + a[1] + a[2] + a[3]
    return t

sys.setswitchinterval(0.0005)
results = []
threads = [threading.Thread(target=lambda: results.append(float(make(200, 20_000)))) for _ in range(2)]
for thread in threads:
    thread.start()
python = 0
while any(thread.is_alive() for thread in threads):
    python += 1
for thread in threads:
    thread.join()
print(results)
"""
    assert run(script, mode, tmp_path) == "[2000800.0, 2000800.0]\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_fork_while_another_thread_is_inside_a_loop(mode, tmp_path):
    script = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)

cell = np.zeros(1)
thread = threading.Thread(target=wait_for, args=(cell, 1.0))
thread.start()
child = os.fork()
if child == 0:
    own = np.zeros(1)
    helper = threading.Thread(target=wait_for, args=(own, 2.0))
    helper.start()
    own[0] = 2.0
    helper.join()
    os._exit(7)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
cell[0] = 1.0
thread.join()
print(status)
"""
    assert run(script, mode, tmp_path) == "7\n"


def test_ctrl_c_inside_a_loop_while_another_thread_runs_python(tmp_path):
    script = """
import threading
import flashpoint

@flashpoint.njit
def spin(x):
    while x != 0.5:
        x = x * 0.5 + 1.0
    return x

done = False

def busy():
    while not done:
        pass

thread = threading.Thread(target=busy)
thread.start()
print("looping", flush=True)
try:
    spin(1.0)
except KeyboardInterrupt:
    print("interrupted")
done = True
thread.join()
"""
    status, output, errors, seconds = interrupt_script(script, tmp_path)
    assert (status, output) == (0, "interrupted\n"), errors
    assert seconds < 10


@pytest.mark.parametrize("tier", ["", "0", "1"])
@pytest.mark.parametrize("step", ["cell[1] += 1.0", "add(cell)"])
def test_a_daemon_thread_inside_a_loop_at_the_end_of_the_process(tmp_path, tier, step):
    """The interpreter ends with the thread in Python code that it called, in a poll, or waiting for the GIL."""
    script = f"""
    import threading
    import numpy as np
    import flashpoint

    def add(cell):
        cell[1] += len([0 for _ in range(3)])

    @flashpoint.njit(fallback=True)
    def spin(cell, add):
        while cell[0] != 1.0:
            {step}
        return cell[1]

    cells = np.zeros((3, 2))
    for cell in cells:
        threading.Thread(target=spin, args=(cell, add), daemon=True).start()
    while cells[:, 1].min() < 1000.0:
        pass
    print("end")
    """
    assert run_script(script, tmp_path=tmp_path, FLASHPOINT_TIER=tier) == ("end\n", "")


def test_results_of_many_threads(tmp_path):
    """Deoptimisation, exceptions and tier changes of several threads at once, each of them in and out of the GIL."""
    import threading

    def work(a, n):
        total = 0
        for i in range(n):
            total += a[i % len(a)] * i
        return int(total) // (len(a) - 3)

    arrays = [np.arange(k, k + 3 + k, dtype=np.int64) for k in range(4)]
    sizes = [300_000, 200_000, 10]

    def outcome(function, a, n):
        try:
            return function(a, n)
        except ZeroDivisionError as error:
            return str(error)

    wanted = [[outcome(work, a, n) for n in sizes] for a in arrays]
    compiled = flashpoint.njit(work)
    results = [None] * 4

    def run_one(k):
        results[k] = [outcome(compiled, arrays[k], n) for n in sizes]

    threads = [threading.Thread(target=run_one, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == wanted


WATCH = """
import time, weakref

@flashpoint.njit
def watch(a, cell):
    while cell[0] == 0.0:
        cell[1] = a[1, 0]
    return a[1, 0]

@flashpoint.njit
def fill(a, cell):
    n = 0
    while cell[0] == 0.0:
        a[1, 0] = 7
        n += 1
        cell[1] = n
    return n

a, cell = np.arange(12.0).reshape(3, 4).copy(), np.ones(2)
for function in (watch, fill):
    for _ in range(200):
        function(a, cell)
a[1, 0] = 4.0

def until(condition, what):
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            print("never:", what)
            cell[0] = 1.0
            thread.join(10)
            sys.exit()
        time.sleep(0.001)

def start(function):
    global thread
    result = []
    def go():
        try:
            result.append(function(a, cell))
        except Exception as error:
            result.append(error)
    cell[:] = 0.0
    thread = threading.Thread(target=go)
    thread.start()
    until(lambda: cell[1] != 0.0 and weakref.getweakrefcount(a) > 0, "the loop is in compiled code")
    return result
"""


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_an_array_is_given_another_shape_during_a_cached_call(mode, tmp_path):
    script = """
result = start(watch)
a.shape = (4, 3)
until(lambda: cell[1] == 3.0, "the new shape is seen")
a.dtype = np.int64
until(lambda: cell[1] == float(a[1, 0]), "the new type is seen")
cell[0] = 1.0
thread.join()
print(result == [a[1, 0]] and type(result[0]).__name__)
"""
    assert run(WATCH + script, mode, tmp_path) == "int64\n"


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
def test_an_array_is_made_read_only_during_a_cached_call(mode, tmp_path):
    script = """
result = start(fill)
a.flags.writeable = False
thread.join(30)
print(type(result[0]).__name__, result[0])
"""
    assert run(WATCH + script, mode, tmp_path) == "ValueError assignment destination is read-only\n"


@pytest.mark.parametrize("mode", TIERS, ids=lambda mode: mode.name)
@pytest.mark.parametrize("where", ["cached", "general", "in a tuple"])
def test_an_array_is_not_moved_while_a_loop_does_without_the_gil(mode, where, tmp_path):
    """NumPy would free the memory that the loop reads and writes."""
    script = """
a = a.copy()
result = start(fill)
for size in [(1, 1), (3000, 3000)]:
    try:
        a.resize(size, refcheck=False)
        print("moved")
    except ValueError as error:
        print(str(error).split()[:3])
cell[0] = 1.0
thread.join()
print(result[0] > 0, weakref.getweakrefcount(a))
a.resize((3000, 3000), refcheck=False)
cell[0] = 0.0
print(a[2999, 2999], fill(a, np.ones(2)))
"""
    calls = {
        "cached": "",
        "general": "cached = fill\nfill = lambda *args: cached(*args, **{})\n",
        "in a tuple": "of_tuple = fill\nfill = lambda *args: of_tuple((args, 1))\n",
    }[where]
    watch = WATCH if where != "in a tuple" else WATCH.replace("(a, cell):\n", "(t):\n    a, cell = t[0]\n")
    watch = watch if where != "in a tuple" else watch.replace("  function(a, cell)", "  function(((a, cell), 1))")
    expected = "['cannot', 'resize', 'an']\n" * 2 + "True 0\n0.0 0\n"
    assert run(watch + calls + script, mode, tmp_path) == expected
