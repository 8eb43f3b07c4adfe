"""Stands in for `flashpoint` under FLASHPOINT_TESTS_ORACLE=1: `njit` is the identity.

With FLASHPOINT_PLANT=<name> it compiles the program wrongly in one known way, by rewriting its
syntax tree, so that the fuzzer and its self-test can be tested before and without the extension.
"""

import ast
import os
from types import SimpleNamespace


class Unsupported(NotImplementedError):
    pass


config = SimpleNamespace(stress="")


def njit(fn, **options):
    return fn


def tier2_available() -> bool:
    return False


class _Plant(ast.NodeTransformer):
    """Each method is one planted defect; `visit` rewrites the functions only."""

    def __init__(self, name: str):
        self.name = name

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if self.name == "swapped-sub" and isinstance(node.op, ast.Sub):
            node.left, node.right = node.right, node.left
        if self.name == "trunc-div" and isinstance(node.op, ast.FloorDiv):
            return self.call("__trunc_div", node, node.left, node.right)
        if self.name == "wrap-add" and isinstance(node.op, ast.Add):
            return self.call("__wrap", node, node)
        return node

    def visit_Compare(self, node):
        self.generic_visit(node)
        if self.name == "le-is-lt":
            node.ops = [ast.Lt() if isinstance(op, ast.LtE) else op for op in node.ops]
        return node

    def visit_Try(self, node):
        self.generic_visit(node)
        if self.name == "no-finally" and node.finalbody and node.handlers:
            node.finalbody = []
        return node

    def visit_While(self, node):
        self.generic_visit(node)
        if self.name in ("crash", "hang"):
            node.test = self.call("__" + self.name, node, node.test)
        return node

    def visit_For(self, node):
        self.generic_visit(node)
        if self.name == "no-loop-else":
            node.orelse = []
        return node

    def visit_Subscript(self, node):
        self.generic_visit(node)
        if self.name == "no-negative-index" and isinstance(node.ctx, ast.Load) and isinstance(node.slice, ast.UnaryOp):
            node.slice = node.slice.operand
        return node

    def visit_Assert(self, node):
        if self.name == "line-off-by-one":
            node.lineno += 1
            node.end_lineno += 1
            for child in ast.walk(node):
                if hasattr(child, "lineno"):
                    child.lineno = child.end_lineno = node.lineno
        return node

    def call(self, name, at, *args):
        return ast.copy_location(ast.Call(ast.copy_location(ast.Name(name, ast.Load()), at), list(args), []), at)


_DEFECTS = (
    ("swapped-sub", "the operands of `-` are swapped"),
    ("trunc-div", "`//` truncates toward zero"),
    ("wrap-add", "`+` wraps to 64 bits"),
    ("le-is-lt", "`<=` compares with `<`"),
    ("no-finally", "`finally` after a handler is dropped"),
    ("no-loop-else", "`else` of a `for` is dropped"),
    ("no-negative-index", "a literal negative index loses its sign"),
    ("crash", "a true loop condition ends the process"),
    ("hang", "a true loop condition never returns"),
    ("line-off-by-one", "an assertion fails one line too low"),
)
_core = SimpleNamespace(planted_defects=lambda: list(_DEFECTS))


def plant_in(text: str, filename: str):
    """The code of `text` with the defect of FLASHPOINT_PLANT, None without one."""
    name = os.environ.get("FLASHPOINT_PLANT", "")
    if not name:
        return None
    tree = ast.parse(text, filename)
    plant = _Plant(name)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            plant.visit(node)
    tree.body[:0] = ast.parse(
        "def __trunc_div(a, b):\n"
        "    q = a // b\n"
        "    return q + 1 if isinstance(q, int) and q < 0 and q * b != a else q\n"
        "def __crash(x):\n"
        "    import os\n"
        "    if x: os.abort()\n"
        "def __hang(x):\n"
        "    while x: pass\n"
        "def __wrap(x):\n"
        "    return (x + 2**63) % 2**64 - 2**63 if type(x) is int else x\n"
    ).body
    ast.fix_missing_locations(tree)
    return compile(tree, filename, "exec", dont_inherit=True)
