"""Results of an exploration: groups of plates with their measures, AUROCs, outliers."""

from dataclasses import dataclass

from platewatch.arrays import Doubles, Mask, Photo

TRAIN, TEST = "good (train)", "good (test)"
BANK = "patches: memory bank"
"""Name of phase one, platewatch.surface.detector, among the detectors."""
OUTLIERS_SHOWN = 24


@dataclass(frozen=True)
class Area:
    """AUROC of defects against good test plates with its 95 % interval; below .5 the value is lower on defects."""

    value: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        """Whether the interval excludes .5, which is chance."""
        return self.low > 0.5 or self.high < 0.5


@dataclass(frozen=True)
class Example:
    """The most typical photograph of a group: prepared (S, S, 3) uint8, its mask (S, S) bool, and its histogram."""

    path: str
    photo: Photo
    inside: Mask
    histogram: Doubles


@dataclass(frozen=True)
class Group:
    """The plates of one folder: mean and standard deviation of their histograms (3, BINS), measures (count,)."""

    name: str
    count: int
    histogram: Doubles
    spread: Doubles
    measures: dict[str, Doubles]
    example: Example


@dataclass(frozen=True)
class Row:
    """A detector or a measure with its AUROC on each kind of defect and on all of them together."""

    name: str
    looks_at: str
    areas: dict[str, Area]
    overall: Area | None


@dataclass(frozen=True)
class Outlier:
    """A good plate unlike the others, the reasons, and (x, y) of the place with the highest anomaly, px."""

    path: str
    reasons: tuple[str, ...]
    photo: Photo
    place: tuple[int, int] | None


@dataclass(frozen=True)
class Exploration:
    """The content of the report; `rows` and `detectors` are empty without a labelled test folder."""

    data: str
    size: int
    groups: tuple[Group, ...]
    rows: tuple[Row, ...]
    drift: tuple[Row, ...]
    """Good test plates against good training plates, measure by measure."""
    detectors: tuple[Row, ...]
    outliers: tuple[Outlier, ...]
    """Outliers among the good training plates, strongest first, at most OUTLIERS_SHOWN."""
    outlier_count: int
    """Number of all outliers."""
    masked: int
    """Number of photographs whose background was masked out."""
    covered: float
    """Median fraction of the photograph that the plate covers."""
    grey: int
    """Number of grey photographs."""
    failed: tuple[tuple[str, str], ...]
    """Path and reason of each photograph that is not readable."""

    @property
    def count(self) -> int:
        """Number of readable photographs."""
        return sum(group.count for group in self.groups)

    @property
    def defects(self) -> tuple[str, ...]:
        """The names of the defect groups."""
        return tuple(group.name for group in self.groups if group.name not in (TRAIN, TEST))
