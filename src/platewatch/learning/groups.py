"""Groups of good plates: near duplicates, the groups that a person tells, and groups that names and pictures suggest.

Plates of one group are alike, so they share a fold, no plate is scored by detectors that saw its group, and the bound
on false alarms counts groups (`decision.calibration.false_alarm_bound`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from platewatch.arrays import Doubles, Indices, Photos
from platewatch.errors import InputError
from platewatch.photographs.grouping import OPTION

FEWEST = 3
"""Fewest groups that allow limits."""

_NEAR = 2.0  # of 255: largest mean difference between the thumbnails of near duplicates,
_NEARER = 0.25  # and largest ratio to the median of all pairs, because in a jig all plates look nearly alike
_DATE = r"(20\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01]))"
_PREFIX = r"^(.+?)[-_. ]?\d+\.[^.]+$"
_FEWEST_IN_RUNS = 16  # photographs; fewer show no pattern
_LONGEST_RUN = 16
_CLEAR, _CLEARER = 4.5, 1.5  # docs/log.md: 0 of 600 sequences without groups reach both, the commutators do


@dataclass(frozen=True)
class Told:
    """Groups as a person told them."""

    rule: str
    """As in `photographs.grouping.Grouping`."""
    names: tuple[str, ...]
    """The group of each plate."""


@dataclass(frozen=True)
class Groups:
    """The group of each of N plates."""

    numbers: tuple[int, ...]
    """The number of each plate's group."""
    names: tuple[str, ...]
    """The name of each plate's group; empty for a plate without near duplicates where no groups were told."""
    rule: str = ""
    """How the groups were told; empty when they were not."""

    @property
    def count(self) -> int:
        return len(set(self.numbers))


def of(paths: Sequence[Path], near: Sequence[tuple[int, int]], told: Told | None) -> Groups:
    """The groups that were told, joined where plates of two of them are `near` duplicates; without, these alone."""
    same: dict[str, int] = {}
    pairs = [(same.setdefault(name, plate), plate) for plate, name in enumerate(told.names if told else ())]
    numbers = join(len(paths), [*pairs, *near])
    labels: dict[int, str] = {}
    for number in set(numbers):
        members = [plate for plate, each in enumerate(numbers) if each == number]
        if told:
            own = list(dict.fromkeys(told.names[plate] for plate in members))
            labels[number] = " = ".join(own[:3]) + (f" = {len(own) - 3} more" if len(own) > 3 else "")
        else:
            labels[number] = paths[members[0]].name if len(members) > 1 else ""
    return Groups(numbers, tuple(labels[number] for number in numbers), told.rule if told else "")


def check(groups: Groups, folds: int) -> None:
    """Raise InputError when groups were told and they are too few for the folds."""
    needed = max(FEWEST, folds)
    if groups.rule and groups.count < needed:
        what = f"{groups.count} groups of {len(groups.numbers)} photographs"
        remedy = "add photographs of other parts or days, or tell smaller groups"
        raise InputError(f"{OPTION} {groups.rule}", what, expected=f"at least {needed}", remedy=remedy)


def near_duplicates(photos: Photos) -> list[tuple[int, int]]:
    """The pairs of plates whose prepared photographs, (N, S, S, 3) uint8, differ hardly at all."""
    apart = _differences(photos)
    above = np.triu_indices(len(photos), 1)
    limit = min(_NEAR, _NEARER * float(np.median(apart[above])))
    return [(int(one), int(other)) for one, other in zip(*above, strict=True) if apart[one, other] < limit]


def join(count: int, pairs: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Each plate's number of its connected component of pairs; a component is never split by a fold."""
    group = list(range(count))
    for one, other in pairs:
        old, new = group[other], group[one]
        group = [new if each == old else each for each in group]
    return tuple(group)


def suggestion(paths: Sequence[Path], photos: Photos, fewest: int = FEWEST) -> str | None:
    """A sentence that names the groups which file names and pictures suggest, with the option; None without any.

    Dates and prefixes that several names share count when they give at least `fewest` groups, of two on average. Runs
    of consecutive numbers count only when the pictures confirm them.
    """
    names = [path.name for path in paths]
    for what, pattern in (("date", _DATE), ("beginning", _PREFIX)):
        found = [re.search(pattern, name) for name in names]
        groups = [match[1] for match in found if match]
        if len(groups) == len(names) and fewest <= len(set(groups)) <= len(names) / 2:
            shown = ", ".join(list(dict.fromkeys(groups))[:3])
            return _sentence(f"names share a {what} ({shown}, …)", len(set(groups)), pattern)
    length, first = _runs(names, photos)
    if not length:
        return None
    count = len({(number - first) // length for number in _numbers(names)})
    rule = f"runs:{length}" + (f":{first}" if first else "")
    seen = f"photographs in runs of {length} numbers are more alike than others with numbers as close"
    return _sentence(seen, count, rule) if count >= fewest else None


def _sentence(seen: str, count: int, rule: str) -> str:
    return (
        f"{seen}: {count} groups. If a group shows one part, place, batch or day, train with {OPTION} '{rule}'; "
        "otherwise the bound on false alarms says too little"
    )


def _runs(names: Sequence[str], photos: Photos) -> tuple[int, int]:
    """Length and first number of the runs of photographs that are alike; (0, 0) where there are none.

    For each length, the runs that begin at 0 or 1 must be far clearer than runs of this length that begin elsewhere.
    """
    numbers = _numbers(names)
    if len(numbers) < _FEWEST_IN_RUNS or len(set(numbers)) < len(names):
        return 0, 0
    apart = _differences(photos)
    lengths = range(2, _LONGEST_RUN + 1)
    clear, length, first = max(
        (_clearness(apart, numbers, each, start), each, start) for each in lengths for start in (0, 1)
    )
    others = (_clearness(apart, numbers, length, start) for start in range(length) if start != first)
    return (length, first) if clear > max(_CLEAR, _CLEARER * max(others)) else (0, 0)


def _numbers(names: Sequence[str]) -> Indices:
    """The last number in each name; empty when a name has none, or when the names differ in more than that."""
    parts = [re.fullmatch(r"(.*?)(\d{1,12})(\D*)", Path(name).stem) for name in names]
    rests = {(part[1], part[3]) for part in parts if part}
    return np.array([int(part[2]) for part in parts if part] if None not in parts and len(rests) == 1 else [], int)


def _clearness(apart: Doubles, numbers: Indices, length: int, first: int) -> float:
    """How much farther apart photographs of two runs are than those of one, at equal distance of their numbers.

    The difference of means in standard errors, over all distances below `length`: serial drift alone gives none.
    """
    one, other = np.triu_indices(len(numbers), 1)
    lag, run, values = np.abs(numbers[other] - numbers[one]), (numbers - first) // length, apart[one, other]
    total = weights = 0.0
    for distance in range(1, length):
        same = values[(lag == distance) & (run[one] == run[other])]
        across = values[(lag == distance) & (run[one] != run[other])]
        if min(len(same), len(across)) >= 2:
            weight = len(same) * len(across) / (len(same) + len(across))
            total, weights = total + weight * float(across.mean() - same.mean()), weights + weight
    deviation = float(values.std())
    return total / np.sqrt(weights) / deviation if weights and deviation else 0.0


def _differences(photos: Photos) -> Doubles:
    """The mean absolute difference between the thumbnails of each two of (N, S, S, 3) uint8: (N, N), of 255."""
    thumbs = np.stack([cv2.resize(photo, (32, 32), interpolation=cv2.INTER_AREA) for photo in photos])
    flat = thumbs.reshape(len(photos), -1).astype(np.int16)
    return np.stack([np.abs(flat - each).mean(axis=1) for each in flat])
