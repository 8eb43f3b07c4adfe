"""A progress line at the foot of a terminal, and plain lines where there is no terminal."""

import contextlib
import threading
import time

BAR_WIDTH = 20
TICK_SECONDS = 0.2


class Progress:
    """`line` prints for good; `begin`, `phase` and `ticking` change the line below it. Silent if `out` is no TTY."""

    def __init__(self, n_steps, out):
        self.n_steps = n_steps
        self.out = out
        self.live = out.isatty()
        self.step = 0
        self.title = ""

    def line(self, text):
        self._clear()
        self.out.write(text + "\n")
        self.out.flush()

    def begin(self, title):
        self.step += 1
        self.title = title
        self._draw("")

    def phase(self, name):
        self._draw(name)

    @contextlib.contextmanager
    def ticking(self, name):
        """Shows the seconds that pass. Only for what takes long: the ticks cost the measured thread a little."""
        if not self.live:
            yield
            return
        done = threading.Event()

        def tick():
            begin = time.monotonic()
            while not done.wait(TICK_SECONDS):
                self._draw(f"{name} {time.monotonic() - begin:.1f} s")

        self._draw(name)
        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def end(self):
        self._clear()

    def _draw(self, phase):
        if self.live:
            filled = BAR_WIDTH * (self.step - 1) // self.n_steps
            bar = "#" * filled + "." * (BAR_WIDTH - filled)
            self.out.write(f"\r\033[K[{bar}] {self.step}/{self.n_steps} {self.title}: {phase}")
            self.out.flush()

    def _clear(self):
        if self.live:
            self.out.write("\r\033[K")
