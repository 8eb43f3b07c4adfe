"""Where a function's syntax tree is looked for."""

import builtins
import importlib.util
import warnings

import pytest

import flashpoint

MODULE = '''
import math
from math import (
    cos,
    sin as sine,
)

def before(x):
    return x

def root(x):
    """Calls of an imported module's attribute are compiled in a way of their own."""
    return math.sqrt(x) + sine(x)

def plain(x):
    def twice(y):
        return y + y
    return twice(x)

class Holder:
    def method(self, x):
        return math.floor(x) + 1
'''


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "module_with_imports.py"
    path.write_text(MODULE)
    spec = importlib.util.spec_from_file_location("module_with_imports", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def compiled_texts(monkeypatch):
    texts = []
    original = builtins.compile

    def noting(source, *args, **kwargs):
        if isinstance(source, str) and "def " in source:
            texts.append(source.strip())
        return original(source, *args, **kwargs)

    monkeypatch.setattr(builtins, "compile", noting)
    return texts


@pytest.mark.parametrize("name", ["root", "plain"])
def test_only_the_functions_own_block_is_compiled(module, compiled_texts, name):
    function = getattr(module, name)
    expected = function(0.5)
    assert flashpoint.njit(function)(0.5) == expected
    assert len(compiled_texts) == 2, "once for the tree, once to compare the code"
    assert all(f"def {name}" in text and "def before" not in text for text in compiled_texts)


def test_an_indented_function_is_found_in_the_whole_text(module, compiled_texts):
    method = module.Holder.method
    assert flashpoint.njit(method)(None, 2.5) == 3
    assert all("def before" in text for text in compiled_texts)


def test_looking_for_the_source_says_no_warning_again(tmp_path):
    # Warnings that a module has shown once are remembered in its registry, and the escape is told of at the import.
    path = tmp_path / "module_with_warnings.py"
    path.write_text(
        "import warnings\n\n\n"
        "def warn():\n    warnings.warn('shown once', UserWarning, stacklevel=1)\n\n\n"
        "def f(x):\n    '\\d'\n    return x + 1\n"
    )
    spec = importlib.util.spec_from_file_location("module_with_warnings", path)
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        spec.loader.exec_module(module)
        module.warn()
        n_shown = len(shown)
        filters, before = warnings.filters, list(warnings.filters)
        assert flashpoint.njit(module.f)(1) == 2
        module.warn()
        assert [str(warning.message) for warning in shown[n_shown:]] == []
        assert warnings.filters is filters and filters == before
    assert n_shown == 2


def test_filters_that_raise_do_not_hide_the_source(tmp_path):
    path = tmp_path / "module_with_escape.py"
    path.write_text("def f(x):\n    '\\d'\n    return x + 1\n")
    spec = importlib.util.spec_from_file_location("module_with_escape", path)
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
        warnings.simplefilter("error")
        compiled = flashpoint.njit(module.f)
        assert compiled(1) == 2
        assert flashpoint._core._locate(module.f) == "FunctionDef"
