"""The station's cameras: which there are, and a part judged when a program or a person triggers one."""

import asyncio
import time
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response

from platewatch.line.cameras.frames import NoFrame
from platewatch.line.cameras.parts import CameraParts
from platewatch.records import Entry
from platewatch.station.inspections import Recorded, answer
from platewatch.station.problem_details import RequestError
from platewatch.station.rest import Viewer, json_response, routes, station
from platewatch.station.security import needs
from platewatch.station.state import Station
from platewatch.station.users import Account, Right

router = routes()


@router.get("/cameras")
def cameras(request: Request, _: Viewer) -> Response:
    """The cameras, and what is wrong with each."""
    found = [
        {
            "name": name,
            "kind": each.kind,
            "trigger": each.trigger,
            "problems": [{"code": code, "message": text} for code, text, _ in each.source.problems()],
        }
        for name, each in station(request).devices.cameras.items()
    ]
    return json_response({"cameras": found})


@router.post("/cameras/{name}/trigger", status_code=201, responses={201: {"model": Recorded}})
async def trigger(
    request: Request,
    _: Annotated[Account, needs(Right.INSPECT)],
    name: str,
    plate_id: Annotated[str | None, Query(max_length=200)] = None,
    part_type: Annotated[str, Query(max_length=40)] = "",
    wait_ms: Annotated[int, Query(ge=20, le=60_000)] = 2000,
) -> Response:
    """Judge the part in front of a camera, with a frame that comes within `wait_ms`; answers as POST /inspections."""
    started, here = time.perf_counter(), station(request)
    parts = named(here, name)
    with here.intake.place():
        entry = await asyncio.shield(
            asyncio.to_thread(_judge, parts, (plate_id or "").strip(), part_type, wait_ms / 1e3)
        )
    here.metrics.seconds.observe(time.perf_counter() - started)
    return answer(request, entry, is_new=True)


def named(here: Station, name: str) -> CameraParts:
    """The parts of the camera with that name; raises RequestError 404."""
    camera = here.devices.cameras.get(name)
    if camera is None:
        expected = f"one of: {', '.join(here.devices.cameras) or 'none'}"
        raise RequestError(404, "not_found", f"camera {name[:60]!r}", expected=expected, next="correct the name")
    return camera


def _judge(parts: CameraParts, plate_id: str, part_type: str, wait_s: float) -> Entry:
    try:
        return parts.judge(plate_id, wait_s, part_type).entry
    except NoFrame as error:
        raise RequestError(
            503, "no_frame", str(error), expected="a frame of the part", next="check the camera", retry_after_s=2
        ) from error
