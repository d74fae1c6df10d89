"""Coordinates of the charts on the statistics page; the template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from platewatch.line.statistics import Bar
from platewatch.records import Outcome
from platewatch.records.statistics import Judged
from platewatch.station import charts

WIDTH, HEIGHT = 720, 230
LEFT, RIGHT, TOP, BOTTOM = 48.0, WIDTH - 12.0, 14.0, HEIGHT - 30.0
_LABELS = 7  # most labels of the horizontal axis
_ORDER = Outcome.PASS, Outcome.REVIEW, Outcome.REJECT, Outcome.FAILED


@dataclass(frozen=True)
class Piece:
    """One outcome in a bar: a rectangle."""

    outcome: Outcome
    y: float
    height: float
    count: int


@dataclass(frozen=True)
class Column:
    """A bar of the chart of counts."""

    x: float
    width: float
    bar: Bar
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Axes:
    """Position and label of each tick."""

    below: tuple[tuple[float, str], ...]
    left: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Counts:
    """Stacked bars: what became of the plates."""

    axes: Axes
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Line:
    """One value for each bar; bars without one interrupt the line."""

    axes: Axes
    path: str
    points: tuple[tuple[float, float, Bar], ...]


@dataclass(frozen=True)
class Scores:
    """Scores of plates over time, the limit at each, and the changes of the model."""

    axes: Axes
    points: tuple[tuple[float, float, Judged], ...]
    limit: str
    """Path of the REJECT limit."""
    changes: tuple[tuple[float, str], ...]
    """Position and id of each model that another one preceded."""


def counts(bars: Sequence[Bar], form: str) -> Counts:
    """The bars with their counts; `form` is the label's, for `strftime`."""
    high = max((bar.received for bar in bars), default=1)
    step = (RIGHT - LEFT) / max(8, len(bars))
    columns = []
    for at, bar in enumerate(bars):
        pieces, below = list[Piece](), 0
        for outcome in _ORDER:
            if bar.counts[outcome]:
                top = _y(below + bar.counts[outcome], 0, high)
                pieces.append(Piece(outcome, top, _round(_y(below, 0, high) - top), bar.counts[outcome]))
            below += bar.counts[outcome]
        columns.append(Column(_round(LEFT + (at + 0.08) * step), _round(0.84 * step), bar, tuple(pieces)))
    return Counts(Axes(_labels(bars, form), _ticks(0, high)), tuple(columns))


def line(bars: Sequence[Bar], values: Sequence[float | None], form: str, *, high: float | None = None) -> Line:
    """One value over the bars, from 0 to the highest; with `high` to that, from a multiple of ten below all of them."""
    low = (
        0.0
        if high is None
        else max(0.0, 10 * (min([each for each in values if each is not None], default=0.0) // 10 - 1))
    )
    most = high or max((value for value in values if value is not None), default=1.0) * 1.08 or 1.0
    step = (RIGHT - LEFT) / max(8, len(bars))
    points = [
        (_round(LEFT + (at + 0.5) * step), _y(value, low, most), bar)
        for at, (bar, value) in enumerate(zip(bars, values, strict=True))
        if value is not None
    ]
    path = "M" + "L".join(f"{x} {y}" for x, y, _ in points) if points else ""
    return Line(Axes(_labels(bars, form), _ticks(low, most)), path, tuple(points))


def scores(plates: Sequence[Judged], form: str) -> Scores:
    """Scores over time of plates in the order of their times; a score above three limits stands at the upper edge."""
    scored = [plate for plate in plates if plate.score is not None]
    if not scored:
        return Scores(Axes((), ()), (), "", ())
    high = min(max(each.score or 0 for each in scored), 3 * max(each.threshold for each in scored))
    high = 1.05 * max(high, *(each.threshold for each in scored), 1e-9)
    low = min(0.0, *(each.score or 0 for each in scored))
    first, last = scored[0].received.timestamp(), scored[-1].received.timestamp()

    def x(time: datetime) -> float:
        return _round(LEFT + (RIGHT - LEFT) * (time.timestamp() - first) / max(1e-6, last - first))

    points = tuple((x(each.received), _y(min(each.score or 0, high), low, high), each) for each in scored)
    pairs = list(pairwise(scored))
    limit = f"M{LEFT} {_y(scored[0].threshold, low, high)}" + "".join(
        f"H{x(after.received)}V{_y(after.threshold, low, high)}" for _, after in pairs
    )
    changes = tuple((x(after.received), after.model_id) for before, after in pairs if before.model_id != after.model_id)
    times = [scored[round(part * (len(scored) - 1) / 4)].received for part in range(5)]
    below = tuple({x(time): time.strftime(form) for time in times}.items())
    return Scores(Axes(below, _ticks(low, high)), points, f"{limit}H{RIGHT}", changes)


def _labels(bars: Sequence[Bar], form: str) -> tuple[tuple[float, str], ...]:
    step, every = (RIGHT - LEFT) / max(8, len(bars)), max(1, -(-len(bars) // _LABELS))
    return tuple(
        (_round(LEFT + (at + 0.5) * step), bar.start.strftime(form)) for at, bar in enumerate(bars) if at % every == 0
    )


def _ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    return tuple((_y(value, low, high), f"{value:g}") for value in charts.steps(low, high, 5))


def _y(value: float, low: float, high: float) -> float:
    return _round(BOTTOM - (BOTTOM - TOP) * (value - low) / ((high - low) or 1))


def _round(value: float) -> float:
    return round(value, 1)
