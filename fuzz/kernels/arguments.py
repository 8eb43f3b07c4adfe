"""The values that a kernel is called with, as expression text."""

from ..values import FLOAT_EDGES, FLOAT_SPECIALS, INT_EDGES, NP_NAMES, Rng, integer_limits

PATTERNS = (
    "np.arange({n})", "np.arange({n}) - {h}", "np.arange({n}) * 7 % 11", "np.arange({n})[::-1]", "np.ones({n})",
    "np.arange({n}) % 3", "np.full({n}, 5)",
)  # fmt: skip


def scalar_argument(rng: Rng, kind: str) -> str:
    if kind == "int":
        plain = ("0", "1", "2", "-1", "3", "7", "-5", "12", "40")
        return rng.pick(plain + INT_EDGES) if rng.chance(0.7) else str(rng.between(-60, 60))
    if kind == "float":
        return rng.pick(FLOAT_EDGES) if rng.chance(0.2) else rng.pick(("0.5", "1.5", "-2.25", "3.0", "0.1"))
    if kind == "bool":
        return rng.pick(("True", "False"))
    return f"np.{rng.pick(('int64', 'int32', 'float64', 'uint8'))}({rng.pick((0, 1, 3, 100))})"


def array_argument(rng: Rng, rank: int, code: str, n: int, big_chance: float) -> str:
    """An array of about `n` elements: a pattern, often with one element that is out of the ordinary."""
    if n == 0:
        return f"np.zeros({0 if rank == 1 else (0, 3)}, '{code}')"
    text = _elements(rng, code, n, big_chance)
    if rank == 2:
        rows = max(1, n // 3)
        text += f".reshape({rows}, -1)" if n % rows == 0 else f".reshape(-1, {n})"
    layout = rng.below(14)
    if layout == 0:
        return f"np.repeat({text}, 2, axis=0)[::2]"
    if layout == 1:
        return f"({text})[::-1]"
    if rank == 2 and layout in (2, 3):
        return f"np.asfortranarray({text})" if layout == 2 else f"({text}).T"
    return text


def _elements(rng: Rng, code: str, n: int, big_chance: float) -> str:
    """An array of rank 1."""
    pattern = rng.pick(PATTERNS).format(n=n, h=n // 2)
    if code[0] in "fc":
        pattern = f"({pattern}) * {rng.pick(('0.5', '1.0', '-0.75', '0.1'))}"
        special = rng.pick(FLOAT_SPECIALS)
    elif code == "?":
        special = "1"
    else:
        low, high = integer_limits(code)
        special = str(rng.pick((low, high, high, high // 2 + 1, high // 3, 0, 0, max(low, -1))))
        if code == "i8" and rng.chance(big_chance):
            pattern = f"({pattern}) * {rng.pick((2**61, 2**58, 2**59, 2**55, 2**31 + 1))}"
    if code[0] == "u" or code == "?":
        pattern = f"abs({pattern})"
    text = f"({pattern}).astype('{code}')"
    if rng.chance(0.4):
        at = rng.pick((0, n - 1, n // 2, rng.below(n), 7 if n > 7 else 0))
        text = f"np.where(np.arange({n}) == {at}, np.{NP_NAMES[code]}({special}), {text})"
    return text
