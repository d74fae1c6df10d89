"""Server-sent events to the open pages: `inspection`, `review`, `model`, `alarm`, `health`.

Published from any thread, read by any number of pages. A page that reads too slowly is cut off; it connects again by
itself with Last-Event-ID and gets the plates that it missed from the record.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

_HELD = 256  # messages that wait for a slow page, at most
_BEAT_S = 10.0  # a comment this often keeps proxies from closing a quiet connection


@dataclass(frozen=True)
class Message:
    """One server-sent event; `number` is the plate's, and becomes the Last-Event-ID of a page that connects again."""

    kind: str
    values: dict[str, Any]
    number: int | None = None

    def encode(self) -> str:
        """The message as bytes of the stream, not yet encoded."""
        mark = "" if self.number is None else f"id: {self.number}\n"
        return f"{mark}event: {self.kind}\ndata: {json.dumps(self.values, ensure_ascii=False)}\n\n"


Listener = asyncio.Queue[Message | None]
"""The messages that wait for one page; None ends it."""


class Live:
    """The open pages; thread-safe."""

    def __init__(self) -> None:
        self._pages: dict[Listener, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()
        self.closed = False

    def __len__(self) -> int:
        """Number of open pages."""
        return len(self._pages)

    def publish(self, message: Message) -> None:
        """Send the message to every page; never waits, never raises."""
        self._each(lambda queue: self._put(queue, message))

    def close(self) -> None:
        """End every stream, so that the station can stop."""
        self.closed = True
        self._each(_end)

    def join(self, most: int) -> Listener | None:
        """A place for one page, in the event loop; None when `most` pages have one. `leave` gives it back."""
        listener: Listener = asyncio.Queue(_HELD)
        with self._lock:
            if len(self._pages) >= most:
                return None
            self._pages[listener] = asyncio.get_running_loop()
        return listener

    def leave(self, listener: Listener) -> None:
        """Give the place back; a second call does nothing."""
        with self._lock:
            self._pages.pop(listener, None)

    async def stream(self, listener: Listener, missed: Callable[[], Iterable[Message]]) -> AsyncIterator[str]:
        """One page's stream: what `missed` gives (it may block), then every message; ends when the page is too slow."""
        try:
            sent = set[int]()
            yield "retry: 1000\n\n"
            for old in await asyncio.to_thread(lambda: list(missed())):
                sent.add(old.number or 0)
                yield old.encode()
            async for message in self._read(listener):
                if message is None:
                    yield ": still here\n\n"
                elif message.number is None or message.number not in sent:
                    yield message.encode()
        finally:
            self.leave(listener)

    async def _read(self, queue: Listener) -> AsyncIterator[Message | None]:
        """The queue's messages until it ends, and None whenever there was none for a while."""
        while not self.closed:
            try:
                message = await asyncio.wait_for(queue.get(), _BEAT_S)
            except TimeoutError:
                yield None
                continue
            if message is None:
                return
            yield message

    def _put(self, queue: Listener, message: Message) -> None:
        if not queue.full():
            queue.put_nowait(message)
            return
        self.leave(queue)
        _end(queue)

    def _each(self, act: Callable[[Listener], None]) -> None:
        with self._lock:
            pages = list(self._pages.items())
        for queue, loop in pages:
            try:
                loop.call_soon_threadsafe(act, queue)
            except RuntimeError:  # the event loop has ended, and with it the page
                continue


def _end(queue: Listener) -> None:
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)
