"""The commands that pages print run as they are printed."""

import html
import re
import subprocess
from pathlib import Path

import pytest

import empty_records
import stations
from conftest import Tiny
from platewatch.model.inspector import Inspector
from platewatch.records import Records
from platewatch.station import commands
from platewatch.station.settings import Settings
from platewatch.station.users import Role, Users
from stations import bearer

HTML = {"Accept": "text/html"}


def shown(page: str) -> str:
    found = re.search(r'<code class="command">(.*?)</code>', page)
    assert found
    return html.unescape(found[1])


def run(command: str, folder: Path, given: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["sh", "-c", command], cwd=folder, input=given, capture_output=True, text=True, check=False)


def test_what_the_health_page_prints_adds_a_user_from_anywhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    with stations.running(tmp_path) as line:
        command = shown(line.client.get("/health", headers=HTML).text)
    done = run(command, elsewhere, "correct horse battery\n")
    assert done.returncode == 0, done.stderr
    assert Users(tmp_path / "users.json").all()[0].role is Role.OPERATOR


def test_what_a_plate_s_page_prints_replays_it_from_anywhere(
    tiny_model: Tiny, inspector: Inspector, tmp_path: Path
) -> None:
    (tmp_path / "else where").mkdir()
    url = empty_records.sqlite(tmp_path / "records.db")
    with Records.open(url) as records:
        path = next((tiny_model.data / "train" / "good").iterdir())
        records.add(inspector.inspect(path), path.read_bytes())
    command = commands.replay(Settings(record_url=url), tiny_model.model.parent, 1)
    done = run(command, tmp_path / "else where")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("url", ["sqlite:///records.db", "records.db"])
def test_a_replay_names_the_record_and_the_models_of_a_real_station(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = commands.replay(Settings(record_url=url), tmp_path / "my models", 7)
    assert command.endswith(f" replay 7 --models '{tmp_path}/my models' --records {tmp_path}/records.db")


def test_no_password_is_printed(tmp_path: Path) -> None:
    command = commands.replay(Settings(record_url="postgresql://line:secret@db:5432/plates"), tmp_path, 7)
    assert command.endswith(" --records postgresql://line@db:5432/plates")


def test_those_who_do_not_run_the_station_see_no_path_of_its_machine(tmp_path: Path) -> None:
    with stations.running(tmp_path, record_url=str(tmp_path / "records.db")) as line:
        line.post()
        assert "replay 1" in shown(line.client.get("/plates/1", headers=HTML).text)
        operator = bearer(stations.enrol(line.users)[Role.OPERATOR])
        for path in ("/plates/1", "/health", "/login"):
            text = line.client.get(path, headers=HTML | operator).text
            assert str(tmp_path) not in text, path
            assert 'class="command"' not in text, path


def test_a_login_that_fails_keeps_the_name(tmp_path: Path) -> None:
    with stations.running(tmp_path) as line:
        stations.enrol(line.users)
        form = {"name": "<operator>", "password": "wrong"}
        text = line.client.post("/login", data=form, headers=HTML).text
        assert 'value="&lt;operator&gt;"' in text
        assert "wrong&#34;" not in text
        assert "name or password is wrong" in text.lower()


def test_pages_say_why_a_photograph_is_not_readable(tmp_path: Path) -> None:
    with stations.running(tmp_path) as line:
        line.client.post("/inspections", content=stations.photograph()[:200])
        error = line.client.get("/inspections/1").json()["error"]
        assert error
        for path in ("/history", "/plates/1"):
            assert html.escape(error, quote=False) in line.client.get(path, headers=HTML).text, path
