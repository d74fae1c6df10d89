"""What the modules of the REST service share: path and account parameters, the station, JSON responses."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import ConfigDict

from platewatch.station.problem_details import ErrorBody
from platewatch.station.security import needs
from platewatch.station.state import Station
from platewatch.station.users import Account, Right

Viewer = Annotated[Account, needs(Right.VIEW)]
Number = Annotated[int, Path(ge=1, lt=2**53, description="The plate's number in the record.")]
T = TypeVar("T")
STRICT = ConfigDict(extra="forbid")


def routes() -> APIRouter:
    """A router whose error responses are described in OpenAPI."""
    return APIRouter(responses={"default": {"model": ErrorBody, "description": "Error, always in this form."}})


def station(request: Request) -> Station:
    """The station that received the request."""
    found: Station = request.app.state.station
    return found


def json_response(values: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The values as JSON in the command line's form: UTF-8, NaN and infinity allowed."""
    return Response(json.dumps(values, ensure_ascii=False), status, headers, "application/json")


async def in_thread(thread: Executor, act: Callable[..., T], *arguments: Any) -> T:
    """What `act` returns, computed in that thread, so that those who wait for it keep no other request waiting."""
    return await asyncio.get_running_loop().run_in_executor(thread, act, *arguments)
