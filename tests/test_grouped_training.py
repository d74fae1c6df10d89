"""Training with groups: no plate is scored by detectors that saw its group; manifest, card and retraining know it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from platewatch import cli
from platewatch.evaluation import model_card
from platewatch.learning import fitting, preflight
from platewatch.line import retraining
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.photographs import data_sets
from platewatch.progress import silent
from platewatch.surface.detector import Surface
from platewatch.synthetic import rendered_plates

GROUPS = [{3 * group + each for each in range(3)} for group in range(3)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grouped")
    for seed in range(9):
        photo = rendered_plates.render("good", seed, 96)[0]
        Image.fromarray(photo).save(folder / f"part{seed // 3}-{seed % 3}.png")
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[set[int]]]:
    """The model folder of `train --group`, and which plates were left out each time that a detector left some out."""
    left, without, fit = list[set[int]](), Surface.without, fitting.fit

    def spied(fitted: Surface, photos: Any) -> Surface:
        left.append({int(each) for each in photos})
        return without(fitted, photos)

    def from_here_on(*given: Any, **options: Any) -> Any:
        left.clear()  # outliers are searched with folds of their own before
        return fit(*given, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Surface, "without", spied)
        patch.setattr(fitting, "fit", from_here_on)
        file, model = data.parent / "grouped.toml", tmp_path_factory.mktemp("model") / "model"
        file.write_text(
            'preset = "surface"\nbackbone = "none"\nimage_size = 96\nmin_images = 8\n[network]\nresolution = 64\n'
            "[sensitivity]\n"
            "widths = [4.0]\ndiameters = [12.0]\ncontrasts = [0.5]\nplates = 1\nbrightnesses = []\nwarmth = 0\n"
        )
        words = ["train", data, "--out", model, "--config", file, "--group", r"part(\d)"]
        result = CliRunner().invoke(cli.main, [str(word) for word in words], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    shown = " ".join(result.stdout.replace("│", " ").split())
    assert "3 groups by part" in shown
    assert "FEW GROUPS: fewer than 20 say little" in shown
    assert "3 groups of good plates are few, so the PASS limit errs towards REVIEW" in shown
    return model, left


def test_no_plate_is_compared_with_its_group(trained: tuple[Path, list[set[int]]]) -> None:
    """Invariant 5, for group-mates: neither for the scales nor for the scores."""
    assert trained[1]
    assert all(each in GROUPS for each in trained[1])


def test_manifest_and_card_say_which_groups_and_how_they_were_told(trained: tuple[Path, list[set[int]]]) -> None:
    manifest = model_folder.load_manifest(trained[0])
    assert manifest.grouping == r"part(\d)"
    assert [plate.group for plate in manifest.calibration] == ["0"] * 3 + ["1"] * 3 + ["2"] * 3
    scores = np.array([plate.score for plate in manifest.calibration]).reshape(3, 3)
    assert manifest.group_scores == tuple(sorted(scores.max(axis=1).tolist()))
    assert (manifest.promise.groups, manifest.promise.good_plates, manifest.promise.floor) == (3, 9, 0.25)
    card = model_card.text(manifest, [])
    assert r"| groups of plates that are alike | 3, told by `part(\d)`;" in card
    assert "while the line stays as it was" in card
    assert "groups of good plates are few, so the PASS limit errs towards REVIEW" in card


def test_a_verdict_counts_groups(trained: tuple[Path, list[set[int]]], data: Path) -> None:
    photo = rendered_plates.render("good", 0, 96)[0]
    photo[40:60, 40:60] = (200, 40, 20)
    found = Inspector(trained[0], threads=1).inspect(photo)
    assert found.p_value == 0.25
    assert found.reason.startswith("worse than all 3 groups of good plates")


def test_retraining_takes_the_groups_over_and_names_photographs_without_one(
    trained: tuple[Path, list[set[int]]], data: Path, tmp_path: Path
) -> None:
    manifest = model_folder.load_manifest(trained[0])
    for path in data.glob("*.png"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for name, seed in (("part1-7.png", 20), ("reviewed-12.png", 21)):
        Image.fromarray(rendered_plates.render("good", seed, 96)[0]).save(tmp_path / name)
    plates = preflight.read(data_sets.training(tmp_path), manifest.config, silent)
    told, said = retraining._groups(plates, manifest)
    assert told is not None
    of = dict(zip((path.name for path in plates.paths), told.names, strict=True))
    assert (of["part2-0.png"], of["part1-7.png"], of["reviewed-12.png"]) == ("2", "1", "reviewed-12.png")
    assert said == (r"1 of 11 photographs have no group by part(\d): each counts as one of its own",)
    assert retraining._groups(plates, replace(manifest, grouping="")) == (None, ())


def test_a_manifest_from_before_groups_counts_every_plate(trained: tuple[Path, list[set[int]]]) -> None:
    manifest = model_folder.load_manifest(trained[0])
    alone = tuple(replace(plate, group="") for plate in manifest.calibration)
    before = replace(manifest, calibration=alone, grouping="", promise=replace(manifest.promise, groups=None))
    assert len(before.group_scores) == 9
    assert (before.promise.counted, before.promise.by_group) == (9, False)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("part", "--group part: 1 groups of 9 photographs, expected at least 3; add photographs of other parts or"),
        ("(x)", "--group (x): no group for 9 of 9 photographs, such as part0-0.png; give one that matches every name"),
    ],
)
def test_groups_that_cannot_be_used_are_refused_before_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, words: str
) -> None:
    monkeypatch.setattr(fitting, "fit", lambda *_, **__: pytest.fail("it trained"))
    given = ["train", str(data), "--out", str(tmp_path / "model"), "--min-images", "3", "--preset", "surface"]
    result = CliRunner().invoke(cli.main, [*given, "--group", rule])
    assert result.exit_code == 1
    assert f"error: {words}" in result.stderr
