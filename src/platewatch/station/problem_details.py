"""One shape for everything that is refused: {"error": {"code", "message", "where", "expected", "next"}}.

`code` is for programs and never changes its meaning; `message` is one line for a person.
"""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from platewatch.errors import (
    InputError,
    ModelError,
    NotFound,
    OutputError,
    PlatewatchError,
    RecordError,
    RecordUnavailable,
    RuntimeUnavailable,
    line,
)

log = logging.getLogger("platewatch.station")

RETRY_S = 5
"""When a client is to try again after a failure that may pass: a full disk, a locked record."""

_KINDS: tuple[tuple[type[PlatewatchError], int, str], ...] = (
    (InputError, 422, "invalid"),
    (NotFound, 404, "not_found"),
    (RecordUnavailable, 503, "record_unavailable"),
    (RecordError, 500, "record_damaged"),
    (ModelError, 503, "model_unavailable"),
    (OutputError, 503, "cannot_write"),
    (RuntimeUnavailable, 503, "runtime_unavailable"),
)
"""An error of the library → status and code; the first that fits."""

_HTTP = {
    400: ("malformed", "a request as HTTP has it", "fix the client"),
    404: ("no_such_address", "an address that /docs lists", "see /docs"),
    405: ("method_not_allowed", "another method", "see /docs"),
}
_OTHER = ("refused", "another request", "see /docs")
"""What the framework refuses: code, expected, next."""


class Problem(BaseModel):
    """What was refused, and what to do about it."""

    code: str
    """For programs."""
    message: str
    """One line for a person: what, where, what was expected, what to do next."""
    where: str
    expected: str
    next: str


class ErrorAnswer(BaseModel):
    """The body of every answer from 400 up."""

    error: Problem


class Refusal(HTTPException):
    """A request that is not fulfilled: raised anywhere, answered in the one shape."""

    def __init__(
        self,
        status: int,
        code: str,
        what: str,
        *,
        expected: str,
        next: str,
        where: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        """`where` is the request's method and path unless told."""
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        super().__init__(status, what, headers)
        self.code, self.what, self.expected, self.next, self.where = code, what, expected, next, where


def refusal(error: PlatewatchError) -> Refusal:
    """An error of the library as it is answered; what may pass by itself says when to try again."""
    status, code = next((status, code) for kind, status, code in _KINDS if isinstance(error, kind))
    return Refusal(
        status,
        code,
        error.what,
        expected=error.expected,
        next=error.remedy,
        where=error.where or None,
        retry_after_s=RETRY_S if status == 503 else None,
    )


def answer(request: Request, refused: Refusal) -> Response:
    """The refusal as JSON, or as the page that app.state.error_page makes of it for a browser."""
    page = getattr(request.app.state, "error_page", None)
    if page is not None and "text/html" in request.headers.get("accept", ""):
        shown: Response = page(request, refused)
        return shown
    return as_json(refused, f"{request.method} {request.url.path}")


def as_json(refused: Refusal, where: str) -> JSONResponse:
    """The refusal in the one shape."""
    return JSONResponse({"error": problem(refused, where)}, refused.status_code, refused.headers)


def problem(refused: Refusal, where: str) -> dict[str, str]:
    """The inner part of the one shape; `where` stands when the refusal names no place."""
    place = refused.where or where
    return {
        "code": refused.code,
        "message": line(place, refused.what, refused.expected, refused.next),
        "where": place,
        "expected": refused.expected,
        "next": refused.next,
    }


def install(app: FastAPI) -> None:
    """Have every failure answered in the one shape, those of the framework too."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(PlatewatchError, _known)
    app.add_exception_handler(Exception, _unknown)


def unknown() -> Refusal:
    """What nobody thought of; its details are in the log and never in the answer."""
    return Refusal(
        500, "internal", "failed unexpectedly", expected="no such thing", next="see the station's log", where=None
    )


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for these
    if isinstance(error, Refusal):
        return answer(request, error)
    code, expected, remedy = _HTTP.get(error.status_code, _OTHER)
    made = Refusal(error.status_code, code, str(error.detail).lower(), expected=expected, next=remedy)
    made.headers = {**(error.headers or {})}
    return answer(request, made)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for these
    first: Mapping[str, Any] = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    what = f"{place}: {first['msg'].lower()}"
    return answer(request, Refusal(422, "invalid", what, expected="what /docs describes", next="fix the request"))


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, PlatewatchError)  # noqa: S101 - registered for these
    return answer(request, refusal(error))


async def _unknown(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answer(request, unknown())
