"""Statistics of a line: plates by hour, shift, day or week, what did not pass by evidence, and where on the part."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from platewatch.errors import InputError
from platewatch.records import Judgement, Outcome
from platewatch.records.hourly_counts import HOUR
from platewatch.records.schema import microseconds
from platewatch.records.statistics import Judged, Numbers

SHIFTS = (6, 14, 22)
"""Hours at which the shifts begin, unless others were set."""
COLUMNS, ROWS = 24, 16
"""Cells of the map of places."""
_MOST = 400  # bars


class By(StrEnum):
    """The length of a bar."""

    HOUR = "hour"
    SHIFT = "shift"
    DAY = "day"
    WEEK = "week"


SPANS = {By.HOUR: timedelta(days=2), By.SHIFT: timedelta(days=14), By.DAY: timedelta(days=60)}
SPANS[By.WEEK] = timedelta(weeks=53)
"""How far back a chart goes unless a time is given."""


@dataclass
class Bar:
    """Counts of one hour, shift, day or week."""

    start: datetime
    end: datetime
    counts: Counter[Outcome] = field(default_factory=Counter)
    duration_ms: float = 0.0
    """Sum of the times in which the plates were judged."""
    false_alarms: int = 0
    """REVIEW and REJECT that people reviewed as good."""
    misses: int = 0
    """PASS that people reviewed as defective."""

    @property
    def received(self) -> int:
        """All plates."""
        return self.counts.total()

    @property
    def good_fraction(self) -> float | None:
        """The yield: PASS of all plates with a verdict; None without any."""
        judged = self.received - self.counts[Outcome.FAILED]
        return self.counts[Outcome.PASS] / judged if judged else None

    @property
    def mean_ms(self) -> float | None:
        """Mean time to judge a plate; None without any."""
        return self.duration_ms / self.received if self.received else None


def periods(since: datetime, until: datetime, by: By, shifts: Sequence[int] = SHIFTS) -> list[Bar]:
    """Empty bars from the one that `since` is in to the one before `until`; the newest 400 of more."""
    found = list[Bar]()
    start = begin(until, by, shifts)
    while start + timedelta(days=8) > since and len(found) < _MOST:
        end = following(start, by, shifts)
        if end <= since:
            break
        if start < until:
            found.append(Bar(start, end))
        start = begin(start - timedelta(minutes=1), by, shifts)
    return found[::-1]


def hours(bar: Bar) -> tuple[int, int]:
    """The first full hour of a bar, and the one after its last, since 1970, UTC."""
    return microseconds(bar.start) // HOUR, microseconds(bar.end) // HOUR


def fill(bars: Sequence[Bar], numbers: Numbers) -> None:
    """Enter the counts and reviews into the bars; each bar was one of the periods asked for."""
    for bar, counted in zip(bars, numbers.periods, strict=True):
        for each in counted:
            bar.counts[each.outcome] += each.count
            bar.duration_ms += each.duration_ms
    starts = [microseconds(bar.start) for bar in bars]
    for plate in numbers.reviewed:
        at = bisect_right(starts, plate.received) - 1
        if at < 0:
            continue
        if plate.outcome is Outcome.PASS and plate.judgement is Judgement.DEFECTIVE:
            bars[at].misses += 1
        elif plate.outcome in (Outcome.REVIEW, Outcome.REJECT) and plate.judgement is Judgement.GOOD:
            bars[at].false_alarms += 1


def begin(time: datetime, by: By, shifts: Sequence[int] = SHIFTS) -> datetime:
    """When the hour, shift, day or week of this time began, on this machine's clock."""
    local = time.astimezone().replace(tzinfo=None, minute=0, second=0, microsecond=0)
    if by is By.SHIFT:
        earlier = [hour for hour in sorted(shifts) if hour <= local.hour]
        local = local.replace(hour=earlier[-1]) if earlier else local.replace(hour=max(shifts)) - timedelta(days=1)
    elif by is not By.HOUR:
        local = local.replace(hour=0) - timedelta(days=local.weekday() if by is By.WEEK else 0)
    elif time.astimezone().fold:
        return time.astimezone().replace(minute=0, second=0, microsecond=0)
    return local.astimezone()


def following(start: datetime, by: By, shifts: Sequence[int] = SHIFTS) -> datetime:
    """When the next hour, shift, day or week begins."""
    if by is By.HOUR:
        return start + timedelta(hours=1)
    local = start.replace(tzinfo=None)
    if by is By.SHIFT:
        later = [hour for hour in sorted(shifts) if hour > local.hour]
        found = local.replace(hour=later[0]) if later else local.replace(hour=min(shifts)) + timedelta(days=1)
        return found.astimezone()
    return (local + timedelta(days=7 if by is By.WEEK else 1)).astimezone()


def shift_starts(text: str) -> tuple[int, ...]:
    """The hours at which shifts begin, from `06:00 14:00 22:00`; raises InputError."""
    parts = text.replace(",", " ").split()
    try:
        hours = sorted({int(part.removesuffix(":00")) for part in parts})
        if not 1 <= len(hours) <= 12 or not 0 <= hours[0] <= hours[-1] <= 23:
            raise ValueError(text)
    except ValueError as error:
        raise InputError(
            "shifts", f"{text[:60]!r}", expected="1 to 12 full hours such as 06:00 14:00 22:00", remedy="correct them"
        ) from error
    return tuple(hours)


def by_evidence(plates: Iterable[Judged]) -> list[tuple[str, int, Outcome]]:
    """What plates did not pass for, the most frequent first: words, how many, and the outcome of most of them."""
    found = dict[str, Counter[Outcome]]()
    for plate in plates:
        found.setdefault(_cause(plate), Counter())[plate.outcome] += 1
    ordered = sorted(found.items(), key=lambda each: (-each[1].total(), each[0]))
    return [(words, outcomes.total(), outcomes.most_common(1)[0][0]) for words, outcomes in ordered]


def _cause(plate: Judged) -> str:
    if plate.outcome is Outcome.FAILED:
        return "not readable"
    if plate.score is None:
        return plate.reason
    words = {"colour": "colour or brightness", "line": "line", "texture": "texture or shape"}
    strongest = max(plate.evidence, key=lambda name: plate.evidence[name], default="")
    return words.get(strongest, "as a whole")


@dataclass(frozen=True)
class Place:
    """A cell of the map of places."""

    column: int
    row: int
    count: int
    """Plates with a box over this cell."""
    number: int
    """The newest of them."""


def places(plates: Iterable[Judged], size: tuple[int, int]) -> list[Place]:
    """The cells that boxes of these plates cover; `size` is the photographs' width and height in px."""
    count, newest = Counter[tuple[int, int]](), dict[tuple[int, int], int]()
    for plate in plates:
        cells = {cell for box in plate.boxes for cell in _cells(box, size)}
        count.update(cells)
        for cell in cells:
            newest[cell] = max(plate.number, newest.get(cell, 0))
    return [Place(column, row, count[column, row], newest[column, row]) for column, row in sorted(count)]


def _cells(box: tuple[int, int, int, int], size: tuple[int, int]) -> Iterable[tuple[int, int]]:
    left, top, width, height = box
    columns = range(left * COLUMNS // size[0], min(COLUMNS, -(-(left + width) * COLUMNS // size[0])))
    rows = range(top * ROWS // size[1], min(ROWS, -(-(top + height) * ROWS // size[1])))
    return ((column, row) for column in columns for row in rows)


def extent(plates: Iterable[Judged]) -> tuple[int, int]:
    """A size in px that holds every box, for plates whose photographs are not stored."""
    boxes = [box for plate in plates for box in plate.boxes]
    return max((x + w for x, _, w, _ in boxes), default=1), max((y + h for _, y, _, h in boxes), default=1)
