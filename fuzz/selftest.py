"""`make fuzz-selftest`: `python -m fuzz.selftest`. Does the fuzzer find defects planted one at a time?

An extension built with planted defects lists them in `flashpoint._core.planted_defects()`; the
variable FLASHPOINT_PLANT=<name> arms one of them. Each is hunted until the first difference, at most
`--seconds`. Passes if at least 90 % are found.
"""

import argparse
import os
import re
import resource
import subprocess
import sys

from . import compare
from .__main__ import ROOT

NEEDED_SHARE = 0.9


def hunt(name: str, seconds: float, jobs: int, seed: int, programs: int = 0) -> tuple:
    """(status, note) of a run with a defect armed; status 1 is found, 0 not found, else broken; the note names the seed."""
    options = {"seconds": seconds, "jobs": jobs, "seed": seed, "programs": programs, "timeout": 10}
    options |= {"modes": "rota", "max-findings": 1, "minimise": 0}
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", "--quiet", "--cpu", *(f"--{key}={value}" for key, value in options.items())],
        cwd=ROOT,
        env=os.environ | {"FLASHPOINT_PLANT": name},
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if " × " in line]
    note = lines[0].split(" × ")[1] if lines else done.stderr.strip().split("\n")[-1]
    return done.returncode, note


def hunt_defect(name: str, seconds: float, jobs: int, seed: int) -> tuple:
    """(status, processor seconds, note). What differs without the defect too does not count as finding it."""
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = 0.0
    while True:
        status, note = hunt(name, seconds - spent, jobs, seed)
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = now.ru_utime + now.ru_stime - began.ru_utime - began.ru_stime
        at = re.search(r"seeds \[(\d+)", note)
        if status != 1 or not at or spent >= seconds:
            return status, spent, note
        if hunt("", seconds, 1, int(at[1]), programs=1)[0] == 0:
            return status, spent, note
        seed = int(at[1]) + 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz.selftest", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=300, help="at most so much processor time for each defect")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="names that contain one of these, separated by commas")
    options = parser.parse_args()
    core = getattr(compare.api(), "_core", None)
    listed = getattr(core, "planted_defects", None)
    defects = [(n, d) for n, d in (listed() if listed else ()) if any(part in n for part in options.only.split(","))]
    if not defects:
        print("this build of flashpoint has no planted defects: build it with the feature for them", file=sys.stderr)
        return 2
    # A fuzzer that sees differences everywhere would find every defect.
    status, note = hunt("", min(20, options.seconds), options.jobs, options.seed)
    if status != 0:
        print(f"without a defect the fuzzer should find nothing, but: {note}", file=sys.stderr)
    n_found = 0
    for name, description in defects:
        status, seconds, note = hunt_defect(name, options.seconds, options.jobs, options.seed)
        n_found += status == 1
        word = {0: "NOT FOUND", 1: "found"}.get(status, "BROKEN")
        print(f"{word:10} {seconds:6.1f} s  {name:32} {description}  [{note}]", flush=True)
    print(
        f"{n_found} of {len(defects)} found ({100 * n_found / len(defects):.0f} %), needed {100 * NEEDED_SHARE:.0f} %"
    )
    return 0 if n_found >= NEEDED_SHARE * len(defects) else 1


if __name__ == "__main__":
    sys.exit(main())
