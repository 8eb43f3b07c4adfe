"""Every bar, one entry each: what is measured, by which limit it is judged, and whom it needs. Start at `BARS`.

An experiment is a list of participants that run once each in every round, in turn, each in a fresh process, with the
round's own size and seed. A bar computes one value from the samples of one round; it passes if the median over the
rounds (at least 7) keeps the limit. If a participant it needs is missing, it is not judged, and never passed.
"""

from math import exp, log

from programs import CASES

MS, NS, MB = 1e-3, 1e-9, 2**20
ROUNDS = 7


class Participant:
    """`peer` measured by sample kind `kind`; `one_cpu` confines the process to a single CPU (otherwise two)."""

    def __init__(self, label, peer, kind="loop", one_cpu=False, **params):
        self.label = label
        self.peer = peer
        self.kind = kind
        self.one_cpu = one_cpu
        self.params = params


class Experiment:
    """Participants to run in turn. `compare` says which of them must give the same answer."""

    def __init__(self, name, participants, size=None, compare=True):
        self.name = name
        self.participants = participants
        self.size = size or (lambda round_idx: None)
        self.compare = compare


class Bar:
    """`value(round)` over the rounds of one experiment, where `round[label]` is a sample; the median is judged."""

    def __init__(self, name, measures, needs, value, limit, unit="x", at_least=False, experiments=()):
        self.name = name
        self.measures = measures
        self.needs = needs
        self.value = value
        self.limit = limit
        self.unit = unit
        self.at_least = at_least
        self.experiments = experiments

    def keeps(self, value):
        return value >= self.limit if self.at_least else value <= self.limit


def loop_experiment(case):
    peers = ("ours", "numba", "gcc", "clang", "cpython", "pypy", "node", "java")
    participants = [Participant(peer, peer, case=case.name) for peer in peers]
    participants.insert(1, Participant("ours on one CPU", "ours", one_cpu=True, case=case.name))
    participants.append(Participant("ours, new dtype", "ours", "dtype", case=case.name))
    participants.append(Participant("ours in tier 0", "ours", "tier0", case=case.name))
    return Experiment(case.name, participants, case.size_in_round)


EXACT_SIZES = (10_000, 100_000, 1_000_000)
EXACT_LIMITS = {
    "add_int64": 1.25,
    "sum_ints": 2.1,
    "dot_ints": 1.4,
    "dot_numpy_ints": 1.4,
    "scale_and_add": 1.02,
    "dot_floats": 1.02,
}


def exact_experiment(kernel, size):
    sides = [
        Participant("ours", "ours", "exact", kernel=kernel, wrap=0),
        Participant("ours, wrapping", "ours", "exact", kernel=kernel, wrap=1),
    ]
    return Experiment(f"exact/{kernel}/{size}", sides, lambda round_idx: size + 16 * round_idx)


def size_of_1e8(round_idx):
    return 100_000_000 + 1000 * round_idx


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        *(loop_experiment(case) for case in CASES.values()),
        Experiment("sum_of_squares_1e8", [Participant("ours", "ours", case="sum_of_squares")], size_of_1e8),
        Experiment("import", [Participant("ours", "ours", "import"), Participant("numba", "numba", "import")]),
        Experiment(
            "calls",
            [Participant(peer, peer, "calls") for peer in ("ours", "numba", "cpython")],
            compare=False,
        ),
        *(exact_experiment(kernel, size) for kernel in EXACT_LIMITS for size in EXACT_SIZES),
        Experiment("tier2", [Participant("ours", "ours", "tier2")]),
        Experiment("drop", [Participant("ours", "ours", "drop", n=100_000)]),
    )
}
LOOPS = tuple(CASES)
IN_GEOMEAN = tuple(name for name in LOOPS if name != "sum_of_squares")


def steady_ratio(peer):
    return lambda r: r["ours"]["steady"] / r[peer]["steady"]


def to_best_c(r):
    return r["ours"]["steady"] / min(r["gcc"]["steady"], r["clang"]["steady"])


BARS = [
    Bar("steady/numba", "our steady time over Numba's default",
        ("ours", "numba"), steady_ratio("numba"), 1.08, experiments=LOOPS),
    Bar("steady/c", "our steady time over the better of gcc and clang, strict floating point",
        ("ours", "gcc", "clang"), to_best_c, 1.1, experiments=("nbody", "levenshtein", "black_scholes")),
    Bar("steady/c", "our steady time over the better of gcc and clang",
        ("ours", "gcc", "clang"), to_best_c, 1.5, experiments=("fib",)),
    Bar("1e8 first", "sum_of_squares(10^8), exact, first call of the process",
        ("ours",), lambda r: r["ours"]["first"] / MS, 500, "ms", experiments=("sum_of_squares_1e8",)),
    Bar("1e8 steady", "sum_of_squares(10^8), exact, steady",
        ("ours",), lambda r: r["ours"]["steady"] / MS, 200, "ms", experiments=("sum_of_squares_1e8",)),
    Bar("first/cpython", "our first call in a fresh process over CPython's",
        ("ours", "cpython"), lambda r: r["ours"]["first"] / r["cpython"]["first"], 1.0, experiments=LOOPS),
    Bar("first/steady", "our first call over (2 x our steady time + 10 ms)",
        ("ours",), lambda r: r["ours"]["first"] / (2 * r["ours"]["steady"] + 10 * MS), 1.0, experiments=LOOPS),
    Bar("first, 1 CPU", "our first call on one CPU over (CPython's + 5 ms)",
        ("ours on one CPU", "cpython"),
        lambda r: r["ours on one CPU"]["first"] / (r["cpython"]["first"] + 5 * MS), 1.0, experiments=LOOPS),
    Bar("tier 0", "the interpreter of tier 0 over CPython's",
        ("ours in tier 0", "cpython"), lambda r: r["ours in tier 0"]["first"] / r["cpython"]["first"], 1.0,
        experiments=LOOPS),
    Bar("new dtype", "first call with a new dtype over (2 x its steady time + 5 ms)",
        ("ours, new dtype",),
        lambda r: r["ours, new dtype"]["first"] / (2 * r["ours, new dtype"]["steady"] + 5 * MS), 1.0,
        experiments=LOOPS),
    Bar("start", "process start to first result, less our steady time",
        ("ours",), lambda r: (r["ours"]["start_to_first"] - r["ours"]["steady"]) / MS, 150, "ms",
        experiments=("mandelbrot", "nbody")),
    Bar("import time", "`import flashpoint` after `import numpy`",
        ("ours",), lambda r: r["ours"]["import"] / MS, 15, "ms", experiments=("import",)),
    Bar("import memory", "resident memory that `import flashpoint` adds to NumPy's",
        ("ours",), lambda r: r["ours"]["memory"] / MB, 15, "MB", experiments=("import",)),
    Bar("call f(3)", "one call of f(3), beyond the empty loop",
        ("ours",), lambda r: r["ours"]["scalar"] / NS, 90, "ns", experiments=("calls",)),
    Bar("call f(array)", "one call of f(array), beyond the empty loop",
        ("ours",), lambda r: r["ours"]["array"] / NS, 120, "ns", experiments=("calls",)),
    Bar("f(3)/numba", "one call of f(3) over Numba's: to be beaten",
        ("ours", "numba"), lambda r: r["ours"]["scalar"] / r["numba"]["scalar"], 1.0, experiments=("calls",)),
    Bar("f(array)/numba", "one call of f(array) over Numba's: to be beaten",
        ("ours", "numba"), lambda r: r["ours"]["array"] / r["numba"]["array"], 1.0, experiments=("calls",)),
    *(
        Bar("exactness", f"{kernel} with Python's answers over wrapping integers and warnings ignored",
            ("ours", "ours, wrapping"), lambda r: r["ours"]["steady"] / r["ours, wrapping"]["steady"], limit,
            experiments=tuple(f"exact/{kernel}/{size}" for size in EXACT_SIZES))
        for kernel, limit in EXACT_LIMITS.items()
    ),
    Bar("tier 2", "request to first tier-2 object in a fresh process",
        ("ours",), lambda r: r["ours"]["to_tier2"] / MS, 60, "ms", experiments=("tier2",)),
    Bar("drop", "memory kept after 10^5 functions were compiled and dropped",
        ("ours",), lambda r: r["ours"]["grown"] / MB, 20, "MB", experiments=("drop",)),
]  # fmt: skip


# Judged over all loops together: the geometric mean of the cases' median ratios, Numba's steady time over ours.
GEOMEAN = Bar("geomean", f"geometric mean of Numba's steady time over ours, {len(IN_GEOMEAN)} loops",
              ("ours", "numba"), None, 1.15, at_least=True, experiments=IN_GEOMEAN)  # fmt: skip


def geometric_mean(values):
    return exp(sum(log(v) for v in values) / len(values))
