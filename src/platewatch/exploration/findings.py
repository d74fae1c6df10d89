"""What a look through a folder found: groups of plates in figures, what tells them apart, odd good plates."""

from dataclasses import dataclass

from platewatch.arrays import Array

TRAIN, TEST = "good (train)", "good (test)"
BANK = "cells: bank of good ones"
"""The detector's name that is phase one, platewatch.surface.detector."""
OUTLIERS_SHOWN = 24


@dataclass(frozen=True)
class Area:
    """Area under the ROC curve, defects against good test plates, and its 95 % interval; below .5: lower on defects."""

    value: float
    low: float
    high: float

    @property
    def tells(self) -> bool:
        """Whether the interval leaves out .5, the coin."""
        return self.low > 0.5 or self.high < 0.5


@dataclass(frozen=True)
class Example:
    """The most typical photograph of a group: prepared (S, S, 3) uint8, where the plate lies (S, S) bool, histogram."""

    path: str
    photo: Array
    inside: Array
    histogram: Array


@dataclass(frozen=True)
class Group:
    """The plates of one folder: mean and standard deviation of their histograms (3, BINS), `measures` (count,) each."""

    name: str
    count: int
    histogram: Array
    spread: Array
    measures: dict[str, Array]
    example: Example


@dataclass(frozen=True)
class Row:
    """A detector or a measure: its area on each kind of defect and, for detectors, on all of them together."""

    name: str
    looks_at: str
    areas: dict[str, Area]
    overall: Area | None


@dataclass(frozen=True)
class Outlier:
    """A good plate unlike the others, the reasons in words, and (x, y) of its strangest place in px of `photo`."""

    path: str
    reasons: tuple[str, ...]
    photo: Array
    place: tuple[int, int] | None


@dataclass(frozen=True)
class Exploration:
    """Everything that the report shows; `rows` and `detectors` are empty without a labelled test folder."""

    data: str
    size: int
    groups: tuple[Group, ...]
    rows: tuple[Row, ...]
    drift: tuple[Row, ...]
    """Good test plates against good training plates, measure by measure."""
    detectors: tuple[Row, ...]
    outliers: tuple[Outlier, ...]
    """The oddest good plates to learn from, oddest first, at most ODD_SHOWN."""
    outlier_count: int
    """How many are odd in all."""
    masked: int
    """Photographs whose background was told from the plate and left out."""
    covered: float
    """The plate's share of the photograph, median over all."""
    grey: int
    """Photographs without colour."""
    failed: tuple[tuple[str, str], ...]
    """Path and reason of each photograph that could not be read."""

    @property
    def count(self) -> int:
        """Photographs that were read."""
        return sum(group.count for group in self.groups)

    @property
    def defects(self) -> tuple[str, ...]:
        """The names of the defect groups."""
        return tuple(group.name for group in self.groups if group.name not in (TRAIN, TEST))
