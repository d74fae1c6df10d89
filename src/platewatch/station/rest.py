"""What the modules of the REST service share: path and account parameters, the station, JSON responses."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import ConfigDict

from platewatch.line.model_registry import ModelRegistry
from platewatch.station.problem_details import ErrorBody, RequestError
from platewatch.station.security import needs
from platewatch.station.state import Station
from platewatch.station.users import Account, Right

Viewer = Annotated[Account, needs(Right.VIEW)]
PartTypeName = Annotated[str | None, Query(description="The part type; where none is named, the one without a name.")]
Number = Annotated[int, Path(ge=1, lt=2**53, description="The plate's number in the record.")]
AtStation = Annotated[str | None, Query(alias="station", max_length=40, description="Name of a station; all without.")]
OfPartType = Annotated[str | None, Query(max_length=60, description="A part type; all without.")]
_ESCAPED = re.compile(rb"%([0-9a-fA-F]{2})")
_CORRECT = "correct the address"

T = TypeVar("T")
STRICT = ConfigDict(extra="forbid")


class CheckedRoute(APIRoute):
    """A route that refuses what it would ignore: unknown and repeated parameters of the query, and other letters."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler behind the check."""
        handle = super().get_route_handler()
        more = (self.openapi_extra or {}).get("parameters", ())
        known = _query_names(self.dependant) | {each["name"] for each in more if each["in"] == "query"}

        async def checked(request: Request) -> Response:
            check_query(request.scope["query_string"], known)
            return await handle(request)

        return checked


def _query_names(dependant: Dependant) -> set[str]:
    """The names of the query's parameters that a route or what it depends on has declared."""
    names = {field.alias for field in dependant.query_params}
    return names.union(*(_query_names(each) for each in dependant.dependencies))


def query_names(*names: str) -> dict[str, Any]:
    """For a route that reads its query itself: the names, as `openapi_extra`."""
    return {"parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]}


def check_query(query: bytes, known: set[str]) -> None:
    """Raise RequestError 422 for a parameter that is not known, is given twice or is not UTF-8."""
    names = Counter[str]()
    for part in filter(None, query.replace(b"+", b" ").split(b"&")):
        raw, _, value = part.partition(b"=")
        names[_decoded(raw)] += 1
        _decoded(value)
    expected = f"of {', '.join(sorted(known))}" if known else "no parameter"
    for name, number in names.items():
        if name not in known:
            raise RequestError(422, "invalid", f"unknown parameter {name[:60]!r}", expected=expected, next=_CORRECT)
        if number > 1:
            raise RequestError(422, "invalid", f"{name} is given {number} times", expected="once", next=_CORRECT)


def _decoded(text: bytes) -> str:
    """The text behind percent signs; letters that cannot be read are not replaced, as two ids could become one."""
    try:
        return _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), text).decode()
    except UnicodeDecodeError as error:
        what, expected = f"{text[:60].decode('latin-1')} is not UTF-8", "UTF-8, percent-encoded: M%C3%BCller"
        raise RequestError(422, "invalid", what, expected=expected, next="encode it so") from error


def routes(**options: Any) -> APIRouter:
    """A router whose routes check their query, and whose error responses are described in OpenAPI."""
    errors: dict[int | str, dict[str, Any]] = {
        "default": {"model": ErrorBody, "description": "Error, always in this form."}
    }
    return APIRouter(route_class=CheckedRoute, responses=errors, **options)


def station(request: Request) -> Station:
    """The station that received the request."""
    found: Station = request.app.state.station
    return found


def registry(request: Request, part_type: str | None) -> ModelRegistry:
    """The models of a part type, of the one without a name where none is given; raises UnknownPartType, ModelError."""
    return station(request).part_types.registry(part_type or "")


def root(request: Request) -> str:
    """The path before every address of the station, for links on its pages."""
    return station(request).settings.public.prefix


def json_response(values: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The values as JSON in the command line's form: UTF-8, NaN and infinity allowed."""
    return Response(json.dumps(values, ensure_ascii=False), status, headers, "application/json")


async def in_thread(thread: Executor, act: Callable[..., T], *arguments: Any) -> T:
    """What `act` returns, computed in that thread, so that those who wait for it keep no other request waiting."""
    return await asyncio.get_running_loop().run_in_executor(thread, act, *arguments)
