"""The model in service, taking another one into service, and the server-sent events."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field
from pydantic.dataclasses import dataclass
from starlette.types import Receive, Scope, Send

from platewatch.decision.verdict import HOLDS
from platewatch.records import Entry, stations
from platewatch.records import Query as Search
from platewatch.records.values import MOST
from platewatch.station import retraining_runs
from platewatch.station.live import Listener, Live, Message
from platewatch.station.problem_details import RequestError
from platewatch.station.representation import message
from platewatch.station.rest import STRICT, PartTypeName, Viewer, json_response, registry, routes, station
from platewatch.station.security import needs
from platewatch.station.users import Account, Right

router = routes()


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Activation:
    """Which model is to go into service, and why."""

    model_id: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    part_type: Annotated[str, Field(max_length=40)] = ""
    reason: Annotated[str, Field(max_length=500)] = ""


@router.get("/model")
def model(request: Request, _: Viewer, part_type: PartTypeName = None) -> Response:
    """The model in service of a part type, and the available models."""
    models = registry(request, part_type)
    manifest = models.serving()
    promise = manifest.promise
    return json_response(
        {
            "model_id": models.model_id,
            "folder": models.folder.name,
            "threshold": manifest.threshold,
            "review": manifest.review,
            "good_plates": promise.good_plates,
            "false_alarm_rate": promise.false_alarm_rate,
            "upper_95": promise.upper_95,
            "groups": promise.counted,
            "few_groups": promise.few,
            "holds": HOLDS,
            "available": [each.as_dict() for each in models.available()],
        }
    )


@router.post("/model/activate")
def activate(request: Request, account: Annotated[Account, needs(Right.MODEL)], asked: Activation) -> Response:
    """Take an available model into service, from the next plate on. To go back, take the earlier one.

    A candidate that its comparison refused cannot be used. For a part type with a name, a model that loosens a limit
    needs a reason, and so does one that is in service for another part type.
    """
    here, models = station(request), registry(request, asked.part_type)
    retraining_runs.require_accepted(models.models_folder, asked.model_id)
    before = here.part_types.use(asked.part_type, asked.model_id, account.name, here.records, reason=asked.reason)
    values = {"model_id": models.model_id, "before": before} | models.named()
    here.line.tail.wake()
    return json_response(values)


@router.get("/events", response_class=StreamingResponse)
async def events(request: Request, _: Viewer) -> Response:
    """Plates, reviews, models and problems as server-sent events; with Last-Event-ID, first the plates since then."""
    here = station(request)
    listener = here.live.join(here.settings.live_pages)
    if listener is None:
        most = f"at most {here.settings.live_pages} live pages"
        raise RequestError(
            503, "overloaded", "many live pages are open", expected=most, next="close one", retry_after_s=30
        )
    last = request.headers.get("last-event-id", "")

    def missed() -> list[Message]:
        if not last.isdecimal():
            return []
        entries: list[Entry] = []
        for entry in here.records.find(Search(limit=MOST, station=here.records.station or None)).entries:
            if stations.of_number(entry.number) == stations.of_number(int(last)) and entry.number <= int(last):
                break
            entries.insert(0, entry)
        return [found for entry in entries if (found := message(entry)) is not None]

    return _Events(here.live, listener, missed)


class _Events(StreamingResponse):
    """The stream of one page, whose place is free again however the response ends."""

    def __init__(self, live: Live, listener: Listener, missed: Callable[[], list[Message]]) -> None:
        headers = {"X-Accel-Buffering": "no"}
        super().__init__(live.stream(listener, missed), media_type="text/event-stream", headers=headers)
        self._live, self._listener = live, listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._live.leave(self._listener)
