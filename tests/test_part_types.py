"""Part types: their files, and a station, a watch and the command line that judge several of them."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import kinds
import stations
from kinds import MB, Loader
from platewatch import cli
from platewatch.errors import InputError, UnknownPartType
from platewatch.line import assembly
from platewatch.line.model_registry import ACTIVATED
from platewatch.line.part_type_models import PartTypeModels
from platewatch.line.part_types import FILE, PartTypeFolder
from platewatch.line.watch_folder import WatchFolder
from platewatch.records import Query, Records
from stations import Running, photograph
from waiting import GIVE_UP_S, eventually

LEFT, RIGHT = "0" * 12, f"{1:012x}"


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds.faked(monkeypatch)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records.open(str(tmp_path / "records.db"), policy=stations.UNSAMPLED) as opened:
        yield opened


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Running]:
    """Two part types, and no model for photographs without one."""
    with stations.running(tmp_path, part_types=lambda each: kinds.models(tmp_path, each, ("left", "right"))) as running:
        yield running


def post(line: Running, part_type: str, redness: int = 0) -> Any:
    return line.client.post(f"/inspections?part_type={part_type}", content=photograph(redness))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "-a", "a.", "ä", "x" * 41, "a\n", "a\0"])
def test_a_name_is_short_and_safe_as_a_folder_and_in_an_address(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        PartTypeFolder(tmp_path).make(name, kinds.model(tmp_path / "model", LEFT))


def test_a_part_types_file_is_read_strictly_and_says_what_is_wrong(tmp_path: Path) -> None:
    folder = kinds.models(tmp_path, None, ("left",)).folder
    assert folder is not None
    path = tmp_path / "part-types/left" / FILE
    values = json.loads(path.read_text())
    assert values["model"] == "../../kinds/left", "relative, so that the folder can be moved"
    for change, said in {
        "colour": "unknown key 'colour', expected of version, name, model",
        "mm_per_px": "mm_per_px: ",
        "name": "name 1: Input should be a valid string",
        "version": "version: ",
        "picture": "picture '../x', expected a file of its folder",
    }.items():
        path.write_text(json.dumps(values | {change: "../x" if change == "picture" else 1e9}))
        with pytest.raises(InputError) as refused:
            folder.get("left")
        assert said.partition(" ")[0] in str(refused.value)
    path.write_text("{")
    with pytest.raises(InputError, match="damaged"):
        folder.get("left")
    with pytest.raises(UnknownPartType, match="'middle' is unknown, expected one of left"):
        folder.get("middle")


def test_a_name_is_taken_whatever_its_letters_case(tmp_path: Path, records: Records) -> None:
    models = kinds.models(tmp_path, records, ("left",))
    with pytest.raises(InputError, match="part type left: is there already"):
        models.add("LEFT", tmp_path / "kinds/left", "erika")


def test_each_photograph_is_judged_by_its_part_types_model(line: Running) -> None:
    assert post(line, "left").json()["model_id"] == LEFT
    assert post(line, "right", 125).json()["model_id"] == RIGHT
    form = line.client.post("/inspections", data={"part_type": "right"}, files={"photograph": photograph()})
    assert form.json()["model_id"] == RIGHT
    differ = line.client.post("/inspections?part_type=left", data={"part_type": "right"}, files={"photograph": b"x"})
    assert differ.status_code == 422
    misspelt = line.client.post("/inspections", data={"part-type": "right"}, files={"photograph": photograph()})
    assert misspelt.json()["error"]["code"] == "invalid"


@pytest.mark.parametrize("query", ["?part_type=middle", "", "?part_type="])
def test_an_unknown_part_type_is_an_error_that_names_the_known_ones_and_never_a_verdict(
    line: Running, query: str
) -> None:
    answer = line.client.post(f"/inspections{query}", content=photograph())
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unknown_part_type")
    assert "one of left, right" in answer.json()["error"]["message"]
    assert line.records.counts().received == 0


def test_a_station_with_one_model_judges_photographs_without_a_part_type_as_ever(tmp_path: Path) -> None:
    def models(records: Records) -> PartTypeModels:
        return kinds.models(tmp_path, records, ("left",), unnamed=stations.models(tmp_path))

    with stations.running(tmp_path, part_types=models) as line:
        assert line.post()["model_id"] == "0123456789ab"
        assert post(line, "left").json()["model_id"] == LEFT
        assert line.client.get("/model").json()["model_id"] == "0123456789ab"
        assert line.client.get("/model?part_type=left").json()["model_id"] == LEFT


def test_health_and_metrics_say_which_models_are_in_memory(line: Running) -> None:
    post(line, "left")
    found = line.client.get("/healthz").json()
    assert found["status"] == "ok"
    assert [(each["part_type"], each["model_id"], each["loaded"]) for each in found["models"]] == [
        ("left", LEFT, True),
        ("right", RIGHT, False),
    ]
    text = line.client.get("/metrics").text
    assert f'platewatch_model{{model_id="{LEFT}",part_type="left"}} 1.0' in text
    assert "platewatch_model_memory_bytes 1e+07" in text


def test_a_part_type_whose_model_is_gone_stops_no_other(line: Running, tmp_path: Path) -> None:
    line.station.part_types.registry("left")
    (tmp_path / "kinds/left/manifest.json").unlink()
    answer = post(line, "left")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_unavailable")
    assert post(line, "right").status_code == 201
    found = line.client.get("/healthz")
    assert (found.status_code, found.json()["status"]) == (200, "degraded")
    assert "part type left: model left: its folder is missing" in found.json()["problems"][0]["message"]


def test_a_folder_that_holds_another_model_by_now_gives_no_verdict(line: Running, tmp_path: Path) -> None:
    assert line.station.part_types.registry("left").model_id == LEFT
    kinds.model(tmp_path / "kinds/left", RIGHT)
    answer = post(line, "left")
    assert answer.status_code == 503
    assert f"holds another model than {LEFT}" in answer.json()["error"]["message"]
    assert line.records.counts().received == 0


def test_a_model_is_activated_for_one_part_type_alone_and_the_file_keeps_it(line: Running, tmp_path: Path) -> None:
    kinds.model(tmp_path / "kinds/next", "a" * 12)
    done = line.client.post("/model/activate", json={"model_id": "a" * 12, "part_type": "left"})
    assert done.json() == {"model_id": "a" * 12, "before": LEFT, "part_type": "left"}
    assert post(line, "left").json()["model_id"] == "a" * 12
    assert post(line, "right").json()["model_id"] == RIGHT
    assert json.loads((tmp_path / "part-types/left" / FILE).read_text())["model"] == "../../kinds/next"
    again = kinds.models(tmp_path, line.records, ())
    assert again.registry("left").model_id == "a" * 12
    assert [each.details["part_type"] for each in line.records.events(ACTIVATED)].count("left") == 2


def test_looser_limits_and_another_part_types_model_need_a_reason(line: Running, tmp_path: Path) -> None:
    kinds.model(tmp_path / "kinds/next", "a" * 12, threshold=9.0)
    for model_id, said in {
        "a" * 12: "threshold limit 9 in place of 2",
        RIGHT: "in service for part type right",
    }.items():
        asked = {"model_id": model_id, "part_type": "left"}
        refused = line.client.post("/model/activate", json=asked)
        assert refused.status_code == 422
        assert said in refused.json()["error"]["message"]
        assert line.client.get("/model?part_type=left").json()["model_id"] == LEFT
        assert line.client.post("/model/activate", json=asked | {"reason": "new light"}).status_code == 200
        line.client.post("/model/activate", json={"model_id": LEFT, "part_type": "left", "reason": "back"})
    assert {each.details["reason"] for each in line.records.events(ACTIVATED)} == {"", "new light", "back"}


def test_what_a_person_writes_into_the_file_is_followed_and_recorded(line: Running, tmp_path: Path) -> None:
    path = tmp_path / "part-types/left" / FILE
    kinds.model(tmp_path / "kinds/next", "a" * 12, threshold=9.0)
    assert post(line, "left").json()["model_id"] == LEFT
    path.write_text(path.read_text().replace("kinds/left", "kinds/next"))
    assert post(line, "left").json()["model_id"] == "a" * 12
    event = line.records.events(ACTIVATED)[0]
    assert (event.actor, event.details["before"], event.details["part_type"]) == ("part-type.json", LEFT, "left")
    assert "threshold limit 9" in event.details["loosened"]


def test_part_types_come_and_go_by_rest_and_come_back_looser_only_for_a_reason(line: Running, tmp_path: Path) -> None:
    assert post(line, "left").status_code == 201
    assert line.client.delete("/part-types/left").status_code == 204
    assert post(line, "left").status_code == 422
    assert [each["name"] for each in line.client.get("/part-types").json()["part_types"]] == ["right"]
    kinds.model(tmp_path / "kinds/next", "a" * 12, threshold=9.0)
    asked: dict[str, Any] = {"name": "left", "model_id": "a" * 12, "mm_per_px": 0.2}
    assert line.client.post("/part-types", json=asked).status_code == 422
    made = line.client.post("/part-types", json=asked | {"reason": "new light"})
    assert (made.status_code, made.json()["mm_per_px"]) == (201, 0.2)
    assert post(line, "left").json()["model_id"] == "a" * 12
    of_left = [event.kind for event in reversed(line.records.events()) if event.details["part_type"] == "left"]
    assert of_left == [ACTIVATED, "part_type_removed", "part_type_added", ACTIVATED]


def test_lists_counts_pages_and_exports_are_of_one_part_type(line: Running) -> None:
    for part_type, redness in (("left", 0), ("left", 80), ("right", 125)):
        post(line, part_type, redness)
    get = line.client.get
    assert [each["number"] for each in get("/inspections?part_type=left").json()["inspections"]] == [2, 1]
    assert get("/counts?part_type=right").json()["reject"] == get("/counts?part_type=right").json()["received"] == 1
    assert [get(f"/pages/waiting{which}").json()["waiting"] for which in ("", "?part_type=left")] == [2, 1]
    assert get("/history.csv?part_type=right").text.count("\n") == 2, "its head and one plate"
    shown = get("/history?part_type=left").text
    assert (shown.count("data-row"), shown.count("<option selected>left</option>")) == (2, 1)
    assert 'data-part-type="left"' in get("/?part_type=left").text, "the scripts ask for this part type's plates"
    assert 'data-of="right"' in get("/models?part_type=right").text
    assert "Drift of right" in get("/health?part_type=right").text
    assert "part type right, from" in get("/history/report?part_type=right").text
    assert get("/models?part_type=middle").status_code == 422
    for page in ("/", "/review", "/history", "/statistics", "/health", "/models"):
        assert '<option value="right" selected>' in get(f"{page}?part_type=right").text, page
    material = line.app.state.retraining_runs.material
    line.client.post("/inspections/1/reviews", json={"judgement": "good"})
    used = [
        len(found.training) + len(found.held_out)
        for found in (material(line.records, each) for each in ("left", "right"))
    ]
    assert used == [1, 0], "a part type learns from its own reviewed plates"


def test_only_engineers_change_part_types(tmp_path: Path) -> None:
    with stations.running(tmp_path, part_types=lambda each: kinds.models(tmp_path, each, ("left",))) as line:
        tokens = stations.enrol(line.users)
        for role, token in tokens.items():
            headers = stations.bearer(token)
            assert line.client.get("/part-types", headers=headers).status_code == 200
            code = line.client.delete("/part-types/middle", headers=headers).status_code
            assert code == (422 if role == "engineer" else 403), role


def test_the_command_line_adds_lists_uses_and_removes(tmp_path: Path, records: Records) -> None:
    place = ["--records", str(tmp_path / "records.db"), "--part-types", str(tmp_path / "types"), "--actor", "erika"]

    def run(*words: str) -> str:
        where = place if words[0] != "list" else place[:4]
        done = CliRunner().invoke(cli.main, ["part-types", *words, *where])
        assert done.exit_code == 0, done.output
        return done.output

    (picture := tmp_path / "a.png").write_bytes(photograph())
    first, second = (kinds.model(tmp_path / each, each * 12) for each in "ab")
    run("add", "left", str(first), "--picture", str(picture), "--mm-per-px", "0.2", "--json")
    assert (tmp_path / "types/left/picture.png").read_bytes() == picture.read_bytes()
    run("use", "left", str(second), "--reason", "better")
    (listed,) = json.loads(run("list", "--json"))
    assert (listed["name"], listed["model_id"], listed["mm_per_px"], listed["problem"]) == ("left", "b" * 12, 0.2, None)
    assert records.events(ACTIVATED)[0].actor == "erika"
    assert "left" in run("list")
    run("remove", "left")
    assert json.loads(run("list", "--json")) == []
    refused = CliRunner().invoke(cli.main, ["part-types", "use", "left", str(second), *place])
    assert (refused.exit_code, refused.output.count("\n")) == (1, 1)


def watched(tmp_path: Path, records: Records, models: PartTypeModels, *, once: bool = True) -> list[str]:
    """Watch tmp_path/camera by part type; the warnings."""
    warnings = list[str]()
    line = assembly.assemble(models, records, actor="watch", warn=warnings.append, low_bytes=0)
    watching = WatchFolder(tmp_path / "camera", line, settle_s=0.01, by_part_type=True, warn=warnings.append)
    line.start()
    try:
        watching.run(once=once)
    finally:
        line.stop()
    received, judged, failed = line.metrics.plates()
    assert received == judged + failed
    return warnings


def test_a_damaged_file_keeps_its_photographs_waiting_and_no_others(line: Running, tmp_path: Path) -> None:
    path = tmp_path / "part-types/left" / FILE
    whole = path.read_text()
    path.write_text(whole.replace("{", '{"colour": 1,', 1))
    answer = post(line, "left")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_unavailable"), "to be sent again"
    assert "part type left: part-type.json: unknown key 'colour'" in answer.json()["error"]["message"]
    assert str(tmp_path) not in line.client.get("/healthz").text
    assert post(line, "right").status_code == 201
    path.write_text(whole)
    assert post(line, "left").status_code == 201


def drop(tmp_path: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (tmp_path / "camera" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "camera" / name).write_bytes(photograph(number % 3))


def test_a_watched_folder_tells_the_part_type_and_one_that_is_unknown_fails_with_the_reason(
    tmp_path: Path, records: Records
) -> None:
    drop(tmp_path, "left/1.png", "left/night/2.png", "right/3.png", "middle/4.png", "5.png")
    watched(tmp_path, records, kinds.models(tmp_path, records, ("left", "right"), limit=10 * MB))
    found = {Path(each.inspection.image or "").name: each.inspection for each in records.every(Query())}
    assert {name: each.model_id for name, each in found.items()} == {
        **{"1.png": LEFT, "2.png": LEFT, "3.png": RIGHT},
        **{"4.png": "", "5.png": ""},
    }
    assert found["4.png"].error == (
        "part type: 'middle' is unknown, expected one of left, right; name a known one, or add it first"
    )
    assert found["5.png"].verdict is None


def test_a_model_that_is_gone_keeps_no_other_part_types_photograph_waiting(tmp_path: Path, records: Records) -> None:
    drop(tmp_path, "left/1.png", "right/2.png")
    models = kinds.models(tmp_path, records, ("left", "right"))
    models.registry("left")
    (tmp_path / "kinds/left/manifest.json").rename(tmp_path / "kept")
    line = assembly.assemble(models, records, actor="watch", warn=lambda _: None, low_bytes=0)
    watching = WatchFolder(tmp_path / "camera", line, settle_s=0.01, by_part_type=True)
    thread = threading.Thread(target=watching.run)
    thread.start()
    try:
        eventually(lambda: records.counts().received == 1)
        assert next(records.every()).inspection.model_id == RIGHT
        (tmp_path / "kept").rename(tmp_path / "kinds/left/manifest.json")
        eventually(lambda: records.counts().received == 2)
    finally:
        watching.stop()
        thread.join(GIVE_UP_S)
        models.stop()


def test_forty_part_types_on_one_station_lose_nothing_and_keep_the_memory_limit(tmp_path: Path) -> None:
    names, load, most = tuple(f"kind-{number}" for number in range(40)), Loader(), list[int]()

    def models(records: Records) -> PartTypeModels:
        made.append(kinds.models(tmp_path, records, names, load=watching, limit=50 * MB))
        return made[0]

    def watching(folder: Path) -> Any:
        assert made[0].loaded is not None
        most.append(made[0].loaded.bytes)
        return load(folder)

    made = list[PartTypeModels]()
    with stations.running(tmp_path, part_types=models, waiting=200, workers=4) as line:
        asked = [(name, number) for number in range(3) for name in names]
        answers = dict[tuple[str, int], str]()

        def send(mine: list[tuple[str, int]]) -> None:
            for name, number in mine:
                answers[name, number] = post(line, name, number).json()["model_id"]

        threads = [threading.Thread(target=send, args=(asked[first::6],)) for first in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(GIVE_UP_S)
        assert {answers[each] for each in asked} == {f"{number:012x}" for number in range(40)}
        assert all(answers[name, number] == f"{names.index(name):012x}" for name, number in asked)
        assert line.records.counts().received == 120
        assert max(most) <= 50 * MB


def test_a_slow_load_holds_no_judging_thread(tmp_path: Path) -> None:
    load = Loader()
    load.held["left"] = threading.Event()

    def models(records: Records) -> PartTypeModels:
        return kinds.models(tmp_path, records, ("left", "right"), load=load)

    with stations.running(tmp_path, part_types=models, workers=1) as line:
        slow = list[Any]()
        waits = threading.Thread(target=lambda: slow.append(post(line, "left")))
        waits.start()
        eventually(lambda: line.station.intake.taken == 1)
        assert post(line, "right").status_code == 201, "the only judging thread is free"
        load.held["left"].set()
        waits.join(GIVE_UP_S)
        assert slow[0].json()["model_id"] == LEFT
