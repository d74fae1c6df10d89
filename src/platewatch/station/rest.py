"""What the rooms of the REST service share: who asks, which plate, which station, and how it is answered."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import ConfigDict

from platewatch.station.problem_details import ErrorAnswer
from platewatch.station.security import needs
from platewatch.station.state import Station
from platewatch.station.users import Account, Right

Viewer = Annotated[Account, needs(Right.VIEW)]
Number = Annotated[int, Path(ge=1, lt=2**53, description="The plate's number in the record.")]
STRICT = ConfigDict(extra="forbid")


def routes() -> APIRouter:
    """A room's addresses, whose refusals are described in their one shape."""
    return APIRouter(responses={"default": {"model": ErrorAnswer, "description": "Refused, always in this shape."}})


def station(request: Request) -> Station:
    """The station that a request has reached."""
    found: Station = request.app.state.station
    return found


def answer(values: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON as the command line prints it, a number that is none included."""
    return Response(json.dumps(values, ensure_ascii=False), status, headers, "application/json")
