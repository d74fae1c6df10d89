"""Connections to the station: their number, their time limits, and which one is closed for a new one.

A connection is busy while a request is answered. At the limit, the connection that has been idle for longest is closed
for a new one, so that silent clients keep nobody out. A client that has sent part of a header, or reads an answer too
slowly, has a time limit.
"""

import logging
import os
import socket
import time
from asyncio import Transport, get_running_loop
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger("platewatch.station")

_RESERVED = 96  # files that the record, the photographs and the model may have open
_FEWEST = 16
_MARGIN = 16  # connections beyond the limit while those that make room are being closed
_AT_ONCE = 32  # connections accepted before the event loop does anything else
_SWEEP_S = 1.0


def most_open(wanted: int) -> int:
    """How many connections this process can have open: `wanted`, or what its limit of open files allows."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return wanted
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if soft == resource.RLIM_INFINITY else soft - _RESERVED
    return max(_FEWEST, min(wanted, allowed))


class Connection(socket.socket):
    """One accepted connection."""

    owner: "Connections"
    transport: Transport | None = None
    """Set as soon as HTTP may be spoken; before, TLS is being agreed on."""
    phase = "new"
    """`busy`: a request is answered; `partial`: a header or an unread body is arriving; `kept`: between requests."""
    since = 0.0
    """When it was accepted, or became idle."""
    until: float | None = None
    """When it is closed unless a request or its end comes before."""
    stalled_until: float | None = None
    """When it is closed unless the client takes more of the answer."""
    ended = False

    def close(self) -> None:
        """Close it and make room for another one."""
        self.owner.open.pop(self.fileno(), None)
        super().close()

    def end(self) -> None:
        """Let the event loop close it, without waiting for the client."""
        self.ended = True
        if self.transport is not None:
            self.transport.abort()
            return
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)


class Connections(socket.socket):
    """A listening socket that enforces the limits; used by the event loop only."""

    def __init__(self, listening: socket.socket, *, most: int, wait_s: float) -> None:
        """Takes over `listening`. `most` connections; `wait_s` for a header, and for a client that takes no answer."""
        super().__init__(listening.family, listening.type, listening.proto, fileno=listening.detach())
        self.most, self.wait_s = most, wait_s
        self.open: dict[int, Connection] = {}
        self.turned_away = 0
        """Number of connections closed for new ones, or because there was no room."""
        self._spare = os.open(os.devnull, os.O_RDONLY)  # a file to close when no more can be opened
        self._accepted, self._sweeping = 0, False

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; raises BlockingIOError when there is none, or when others have to be served first."""
        if not self._sweeping:
            self._sweep()
        self._accepted += 1
        if self._accepted > _AT_ONCE or self._must_wait():
            self._accepted = 0
            raise BlockingIOError
        try:
            number, address = self._accept()  # type: ignore[attr-defined] # of the class in C
        except BlockingIOError:
            self._accepted = 0
            raise
        except OSError as error:
            self._refuse_without_a_file()
            raise BlockingIOError from error
        made = Connection(self.family, self.type, self.proto, fileno=number)
        made.owner, made.since = self, time.monotonic()
        made.until = made.since + self.wait_s
        if len(self.open) >= self.most and not self._make_room():
            super(Connection, made).close()
            self._say("too many connections, all in use: a new one is closed")
            raise BlockingIOError
        self.open[number] = made
        return made, address

    def close(self) -> None:
        """Stop listening."""
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
        super().close()

    def of(self, transport: Transport) -> Connection:
        """The connection that the event loop has made this transport of."""
        found = self.open[transport.get_extra_info("socket").fileno()]
        found.transport = transport
        return found

    def _must_wait(self) -> bool:
        """Whether connections that were told to end have to be gone before the next one is accepted."""
        return len(self.open) >= self.most + _MARGIN and any(each.ended for each in self.open.values())

    def _make_room(self) -> bool:
        """End the connection that has been idle for longest; False when there is none."""
        idle = [each for each in self.open.values() if each.phase != "busy" and not each.ended]
        if not idle:
            return False
        min(idle, key=lambda each: each.since).end()
        self._say("too many connections: the one idle for longest is closed")
        return True

    def _refuse_without_a_file(self) -> None:
        """Accept and close one, which takes the spare file; else it would be offered again and again."""
        if self._spare >= 0:
            os.close(self._spare)
        with suppress(OSError):
            os.close(self._accept()[0])  # type: ignore[attr-defined] # of the class in C
        with suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)
        self._make_room()
        self._say("no file can be opened: a new connection is closed")

    def _say(self, what: str) -> None:
        self.turned_away += 1
        log.warning("%s (at most %d)", what, self.most)

    def _sweep(self) -> None:
        """Close those whose time is over, now and every second."""
        self._sweeping = True
        now = time.monotonic()
        for each in list(self.open.values()):
            if not each.ended and any(until is not None and until < now for until in (each.until, each.stalled_until)):
                each.end()
        get_running_loop().call_later(_SWEEP_S, self._sweep)


class Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, which tells its connection whether it is busy."""

    def __init__(self, connections: Connections, **options: Any) -> None:
        super().__init__(**options)
        self._wait_s, self._registry = connections.wait_s, connections
        self._connection: Connection | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """The connection is open, and TLS agreed on."""
        super().connection_made(transport)
        self._connection = self._registry.of(transport)

    def data_received(self, data: bytes) -> None:
        """Part of a header starts the clock; a whole one stops it: the body has a time limit of its own."""
        super().data_received(data)
        self._note()

    def on_response_complete(self) -> None:
        """Idle from now on. A request whose body was not read has to end soon."""
        super().on_response_complete()
        self._note()

    def pause_writing(self) -> None:
        """The client does not take the answer."""
        super().pause_writing()
        if self._connection is not None:
            self._connection.stalled_until = time.monotonic() + self._wait_s

    def resume_writing(self) -> None:
        """The client takes the answer again."""
        super().resume_writing()
        if self._connection is not None:
            self._connection.stalled_until = None

    def _note(self) -> None:
        connection, phase, now = self._connection, self._phase(), time.monotonic()
        if connection is None or connection.phase == phase:
            return
        waits = {"busy": None, "partial": self._wait_s, "kept": self.timeout_keep_alive}[phase]
        connection.phase, connection.since = phase, now
        connection.until = None if waits is None else now + waits

    def _phase(self) -> str:
        if self.cycle is not None and not self.cycle.response_complete:
            return "busy"
        data, _ = self.conn.trailing_data
        return "kept" if not data and repr(self.conn.their_state) in {"IDLE", "DONE"} else "partial"
