"""Coordinates of the SVG charts on the pages; the templates draw them and choose the colours."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_WIDTH = 480  # of every chart, px
_MARGIN = 16  # px
_ROWS = 11  # most dots on top of each other


@dataclass(frozen=True)
class ScoreChart:
    """A plate's score among the good plates' scores; coordinates in px of a drawing of `width` × `height`."""

    width: int
    height: int
    left: float
    right: float
    dots: tuple[tuple[float, float], ...]
    review: float
    threshold: float
    score: float | None
    """Position of the plate; None on a chart of good plates alone."""
    ticks: tuple[tuple[float, str], ...]
    """Position and label of each tick of the horizontal axis."""
    description: str
    """The chart in one sentence, for screen readers."""


@dataclass(frozen=True)
class CurveChart:
    """One quantity over consecutive plates, with a limit; coordinates in px."""

    width: int
    height: int
    left: float
    right: float
    path: str
    limit: float
    floor: float
    ticks: tuple[tuple[float, str], ...]
    """Position and label of each tick of the vertical axis."""
    description: str


@dataclass(frozen=True)
class Bars:
    """Verdicts on the good plates as one stacked bar of `width` × `height`; each part with its left edge and width."""

    name: str
    width: int
    height: int
    parts: tuple[tuple[str, float, float, int], ...]
    """Verdict, left edge, width, number of plates; parts without plates are left out."""


def bars(name: str, passed: int, review: int, reject: int) -> Bars:
    """The stacked bar of one illumination."""
    total, left, parts = max(1, passed + review + reject), 0.0, []
    for verdict, count in (("PASS", passed), ("REVIEW", review), ("REJECT", reject)):
        width = round(_WIDTH * count / total, 1)
        parts += [(verdict, left, width, count)] if count else []
        left = round(left + width, 1)
    return Bars(name, _WIDTH, 30, tuple(parts))


def scores(good: Sequence[float], review: float, threshold: float, score: float | None = None) -> ScoreChart:
    """A dot plot of the good plates' scores, with both limits and, where one is given, the score of a plate."""
    own = () if score is None else (score,)
    low = min(0.0, *good, *own)
    high = 1.08 * max(threshold, *own, *good, 1e-9)
    x = _axis(low, high, _MARGIN, _WIDTH - _MARGIN)
    rows: dict[int, int] = {}  # the highest row used in each column of 8 px
    dots = []
    for value in sorted(good):
        column = round(x(value) / 8)
        row = rows[column] = rows.get(column, -1) + 1
        dots.append((round(x(value), 1), 112.0 - 8 * min(row, _ROWS - 1)))
    limits = f"REVIEW above {review:.2f}, REJECT above {threshold:.2f}"
    if score is None:
        description = f"Scores of {len(good)} good plates, each by detectors fitted without it; {limits}."
    else:
        above = sum(value >= score for value in good)
        description = (
            f"Score {score:.2f}, REJECT above {threshold:.2f}; {above} of {len(good)} good plates are as high."
        )
    return ScoreChart(
        width=_WIDTH,
        height=172,
        left=_MARGIN,
        right=_WIDTH - _MARGIN,
        dots=tuple(dots),
        review=round(x(min(review, threshold)), 1),
        threshold=round(x(threshold), 1),
        score=None if score is None else round(x(score), 1),
        ticks=tuple((round(x(value), 1), f"{value:g}") for value in steps(low, high)),
        description=description,
    )


def curve(values: Sequence[float], limit: float, description: str, *, floor: float = 0.0) -> CurveChart:
    """A line from the oldest value, left, to the newest, right; the vertical axis starts at `floor` or below."""
    low, high = min(floor, *values, limit), 1.1 * max(*values, limit, floor + 1e-9)
    left, right, height = 46.0, float(_WIDTH - _MARGIN), 190
    x, y = _axis(0, max(1, len(values) - 1), left, right), _axis(low, high, height - 12, 14)
    points = [f"{x(index):.1f} {y(value):.1f}" for index, value in enumerate(values)]
    return CurveChart(
        width=_WIDTH,
        height=height,
        left=left,
        right=right,
        path="M" + "L".join(points) if points else "",
        limit=round(y(limit), 1),
        floor=round(y(low), 1),
        ticks=tuple((round(y(value), 1), f"{value:g}") for value in steps(low, high)),
        description=description,
    )


def steps(low: float, high: float, most: int = 6) -> list[float]:
    """Ticks of an axis from `low` to `high`: at most `most` multiples of 1, 2 or 5 times a power of ten."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    unit = 10.0 ** math.floor(math.log10(span / most))
    step = next(unit * times for times in (1, 2, 5, 10) if span / (unit * times) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * number, 10) for number in range(first, last + 1)]


def _axis(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A function from values in `low` to `high` to coordinates in `start` to `end`."""

    def place(value: float) -> float:
        return start + (value - low) / (high - low) * (end - start)

    return place
