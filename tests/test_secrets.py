"""Marker secrets: none is in an error, a log, the record, JSON, /healthz, /metrics or a page, whatever URL holds it."""

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import servers
import stations
from platewatch import cli
from platewatch.errors import RecordError
from platewatch.line.destinations import Address, destination, destinations
from platewatch.records import Records, urls, write_json_lines
from platewatch.records.database import Database
from platewatch.station.server import Plan
from platewatch.station.settings import Settings
from waiting import eventually

MARKER = "geheim7Q"
AMBIGUOUS = [
    f"{MARKER}/w",
    f"x@{MARKER}",
    f"{MARKER}@x",
    f"x?{MARKER}",
    f"12#{MARKER}",
    f"x@{MARKER}/w:rd",
    f"x\\@{MARKER}",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "camera").mkdir()
    return tmp_path


def run(folder: Path, *words: str, **environment: str) -> str:
    """What `watch` prints; it must end with one line before it makes a record."""
    command = ["watch", str(folder / "camera"), "--model", str(folder / "model"), "--once"]
    if "--records" not in words:
        command += ["--records", str(folder / "records.db")]
    done = CliRunner().invoke(cli.main, [*command, *words], env=environment)
    assert (done.exit_code, done.output.count("\n")) == (1, 1), done.output
    assert not list(folder.glob("*.db*"))
    return done.output


@pytest.mark.parametrize("password", AMBIGUOUS)
@pytest.mark.parametrize("option", ["--mqtt", "--webhook", "--records"])
def test_a_password_that_may_be_read_as_a_place_is_refused_and_not_repeated(
    folder: Path, option: str, password: str
) -> None:
    scheme = {"--mqtt": "mqtt", "--webhook": "https", "--records": "postgresql"}[option]
    said = run(folder, option, f"{scheme}://cam:{password}@127.0.0.1:1/plates")
    assert MARKER not in said
    assert urls.REMEDY in said
    assert {each.name for each in folder.iterdir()} == {"camera"}


@pytest.mark.parametrize(
    "url",
    [
        f"cam:{MARKER}@127.0.0.1/plates",
        f"mqtt:/cam:{MARKER}@127.0.0.1/plates",
        f"mqtt:cam:{MARKER}@127.0.0.1/plates",
        f"mqtt://cam:{MARKER}",
        f"mqtt://cam:{MARKER}@127.0.0.1:port/plates",
        f"mqtt://cam:[{MARKER}@127.0.0.1/plates",
        f"mqtt://cam:{MARKER}\u2100@127.0.0.1/plates",
        f"mqtt://cam:{MARKER}@127.0.0.1",
        f"mqtt://cam:{MARKER}@/plates",
        f"htps://127.0.0.1/plates?token={MARKER}",
        f"127.0.0.1/plates?token={MARKER}",
        f"{MARKER}@127.0.0.1",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_secret(folder: Path, url: str) -> None:
    assert MARKER not in run(folder, "--mqtt", url)
    (folder / "url").write_text(f"# the broker\n{url}\n", encoding="utf-8")
    assert MARKER not in run(folder, "--mqtt", f"@{folder / 'url'}")
    assert MARKER not in run(folder, PLATEWATCH_WEBHOOK=url)


@pytest.mark.parametrize(
    "url",
    [
        f"cam:{MARKER}@127.0.0.1/plates",
        f"postgresql:cam:{MARKER}@127.0.0.1/plates",
        f"postgresql://cam:{MARKER}",
        f"mysql://cam:{MARKER}@127.0.0.1/plates",
        f"postgresql://cam:{MARKER}@127.0.0.1:1/plates?password={MARKER}",
    ],
)
def test_a_database_is_named_without_its_secret(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert MARKER not in run(folder, "--records", url)
    with pytest.raises(RecordError) as caught:
        Records.open(url)
    assert MARKER not in repr(caught.value)
    assert {each.name for each in folder.iterdir()} == {"camera"}, "no file is named by it"


def test_a_name_and_a_repr_hold_no_secret(folder: Path) -> None:
    (folder / "hook").write_text(f"https://hooks.example/services/{MARKER}\n")
    secret = Address(f"https://hooks.example/services/{MARKER}?k={MARKER}", MARKER, is_secret=True)
    plan = Plan(model=folder, records=f"postgresql://u:{MARKER}@h/d", policy=stations.UNSAMPLED)
    shown = [repr(secret), repr(plan), repr(Settings(destinations=(secret,), record_url=plan.records))]
    shown += [destination(secret).name, repr(destination(secret)), Database(plan.records).name]
    shown += [
        destination(Address(f"mqtt://cam:{MARKER}@h/t")).name,
        destination(f"https://a:{MARKER}@h/p?t={MARKER}").name,
    ]
    assert not [each for each in shown if MARKER in each]
    assert re.fullmatch(r"https://hooks\.example/…[0-9a-f]{8}", destination(secret).name)


def test_two_destinations_of_one_name_are_refused() -> None:
    """Each plate would be kept once for both, and one of them would get it."""
    with pytest.raises(Exception, match="named twice") as caught:
        destinations([f"http://h/p?line={MARKER}", "http://h/p?line=2"])
    assert MARKER not in str(caught.value)


def unreachable() -> Iterator[Address]:
    place = f"127.0.0.1:{servers.free_port()}"
    yield Address(f"mqtt://cam:{MARKER}@{place}/plates")
    yield Address(f"mqtts://cam@{place}/other", MARKER)
    yield Address(f"http://cam:{MARKER}@{place}/hook?token={MARKER}%20x y")
    yield Address(f"https://{place}/services/{MARKER}", is_secret=True)


def test_a_running_station_shows_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with stations.running(tmp_path, destinations=tuple(unreachable())) as here:
        here.post(125)

        def all_wait() -> Any:
            found = here.client.get("/healthz").json()["problems"]
            return found and found[0]["message"].count("waits") == 4 and found

        found = eventually(all_wait)
        assert [each["code"] for each in found] == ["delivery_failing"]
        shown = [str(found), str(here.records.deliveries())]
        for address in (
            "/metrics",
            "/health",
            "/",
            "/history",
            "/plates/1",
            "/inspections",
            "/inspections/1",
            "/openapi.json",
        ):
            shown.append(here.client.get(address).text)
        exported = io.StringIO()
        write_json_lines(here.records.every(), exported)
    assert "out of reach" in shown[3]
    assert caplog.text
    assert MARKER not in "".join((*shown, exported.getvalue(), caplog.text, *capfd.readouterr()))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert not [path for path in files if MARKER.encode() in path.read_bytes()]
