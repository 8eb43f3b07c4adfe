# Every public target does its own set-up: LLVM, .venv, the extension. `make help` lists them.
# Cargo's output lies outside the clone (see scripts/env), so that the clone stays small and survives `git clean`.

SHELL := /bin/bash
PYTHON ?= python3
ARGS ?=
VENV_PYTHON := .venv/bin/python
ENV := . scripts/env

.DEFAULT_GOAL := help
.PHONY: help demo test lint wheel bench-loops fuzz fuzz-selftest build llvm venv clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{ printf "  make %-14s %s\n", $$1, $$2 }'
	@echo "  ARGS=\"...\" is handed to demo, test (pytest), bench-loops, fuzz and fuzz-selftest; PYTHON=python3.x chooses the interpreter;"
	@echo "  FLASHPOINT_NO_LLVM=1 builds without tier 2."

demo: build ## run benchmark programs on real sizes
	$(ENV) && $(VENV_PYTHON) -m demo $(ARGS)

test: build ## run the Rust tests, then the Python tests
	scripts/test $(ARGS)

lint: venv llvm ## rustfmt, clippy, ruff, mypy; warnings are errors
	scripts/lint

wheel: venv llvm ## build dist/*.whl and try it in an empty virtual environment
	scripts/wheel

bench-loops: build ## compare with every peer found installed
	$(ENV) && $(VENV_PYTHON) bench/loops.py $(ARGS)

fuzz: build ## compare random programs on every tier with CPython, for an hour
	$(ENV) && $(VENV_PYTHON) -m fuzz --seconds 3600 $(ARGS)

# The defects are compiled in by the Cargo feature `planted`; whatever comes of it, the ordinary build is put back.
fuzz-selftest: venv llvm ## plant defects and see which of them the fuzzer finds (long)
	trap scripts/build EXIT; FLASHPOINT_FEATURES=planted scripts/build && $(ENV) && $(VENV_PYTHON) -m fuzz.selftest $(ARGS)

build: venv llvm ## build the extension and the tier-2 library into the clone's .venv
	scripts/build

llvm: ## install LLVM 22's development package if it is missing
	scripts/install-llvm

venv: .venv/.ready ## make .venv with the packages of requirements-dev.txt
.venv/.ready: requirements-dev.txt
	scripts/venv $(PYTHON)

clean: ## remove .venv, dist, caches and Cargo's output
	. scripts/env && { [ ! -d "$$CARGO_TARGET_DIR" ] || cargo clean; }
	rm -rf .venv dist build out .pytest_cache .mypy_cache .ruff_cache .hypothesis python/flashpoint/*.so
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
