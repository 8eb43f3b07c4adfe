"""A process that runs programs, so that a crash or a hang of compiled code takes down only itself.

`run` mode: takes seeds start, start + stride, … until it is ended; says on stdout, one JSON object a
line, what it found, and writes the seed and mode it is at into a small shared file ([`Mark`]).
`check` mode: one request a line on stdin (text, modes), one answer a line, for the minimiser.
Does not decide anything: the parent (`__main__`, `minimise`) keeps the clock and the books.
"""

import argparse
import faulthandler
import gc
import hashlib
import json
import mmap
import resource
import struct
import sys
import time
from collections import Counter

from . import compare
from .generate import generate

MARK_SIZE = 64
_LAYOUT = struct.Struct("<qq48s")


class Mark:
    """(seed, tick, mode) in shared memory: readable after the writer has died."""

    def __init__(self, path: str):
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), MARK_SIZE)
        self.tick = 0
        self.seed = -1

    def write(self, mode: str) -> None:
        self.tick += 1
        _LAYOUT.pack_into(self.map, 0, self.seed, self.tick, mode.encode())

    def read(self) -> tuple:
        seed, tick, mode = _LAYOUT.unpack_from(self.map, 0)
        return seed, tick, mode.rstrip(b"\0").decode()


def describe(report: compare.Report) -> dict:
    """A report as JSON data."""
    d = report.difference
    return {
        "status": report.status,
        "reason": report.reason,
        "mode": d.mode if d else "",
        "what": d.what if d else "",
        "detail": str(d) if d else "",
    }


def run(start: int, stride: int, mode_names: str, mark: Mark) -> None:
    counts, constructs, reasons, texts = Counter(), Counter(), Counter(), []
    seed, last = start, time.monotonic()
    while True:
        mark.seed = seed
        mark.write("generate")
        program = generate(seed)
        report = compare.check(program.text, compare.modes(mode_names, seed, program.shape), mark.write)
        counts[report.status] += 1
        if report.status in ("same", "different"):
            counts["raised"] += report.raised
            counts["guard_exit"] += report.guard_exit
            counts["tier_change"] += report.tier_change
            counts["mode_runs"] += report.n_modes
            constructs.update(program.constructs.keys())
            texts.append(hashlib.blake2b(program.text.encode(), digest_size=8).hexdigest())
        if report.status == "unsupported":
            reasons[first_line(report.reason)] += 1
        if report.status == "different":
            say(finding={"seed": seed, "kind": "different", "text": program.text, **describe(report)})
        if report.status == "invalid":
            say(finding={"seed": seed, "kind": "invalid", "text": program.text, **describe(report)})
        seed += stride
        now = time.monotonic()
        if now - last > 0.5:
            say(counts=counts, constructs=constructs, reasons=reasons, texts=texts, next=seed)
            for c in (counts, constructs, reasons, texts):
                c.clear()
            last = now


def check_requests() -> None:
    compare.REFERENCE_LIMIT_S = 0.4
    for line in sys.stdin:
        request = json.loads(line)
        say(**describe(compare.check(request["text"], compare.modes(request["modes"]))))


def first_line(text: str) -> str:
    return text.strip().split("\n")[0][:120]


def say(**message) -> None:
    print(json.dumps(message), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--modes", default="rota")
    parser.add_argument("--mark")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    faulthandler.enable()
    # A runaway allocation of compiled code must not take the machine with it.
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What is there by now stays: the collector need not look at it after every program.
    compare.present_modes()
    gc.collect()
    gc.freeze()
    if options.check:
        check_requests()
    else:
        run(options.start, options.stride, options.modes, Mark(options.mark))


if __name__ == "__main__":
    main()
