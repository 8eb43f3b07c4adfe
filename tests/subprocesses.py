"""Runs Python in a fresh process, for tests about start-up, signals, fork, and what could end the process."""

import os
import signal
import subprocess
import sys
import textwrap
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def run_script(source, *, how="file", tmp_path=None, timeout=60, **environ):
    """Runs `source` as a file, by `-c`, or from standard input; fails unless it exits with 0. Returns its output."""
    source = textwrap.dedent(source)
    command, stdin = [sys.executable], None
    if how == "file":
        path = tmp_path / "script.py"
        path.write_text(source)
        command.append(str(path))
    elif how == "-c":
        command += ["-c", source]
    else:
        command, stdin = [*command, *how], source
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=timeout, env={**os.environ, **environ}
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout, done.stderr


def interrupt_script(source, tmp_path, *, after=0.3, timeout=30, **environ):
    """Runs a script that prints a line when it is about to loop, sends SIGINT a moment later, returns output, seconds."""
    path = tmp_path / "looping.py"
    path.write_text(textwrap.dedent(source))
    child = subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environ}, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        assert child.stdout.readline().strip() == "looping", child.stderr.read()
        time.sleep(after)
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        output, errors = child.communicate(timeout=timeout)
    finally:
        child.kill()
    return child.returncode, output, errors, time.monotonic() - sent
