"""The pages: live, review, history, a plate, a shift's report, health, models. What they show comes from the record."""

import json
from collections.abc import Iterator
from datetime import datetime, time
from itertools import chain
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.datastructures import QueryParams

from platewatch.errors import InputError, NotFound
from platewatch.inspection import now
from platewatch.records import Entry, Judgement, Outcome, Query, Records
from platewatch.records.exports import csv_lines
from platewatch.station import charts, security, wording
from platewatch.station.problem_details import Refusal, problem
from platewatch.station.rest import Number, Viewer, answer, station
from platewatch.station.users import LOCAL, Account
from platewatch.templates import environment

router = APIRouter(include_in_schema=False)

_LISTED = 200  # plates in a printed report
_WAITING = 100  # counted exactly up to here
_QUIET = ("login", "logout")  # events that a shift's report leaves out

_PAGES = environment("platewatch.station")
_PAGES.globals.update(
    said=wording.said,
    happened=wording.happened,
    duration=wording.duration,
    size=wording.size,
)
_PAGES.globals["parts"] = _PAGES.get_template("parts.html").module


def render(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    """A page within its frame."""
    account: Account = getattr(request.state, "account", None) or LOCAL
    frame = {
        "account": account,
        "logged_in": getattr(request.state, "cookie", None) is not None,
        "csrf": security.page_token(request),
        "here": request.url.path,
    }
    return HTMLResponse(_PAGES.get_template(name).render(**frame, **values), status)


@router.get("/")
def live(request: Request, _: Viewer) -> Response:
    """The newest plate large, the last twenty small."""
    return render(request, "live.html")


@router.get("/review")
def review(request: Request, _: Viewer) -> Response:
    """Plates that wait for a person."""
    return render(request, "review.html")


@router.get("/pages/waiting")
def waiting(request: Request, _: Viewer) -> Response:
    """How many plates wait for a person; more than 99 are not told apart."""
    return answer({"waiting": len(station(request).records.queue(_WAITING, None).entries)})


@router.get("/inspections/{number}/thumbnail.jpg")
def thumbnail(request: Request, _: Viewer, number: Number) -> Response:
    """The photograph, small."""
    data = station(request).pictures.thumbnail(number)
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})


@router.get("/inspections/{number}/map.png")
def anomaly_map(request: Request, _: Viewer, number: Number) -> Response:
    """The map alone, see-through where the plate is like the good ones: a page lays it over the photograph."""
    data = station(request).pictures.heat(number)
    return Response(data, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


@router.get("/history")
def history(request: Request, _: Viewer) -> Response:
    """Plates by time, verdict, plate id, model, reviewer and words."""
    records, asked = station(request).records, _asked(request)
    page = records.find(_query(asked, limit=50))
    return render(
        request,
        "history.html",
        asked=asked,
        search=_search(asked),
        entries=page.entries,
        next=page.next,
        reviewers=records.reviewers(),
        model_ids=records.model_ids(),
    )


@router.get("/history.csv")
def history_csv(request: Request, _: Viewer) -> Response:
    """All plates that the search finds, for a spreadsheet."""
    return _download(chain(["\ufeff"], csv_lines(_found(request))), "text/csv; charset=utf-8", "platewatch.csv")


@router.get("/history.jsonl")
def history_jsonl(request: Request, _: Viewer) -> Response:
    """The same for programs, one line of JSON each."""
    return _download((entry.as_json() + "\n" for entry in _found(request)), "application/jsonl", "platewatch.jsonl")


@router.get("/history/report")
def report(request: Request, _: Viewer) -> Response:
    """A shift on paper: how many plates, what happened, and every plate that did not pass. Today unless told."""
    records, asked = station(request).records, _asked(request)
    made = now()
    since = _moment(asked["since"]) or datetime.combine(made.date(), time()).astimezone()
    until = _moment(asked["until"]) or made
    entries = _not_passed(records, since, until)
    return render(
        request,
        "shift.html",
        made=made,
        span=f"from {since:%Y-%m-%d %H:%M} until {until:%Y-%m-%d %H:%M}",
        counts=records.counts(since, until),
        events=[each for each in records.events(since=since, until=until, limit=200) if each.kind not in _QUIET][::-1],
        entries=entries[:_LISTED],
        more=len(entries) > _LISTED,
        head=records.head(),
    )


@router.get("/plates/{number}")
def plate(request: Request, _: Viewer, number: Number) -> Response:
    """One plate with everything that is known of it."""
    records = station(request).records
    entry, newest = records.get(number), records.head().entries
    return render(
        request,
        "plate.html",
        entry=entry,
        reviews=records.reviews(number),
        chart=_score_chart(request, entry),
        boxes=json.dumps([defect.box for defect in entry.inspection.defects]),
        marked=json.dumps(entry.review.boxes if entry.review else ()),
        newer=number + 1 if number < newest else None,
        older=number - 1 if number > 1 else None,
    )


@router.get("/login")
def login(request: Request, next: str = "/") -> Response:
    """Who is there?"""
    return render(request, "login.html", next=next, refused=None)


def refused_page(request: Request, refused: Refusal) -> Response:
    """A refusal for a browser: whoever is not logged in is asked to, the rest is said in words."""
    if refused.status_code == 401 and request.method == "GET":
        where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?{QueryParams({'next': where})}", 303)
    if request.url.path == "/login":
        words = _sentence(f"{refused.what}; {problem(refused, 'login')['next']}")
        where = request.query_params.get("next", "/")
        return render(request, "login.html", refused.status_code, next=where, refused=words)
    title = "There is no such page" if refused.status_code == 404 else "That did not work"
    message = _sentence(problem(refused, request.url.path)["message"])
    return render(request, "refused.html", refused.status_code, title=title, message=message)


def _asked(request: Request) -> dict[str, str]:
    names = ("since", "until", "outcome", "judgement", "plate_id", "reviewer", "model_id", "text", "before")
    return {name: request.query_params.get(name, "").strip() for name in names}


def _search(asked: dict[str, str]) -> str:
    """The search as an address has it, from its newest page on."""
    return str(QueryParams({name: value for name, value in asked.items() if value and name != "before"}))


def _query(asked: dict[str, str], limit: int) -> Query:
    chosen: dict[str, Any] = {
        name: asked[name] or None for name in ("plate_id", "reviewer", "model_id", "text", "before")
    }
    try:
        return Query(
            since=_moment(asked["since"]),
            until=_moment(asked["until"]),
            outcome=Outcome(asked["outcome"]) if asked["outcome"] else None,
            judgement=Judgement(asked["judgement"]) if asked["judgement"] else None,
            limit=limit,
            **chosen,
        )
    except ValueError as error:
        raise InputError("search", error, remedy="clear it and begin again") from error


def _moment(text: str) -> datetime | None:
    """A time as a form gives it, in this machine's zone unless it names one."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(
            "search", f"time {text!r}", expected="such as 2026-11-24T06:00", remedy="correct it"
        ) from error


def _found(request: Request) -> Iterator[Entry]:
    return station(request).records.every(_query(_asked(request), limit=1))


def _download(lines: Any, media_type: str, name: str) -> Response:
    return StreamingResponse(
        lines, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _not_passed(records: Records, since: datetime, until: datetime) -> list[Entry]:
    """The newest plates without PASS, oldest first."""
    found: list[Entry] = []
    for outcome in (Outcome.REVIEW, Outcome.REJECT, Outcome.FAILED):
        found += records.find(Query(since=since, until=until, outcome=outcome, limit=_LISTED)).entries
    return sorted(found, key=lambda entry: entry.number)


def _score_chart(request: Request, entry: Entry) -> charts.ScoreChart | None:
    """The plate among the good plates of the model that judged it; None when that model is not here."""
    found = entry.inspection
    if found.score is None:
        return None
    try:
        manifest = station(request).models.manifest(found.model_id)
    except NotFound:
        return None
    good = [plate.score for plate in manifest.calibration]
    return charts.scores(good, manifest.review, manifest.threshold, found.score)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
