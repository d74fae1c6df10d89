"""The shift report: counts, hours, every plate that did not pass with its picture, events, the state of the record.

`write` makes one self-contained file; the station's page shows the same content.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from platewatch import files
from platewatch.errors import InputError, RecordError
from platewatch.inspection import now
from platewatch.line import wording
from platewatch.photographs import reading
from platewatch.photographs.overlay import boxed
from platewatch.photographs.thumbnails import jpeg_uri
from platewatch.progress import Progress, silent
from platewatch.records import Counts, Entry, Event, Head, Judgement, Outcome, Query, Records
from platewatch.templates import environment

SIDE = 300
"""px of a picture's longer side."""

_MOST = 200  # plates shown with pictures: more would make a page that no browser prints
_MOST_ROWS = 48  # hours; a longer time is shown by day
_UNREPORTED = ("login", "logout")  # kinds of events that the report leaves out

_TEMPLATES = environment()
_TEMPLATES.globals.update(wording.NAMES)


@dataclass(frozen=True)
class Row:
    """One hour or day."""

    start: datetime
    counts: Counts


@dataclass(frozen=True)
class Card:
    """A plate in the report: its picture as a URI, or why there is none."""

    entry: Entry
    picture: str | None
    why_none: str = ""
    address: str | None = None
    """The plate's own page, where there is one."""


@dataclass(frozen=True)
class Shift:
    """All that the report shows."""

    since: datetime
    until: datetime
    counts: Counts
    rows: tuple[Row, ...]
    step: str
    cards: tuple[Card, ...]
    """The newest plates that did not pass, oldest first."""
    left_out: int
    """Plates that did not pass and are not among the cards."""
    overruled: int
    """REJECT or REVIEW, reviewed as good."""
    missed: int
    """PASS, reviewed as defective."""
    waiting: int
    """REJECT or REVIEW, not reviewed."""
    events: tuple[Event, ...]
    models: tuple[str, ...]
    heads: tuple[Head, ...]
    """The end of each station's chain, of those in the report."""
    made: datetime
    part_type: str | None = None
    """The only part type that it is of; None: of all."""

    @property
    def span(self) -> str:
        """From when to when, and which models judged."""
        models = f"{'model' if len(self.models) == 1 else 'models'} {', '.join(self.models) or 'none'}"
        form = "%Y-%m-%d %H:%M"
        of = f"part type {self.part_type}, " if self.part_type else ""
        return f"{of}from {wording.stamp(self.since, form)} to {wording.stamp(self.until, form)}; {models}"


def write(
    records: Records,
    since: datetime,
    until: datetime,
    path: Path,
    progress: Progress = silent,
    *,
    station: str | None = None,
    part_type: str | None = None,
) -> Path:
    """Write the report on the plates received from `since` on and before `until` as one HTML file.

    With a part type on its plates alone. Raises InputError, OutputError.
    """
    shift = gather(records, since, until, progress=progress, station=station, part_type=part_type)
    return files.write(path, _TEMPLATES.get_template("shift.html").render(shift=shift))


def draw(records: Records, entry: Entry) -> Card:
    """A plate with its boxed photograph as a data URI, so that the page is self-contained."""
    try:
        data = records.photograph(entry.number)
        if data is None:
            return Card(entry, None, "photograph not kept")
        return Card(
            entry, jpeg_uri(boxed(reading.shown(data, f"plate {entry.number}"), entry.inspection.defects), SIDE)
        )
    except RecordError:
        return Card(entry, None, "photograph altered or out of reach: see the audit")
    except InputError:
        return Card(entry, None, "not readable")


def gather(
    records: Records,
    since: datetime,
    until: datetime,
    *,
    card: Callable[[Records, Entry], Card] = draw,
    progress: Progress = silent,
    station: str | None = None,
    part_type: str | None = None,
) -> Shift:
    """All that the report shows, each plate as `card` makes it; of one station or all, of one part type or all.

    Raises InputError when the time ends before it begins.
    """
    if since >= until:
        raise InputError(
            "report", f"from {since} to {until}", expected="an end after the beginning", remedy="swap them"
        )
    of = {"station": station, "part_type": part_type}
    heads = tuple(end for name, end in records.heads().items() if station in (None, name))
    query = Query(since=since, until=until, station=station, part_type=part_type)
    counts = records.counts(since, until, **of)
    shown = _not_passed(records, query)
    cards = []
    for done, entry in enumerate(shown, start=1):
        cards.append(card(records, entry))
        progress("drawing plates", done, len(shown))
    reviewed = records.reviewed(since, until, **of)
    stopped = [each for each in reviewed if each.outcome in (Outcome.REVIEW, Outcome.REJECT)]
    step = timedelta(hours=1) if until - since <= timedelta(hours=_MOST_ROWS) else timedelta(days=1)
    events = records.events(since=since, until=until, limit=200, station=station)
    return Shift(
        since=since,
        until=until,
        counts=counts,
        rows=_rows(records, query, step),
        step="hour" if step < timedelta(days=1) else "day",
        cards=tuple(cards),
        left_out=counts.review + counts.reject + counts.failed - len(shown),
        overruled=sum(each.judgement is Judgement.GOOD for each in stopped),
        missed=sum(each.judgement is Judgement.DEFECTIVE and each.outcome is Outcome.PASS for each in reviewed),
        waiting=counts.review + counts.reject - len(stopped),
        events=tuple(event for event in reversed(events) if _is_reported(event, part_type)),
        models=_models(records, query),
        heads=tuple(end for end in heads if end.length) or heads[:1],
        made=now(),
        part_type=part_type,
    )


def _is_reported(event: Event, part_type: str | None) -> bool:
    """Whether the report of a part type shows an event: its own ones, and those of no part type."""
    of = event.details.get("part_type")
    return event.kind not in _UNREPORTED and (part_type is None or of is None or of == part_type)


def _not_passed(records: Records, query: Query) -> list[Entry]:
    """The newest REVIEW, REJECT and not readable plates, oldest first."""
    found = list[Entry]()
    for outcome in (Outcome.REVIEW, Outcome.REJECT, Outcome.FAILED):
        found += records.find(replace(query, outcome=outcome, limit=_MOST)).entries
    if len({entry.station for entry in found}) < 2:
        return sorted(found, key=lambda entry: entry.number)[-_MOST:]
    return sorted(found, key=lambda entry: entry.received)[-_MOST:]


def _models(records: Records, query: Query) -> tuple[str, ...]:
    asked = ((model, replace(query, model_id=model, limit=1)) for model in records.model_ids())
    return tuple(model for model, query in asked if records.find(query).entries)


def _rows(records: Records, query: Query, step: timedelta) -> tuple[Row, ...]:
    """One for each hour or day in which plates came, beginning at full ones."""
    since, until = query.since, query.until
    assert since is not None and until is not None  # noqa: S101, PT018 - a report has both
    start = since.replace(minute=0, second=0, microsecond=0)
    if step >= timedelta(days=1):
        start = start.replace(hour=0)
    rows = list[Row]()
    while start < until:
        span = max(start, since), min(start + step, until)
        counts = records.counts(*span, station=query.station, part_type=query.part_type)
        rows += [Row(max(start, since), counts)] if counts.received else []
        start += step
    return tuple(rows)
