"""GET /healthz and GET /metrics."""

from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import Response

from platewatch.line.metrics import CONTENT_TYPE
from platewatch.station.rest import PartTypeName, Viewer, in_thread, json_response, routes, station
from platewatch.station.security import needs
from platewatch.station.users import Account, Right

router = routes()


@router.get("/healthz")
async def healthz(request: Request) -> Response:
    """Whether plates are judged: 200 `ok` or `degraded`, 503 `failing`; and every problem with its code.

    Open to all: it names no folder and nobody.
    """
    here = station(request)
    found: dict[str, Any] = await in_thread(here.health_thread, here.health.report)
    return json_response(found, 503 if found["status"] == "failing" else 200)


@router.get("/metrics")
def metrics(request: Request, _: Viewer) -> Response:
    """The same and more for Prometheus, in its text format."""
    here = station(request)
    here.health.report()
    return Response(here.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


@router.post("/alarms/seen", status_code=204, response_class=Response)
def alarm_seen(request: Request, account: Annotated[Account, needs(Right.REVIEW)]) -> Response:
    """Acknowledge the alarm of many rejected plates: the count begins again. It is an event in the record."""
    here = station(request)
    here.alarms.acknowledge(account.name)
    here.line.tail.wake()
    return Response(status_code=204)


@router.post("/drift/seen", status_code=204, response_class=Response)
def seen(request: Request, account: Annotated[Account, needs(Right.MODEL)], part_type: PartTypeName = None) -> Response:
    """Acknowledge the drift alarm of a part type: its drift test restarts. It is an event in the record."""
    station(request).health.drift.of(part_type or "").acknowledge(account.name)
    return Response(status_code=204)
