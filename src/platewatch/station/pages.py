"""The pages live, review, history, plate, report, login and error; what they show comes from the record."""

import json
from collections.abc import Iterator
from datetime import datetime, time
from functools import partial
from itertools import chain
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.datastructures import QueryParams

from platewatch.errors import InputError, NotFound
from platewatch.inspection import now
from platewatch.line import line_settings, shift_report, wording
from platewatch.line.model_registry import ModelRegistry
from platewatch.line.shift_report import Card
from platewatch.records import Entry, Judgement, Outcome, Query, Records
from platewatch.records.exports import csv_lines
from platewatch.station import charts, commands, security, times
from platewatch.station.problem_details import RequestError, problem
from platewatch.station.rest import (
    Number,
    OfPartType,
    Viewer,
    in_thread,
    json_response,
    query_names,
    root,
    routes,
    station,
)
from platewatch.station.users import LOCAL, Account, Right
from platewatch.templates import environment

router = routes(include_in_schema=False)

WITHOUT = "-"
"""In a page's address, the part type of photographs that have none."""
_SWITCHED = ("/", "/review", "/history", "/statistics", "/health", "/models")
_ONE_AT_A_TIME = ("/health", "/models")
"""Pages with the switch of part types, and those of them that cannot show all at once."""
_SEARCH = (
    *("since", "until", "outcome", "judgement", "plate_id", "reviewer", "model_id", "text"),
    *("station", "part_type", "before"),
)
_UNNAMED = "-"  # the unnamed station in an address; empty is all of them
_SEARCHES, _PART_TYPE = query_names(*_SEARCH), query_names("part_type")
_WAITING = 100  # plates waiting for review are counted up to this number

_PAGES = environment("platewatch.station")
_PAGES.globals.update(wording.NAMES)
_PAGES.globals["parts"] = _PAGES.get_template("parts.html").module


def render(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    """A page of this template, in the frame that all pages share."""
    account: Account = getattr(request.state, "account", None) or LOCAL
    names, here = station(request).part_types.names(), request.url.path
    frame = {
        "switched": names if any(names) and here in _SWITCHED else (),
        "part_type": asked_part_type(request),
        "all_at_once": here not in _ONE_AT_A_TIME,
        "without": WITHOUT,
        "linked": request.query_params.get("part_type", ""),
        "account": account,
        "rights": " ".join(right for right in Right if account.may(right)),
        "logged_in": getattr(request.state, "cookie", None) is not None,
        "csrf": security.page_token(request),
        "here": here,
        "root": root(request),
        "station": station(request).records.station,
    }
    return HTMLResponse(_PAGES.get_template(name).render(frame | values), status)


def asked_part_type(request: Request) -> str | None:
    """The part type that a page's address names, empty for photographs without one; None: all of them."""
    found = request.query_params.get("part_type", "").strip()
    return "" if found == WITHOUT else found or None


def chosen(request: Request) -> ModelRegistry:
    """The models of the part type that a page's address names; where it names none, of the first one."""
    models, name = station(request).part_types, asked_part_type(request)
    return models.registry(models.names()[0] if name is None else name)


@router.get("/", openapi_extra=_PART_TYPE)
def live(request: Request, _: Viewer) -> Response:
    """The newest plate large, the last twenty small; without a model the page that makes the first one."""
    if station(request).part_types.is_empty:
        return RedirectResponse("/first-model", 303)
    return render(request, "live.html")


@router.get("/review", openapi_extra=_PART_TYPE)
def review(request: Request, _: Viewer) -> Response:
    """Plates waiting for review."""
    return render(request, "review.html", defect_kinds=line_settings.kinds(station(request).records))


@router.get("/pages/waiting")
def waiting(request: Request, _: Viewer, part_type: OfPartType = None) -> Response:
    """The number of plates waiting for review; 100 stands for 100 or more."""
    records = station(request).records
    found = records.queue(_WAITING, station=records.station or None, part_type=part_type)
    return json_response({"waiting": len(found.entries)})


@router.get("/inspections/{number}/thumbnail.jpg")
async def thumbnail(request: Request, _: Viewer, number: Number, *, boxes: bool = False) -> Response:
    """The photograph as a small JPEG; with `boxes` larger, with a numbered box on each defect."""
    here = station(request)
    data = await in_thread(here.drawing_thread, partial(here.pictures.thumbnail, number, boxes=boxes))
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})


@router.get("/inspections/{number}/map.png")
async def anomaly_map(request: Request, _: Viewer, number: Number) -> Response:
    """The anomaly map as PNG, transparent where the plate looks good, to lay over the photograph."""
    here = station(request)
    data = await in_thread(here.drawing_thread, here.pictures.heat, number)
    return Response(data, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


@router.get("/inspections/{number}/good.webp")
async def good_example(request: Request, _: Viewer, number: Number) -> Response:
    """The good photograph of training that is most like this plate's, small."""
    here = station(request)
    data = await in_thread(here.drawing_thread, here.pictures.good, number)
    return Response(data, media_type="image/webp", headers={"Cache-Control": "private, max-age=3600"})


@router.get("/history", openapi_extra=_SEARCHES)
def history(request: Request, _: Viewer) -> Response:
    """Plates found by time, verdict, review, plate id, reviewer, model and text."""
    records, search = station(request).records, _search(request)
    page = records.find(_query(search, limit=50))
    return render(
        request,
        "history.html",
        search=search,
        address=_address(search),
        zone=wording.zone(now()),
        entries=page.entries,
        next=page.next,
        reviewers=records.reviewers(),
        model_ids=records.model_ids(),
        stations=records.stations(),
        part_types=sorted({*records.part_types(), *filter(None, station(request).part_types.names())}),
    )


@router.get("/history.csv", openapi_extra=_SEARCHES)
def history_csv(request: Request, _: Viewer) -> Response:
    """All plates that the search finds, as CSV."""
    return _download(chain(["\ufeff"], csv_lines(_found(request))), "text/csv; charset=utf-8", "platewatch.csv")


@router.get("/history.jsonl", openapi_extra=_SEARCHES)
def history_jsonl(request: Request, _: Viewer) -> Response:
    """All plates that the search finds, one line of JSON each."""
    return _download((entry.as_json() + "\n" for entry in _found(request)), "application/jsonl", "platewatch.jsonl")


@router.get("/history/report", openapi_extra=_SEARCHES)
def report(request: Request, _: Viewer) -> Response:
    """The shift report of a time span, to print. Default: today until now."""
    search, made = _search(request), now()
    since = moment_of(search["since"]) or datetime.combine(made.date(), time()).astimezone()
    until = moment_of(search["until"]) or made
    records, card, of = station(request).records, partial(_card, root(request)), asked_part_type(request)
    shift = shift_report.gather(records, since, until, card=card, station=station_of(search), part_type=of)
    return render(request, "shift.html", shift=shift)


@router.get("/history/report.css", openapi_extra=query_names("v"))
def report_style(_: Viewer) -> Response:
    """The stylesheet that the shift report has in a file too."""
    return Response(_PAGES.get_template("shift.css").render(), media_type="text/css")


@router.get("/plates/{number}")
def plate(request: Request, account: Viewer, number: Number) -> Response:
    """One plate with everything that the record has of it."""
    records = station(request).records
    entry = records.get(number)
    newest = records.head(entry.station).entries
    return render(
        request,
        "plate.html",
        entry=entry,
        reviews=records.reviews(number),
        chart=_score_chart(request, entry),
        replay=commands.replay(station(request).settings, station(request).models.models_folder, number)
        if account.may(Right.MODEL)
        else None,
        boxes=json.dumps([defect.box for defect in entry.inspection.defects]),
        marked=json.dumps(entry.review.boxes if entry.review else ()),
        defect_kinds=line_settings.kinds(records),
        newer=number + 1 if entry.place < newest else None,
        older=number - 1 if entry.place > 1 else None,
    )


@router.get("/login")
def login(request: Request, next: str = "/") -> Response:
    """The login form."""
    return render(request, "login.html", next=next, error=None, typed="")


def error_page(request: Request, error: RequestError) -> Response:
    """An error for a browser: a redirect to the login form for 401, else a page with the message."""
    if error.status_code == 401 and request.method == "GET":
        where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?{QueryParams({'next': where})}", 303)
    if request.url.path == "/login":
        where = request.query_params.get("next", "/")
        message = _sentence(f"{error.what}; {error.next}")
        name = getattr(request.state, "login_name", "")
        return render(request, "login.html", error.status_code, next=where, error=message, typed=name)
    title = "Page not found" if error.status_code == 404 else "The request failed"
    message = _sentence(problem(error, request.url.path)["message"])
    return render(request, "error.html", error.status_code, title=title, message=message)


def _search(request: Request) -> dict[str, str]:
    """The fields of the search form, each empty when it is not in the address."""
    return {name: request.query_params.get(name, "").strip() for name in _SEARCH}


def _address(search: dict[str, str]) -> str:
    """The search as the query of an address, without the page."""
    return str(QueryParams({name: value for name, value in search.items() if value and name != "before"}))


def _query(search: dict[str, str], limit: int) -> Query:
    names = ("plate_id", "reviewer", "model_id", "text", "before")
    texts: dict[str, Any] = {name: search[name] or None for name in names}
    try:
        return Query(
            since=moment_of(search["since"]),
            until=moment_of(search["until"]),
            outcome=Outcome(search["outcome"]) if search["outcome"] else None,
            judgement=Judgement(search["judgement"]) if search["judgement"] else None,
            part_type="" if search["part_type"] == WITHOUT else search["part_type"] or None,
            limit=limit,
            station=station_of(search),
            **texts,
        )
    except ValueError as error:
        raise InputError("search", error, remedy="clear the search and try again") from error


def station_of(search: dict[str, str]) -> str | None:
    """The station that the form names; None is all of them."""
    return "" if search["station"] == _UNNAMED else search["station"] or None


def moment_of(text: str) -> datetime | None:
    """The time that a form gives, in this machine's time zone unless it names one; None when empty."""
    if not text:
        return None
    try:
        if times.is_number(text):  # 20261124 too, which other addresses would take for seconds
            raise ValueError
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(
            "search", f"time {text!r}", expected="a time such as 2026-11-24T06:00", remedy="correct it"
        ) from error


def _found(request: Request) -> Iterator[Entry]:
    """All plates that the request's search finds, newest first."""
    return station(request).records.every(_query(_search(request), limit=1))


def _download(lines: Any, media_type: str, name: str) -> Response:
    return StreamingResponse(
        lines, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _card(prefix: str, _: Records, entry: Entry) -> Card:
    """A plate of the shift report, with addresses of the station in place of pictures."""
    page = f"{prefix}/plates/{entry.number}"
    if entry.outcome is Outcome.FAILED or not entry.photograph_kept:
        why_none = "not readable" if entry.photograph_kept else "photograph not kept"
        return Card(entry, None, why_none, page)
    return Card(entry, f"{prefix}/inspections/{entry.number}/thumbnail.jpg?boxes=true", address=page)


def _score_chart(request: Request, entry: Entry) -> charts.ScoreChart | None:
    """The plate's score among its model's good plates; None without a score or when that model is not available."""
    found = entry.inspection
    if found.score is None:
        return None
    try:
        manifest = station(request).part_types.manifest(found.model_id)
    except NotFound:
        return None
    good = [plate.score for plate in manifest.calibration]
    return charts.scores(good, manifest.review, manifest.threshold, found.score)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
