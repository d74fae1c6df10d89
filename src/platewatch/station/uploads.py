"""A photograph out of a request: its bytes as they are, or a form with one file; limited while it arrives.

What a client sends is bytes. Nothing in it is ever taken for an address and fetched.
"""

import asyncio
from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from platewatch.line.judging import Plate
from platewatch.photographs import reading
from platewatch.station.problem_details import RequestError
from platewatch.station.security import too_large
from platewatch.station.settings import Settings

_NAME = 200  # letters of a name that are kept
_KEY = 200


async def read(request: Request, settings: Settings, *, owner: str, source: str) -> Plate:
    """The photograph with its name, plate id and key; raises RequestError for what is too large, too slow or no upload.

    `owner` keeps one client's keys apart from another's.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= _KEY:
        raise _refused("malformed", "the Idempotency-Key is empty or long", f"1 to {_KEY} letters", "shorten it")
    try:
        async with asyncio.timeout(settings.upload_s):
            form, photograph, name = await _body(request, settings)
    except TimeoutError as error:
        within = f"all of it within {settings.upload_s:g} s"
        raise RequestError(
            408, "too_slow", "the photograph did not arrive", expected=within, next="send it again"
        ) from error
    if not photograph:
        raise _refused("no_photograph", "the photograph is empty", "the bytes of an image file", "send the file itself")
    if len(photograph) > settings.max_bytes:
        raise too_large(settings.max_bytes)
    _check_pixels(photograph, settings.max_pixels)
    return Plate(
        photograph,
        name=_short(name or request.query_params.get("name")),
        plate_id=_short(form.get("plate_id") or request.query_params.get("plate_id")),
        key=None if key is None else f"{owner}:{key}",
        source=source,
    )


async def _body(request: Request, settings: Settings) -> tuple[dict[str, str], bytes, str | None]:
    """The form's fields, the photograph's bytes, and the name it came under."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _form(request, settings)
    if kind == "application/x-www-form-urlencoded" or kind.startswith(("text/", "application/json")):
        expected = "image/…, application/octet-stream or multipart/form-data"
        raise RequestError(
            415, "no_upload", f"content type {kind}", expected=expected, next="send the file's own bytes"
        )
    return {}, b"".join([part async for part in request.stream()]), None


async def _form(request: Request, settings: Settings) -> tuple[dict[str, str], bytes, str | None]:
    parser = MultiPartParser(request.headers, _stream(request), max_files=1, max_fields=8)
    parser.spool_max_size = settings.max_bytes + 1  # in memory: a full disk must not cost a plate
    form: FormData | None = None
    try:
        form = await parser.parse()
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        if not files:
            raise _refused("no_photograph", "the form has no file", "one file, such as photograph=@plate.png", "add it")
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        return fields, await files[0].read(), files[0].filename
    except (MultiPartException, KeyError, UnicodeError) as error:
        message = str(error).rstrip(".").lower() or "no form"
        raise _refused("malformed", message, "multipart/form-data with one file", "fix the client") from error
    finally:
        if form is not None:
            await form.close()


async def _stream(request: Request) -> AsyncGenerator[bytes, None]:
    async for part in request.stream():
        yield part


def _check_pixels(photograph: bytes, most: int) -> None:
    found = reading.dimensions(photograph)
    if found is not None and found[0] * found[1] > most:
        expected = f"at most {most} px, width × height"
        raise RequestError(
            413, "too_many_pixels", "too many pixels", expected=expected, next="send a smaller photograph"
        )


def _short(text: str | None) -> str | None:
    """The text as it is kept; None when there is none."""
    kept = "".join(letter for letter in (text or "").strip() if letter.isprintable())[:_NAME]
    return kept or None


def _refused(code: str, what: str, expected: str, next_step: str) -> RequestError:
    return RequestError(400, code, what, expected=expected, next=next_step)
