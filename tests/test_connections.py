"""Silent and slow clients keep nobody out: connections are limited in number and time, log lines in number."""

import errno
import functools
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from platewatch.station import connections, server
from platewatch.station.connections import Connections, Protocol, most_open
from platewatch.station.log_limits import LogLimit
from waiting import GIVE_UP_S, eventually

MOST = 4


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers at once, without reading; /long with more than a socket holds."""
    body = bytes(2**25 if scope["path"] == "/long" else 2)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(wait_s: float = 1000.0, keep_s: int = 1000) -> Iterator[tuple[int, Connections]]:
    with Connections(socket.create_server(("127.0.0.1", 0)), most=MOST, wait_s=wait_s) as listening:
        port = listening.getsockname()[1]
        config = uvicorn.Config(
            answer,
            http=functools.partial(Protocol, listening),  # type: ignore[arg-type]
            loop="asyncio",
            lifespan="off",
            log_config=None,
            timeout_keep_alive=keep_s,
            timeout_graceful_shutdown=1,
        )
        station = uvicorn.Server(config)
        thread = threading.Thread(target=station.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield port, listening
        finally:
            station.should_exit = True
            thread.join(GIVE_UP_S)


@pytest.fixture(autouse=True)
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_SWEEP_S", 0.02)
    monkeypatch.setattr(connections, "_MARGIN", 2)


def connect(port: int, sent: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP_S)
    made.sendall(sent)
    return made


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def is_answered(made: socket.socket) -> bool:
    return made.recv(12) == b"HTTP/1.1 200"


def ends(made: socket.socket) -> bool:
    """Whether the station closes the connection; waits for it."""
    try:
        while made.recv(2**20):
            pass
    except ConnectionError:
        pass
    return True


def test_silent_connections_keep_nobody_out() -> None:
    """Far more of them than may be open, and no time limit yet."""
    with serving() as (port, listening):
        silent = [connect(port, sent) for sent in (b"", b"GET / HT") for _ in range(20)]
        for _ in range(5):
            client = connect(port, GET)
            assert is_answered(client)
            client.close()
        assert len(listening.open) <= MOST + 2
        assert listening.turned_away >= 30
        assert ends(silent[0])
        for each in silent:
            each.close()


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHos", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"]
)
def test_a_header_and_a_body_that_nobody_reads_have_a_time_limit(sent: bytes) -> None:
    with serving(wait_s=0.1) as (port, _), connect(port, sent) as client:
        assert ends(client)


def test_a_client_that_takes_no_answer_is_cut_off() -> None:
    with serving(wait_s=0.1) as (port, listening), connect(port, b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        client.recv(1)
        eventually(lambda: not listening.open)


def test_a_connection_is_kept_between_requests() -> None:
    """For uvicorn's time, not for a header's; and a request stops the clock."""
    with serving(wait_s=0.1) as (port, listening), connect(port, GET) as client:
        assert is_answered(client)
        client.sendall(GET)
        (kept,) = listening.open.values()
        eventually(lambda: kept.phase == "kept")
        assert kept.until is not None
        assert kept.until - kept.since > 900


def test_without_files_a_connection_is_closed_and_nothing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with Connections(socket.create_server(("127.0.0.1", 0)), most=MOST, wait_s=1) as listening:
        listening.settimeout(GIVE_UP_S)
        accept, calls = listening._accept, [0]  # type: ignore[attr-defined]

        def no_file() -> Any:
            calls[0] += 1
            if calls[0] == 1:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return accept()

        monkeypatch.setattr(listening, "_accept", no_file, raising=False)
        monkeypatch.setattr(listening, "_sweep", lambda: None)
        with connect(listening.getsockname()[1]) as client:
            with pytest.raises(BlockingIOError):
                listening.accept()
            assert ends(client)
        assert listening.turned_away == 1


def test_the_limit_follows_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    limits = {"soft": 256}
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limits["soft"], limits["soft"]))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert most_open(300) == 256 - 96
    assert most_open(100) == 100
    limits["soft"] = 64
    assert most_open(300) == 16
    limits["soft"] = resource.RLIM_INFINITY
    assert most_open(300) == 300


def test_the_same_line_is_logged_a_few_times_and_then_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    limit, written = LogLimit(), list[str]()

    def say(text: str, number: int) -> None:
        record = logging.LogRecord("a", logging.WARNING, "", 0, text, (number,), None)
        if limit.filter(record):
            written.append(record.getMessage())

    for number in range(1000):
        say("no place for %d", number)
    say("another %d", 1)
    assert written[0] == "no place for 0"
    assert written[9] == "no place for 9 (more of these are left out for 60 s)"
    assert written[10:] == ["another 1"]
    now[0] = 61.0
    say("no place for %d", 1000)
    assert written[-1] == "no place for 1000 (990 more before)"


def test_a_station_that_is_told_to_stop_ends_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when a plate takes for ever: a last timer runs from the signal on, once."""
    started, left = list[tuple[float, Any]](), list[int]()

    class Timer:
        def __init__(self, seconds: float, act: Any) -> None:
            started.append((seconds, act))

        def start(self) -> None:
            pass

    class Live:
        def close(self) -> None:
            pass

    monkeypatch.setattr(threading, "Timer", Timer)
    monkeypatch.setattr(os, "_exit", left.append)
    app = type("App", (), {"state": type("State", (), {"station": type("Station", (), {"live": Live()})})})
    made = server._Server(uvicorn.Config(answer, log_config=None), app, lambda: None)  # type: ignore[arg-type]
    made.handle_exit(15, None)
    made.handle_exit(15, None)
    ((seconds, act),) = started
    assert seconds > server._STOP_S
    act()
    assert left == [1]
