"""Writes the dump of each Python file here next to it, for the Rust tests (which need no Python).

Run it with CPython 3.11 after changing one of the files: ``python make.py``.
"""

import ast
from pathlib import Path

for path in sorted(Path(__file__).parent.glob("*.py")):
    if path.name == "make.py":
        continue
    tree = ast.parse(path.read_text())
    # Lines matter to one file only; without them a dump is a third as long.
    text = ast.dump(tree, include_attributes=path.stem == "lines", indent=None)
    path.with_suffix(".ast").write_text(text + "\n")
