"""The statistics page: yield, scores, causes, places, reviews, times by hour, shift, day or week; as CSV too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import dropwhile
from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import Response
from starlette.datastructures import QueryParams

from platewatch.errors import InputError, NotFound
from platewatch.inspection import now
from platewatch.line import line_settings, statistics, wording
from platewatch.line.statistics import Bar, By
from platewatch.photographs import reading
from platewatch.printable import table_lines
from platewatch.records import Outcome, Query
from platewatch.records.exports import BOM
from platewatch.records.statistics import Judged
from platewatch.station import pages, statistics_charts
from platewatch.station.rest import Viewer, json_response, query_names, routes, station
from platewatch.station.security import needs
from platewatch.station.state import Station
from platewatch.station.users import Account, Right

router = routes(include_in_schema=False)

_FIELDS = ("by", "since", "until", "station", "part_type")
_FORMS = {By.HOUR: "%m-%d %H:00", By.SHIFT: "%m-%d %H:00", By.DAY: "%m-%d", By.WEEK: "%m-%d"}


@dataclass(frozen=True)
class Found:
    """What the page and its CSV show."""

    by: By
    query: Query
    bars: list[Bar]
    scores: tuple[Judged, ...]
    stopped: tuple[Judged, ...]
    """The newest plates that did not pass."""
    reviewed: int
    """Reviewed plates that were counted."""
    causes: list[tuple[str, int, Outcome]]
    kinds: list[tuple[str, int]]
    size: tuple[int, int]
    places: list[statistics.Place]


@router.get("/statistics", openapi_extra=query_names(*_FIELDS))
def page(request: Request, _: Viewer) -> Response:
    """Charts of a time; each mark leads to its plates in the history."""
    here, search = station(request), _search(request)
    found = gather(here, search)
    form = _FORMS[found.by]
    good = [bar.good_fraction for bar in found.bars]
    return pages.render(
        request,
        "statistics.html",
        search=search,
        found=found,
        address=QueryParams({name: value for name, value in search.items() if value}),
        zone=wording.zone(now()),
        bys=list(By),
        part_types=here.records.part_types(),
        stations=here.records.stations(),
        settings=line_settings.read(here.records, search["part_type"]),
        draw=statistics_charts,
        counts=statistics_charts.counts(found.bars, form),
        good=statistics_charts.line(
            found.bars, [None if each is None else 100 * each for each in good], form, high=100
        ),
        times=statistics_charts.line(found.bars, [bar.mean_ms for bar in found.bars], form),
        scores=statistics_charts.scores(found.scores, form),
        total=sum((bar.counts for bar in found.bars), start=type(Bar(now(), now()).counts)()),
        link=lambda **more: _history(search, found.query, more),
    )


@router.get("/statistics.csv", openapi_extra=query_names("chart", *_FIELDS))
def as_csv(request: Request, _: Viewer) -> Response:
    """The numbers behind one chart as CSV."""
    name = request.query_params.get("chart", "")
    if name not in _TABLES:
        raise InputError("chart", f"{name[:60]!r}", expected=f"one of {', '.join(_TABLES)}", remedy="name one")
    head, rows = _TABLES[name]
    lines = [BOM, *table_lines(head, rows(gather(station(request), _search(request))))]
    headers = {"Content-Disposition": f'attachment; filename="platewatch-{name}.csv"'}
    return Response("".join(lines), media_type="text/csv; charset=utf-8", headers=headers)


@dataclass(frozen=True, kw_only=True)
class NewSettings:
    """What an engineer sets on the page."""

    part_type: str = ""
    shifts: str
    """`06:00 14:00 22:00`"""
    kinds: str
    """Kinds of defect, separated by commas."""


@router.post("/statistics/settings")
def change(request: Request, account: Annotated[Account, needs(Right.MODEL)], new: NewSettings) -> Response:
    """Set when shifts begin and the part type's kinds of defect; what is as before is not recorded again."""
    records = station(request).records
    before, hours = line_settings.read(records, new.part_type), statistics.shift_starts(new.shifts)
    named = [kind.strip() for kind in new.kinds.split(",") if kind.strip()]
    if tuple(named) != before.kinds:
        line_settings.set_kinds(records, new.part_type, named, account.name)
    if hours != before.shifts:
        line_settings.set_shifts(records, hours, account.name)
    found = line_settings.read(records, new.part_type)
    return json_response({"shifts": list(found.shifts), "kinds": list(found.kinds)})


def gather(here: Station, search: dict[str, str]) -> Found:
    """All numbers of the page; raises InputError for a time or length that cannot be."""
    by, until = _by(search["by"]), pages.moment_of(search["until"])
    shifts = line_settings.read(here.records, search["part_type"]).shifts
    since = pages.moment_of(search["since"]) or (until or now()) - statistics.SPANS[by]
    bars = statistics.periods(since, until or now(), by, shifts)
    since = bars[0].start if bars else since
    query = Query(since=since, until=until, station=pages.station_of(search), part_type=search["part_type"] or None)
    numbers = here.records.statistics(query, [statistics.hours(bar) for bar in bars])
    statistics.fill(bars, numbers)
    size = _size(here, numbers.stopped)
    return Found(
        by=by,
        query=query,
        bars=list(dropwhile(lambda bar: not bar.received, bars)),
        scores=numbers.sample,
        stopped=numbers.stopped,
        reviewed=len(numbers.reviewed),
        causes=statistics.by_evidence(numbers.stopped),
        kinds=sorted(numbers.kinds.items(), key=lambda each: (-each[1], each[0])),
        size=size,
        places=statistics.places(numbers.stopped, size),
    )


def _search(request: Request) -> dict[str, str]:
    return {name: request.query_params.get(name, "").strip() for name in _FIELDS}


def _by(text: str) -> By:
    try:
        return By(text or By.DAY)
    except ValueError as error:
        raise InputError("by", f"{text[:60]!r}", expected=f"one of {', '.join(By)}", remedy="choose one") from error


def _size(here: Station, plates: Iterable[Judged]) -> tuple[int, int]:
    """Width and height of the photographs: of the newest one that is stored, or as the boxes need."""
    newest = sorted((plate.number for plate in plates if plate.boxes), reverse=True)
    for number in newest[:3]:
        try:
            found = reading.dimensions(here.pictures.photograph(number))
        except (NotFound, InputError):
            continue
        if found is not None:
            return found
    return statistics.extent(plates)


def _history(search: dict[str, str], query: Query, more: dict[str, Any]) -> str:
    """The query of the history's address that finds what a mark stands for."""
    values = {name: search[name] for name in ("station", "part_type")}
    values["since"], values["until"] = _minute(query.since), _minute(query.until)
    values |= {name: _minute(value) if isinstance(value, datetime) else str(value) for name, value in more.items()}
    return str(QueryParams({name: value for name, value in values.items() if value}))


def _minute(time: datetime | None) -> str:
    """A time as the history's form has it, in this machine's zone; a rest of a minute counts as one."""
    if time is None:
        return ""
    local = time.astimezone()
    whole = local if local.second == local.microsecond == 0 else local + timedelta(minutes=1)
    return whole.strftime("%Y-%m-%dT%H:%M")


Row = Sequence[object]


def _bars(found: Found) -> Iterable[Row]:
    for bar in found.bars:
        numbers = [bar.counts[outcome] for outcome in Outcome]
        good = None if bar.good_fraction is None else round(bar.good_fraction, 4)
        yield (wording.stamp(bar.start), wording.stamp(bar.end), *numbers, good)


_TABLES: dict[str, tuple[Row, Any]] = {
    "counts": (("from", "until", *Outcome, "yield"), _bars),
    "reviews": (
        ("from", "until", "false_alarms", "misses"),
        lambda found: (
            (wording.stamp(each.start), wording.stamp(each.end), each.false_alarms, each.misses) for each in found.bars
        ),
    ),
    "times": (
        ("from", "until", "plates", "mean_ms"),
        lambda found: (
            (wording.stamp(each.start), wording.stamp(each.end), each.received, round(each.mean_ms or 0, 2))
            for each in found.bars
        ),
    ),
    "scores": (
        ("number", "received", "outcome", "score", "threshold", "model_id"),
        lambda found: (
            (each.number, wording.stamp(each.received), each.outcome, each.score, each.threshold, each.model_id)
            for each in found.scores
        ),
    ),
    "causes": (("cause", "plates", "mostly"), lambda found: found.causes),
    "kinds": (("kind", "plates"), lambda found: found.kinds),
    "places": (
        ("left_px", "top_px", "width_px", "height_px", "plates", "newest"),
        lambda found: (
            (
                round(each.column * found.size[0] / statistics.COLUMNS),
                round(each.row * found.size[1] / statistics.ROWS),
                round(found.size[0] / statistics.COLUMNS),
                round(found.size[1] / statistics.ROWS),
                each.count,
                each.number,
            )
            for each in found.places
        ),
    ),
}
"""Columns and rows of each chart's CSV."""
