"""The benchmark scripts' own arithmetic: what is changed, what is counted, where the ladder ends."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import changes
import combination
import curves
import ladder
import measured
import record_rows
import records
import runs
import seeds
from changes import CHANGES
from conftest import Tiny
from platewatch import config
from platewatch.arrays import Array
from platewatch.config import CalibrationConfig
from platewatch.evaluation import evaluator
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.photographs import reading
from platewatch.records import Records
from platewatch.synthetic import rendered_plates


@pytest.fixture(scope="module")
def photo() -> Array:
    return rendered_plates.render("scratches", 3, 128)[0][:, :96]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_keeps_shape_and_type_and_does_nothing_where_it_is_neutral(change: Any, photo: Array) -> None:
    before = photo.copy()
    for step in (change.steps[0], change.steps[-1]):
        changed = change.apply(photo, step)
        assert changed.shape == photo.shape
        assert changed.dtype == np.uint8
        assert (changed != photo).any() == (step != change.neutral)
    if change.neutral is not None:
        assert change.neutral in change.steps
        assert (change.apply(photo, change.neutral) == photo).all()
    assert (photo == before).all()


def test_a_plate_is_moved_and_turned_the_way_that_is_said(photo: Array) -> None:
    assert (changes.move_x(photo, 10)[:, 10:] == photo[:, :-10]).all()
    assert (changes.move_y(photo, -10)[:-13] == photo[13:]).all()
    square = photo[:96]
    assert (changes.turn(square, 90) == np.rot90(square)).all()  # anticlockwise, as numpy turns


def test_the_lamp_s_gains_are_those_of_planck_s_law() -> None:
    def planck(nanometres: float, kelvin: float) -> float:
        return 1 / float(np.expm1(1.438777e7 / (nanometres * kelvin)))

    for kelvin in (5000, 6000):
        ratios = np.array([planck(each, kelvin) / planck(each, changes.DAYLIGHT_K) for each in (612, 549, 465)])
        assert changes.illumination_gains(kelvin) == pytest.approx(
            ratios / ratios[1], abs=0.04
        )  # three wavelengths of many
    assert changes.illumination_gains(changes.DAYLIGHT_K) == pytest.approx([1, 1, 1])


def test_a_bluer_lamp_is_bluer_and_leaves_green_as_it_is(photo: Array) -> None:
    bluer, redder = changes.illumination(photo, 500), changes.illumination(photo, -500)
    assert (bluer[..., 1] == photo[..., 1]).all()
    assert bluer[..., 2].mean() > photo[..., 2].mean() > redder[..., 2].mean()
    assert bluer[..., 0].mean() < photo[..., 0].mean() < redder[..., 0].mean()


def setting(false_alarms: int, missed: int) -> dict[str, Any]:
    return {
        "good": {"PASS": 13 - false_alarms, "REVIEW": 0, "REJECT": false_alarms},
        "defective": {"PASS": missed, "REVIEW": 1, "REJECT": 35 - missed},
        "highest_good": 0.8 + false_alarms,
        "lowest_defective": None if missed else 1.2,
    }


def judged(**mistakes: tuple[int, int]) -> dict[str, Any]:
    """A model that makes no mistakes but those named."""
    names = {curves.key(change, step) for change in CHANGES for step in change.steps}
    settings = {name: setting(*mistakes.get(name, (0, 0))) for name in names}
    return {"promise": 0.05, "settings": settings}


def test_curves_count_over_all_models_and_name_the_worst_step() -> None:
    found = [judged(**{"light 1.2": (2, 0), "light 1.25": (4, 1)}), judged(**{"light 1.25": (3, 0)})]
    assert curves.count(found, "false_alarms", "light 1.25") == (7, 26)
    assert curves.harmless(CHANGES[0], found) == (0.6, 1.15)
    light = next(line for line in curves.table(found).splitlines() if line.startswith("| light"))
    assert "| 7 of 26 at 1.25 |" in light
    assert "| 1 of 72 at 1.25 |" in light
    assert light.endswith("| 0.6 … 1.15 | 4.80 at 1.25 | 1.20 at 0.6 |")
    assert {line.count("|") for line in curves.table(found).splitlines()} == {9}
    assert len(curves.draw(found).axes) == len(CHANGES)


def test_curves_judge_every_plate_as_the_inspector_does(inspector: Inspector, photo: Array) -> None:
    plates = [(0, photo), (1, np.zeros_like(photo))]
    found = curves.judge(inspector, plates, lambda photo: photo, threads=2)
    assert found["good"][str(inspector.inspect(photo).verdict)] == 1
    assert found["defective"] == {"PASS": 0, "REVIEW": 1, "REJECT": 0}  # black: cannot be judged
    assert found["auroc"] is found["lowest_defective"] is None
    assert found["highest_good"] == (inspector.inspect(photo).score or 0) / inspector.manifest.review


def test_the_ladder_leads_from_the_published_recipe_to_fast() -> None:
    assert ladder.settings(0) == config.preset("reference")
    assert replace(ladder.settings(len(ladder.RUNGS) - 1), preset="fast") == config.preset("fast")


def test_every_rung_changes_something_and_its_file_says_the_same(tmp_path: Path) -> None:
    for number in range(1, len(ladder.RUNGS)):
        assert ladder.settings(number) != ladder.settings(number - 1)
        file = tmp_path / f"{number}.toml"
        file.write_text(ladder.toml(ladder.changes(number)), encoding="utf-8")
        assert config.load(file) == ladder.settings(number)


def test_the_ladder_s_table_shows_mean_and_worst() -> None:
    def one(auroc: float, missed: int) -> dict[str, Any]:
        figures = {"auroc": auroc, "separation": 1.5, "missed": missed, "false_alarms": 0}
        return {
            "plates": {"normal": 13, "anomalous": 36},
            "network": figures,
            "network_pixel": {"average_precision": None},
            "both": figures,
        }

    seeds = [one(1.0, 0), one(0.9, 3)]
    rung = {"rung": 1, "name": "narrow", "parameters": 1234567, "step_core_s": 0.1, "seeds": seeds}
    row = ladder.table([rung]).splitlines()[-1]
    both = "1.5 (3) | 0 (0)"
    assert (
        row == f"| 1 narrow | 0.9500 (0.9000) | 1.50 (1.50) | 1.5 (3) of 36 | 0 (0) of 13 | – | {both} | 1.23 M | 100 |"
    )
    assert len(ladder.draw([rung]).axes) == 2


def test_what_is_seen_agrees_with_evaluate(tiny_model: Tiny, inspector: Inspector) -> None:
    expected = evaluator.evaluate(inspector, tiny_model.data)
    seen = runs.look(tiny_model.model, tiny_model.data, threads=1)
    assert seen.labels.tolist() == [plate.label for plate in expected.scores if plate.score is not None]
    assert expected.pixel is not None
    assert seen.pixel("anomaly_map").aupro == expected.pixel.aupro
    assert seen.pixel("network_map").auroc == expected.skipganomaly.pixel_auroc
    decision = model_folder.load_manifest(tiny_model.model).decision
    both = [decision.score(*numbers) for numbers in seen.numbers]
    assert both == [plate.score for plate in expected.scores if plate.score is not None]


def test_the_combination_of_a_model_is_what_its_verdicts_are(tiny_model: Tiny, inspector: Inspector) -> None:
    found = combination._run(tiny_model.model, tiny_model.data, 1)
    expected = evaluator.evaluate(inspector, tiny_model.data)
    both = found["phases"]["both"]
    assert both["auroc"] == expected.auroc
    assert found["phases"]["skipganomaly"]["auroc"] == expected.skipganomaly.auroc
    assert both["missed"] == expected.missed.count
    assert both["false_alarms"] == expected.false_alarms.count
    assert found["alpha"]["chosen"]["share"] == expected.alpha
    assert found["alpha"]["best"]["auroc"] >= found["alpha"]["chosen"]["auroc"]
    assert len(combination.phases([found]).splitlines()) == 2 + len(combination.FIGURES)
    assert len(combination.shares([found, found]).splitlines()) == 6


def test_limits_come_from_good_plates_out_of_fold() -> None:
    labels, good = np.array([0, 0, 1, 1]), np.linspace(0.9, 1.1, 50)
    found = runs.judge(labels, np.array([1.0, 9.0, 0.9, 9.0]), good, CalibrationConfig())
    assert found["missed"] == found["false_alarms"] == found["not_passed_normal"] == 1
    assert found["auroc"] == 0.375
    assert found["separation"] == pytest.approx(0.1)


def test_the_best_share_is_the_one_that_the_labels_like_best() -> None:
    labels, pairs = np.array([0, 0, 1, 1]), np.array([[1, 5], [2, 1], [3, 1], [4, 2]], float)
    assert runs.best_share(labels, pairs) == {"share": 0.9, "auroc": 1.0, "separation": pytest.approx(2.8 / 1.9)}


def evaluation(seed: int, missed: int, alpha: float) -> dict[str, Any]:
    errors = [(0, 0.2, 1.0), (0, 0.4, 1.0), (1, 0.6, 1.0), (1, 0.8, 1.0)]
    scores = [
        {"label": label, "score": 2 * first, "reconstruction_error": first, "latent_error": second}
        for label, first, second in errors
    ]
    counts = {"missed": missed, "reviewed_anomalous": 1, "false_alarms": 0, "reviewed_normal": 0}
    return {
        "seed": seed,
        "images": {"normal": 2, "anomalous": 2},
        "verdicts": counts,
        "auroc": 1.0,
        "phases": {"surface": {"auroc": 1.0}, "skipganomaly": {"auroc": 0.9 + alpha / 10}},
        "alpha": alpha,
        "scores": [*scores, {"label": 1, "score": None}],
        "promise": {"false_alarm_rate": 0.036, "upper_95": 0.085},
        "train_s": 100.0 + seed,
        "pixels": {"256": {"auroc": 0.98, "average_precision": 0.9, "aupro": 0.93}, "512": None},
    }


def test_the_seeds_table_ends_with_mean_and_worst() -> None:
    lines = seeds.table([evaluation(0, 0, 0.1), evaluation(1, 1, 0.9)]).splitlines()
    rows = {cells[0]: cells[1:] for cells in (line.strip("| ").split(" | ") for line in lines)}
    assert rows["seed"] == ["0", "1", "mean", "worst"]
    assert rows["defective plates that PASS"] == ["0 of 2", "1 of 2", "0.5 of 2", "1 of 2"]
    assert rows["image AUROC, Skip-GANomaly"] == ["0.9100", "0.9900", "0.9500", "0.9100"]
    assert rows["lowest ÷ highest, Skip-GANomaly"] == ["1.02", "1.39", "1.21", "1.02"]
    assert rows["the same at that alpha"] == ["1.39"] * 4
    assert rows["pixel AP, 256 px"] == ["0.900"] * 4
    assert rows["pixel AP, 512 px"] == ["–"] * 4
    assert rows["alpha, chosen on forged defects"] == ["0.1", "0.9", "–", "–"]
    assert rows["training with calibration, s"] == ["100", "101", "100", "101"]


def test_a_draw_holds_other_plates_for_another_seed_and_the_whole_test_folder(tiny_model: Tiny, tmp_path: Path) -> None:
    drawn = [seeds.draw(tiny_model.data, tmp_path / str(seed), 4, seed) for seed in (0, 1, 0)]
    names = [[path.name for path in reading.find(folder / "train" / "good")] for folder in drawn]
    assert [len(each) for each in names] == [4, 4, 4]
    assert names[0] == names[2] != names[1]
    assert len(reading.find(drawn[0] / "test" / "good")) == len(reading.find(tiny_model.data / "test" / "good"))


def test_the_rows_of_the_record_s_benchmark_make_a_whole_chain(tmp_path: Path) -> None:
    with Records.open(str(tmp_path / "records.db")) as opened:
        record_rows.fill(opened, 400)
        audit = opened.audit()
        assert (audit.breaks, opened.counts().received, opened.head().entries) == ((), 400, 400)
        figures = records.measure(opened, 1)
        assert {"queue", "find: REJECT", "review"} <= figures.keys()
        assert opened.audit().whole


def test_a_document_s_table_is_what_was_printed_less_what_it_leaves_out(tmp_path: Path) -> None:
    printed = tmp_path / "seeds.md"
    printed.write_text("| seed | 0 | mean |\n|---|---|---|\n| missed | 1 | 2 |\n| alpha, chosen | .1 | – |\n\n3 kept\n")
    text = "before\n<!-- seeds -->\n| old |\n<!-- /seeds -->\nafter"
    short = measured.Table("seeds.md", lambda row: not row.startswith("alpha"), last=1)
    assert measured.renew(text, "seeds", short, printed) == (
        "before\n<!-- seeds -->\n| seed | mean |\n|---|---|\n| missed | 2 |\n\n3 kept\n<!-- /seeds -->\nafter"
    )
    assert measured.renew(text, "seeds", short, tmp_path / "none.md") == text
    assert measured.renew("<!-- seeds -->\n<!-- /seeds -->", "seeds", short, printed).count("\n") == 6, "nothing yet"


def test_every_table_of_the_documents_has_its_file_and_the_other_way_round() -> None:
    root = Path(__file__).parents[1]
    marks = [re.findall(r"<!-- /?(.+?) -->", (root / path).read_text()) for path in measured.DOCUMENTS]
    names = [name.removeprefix("/") for found in marks for name in found]
    assert set(names) == set(measured.TABLES)
    assert all(names[place] == names[place + 1] for place in range(0, len(names), 2))
