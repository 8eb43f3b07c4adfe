"""One sample: a fresh process that measures one thing for one peer and prints one line of JSON.

    python sample.py KIND PEER SPAWNED key=value...

`SPAWNED` is the parent's CLOCK_MONOTONIC just before it started this process, so that "process start to first
result" includes the interpreter's own start. Kinds are the functions named `measure_*` below; times are seconds,
memory is bytes. Everything not needed before the first result is imported after it.
"""

import sys
import time

clock = time.perf_counter
SETTLE_SECONDS = 0.3  # long enough for the background compiler to finish and for its result to be taken up


def main():
    kind, peer, spawned = sys.argv[1:4]
    params = dict(word.split("=", 1) for word in sys.argv[4:])
    result = globals()[f"measure_{kind}"](peer, float(spawned), params)
    import json

    print(json.dumps(result))


def measure_loop(peer, spawned, params):
    """First call, steady state and memory of one program."""
    numpy_rss = load_numpy(peer)
    compiler, import_seconds, import_rss = load_compiler(peer, params)
    import programs

    case = programs.CASES[params["case"]]
    args = case.make_args(int(params["size"]), int(params["seed"]))
    fn = compiler(case.fn)
    used = programs.fresh(args)
    begin = clock()
    result = fn(*used)
    first = clock() - begin
    start_to_first = time.clock_gettime(time.CLOCK_MONOTONIC) - spawned
    answer = describe(result, used)
    first_rss = resident()
    report = {"import": import_seconds, "first": first, "start_to_first": start_to_first, **answer}
    report.update(measure_steady(fn, args, first, peer))
    report.update(rss_numpy=numpy_rss, rss_import=import_rss, rss_first=first_rss, rss_end=resident())
    return {**report, "rss_peak": peak(), **told(fn)}


def measure_dtype(peer, _spawned, params):
    """A second dtype on a function that already runs compiled code for the first."""
    load_numpy(peer)
    compiler, _, _ = load_compiler(peer, params)
    import programs

    case = programs.CASES[params["case"]]
    args = case.make_args(int(params["size"]), int(params["seed"]))
    fn = compiler(case.fn)
    fn(*programs.fresh(args))
    settle(fn, args)
    args = case.other_dtype(args)
    used = programs.fresh(args)
    begin = clock()
    result = fn(*used)
    first = clock() - begin
    report = {"first": first, **describe(result, used), **measure_steady(fn, args, first, peer), **told(fn)}
    if params.get("check") == "1":
        vars(programs)[case.name] = case.fn
        used = programs.fresh(args)
        report["same_as_cpython"] = exact([case.fn(*used), *used]) == report["exact"]
    return report


def measure_tier0(peer, _spawned, params):
    """One call of one program that stays in the interpreter of tier 0."""
    load_numpy(peer)
    compiler, _, _ = load_compiler(peer, params, tier=0)
    import programs

    case = programs.CASES[params["case"]]
    fn = compiler(case.fn)
    fn(*case.make_args(case.small, 1))  # Prepared, so that the interpreter alone is timed.
    args = programs.fresh(case.make_args(int(params["size"]), int(params["seed"])))
    begin = clock()
    result = fn(*args)
    return {"first": clock() - begin, **describe(result, args), **told(fn)}


def measure_import(peer, _spawned, params):
    """Import time and memory beyond NumPy's."""
    before = load_numpy(peer)
    _, seconds, after = load_compiler(peer, params)
    return {"import": seconds, "memory": after - before, "rss_numpy": before}


def measure_calls(peer, _spawned, params):
    """Time per call of f(3) and of f(array), beyond the empty loop."""
    load_numpy(peer)
    compiler, _, _ = load_compiler(peer, params)
    import numpy as np

    import kernels

    report = {}
    for name, fn, arg in (("scalar", kernels.add_one, 3), ("array", kernels.extent, np.arange(8.0))):
        compiled = compiler(fn)
        until = clock() + SETTLE_SECONDS
        while clock() < until:
            compiled(arg)
        report[name] = min(per_call(compiled, arg) - per_call(None, arg) for _ in range(7))
    return report


def per_call(fn, arg, n=100_000):
    from itertools import repeat

    begin = clock()
    if fn is None:
        for _ in repeat(None, n):
            pass
    else:
        for _ in repeat(None, n):
            fn(arg)
    return (clock() - begin) / n


def measure_exact(peer, _spawned, params):
    """Steady time of one kernel, with Python's answers or (wrap=1) with wrapping integers and warnings ignored."""
    load_numpy(peer)
    wrap = params["wrap"] == "1"
    if wrap:
        import warnings

        import numpy as np

        np.seterr(all="ignore")
        warnings.simplefilter("ignore")
    compiler, _, _ = load_compiler(peer, params, **({"overflow": "wrap"} if wrap else {}))
    import kernels

    fn, make_args = kernels.EXACT[params["kernel"]]
    args = make_args(int(params["size"]), int(params["seed"]))
    fn = compiler(fn)
    begin = clock()
    result = fn(*args)
    first = clock() - begin
    answer = describe(result, args)
    settle(fn, args)
    # Batches of about a millisecond: one call at 10^4 elements takes microseconds, like the clock and the dispatch.
    begin = clock()
    fn(*args)
    n = max(1, int(1e-3 / (clock() - begin)))
    times = []
    for _ in range(200):
        begin = clock()
        for _ in range(n):
            fn(*args)
        times.append((clock() - begin) / n)
    times.sort()
    return {"first": first, "steady": times[0], "steady_median": times[len(times) // 2], **answer, **told(fn)}


def measure_tier2(peer, _spawned, params):
    """From the call that asks for tier 2 to the first result of its code: an upper bound of the time to the object."""
    load_numpy(peer)
    compiler, _, _ = load_compiler(peer, params, tier=2)
    import flashpoint
    import programs

    if not flashpoint.tier2_available():
        return {"unavailable": "the tier-2 library is absent"}

    args = programs.CASES["dot_self"].make_args(1000, int(params["seed"]))
    fn = compiler(programs.dot_self)
    begin = clock()
    while True:
        fn(*args)
        seconds = clock() - begin
        if told(fn).get("tier") == 2:
            return {"to_tier2": seconds}
        if seconds > 5.0:
            sys.exit(f"tier 2 did not arrive within 5 s, but tier {told(fn).get('tier')}")


def measure_drop(peer, _spawned, params):
    """Memory after many functions, each with its own source, were compiled, called once and dropped."""
    load_numpy(peer)
    compiler, _, _ = load_compiler(peer, params, **({"tier": 1} if peer == "ours" else {}))
    import gc
    import linecache

    import numpy as np

    data = np.arange(16.0)

    def compile_and_drop(i):
        source = f"def f(a):\n    s = {i}.5\n    for i in range(len(a)):\n        s += a[i] * {i}\n    return s\n"
        file = f"<dropped {i}>"
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        scope = {}
        exec(compile(source, file, "exec"), scope)
        result = compiler(scope["f"])(data)
        assert result == i + 0.5 + 120.0 * i, (i, result)
        del linecache.cache[file]

    n = int(params["n"])
    for i in range(max(200, n // 50)):  # the first ones fill arenas and caches that stay for good reason
        compile_and_drop(i)
    gc.collect()
    before = resident()
    begin = clock()
    for i in range(n):
        compile_and_drop(i)
    seconds = clock() - begin
    gc.collect()
    time.sleep(SETTLE_SECONDS)
    return {"grown": resident() - before, "rss_before": before, "rss_peak": peak(), "per_function": seconds / n}


def load_numpy(peer):
    if peer == "pypy":
        try:
            import numpy  # noqa: F401
        except ImportError:  # the programs on plain integers run without it
            import types

            sys.modules["numpy"] = types.ModuleType("numpy")
    else:
        import numpy  # noqa: F401
    return resident()


def load_compiler(peer, params, **options):
    """Returns what turns a Python function into the peer's compiled one, the seconds its import took, and memory."""
    begin = clock()
    if peer == "ours":
        import flashpoint

        def compiler(fn):
            return rebind(fn, flashpoint.njit(fn, **options))
    elif peer == "numba":
        import numba

        def compiler(fn):
            return rebind(fn, numba.njit(fn))
    elif peer in ("gcc", "clang"):
        import c_glue

        library = c_glue.Programs(params["library"])

        def compiler(fn):
            return getattr(library, fn.__name__)
    else:

        def compiler(fn):
            return fn

    return compiler, clock() - begin, resident()


def rebind(fn, compiled):
    """As a decorator does: a recursive function finds its compiled self under its global name."""
    if fn.__globals__.get(fn.__name__) is fn:
        fn.__globals__[fn.__name__] = compiled
    return compiled


def settle(fn, args):
    import programs

    until = clock() + SETTLE_SECONDS
    n = 0
    while n < 3 or clock() < until:
        fn(*programs.fresh(args))
        n += 1


def measure_steady(fn, args, first, peer):
    import programs

    if peer == "cpython" and first > 0.2:
        return {"steady": first, "steady_median": first}
    settle(fn, args)
    # A call of nanoseconds is timed in batches; none of those programs writes into its arguments.
    batch = 200 if takes_only_numbers(args) and quick(fn, args) else 1
    times, spent = [], 0.0
    while len(times) < 5 or (spent < 0.3 and len(times) < 500):
        used = programs.fresh(args)
        begin = clock()
        for _ in range(batch):
            fn(*used)
        seconds = clock() - begin
        times.append(seconds / batch)
        spent += seconds
    times.sort()
    return {"steady": times[0], "steady_median": times[len(times) // 2]}


def takes_only_numbers(args):
    return not any(hasattr(a, "copy") for a in args)


def quick(fn, args):
    begin = clock()
    fn(*args)
    return clock() - begin < 50e-6


def told(fn):
    """What `explain()` says, as far as it is plain data."""
    try:
        return {"tier": int(fn.explain().tier)}
    except AttributeError:
        return {}


def describe(result, args):
    """`exact` tells any two answers apart, also by type and by what was written into the arguments; `approx` is one
    number for peers whose types differ by design."""
    output = result
    if result is None:
        output = [a for a in args if hasattr(a, "dtype") and getattr(a, "ndim", 0)][-1]
    shown = f"{type(result).__name__} {result!r}"[:200] if isinstance(result, (int, float)) else ""
    return {"exact": exact([result, *args]), "approx": weigh(output), "shown": shown}


def exact(value):
    import hashlib

    if isinstance(value, (list, tuple)):
        text = type(value).__name__ + ",".join(exact(v) for v in value)
    elif hasattr(value, "tobytes") and value.ndim:
        text = f"{value.dtype}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
    elif isinstance(value, float):
        text = f"{type(value).__name__} {float(value).hex()}"
    else:
        text = f"{type(value).__name__} {value!r}"
    return text if len(text) < 80 else hashlib.sha256(text.encode()).hexdigest()[:32]


def weigh(value):
    """One number that depends on every element and on their order (JavaScript and Java compute the same)."""
    if isinstance(value, tuple):
        return float(sum(abs(v) * (1 + i % 7) for i, v in enumerate(value)))
    if hasattr(value, "ndim") and value.ndim:
        import numpy as np

        flat = np.abs(value.ravel().astype(np.float64))
        return float((flat * (1 + np.arange(flat.size) % 7)).sum())
    return float(value)


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def peak():
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
