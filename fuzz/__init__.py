"""Differential fuzzing of `flashpoint.njit` against plain CPython.

Reading order: `generate` (seed → program text), on `compound`, `statements`, `expressions`, `values`, `weights`;
`compare` (one program in every mode), `minimise`, `__main__` (`make fuzz`), `selftest`
(`make fuzz-selftest`). `oracle` stands in for the extension under FLASHPOINT_TESTS_ORACLE=1.
"""
