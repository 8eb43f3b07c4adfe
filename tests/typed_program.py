"""A user's program, for mypy: what the stubs must let through, and what they must not (`make lint`)."""

import numpy as np
import numpy.typing as npt

import flashpoint


@flashpoint.njit
def total(a: npt.NDArray[np.float64], n: int = 3) -> float:
    s = 0.0
    for x in a:
        s += x
    return s * n


@flashpoint.njit(fastmath=True)
def half(x: float) -> float:
    return x / 2


class Model:
    @flashpoint.njit
    def run(self, n: int) -> int:
        return n


y: float = total(np.ones(3), n=2) + half(2.0) + total.py_func(np.ones(2))
n: int = Model().run(3)
counted: dict[str, int] = half.counters()
print(total.explain().deopts, total.__name__, half.inspect("ir"))
not_text: str = half(1.0)  # type: ignore[assignment]
half("x")  # type: ignore[arg-type]
