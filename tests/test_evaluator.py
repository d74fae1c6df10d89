"""Evaluation of a labelled folder against metrics computed by hand, and its JSON."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import platewatch
from fake_inspector import FakeInspector, fake, folder
from platewatch import cli
from platewatch.errors import InputError
from platewatch.evaluation import evaluator, tables
from platewatch.evaluation.alpha_table import alpha_table
from platewatch.evaluation.evaluator import evaluate
from platewatch.evaluation.results import Evaluation
from platewatch.inspection import Verdict
from platewatch.photographs import data_sets

# redness that the fake inspector passes, leaves to review, rejects
PASS, REVIEW, REJECT = 20, 90, 130


@pytest.fixture
def data(tmp_path: Path) -> Path:
    good = (PASS, PASS + 1, PASS + 2, REVIEW, REJECT)
    return folder(tmp_path / "data", good, {"rust": (REJECT, REJECT + 2, REVIEW + 1), "scratches": (PASS + 3, REJECT)})


def _json(evaluation: Evaluation) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(evaluation.as_dict(), allow_nan=False))
    schema = json.loads((resources.files("platewatch") / "schemas" / "evaluation.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(values)
    return values


def test_verdicts_are_counted_against_labels_and_review_apart(data: Path) -> None:
    verdicts = _json(evaluate(fake(), data))["verdicts"]
    assert {name: verdicts[name] for name in verdicts if isinstance(verdicts[name], int)} == {
        "missed": 1,
        "false_alarms": 1,
        "reviewed_normal": 1,
        "reviewed_anomalous": 1,
    }
    rust, good = verdicts["defects"]["rust"], verdicts["defects"]["good"]
    assert [rust[name] for name in ("images", "pass", "review", "reject", "missed", "false_alarms")] == [
        3,
        0,
        1,
        2,
        0,
        0,
    ]
    assert [good[name] for name in ("images", "pass", "review", "reject", "missed", "false_alarms")] == [
        5,
        3,
        1,
        1,
        0,
        1,
    ]
    assert verdicts["intervals"]["missed"]["of"] == 5
    low, high = verdicts["intervals"]["missed"]["interval"]
    assert low < 1 / 5 < high


def test_the_json_follows_its_schema(data: Path) -> None:
    values = _json(evaluate(fake(), data))
    assert values["schema"] == 1
    assert values["model_id"] == "0123456789ab"
    assert values["images"] == {"normal": 5, "anomalous": 5}
    assert values["duration_ms"] == {"median": 12.5, "p95": 12.5}
    assert {"false_alarm_rate", "floor", "good_plates", "upper_95"} <= values["promise"].keys()
    score = values["scores"][0]
    assert score["path"] == str(data / "test" / "good" / "000.png")
    assert (score["label"], score["defect"], score["verdict"]) == (0, "good", "PASS")
    assert [row["defect"] for row in values["scores"]] == ["good"] * 5 + ["rust"] * 3 + ["scratches"] * 2


def test_image_figures_come_from_the_scores(data: Path) -> None:
    evaluation = evaluate(fake(), data)
    scores = [plate.score or 0 for plate in evaluation.scores]
    pairs = [(good, bad) for good in scores[:5] for bad in scores[5:]]
    expected = np.mean([(bad > good) + 0.5 * (bad == good) for good, bad in pairs])
    assert evaluation.auroc == pytest.approx(expected)
    assert evaluation.surface.auroc == evaluation.skipganomaly.auroc == pytest.approx(expected)
    assert evaluation.auroc_interval is not None
    assert evaluation.auroc_interval[0] < expected < evaluation.auroc_interval[1]


def test_the_author_s_table_counts_good_as_positive() -> None:
    training = [(0.1, 1.0)] * 19 + [(0.5, 1.0)]
    labels = np.array([0, 0, 0, 1, 1])
    errors = [(0.1, 1.0), (0.1, 1.1), (0.9, 1.0), (0.1, 0.9), (0.7, 3.0)]
    rows = alpha_table(training, labels, errors)
    assert [row.alpha for row in rows] == pytest.approx(np.arange(1, 10) / 10)
    at_half = rows[4]
    assert at_half.threshold == pytest.approx(np.percentile([0.55] * 19 + [0.75], 95))
    # scores .55 .6 .95 | .5 1.85 against .56: good called good 1, defective called good 1
    assert (at_half.missed.count, at_half.missed.of) == (1, 2)
    assert (at_half.false_alarms.count, at_half.false_alarms.of) == (2, 3)
    assert at_half.precision_good == pytest.approx(1 / 2)
    assert at_half.recall_good == pytest.approx(1 / 3)


def test_a_score_on_the_limit_is_good_and_none_called_good_has_no_precision() -> None:
    labels = np.array([0, 1])
    on_the_limit = alpha_table([(1.0, 1.0)], labels, [(1.0, 1.0), (2.0, 2.0)])
    assert all(row.recall_good == 1 and row.precision_good == 1 for row in on_the_limit)
    beyond = alpha_table([(1.0, 1.0)], labels, [(3.0, 3.0), (2.0, 2.0)])
    assert all(row.precision_good is None and row.recall_good == 0 for row in beyond)
    assert alpha_table([], labels, [(1.0, 1.0), (1.0, 1.0)]) == ()


def test_without_training_errors_there_is_no_table(data: Path) -> None:
    assert _json(evaluate(fake(()), data))["alpha_table"] == []


def test_pixel_metrics_depend_on_the_place(data: Path) -> None:
    pixel = _json(evaluate(fake(), data))["pixel"]
    assert (pixel["images"], pixel["without_mask"], pixel["size"]) == (10, 0, 32)
    assert 0.5 < pixel["auroc"] < 1  # good plates have red patches of their own, with empty masks
    finer = evaluate(fake(), data, pixel_size=64).pixel
    assert finer is not None
    assert finer.size == 64
    assert finer.auroc == pytest.approx(pixel["auroc"], abs=0.05)


def test_a_map_on_the_mask_is_nearly_perfect_and_beside_it_is_not(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", (0,), {"rust": (120, 125)})
    perfect = evaluate(fake(), data, pixel_size=64).pixel
    for path in (data / "ground_truth" / "rust").iterdir():
        Image.fromarray(np.ascontiguousarray(np.asarray(Image.open(path))[::-1])).save(path)
    turned = evaluate(fake(), data, pixel_size=64).pixel
    assert perfect is not None
    assert turned is not None
    assert perfect.auroc is not None
    assert turned.auroc is not None
    assert perfect.auroc > 0.99
    assert turned.auroc < 0.8


def test_without_masks_there_are_no_pixel_figures(tmp_path: Path) -> None:
    values = _json(evaluate(fake(), folder(tmp_path / "data", (PASS,), {"rust": (REJECT,)}, masks=False)))
    assert values["pixel"] is None
    assert values["phases"]["surface"] == {"auroc": 1.0, "pixel_auroc": None}


def test_a_mask_of_another_size_is_left_out(data: Path) -> None:
    masks = data / "ground_truth" / "rust"
    Image.new("L", (48, 64)).save(masks / "000_mask.png")
    (masks / "001_mask.png").write_text("no mask")
    evaluation = evaluate(fake(), data)
    values = _json(evaluation)
    assert [Path(failure["path"]).name for failure in values["mask_failures"]] == ["000_mask.png", "001_mask.png"]
    assert "48×64 px" in values["mask_failures"][0]["error"]
    assert values["failed"] == []
    assert values["images"]["anomalous"] == 5
    assert (values["pixel"]["images"], values["pixel"]["without_mask"]) == (8, 2)


def test_an_unreadable_photograph_is_left_out_and_listed(data: Path) -> None:
    (data / "test" / "rust" / "001.png").write_text("no photograph")
    values = _json(evaluate(fake(), data))
    assert [failure["path"] for failure in values["failed"]] == [str(data / "test" / "rust" / "001.png")]
    assert values["failed"][0]["error"].startswith(values["failed"][0]["path"] + ": ")
    assert values["images"] == {"normal": 5, "anomalous": 4}
    assert len(values["scores"]) + len(values["failed"]) == 10


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", (PASS,), {"rust": (REJECT,)})
    for path in (data / "test").rglob("*.png"):
        path.write_text("no photograph")
    with pytest.raises(InputError, match="none of 2 photographs is readable"):
        evaluate(fake(), data)
    with pytest.raises(InputError, match="no labelled test folder"):
        evaluate(fake(), tmp_path)


def test_a_plate_refused_by_the_quality_check_is_review_and_left_out_of_auroc(data: Path) -> None:
    before = evaluate(fake(), data)
    Image.new("RGB", (64, 48)).save(data / "test" / "rust" / "900.png")
    after = evaluate(fake(), data)
    values = _json(after)
    assert values["unjudged"] == [{"path": str(data / "test" / "rust" / "900.png"), "reason": "too dark"}]
    assert after.auroc == before.auroc
    assert after.pixel == before.pixel
    assert values["verdicts"]["reviewed_anomalous"] == 2
    assert values["verdicts"]["defects"]["rust"]["images"] == 4
    assert values["scores"][8] | {"path": ""} == {
        "path": "",
        "label": 1,
        "defect": "rust",
        "score": None,
        "p_value": None,
        "verdict": "REVIEW",
        "surface": None,
        "reconstruction_error": None,
        "latent_error": None,
    }


def test_one_class_left_has_no_area_and_still_counts(tmp_path: Path) -> None:
    data = folder(tmp_path / "data", (PASS, PASS), {"rust": (REJECT,)})
    (data / "test" / "rust" / "000.png").write_text("no photograph")
    values = _json(evaluate(fake(), data))
    assert (values["auroc"], values["auroc_interval"], values["average_precision"]) == (None, None, None)
    assert values["verdicts"]["intervals"]["missed"] == {"count": 0, "of": 0, "rate": None, "interval": [0, 1]}
    assert values["alpha_table"][0]["recall_good"] is not None


def test_progress_is_reported_once_per_photograph(data: Path) -> None:
    reported: list[tuple[str, int, int]] = []
    evaluate(fake(), data, progress=lambda *call: reported.append(call))
    assert reported == [("inspecting", step, 10) for step in range(1, 11)]


def test_mistakes_are_named(data: Path) -> None:
    mistakes = [
        (plate.defect, plate.mistake, plate.verdict) for plate in evaluate(fake(), data).scores if plate.mistake
    ]
    assert mistakes == [("good", "false_alarm", Verdict.REJECT), ("scratches", "missed", Verdict.PASS)]


def test_tables_agree_with_the_values(data: Path) -> None:
    evaluation = evaluate(fake(), data)
    rows = {row[0]: row for row in tables.verdict_sheet(evaluation).rows}
    assert rows["good"][1:6] == ("5", "3", "1", "1", "1 false alarms")
    assert rows["scratches"][5] == "1 missed"
    assert rows["all defective"][1:6] == ("5", "1", "1", "3", "1 missed")
    assert tables.alpha_sheet(evaluation).rows[0][4].endswith(" of 5")
    assert tables.phase_sheet(evaluation).rows[2][1] == f"{evaluation.auroc:.3f}"
    for table in (tables.verdicts(evaluation), tables.alpha(evaluation), tables.phases(evaluation)):
        assert table.row_count >= 3


def test_evaluation_uses_examine_and_manifest_alone(data: Path) -> None:
    """Evaluation judges by examine() alone, so that a verdict here is the verdict on the line."""
    public = {name for name in vars(FakeInspector) if not name.startswith("_")}
    assert public == {"examine", "reconstruct"}
    evaluate(fake(), data)


def test_a_mask_that_does_not_fit_its_label_is_a_mask_failure(data: Path) -> None:
    masks = data / "ground_truth"
    Image.new("L", (64, 48)).save(masks / "rust" / "000_mask.png")
    Image.new("L", (64, 48)).save(masks / "good" / "000_mask.png")
    Image.new("L", (64, 48), 1).save(masks / "good" / "001_mask.png")
    values = _json(evaluate(fake(), data))
    assert [Path(failure["path"]).name for failure in values["mask_failures"]] == ["001_mask.png", "000_mask.png"]
    assert "marks a defect, but" in values["mask_failures"][0]["error"]
    assert "marks nothing, but" in values["mask_failures"][1]["error"]
    assert values["pixel"]["images"] == 8


@pytest.mark.parametrize("value", [1, (0, 255, 0), (255, 0, 0, 255)])
def test_pixel_figures_are_those_of_white_masks_whatever_value_marks(data: Path, value: Any) -> None:
    white = evaluate(fake(), data).pixel
    for path in (data / "ground_truth").rglob("*.png"):
        mask = np.asarray(Image.open(path))
        picture = np.zeros((*mask.shape, *np.shape(value)), np.uint8)
        picture[mask] = value
        path.unlink()
        Image.fromarray(picture).save(path.with_suffix(".TIF"))
    assert evaluate(fake(), data).pixel == white


def test_a_thin_scratch_is_still_there_at_the_size_of_the_maps(data: Path) -> None:
    thin = np.zeros((48, 64), np.uint8)
    thin[9, 20:40] = 1
    for number in range(3):
        Image.fromarray(thin).save(data / "ground_truth" / "rust" / f"{number:03}_mask.png")
    assert evaluate(fake(), data, pixel_size=32).mask_failures == ()
    assert all(mask.any() for mask in _masks_at(data, 32))


def _masks_at(data: Path, size: int) -> list[Any]:
    maps = evaluator.MaskedMaps(size)
    for sample in data_sets.test(data):
        if sample.defect == "rust":
            maps.add(sample, fake().examine(sample.path))
    return maps.masks


def test_unused_files_are_named_in_the_json_and_on_stderr(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "ground_truth" / "rust" / "lost_mask.png").touch()
    assert _json(evaluate(fake(), data))["unused_masks"] == [str(data / "ground_truth" / "rust" / "lost_mask.png")]
    monkeypatch.setattr(platewatch, "load", lambda *_given, **_options: fake())
    result = CliRunner().invoke(cli.main, ["evaluate", "model", str(data)])
    assert (result.exit_code, "lost_mask.png: not used" in result.stderr) == (0, True)
