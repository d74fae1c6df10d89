"""Phase two rests where it has no weight, or is not there at all; whatever reads its numbers takes null."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

import fake_inspector
import stations
from conftest import Tiny
from platewatch import cli
from platewatch.errors import ModelError
from platewatch.evaluation import bench, evaluator, report
from platewatch.inspection import Evidence, Inspection
from platewatch.line import replay
from platewatch.line.model_registry import ModelRegistry
from platewatch.model import model_folder, runtime, scoring, verification
from platewatch.model.inspector import Inspector
from platewatch.model.runtime import Network
from platewatch.photographs import reading
from platewatch.progress import silent
from platewatch.records import Records
from platewatch.station import server, supervisor

UNLIKE = ("time", "duration_ms", "reconstruction_error", "latent_error")


@pytest.fixture(scope="module")
def resting(tiny_model: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with all the weight on phase one."""
    folder = shutil.copytree(tiny_model.model, tmp_path_factory.mktemp("resting") / "model")
    manifest = model_folder.load_manifest(folder)
    model_folder.write_manifest(folder, replace(manifest, decision=replace(manifest.decision, weight=1.0)))
    return folder


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often phase two ran."""
    counts, run = Counter[str](), Network.run

    def counted(self: Network, photos: Any) -> Any:
        counts["network"] += 1
        return run(self, photos)

    monkeypatch.setattr(Network, "run", counted)
    return counts


def rusty(tiny_model: Tiny) -> Path:
    return tiny_model.data / "test" / "total_rust" / "000.png"


def errors(found: Inspection) -> tuple[float | None, float | None]:
    return found.reconstruction_error, found.latent_error


@pytest.mark.parametrize("threads", [1, 2])
def test_phase_two_rests_without_weight_and_the_verdict_is_the_same(
    resting: Path, tiny_model: Tiny, runs: Counter[str], threads: int
) -> None:
    seen = Inspector(resting, threads=threads).examine(rusty(tiny_model))
    assert runs == {}
    asked = Inspector(resting, threads=threads, all_phases=True).examine(rusty(tiny_model))
    assert runs == {"network": 1}
    rested, ran = seen.inspection, asked.inspection
    assert errors(rested) == (None, None)
    assert None not in errors(ran)
    assert {name: value for name, value in rested.as_dict().items() if name not in UNLIKE} == {
        name: value for name, value in ran.as_dict().items() if name not in UNLIKE
    }
    assert rested.as_dict().keys() == ran.as_dict().keys()
    assert (seen.network_map, asked.network_map is None) == (None, False)
    assert np.array_equal(seen.anomaly_map, asked.anomaly_map)


def test_both_phases_run_where_both_have_weight(tiny_model: Tiny, inspector: Inspector, runs: Counter[str]) -> None:
    assert 0 < inspector.manifest.decision.weight < 1
    assert None not in errors(inspector.inspect(rusty(tiny_model)))
    assert runs == {"network": 1}


def test_phase_one_always_says_where_it_is(inspector: Inspector) -> None:
    """Without weight its score does not count, and its maps still say colour or line."""
    decision = replace(inspector.manifest.decision, weight=0.0)
    assert scoring.weighted(decision) == {"skipganomaly"}
    assert decision.score(None, 0.1, 0.2) == decision.network_score(0.1, 0.2)


def test_a_phase_with_weight_that_did_not_run_never_passes(inspector: Inspector) -> None:
    for weight, numbers in ((1.0, (None, 0.1, 0.1)), (0.5, (0.1, None, None)), (0.0, (0.1, None, 0.1))):
        decision = replace(inspector.manifest.decision, weight=weight)
        assert np.isnan(decision.score(*numbers))
        assert decision.verdict(decision.score(*numbers)) == "REJECT"


def test_evaluate_runs_every_phase(resting: Path, tiny_model: Tiny) -> None:
    found = evaluator.evaluate(Inspector(resting, threads=1), tiny_model.data)
    assert None not in (found.surface.auroc, found.skipganomaly.auroc, found.skipganomaly.pixel_auroc)
    assert all(each.reconstruction_error is not None for each in found.scores)
    assert len(found.alpha_table) > 1


def test_verify_replays_every_phase(resting: Path, runs: Counter[str]) -> None:
    found = verification.verify(resting, threads=1)
    assert found.passed
    plates = len(found.replays)
    assert runs["network"] >= 2 * plates  # stored plates and marked ones


def test_inspect_has_an_option_for_all_phases(resting: Path, tiny_model: Tiny) -> None:
    schema = json.loads((resources.files("platewatch") / "schemas/inspection.json").read_text(encoding="utf-8"))
    found = []
    for options in ([], ["--all-phases"]):
        done = CliRunner().invoke(cli.main, ["inspect", str(resting), str(rusty(tiny_model)), "--json", *options])
        found.append(json.loads(done.stdout))
        jsonschema.Draft202012Validator(schema).validate(found[-1])
    assert [each["latent_error"] is None for each in found] == [True, False]


@pytest.mark.parametrize("all_phases", [False, True])
def test_watch_runs_phase_two_only_on_request(
    resting: Path, tiny_model: Tiny, tmp_path: Path, all_phases: bool
) -> None:
    (tmp_path / "camera").mkdir()
    shutil.copy(rusty(tiny_model), tmp_path / "camera")
    words = ["watch", tmp_path / "camera", "--model", resting, "--records", tmp_path / "records.db", "--once", "--json"]
    done = CliRunner().invoke(cli.main, [*map(str, words), "--threads", "1", *["--all-phases"] * all_phases])
    assert done.exit_code == 0, done.output
    with Records.open(str(tmp_path / "records.db")) as records:
        recorded = records.get(1).inspection
        assert (recorded.latent_error is not None) is all_phases
        assert records.audit().intact


def test_serve_hands_the_option_to_its_models(resting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = list[object]()

    def registry(*_: object, all_phases: bool, **_options: object) -> None:
        given.append(all_phases)
        raise ModelError("model", "seen")

    monkeypatch.setattr(server, "ModelRegistry", registry)
    monkeypatch.setattr(supervisor, "keep_up", lambda _log: None)
    words = ["serve", str(resting), "--records", str(tmp_path / "records.db"), "--port", "0"]
    for options in ([], ["--all-phases"]):
        assert CliRunner().invoke(cli.main, [*words, *options]).exit_code == 1
    assert given == [False, True]


def test_every_model_of_the_registry_follows_the_option(resting: Path, tiny_model: Tiny) -> None:
    found = [ModelRegistry(resting, all_phases=each).inspector().inspect(rusty(tiny_model)) for each in (False, True)]
    assert [each.latent_error is None for each in found] == [True, False]


def test_a_plate_is_replayed_by_the_phases_that_judged_it(resting: Path, tiny_model: Tiny, tmp_path: Path) -> None:
    """Records of earlier versions hold phase two's numbers, also where it had no weight."""
    with Records.open(str(tmp_path / "records.db")) as records:
        for all_phases in (True, False):
            inspector, data = Inspector(resting, threads=1, all_phases=all_phases), rusty(tiny_model).read_bytes()
            records.add(inspector.inspect(data), data, plate_id=f"plate {all_phases}")
        assert [replay.replay(records, number, resting).differences for number in (1, 2)] == [(), ()]
        assert records.audit().intact


def test_the_pages_and_exports_take_plates_without_the_numbers_of_phase_two(tmp_path: Path) -> None:
    seen = fake_inspector.fake().examine(_photograph(tmp_path))
    (defect,) = seen.inspection.defects
    textured = replace(defect, evidence=Evidence(colour=0.2, line=0.3, texture=0.5))
    rested = replace(seen.inspection, reconstruction_error=None, latent_error=None, defects=(defect, textured))
    with stations.running(tmp_path) as running:
        running.records.add(rested, reading.load(tmp_path / "plate.png"), plate_id="rested")
        page = running.client.get("/plates/1")
        assert page.status_code == 200
        assert "<dt>Surface</dt>" in page.text
        assert "Skip-GANomaly" not in page.text
        assert "colour 20&nbsp;%, line 30&nbsp;%, texture 50&nbsp;%</dd>" in page.text
        assert "colour 90&nbsp;%, line 10&nbsp;%</dd>" in page.text
        assert running.client.get("/inspections/1").json()["latent_error"] is None
        out = tmp_path / "plates.csv"
        words = ["export", "csv", str(out), "--records", str(tmp_path / "records.db")]
        assert CliRunner().invoke(cli.main, words).exit_code == 0
        assert len(out.read_text(encoding="utf-8").splitlines()) == 2


def _photograph(folder: Path) -> Path:
    path = folder / "plate.png"
    path.write_bytes(stations.photograph(125))
    return path


def test_the_benchmark_shows_what_a_verdict_takes(
    resting: Path, tiny_model: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_ROUNDS", 1)
    monkeypatch.setattr(bench, "_PLATES", 2)
    monkeypatch.setattr(bench, "_reference", lambda: None)
    photos = tiny_model.data / "test" / "good"
    rested, ran = (bench.bench(resting, photos, all_phases=each, progress=silent) for each in (False, True))
    assert tuple(rested.stages) == tuple(ran.stages) == bench.STAGES
    assert (rested.stages["network"], ran.stages["network"] > 0) == (0, True)


def test_a_network_without_weight_is_opened_when_its_numbers_are_asked_for(
    resting: Path, tiny_model: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a tenth of the memory of a process that inspects."""
    opened, opening = list[str](), runtime._open

    def spied(source: bytes, name: str, threads: int, chosen: runtime.Runtime) -> Any:
        opened.append(name)
        return opening(source, name, threads, chosen)

    monkeypatch.setattr(runtime, "_open", spied)
    inspector, photo = Inspector(resting, threads=1), reading.read(next((tiny_model.data / "test" / "good").iterdir()))
    inspector.inspect(photo)
    assert opened == []
    numbers = {inspector.examine(photo, all_phases=True).inspection.latent_error for _ in range(2)}
    assert opened == [str(resting / "network.onnx")]
    assert numbers == {Inspector(resting, threads=1, all_phases=True).inspect(photo).latent_error} != {None}


def test_a_model_without_phase_two_holds_nothing_of_it(surface_model: Path) -> None:
    names = {path.relative_to(surface_model).as_posix() for path in surface_model.rglob("*") if path.is_file()}
    assert {name for name in names if not name.startswith(("replay/", "good/"))} == {
        *("manifest.json", "surface.npz", "model-card.md", "blind-spots.png")
    }
    values = json.loads((surface_model / "manifest.json").read_text(encoding="utf-8"))
    decision = values["decision"]
    assert (decision["alpha"], decision["network_scale"], decision["network_map_scale"]) == (None, None, None)
    assert (decision["weight"], values["training_errors"], values["config"]["skipganomaly"]) == (1.0, [], False)
    for plate in (*values["calibration"], *values["replay"]):
        assert (plate["reconstruction_error"], plate["latent_error"]) == (None, None)
    card = (surface_model / "model-card.md").read_text(encoding="utf-8")
    assert "Skip-GANomaly was not trained" in card
    assert "](training/" not in card, "no plots were drawn"


def test_a_model_without_phase_two_judges_and_is_verified(surface_model: Path, tiny_model: Tiny) -> None:
    inspector = Inspector(surface_model, threads=2, all_phases=True)
    seen = inspector.examine(rusty(tiny_model))
    assert (seen.inspection.verdict, errors(seen.inspection), seen.network_map) == ("REJECT", (None, None), None)
    assert seen.inspection.score == seen.inspection.surface
    assert inspector.reconstruct(seen.prepared) is None
    found = verification.verify(surface_model, threads=1)
    assert found.passed
    assert max(each.difference for each in found.replays) < 1e-6


def test_a_model_without_phase_two_is_evaluated(surface_model: Path, tiny_model: Tiny) -> None:
    inspector = Inspector(surface_model, threads=1)
    found = evaluator.evaluate(inspector, tiny_model.data)
    values = found.as_dict()
    schema = json.loads((resources.files("platewatch") / "schemas/evaluation.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(values)
    assert (values["alpha"], values["alpha_table"]) == (None, [])
    assert values["phases"]["skipganomaly"] == {"auroc": None, "pixel_auroc": None}
    assert values["phases"]["surface"]["auroc"] == values["auroc"]
    assert (None, "no phase two: no reconstruction") in report.card(found.scores[0], inspector, 96).pictures
    assert report.figures(found, inspector).keys() == {"scores", "sensitivity", "light", "roc"}
    shown = CliRunner().invoke(cli.main, ["evaluate", str(surface_model), str(tiny_model.data)]).stdout
    assert "Phases" in shown
    assert "in its author" not in shown


def test_a_manifest_has_all_numbers_of_phase_two_or_none(surface_model: Path, tiny_model: Tiny) -> None:
    without, both = (model_folder.load_manifest(each) for each in (surface_model, tiny_model.model))
    first = replace(both.calibration[0], latent_error=None)
    changes: tuple[dict[str, Any], ...] = (
        {"decision": both.decision, "calibration": without.calibration},
        {"decision": both.decision, "calibration": (first, *both.calibration[1:])},
        {"decision": both.decision, "config": without.config},
    )
    for mixed in changes:
        with pytest.raises(ValidationError, match="expected all of them, or none"):
            replace(both, **mixed)
    with pytest.raises(ValidationError, match="expected three numbers, or none and weight 1"):
        replace(both.decision, alpha=None)
    with pytest.raises(ValidationError, match="expected three numbers, or none and weight 1"):
        replace(without.decision, weight=0.5)


def test_the_benchmark_measures_a_model_without_phase_two(
    surface_model: Path, tiny_model: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_ROUNDS", 1)
    monkeypatch.setattr(bench, "_PLATES", 2)
    monkeypatch.setattr(bench, "_reference", lambda: None)
    photos = tiny_model.data / "test" / "good"
    assert bench.bench(surface_model, photos, all_phases=True, progress=silent).stages["network"] == 0
