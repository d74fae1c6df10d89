"""Retraining whole: reviewed plates in, a challenger with its comparison out, and nothing of it in service."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import quick_training
import tiny
from conftest import Tiny
from platewatch import cli
from platewatch.config import Config
from platewatch.errors import InputError, RuntimeUnavailable
from platewatch.inspection import Inspection, Verdict, now
from platewatch.learning import fitting
from platewatch.line import candidates, comparison, retraining
from platewatch.model.model_folder import load_manifest
from platewatch.photographs.reading import sha256
from platewatch.progress import silent
from platewatch.records import Judgement, Records
from platewatch.records.exports import held_out
from platewatch.synthetic import rendered_plates

FRESH = 26


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training itself has tests of its own, and takes long."""
    monkeypatch.setattr(retraining, "_train", quick_training.train)


@pytest.fixture
def records(tmp_path: Path) -> Any:
    with Records.open(f"sqlite:///{tmp_path / 'records.db'}") as opened:
        yield opened


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What came along the line: fresh plates, and rusty ones in a test set."""
    folder = tmp_path_factory.mktemp("line")
    rendered_plates.render_set(folder, good=FRESH, test={"good": 6, "total_rust": 2}, size=128, seed=77)
    return folder


def judged(verdict: Verdict) -> Inspection:
    made = Inspection(verdict=verdict, reason="as told", threshold=1.0, model_id="0" * 12, time=now(), duration_ms=1.0)
    return replace(made, score=0.5)


@pytest.fixture(scope="module")
def good(line: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, bytes]]:
    """A record in which the fresh plates are called good, the rusty ones defective; the good ones by their numbers."""
    folder, good = tmp_path_factory.mktemp("record"), dict[int, bytes]()
    with Records.open(f"sqlite:///{folder / 'records.db'}") as records:
        for path in sorted((line / "train" / "good").iterdir()):
            entry = records.add(judged(Verdict.PASS), path.read_bytes(), plate_id=path.stem).entry
            records.review(entry.number, Judgement.GOOD, "anna")
            good[entry.number] = path.read_bytes()
        for path in sorted((line / "test" / "total_rust").glob("*.png")):
            entry = records.add(judged(Verdict.REJECT), path.read_bytes(), plate_id=f"rusty-{path.stem}").entry
            records.review(entry.number, Judgement.DEFECTIVE, "anna")
    return folder, good


@pytest.fixture
def reviewed(good: tuple[Path, dict[int, bytes]], tmp_path: Path) -> Any:
    """A copy of that record."""
    shutil.copytree(good[0], tmp_path, dirs_exist_ok=True)
    with Records.open(f"sqlite:///{tmp_path / 'records.db'}") as opened:
        yield opened


def test_a_challenger_learns_from_reviewed_plates_and_is_compared(
    reviewed: Records, good: tuple[Path, dict[int, bytes]], tiny_model: Tiny, tmp_path: Path
) -> None:
    stages, said = dict[str, tuple[int, int]](), list[str]()
    done = retraining.retrain(
        tiny_model.model,
        reviewed,
        tiny_model.data,
        tmp_path / "models",
        actor="bert",
        progress=lambda stage, *counts: stages.update({stage: counts}),
        found=said.append,
    )
    manifest = load_manifest(done.folder)
    out = {sha256(data) for data in good[1].values() if held_out(sha256(data))}
    learned = {plate.sha256 for plate in manifest.calibration}
    assert len(learned) == tiny.GOOD + FRESH - len(out)
    assert not learned & out, "a held-out plate was trained on"
    assert done.folder == tmp_path / "models" / manifest.model_id
    assert manifest.config == load_manifest(tiny_model.model).config
    found = done.comparison
    assert found.accepted
    assert (len(found.held_out), len(found.defective), found.trained_on) == (len(out), 2, FRESH - len(out))
    assert comparison.read(comparison.file_of(tmp_path / "models", manifest.model_id)) == found
    event = reviewed.events(candidates.TRAINED)[0]
    assert (event.actor, event.details["challenger"]) == ("bert", manifest.model_id)
    assert event.details["unusable"] == {"plates": 18, "champion_passes": 0, "challenger_passes": 0}
    assert {pair.challenger.verdict for pair in found.unusable} == {Verdict.REVIEW}
    assert found.findings == tuple(said) == tuple(event.details["findings"])
    assert "looks at nothing" in said[0]
    assert stages["comparing both models"] == (len(out) + 2, len(out) + 2)
    assert [path.name for path in (tmp_path / "models").iterdir() if path.name.startswith(".")] == []


def test_a_worse_challenger_is_kept_with_its_figures_and_refused(
    reviewed: Records, tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(quick_training.LENIENT, "1")
    models_folder = tmp_path / "models"
    done = retraining.retrain(tiny_model.model, reviewed, tiny_model.data, models_folder, actor="bert", progress=silent)
    assert done.folder.is_dir()
    assert done.comparison.refused[0].startswith("passes 2 of 2 defective plates that the model in service catches")
    assert done.comparison.refused[-1].endswith("plates PASS with a large mark painted on them")
    words = "loosens limits that protect, and nobody gave a reason: review limit"
    assert [each for each in done.comparison.refused if each.startswith(words)]
    assert reviewed.events(candidates.TRAINED)[0].details["accepted"] is False
    with pytest.raises(InputError, match="there already"):
        retraining.retrain(tiny_model.model, reviewed, tiny_model.data, models_folder, actor="bert", progress=silent)


def test_without_the_packages_of_training_no_photograph_is_read(
    reviewed: Records, tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(_: Config) -> None:
        raise RuntimeUnavailable("", "torch is not installed, which training needs")

    monkeypatch.setattr(fitting, "check_installed", absent)
    monkeypatch.setattr(retraining, "lay_out", lambda *_: pytest.fail("photographs were read first"))
    with pytest.raises(RuntimeUnavailable, match="torch is not installed"):
        retraining.retrain(
            tiny_model.model, reviewed, tiny_model.data, tmp_path / "models", actor="bert", progress=silent
        )
    assert not (tmp_path / "models").exists()
    assert not reviewed.events(candidates.TRAINED)


def test_the_command_says_why_and_exits_with_3(
    reviewed: Records, tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(quick_training.LENIENT, "1")
    words = ["retrain", tiny_model.model, tiny_model.data, "--models", tmp_path / "models", "--progress-lines"]
    url = f"sqlite:///{tmp_path / 'records.db'}"
    result = CliRunner().invoke(cli.main, [str(word) for word in words], env={"PLATEWATCH_RECORDS": url})
    assert result.exit_code == 3, result.output
    assert "refused: passes 2 of 2 defective plates" in result.stdout
    assert '{"stage": "comparing both models"' in result.stderr


def test_the_command_gives_up_and_clears_away_when_whoever_started_it_has_gone(
    reviewed: Records, tiny_model: Tiny, tmp_path: Path
) -> None:
    words = ["retrain", str(tiny_model.model), str(tiny_model.data), "--models", str(tmp_path / "models")]
    done = subprocess.run(
        [sys.executable, "-m", "platewatch", *words, "--until-stdin-ends", "--records", tmp_path / "records.db"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130, done.stderr
    assert "no incomplete file was left" in done.stderr
    assert not [*(tmp_path / "models").glob(".*")]


def test_looser_limits_need_words_and_the_record_keeps_them(
    reviewed: Records, tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = list[object]()

    def train(*words: Any, **options: Any) -> tuple[str, ...]:
        held.append(options["held"])
        return quick_training.train(*words, **options)

    monkeypatch.setattr(retraining, "_train", train)
    for reason, folder in (("", "first"), ("new light source since Monday", "second")):
        words = ["retrain", tiny_model.model, tiny_model.data, "--models", tmp_path / folder, "--actor", "bert"]
        words += ["--loosen-because", reason]
        CliRunner().invoke(
            cli.main,
            [str(word) for word in words],
            env={"PLATEWATCH_RECORDS": f"sqlite:///{tmp_path / 'records.db'}"},
            catch_exceptions=False,
        )
    assert held == [load_manifest(tiny_model.model), None]
    reasons = [event.details["loosened_because"] for event in reviewed.events(candidates.TRAINED)]
    assert reasons == ["new light source since Monday", ""]


def test_a_second_challenger_learns_again_what_the_first_one_learned(
    reviewed: Records, line: Path, tiny_model: Tiny, tmp_path: Path
) -> None:
    models_folder = tmp_path / "models"
    first = retraining.retrain(
        tiny_model.model, reviewed, tiny_model.data, models_folder, actor="bert", progress=silent
    )
    spare = sorted((line / "test" / "good").glob("*.png"))
    fresh = next(path for path in spare if not held_out(sha256(path.read_bytes())))
    reviewed.review(reviewed.add(judged(Verdict.REVIEW), fresh.read_bytes()).entry.number, Judgement.GOOD, "anna")
    second = retraining.retrain(first.folder, reviewed, tiny_model.data, models_folder, actor="bert", progress=silent)
    learned = [{plate.sha256 for plate in load_manifest(each.folder).calibration} for each in (first, second)]
    assert learned[0] < learned[1]
    assert len(learned[1] - learned[0]) == 1


def test_originals_that_were_since_called_defective_are_left_behind(
    records: Records, line: Path, tiny_model: Tiny, tmp_path: Path
) -> None:
    first = sorted((tiny_model.data / "train" / "good").iterdir())[0]
    entry = records.add(judged(Verdict.PASS), first.read_bytes()).entry
    records.review(entry.number, Judgement.DEFECTIVE, "anna")
    material = candidates.gather(records, load_manifest(tiny_model.model))
    assert retraining.lay_out(material, records, tiny_model.data, tmp_path / "data") == tiny.GOOD - 1
    assert not (tmp_path / "data" / "train" / "good" / first.name).exists()


def test_without_reviewed_plates_nothing_is_trained(
    records: Records, line: Path, tiny_model: Tiny, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="reviewed plates"):
        retraining.retrain(
            tiny_model.model, records, tiny_model.data, tmp_path / "models", actor="bert", progress=silent
        )
    assert not (tmp_path / "models").exists()
