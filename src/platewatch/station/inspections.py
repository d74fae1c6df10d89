"""Plates in, Inspections out: POST /inspections, and what the record has of each and of all."""

import asyncio
import time
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic.dataclasses import dataclass

from platewatch.inspection import Inspection
from platewatch.photographs import formats
from platewatch.records import Entry, Judgement, Outcome, Review
from platewatch.records import Query as Search
from platewatch.records.values import MOST
from platewatch.station import uploads
from platewatch.station.problem_details import RequestError
from platewatch.station.representation import entry_as_dict
from platewatch.station.rest import (
    STRICT,
    AtStation,
    Number,
    OfPartType,
    Viewer,
    in_thread,
    json_response,
    routes,
    station,
)
from platewatch.station.security import needs
from platewatch.station.times import Time
from platewatch.station.users import Account, Right

router = routes()


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Recorded(Inspection):
    """The Inspection, as the command line prints it, and what the record adds."""

    number: int
    plate_id: str | None
    source: str
    received: datetime
    photograph_sha256: str | None
    photograph_kept: bool
    sampled: bool
    outcome: Outcome
    """The verdict, or FAILED."""
    review: Review | None
    chain: str
    station: str
    """Name of the station that recorded it; empty at the unnamed one."""
    part_type: str


@dataclass(frozen=True, config=STRICT)
class InspectionPage:
    """Plates, newest first; `next` goes into `before` for those before them, None on the last page."""

    inspections: tuple[Recorded, ...]
    next: str | None


@router.post(
    "/inspections",
    status_code=201,
    responses={201: {"model": Recorded}, 200: {"model": Recorded, "description": "Known by its Idempotency-Key."}},
    openapi_extra={
        **uploads.BODY,
        "parameters": [
            {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 200}},
            {"name": "plate_id", "in": "query", "schema": {"type": "string", "maxLength": 200}},
            {"name": "part_type", "in": "query", "schema": {"type": "string", "maxLength": 40}},
            *uploads.BODY["parameters"],
        ],
    },
)
async def inspect(
    request: Request,
    account: Annotated[Account, needs(Right.INSPECT)],
    source: Literal["rest", "page"] = "rest",
) -> Response:
    """Judge a plate: once this has answered 201, it is in the record, also if it is not readable.

    `part_type` says of which kind it is; a name that is not known is refused.
    With `Accept: text/plain` the answer is one line: the outcome and the plate's number in the record, `REJECT 17`.
    """
    started, here = time.perf_counter(), station(request)
    try:
        if request.query_params.get("part_type"):  # before the photograph has arrived
            here.part_types.registry(request.query_params["part_type"])
        with here.intake.place(), here.arrivals.room() as room:
            plate = await uploads.read(request, here.settings, room, owner=account.name, source=source)
            found = await asyncio.shield(asyncio.wrap_future(here.intake.submit(plate)))
    except RequestError as error:
        if error.status_code != 503:
            here.metrics.refused.labels(error.code).inc()
        raise
    here.metrics.seconds.observe(time.perf_counter() - started)
    if found.is_duplicate:
        here.metrics.duplicates.inc()
    return answer(request, found.entry, is_new=not found.is_duplicate)


def answer(request: Request, entry: Entry, *, is_new: bool) -> Response:
    """A plate that was handed in: as JSON, or as one line for who asks for text/plain."""
    headers, status = {"Location": f"/inspections/{entry.number}"}, 201 if is_new else 200
    if _wants_text(request.headers.get("accept", "")):
        return PlainTextResponse(f"{entry.outcome} {entry.number}\n", status, headers)
    return json_response(entry_as_dict(entry), status, headers)


def _wants_text(accept: str) -> bool:
    """Whether an Accept header names text/plain, and not JSON too."""
    kinds = {each.partition(";")[0].strip().lower() for each in accept.split(",")}
    return "text/plain" in kinds and "application/json" not in kinds


@router.get("/inspections", response_model=InspectionPage)
def find(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request,
    _: Viewer,
    since: Time | None = None,
    until: Time | None = None,
    verdict: Outcome | None = None,
    plate_id: str | None = None,
    model_id: str | None = None,
    reviewer: str | None = None,
    judgement: Judgement | None = None,
    text: str | None = None,
    reviewed: bool | None = None,
    at: AtStation = None,
    part_type: OfPartType = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    before: str | None = None,
) -> Response:
    """Plates, newest first. Times with their zone; `verdict` FAILED finds those without one."""
    search = Search(
        since=since,
        until=until,
        outcome=verdict,
        plate_id=plate_id,
        model_id=model_id,
        reviewer=reviewer,
        judgement=judgement,
        text=text,
        reviewed=reviewed,
        station=at,
        part_type=part_type,
        limit=limit,
        before=before,
    )
    found = station(request).records.find(search)
    return json_response({"inspections": [entry_as_dict(entry) for entry in found.entries], "next": found.next})


@router.get("/queue", response_model=InspectionPage)
def queue(
    request: Request,
    _: Viewer,
    at: AtStation = None,
    part_type: OfPartType = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    before: str | None = None,
) -> Response:
    """Plates that wait for a person, newest first."""
    found = station(request).records.queue(limit, before, station=at, part_type=part_type)
    return json_response({"inspections": [entry_as_dict(entry) for entry in found.entries], "next": found.next})


@router.get("/counts")
def counts(
    request: Request,
    _: Viewer,
    since: Time | None = None,
    until: Time | None = None,
    at: AtStation = None,
    part_type: OfPartType = None,
) -> Response:
    """How many plates were received and how they ended: received = judged + failed."""
    found = station(request).records.counts(since, until, station=at, part_type=part_type)
    names = ("received", "judged", "passed", "review", "reject", "failed")
    return json_response({name: getattr(found, name) for name in names})


@router.get("/inspections/{number}", response_model=Recorded)
def get(request: Request, _: Viewer, number: Number) -> Response:
    """One plate."""
    return json_response(entry_as_dict(station(request).records.get(number)))


@router.get("/inspections/{number}/photograph", response_class=Response)
def photograph(request: Request, _: Viewer, number: Number) -> Response:
    """The photograph's bytes as they came."""
    data = station(request).pictures.photograph(number)
    return Response(data, media_type=formats.media_type(data), headers={"Cache-Control": "private, max-age=3600"})


@router.get("/inspections/{number}/overlay.png", response_class=Response)
async def overlay(request: Request, _: Viewer, number: Number) -> Response:
    """The photograph with the map over it and a box on each defect; drawn by the model that judged it."""
    here = station(request)
    drawn = await in_thread(here.drawing_thread, here.pictures.overlay, number)
    return Response(drawn, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})
