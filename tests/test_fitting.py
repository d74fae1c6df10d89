"""Training writes a complete model folder from good plates alone, each of them scored out of fold."""

import errno
import hashlib
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tiny
from conftest import Resumed, Tiny
from platewatch.decision import calibration
from platewatch.decision.sensitivity_summary import STRUCTURAL
from platewatch.errors import CalibrationError, InputError, ModelError, OutputError
from platewatch.learning import fitting, out_of_fold, phase_two
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.model.runtime import NetworkResult
from platewatch.photographs import preparation, reading
from platewatch.skipganomaly import export
from platewatch.skipganomaly.training import fit_network


@pytest.fixture(autouse=True)
def quick(tiny_model: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Further fits of the tiny plates take a second: their graphs are there already, and nobody looks at plots."""
    tiny.trace_once(tiny_model.graphs, monkeypatch)
    monkeypatch.setattr(phase_two.PhaseTwo, "draw", lambda *_: None)
    monkeypatch.setattr("platewatch.exploration.outliers.find", lambda *_: ((), 0))


def test_the_model_folder_has_the_documented_files(tiny_model: Tiny) -> None:
    assert sorted(path.name for path in tiny_model.model.iterdir()) == [
        "blind-spots.png",
        "good",
        "manifest.json",
        "model-card.md",
        "network.onnx",
        "replay",
        "surface.npz",
        "training",
    ]
    assert sorted(path.name for path in (tiny_model.model / "training").iterdir()) == [
        "light.png",
        "losses.png",
        "reconstructions.png",
        "sensitivity.png",
    ]
    beside = {path.name for path in tiny_model.model.parent.iterdir() if path.name.startswith(".")}
    assert beside == set(), "nothing temporary is left"


def test_a_resumed_training_gives_the_same_model_byte_for_byte(tiny_model: Tiny, resumed: Resumed) -> None:
    """Invariant 11, and more: the second training was interrupted after half of its epochs."""
    first, second = tiny.files(tiny_model.model), tiny.files(resumed.model)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_an_interruption_leaves_checkpoints_and_no_model(resumed: Resumed) -> None:
    assert not resumed.left["model"]
    assert resumed.left["names"] == [".model.checkpoint"]
    assert resumed.left["checkpoints"]
    assert not fitting.checkpoint_folder(resumed.model).exists()


def test_training_never_opens_a_test_photograph(tiny_model: Tiny) -> None:
    """Invariant 5: every file that was opened below the data lies in train/good; names of other folders are listed."""
    good = str(tiny_model.data / "train" / "good")
    assert {path for path in tiny_model.touched if Path(path).suffix and not path.startswith(good)} == set()
    assert len([path for path in tiny_model.touched if path.endswith(".png")]) >= tiny.GOOD, (
        "opened files were recorded"
    )


def test_no_good_plate_is_scored_by_detectors_that_saw_it(tiny_model: Tiny, resumed: Resumed) -> None:
    """Invariant 5: memory banks and network that judge a plate were fitted to good plates without it."""
    good = {
        hashlib.sha256(preparation.prepare(reading.read(path), 96).tobytes()).hexdigest()
        for path in reading.find(tiny_model.data / "train" / "good")
    }
    folds = [each for each in resumed.scored if set(each["network"]) != good]
    final = [each for each in resumed.scored if set(each["network"]) == good]
    assert Counter(each["plate"] for each in folds if not each["changed"]) == Counter(good)
    assert {each["plate"] for each in resumed.scored} == good, "whatever was scored shows a good plate"
    changed = Counter(each["plate"] for each in folds if each["changed"])
    tried = tiny.settings().sensitivity
    illuminations = len(tried.brightnesses) + 2
    assert min(changed.values()) == out_of_fold.DEFECTS_PER_PLATE + illuminations, (
        "with artificial defects, and under other illumination"
    )
    grid = len(tried.contrasts) * (len(tried.widths) + len(tried.diameters))
    structural = len(STRUCTURAL) * len(tried.structural_diameters) * len(tried.strengths)
    most = grid * tried.plates + structural * tried.structural_plates
    trials = changed.total() - (out_of_fold.DEFECTS_PER_PLATE + illuminations) * len(good)
    assert 0.9 * most <= trials <= most, "sensitivity trials, less those that a check stops"
    assert Counter(each["plate"] for each in final) == Counter(good), "and the final ones, for the published table"
    for each in folds:
        assert each["plate"] not in each["network"]
        assert each["plate"] not in each["surface"]
        assert set(each["network"]) < good
        assert set(each["surface"]) == good - {each["plate"]}


def test_the_verdicts_limits_come_from_out_of_fold_scores(inspector: Inspector) -> None:
    """Invariant 5: not from the errors of the final network, which was fitted to all of them."""
    manifest = inspector.manifest
    decision = manifest.decision
    for plate in manifest.calibration:
        assert plate.score == decision.score(plate.surface, plate.reconstruction_error, plate.latent_error)
    assert {(plate.reconstruction_error, plate.latent_error) for plate in manifest.calibration}.isdisjoint(
        manifest.training_errors
    )
    assert len(manifest.training_errors) == len(manifest.calibration) == manifest.promise.good_plates == tiny.GOOD
    assert 0 < decision.review <= decision.threshold


def test_the_weights_separate_artificial_defects_best(resumed: Resumed) -> None:
    """Invariant 5: from numbers by detectors that never saw the plate, with and without a defect on it."""
    decision = model_folder.load_manifest(resumed.model).decision
    held_out = [each for each in resumed.scored if each["plate"] not in each["network"]]
    phases = []
    for change in (None, "hard_defect"):
        numbers = np.array([each["numbers"] for each in held_out if each["changed"] == change])
        phases.append((numbers[:, 1:], [[first, decision.network_score(*errors)] for first, *errors in numbers]))
    (good, good_scores), (artificial, artificial_scores) = phases
    assert decision.alpha == calibration.choose_weight(good, artificial) != 0.5
    assert decision.weight == calibration.choose_weight(np.array(good_scores), np.array(artificial_scores), alone=True)


def test_calibration_plates_are_named_with_their_hashes(tiny_model: Tiny, inspector: Inspector) -> None:
    files = reading.find(tiny_model.data / "train" / "good")
    expected = [(path.name, reading.sha256(path.read_bytes())) for path in files]
    assert [(plate.name, plate.sha256) for plate in inspector.manifest.calibration] == expected


def test_replay_plates_are_the_prepared_photographs(tiny_model: Tiny, inspector: Inspector) -> None:
    prepared = [
        preparation.prepare(reading.read(path), 96) for path in reading.find(tiny_model.data / "train" / "good")
    ]
    stored = [reading.read(tiny_model.model / plate.file) for plate in inspector.manifest.replay]
    assert 3 <= len(stored) <= 8
    assert all(any(np.array_equal(photo, good) for good in prepared) for photo in stored)


def test_a_full_disk_leaves_nothing_but_checkpoints(
    tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(model_folder, "write_manifest", full)
        with pytest.raises(OutputError, match=r"model: cannot be written \(No space left on device\); free space"):
            tiny.learn(tiny_model.data, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == [".model.checkpoint"]
    with pytest.raises(OutputError, match=r"an unfinished training; pass --resume to go on with it, or remove"):
        tiny.learn(tiny_model.data, tmp_path / "model")


def test_a_model_whose_verdicts_differ_from_torchs_is_refused(
    tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 6: any verdict."""
    run_torch, write = export.run_torch, export.export

    def other(*details: Any) -> NetworkResult:
        result = run_torch(*details)
        return NetworkResult(result.reconstruction_error * 100, result.latent_error, result.anomaly_map)

    def written(*details: Any) -> None:
        with monkeypatch.context() as patch:  # parity of the numbers is not what is looked at
            patch.setattr(export, "run_torch", run_torch)
            write(*details)

    monkeypatch.setattr(calibration, "choose_weight", lambda *_, **__: 0.5)  # both phases decide
    monkeypatch.setattr(export, "export", written)
    monkeypatch.setattr(export, "run_torch", other)
    with pytest.raises(ModelError, match=r"plate \d+ is REJECT by torch and \w+ by ONNX Runtime; nothing was written"):
        tiny.learn(tiny_model.data, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_an_interruption_before_the_first_checkpoint_leaves_nothing(tiny_model: Tiny, tmp_path: Path) -> None:
    def interrupt(stage: str, _done: int, _total: int) -> None:
        if stage == "training networks":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.learn(tiny_model.data, tmp_path / "model", progress=interrupt, training={"epochs": 500})
    assert list(tmp_path.iterdir()) == []


def test_a_failing_training_stops_the_others(tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is raised, not the interruption of the others."""

    def failing(photos: Any, chosen: Any, *, seed: int, **options: Any) -> Any:
        if seed == chosen.seed + 1:
            raise InputError("training: losses are not finite")
        return fit_network(photos, chosen, seed=seed, **options)

    monkeypatch.setattr(phase_two, "fit_network", failing)
    with pytest.raises(InputError, match="not finite"):
        tiny.learn(tiny_model.data, tmp_path / "model", training={"epochs": 100_000})
    assert list(tmp_path.iterdir()) == []


def test_too_few_different_plates_for_the_folds_leave_nothing(tiny_model: Tiny, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="expected at least 20"):
        tiny.learn(tiny_model.data, tmp_path / "model", calibration={"folds": 20})
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_in_use_is_refused_before_any_work(tiny_model: Tiny, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for used in (tmp_path, tmp_path / "file"):
        with pytest.raises(OutputError, match="exists and is not empty"):
            fitting.check_free(used, resume=True)
    with pytest.raises(OutputError, match="exists and is not empty"):
        tiny.learn(tiny_model.data, tmp_path)


def test_a_folder_that_cannot_hold_checkpoints(tiny_model: Tiny, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="check the folder that --out names"):
        tiny.learn(tiny_model.data, tmp_path / "file" / "model")


def test_checkpoints_of_other_photographs_are_not_resumed(
    tiny_model: Tiny, resumed: Resumed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platewatch.skipganomaly.training.CHECKPOINT_SECONDS", 0.0)

    def interrupt(stage: str, done: int, _total: int) -> None:
        if stage == "training networks" and done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.learn(tiny_model.data, tmp_path / "model", progress=interrupt)
    with pytest.raises(InputError, match="belongs to other photographs, settings or seed"):
        tiny.learn(tiny_model.data, tmp_path / "model", resume=True, seed=5)


def test_file_names_that_are_not_utf8_do_not_stop_training(
    tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is no UTF-8 must not fail after minutes of training, when the manifest and the card are written."""
    good = tmp_path / "data"
    shutil.copytree(tiny_model.data / "train" / "good", good)
    (good / "000.png").rename(good / "0 Blech № 7 \udcff.png")

    def find(paths: list[Path], *_: Any) -> tuple[tuple[SimpleNamespace, ...], int]:
        return (SimpleNamespace(path=str(paths[0]), reasons=("little blue",)),), 1

    monkeypatch.setattr("platewatch.exploration.outliers.find", find)
    tiny.learn(good, tmp_path / "model")
    names = [plate.name for plate in model_folder.load_manifest(tmp_path / "model").calibration]
    assert names[0] == "0 Blech № 7 �.png"
    assert "- `0 Blech № 7 �.png`: little blue\n" in (tmp_path / "model" / "model-card.md").read_text(encoding="utf-8")
