"""Times measured in turn within one run, A B A B, and compared in pairs, so that other load slows both equally."""

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from benchmarks.harness import say

Measure = Callable[[], float]  # does the work once and returns its time


def children() -> float:
    """CPU seconds of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> Measure:
    """A measure of `work`: CPU seconds of this process, or by another clock."""

    def once() -> float:
        started = clock()
        work()
        return clock() - started

    return once


def in_turn(
    measures: Mapping[str, Measure], rounds: int, *, warm_up: int = 1, what: str = ""
) -> dict[str, list[float]]:
    """Run each measure once per round; returns the values of all rounds except the first `warm_up`."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for done in range(rounds + warm_up):
        for name, measure in measures.items():
            taken[name].append(measure())
        if what:
            say(f"{what}: round {done + 1} of {rounds + warm_up}")
    return {name: values[warm_up:] for name, values in taken.items()}


def medians(taken: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each measure."""
    return {name: median(values) for name, values in taken.items()}


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median over the rounds of the ratio of both values of a round."""
    return median(first / second for first, second in zip(above, below, strict=True))
