"""A shift on paper: counts, hours, every plate that did not pass with its picture, what people said. One HTML file."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from platewatch import files
from platewatch.errors import InputError, RecordError
from platewatch.inspection import now
from platewatch.photographs import reading
from platewatch.photographs.overlay import boxed
from platewatch.photographs.thumbnails import jpeg_uri
from platewatch.records import Counts, Entry, Event, Head, Judgement, Outcome, Query, Records
from platewatch.templates import environment

_TEMPLATES = environment()
_MOST = 200  # plates shown with pictures: more would make a page that no browser prints
_SIDE = 300  # px of a picture's longer side
_MOST_ROWS = 48  # hours; a longer time is told day by day


@dataclass(frozen=True)
class Row:
    """One hour or day."""

    start: datetime
    counts: Counts


@dataclass(frozen=True)
class Card:
    """A plate on the page, with its picture as a data URI or why there is none."""

    entry: Entry
    picture: str | None
    why_none: str


@dataclass(frozen=True)
class Shift:
    """All that the page shows."""

    since: datetime
    until: datetime
    counts: Counts
    rows: tuple[Row, ...]
    step: str
    cards: tuple[Card, ...]
    left_out: int
    """Plates that did not pass and have no place on the page."""
    overruled: int
    """REJECT or REVIEW called good by a person."""
    missed: int
    """PASS called defective by a person."""
    waiting: int
    events: tuple[Event, ...]
    models: tuple[str, ...]
    head: Head
    made: datetime


def write(
    records: Records, since: datetime, until: datetime, path: Path, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write the page on the plates received from `since` on and before `until`; raises InputError, OutputError."""
    shift = gather(records, since, until, progress)
    page = _TEMPLATES.get_template("shift.html").render(shift=shift)
    return files.write(path, page)


def gather(
    records: Records, since: datetime, until: datetime, progress: Callable[[int, int], None] | None = None
) -> Shift:
    """Everything that the page shows; raises InputError when the time ends before it begins."""
    if since >= until:
        raise InputError(
            "report", f"from {since} to {until}", expected="an end after the beginning", remedy="swap them"
        )
    head, counts = records.head(), records.counts(since, until)
    shown = _not_passed(records, since, until)
    cards = []
    for done, entry in enumerate(shown[:_MOST], start=1):
        cards.append(_card(records, entry))
        if progress is not None:
            progress(done, min(len(shown), _MOST))
    within = Query(since=since, until=until)
    defective = records.every(Query(since=since, until=until, judgement=Judgement.DEFECTIVE))
    missed = sum(entry.outcome is Outcome.PASS for entry in defective)
    good = records.every(Query(since=since, until=until, judgement=Judgement.GOOD))
    step = timedelta(hours=1) if until - since <= timedelta(hours=_MOST_ROWS) else timedelta(days=1)
    return Shift(
        since=since,
        until=until,
        counts=counts,
        rows=_rows(records, since, until, step),
        step="hour" if step < timedelta(days=1) else "day",
        cards=tuple(cards),
        left_out=max(0, len(shown) - _MOST),
        overruled=sum(entry.outcome in (Outcome.REVIEW, Outcome.REJECT) for entry in good),
        missed=missed,
        waiting=sum(entry.review is None and entry.outcome in (Outcome.REVIEW, Outcome.REJECT) for entry in shown),
        events=tuple(reversed(records.events(since=since, until=until, limit=200))),
        models=_models(records, within),
        head=head,
        made=now(),
    )


def _not_passed(records: Records, since: datetime, until: datetime) -> list[Entry]:
    """REVIEW, REJECT and what could not be read, oldest first."""
    outcomes = (Outcome.REVIEW, Outcome.REJECT, Outcome.FAILED)
    found = [entry for each in outcomes for entry in records.every(Query(since=since, until=until, outcome=each))]
    return sorted(found, key=lambda entry: entry.number)


def _models(records: Records, within: Query) -> tuple[str, ...]:
    asked = (
        (model, Query(since=within.since, until=within.until, model_id=model, limit=1)) for model in records.model_ids()
    )
    return tuple(model for model, query in asked if records.find(query).entries)


def _rows(records: Records, since: datetime, until: datetime, step: timedelta) -> tuple[Row, ...]:
    """One for each hour or day in which plates came, beginning at full ones."""
    start = since.replace(minute=0, second=0, microsecond=0)
    if step >= timedelta(days=1):
        start = start.replace(hour=0)
    rows = list[Row]()
    while start < until:
        counts = records.counts(max(start, since), min(start + step, until))
        rows += [Row(max(start, since), counts)] if counts.received else []
        start += step
    return tuple(rows)


def _card(records: Records, entry: Entry) -> Card:
    try:
        data = records.photograph(entry.number)
        if data is None:
            return Card(entry, None, "photograph not kept")
        return Card(entry, jpeg_uri(boxed(reading.read(data), entry.inspection.defects), _SIDE), "")
    except RecordError:
        return Card(entry, None, "photograph altered or out of reach: see the audit")
    except InputError:
        return Card(entry, None, "photograph cannot be read")
