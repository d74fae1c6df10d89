"""Error responses: every one has the form {"error": {"code", "message", "where", "expected", "next"}}.

`code` is for programs and never changes its meaning. `message` is one line for a person.
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
    NoModel,
    NotFound,
    OutputError,
    PlatewatchError,
    RecordError,
    RecordUnavailable,
    RuntimeUnavailable,
    UnknownPartType,
    line,
)
from platewatch.station import times

log = logging.getLogger("platewatch.station")

RETRY_S = 5
"""Seconds until a client should retry after a failure that may pass, such as a full disk or a locked record."""

LIBRARY_ERRORS: tuple[tuple[type[PlatewatchError], int, str], ...] = (
    (UnknownPartType, 422, "unknown_part_type"),
    (InputError, 422, "invalid"),
    (NotFound, 404, "not_found"),
    (RecordUnavailable, 503, "record_unavailable"),
    (RecordError, 500, "record_damaged"),
    (NoModel, 503, "no_model"),
    (ModelError, 503, "model_unavailable"),
    (OutputError, 503, "cannot_write"),
    (RuntimeUnavailable, 503, "runtime_unavailable"),
)
"""Error class of the library, status, code; the first class that matches is used."""

FRAMEWORK_ERRORS = {
    400: ("malformed", "a valid HTTP request", "fix the client"),
    404: ("no_such_address", "an address that /docs lists", "see /docs"),
    405: ("method_not_allowed", "a method that /docs lists for this address", "see /docs"),
}
OTHER_FRAMEWORK_ERROR = ("refused", "a request that /docs describes", "see /docs")
"""Code, expected and next for errors that the web framework raises, by status."""


class Problem(BaseModel):
    """What went wrong and what to do about it."""

    code: str
    """For programs."""
    message: str
    """One line for a person: where, what, what was expected, what to do next."""
    where: str
    expected: str
    next: str


class ErrorBody(BaseModel):
    """The body of every response with a status of 400 or above."""

    error: Problem


class RequestError(HTTPException):
    """A request that cannot be fulfilled; raised anywhere, sent as an error response."""

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
        """`where` None: the response names the request's method and path."""
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        super().__init__(status, what, headers)
        self.code, self.what, self.expected, self.next, self.where = code, what, expected, next, where


def request_error(error: PlatewatchError) -> RequestError:
    """The RequestError for an error of the library; a 503 carries Retry-After."""
    status, code = next((status, code) for kind, status, code in LIBRARY_ERRORS if isinstance(error, kind))
    return RequestError(
        status,
        code,
        error.what,
        expected=error.expected,
        next=error.remedy,
        where=error.where or None,
        retry_after_s=RETRY_S if status == 503 else None,
    )


def internal_error() -> RequestError:
    """For an exception that nobody expected; its details go to the log and never into the response."""
    return RequestError(500, "internal", "unexpected failure", expected="no failure", next="see the station's log")


def response(request: Request, error: RequestError) -> Response:
    """The error as JSON, or for a browser as the page that `app.state.error_page` renders."""
    page = getattr(request.app.state, "error_page", None)
    if page is not None and "text/html" in request.headers.get("accept", ""):
        rendered: Response = page(request, error)
        return rendered
    body = {"error": problem(error, f"{request.method} {request.url.path}")}
    return JSONResponse(body, error.status_code, error.headers)


def problem(error: RequestError, where: str) -> dict[str, str]:
    """The fields of `Problem`; `where` is used when the error names no place."""
    place = error.where or where
    return {
        "code": error.code,
        "message": line(place, error.what, error.expected, error.next),
        "where": place,
        "expected": error.expected,
        "next": error.next,
    }


def install(app: FastAPI) -> None:
    """Send every failure in the one form, the framework's own failures included."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(PlatewatchError, _library_error)
    app.add_exception_handler(Exception, _unexpected_error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    if isinstance(error, RequestError):
        return response(request, error)
    code, expected, remedy = FRAMEWORK_ERRORS.get(error.status_code, OTHER_FRAMEWORK_ERROR)
    made = RequestError(error.status_code, code, str(error.detail).lower(), expected=expected, next=remedy)
    made.headers = {**(error.headers or {})}
    return response(request, made)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    first: Mapping[str, Any] = error.errors()[0]
    place, message = ".".join(str(part) for part in first["loc"]), str(first["msg"])
    what = f"{place}: {message[:1].lower()}{message[1:]}"  # values keep their letters
    is_number = isinstance(first.get("ctx", {}).get("error"), times.NumberError)
    is_time = is_number or str(first["type"]).startswith("datetime")
    expected = times.EXAMPLE if is_time else "what /docs describes"
    made = RequestError(422, "invalid", what, expected=expected, next="fix the request")
    return response(request, made)


async def _library_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PlatewatchError)  # noqa: S101 - registered for this class
    return response(request, request_error(error))


async def _unexpected_error(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return response(request, internal_error())
