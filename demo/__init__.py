"""The demo: `python -m demo` from the root of the clone, or `make demo`."""
