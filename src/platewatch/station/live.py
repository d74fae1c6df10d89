"""What happens now, as server-sent events: `inspection`, `review`, `model`, `alarm`, `health`.

Published from any thread, read by any number of open pages. A page that reads too slowly is cut off, and comes again by
itself with Last-Event-ID: it misses nothing that is in the record.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

_HELD = 256  # messages that a slow page may be behind
_BEAT_S = 10.0  # a comment this often keeps proxies from closing a quiet line


@dataclass(frozen=True)
class Message:
    """One event; `number` is the plate's, by which a page that was away asks for what it missed."""

    kind: str
    values: dict[str, Any]
    number: int | None = None

    def encode(self) -> str:
        """The message on the wire."""
        mark = "" if self.number is None else f"id: {self.number}\n"
        return f"{mark}event: {self.kind}\ndata: {json.dumps(self.values, ensure_ascii=False)}\n\n"


class Live:
    """Those who watch, and how they are told; safe to share by threads."""

    def __init__(self) -> None:
        self._watchers: dict[asyncio.Queue[Message | None], asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()
        self.closed = False

    def __len__(self) -> int:
        """Pages that are open."""
        return len(self._watchers)

    def publish(self, message: Message) -> None:
        """Tell everyone who watches; never waits, never raises."""
        self._each(lambda queue: self._put(queue, message))

    def close(self) -> None:
        """End every stream, so that the station can stop."""
        self.closed = True
        self._each(_end)

    async def stream(self, missed: Callable[[], Iterable[Message]]) -> AsyncIterator[str]:
        """What happens from now on, after what `missed` gives (it may block); ends when the page is too slow."""
        queue: asyncio.Queue[Message | None] = asyncio.Queue(_HELD)
        with self._lock:
            self._watchers[queue] = asyncio.get_running_loop()
        try:
            told = 0
            yield "retry: 1000\n\n"
            for old in await asyncio.to_thread(lambda: list(missed())):
                told = max(told, old.number or 0)
                yield old.encode()
            async for message in self._read(queue):
                if message is None:
                    yield ": still here\n\n"
                elif message.number is None or message.number > told:
                    yield message.encode()
        finally:
            with self._lock:
                self._watchers.pop(queue, None)

    async def _read(self, queue: "asyncio.Queue[Message | None]") -> AsyncIterator[Message | None]:
        """The queue's messages, and None whenever nothing came for a while, until it is ended."""
        while not self.closed:
            try:
                message = await asyncio.wait_for(queue.get(), _BEAT_S)
            except TimeoutError:
                yield None
                continue
            if message is None:
                return
            yield message

    def _put(self, queue: "asyncio.Queue[Message | None]", message: Message) -> None:
        if not queue.full():
            queue.put_nowait(message)
            return
        with self._lock:
            self._watchers.pop(queue, None)
        _end(queue)

    def _each(self, act: Callable[["asyncio.Queue[Message | None]"], None]) -> None:
        with self._lock:
            watchers = list(self._watchers.items())
        for queue, loop in watchers:
            try:
                loop.call_soon_threadsafe(act, queue)
            except RuntimeError:  # its loop has ended, and the page with it
                continue


def _end(queue: "asyncio.Queue[Message | None]") -> None:
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)
