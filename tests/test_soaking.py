"""The soak's plan and its arithmetic: what is done to the station when, and what counts as wrong afterwards."""

from pathlib import Path
from typing import Any

import pytest

import soaking
from soaking import Seen

SOUND: dict[str, Any] = {
    "numbers": [1, 2, 3],
    "counts": {"received": 3, "judged": 2, "failed": 1},
    "audit": {"whole": True},
    "waiting": 0,
    "unfinished": 0,
    "stopped": 0,
    "seconds": 1800.0,
    "slope": 1.5,
    "tried": {"clock": True, "disk": True},
}


def test_the_plan_has_everything_and_no_kill_after_a_third() -> None:
    plan = soaking.plan(1800.0)
    assert [second for second, _, _ in plan] == sorted(second for second, _, _ in plan)
    assert {(what, how) for _, what, how in plan} == set(soaking.TURNS)
    assert all(second < 600 for second, what, _ in plan if what == "kill")
    assert sum(what == "kill" for _, what, _ in plan) >= 3
    assert plan[-1][0] <= 0.9 * 1800
    ends = {what: how for _, what, how in plan}
    assert (ends["disk"], ends["broker"]) == ("free", "back")


def test_a_stall_is_the_longest_time_between_two_plates_that_touches_a_period() -> None:
    seen = Seen(acknowledged=[(1, 1), (2, 5), (9, 6), (10, 7)])
    assert seen.stall(3, 4) == 7
    assert seen.stall(0, 1.5) == 1
    assert seen.stall(9.5, 12) == 1
    assert Seen().stall(0, 1) == 0


def test_the_slope_is_that_after_the_last_kill() -> None:
    seen = Seen(megabytes=[(float(second), 50.0 * second) for second in range(0, 100, 5)])
    seen.megabytes += [(float(second), 200 + second / 3600) for second in range(100, 200, 5)]
    assert seen.slope(100) == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, ""),
        ({"numbers": [1, 2, 2]}, "under the number of another one"),
        ({"numbers": [1, 2]}, "the record has 3 plates, the clients 2"),
        ({"counts": {"received": 3, "judged": 2, "failed": 0}}, "received 3, judged 2, failed 0"),
        ({"counts": {}}, "received None"),
        ({"audit": {"whole": False}}, "the chain is not intact"),
        ({"waiting": 15}, "15 plates were not delivered"),
        ({"unfinished": 1}, "1 clients still wait"),
        ({"stopped": 1}, "ended with 1"),
        ({"slope": 7.0}, "memory grows by 7.0 MB an hour"),
        ({"slope": 7.0, "seconds": 180.0}, ""),
        ({"tried": {"clock": False, "disk": True}}, "not tried: clock"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], word: str) -> None:
    found = soaking.wrong(SOUND | changes)
    assert bool(found) == bool(word)
    assert word in "; ".join(found)


def test_a_clock_is_stepped_only_with_the_library(tmp_path: Path) -> None:
    assert soaking.stepped_clock(None, tmp_path / "clock") == {}
    found = soaking.stepped_clock(Path("libfaketime.so.1"), tmp_path / "clock")
    assert found["LD_PRELOAD"] == "libfaketime.so.1"
    assert found["FAKETIME_TIMESTAMP_FILE"] == str(tmp_path / "clock")
    assert (tmp_path / "clock").read_text() == "+0"
