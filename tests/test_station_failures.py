"""Error responses to a gateway when something fails or is too much, and that the station recovers."""

import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import stations
from platewatch.line import health
from platewatch.records import Keep, Policy
from stations import Running, photograph
from waiting import GIVE_UP_S, eventually

SHAPE = {"code", "message", "where", "expected", "next"}


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(health, "_PROBE_S", 0.0)
    with stations.running(tmp_path) as running:
        yield running


def refused(answer: Any, status: int, code: str) -> dict[str, str]:
    """The error of a response, after checking its form."""
    assert answer.status_code == status, answer.text
    error: dict[str, str] = answer.json()["error"]
    assert set(error) == SHAPE
    assert error["code"] == code
    assert "\n" not in error["message"]
    assert ("Retry-After" in answer.headers) == (status == 503)
    return error


def send(line: Running, redness: int = 0, key: str | None = None) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return line.client.post("/inspections", content=photograph(redness), headers=headers)


def problems(line: Running) -> set[str]:
    return {each["code"] for each in line.client.get("/healthz").json()["problems"]}


def figure(line: Running, name: str) -> float:
    text = line.client.get("/metrics").text
    return sum(float(row.split()[-1]) for row in text.splitlines() if row.startswith(name))


def _no_space(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_gives_errors_and_a_problem_until_there_is_space(
    line: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.post()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _no_space)
        error = refused(send(line, 80, "k"), 503, "record_unavailable")
        assert "No space left" in error["message"]
        assert problems(line) >= {"record_unavailable"}
        assert line.client.get("/healthz").json()["status"] == "failing"
        assert line.records.counts().received == 1, "no half of it is in the record"
    again = send(line, 80, "k")
    assert (again.status_code, again.json()["number"]) == (201, 2), "the same key, now written down for the first time"
    assert "record_unavailable" not in problems(line)
    assert not list(line.folder.rglob("*.part"))
    received, failed = figure(line, "platewatch_plates_received_total"), figure(line, "platewatch_plates_failed_total")
    assert received == failed + figure(line, "platewatch_plates_judged_total") == 3


@pytest.mark.skipif(os.name != "posix", reason="another system's files are locked otherwise")
def test_a_locked_record_gives_errors_and_a_problem_until_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_PROBE_S", 0.0)
    monkeypatch.setattr("platewatch.records.database._BUSY_MS", 1000)
    with stations.running(tmp_path) as line:
        line.post()
        with closing(sqlite3.connect(line.folder / "records.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused(send(line, 0, "k"), 503, "record_unavailable")
            assert "record_unavailable" in problems(line)
            other.execute("ROLLBACK")
        assert send(line, 0, "k").json()["number"] == 2
        assert "record_unavailable" not in problems(line)
        assert not line.records.audit().breaks


def test_a_record_that_is_writable_again_is_noticed_without_a_plate(
    line: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _no_space)
        refused(send(line), 503, "record_unavailable")
    line.station.health._probe()
    assert "record_unavailable" not in problems(line)
    assert [(event.kind, event.details["plates_refused"]) for event in line.records.events(health.RECORD_BACK)] == [
        (health.RECORD_BACK, 1)
    ]


def test_a_missing_model_folder_stops_plates_until_it_is_back(line: Running) -> None:
    model = line.folder / "models" / "first"
    model.rename(aside := line.folder / "aside")
    refused(send(line), 503, "model_unavailable")
    assert "model_gone" in problems(line)
    aside.rename(model)
    assert line.post()["verdict"] == "PASS"
    assert problems(line) == set()


def test_a_missing_folder_of_photographs_stops_plates_until_it_is_back(tmp_path: Path) -> None:
    photographs = tmp_path / "records.photographs"
    photographs.mkdir()
    with stations.running(tmp_path, places=(photographs,)) as line:
        line.post()
        photographs.rename(aside := tmp_path / "aside")
        refused(send(line), 503, "record_unavailable")
        assert "place_gone" in problems(line)
        shutil.rmtree(photographs, ignore_errors=True)
        aside.rename(photographs)
        assert line.post()["number"] == 2
        assert "place_gone" not in problems(line)


def test_little_disk_space_is_a_problem_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("platewatch.line.health.shutil.disk_usage", lambda _: usage._replace(free=5))
    with stations.running(tmp_path, places=(tmp_path,), low_bytes=10) as line:
        assert problems(line) >= {"disk_low"}
        assert line.client.get("/healthz").json()["status"] == "degraded"
        assert line.post()["verdict"] == "PASS"


def test_too_many_plates_at_a_time_get_retry_after_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers and one that waits: of ten plates that come at once three are taken, and all come in the end."""
    held, begun, examine = threading.Event(), threading.Semaphore(0), stations.LineInspector.examine

    def slow(self: stations.LineInspector, image: Any, name: str | None = None) -> Any:
        begun.release()
        assert held.wait(GIVE_UP_S)
        return examine(self, image, name)

    monkeypatch.setattr(stations.LineInspector, "examine", slow)
    with stations.running(tmp_path, waiting=1) as line, ThreadPoolExecutor(10) as gateways:
        first = [gateways.submit(send, line, 0, f"k{number}") for number in range(3)]
        assert all(begun.acquire(timeout=GIVE_UP_S) for _ in range(2))
        eventually(lambda: line.station.intake.taken == 3)
        others = [send(line, 0, f"k{number}") for number in range(3, 10)]
        for answer in others:
            refused(answer, 503, "overloaded")
            assert int(answer.headers["Retry-After"]) >= 1
        held.set()
        assert [each.result().status_code for each in first] == [201] * 3
        assert [send(line, 0, f"k{number}").status_code for number in range(10)] == [200] * 3 + [201] * 7
        assert figure(line, 'platewatch_uploads_refused_total{code="overloaded"}') == 7
        assert line.records.counts().received == 10


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/nowhere", None, (404, "no_such_address")),
        ("GET", "/inspections/99", None, (404, "not_found")),
        ("GET", "/inspections/99/overlay.png", None, (404, "not_found")),
        ("DELETE", "/inspections", None, (405, "method_not_allowed")),
        ("GET", "/inspections/none", None, (422, "invalid")),
        ("GET", "/inspections?limit=0", None, (422, "invalid")),
        ("POST", "/inspections/1/reviews", b"{", (422, "invalid")),
        ("POST", "/inspections/1/reviews", b'{"judgement": "PERHAPS"}', (422, "invalid")),
        ("POST", "/model/activate", b'{"model_id": "x"}', (422, "invalid")),
        ("POST", "/inspections", b"", (400, "no_photograph")),
    ],
)
def test_every_error_response_has_the_same_form(
    line: Running, method: str, path: str, body: bytes | None, expected: tuple[int, str]
) -> None:
    line.post()
    headers = {"Content-Type": "application/json"} if body and body.startswith(b"{") else {}
    error = refused(line.client.request(method, path, content=body, headers=headers), *expected)
    assert all(isinstance(value, str) for value in error.values())


def _secret(*_: Any) -> None:
    raise KeyError("secret path")


def test_an_internal_error_has_the_same_form_and_reveals_nothing(
    line: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platewatch.records.Records.get", _secret)
    error = refused(line.client.get("/inspections/1"), 500, "internal")
    assert "secret" not in str(error)


def test_a_station_that_stops_finishes_what_it_took_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, begun, examine = threading.Event(), threading.Event(), stations.LineInspector.examine

    def slow(self: stations.LineInspector, image: Any, name: str | None = None) -> Any:
        begun.set()
        assert held.wait(GIVE_UP_S)
        return examine(self, image, name)

    monkeypatch.setattr(stations.LineInspector, "examine", slow)
    with stations.running(tmp_path) as line, ThreadPoolExecutor(2) as pool:
        taken = pool.submit(send, line)
        assert begun.wait(GIVE_UP_S)
        stopped = pool.submit(line.station.intake.stop)
        eventually(lambda: line.station.intake._closed)
        assert not taken.done()
        refused(send(line), 503, "stopping")
        held.set()
        assert taken.result().status_code == 201
        stopped.result(GIVE_UP_S)
        assert line.records.counts().received == 1


def test_the_station_prunes_photographs_by_its_policy(tmp_path: Path) -> None:
    with stations.running(tmp_path) as line:
        line.post()
        line.post(125)
    with stations.running(tmp_path, policy=Policy(keep=Keep.NOT_PASSED, review_share=0)) as line:
        eventually(lambda: not line.records.get(1).photograph_kept)
        assert line.records.get(2).photograph_kept
