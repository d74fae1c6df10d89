"""Which tests coverage is measured in: its tracer doubles the time of Python code, ours and that of every library."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

CASES = 1
"""Of each parametrised test: further cases run the same lines."""

UNMEASURED = """
artificial_defects benchmarks browser calibration candidates coreset dependencies detector docs drift errors export
features foreground formats fusing hard_defects harness imports invariants live_page load metrics mutated_inputs
nearest_neighbours network operations overlay padding phases quality real records_killed records_photographs
records_plans rendered_plates report rest_docs robust sensitivity_plots shift_report simulation speed_benchmarks
station_killed telemetry templates tiles verdict wheel words
"""
"""Files of tests that run almost no line of ours that others do not run too, or that work in other processes."""


@contextmanager
def unmeasured() -> Iterator[None]:
    """Run the block, and the threads that it starts, without the tracer."""
    tracer, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)
        threading.settrace(of_threads)


def choose(items: list[pytest.Item]) -> None:
    """Mark what is not measured `unmeasured`, by the order in which tests are collected, the same in every worker."""
    cases, left_out = Counter[str](), frozenset(UNMEASURED.split())
    for item in items:
        test = item.nodeid.partition("[")[0]
        cases[test] += 1
        if cases[test] > CASES or item.path.stem.removeprefix("test_") in left_out:
            item.add_marker("unmeasured")
