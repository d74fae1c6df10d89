"""Guessing passwords is limited, also side by side; it locks out nobody else and holds nothing up."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import stations
from platewatch.station import login_throttle
from platewatch.station.login_throttle import LoginThrottle, PasswordChecks
from platewatch.station.users import Account, Role, Users
from stations import PASSWORD, Running
from waiting import GIVE_UP_S

HERE, ELSEWHERE = "10.0.0.1", "10.0.0.2"
OPERATOR = Account("operator", Role.OPERATOR)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Running]:
    with stations.running(tmp_path) as running:
        stations.enrol(running.users)
        yield running


def _scope(method: str, path: str) -> dict[str, Any]:
    """A request as a server hands it to the application."""
    form = (b"content-type", b"application/x-www-form-urlencoded")
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), form],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": (HERE, 1),
        "asgi": {"version": "3.0", "spec_version": "2.4"},
    }


async def _post(line: Running, path: str, body: bytes) -> int:
    """The status of the answer."""
    statuses = list[int]()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    await line.app(_scope("POST", path), receive, send)
    return statuses[0]


def log_in(line: Running, name: str, password: str = "not the password") -> int:  # noqa: S107
    form = {"name": name, "password": password}
    return line.client.post("/login", data=form, follow_redirects=False).status_code


def test_failed_logins_are_throttled_and_recorded(line: Running) -> None:
    assert [log_in(line, "operator") for _ in range(7)] == [401] * LoginThrottle.BY_NAME + [429] * 2
    late = line.client.post("/login", data={"name": "operator", "password": PASSWORD})
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) > 60
    assert len(line.records.events("login_locked")) == 1
    assert log_in(line, "auditor", PASSWORD) == 303


def test_logins_side_by_side_are_limited_like_those_one_after_the_other(
    line: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 at the same time; all of them begin before the first password has been checked."""
    monkeypatch.setattr(login_throttle, "_WAITING_OF_ONE", 100)
    monkeypatch.setattr(login_throttle, "_WAITING", 100)
    checked = list[str]()

    def check(name: str, _password: str) -> None:
        checked.append(name)

    monkeypatch.setattr(line.app.state.users, "by_password", check)

    async def flood() -> list[int]:
        return await asyncio.gather(*(_post(line, "/login", b"name=operator&password=wrong") for _ in range(40)))

    codes = asyncio.run(flood())
    assert sorted(codes) == [401] * LoginThrottle.BY_NAME + [429] * 35
    assert len(checked) == LoginThrottle.BY_NAME


def test_attempts_begin_once_each_from_many_threads() -> None:
    throttle = LoginThrottle()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: throttle.begin("anna", HERE).wait_s, range(80)))
    assert found.count(0) == LoginThrottle.BY_NAME


def test_many_failures_at_one_address_lock_out_nobody_who_has_not_failed() -> None:
    throttle = LoginThrottle()
    for number in range(LoginThrottle.BY_ADDRESS):
        assert throttle.begin(f"name-{number % 50}", HERE).wait_s == 0
    assert throttle.begin("name-0", HERE).wait_s > 60, "one of those who failed"
    assert throttle.begin("anna", HERE).wait_s == 0, "anna has not"
    throttle.succeeded("anna", HERE)
    assert throttle.begin("anna", HERE).wait_s == 0, "nor has she now"
    assert throttle.begin("anna", HERE).wait_s > 60, "a name has one attempt more"
    assert throttle.begin("name-0", ELSEWHERE).wait_s == 0, "elsewhere nobody waits"


def test_a_password_that_was_not_checked_is_no_failure() -> None:
    throttle = LoginThrottle()
    for _ in range(20):
        assert throttle.begin("anna", HERE).wait_s == 0
        throttle.withdrawn("anna", HERE)


def test_twenty_failures_do_not_lock_the_address_out(line: Running) -> None:
    for number in range(20):
        assert log_in(line, f"nobody-{number % 10}") == 401
    assert log_in(line, "operator", PASSWORD) == 303


def test_passwords_are_checked_in_a_thread_of_their_own_and_few_wait(tmp_path: Path) -> None:
    """While the first check takes for ever, the event loop and its other threads go on."""
    go, threads = threading.Event(), set[str]()

    class Slow(Users):
        def by_password(self, _name: str, password: str) -> Account | None:
            threads.add(threading.current_thread().name)
            go.wait(GIVE_UP_S)
            return OPERATOR if password == PASSWORD else None

    async def flood() -> list[Any]:
        checks = PasswordChecks(Slow(tmp_path / "users.json"))
        waiting = [asyncio.create_task(checks.account("a", "wrong", f"10.0.0.{number // 8}")) for number in range(40)]
        await asyncio.sleep(0)
        refused = [task.result() for task in waiting if task.done()]
        assert await asyncio.to_thread(lambda: "another thread") == "another thread"
        go.set()
        done = await asyncio.gather(*waiting)
        assert refused == [(False, None)] * len(refused)
        assert await checks.account("a", PASSWORD, HERE) == (True, OPERATOR), "the places are free again"
        checks.stop()
        return done

    done = asyncio.run(flood())
    assert done.count((True, None)) == login_throttle._WAITING
    assert len(threads) == 1


def test_when_too_many_logins_wait_the_next_one_is_told_to_come_again(
    line: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_throttle, "_WAITING", 0)
    answer = line.client.post("/login", data={"name": "operator", "password": PASSWORD})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    assert answer.headers["retry-after"] == "1"
    monkeypatch.undo()
    assert log_in(line, "operator", PASSWORD) == 303


def test_live_pages_that_come_side_by_side_are_limited(tmp_path: Path) -> None:
    """A place is taken before the stream begins."""
    with stations.running(tmp_path, live_pages=3) as line:
        taken = asyncio.run(_join(line, 10))
        assert taken == 3
        answer = line.client.get("/events")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")


async def _join(line: Running, number: int) -> int:
    return sum(line.station.live.join(line.station.settings.live_pages) is not None for _ in range(number))


def test_a_stream_that_ends_before_it_began_gives_its_place_back(tmp_path: Path) -> None:
    async def fail(_message: object) -> None:
        raise OSError

    async def never() -> dict[str, str]:
        return {"type": "http.disconnect"}

    with stations.running(tmp_path) as line:
        with suppress(Exception):
            asyncio.run(line.app(_scope("GET", "/events"), never, fail))
        assert len(line.station.live) == 0


def test_the_health_check_and_pictures_have_threads_of_their_own(
    line: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that wait for anything else keep no monitoring system waiting."""
    threads = dict[str, str]()

    def report() -> dict[str, str]:
        threads["health"] = threading.current_thread().name
        return {"status": "ok"}

    def overlay(_number: int) -> bytes:
        threads["pictures"] = threading.current_thread().name
        return b""

    monkeypatch.setattr(line.station.health, "report", report)
    monkeypatch.setattr(line.station.pictures, "overlay", overlay)
    assert line.client.get("/healthz").status_code == 200
    assert log_in(line, "operator", PASSWORD) == 303
    assert line.client.get("/inspections/1/overlay.png").status_code == 200
    assert {kind: name.partition("_")[0] for kind, name in threads.items()} == {
        "health": "health",
        "pictures": "pictures",
    }
