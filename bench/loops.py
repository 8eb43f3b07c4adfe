"""Measures the loop programs, ours and every peer found installed, in one run, and judges the bars.

    python bench/loops.py [--only NAME ...] [--quick] [--peers ours,numba,...] [--json FILE] [--list]

Every sample is a fresh process (sample.py). The participants of an experiment take turns, round by round, with a
size and a seed that change from round to round; the order turns too, so that no one always runs after the same
neighbour. A bar passes if the median of its per-round values keeps its limit (bars.py). Answers are compared in
every round: ours with CPython's exactly, the other peers' to 1e-9. Exit status: 0 if no judged bar fails.
"""

import argparse
import json
import os
import statistics
import sys
import time

import bars
import peers as peers_module

QUICK_ROUNDS = 3
TOLERANCE = 1e-9  # of one weighted sum per answer; strict peers differ from CPython only in NumPy's own types


def main():
    options = parse_options()
    if options.list:
        for name in bars.EXPERIMENTS:
            print(name)
        return 0
    chosen = [e for e in bars.EXPERIMENTS.values() if not options.only or matches(e.name, options.only)]
    if not chosen:
        sys.exit(f"no experiment is called {options.only}; see --list")
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else bars.ROUNDS)
    peers = peers_module.find_peers(options.peers.split(",") if options.peers else None)
    print_peers(peers)
    begin = time.monotonic()
    results, wrong = {}, []
    try:
        for i, experiment in enumerate(chosen):
            results[experiment.name] = run_experiment(experiment, peers, rounds, options, f"{i + 1}/{len(chosen)}")
            wrong += compare_answers(experiment, results[experiment.name])
    except KeyboardInterrupt:
        print("\ninterrupted: judging what was measured so far")
    finally:
        peers_module.forget_args()
    verdicts = judge_all(results)
    print_times(results)
    print_bars(verdicts)
    failed = print_summary(verdicts, wrong, rounds, time.monotonic() - begin)
    if options.json:
        save(options.json, peers, results, verdicts, wrong, rounds)
    return 1 if failed else 0


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", action="extend", metavar="NAME", help="experiments, or starts of names such as exact/"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds instead of {bars.ROUNDS}, fewer dropped functions"
    )
    parser.add_argument("--rounds", type=int, help="another number of rounds")
    parser.add_argument("--peers", help="comma-separated: ours,cpython,numba,gcc,clang,pypy,node,java")
    parser.add_argument("--json", metavar="FILE", help="write every sample and verdict to FILE")
    parser.add_argument("--list", action="store_true", help="list the experiments")
    return parser.parse_args()


def matches(name, wanted):
    return any(name == w or (w.endswith("/") and name.startswith(w)) for w in wanted)


def run_experiment(experiment, peers, rounds, options, position):
    """Returns one dict per round: participant label to sample."""
    present = [p for p in experiment.participants if not peers[p.peer].missing]
    done = []
    for round_idx in range(rounds if present else 0):
        show(f"[{position}] {experiment.name}: round {round_idx + 1} of {rounds}")
        samples = {}
        turn = round_idx % len(present)
        for participant in present[turn:] + present[:turn]:
            params = sample_params(experiment, participant, round_idx, options)
            # Peers that do not have a program say so in the first round, and are not asked again.
            if done and "unavailable" in done[0].get(participant.label, {}):
                continue
            cpus = allowed_cpus(1 if participant.one_cpu else 2)
            samples[participant.label] = peers[participant.peer].sample(participant.kind, params, cpus)
        done.append(samples)
    show("")
    return done


def sample_params(experiment, participant, round_idx, options):
    params = {**participant.params, "seed": 1000 + 17 * round_idx}
    size = experiment.size(round_idx)
    if size is not None:
        params["size"] = size
    if participant.kind == "dtype":  # CPython's answer costs seconds, so it is computed in one round only
        params["check"] = int(round_idx == 0)
    if options.quick and "n" in params:
        params["n"] //= 10
    return {key: str(value) for key, value in params.items()}


def allowed_cpus(n):
    return sorted(os.sched_getaffinity(0))[:n]


def compare_answers(experiment, rounds):
    """One sentence for each answer that differs from CPython's (or, without CPython, from the first one given)."""
    wrong = []
    for round_idx, samples in enumerate(rounds):
        answers = {k: s for k, s in samples.items() if "exact" in s or "approx" in s}
        comparable = {k: s for k, s in answers.items() if k != "ours, new dtype"}
        reference_label = "cpython" if "cpython" in comparable else next(iter(comparable), None)
        for label, sample in samples.items():
            if "error" in sample:
                wrong.append(f"{experiment.name}, round {round_idx + 1}: {label} failed: {sample['error']}")
        if experiment.name == "sum_of_squares_1e8" and "ours" in comparable:
            n = experiment.size(round_idx) + (1000 + 17 * round_idx) % 10
            expected = f"int {(n - 1) * n * (2 * n - 1) // 6}"
            if expected not in comparable["ours"]["shown"]:
                wrong.append(f"{experiment.name}: ours answers {comparable['ours']['shown']}, not {expected}")
        if samples.get("ours, new dtype", {}).get("same_as_cpython") is False:
            wrong.append(f"{experiment.name}, round {round_idx + 1}: ours and cpython differ on the new dtype")
        if not experiment.compare or not comparable:
            continue
        for label, sample in comparable.items():
            reference = comparable[reference_label]
            both_exact = label.startswith("ours") and reference_label.startswith(("ours", "cpython"))
            if both_exact and sample["exact"] != reference["exact"]:
                wrong.append(f"{experiment.name}, round {round_idx + 1}: {label} and {reference_label} differ exactly")
            elif abs(sample["approx"] - reference["approx"]) > TOLERANCE * abs(reference["approx"]):
                pair = f"{sample['approx']!r} and {reference['approx']!r}"
                wrong.append(f"{experiment.name}, round {round_idx + 1}: {label} and {reference_label} differ: {pair}")
    return wrong


def judge_all(results):
    """Returns (bar, experiment name, value or None, verdict) for each bar and experiment that was run."""
    verdicts = []
    ratios = {}
    for bar in bars.BARS:
        for name in bar.experiments:
            if name in results:
                value, why = median_value(bar, results[name])
                verdicts.append((bar, name, value, why or verdict_of(bar, value, len(results[name]))))
                if bar.name == "steady/numba" and value is not None:
                    ratios[name] = 1.0 / value
    if any(name in results for name in bars.IN_GEOMEAN):
        absent = [name for name in bars.IN_GEOMEAN if name not in ratios]
        value = None if absent else bars.geometric_mean([ratios[name] for name in bars.IN_GEOMEAN])
        why = f"not judged: lacks {', '.join(absent)}" if absent else None
        n_rounds = min(len(results.get(name, ())) for name in bars.IN_GEOMEAN)
        verdicts.append((bars.GEOMEAN, "all loops", value, why or verdict_of(bars.GEOMEAN, value, n_rounds)))
    return verdicts


def verdict_of(bar, value, n_rounds):
    few = "" if n_rounds >= bars.ROUNDS else f" (so far: {n_rounds} of {bars.ROUNDS} rounds)"
    return ("pass" if bar.keeps(value) else "FAIL") + few


def median_value(bar, rounds):
    """The median over the rounds in which all needed participants gave a sample; otherwise None and the reason."""
    values, why = [], {}
    for samples in rounds:
        lacking = [n for n in bar.needs if n not in samples or {"error", "unavailable"} & set(samples[n])]
        if not lacking:
            values.append(bar.value(samples))
        for label in lacking:
            sample = samples.get(label, {})
            why[label] = sample.get("error") or sample.get("unavailable") or "not installed"
    if why:
        ours = [label for label in why if label.startswith("ours")]
        failed = any("error" in samples.get(label, {}) for samples in rounds for label in ours)
        reasons = "; ".join(f"{label}: {text}" for label, text in why.items())
        return None, f"FAIL: {reasons}" if failed else f"not judged: {reasons}"
    if not values:
        return None, "not judged: none of its participants is installed"
    return statistics.median(values), None


COLUMNS = (
    *("ours first", "ours", "numba", "gcc", "clang", "pypy", "node", "java", "cpython"),
    *("numba first", "ours MB", "numba MB"),
)


def print_times(results):
    rows = []
    for name in [*bars.LOOPS, "sum_of_squares_1e8"]:
        rounds = results.get(name)
        if not rounds:
            continue
        row = [name]
        for column in COLUMNS:
            label, _, what = column.partition(" ")
            key = {"": "steady", "first": "first", "MB": "rss_first"}[what]
            found = [s[label][key] for s in rounds if key in s.get(label, {})]
            if not found:
                row.append("-")
            elif what == "MB":
                row.append(f"{statistics.median(found) / bars.MB:.0f}")
            else:
                row.append(seconds(statistics.median(found)))
        rows.append(row)
    if rows:
        print("\nSteady time per call, first call and memory after it (medians over the rounds)")
        print_table([["case", *COLUMNS], *rows])
    calls = results.get("calls") or []
    for label in ("ours", "numba", "cpython"):
        found = [s[label] for s in calls if "scalar" in s.get(label, {})]
        if found:
            scalar, array = (statistics.median(f[k] for f in found) / bars.NS for k in ("scalar", "array"))
            print(f"one call beyond the empty loop, {label}: f(3) {scalar:.0f} ns, f(array) {array:.0f} ns")


def print_bars(verdicts):
    if not verdicts:
        return
    rows = [["bar", "case", "value", "limit", "verdict"]]
    for bar, name, value, verdict in verdicts:
        sign = ">=" if bar.at_least else "<="
        shown = "-" if value is None else f"{value:.3g} {bar.unit}"
        rows.append([bar.name, name, shown, f"{sign} {bar.limit:g} {bar.unit}", verdict[:100]])
    print("\nBars (median of the per-round values)")
    print_table(rows)


def print_summary(verdicts, wrong, rounds, elapsed):
    passed = sum(v.startswith("pass") for *_, v in verdicts)
    failed = sum(v.startswith("FAIL") for *_, v in verdicts)
    unjudged = len(verdicts) - passed - failed
    if wrong:
        print("\nAnswers that differ, and samples that failed")
        for line in wrong[:40]:
            print(f"  {line}")
    few = "" if rounds >= bars.ROUNDS else f"; {rounds} rounds only, a verdict needs {bars.ROUNDS}"
    answers = f"{len(wrong)} answers or samples are wrong" if wrong else "all answers agree"
    print(f"\n{passed} bars passed, {failed} failed, {unjudged} not judged; {answers}; {elapsed:.0f} s{few}")
    return failed or any("ours" in line for line in wrong)


def print_peers(peers):
    cpus = allowed_cpus(2)
    print(f"CPUs {cpus}, load {os.getloadavg()[0]:.1f}")
    for name, peer in peers.items():
        print(f"  {name:8} {peer.version or 'found' if not peer.missing else 'not installed: ' + peer.missing}")


def print_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for i, row in enumerate(rows):
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if i == 0:
            print("  " + "  ".join("-" * width for width in widths))


def seconds(value):
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.0f} ns"


def show(text):
    """Progress on a terminal; silent when the output is a file or a pipe."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def save(file, peers, results, verdicts, wrong, rounds):
    document = {
        "rounds": rounds,
        "peers": {name: peer.missing or peer.version for name, peer in peers.items()},
        "samples": results,
        "bars": [
            {"bar": bar.name, "measures": bar.measures, "case": name, "value": value, "limit": bar.limit,
             "unit": bar.unit, "at_least": bar.at_least, "verdict": verdict}
            for bar, name, value, verdict in verdicts
        ],
        "wrong": wrong,
    }  # fmt: skip
    with open(file, "w") as out:
        json.dump(document, out, indent=1)


if __name__ == "__main__":
    sys.exit(main())
