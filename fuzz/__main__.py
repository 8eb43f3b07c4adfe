"""`make fuzz`: `python -m fuzz --seconds 3600 --jobs 2`. Exit status 1 on any difference.

The parent hands out seeds, keeps the clock over every program, and writes the books; workers run
the programs (`worker`). A worker that dies or stands still is itself a finding, with the seed and
the mode it was at. Findings are minimised at the end and left in `fuzz/found/`.
"""

import argparse
import json
import os
import pathlib
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter

from . import minimise
from .generate import generate
from .worker import MARK_SIZE, Mark

ROOT = pathlib.Path(__file__).parent.parent

# No threads that wait for matrices to multiply, and no memory given back that the next compilation takes again: a tenth of
# a worker's time.
WORKER_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "GLIBC_TUNABLES": "glibc.malloc.trim_threshold=1000000000:glibc.malloc.top_pad=67108864:glibc.malloc.mxfast=0",
}
PER_HOUR = 100_000
# What a run must hold for "no difference" to say something: (counter, in words, least share of the programs).
QUOTAS = (
    ("guard_exit", "leave by a guard", 0.3),
    ("tier_change", "change tier inside a loop", 0.2),
    ("raised", "raise", 0.1),
)


def verdict(value: float, least: float, wanted) -> str:
    return f" ({'quota' if value >= least else 'MISSES its quota'}: {wanted})"


class Worker:
    """One worker process and the mark it leaves."""

    def __init__(self, start: int, options, folder: str, number: int):
        self.options, self.number, self.folder = options, number, folder
        self.mark_path = os.path.join(folder, f"mark{number}")
        self.log_path = os.path.join(folder, f"stderr{number}")
        self.cpu_before = 0.0
        self.begin(start)

    def begin(self, start: int) -> None:
        pathlib.Path(self.mark_path).write_bytes(b"\0" * MARK_SIZE)
        self.mark = Mark(self.mark_path)
        self.seen_tick, self.seen_at = -1, (0.0, time.monotonic())
        self.pending = b""
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "fuzz.worker",
                    "--start",
                    str(start),
                    "--stride",
                    str(self.options.jobs),
                    "--modes",
                    self.options.modes,
                    "--mark",
                    self.mark_path,
                ],
                cwd=ROOT,
                env=WORKER_ENVIRONMENT | os.environ,
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        os.set_blocking(self.process.stdout.fileno(), False)

    def messages(self) -> list:
        data = self.process.stdout.read() or b""
        *lines, self.pending = (self.pending + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def trouble(self, limit_s: float) -> str:
        """ "crash", "hang" or ""."""
        if self.process.poll() is not None:
            return "crash"
        _, tick, _ = self.mark.read()
        cpu, now = cpu_seconds(self.process.pid), time.monotonic()
        if tick != self.seen_tick:
            self.seen_tick, self.seen_at = tick, (cpu, now)
        # A worker that others keep from running does not hang; one that waits for ever uses no processor.
        busy, waited = cpu - self.seen_at[0], now - self.seen_at[1]
        return "hang" if busy > limit_s or waited > 20 * limit_s else ""

    def cpu_spent(self) -> float:
        """By this worker and those before it."""
        return self.cpu_before + cpu_seconds(self.process.pid)

    def end(self) -> None:
        self.cpu_before = self.cpu_spent()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def last_words(self) -> str:
        return pathlib.Path(self.log_path).read_text(errors="replace")[-1500:]


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used; 0 where the system does not tell."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Books:
    """What all workers reported together."""

    def __init__(self):
        self.counts, self.constructs, self.reasons = Counter(), Counter(), Counter()
        self.texts: set = set()
        self.findings: list = []
        self.began = time.monotonic()

    def take(self, message: dict) -> None:
        if "finding" in message:
            self.find(message["finding"])
            return
        self.counts.update(message["counts"])
        self.constructs.update(message["constructs"])
        self.reasons.update(message["reasons"])
        self.texts.update(message["texts"])

    def find(self, finding: dict) -> None:
        # At once: whoever watches a long run wants to see it before the end.
        print(f"\nseed {finding['seed']}: {finding['detail']}", file=sys.stderr, flush=True)
        self.findings.append(finding)

    def n_run(self) -> int:
        return self.counts["same"] + self.counts["different"]

    def line(self) -> str:
        seconds = time.monotonic() - self.began
        return (
            f"{seconds:6.0f} s  {len(self.texts):8d} distinct  {self.n_run() / max(seconds, 1e-9):6.1f}/s  "
            f"guard exits {self.share('guard_exit')}  tier changes {self.share('tier_change')}  "
            f"raising {self.share('raised')}  unsupported {self.counts['unsupported']}  findings {len(self.findings)}"
        )

    def share(self, name: str) -> str:
        return f"{100 * self.counts[name] / max(self.n_run(), 1):.1f} %"

    def summary(self) -> str:
        per_hour = len(self.texts) / max(time.monotonic() - self.began, 1e-9) * 3600
        rows = [
            (
                "distinct programs",
                f"{len(self.texts)}, {per_hour:.0f} in an hour{verdict(per_hour, PER_HOUR, PER_HOUR)}",
            ),
            *(
                (name, self.share(key) + verdict(self.counts[key] / max(self.n_run(), 1), least, f"{least:.0%}"))
                for key, name, least in QUOTAS
            ),
            ("mode runs", self.counts["mode_runs"]),
            ("unsupported", self.counts["unsupported"]),
            ("too slow in CPython", self.counts["slow"]),
            ("findings", len(self.findings)),
        ]
        lines = [f"  {name:28} {value}" for name, value in rows]
        lines.append("programs per construct:")
        names = sorted(self.constructs.items(), key=lambda item: -item[1])
        cells = [f"{name} {n}" for name, n in names]
        width = max(map(len, cells), default=1) + 2
        columns = max(1, 110 // width)
        lines += [
            "  " + "".join(c.ljust(width) for c in cells[i : i + columns]).rstrip()
            for i in range(0, len(cells), columns)
        ]
        if self.reasons:
            lines.append("unsupported, by reason:")
            lines += [f"  {n:6d}  {reason}" for reason, n in self.reasons.most_common(25)]
        return "\n".join(lines)


def hunt(options, books: Books) -> None:
    """Runs workers until the time is over or enough was found."""
    began = time.monotonic()
    show_at = time.monotonic() + 2
    tty = sys.stderr.isatty()
    with tempfile.TemporaryDirectory(prefix="flashpoint-fuzz-") as folder:
        workers = [Worker(options.seed + i, options, folder, i) for i in range(options.jobs)]
        selector = selectors.DefaultSelector()
        for w in workers:
            selector.register(w.process.stdout, selectors.EVENT_READ, w)
        try:
            while len(books.findings) < options.max_findings:
                spent = sum(w.cpu_spent() for w in workers) if options.cpu else time.monotonic() - began
                if spent >= options.seconds:
                    break
                if options.programs and len(books.texts) + books.counts["unsupported"] >= options.programs:
                    break
                for key, _ in selector.select(timeout=0.25):
                    for message in key.data.messages():
                        books.take(message)
                for w in workers:
                    kind = w.trouble(options.timeout)
                    if kind:
                        restart(w, kind, selector, books)
                if time.monotonic() >= show_at and not options.quiet:
                    print(books.line(), end="\r" if tty else "\n", file=sys.stderr, flush=True)
                    show_at = time.monotonic() + (1 if tty else 30)
        except KeyboardInterrupt:
            print("\nstopped by the user", file=sys.stderr)
        finally:
            for w in workers:
                selector.unregister(w.process.stdout)
                w.end()


def restart(w: Worker, kind: str, selector, books: Books) -> None:
    """Books a crash or hang, and sets the worker to the seed after it."""
    for message in w.messages():
        books.take(message)
    seed, _, mode = w.mark.read()
    status = w.process.poll()
    selector.unregister(w.process.stdout)
    w.end()
    if status is not None and mode in ("", "generate", "cpython"):
        # Not the compiled code's doing: going on would only repeat it.
        raise SystemExit(f"a worker failed outside compiled code (seed {seed}, status {status}):\n{w.last_words()}")
    detail = f"{kind} (status {status}) in mode {mode}\n{w.last_words()}"
    books.find({"seed": seed, "kind": kind, "mode": mode, "what": kind, "detail": detail, "text": generate(seed).text})
    w.begin(seed + w.options.jobs)
    selector.register(w.process.stdout, selectors.EVENT_READ, w)


def report_findings(options, books: Books) -> None:
    """Shows every finding, and minimises one of each sort."""
    sorts: dict = {}
    for finding in books.findings:
        sorts.setdefault((finding["kind"], finding["mode"], finding["what"]), []).append(finding)
    for (kind, mode, what), found in sorts.items():
        print(
            f"\n{len(found)} × {kind} in {mode} ({what}), seeds {[f['seed'] for f in found[:8]]}\n{found[0]['detail']}"
        )
        if options.minimise > 0:
            smallest = min(found, key=lambda f: len(f["text"]))
            path = minimise.shrink_finding(smallest, options.minimise)
            print(f"reproducer: {path}\n{path.read_text()}")


def parse(argv: list | None = None):
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--cpu", action="store_true", help="count the workers' processor time as the seconds")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=None, help="first seed; by default taken from the clock")
    parser.add_argument("--programs", type=int, default=0, help="stop after so many")
    parser.add_argument("--modes", default="rota", help='"all", "rota" (two per program), or names separated by spaces')
    parser.add_argument("--timeout", type=float, default=30, help="seconds for one mode of one program")
    parser.add_argument("--max-findings", type=int, default=20)
    parser.add_argument("--minimise", type=float, default=60, help="seconds per sort of finding; 0: leave as they are")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--json", help="write the statistics to this file")
    options = parser.parse_args(argv)
    if options.seed is None:
        options.seed = int(time.time()) * 1000
    return options


def main() -> int:
    options = parse()
    print(f"seeds from {options.seed}, {options.jobs} jobs, {options.seconds:.0f} s", file=sys.stderr)
    books = Books()
    hunt(options, books)
    print(file=sys.stderr)
    print(books.line())
    print(books.summary())
    report_findings(options, books)
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps(
                {
                    "counts": books.counts,
                    "distinct": len(books.texts),
                    "constructs": books.constructs,
                    "reasons": books.reasons,
                    "findings": books.findings,
                },
                indent=1,
            )
        )
    return 1 if books.findings else 0


if __name__ == "__main__":
    sys.exit(main())
