"""Charts for the pages: where each mark of an SVG goes. The templates draw them; nothing here knows a colour."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_WIDTH = 480
_EDGE = 16
_ROWS = 11  # dots of one column are piled up this high, then the column is full


@dataclass(frozen=True)
class ScoreChart:
    """A plate's score among the good plates' scores; all in px of a drawing `width` × `height`."""

    width: int
    height: int
    left: float
    right: float
    dots: tuple[tuple[float, float], ...]
    review: float
    threshold: float
    score: float
    ticks: tuple[tuple[float, str], ...]
    words: str
    """The chart in a sentence, for who cannot see it."""


@dataclass(frozen=True)
class CurveChart:
    """One quantity over a row of plates, with a limit."""

    width: int
    height: int
    left: float
    right: float
    path: str
    limit: float
    floor: float
    ticks: tuple[tuple[float, str], ...]
    """On the upright axis."""
    words: str


def scores(good: Sequence[float], review: float, threshold: float, score: float) -> ScoreChart:
    """The good plates as dots, piled where they are alike, the limits, and the plate."""
    low = min(0.0, *good, score)
    high = 1.08 * max(threshold, score, *good, 1e-9)
    place = _axis(low, high, _EDGE, _WIDTH - _EDGE)
    piles: dict[int, int] = {}
    dots = []
    for value in sorted(good):
        column = round(place(value) / 8)
        row = piles[column] = piles.get(column, -1) + 1
        dots.append((round(place(value), 1), 112.0 - 8 * min(row, _ROWS - 1)))
    above = sum(value >= score for value in good)
    return ScoreChart(
        width=_WIDTH,
        height=172,
        left=_EDGE,
        right=_WIDTH - _EDGE,
        dots=tuple(dots),
        review=round(place(min(review, threshold)), 1),
        threshold=round(place(threshold), 1),
        score=round(place(score), 1),
        ticks=tuple((round(place(value), 1), f"{value:g}") for value in steps(low, high)),
        words=f"Score {score:.2f}; rejected above {threshold:.2f}; {above} of {len(good)} good plates score as high.",
    )


def curve(values: Sequence[float], limit: float, words: str, *, floor: float = 0.0) -> CurveChart:
    """The values from left to right, the newest at the right edge, and the limit; `floor` is the axis's lower end."""
    low, high = min(floor, *values, limit), 1.1 * max(*values, limit, floor + 1e-9)
    left, right, height = 46.0, float(_WIDTH - _EDGE), 190
    upright, along = _axis(low, high, height - 12, 14), _axis(0, max(1, len(values) - 1), left, right)
    points = [f"{along(index):.1f} {upright(value):.1f}" for index, value in enumerate(values)]
    return CurveChart(
        width=_WIDTH,
        height=height,
        left=left,
        right=right,
        path="M" + "L".join(points) if points else "",
        limit=round(upright(limit), 1),
        floor=round(upright(low), 1),
        ticks=tuple((round(upright(value), 1), f"{value:g}") for value in steps(low, high)),
        words=words,
    )


def steps(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers within an axis, 1, 2 or 5 times a power of ten apart, at most `most`."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    unit = 10.0 ** math.floor(math.log10(span / most))
    step = next(unit * times for times in (1, 2, 5, 10) if span / (unit * times) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * number, 10) for number in range(first, last + 1)]


def _axis(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    def place(value: float) -> float:
        return start + (value - low) / (high - low) * (end - start)

    return place
