"""`platewatch serve` and `platewatch users` as a person types them: what is refused, in which words, and exit codes."""

import json
import re
import shlex
import socket
import uuid
from collections.abc import Callable
from pathlib import Path

import click.testing
import pytest
from click.testing import CliRunner, Result

import servers
from conftest import Tiny
from platewatch import cli
from platewatch.records import Judgement, Records
from platewatch.station import supervisor
from platewatch.station.users import Users
from served import Served
from stations import PASSWORD


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A `serve` that is expected to end by itself, in this process and without its supervisor."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supervisor, "keep_up", lambda _report: None)
    return lambda *words: CliRunner().invoke(cli.main, ["serve", *map(str, words)])


def users(*words: str | Path, given: str = "") -> Result:
    return CliRunner().invoke(cli.main, ["users", *map(str, words)], input=given)


def one_line(done: Result) -> str:
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.fullmatch(r"error: [^\n]*\n", done.stderr), done.stderr
    return done.stderr


def test_a_folder_that_is_no_model_is_one_line(serve: Callable[..., Result], tmp_path: Path) -> None:
    assert "nowhere" in one_line(serve("nowhere", "--port", "0"))
    (tmp_path / "empty").mkdir()
    assert "manifest.json" in one_line(serve("empty", "--port", "0"))


def test_a_port_that_is_taken_is_one_line(serve: Callable[..., Result]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = one_line(serve("model", "--port", port))
    assert said.startswith(f"error: 127.0.0.1:{port}: cannot listen there")
    assert "choose another --host or --port" in said


def test_half_of_what_https_takes_is_one_line(serve: Callable[..., Result], tiny_model: Tiny) -> None:
    assert "--tls-key" in one_line(serve(tiny_model.model, "--port", "0", "--tls-certificate", "cert.pem"))


@pytest.mark.parametrize(
    "words", [["a", "b"], ["model", "--port", "70000"], ["model", "--keep", "some"], ["model", "--waiting", "0"]]
)
def test_wrong_usage_of_serve_exits_with_2(words: list[str]) -> None:
    assert CliRunner().invoke(cli.main, ["serve", *words]).exit_code == 2


def test_reachable_from_elsewhere_takes_users_and_says_the_command_that_adds_one(
    serve: Callable[..., Result], tmp_path: Path, tiny_model: Tiny
) -> None:
    elsewhere = ["--host", "0.0.0.0"]  # noqa: S104 - that is what is tried
    file = tmp_path / "two words" / "users.json"
    said = one_line(serve(tiny_model.model, "--port", "0", *elsewhere, "--users", file))
    program, *words = shlex.split(said.partition("add one with: ")[2])
    assert program == "platewatch"
    result = CliRunner().invoke(cli.main, [word.replace("NAME", "erika") for word in words], input=f"{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    with Served(tiny_model.model, tmp_path, *elsewhere, "--users", str(file)) as served:
        assert served.ask("GET", "/healthz")[0] == 200
        status, refused = served.ask("GET", "/inspections")
    assert (status, refused["error"]["code"]) == (401, "login_needed")


def test_users_are_added_listed_and_removed(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    added = users("add", "anna", "--role", "operator", "--users", file, given=f"{PASSWORD}\n")
    assert (added.exit_code, added.stdout) == (0, "")
    token = users("add", "gateway", "--role", "operator", "--token", "--users", file)
    assert re.fullmatch(r"pw_\S{43}\n", token.stdout)
    known = Users(file)
    assert known.by_password("anna", PASSWORD) is not None
    assert known.by_token(token.stdout.strip()) is not None
    listed = users("list", "--users", file).stdout
    assert listed == "anna  operator  password\ngateway  operator  token\n"
    assert users("remove", "anna", "--users", file).exit_code == 0
    assert users("list", "--users", file).stdout == "gateway  operator  token\n"
    unknown = users("remove", "anna", "--users", file)
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (1, 1)
    assert "expected one of: gateway" in unknown.stderr


def test_a_person_is_asked_twice_and_nothing_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click.testing._NamedTextIOWrapper, "isatty", lambda _: True)
    file = tmp_path / "users.json"
    typed = f"{PASSWORD}\nanother one\n{PASSWORD}\n{PASSWORD}\n"
    result = users("add", "anna", "--role", "engineer", "--users", file, given=typed)
    assert result.exit_code == 0, result.output
    assert "do not match" in result.output
    assert PASSWORD not in result.output
    assert Users(file).by_password("anna", PASSWORD) is not None


def test_wrong_usage_of_users_is_said(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    assert users("add", "anna", "--users", file).exit_code == 2
    assert users("add", "anna", "--role", "boss", "--users", file).exit_code == 2
    short = users("add", "anna", "--role", "operator", "--users", file, given="short\n")
    assert (short.exit_code, short.stderr.startswith("error: ")) == (1, True)
    assert not file.exists()


def test_users_lie_beside_the_record(tmp_path: Path) -> None:
    for record in (tmp_path / "a.db", f"sqlite:///{tmp_path}/b.db"):
        assert users("add", "gateway", "--role", "operator", "--token", "--records", record).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db.users.json", "b.db.users.json"]


def test_a_station_with_its_record_on_postgresql(tmp_path: Path, tiny_model: Tiny, postgresql: str) -> None:
    url = servers.new_database(postgresql, f"station_{uuid.uuid4().hex}")
    photograph = next((tiny_model.data / "test" / "total_rust").iterdir()).read_bytes()
    photographs = tmp_path / "photographs"
    with Served(tiny_model.model, tmp_path, "--photographs", str(photographs), records=url) as served:
        status, plate = served.ask("POST", "/inspections?plate_id=A-1", photograph, {"Idempotency-Key": "k"})
        assert (status, plate["number"]) == (201, 1)
        served.kill()  # and up again
        status, again = served.ask("POST", "/inspections", photograph, {"Idempotency-Key": "k"})
        assert (status, again) == (200, plate)
        said = json.dumps({"judgement": "defective", "note": "rust"}).encode()
        assert served.ask("POST", "/inspections/1/reviews", said, {"Content-Type": "application/json"})[0] == 201
        found = served.ask("GET", "/inspections?reviewed=true&text=rust")[1]["inspections"]
        assert [(each["number"], each["review"]["judgement"]) for each in found] == [(1, Judgement.DEFECTIVE)]
        assert served.stop() == 0
    words = ["audit", "--records", url, "--photographs", str(photographs), "--json"]
    audit = CliRunner().invoke(cli.main, words)
    assert audit.exit_code == 0, audit.output
    assert json.loads(audit.stdout)["whole"]
    with Records.open(url, photographs) as records:
        assert records.photograph(1) == photograph
