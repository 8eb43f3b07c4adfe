"""Runs benchmark programs on real sizes, in CPython and compiled, and compares the answers.

    python -m demo [--small] [--only NAME ...] [--out FOLDER]

Prints for each program CPython's time, the first call, the steady call, the tier it reached, and whether the
answers are equal: type, every bit, and what was written into the arguments. The programs are those of
bench/programs.py, plain Python functions without a decorator.
"""

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import programs  # noqa: E402
import sample  # noqa: E402
from demo import picture  # noqa: E402
from demo.progress import Progress  # noqa: E402

SETTLE_SECONDS = 0.5  # what the background compiler is given before the steady call is measured


class Entry:
    """One line of the table. With `reduced`, CPython runs that size, and its time is scaled by the work."""

    def __init__(self, title, case, args, small_args, reduced=None, expected=None):
        self.title = title
        self.case = case
        self.args = args
        self.small_args = small_args
        self.reduced = reduced  # (arguments, how much less work they are)
        self.expected = expected  # the full answer by another way, where CPython ran a reduced size


def entries():
    def case_args(name, size):
        return lambda: programs.CASES[name].make_args(size, 1)

    n = 100_000_000
    return [
        Entry("sum of squares, n = 10^6", "sum_of_squares", lambda: (1_000_000,), lambda: (1000,)),
        Entry("sum of squares, n = 10^8", "sum_of_squares", lambda: (n,), lambda: (3_200_000,),
              reduced=(lambda: (n // 20,), 20), expected=lambda n: (n - 1) * n * (2 * n - 1) // 6),
        Entry("Mandelbrot, 640 x 480", "mandelbrot", lambda: (640, 480, -2.2, 1.0, -1.2, 1.2, 200),
              lambda: (64, 48, -2.2, 1.0, -1.2, 1.2, 50)),
        Entry("n-body, 40 000 steps", "nbody", case_args("nbody", 40_000), case_args("nbody", 200)),
        Entry("Floyd-Warshall, 150 nodes", "floyd_warshall", case_args("floyd_warshall", 150),
              case_args("floyd_warshall", 15)),
        Entry("Levenshtein, 1500 letters", "levenshtein", case_args("levenshtein", 1500), case_args("levenshtein", 40)),
        Entry("heat equation, 512 x 515", "heat2d", case_args("heat2d", 512), case_args("heat2d", 20)),
        Entry("Black-Scholes, 10^6 options", "black_scholes", case_args("black_scholes", 1_000_000),
              case_args("black_scholes", 500)),
    ]  # fmt: skip


COLUMNS = ("program", "CPython", "first call", "steady", "faster", "tier", "answers")
WIDTHS = (28, 12, 11, 11, 8, 5, 8)


def main(argv=None, out=sys.stdout):
    options = parse_options(argv)
    chosen = [e for e in entries() if not options.only or any(word in (e.case, e.title) for word in options.only)]
    if not chosen:
        sys.exit("no program has that name; they are " + ", ".join(dict.fromkeys(e.case for e in entries())))
    flashpoint, why_not = import_flashpoint()
    folder = Path(options.out)
    progress = Progress(len(chosen), out)
    progress.line(format_row(COLUMNS))
    progress.line(format_row(["-" * width for width in WIDTHS]))
    equal, notes = True, []
    for entry in chosen:
        progress.begin(entry.title)
        row, same, result = run_entry(entry, flashpoint, options.small, progress)
        equal = equal and same
        progress.line(format_row(row))
        if entry.case == "mandelbrot":
            path = picture.write_mandelbrot(folder / "mandelbrot.png", result)
            notes.append(f"The picture is in {path}.")
    progress.end()
    if any(entry.reduced and not options.small for entry in chosen):
        notes.append("* scaled from a run of 1/20 of the size; the answer is compared with the exact closed formula.")
    if flashpoint is None:
        notes.append(f"flashpoint is not installed, so only CPython ran ({why_not}).")
    if options.small:
        notes.append("--small: the sizes are far below those in the first column.")
    for note in notes:
        progress.line(note)
    return 0 if equal else 1


def parse_options(argv):
    parser = argparse.ArgumentParser(prog="demo", description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="sizes that take milliseconds")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="some of the programs, by their name in programs.py")
    parser.add_argument("--out", default=str(ROOT / "out"), help="where the picture goes (default: out/)")
    return parser.parse_args(argv)


def import_flashpoint():
    try:
        import flashpoint

        flashpoint.njit  # noqa: B018  (a folder called flashpoint on the path imports, but has no names)
    except (ImportError, AttributeError) as error:
        return None, f"{type(error).__name__}: {error}"
    return flashpoint, None


def run_entry(entry, flashpoint, small, progress):
    """Returns the table row, whether the answers agree, and the answer."""
    plain = programs.CASES[entry.case].fn
    args = (entry.small_args if small else entry.args)()
    expected, cpython_seconds, scaled = run_cpython(entry, plain, args, small, progress)
    shown_cpython = show_seconds(cpython_seconds) + ("*" if scaled else "")
    if flashpoint is None:
        return [entry.title, shown_cpython, "not installed", "", "", "", ""], True, expected[1]

    progress.phase("first call")
    compiled = flashpoint.njit(plain)
    used = programs.fresh(args)
    begin = time.perf_counter()
    result = compiled(*used)
    first = time.perf_counter() - begin
    same = sample.exact([result, *used]) == expected[0]
    progress.phase("steady")
    steady, steady_same = measure_steady(compiled, args, expected[0])
    same = same and steady_same
    faster = f"{cpython_seconds / steady:.0f}x" if steady else ""
    tier = sample.told(compiled).get("tier", "?")
    answers = "equal" if same else "DIFFERS"
    row = [entry.title, shown_cpython, show_seconds(first), show_seconds(steady), faster, str(tier), answers]
    return row, same, result


def run_cpython(entry, plain, args, small, progress):
    """Returns ((description of the full answer, the answer), seconds, whether the time is scaled)."""
    scaled = entry.reduced is not None and not small
    ran_args = entry.reduced[0]() if scaled else programs.fresh(args)
    with progress.ticking("CPython"):
        begin = time.perf_counter()
        result = plain(*ran_args)
        seconds = time.perf_counter() - begin
    if scaled:
        seconds *= entry.reduced[1]
        result = entry.expected(*args)
        ran_args = args
    return (sample.exact([result, *ran_args]), result), seconds, scaled


def measure_steady(compiled, args, expected):
    """The fastest of several calls once the background compiler had its time, and whether each answer was right."""
    times, same = [], True
    until = time.perf_counter() + SETTLE_SECONDS
    while len(times) < 5 or time.perf_counter() < until:
        used = programs.fresh(args)
        begin = time.perf_counter()
        result = compiled(*used)
        times.append(time.perf_counter() - begin)
        same = same and sample.exact([result, *used]) == expected
    return min(times), same


def format_row(cells):
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def show_seconds(seconds):
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.0f} ns"


if __name__ == "__main__":
    sys.exit(main())
