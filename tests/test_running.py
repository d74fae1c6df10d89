"""Keeping a station running: the settings file, the doctor, the systemd unit."""

import configparser
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import empty_records
from conftest import Tiny
from platewatch import cli
from platewatch.cli import serving
from platewatch.inspection import now
from platewatch.line import doctor
from platewatch.line.destinations import Address
from platewatch.line.doctor import Finding, Plan, State
from platewatch.model.inspector import Inspector
from platewatch.records import Records
from platewatch.records.database import schema_at

RUNNING = (Path(__file__).parents[1] / "docs" / "running.md").read_text(encoding="utf-8")


def context_of(*words: str) -> click.Context:
    """The context of `serve` with these options, below that of the whole program."""
    parent = cli.main.make_context("platewatch", ["serve"])
    return serving.serve.make_context("serve", [*words], parent=parent)


def run(*words: str) -> Any:
    return CliRunner().invoke(cli.main, [*words])


def test_the_printed_settings_are_the_defaults_and_name_every_option() -> None:
    printed = run("settings").stdout
    assert tomllib.loads(printed) == {}
    values = tomllib.loads("\n".join(line[1:] for line in printed.splitlines() if re.match(r"#[a-z-]+ = [^ ]", line)))
    options = {max(each.opts, key=len).lstrip("-"): each for each in serving.serve.params}
    assert {name for name in options if f"\n#{name} = " not in f"\n{printed}"} == {"settings"}
    context = context_of()
    for name, value in values.items():
        found = context.params[options[name].name or ""]
        assert (list(found) if isinstance(found, tuple) else found) == value, name


def test_the_command_line_comes_before_the_file_and_unknown_settings_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('port = 81\nname = ["a", "b"]\nreview-share = 0.5\n')
    context = context_of("--settings", str(file), "--port", "82")
    assert [context.params[name] for name in ("port", "names", "review_share")] == [82, ("a", "b"), 0.5]
    file.write_text("prot = 81\n")
    assert "unknown setting 'prot'" in run("serve", "--settings", str(file)).stderr
    file.write_text("port = 99999\n")
    assert run("serve", "--settings", str(file)).exit_code == 2
    file.write_text("port = ")
    assert "no TOML" in run("serve", "--settings", str(file)).stderr
    assert "cannot be read" in run("doctor", "--settings", str(tmp_path / "none.toml")).stderr


def by_name(plan: Plan) -> dict[str, Finding]:
    return {each.name: each for each in doctor.look(plan)}


def test_the_doctor_says_what_is_wrong_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "records.db"
    receivers = (Address("mqtt://127.0.0.1:1/plates"),)
    found = by_name(Plan(records=str(record), receivers=receivers))
    assert {name: each.state for name, each in found.items()} == {
        **dict.fromkeys(("versions", "telemetry", "disk", "permissions", "clock"), State.OK),
        **dict.fromkeys(("database", "model"), State.LOOK),
        "receiver": State.WRONG,
    }
    assert not record.exists(), "looking makes no record"
    (tmp_path / "records.db.users.json").write_text("{}")
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    monkeypatch.setattr(doctor, "LOW_BYTES", 10**18)
    found = by_name(Plan(records=empty_records.sqlite(record)))
    for name, words in (("permissions", "chmod 600"), ("telemetry", "unset"), ("disk", "free some space")):
        assert found[name].state is State.WRONG
        assert words in found[name].remedy, name
    assert found["database"].state is State.OK


def test_a_record_of_another_version_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = empty_records.sqlite(tmp_path / "records.db")
    monkeypatch.setattr(doctor, "REVISION", "9999")
    found = by_name(Plan(records=url))["database"]
    assert (found.state, "backup" in found.remedy) == (State.LOOK, True)
    assert schema_at(url) not in (None, "9999")


def test_speed_is_compared_with_the_pace_and_the_clock_with_the_record(
    tiny_model: Tiny, inspector: Inspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = empty_records.sqlite(tmp_path / "records.db")
    path = next((tiny_model.data / "train" / "good").iterdir())
    with Records.open(url) as records:
        for _ in range(3):
            records.add(inspector.inspect(path), path.read_bytes())
    assert "the record's newest plates" in by_name(Plan(records=url, model=tiny_model.model))["speed"].what
    assert by_name(Plan(records=url, model=tiny_model.model, pace=0.001))["speed"].state is State.OK
    slow = by_name(Plan(records=url, model=tiny_model.model, pace=1e6))["speed"]
    assert (slow.state, "faster PC" in slow.remedy) == (State.WRONG, True)
    at = now()
    monkeypatch.setattr(doctor, "now", lambda: at.replace(year=at.year - 1))
    assert by_name(Plan(records=url))["clock"].state is State.WRONG


def test_the_doctor_s_exit_code_and_json(tmp_path: Path) -> None:
    done = run("doctor", "--records", str(tmp_path / "records.db"), "--json")
    assert (done.exit_code, json.loads(done.stdout)["ready"]) == (0, True)
    done = run("doctor", "--records", str(tmp_path / "records.db"), "--mqtt", "mqtt://127.0.0.1:1/x")
    assert done.exit_code == 1
    assert re.search(r"^WRONG +receiver .*check host", done.stdout, re.MULTILINE)


def test_the_systemd_unit_starts_a_command_that_exists() -> None:
    found = re.search(r"```ini\n(.*?)```", RUNNING, re.DOTALL)
    assert found
    unit = configparser.ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(found[1])
    program, command, *options = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/platewatch")
    known = {name for each in cli.main.commands[command].params for name in each.opts}
    assert {option for option in options if option.startswith("--")} <= known
    assert int(unit["Service"]["TimeoutStopSec"]) > 45, "serve needs so long to end"
    assert unit["Install"]["WantedBy"] == "multi-user.target"
