"""The REST service: plates in, Inspections out, the record, what people say of plates, and the model in service."""

import asyncio
import json
import time
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from platewatch.inspection import Inspection
from platewatch.records import Entry, Judgement, Outcome, Review
from platewatch.records import Query as Search
from platewatch.records.values import MOST
from platewatch.station import challengers, uploads
from platewatch.station.answers import ErrorAnswer, Refusal
from platewatch.station.live import Message
from platewatch.station.pictures import media_type
from platewatch.station.security import needs
from platewatch.station.state import Station, said_of, shown
from platewatch.station.users import Account, Right, Role
from platewatch.station.work import Done

router = APIRouter(responses={"default": {"model": ErrorAnswer, "description": "Refused, always in this shape."}})

Viewer = Annotated[Account, needs(Right.VIEW)]
Number = Annotated[int, Path(ge=1, lt=2**53, description="The plate's number in the record.")]
_STRICT = ConfigDict(extra="forbid")
_BYTES = {"type": "string", "format": "binary"}


@dataclass(frozen=True, kw_only=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
class PageAnswer:
    """Plates, newest first; `next` goes into `before` for those before them, None on the last page."""

    inspections: tuple[Recorded, ...]
    next: str | None


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class NewReview:
    """What a person says of a plate; the verdict stays what it was."""

    judgement: Judgement
    boxes: Annotated[tuple[tuple[int, int, int, int], ...], Field(max_length=50)] = ()
    """Defects: left, top, width, height in px of the photograph."""
    note: Annotated[str, Field(max_length=2000)] = ""


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Activation:
    """Which model is to go into service, and why."""

    model_id: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    reason: Annotated[str, Field(max_length=500)] = ""


def station(request: Request) -> Station:
    """The station that a request has reached."""
    found: Station = request.app.state.station
    return found


def answer(values: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON as the command line prints it, a number that is none included."""
    return Response(json.dumps(values, ensure_ascii=False), status, headers, "application/json")


@router.post(
    "/inspections",
    status_code=201,
    responses={201: {"model": Recorded}, 200: {"model": Recorded, "description": "Known by its Idempotency-Key."}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "image/*": {"schema": _BYTES},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["photograph"],
                        "properties": {"photograph": _BYTES, "plate_id": {"type": "string"}},
                    }
                },
            },
        },
        "parameters": [
            {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 200}},
            {"name": "plate_id", "in": "query", "schema": {"type": "string", "maxLength": 200}},
            {"name": "name", "in": "query", "schema": {"type": "string", "maxLength": 200}},
        ],
    },
)
async def inspect(
    request: Request,
    account: Annotated[Account, needs(Right.INSPECT)],
    source: Literal["rest", "page"] = "rest",
) -> Response:
    """Judge a plate: once this has answered 201, it is in the record, also if its photograph could not be read."""
    started, here = time.perf_counter(), station(request)
    try:
        with here.work.place():
            plate = await uploads.read(request, here.settings, owner=account.name, source=source)
            done: Done = await asyncio.shield(asyncio.wrap_future(here.work.submit(plate)))
    except Refusal as error:
        if error.status_code != 503:
            here.figures.refused.labels(error.code).inc()
        raise
    here.figures.seconds.observe(time.perf_counter() - started)
    if done.again:
        here.figures.again.inc()
    headers = {"Location": f"/inspections/{done.entry.number}"}
    return answer(shown(done.entry), 200 if done.again else 201, headers)


@router.get("/inspections", response_model=PageAnswer)
def find(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request,
    _: Viewer,
    since: datetime | None = None,
    until: datetime | None = None,
    verdict: Outcome | None = None,
    plate_id: str | None = None,
    model_id: str | None = None,
    reviewer: str | None = None,
    judgement: Judgement | None = None,
    text: str | None = None,
    reviewed: bool | None = None,
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
        limit=limit,
        before=before,
    )
    found = station(request).records.find(search)
    return answer({"inspections": [shown(entry) for entry in found.entries], "next": found.next})


@router.get("/queue", response_model=PageAnswer)
def queue(
    request: Request, _: Viewer, limit: Annotated[int, Query(ge=1, le=MOST)] = 50, before: str | None = None
) -> Response:
    """Plates that wait for a person, newest first."""
    found = station(request).records.queue(limit, before)
    return answer({"inspections": [shown(entry) for entry in found.entries], "next": found.next})


@router.get("/counts")
def counts(request: Request, _: Viewer, since: datetime | None = None, until: datetime | None = None) -> Response:
    """How many plates were received and how they ended: received = judged + failed."""
    found = station(request).records.counts(since, until)
    names = ("received", "judged", "passed", "review", "reject", "failed")
    return answer({name: getattr(found, name) for name in names})


@router.get("/inspections/{number}", response_model=Recorded)
def get(request: Request, _: Viewer, number: Number) -> Response:
    """One plate."""
    return answer(shown(station(request).records.get(number)))


@router.get("/inspections/{number}/photograph", response_class=Response)
def photograph(request: Request, _: Viewer, number: Number) -> Response:
    """The photograph's bytes as they came."""
    data = station(request).pictures.photograph(number)
    return Response(data, media_type=media_type(data), headers={"Cache-Control": "private, max-age=3600"})


@router.get("/inspections/{number}/overlay.png", response_class=Response)
def overlay(request: Request, _: Viewer, number: Number) -> Response:
    """The photograph with the map over it and a box on each defect; drawn by the model that judged it."""
    drawn = station(request).pictures.overlay(number)
    return Response(drawn, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


@router.get("/inspections/{number}/reviews", response_model=tuple[Review, ...])
def reviews(request: Request, _: Viewer, number: Number) -> Response:
    """Everything that was said of a plate, oldest first."""
    return answer([said_of(each) for each in station(request).records.reviews(number)])


@router.post("/inspections/{number}/reviews", status_code=201, response_model=Review)
def review(
    request: Request, account: Annotated[Account, needs(Right.REVIEW)], number: Number, said: NewReview
) -> Response:
    """Say what a plate is."""
    here = station(request)
    made = here.records.review(number, said.judgement, account.name, boxes=said.boxes, note=said.note)
    here.live.publish(Message("review", said_of(made)))
    return answer(said_of(made), 201)


@router.delete("/inspections/{number}/reviews/{review_id}", response_model=Review)
def undo(
    request: Request,
    account: Annotated[Account, needs(Right.REVIEW)],
    number: Number,
    review_id: Annotated[int, Path(ge=1, lt=2**53)],
) -> Response:
    """Take a review back: a further row says so, and nothing is removed. An operator takes back their own."""
    here = station(request)
    known = {each.id: each for each in here.records.reviews(number)}
    if review_id not in known:
        raise Refusal(404, "not_found", "no such review", expected="one of this plate's", next="list its reviews")
    if account.role is not Role.ENGINEER and known[review_id].reviewer != account.name:
        raise Refusal(403, "not_allowed", "somebody else's review", expected="your own", next="ask an engineer")
    made = here.records.undo(review_id, account.name)
    here.live.publish(Message("review", said_of(made)))
    return answer(said_of(made))


@router.get("/model")
def model(request: Request, _: Viewer) -> Response:
    """The model in service, and those on the shelf."""
    models = station(request).models
    manifest = models.loaded().manifest
    promise = manifest.promise
    return answer(
        {
            "model_id": models.model_id,
            "folder": models.folder.name,
            "threshold": manifest.threshold,
            "review": manifest.review,
            "good_plates": promise.good_plates,
            "false_alarm_rate": promise.false_alarm_rate,
            "available": [each.as_dict() for each in models.available()],
        }
    )


@router.post("/model/activate")
def activate(request: Request, account: Annotated[Account, needs(Right.MODEL)], asked: Activation) -> Response:
    """Take a model from the shelf into service, with the next plate; going back is the same with the one before.

    A challenger that was worse than the model in service then is refused.
    """
    here = station(request)
    challengers.check(here.models.shelf, asked.model_id)
    before = here.models.activate(asked.model_id, account.name, here.records, reason=asked.reason)
    values = {"model_id": here.models.model_id, "before": before}
    here.live.publish(Message("model", values))
    return answer(values)


@router.get("/events", response_class=StreamingResponse)
async def events(request: Request, _: Viewer) -> Response:
    """What happens from now on, as server-sent events; with Last-Event-ID, first what happened since that plate."""
    here = station(request)
    if len(here.live) >= here.settings.watchers:
        most = f"at most {here.settings.watchers} live pages"
        raise Refusal(503, "overloaded", "many live pages are open", expected=most, next="close one", retry_after_s=30)
    last = request.headers.get("last-event-id", "")

    def missed() -> list[Message]:
        if not last.isdecimal():
            return []
        entries: list[Entry] = []
        for entry in here.records.find(Search(limit=MOST)).entries:
            if entry.number <= int(last):
                break
            entries.insert(0, entry)
        return [Message("inspection", shown(entry), entry.number) for entry in entries]

    return StreamingResponse(
        here.live.stream(missed), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )
