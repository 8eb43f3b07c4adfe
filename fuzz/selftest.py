"""`make fuzz-selftest`: `python -m fuzz.selftest`. Does the fuzzer find defects planted one at a time?

An extension built with planted defects lists them in `flashpoint._core.planted_defects()`; the
variable FLASHPOINT_PLANT=<name> arms one of them. Each is hunted until the first difference, at most
`--seconds`. Passes if at least 90 % are found.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from . import compare
from .__main__ import ROOT

NEEDED_SHARE = 0.9
# Defects of one tier show in no other: their names' beginnings, and the modes to look in first.
ONE_TIER = {"Llvm": "tier2", "Cranelift": "tier1", "TierZero": "tier0"}


class Hunt(NamedTuple):
    """What came of one run of the fuzzer."""

    status: int  # 1: found; 0: not; anything else: broken
    seconds: float  # processor time of it and its worker
    note: str

    def seed(self) -> int | None:
        at = re.search(r"seeds \[(\d+)", self.note)
        return int(at[1]) if at else None


def hunt(plant: str, seconds: float, seed: int, modes: str = "rota", programs: int = 0) -> Hunt:
    """Runs the fuzzer with a defect armed until the first difference."""
    options = {"seconds": seconds, "jobs": 1, "seed": seed, "programs": programs, "timeout": 10}
    options |= {"modes": modes, "max-findings": 1, "minimise": 0}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "fuzz", "--quiet", "--cpu", *(f"--{key}={value}" for key, value in options.items())],
            cwd=ROOT,
            env=os.environ | {"FLASHPOINT_PLANT": plant},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        _, status, usage = os.wait4(process.pid, 0)  # with its worker, which it waits for
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        lines = [line for line in out.read().splitlines() if " × " in line]
        note = lines[0].split(" × ")[1] if lines else err.read().strip().split("\n")[-1]
    return Hunt(process.returncode, usage.ru_utime + usage.ru_stime, note)


def hunt_defect(name: str, seconds: float, seed: int) -> Hunt:
    """Hunts a defect in the modes where it must show, then in all. What differs without it too does not count."""
    spent = 0.0
    only = [modes for prefix, modes in ONE_TIER.items() if name.startswith(prefix)]
    for modes in (*only, "rota"):
        end = seconds / 2 if modes != "rota" else seconds
        at = seed
        while True:
            found = hunt(name, end - spent, at, modes)
            spent += found.seconds
            if found.status != 1 or found.seed() is None:
                break
            alone = hunt("", seconds, found.seed(), modes, programs=1)
            spent += alone.seconds
            if alone.status == 0:
                return found._replace(seconds=spent)
            at = found.seed() + 1
            if spent >= end:
                found = found._replace(status=0)
                break
    return found._replace(seconds=spent)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz.selftest", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=300, help="at most so much processor time for each defect")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="defects hunted at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="names that contain one of these, separated by commas")
    options = parser.parse_args()
    core = getattr(compare.api(), "_core", None)
    listed = getattr(core, "planted_defects", None)
    defects = [(n, d) for n, d in (listed() if listed else ()) if any(part in n for part in options.only.split(","))]
    if not defects:
        print("this build of flashpoint has no planted defects: build it with the feature for them", file=sys.stderr)
        return 2
    began = time.monotonic()
    # A fuzzer that sees differences everywhere would find every defect.
    clean = hunt("", min(20, options.seconds), options.seed)
    if clean.status != 0:
        print(f"without a defect the fuzzer should find nothing, but: {clean.note}", file=sys.stderr)
    n_found = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        hunts = {pool.submit(hunt_defect, name, options.seconds, options.seed): (name, d) for name, d in defects}
        for done in concurrent.futures.as_completed(hunts):
            (name, description), result = hunts[done], done.result()
            n_found += result.status == 1
            word = {0: "NOT FOUND", 1: "found"}.get(result.status, "BROKEN")
            print(f"{word:10} {result.seconds:6.1f} s  {name:32} {description}  [{result.note}]", flush=True)
    print(
        f"{n_found} of {len(defects)} found ({100 * n_found / len(defects):.0f} %), needed {100 * NEEDED_SHARE:.0f} %,"
        f" in {(time.monotonic() - began) / 60:.1f} minutes"
    )
    return 0 if n_found >= NEEDED_SHARE * len(defects) else 1


if __name__ == "__main__":
    sys.exit(main())
