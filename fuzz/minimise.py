"""Shrinks a failing program while it keeps failing in the same way. Start at [`minimise`].

An edit deletes statements, lifts a body out of its statement, replaces an expression by one of its
parts or by a constant, shrinks a constant, or does the same to the steps and their arguments. An
edit is kept if the program still fails with the same kind in the same mode. Candidates run in a
process of their own ([`Checker`]): many hang or crash.
"""

import argparse
import ast
import hashlib
import json
import pathlib
import re
import select
import subprocess
import sys
import time

FOUND = pathlib.Path(__file__).parent / "found"
ROOT = pathlib.Path(__file__).parent.parent


class Checker:
    """Asks a worker process about a text; (kind, what) or None if nothing is wrong."""

    def __init__(self, mode: str, limit_s: float = 4.0):
        self.mode, self.limit_s = mode, limit_s
        self.worker = None
        self.n_checks = 0

    def __call__(self, text: str):
        self.n_checks += 1
        if self.worker is None:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "fuzz.worker", "--check"],
                cwd=ROOT,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        try:
            self.worker.stdin.write(json.dumps({"text": text, "modes": self.mode}) + "\n")
            self.worker.stdin.flush()
            ready, _, _ = select.select([self.worker.stdout], [], [], self.limit_s)
            line = self.worker.stdout.readline() if ready else None
        except BrokenPipeError:
            line = ""
        if not line:
            self.close()
            return ("crash", "") if line == "" else ("hang", "")
        answer = json.loads(line)
        self.detail = answer["detail"]
        return ("different", answer["what"]) if answer["status"] == "different" else None

    def close(self) -> None:
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()
            self.worker = None


def minimise(text: str, failure: tuple, check, seconds: float = 60.0, say=lambda line: None) -> str:
    """The smallest text found for which `check(text) == failure`."""
    end = time.monotonic() + seconds
    best = ast.unparse(ast.parse(text))
    if check(best) != failure:
        return text  # the failure hangs on the layout of the text, such as its line numbers
    while True:
        before = best
        for edits in (_step_edits, _statement_edits, _expression_edits):
            position = 0
            while time.monotonic() < end:
                # After a success the list is made anew, but goes on from where it was.
                candidates = edits(best)
                for i, candidate in enumerate(candidates):
                    if i < position or candidate == best:
                        continue
                    if time.monotonic() >= end:
                        break
                    if check(candidate) == failure:
                        best, position = candidate, i
                        say(f"{len(best)} bytes")
                        break
                else:
                    break
        if best == before or time.monotonic() >= end:
            return best


def _rebuilt(text: str, index: int, change) -> str | None:
    """`text` with `change` applied to the `index`-th node of its tree."""
    tree = ast.parse(text)
    for i, node in enumerate(ast.walk(tree)):
        if i == index:
            if change(node) is False:
                return None
            break
    try:
        return ast.unparse(ast.fix_missing_locations(tree))
    except (ValueError, AttributeError, TypeError):
        return None


def _step_edits(text: str):
    """Fewer steps; simpler arguments."""
    tree = ast.parse(text)
    steps = next(
        ast.literal_eval(n.value)
        for n in tree.body
        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "STEPS"
    )

    def with_steps(new: list) -> str:
        copy = ast.parse(text)
        for n in copy.body:
            if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "STEPS":
                n.value = ast.parse(repr(new), mode="eval").body
        return ast.unparse(copy)

    for i in range(len(steps)):
        if len(steps) > 1:
            yield with_steps(steps[:i] + steps[i + 1 :])
    for i, step in enumerate(steps):
        for j in range(2, len(step)):
            for simpler in _expression_edits(step[j]):
                yield with_steps([*steps[:i], (*step[:j], simpler, *step[j + 1 :]), *steps[i + 1 :]])


def _statement_edits(text: str):
    """Deletes runs of statements, longest first; lifts bodies out of their statements."""
    for index, node in enumerate(ast.walk(ast.parse(text))):
        for field in ("body", "orelse", "finalbody", "handlers"):
            inner = getattr(node, field, None)
            if not isinstance(inner, list) or not inner:
                continue
            size = len(inner)
            while size:
                for i in range(0, len(inner), size):

                    def cut(n, field=field, i=i, size=size):
                        items = getattr(n, field)
                        del items[i : i + size]
                        if not items and field == "body":
                            items.append(ast.Pass())

                    candidate = _rebuilt(text, index, cut)
                    if candidate:
                        yield candidate
                size //= 2
            for i, statement in enumerate(inner):
                if isinstance(statement, (ast.If, ast.For, ast.While, ast.Try)):
                    for part in ("body", "orelse", "finalbody"):

                        def lift(n, field=field, i=i, part=part):
                            items = getattr(n, field)
                            items[i : i + 1] = getattr(items[i], part) or [ast.Pass()]

                        if getattr(statement, part, None):
                            candidate = _rebuilt(text, index, lift)
                            if candidate:
                                yield candidate


def _expression_edits(text: str):
    """Replaces each expression by a part of itself or a constant; drops items of sequences."""
    for index, node in enumerate(ast.walk(ast.parse(text))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STEPS":
            continue
        for field, value in ast.iter_fields(node):
            many = isinstance(value, list)
            for i, old in enumerate(value if many else [value]):
                if not isinstance(old, ast.expr) or not isinstance(getattr(old, "ctx", ast.Load()), ast.Load):
                    continue
                if isinstance(node, (ast.Tuple, ast.List, ast.BoolOp)) and many and len(value) > 1:

                    def drop(n, field=field, i=i):
                        del getattr(n, field)[i]

                    candidate = _rebuilt(text, index, drop)
                    if candidate:
                        yield candidate
                for new in _simpler(old):

                    def replace(n, field=field, i=i, many=many, new=new):
                        if many:
                            getattr(n, field)[i] = new
                        else:
                            setattr(n, field, new)

                    candidate = _rebuilt(text, index, replace)
                    if candidate and candidate != text:
                        yield candidate


def _simpler(old: ast.expr) -> list:
    if isinstance(old, ast.Constant):
        v = old.value
        if type(v) is int and abs(v) > 1:
            return [ast.Constant(n) for n in (0, 1, 2, v // 10, v // 2) if abs(n) < abs(v)]
        if type(v) is float and v not in (0.0, 1.0):
            return [ast.Constant(x) for x in (0.0, 1.0, 0.5) if x != v]
        return []
    parts = [
        n
        for n in ast.iter_child_nodes(old)
        if isinstance(n, ast.expr) and isinstance(getattr(n, "ctx", ast.Load()), ast.Load)
    ]
    if isinstance(old, ast.Call):
        parts = old.args
    if isinstance(old, (ast.Name, ast.Attribute)):
        return [] if isinstance(old, ast.Attribute) else [ast.Constant(1)]
    if isinstance(old, ast.UnaryOp) and isinstance(old.operand, ast.Constant):
        return [old.operand]
    return [*parts, ast.Constant(0), ast.Constant(1), ast.Constant(1.5), ast.Constant(None)]


def write_reproducer(
    text: str, mode: str, kind: str, detail: str, seed: int, folder: pathlib.Path = FOUND
) -> pathlib.Path:
    """A self-contained file that `tests/test_fuzz_slice.py` replays for ever."""
    folder.mkdir(exist_ok=True)
    digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
    path = folder / f"{kind}_{re.sub('[^a-z0-9]+', '_', mode)}_{digest}.py"
    head = detail.replace("\\", "\\\\").replace('"""', "'''").strip()
    # The traceback of a crash names files of this machine: their names alone are of use elsewhere.
    head = re.sub(r'File "[^"]*/', 'File "', head)
    path.write_text(
        f'"""Found by the fuzzer: {kind} in mode {mode}, seed {seed}.\n\n{head}\n\n'
        f'Replay: python -m fuzz.compare fuzz/found/{path.name}\n"""\n\n{text.strip()}\n'
    )
    return path


def shrink_finding(
    finding: dict, seconds: float = 60.0, say=lambda line: None, folder: pathlib.Path = FOUND
) -> pathlib.Path:
    """Minimises what `__main__` reported and writes the reproducer."""
    check = Checker(finding["mode"])
    try:
        failure = check(finding["text"])
        text = minimise(finding["text"], failure, check, seconds, say) if failure else finding["text"]
        detail = finding["detail"]
        if failure and check(text) == failure and failure[0] == "different":
            detail = check.detail
        if not failure:
            detail += "\n(did not fail again when run alone)"
        return write_reproducer(text, finding["mode"], finding["kind"], detail, finding["seed"], folder)
    finally:
        check.close()


def main() -> int:
    """`python -m fuzz.minimise FILE --mode tier1`, or `--seed 7 --mode tier1`."""
    from .generate import generate

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", nargs="?")
    parser.add_argument("--seed", type=int, default=-1)
    parser.add_argument("--mode", required=True)
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    text = pathlib.Path(options.file).read_text() if options.file else generate(options.seed).text
    finding = {"text": text, "mode": options.mode, "kind": "different", "detail": "", "seed": options.seed}
    path = shrink_finding(finding, options.seconds, lambda line: print(line, file=sys.stderr))
    print(path.read_text(), path, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
