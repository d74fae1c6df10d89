"""Counts over a result's rows: outcomes, mistakes, scores over time and folder, the worst; memory does not grow."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from platewatch.archive import places, rows
from platewatch.archive.judging import AGAINST, ROWS, SUFFIX
from platewatch.archive.places import Place
from platewatch.archive.shards import content
from platewatch.errors import InputError
from platewatch.inspection import Verdict
from platewatch.photographs.data_sets import ANOMALOUS, NORMAL

BINS = 100
"""Bins of a score divided by the model's threshold, from 0 to 2; the last one holds all above."""
WORST = 100
_NAMED = 100  # failures, mistakes and disagreements that are named
_MOST_FOLDERS = 5000
OTHERS = "other folders"
_COLUMNS = ("image", "source", "outcome", "score", "threshold", "reason", "error", "plate_id", "label", "taken")


@dataclass
class Group:
    """Photographs of one folder or hour."""

    outcomes: Counter[str] = field(default_factory=Counter)
    scores: list[int] = field(default_factory=lambda: [0] * BINS)

    def add(self, outcome: str, place: int | None) -> None:
        self.outcomes[outcome] += 1
        if place is not None:
            self.scores[place] += 1

    def merge(self, other: "Group") -> None:
        self.outcomes.update(other.outcomes)
        self.scores = [one + two for one, two in zip(self.scores, other.scores, strict=True)]

    def quantile(self, fraction: float) -> float | None:
        """Of the scores, in thresholds, to a bin's width; None without any."""
        before, total = 0, sum(self.scores)
        for place, count in enumerate(self.scores):
            before += count
            if count and before >= fraction * total:
                return (place + 0.5) * 2 / BINS
        return None


@dataclass(order=True)
class Shown:
    """A photograph that the report names; ordered by `rank`."""

    rank: float
    row: dict[str, Any] = field(compare=False)
    other: dict[str, Any] | None = field(default=None, compare=False)
    """The other model's row."""


@dataclass
class Tally:
    """All counts of a result."""

    photographs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    labelled: Counter[tuple[int, str]] = field(default_factory=Counter)
    """By label and outcome."""
    all: Group = field(default_factory=Group)
    folders: dict[str, Group] = field(default_factory=dict)
    hours: dict[int, Group] = field(default_factory=dict)
    """By hours since 1970."""
    worst: list[Shown] = field(default_factory=list)
    mistakes: list[Shown] = field(default_factory=list)
    """Missed ones with the lowest scores and false alarms with the highest."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Image and error of the first ones."""
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By the outcomes of both models."""
    disagreements: list[Shown] = field(default_factory=list)

    def missed(self) -> int:
        return self.labelled[ANOMALOUS, Verdict.PASS]

    def false_alarms(self) -> int:
        return self.labelled[NORMAL, Verdict.REJECT]

    def of_label(self, label: int) -> int:
        return sum(count for (each, _), count in self.labelled.items() if each == label)

    def add(self, row: dict[str, Any]) -> None:
        outcome, score, label = row["outcome"], row["score"], row["label"]
        self.photographs += 1
        self.outcomes[outcome] += 1
        place = None if score is None else min(BINS - 1, max(0, int(score / row["threshold"] * BINS / 2)))
        self.all.add(outcome, place)
        folder = row["image"].rpartition("/")[0] or row["source"]
        if folder not in self.folders and len(self.folders) >= _MOST_FOLDERS:
            folder = OTHERS
        self.folders.setdefault(folder, Group()).add(outcome, place)
        taken: datetime | None = row["taken"]
        if taken is not None:
            self.hours.setdefault(int(taken.timestamp() // 3600), Group()).add(outcome, place)
        if outcome == rows.FAILED and len(self.failed) < _NAMED:
            self.failed.append((row["image"], row["error"] or row["reason"]))
        if score is not None:
            _keep(self.worst, Shown(score, row), WORST)
        if label is not None:
            self.labelled[label, outcome] += 1
            if label == ANOMALOUS and outcome == Verdict.PASS:
                _keep(self.mistakes, Shown(1e9 - score, row), _NAMED)
            elif label == NORMAL and outcome == Verdict.REJECT:
                _keep(self.mistakes, Shown(score, row), _NAMED)

    def compare(self, row: dict[str, Any], other: dict[str, Any]) -> None:
        """Add the outcomes of both models on one photograph."""
        pair = row["outcome"], other["outcome"]
        self.pairs[pair] += 1
        if pair[0] != pair[1]:
            scores = [each["score"] / each["threshold"] for each in (row, other) if each["score"] is not None]
            apart = abs(scores[0] - scores[1]) if len(scores) == 2 else 0.0
            severe = 1000.0 if set(pair) == {Verdict.PASS, Verdict.REJECT} else 0.0
            _keep(self.disagreements, Shown(severe + apart, row, other), _NAMED)


def _keep(heap: list[Shown], shown: Shown, most: int) -> None:
    if len(heap) < most:
        heapq.heappush(heap, shown)
    else:
        heapq.heappushpop(heap, shown)


def of(out: Place, names: Iterable[str], reported: Callable[[int], None]) -> Tally:
    """The counts over the rows of these shards, and of the other model's where it has judged them.

    `reported` is called with the number of photographs so far. Raises InputError for a file that cannot be read.
    """
    found = Tally()
    others = {content(name): name for name in places.names(out.child(AGAINST), SUFFIX)}
    for name in sorted(names):
        table = read(out.child(ROWS).child(name + SUFFIX), _COLUMNS).to_pylist()
        other = others.get(content(name))
        pairs = read(out.child(AGAINST).child(other + SUFFIX), _COLUMNS).to_pylist() if other else []
        for row in table:
            found.add(row)
        for row, twin in zip(table, pairs, strict=False):
            found.compare(row, twin)
        reported(found.photographs)
    for heap in (found.worst, found.mistakes, found.disagreements):
        heap.sort(reverse=True)
    return found


def read(place: Place, columns: Sequence[str]) -> pa.Table:
    """Columns of one file of rows; raises InputError when it cannot be read."""
    try:
        return parquet.read_table(pa.BufferReader(places.read(place)), columns=list(columns), use_threads=False)
    except pa.ArrowException as error:
        raise InputError(place.name, f"no readable Parquet file ({error})", remedy="remove it and run again") from error
