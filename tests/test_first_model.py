"""The draft of a first model at the station: photographs in, what is refused, what is left after a restart."""

import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import util
from pathlib import Path
from typing import Any

import pytest

import kinds
import stations
from conftest import Tiny
from platewatch.line import comparison, drafts
from platewatch.line.drafts import Drafts
from platewatch.line.model_registry import ModelRegistry
from platewatch.model import model_folder
from platewatch.station import import_folders, training_packages
from platewatch.station.users import Role
from stations import Running, bearer, photograph
from waiting import eventually

HTML = {"Accept": "text/html"}
CHECK = """
import json
marked = {"name": "1.png", "state": "outlier", "why": "much red", "group": ""}
print(json.dumps({"photographs": [marked], "groups": 20, "rule": "", "warnings": [], "lowest_false_alarm_rate": 0.05}))
"""
BADLY = "import sys; sys.exit('error: disk: full')"
SLOWLY = "import time; time.sleep(1000)"


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Running]:
    with stations.running(tmp_path, registry=stations.without_model(tmp_path), max_bytes=2**20) as running:
        yield running


def begin(line: Running, count: int = 0) -> None:
    assert line.client.post("/first-model", json={"name": "Plate A"}).status_code == 201
    for number in range(count):
        add(line, f"{number}.png", photograph(number))


def add(line: Running, name: str, data: bytes) -> Any:
    answer = line.client.post("/first-model/photographs", params={"name": name}, content=data)
    return answer.json()["name"] if answer.status_code == 201 else answer.json()["error"]


def start(line: Running, what: str, program: str) -> None:
    line.app.state.first_model.child.program = (sys.executable, "-c", program)
    answer = line.client.post(f"/first-model/{what}", json={} if what == "check" else None)
    assert answer.status_code == 202, answer.text


def ended(line: Running) -> None:
    eventually(lambda: not line.app.state.first_model.running)


def page(line: Running) -> str:
    return str(line.client.get("/first-model", headers=HTML).text)


def test_photographs_are_kept_once_for_their_owner_alone_until_the_draft_is_discarded(line: Running) -> None:
    begin(line)
    assert add(line, "a/b\\c.png", photograph()) == "c.png"
    assert add(line, "c.png", photograph()) == "c.png", "the same one, sent again"
    assert add(line, "c.png", photograph(9)) == "c 2.png"
    assert add(line, "../.x", photograph(8)) == "x.png"
    draft = line.folder / "training" / "draft"
    assert (line.folder / "training").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (draft / "photographs").iterdir())
    assert len(line.client.get("/first-model/draft").json()["photographs"]) == 3
    assert line.client.get("/first-model/photographs/c%202.png/thumbnail.jpg").content[:2] == b"\xff\xd8"
    assert line.client.delete("/first-model").status_code == 204
    assert not draft.exists()
    assert line.client.get("/first-model/draft").json() is None


def test_what_is_no_photograph_or_too_large_is_refused_with_the_reason(line: Running) -> None:
    assert add(line, "early.png", photograph())["code"] == "not_found", "no draft yet"
    begin(line)
    assert add(line, "list.csv", b"a,b")["where"] == "list.csv"
    assert add(line, "large.png", b"\x89PNG" + bytes(2**20))["code"] == "too_large"
    assert line.client.post("/first-model", json={"name": "Plate B"}).json()["error"]["code"] == "invalid"
    for name in ("", "../x", ".hidden", "a/b", "x" * 61):
        line.client.delete("/first-model")
        assert line.client.post("/first-model", json={"name": name}).status_code == 422


def test_what_preflight_found_is_shown_until_the_photographs_change(line: Running) -> None:
    begin(line, 20)
    start(line, "check", CHECK)
    ended(line)
    assert "Unlike the others" in page(line)
    assert "much red" in page(line)
    left = line.client.post("/first-model/left-out", json={"names": ["1.png", "x"], "out": True}).json()
    assert left == {"left_out": ["1.png"], "used": 19}
    assert "training needs at least 20" in page(line)
    add(line, "later.png", photograph(99))
    assert line.client.get("/first-model/draft").json()["step"] == "photographs"


def test_a_training_that_fails_says_why_and_one_that_is_cancelled_leads_back(line: Running, tmp_path: Path) -> None:
    begin(line, 3)
    start(line, "check", CHECK)
    ended(line)
    start(line, "training", BADLY)
    ended(line)
    assert "Disk: full" in page(line)
    start(line, "training", SLOWLY)
    for refused in ("training", "check", "left-out"):
        json = {"names": [], "out": True} if refused == "left-out" else {}
        answer = line.client.post(f"/first-model/{refused}", json=json)
        assert answer.json()["error"]["code"] == "training", refused
    line.client.post("/first-model/cancel")
    ended(line)
    assert line.client.get("/first-model/draft").json()["step"] == "check"
    assert "Cancelled by local" in page(line)
    assert line.client.post("/first-model/use").status_code == 404


def test_after_a_restart_the_draft_is_where_it_was(tmp_path: Path) -> None:
    with stations.running(tmp_path, registry=stations.without_model(tmp_path)) as line:
        begin(line, 3)
        start(line, "training", SLOWLY)
    with stations.running(tmp_path, registry=stations.without_model(tmp_path)) as line:
        assert line.client.get("/first-model/draft").json()["step"] == "training"
        assert "The station was stopped meanwhile" in page(line)
        assert len(line.app.state.first_model.drafts.photographs()) == 3


def test_only_engineers_make_models_and_others_see_how_far_it_is(line: Running) -> None:
    tokens = stations.enrol(line.users)
    line.client.headers = bearer(tokens[Role.ENGINEER])
    begin(line, 1)
    line.client.headers = bearer(tokens[Role.OPERATOR])
    for path in ("", "/photographs", "/left-out", "/check", "/training", "/cancel", "/back", "/use", "/folders"):
        body = {"name": "x"} if path == "" else {"names": [], "out": True} if path == "/left-out" else {"folder": "1"}
        assert line.client.post(f"/first-model{path}", json={} if path == "/check" else body).status_code == 403, path
    assert line.client.get("/first-model/folders").status_code == 403
    assert line.client.delete("/first-model").status_code == 403
    shown = page(line)
    assert "An engineer makes the first one" in shown
    assert "data-post" not in shown
    assert "data-ask" not in shown


def test_photographs_come_only_from_folders_that_were_allowed(tmp_path: Path) -> None:
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    for folder in (allowed / "day 1", secret):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(photograph())
    (allowed / "out").symlink_to(secret)
    (allowed / "b.png").symlink_to(secret / "a.png")
    with stations.running(tmp_path, registry=stations.without_model(tmp_path), import_from=(allowed,)) as line:
        begin(line)
        folders = line.client.get("/first-model/folders", params={"folder": "1"}).json()
        assert (folders["folders"], folders["photographs"]) == ([{"folder": "1/day 1", "name": "day 1"}], 0)
        for name in ("1/out", "1/../secret", "2", "0", str(secret), "1/day 1/\0"):
            assert line.client.post("/first-model/folders", json={"folder": name}).status_code == 404, name
        added = line.client.post("/first-model/folders", json={"folder": "1/day 1"}).json()
        assert added == {"added": 1, "refused": []}
    assert import_folders.listing((), "")["folders"] == [], "nothing is allowed by default"


def test_missing_packages_are_named_with_the_command_that_installs_them(
    line: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "torch" else real(name))
    begin(line, 3)
    found = training_packages.missing(None)
    assert found is not None
    assert shlex.split(found.command) == [sys.executable, "-m", "pip", "install", "platewatch[station,train,backbone]"]
    assert "torch is not installed there" in page(line)
    answer = line.client.post("/first-model/training")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_installed")


def test_retraining_finds_what_a_model_and_those_before_it_were_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "training" / "a").mkdir(parents=True)
    champions = {"c": "b", "b": "a"}

    def read(file: Path) -> Any:
        name = champions.get(file.name.partition(".")[0])
        return None if name is None else type("Found", (), {"champion": type("Model", (), {"model_id": name})})

    monkeypatch.setattr(comparison, "read", read)
    for model_id, found in (("a", "a"), ("c", "a"), ("d", None), ("", None)):
        expected = None if found is None else tmp_path / "training" / found
        assert drafts.training_data(tmp_path / "training", tmp_path, model_id) == expected
    assert drafts.training_data(None, tmp_path, "a") is None


def test_a_damaged_draft_is_none(tmp_path: Path) -> None:
    made = Drafts(tmp_path)
    made.begin("A", "anna")
    (tmp_path / "draft" / "draft.json").write_text("{")
    assert made.current() is None
    assert made.begin("B", "anna").name == "B"


def draft_of(line: Running, name: str, model: Path) -> str:
    """The page of a draft whose model is there already, as if it had been trained."""
    assert line.client.post("/first-model", json={"name": name}).status_code == 201
    shutil.copytree(model, line.folder / "training" / "draft" / "model")
    return page(line)


def used(line: Running, reason: str = "") -> Any:
    answer = line.client.post("/first-model/use", json={"reason": reason})
    return answer.json() if answer.status_code == 200 else answer.json()["error"]


def test_further_models_are_of_part_types_and_the_name_of_one_gives_it_the_new_model(
    tmp_path: Path, tiny_model: Tiny
) -> None:
    second = stations.two_models(tmp_path / "trained", tiny_model.model)
    unnamed = ModelRegistry(None, tmp_path / "models")
    with stations.running(tmp_path, part_types=lambda each: kinds.models(tmp_path, each, (), unnamed=unnamed)) as line:
        assert "From now on" in draft_of(line, "Plate A", tmp_path / "trained" / "first")
        first = used(line)
        assert (first["before"], first["folder"]) == ("", "Plate-A")
        types = line.station.part_types
        assert types.names() == ("",), "the first model of a station needs no part type"
        assert "part_type=Hinge-B" in draft_of(line, "Hinge B", tmp_path / "trained" / "second")
        assert (used(line)["model_id"], types.names()) == (second, ("", "Hinge-B"))
        assert types.registry("Hinge-B").model_id == second
        draft_of(line, "Hinge C", tmp_path / "trained" / "second")
        assert used(line)["code"] == "invalid", "a model of another part type"
        assert types.names() == ("", "Hinge-B")
        assert not (tmp_path / "models" / "Hinge-C").exists()
        line.client.delete("/first-model")
        manifest = model_folder.load_manifest(tmp_path / "trained" / "second")
        newer = replace(manifest, decision=replace(manifest.decision, threshold=manifest.threshold - 0.1))
        model_folder.write_manifest(tmp_path / "trained" / "second", newer)
        assert "in place of" in draft_of(line, "Hinge-B", tmp_path / "trained" / "second")
        last = used(line)
        assert last.get("before") == second, last
        assert types.registry("Hinge-B").model_id == newer.model_id
        looser = replace(manifest, decision=replace(manifest.decision, threshold=manifest.threshold + 0.1))
        model_folder.write_manifest(tmp_path / "trained" / "second", looser)
        assert "data-reason" in draft_of(line, "Hinge-B", tmp_path / "trained" / "second")
        assert used(line)["expected"] == "a reason"
        assert used(line, "new illumination")["before"] == newer.model_id
        assert line.records.events("model_activated", limit=1)[0].details["reason"] == "new illumination"
