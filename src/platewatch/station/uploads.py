"""A photograph out of a request: its bytes as they are, or a form with one file; limited while it arrives.

An upload is bytes; no address in it is fetched.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from fastapi import Request

from platewatch import printable
from platewatch.line.judging import Plate
from platewatch.photographs import reading, structure
from platewatch.photographs.memory import Budget
from platewatch.station import forms
from platewatch.station.bodies import too_large
from platewatch.station.problem_details import RequestError
from platewatch.station.settings import Settings

_BYTES = {"schema": {"type": "string", "format": "binary"}}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            **dict.fromkeys(("image/png", "image/jpeg", "image/*", "application/octet-stream"), _BYTES),
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photograph"],
                    "properties": {
                        "photograph": _BYTES["schema"],
                        "plate_id": {"type": "string"},
                        "part_type": {"type": "string"},
                    },
                }
            },
        },
    },
    "parameters": [{"name": "name", "in": "query", "schema": {"type": "string", "maxLength": 200}}],
}
"""The body and the query of an address that takes a photograph, for OpenAPI."""
_TEXT = 200  # letters of a name or plate id
_KEY = 200


class Arrivals:
    """The memory of photographs that arrive or wait; an upload that does not fit is refused, as without a place."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.budget = Budget(settings.shares.bodies)

    @contextmanager
    def room(self) -> "Iterator[Room]":
        """Room for one upload, which grows with it; free again at the end of the block."""
        room = Room(self.budget, self._settings.retry_after_s)
        try:
            yield room
        finally:
            self.budget.give(room.taken)


class Room:
    """The bytes that one upload has taken."""

    def __init__(self, budget: Budget, retry_after_s: int) -> None:
        self._budget, self._retry_after_s, self.taken = budget, retry_after_s, 0

    def grow(self, total: int) -> None:
        """Take `total` bytes in all; raises RequestError 503 when they are not free."""
        more = total - self.taken
        if more <= 0:
            return
        if not self._budget.take(more):
            expected = f"at most {self._budget.total / 1e6:.0f} MB of photographs at a time"
            raise RequestError(
                503,
                "overloaded",
                "the memory for photographs that wait is in use",
                expected=expected,
                next=f"send it again in {self._retry_after_s} s",
                retry_after_s=self._retry_after_s,
            )
        self.taken = total


async def read(request: Request, settings: Settings, room: Room, *, owner: str, source: str) -> Plate:
    """The photograph with its name, plate id and key; raises RequestError for what is too large, too slow or no upload.

    `owner` keeps one client's keys apart from another's.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= _KEY:
        raise _refused("malformed", "the Idempotency-Key is empty or long", f"1 to {_KEY} letters", "shorten it")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal():
        room.grow(int(announced))
    form = await _body(request, _counted(request, room))
    photograph = form.photograph
    if not photograph:
        raise _refused("no_photograph", "the photograph is empty", "the bytes of an image file", "send the file itself")
    if len(photograph) > settings.max_bytes:
        raise too_large(settings.max_bytes)
    await asyncio.to_thread(_check_pixels, photograph, settings)
    return Plate(
        photograph,
        name=_once("name", _name(form.name), _name(request.query_params.get("name"))),
        plate_id=_once(
            "plate_id", _plate_id(form.fields.get(forms.PLATE_ID)), _plate_id(request.query_params.get("plate_id"))
        ),
        part_type=_once("part_type", form.fields.get(forms.PART_TYPE), request.query_params.get("part_type")) or "",
        key=None if key is None else f"{_escaped(owner)}:{key}",
        source=source,
    )


async def _counted(request: Request, room: Room) -> AsyncIterator[bytes]:
    received = 0
    async for part in request.stream():
        received += len(part)
        room.grow(received)
        yield part


async def _body(request: Request, stream: AsyncIterator[bytes]) -> forms.Form:
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        form = await forms.parse(content_type, stream)
        if form.photograph is None:
            raise _refused("no_photograph", "the form has no file", "one file, such as photograph=@plate.png", "add it")
        return form
    if kind == "application/x-www-form-urlencoded" or kind.startswith(("text/", "application/json")):
        expected = "image/…, application/octet-stream or multipart/form-data"
        raise RequestError(
            415, "no_upload", f"content type {kind}", expected=expected, next="send the file's own bytes"
        )
    content = io.BytesIO()  # its bytes are not copied at the end
    async for part in stream:
        content.write(part)
    return forms.Form(photograph=content.getvalue())


def _check_pixels(photograph: bytes, settings: Settings) -> None:
    """Look at the header, which may take a while; raises RequestError 413 for more pixels than are decoded here."""
    found = reading.dimensions(photograph)
    if found is None:
        return  # the plate's own Inspection says why it is not readable
    pixels, most = found[0] * found[1], settings.max_pixels
    next_step = "send a smaller photograph"
    if pixels <= most:
        needed = structure.decoding_bytes(photograph, pixels)
        if needed <= settings.shares.decoding:
            return
        most = max(0, round(pixels * settings.shares.decoding / needed))
        next_step += f", or start the station with more than --memory {settings.memory_mb}"
    raise RequestError(
        413, "too_many_pixels", "too many pixels", expected=f"at most {most} px, width × height", next=next_step
    )


def _once(what: str, in_form: str | None, in_query: str | None) -> str | None:
    """The value of form or query; raises RequestError 422 when both have one and they differ."""
    if in_form is not None and in_query is not None and in_form != in_query:
        problem = f"{what} is {in_form[:60]!r} in the form and {in_query[:60]!r} in the query"
        raise RequestError(422, "invalid", problem, expected="one of the two, or the same", next="remove one")
    return in_query if in_form is None else in_form


def _name(text: str | None) -> str | None:
    return _printable(text)[:_TEXT] or None


def _plate_id(text: str | None) -> str | None:
    """The id as it is kept; None without one. It is not shortened, because two ids could become equal."""
    kept = _printable(text)
    if len(kept) > _TEXT:
        what, expected = f"plate_id: {len(kept)} letters", f"at most {_TEXT}"
        raise RequestError(422, "invalid", what, expected=expected, next="shorten it")
    return kept or None


def _printable(text: str | None) -> str:
    return printable.printable((text or "").strip(" \t\r\n"))


def _escaped(owner: str) -> str:
    """The name with its colons escaped, so that no other name and key give the same text."""
    return owner.replace("%", "%25").replace(":", "%3A")


def _refused(code: str, what: str, expected: str, next_step: str) -> RequestError:
    return RequestError(400, code, what, expected=expected, next=next_step)
