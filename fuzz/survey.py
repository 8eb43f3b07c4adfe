"""What the generated programs are like, measured in plain CPython: `python -m fuzz.survey --programs 5000`.

Predicts the shares that `make fuzz` measures on the extension. A program counts as leaving by a
guard if a call raises, warns, or holds a Python int beyond 64 bits or a local that changes its type.
"""

import argparse
import sys
import time
from collections import Counter

from . import compare
from .generate import generate

HOT_LINES = 200


def survey(seed: int, counts: Counter, constructs: Counter, errors: Counter) -> None:
    program = generate(seed)
    constructs.update(program.constructs.keys())
    loaded = compare.Loaded(program.text)
    marks, types, lines = set(), {}, 0

    def look(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename != loaded.filename:
            return None
        lines += 1
        for name, value in frame.f_locals.items():
            t = type(value)
            if t is int and not -(2**63) <= value < 2**63:
                marks.add("big int")
            if types.setdefault((frame.f_code.co_name, name), t) is not t:
                marks.add("type change")
        return look

    try:
        with compare._time_limit(10):
            space = loaded.namespace(compare.identity)
            for step in space["STEPS"]:
                types.clear()
                sys.settrace(look)
                try:
                    outcome = loaded.step(space, step)
                finally:
                    sys.settrace(None)
                if outcome is None:
                    continue
                counts["calls"] += 1
                if outcome.error:
                    marks.add("raise")
                    counts["raising calls"] += 1
                    errors[outcome.error[0]] += 1
                if outcome.warned:
                    marks.add("warning")
    except compare._TooSlow:
        marks.add("slow")
    finally:
        loaded.close()
    counts["programs"] += 1
    counts.update(marks)
    counts["leaves by a guard"] += bool(marks & {"raise", "warning", "big int", "type change"})
    counts["hot loop"] += lines > HOT_LINES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts, constructs, errors = Counter(), Counter(), Counter()
    for seed in range(options.seed, options.seed + options.programs):
        survey(seed, counts, constructs, errors)
    began = time.monotonic()
    n_timed = min(options.programs, 500)
    for seed in range(n_timed):
        compare.check(generate(seed).text, [])
    print(f"{n_timed / (time.monotonic() - began):.0f} programs/s generated and run once")
    n = counts.pop("programs")
    for name, count in counts.most_common():
        print(f"  {name:20} {count:7d}  {100 * count / n:.1f} per 100 programs")
    print("raised:", ", ".join(f"{name} {k}" for name, k in errors.most_common()))
    print(f"{len(constructs)} constructs:", ", ".join(f"{name} {k}" for name, k in constructs.most_common()))


if __name__ == "__main__":
    main()
