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


_cases, _left_out = Counter[str](), frozenset(UNMEASURED.split())


def choose(item: pytest.Item) -> None:
    """Mark the test just collected `unmeasured` where it is; the same tests in every worker and in every order."""
    test = item.nodeid.partition("[")[0]
    _cases[test] += 1
    if _cases[test] > CASES or item.path.stem.removeprefix("test_") in _left_out:
        item.add_marker("unmeasured")
