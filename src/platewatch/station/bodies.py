"""The body of a request while it arrives: limited in size and time, and decompressed when it is gzip."""

import asyncio
import zlib
from asyncio import timeout_at

from starlette.requests import Request
from starlette.types import Message, Receive

from platewatch.station.problem_details import RequestError

_PIECE = 2**20  # bytes unpacked at a time, so that the event loop is not held up
_PACKED = ("gzip", "x-gzip")
_GZIP = zlib.MAX_WBITS | 16


class Body:
    """The `receive` of one request; raises RequestError 408, 413, 415 or 400 while the body is read."""

    def __init__(self, request: Request, receive: Receive, *, most: int, seconds: float) -> None:
        """At most `most` bytes, compressed and decompressed, all of them within `seconds` from now.

        Raises RequestError for a larger Content-Length or another content encoding.
        """
        self._receive, self._most, self._seconds = receive, most, seconds
        self._until = asyncio.get_running_loop().time() + seconds
        self._received = self._unpacked = 0
        self._complete = False
        packing = request.headers.get("content-encoding", "").strip().lower()
        self._unpacker = zlib.decompressobj(_GZIP) if packing in _PACKED else None
        self._rest, self._last = b"", False
        if packing not in {"", "identity", *_PACKED}:
            raise _unknown_packing(packing)
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > most:
            raise too_large(most)

    async def __call__(self) -> Message:
        """The next message of the connection."""
        if self._complete:
            return await self._receive()  # the end of the connection
        if self._unpacker is None:
            return await self._next()
        if not self._rest and not self._last:
            message = await self._next()
            if message["type"] != "http.request":
                return message
            self._rest, self._last = message.get("body", b""), not message.get("more_body", False)
        return self._unpack(self._unpacker)

    async def _next(self) -> Message:
        try:
            async with timeout_at(self._until):
                message = await self._receive()
        except TimeoutError as error:
            raise _too_slow(self._seconds) from error
        self._received += len(message.get("body", b""))
        if self._received > self._most:
            raise too_large(self._most)
        if self._unpacker is None:
            self._complete = not message.get("more_body", False)
        return message

    def _unpack(self, unpacker: "zlib._Decompress") -> Message:
        try:
            piece = unpacker.decompress(self._rest, _PIECE)
        except zlib.error as error:
            raise _damaged() from error
        self._rest = unpacker.unconsumed_tail
        self._unpacked += len(piece)
        if self._unpacked > self._most:
            raise too_large(self._most)
        more = bool(self._rest) or not self._last or (bool(piece) and not unpacker.eof)
        if not more and not unpacker.eof and self._received:
            raise _damaged()
        self._complete = not more
        return {"type": "http.request", "body": piece, "more_body": more}


def too_large(most: int) -> RequestError:
    """The error for a body of more than `most` bytes."""
    return RequestError(
        413, "too_large", "the request body is too large", expected=f"at most {most} bytes", next="send less"
    )


def _too_slow(seconds: float) -> RequestError:
    expected = f"all of it within {seconds:g} s"
    return RequestError(408, "too_slow", "the request body did not arrive", expected=expected, next="send it again")


def _damaged() -> RequestError:
    return RequestError(
        400,
        "malformed",
        "the body is no complete gzip data",
        expected="what Content-Encoding says",
        next="send it again",
    )


def _unknown_packing(packing: str) -> RequestError:
    made = RequestError(
        415,
        "no_upload",
        f"content encoding {packing[:40]!r}",
        expected="gzip, or no Content-Encoding",
        next="send the body as it is",
    )
    made.headers = {"Accept-Encoding": "gzip"}
    return made
