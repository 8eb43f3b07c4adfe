"""Finds the peers that are installed and starts samples of them. Start at `find_peers`.

A peer that is not there is reported with the reason and makes the bars that need it "not judged".
Environment: BENCH_NUMBA_PYTHON names an interpreter that has Numba (default: the one that runs this);
BENCH_CLANG, BENCH_GCC, BENCH_NODE, BENCH_JAVA, BENCH_PYPY name programs to use instead of the ones on PATH.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import programs

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "bench"
SAMPLE_SECONDS = 300  # a sample that takes longer is stopped and counted as failed
STRICT_FLAGS = ["-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]


class Peer:
    """`missing` is None, or one sentence saying why this peer cannot be measured."""

    def __init__(self, name, python=None, missing=None, version="", library=None, launch=None):
        self.name = name
        self.python = python
        self.missing = missing
        self.version = version
        self.library = library
        self.launch = launch  # for the peers that do not run sample.py: (case, spawned, args files) -> command

    def command(self, kind, params, spawned):
        if self.launch:
            return self.launch(params["case"], spawned, write_args(params))
        extra = [f"library={self.library}"] if self.library else []
        words = [f"{key}={value}" for key, value in params.items()]
        return [self.python, str(HERE / "sample.py"), kind, self.name, repr(spawned), *words, *extra]

    def sample(self, kind, params, cpus):
        """Runs one fresh process on `cpus` and returns its JSON, or a dict with `unavailable` or `error`."""
        if self.launch and kind != "loop":
            return {"unavailable": f"{self.name} has no sample of kind {kind}"}
        write_args(params) if self.launch else None
        spawned = time.clock_gettime(time.CLOCK_MONOTONIC)
        command = self.command(kind, params, spawned)
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=SAMPLE_SECONDS,
                env=environment(self.name),
                preexec_fn=lambda: os.sched_setaffinity(0, cpus),
            )
        except subprocess.TimeoutExpired:
            return {"error": f"took longer than {SAMPLE_SECONDS} s"}
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"]
            return {"error": lines[-1][:300], "status": done.returncode}
        return json.loads(done.stdout.strip().splitlines()[-1])


def find_peers(names=None):
    """Returns all peers by name; `names` limits the search to some of them."""
    finders = {
        "ours": find_ours,
        "cpython": lambda: Peer("cpython", python=sys.executable, version=sys.version.split()[0]),
        "numba": find_numba,
        "gcc": lambda: find_c_compiler("gcc", os.environ.get("BENCH_GCC"), "gcc"),
        "clang": lambda: find_c_compiler("clang", os.environ.get("BENCH_CLANG"), "clang-22", "clang"),
        "pypy": find_pypy,
        "node": find_node,
        "java": find_java,
    }
    found = {}
    for name, find in finders.items():
        if names and name not in names:
            found[name] = Peer(name, missing="left out by --peers")
        else:
            found[name] = find()
    return found


def find_ours():
    # The stand-in of the tests has no `_core`: it is CPython, and must not be measured as ours.
    probe = "import flashpoint as f, flashpoint._core; print(getattr(f, '__version__', '?'), f.tier2_available())"
    ok, text = ask([sys.executable, "-c", probe])
    if not ok:
        return Peer("ours", missing="flashpoint's extension is not built (run `make build`)")
    version, _, tier2 = text.partition(" ")
    return Peer("ours", python=sys.executable, version=version + ("" if tier2 == "True" else " without tier 2"))


def find_numba():
    python = os.environ.get("BENCH_NUMBA_PYTHON") or sys.executable
    ok, text = ask([python, "-c", "import numba; print(numba.__version__)"], environment("numba"))
    if not ok:
        return Peer("numba", missing=f"no numba in {python} (BENCH_NUMBA_PYTHON names another interpreter)")
    return Peer("numba", python=python, version=text)


def find_c_compiler(name, *candidates):
    program = next((found for c in candidates if c and (found := shutil.which(c))), None)
    if program is None:
        return Peer(name, missing=f"no {name} on PATH")
    BUILD.mkdir(parents=True, exist_ok=True)
    library = BUILD / f"programs-{name}.so"
    ok, text = ask([program, *STRICT_FLAGS, "-o", str(library), str(HERE / "c" / "programs.c"), "-lm"])
    if not ok:
        return Peer(name, missing=f"{program} does not build programs.c: {text[-200:]}")
    version = re.search(r"\d+\.\d+\.\d+", ask([program, "--version"])[1])
    return Peer(name, python=sys.executable, version=version.group() if version else "?", library=str(library))


def find_pypy():
    program = shutil.which(os.environ.get("BENCH_PYPY") or "pypy3")
    if program is None:
        return Peer("pypy", missing="no pypy3 on PATH")
    _, text = ask([program, "-c", "import sys; print('.'.join(map(str, sys.pypy_version_info[:3])))"])
    return Peer("pypy", python=program, version=text)


def find_node():
    program = shutil.which(os.environ.get("BENCH_NODE") or "node")
    if program is None:
        return Peer("node", missing="no node on PATH")
    script = str(HERE / "js" / "programs.mjs")

    def launch(case, spawned, args_dir):
        return [program, script, case, repr(spawned), str(args_dir / "args.json")]

    return Peer("node", version=ask([program, "--version"])[1], launch=launch)


def find_java():
    java = shutil.which(os.environ.get("BENCH_JAVA") or "java")
    javac = shutil.which(os.path.join(os.path.dirname(os.path.realpath(java)), "javac")) if java else None
    javac = javac or shutil.which("javac")
    if not java or not javac:
        return Peer("java", missing="no JDK (java and javac) on PATH")
    BUILD.mkdir(parents=True, exist_ok=True)
    ok, text = ask([javac, "-d", str(BUILD), str(HERE / "java" / "Programs.java")])
    if not ok:
        return Peer("java", missing=f"javac does not build Programs.java: {text[-200:]}")
    version = re.search(r'"([^"]+)"', ask([java, "-version"])[1])

    def launch(case, spawned, args_dir):
        return [java, "-cp", str(BUILD), "Programs", case, repr(spawned), str(args_dir / "args.txt")]

    return Peer("java", version=version.group(1) if version else "?", launch=launch)


def write_args(params):
    """Writes the arguments of one sample for the peers outside Python; the same arguments are written once."""
    folder = BUILD / "args" / "-".join(params[key] for key in ("case", "size", "seed"))
    if (folder / "args.txt").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    args = programs.CASES[params["case"]].make_args(int(params["size"]), int(params["seed"]))
    as_json, as_text = [], []
    for i, arg in enumerate(args):
        if isinstance(arg, np.ndarray):
            file = folder / f"{i}.bin"
            file.write_bytes(arg.tobytes())
            as_json.append({"dtype": str(arg.dtype), "shape": arg.shape, "file": str(file)})
            as_text.append(f"a {arg.dtype} {file} {' '.join(map(str, arg.shape))}")
        else:
            as_json.append(arg)
            as_text.append(f"{'i' if isinstance(arg, int) else 'd'} {arg!r}")
    (folder / "args.json").write_text(json.dumps(as_json))
    (folder / "args.txt").write_text("\n".join(as_text))
    return folder


def forget_args():
    shutil.rmtree(BUILD / "args", ignore_errors=True)


def environment(peer):
    """The caller's environment without what would change a measurement."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("FLASHPOINT_")}
    if peer == "numba":
        env.pop("PYTHONPATH", None)
    env["OMP_NUM_THREADS"] = env["OPENBLAS_NUM_THREADS"] = "1"
    return env


def ask(command, env=None):
    """Runs a short command; returns whether it worked, and what it wrote."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env or environment(""))
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return done.returncode == 0, (done.stdout or done.stderr).strip()
