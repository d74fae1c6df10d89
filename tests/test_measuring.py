"""Coverage is measured where it tells something, and off in between."""

import sys
import threading
from pathlib import Path

import pytest

import measuring


def test_a_block_and_its_threads_run_without_the_tracer_that_was_there() -> None:
    def tracer(*_: object) -> None: ...

    before, seen = (sys.gettrace(), threading.gettrace()), list[object]()
    sys.settrace(tracer)
    threading.settrace(tracer)
    try:
        with measuring.unmeasured():
            thread = threading.Thread(target=lambda: seen.append(sys.gettrace()))
            thread.start()
            thread.join()
            seen.append(sys.gettrace())
        assert seen == [None, None]
        assert (sys.gettrace(), threading.gettrace()) == (tracer, tracer)
    finally:
        sys.settrace(before[0])
        threading.settrace(before[1])


@pytest.mark.parametrize("case", ["first", "second"])
def test_the_first_case_of_a_test_is_measured(request: pytest.FixtureRequest, case: str) -> None:
    assert (request.node.get_closest_marker("unmeasured") is None) == (case == "first")


def test_every_file_that_is_left_out_is_there() -> None:
    here = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert here >= set(measuring.UNMEASURED.split())
