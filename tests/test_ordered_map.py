"""The ordered map runs items in parallel, keeps their order, bounds its memory and yields results early."""

import queue
import threading
import time
from collections.abc import Iterator

import pytest

from platewatch.model.ordered_map import ordered_map
from waiting import GIVE_UP_S, eventually


def upsampling(number: int) -> int:
    time.sleep(0.001 * (number % 3))
    return 2 * number


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_results_come_in_the_items_order_and_none_is_missing(workers: int) -> None:
    assert list(ordered_map(upsampling, range(50), workers=workers)) == [2 * number for number in range(50)]
    assert list(ordered_map(upsampling, [], workers=workers)) == []


def test_workers_work_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=GIVE_UP_S)
    assert len(list(ordered_map(lambda _: meeting.wait(), range(6), workers=3))) == 6


def test_at_most_three_items_per_worker_are_in_flight() -> None:
    """Backpressure: a million files are not a million photographs in memory."""
    taken = []

    def source() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    for done, _ in enumerate(ordered_map(upsampling, source(), workers=2)):
        assert len(taken) <= done + 1 + 6


def test_a_result_does_not_wait_for_the_next_item() -> None:
    """A camera that has nothing new holds no plate back."""
    plates: queue.Queue[int | None] = queue.Queue()
    results = ordered_map(upsampling, iter(plates.get, None), workers=2)
    for number in range(5):
        plates.put(number)
        assert next(results) == 2 * number
    plates.put(None)
    assert list(results) == []


def test_exceptions_are_raised_in_the_item_s_place() -> None:
    def work(number: int) -> float:
        return 1 / (number - 3)

    def source() -> Iterator[int]:
        yield from (1, 2)
        raise OSError("the camera is gone")

    results = ordered_map(work, range(9), workers=2)
    assert [next(results) for _ in range(3)] == [work(0), work(1), work(2)]
    with pytest.raises(ZeroDivisionError):
        next(results)
    results = ordered_map(work, source(), workers=2)
    assert [next(results), next(results)] == [work(1), work(2)]
    with pytest.raises(OSError, match="camera"):
        next(results)


def test_an_abandoned_iteration_stops_its_threads() -> None:
    before = set(threading.enumerate())
    results = ordered_map(upsampling, iter(range(10**9)), workers=2)
    next(results)
    assert isinstance(results, Iterator)
    results.close()  # type: ignore[attr-defined]
    eventually(lambda: set(threading.enumerate()) <= before)
