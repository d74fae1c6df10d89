"""The benchmarks' own arithmetic: what is changed, what is counted, where the ladder ends."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import models
from benchmarks import photograph_changes as changes
from benchmarks.entries import alpha, curves, drift, grey, ladder, records, scratches, seeds, sets, versions
from benchmarks.photograph_changes import CHANGES
from conftest import Tiny
from platewatch import config
from platewatch.arrays import Array
from platewatch.decision import calibration
from platewatch.evaluation import evaluator, metrics
from platewatch.model import model_folder
from platewatch.model.inspector import Inspector
from platewatch.photographs import data_sets, reading
from platewatch.records import Records
from platewatch.synthetic import rendered_plates


@pytest.fixture(scope="module")
def photo() -> Array:
    return rendered_plates.render("scratches", 3, 128)[0][:, :96]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_keeps_shape_and_type_and_does_nothing_where_it_is_neutral(change: Any, photo: Array) -> None:
    before = photo.copy()
    for step in (change.steps[0], change.steps[-1]):
        changed = change.apply(step, photo)
        assert changed.shape == photo.shape
        assert changed.dtype == np.uint8
        assert (changed != photo).any() == (step != change.neutral)
    if change.neutral is not None:
        assert change.neutral in change.steps
        assert (change.apply(change.neutral, photo) == photo).all()
    assert (photo == before).all()


def test_a_plate_is_moved_and_turned_the_way_that_is_said(photo: Array) -> None:
    across, down = (
        next(change for change in CHANGES if change.name == name) for name in ("moved across", "moved down")
    )
    assert (across.apply(10, photo)[:, 10:] == photo[:, :-10]).all()
    assert (down.apply(-10, photo)[:-13] == photo[13:]).all()
    square = photo[:96]
    assert (changes.turn(90, square) == np.rot90(square)).all()  # anticlockwise, as numpy turns


def test_the_gains_of_another_colour_temperature_are_those_of_planck_s_law() -> None:
    def planck(nanometres: float, kelvin: float) -> float:
        return 1 / float(np.expm1(1.438777e7 / (nanometres * kelvin)))

    for kelvin in (5000, 6000):
        ratios = np.array([planck(each, kelvin) / planck(each, changes.DAYLIGHT_K) for each in (612, 549, 465)])
        assert changes.white_gains(kelvin) == pytest.approx(ratios / ratios[1], abs=0.04)  # three wavelengths of many
    assert changes.white_gains(changes.DAYLIGHT_K) == pytest.approx([1, 1, 1])


def test_bluer_light_is_bluer_and_leaves_green_as_it_is(photo: Array) -> None:
    bluer, redder = changes.colour_temperature(500, photo), changes.colour_temperature(-500, photo)
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
    return {"expected": 0.05, "settings": settings}


def test_curves_count_over_all_models_and_name_the_worst_step() -> None:
    found = [judged(**{"light 1.2": (2, 0), "light 1.25": (4, 1)}), judged(**{"light 1.25": (3, 0)})]
    assert curves.count(found, "false_alarms", "light 1.25") == (7, 26)
    assert curves.harmless(CHANGES[0], found) == list(CHANGES[0].steps[:-2])
    assert curves.harmless(CHANGES[0], [judged(unchanged=(0, 0), **{"light 0.9": (1, 0)})])[0] == 0.95
    table = curves.table(found)
    light = next(row for row in table.rows if row[0].startswith("light"))
    assert light[2:5] == ["7 of 26 at 1.25", "7 of 26 at 1.25", "1 of 72 at 1.25"]
    assert light[5:] == ["0.6 … 1.15", "4.80 at 1.25", "1.20 at 0.6"]
    assert {len(row) for row in table.rows} == {len(table.head)} == {8}
    assert len(curves.draw(found).axes) == len(CHANGES)


def test_curves_judge_every_plate_as_the_inspector_does(inspector: Inspector) -> None:
    photo = rendered_plates.render("scratches", 3, 128)[0]
    plates = [(0, photo), (1, np.zeros_like(photo))]
    found = curves.judge(inspector, plates, lambda photo: photo)
    assert found["good"][str(inspector.inspect(photo).verdict)] == 1
    assert found["defective"] == {"PASS": 0, "REVIEW": 1, "REJECT": 0}  # black: cannot be judged
    assert found["lowest_defective"] is None
    assert found["highest_good"] == (inspector.inspect(photo).score or 0) / inspector.manifest.review


def test_the_ladder_leads_from_the_published_recipe_to_fast() -> None:
    assert ladder.settings(0) == config.preset("reference")
    last, fast = ladder.settings(len(ladder.RUNGS) - 1), config.preset("fast")
    assert replace(last, preset="fast", backbone=fast.backbone, surface=fast.surface) == fast, "phase two alone"


def test_every_rung_changes_something_and_its_file_says_the_same(tmp_path: Path) -> None:
    for number in range(1, len(ladder.RUNGS)):
        assert ladder.settings(number) != ladder.settings(number - 1)
        file = tmp_path / f"{number}.toml"
        file.write_text(ladder.toml(ladder.changes(number)), encoding="utf-8")
        assert config.load(file) == ladder.settings(number)


def test_the_ladder_s_table_shows_mean_and_worst() -> None:
    def one(auroc: float, missed: int) -> dict[str, Any]:
        figures = {"auroc": auroc, "separation": 1.5, "missed": missed, "false_alarms": 0, "pixel_auroc": None}
        return {"images": {"normal": 13, "anomalous": 36}, "network": figures, "verdicts": figures}

    row = list(ladder.row(2, [one(1.0, 0), one(0.9, 3)], 0.1).values())
    assert row[:5] == ["2 one convolution", "0.9500 (0.9000)", "1.50 (1.50)", "1.5 (3) of 36", "0 (0) of 13"]
    assert row[5:8] == ["–", "1.5 (3)", "0 (0)"]
    assert row[9] == "100"


@pytest.fixture(scope="module")
def evaluated(inspector: Inspector, tiny_model: Tiny) -> dict[str, Any]:
    return evaluator.evaluate(inspector, tiny_model.data).as_dict()


def test_scores_and_network_scores_are_those_that_the_evaluation_counts(evaluated: dict[str, Any]) -> None:
    labels, scores = models.scores(evaluated)
    assert metrics.auroc(labels, scores) == evaluated["auroc"]
    labels, alone = models.network_scores(evaluated)
    assert metrics.auroc(labels, alone) == evaluated["phases"]["skipganomaly"]["auroc"]


def test_the_network_alone_is_judged_at_its_own_limits(tiny_model: Tiny, evaluated: dict[str, Any]) -> None:
    """The limits come from good plates, out of fold; no label moves them."""
    found = ladder.alone(tiny_model.model, evaluated)
    manifest = model_folder.load_manifest(tiny_model.model)
    assert manifest.alpha is not None
    errors = np.array([(plate.reconstruction_error, plate.latent_error) for plate in manifest.calibration], float)
    good = errors @ [manifest.alpha, 1 - manifest.alpha]
    rates = manifest.config.calibration
    review, reject = calibration.limits(good, rates.review_rate, rates.false_alarm_rate)
    labels, scores = models.network_scores(evaluated)
    pairs = list(zip(labels, scores, strict=True))
    assert found["network"]["missed"] == sum(label == 1 and score <= review for label, score in pairs)
    assert found["network"]["false_alarms"] == sum(label == 0 and score > reject for label, score in pairs)
    assert found["network"]["auroc"] == evaluated["phases"]["skipganomaly"]["auroc"]
    assert found["verdicts"] == evaluated["verdicts"]


def test_the_limits_of_the_network_alone_follow_its_good_plates(tiny_model: Tiny) -> None:
    good = np.array(
        [
            (plate.reconstruction_error, plate.latent_error)
            for plate in model_folder.load_manifest(tiny_model.model).calibration
        ]
    )
    high, low = 2 * good.max(axis=0), good.min(axis=0) / 2
    rows = [(0, low), (0, high), (1, low), (1, high)]
    scores = [
        {"label": label, "score": 1, "reconstruction_error": one, "latent_error": two} for label, (one, two) in rows
    ]
    alpha = model_folder.load_manifest(tiny_model.model).alpha
    made = {"scores": scores, "alpha": alpha, "images": {}, "verdicts": {}, "phases": {"skipganomaly": {"auroc": 0.5}}}
    network = ladder.alone(tiny_model.model, made)["network"]
    assert (network["missed"], network["false_alarms"]) == (1, 1)
    assert network["separation"] < 1


def test_separation_is_the_lowest_defect_over_the_highest_good_plate() -> None:
    assert models.separation(np.array([0, 0, 1, 1]), np.array([1.0, 9.0, 0.9, 9.0])) == pytest.approx(0.1)


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
    found = [evaluation(0, 0, 0.1), evaluation(1, 1, 0.9)]
    table = seeds.table(found, seeds.rows(found[0]))
    rows = {row[0]: list(row[1:]) for row in table.rows}
    assert table.head == ["seed", "0", "1", "mean", "worst"]
    assert rows["defective plates that PASS"] == ["0 of 2", "1 of 2", "0.5 of 2", "1 of 2"]
    assert rows["image AUROC, Skip-GANomaly"] == ["0.9100", "0.9900", "0.9500", "0.9100"]
    assert rows["lowest ÷ highest, Skip-GANomaly"] == ["1.02", "1.39", "1.21", "1.02"]
    assert rows["lowest defective ÷ highest good score"] == ["1.50"] * 4
    assert rows["pixel AP, 256 px"] == ["0.900"] * 4
    assert rows["pixel AP, 512 px"] == ["–"] * 4
    assert rows["expected false alarms"] == ["3.6%"] * 4
    assert rows["training with calibration, s"] == ["100", "101", "100", "101"]


def test_seeds_trains_nothing_that_is_there_and_counts_as_evaluate_does(
    tiny_model: Tiny, evaluated: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "evaluate", lambda *_: evaluated)
    (tmp_path / "model-0").symlink_to(tiny_model.model)
    found = seeds.measure(tiny_model.data, out=tmp_path, seeds=[0], pixel_sizes=[64])
    rows = {row[0]: list(row[1:]) for row in found.tables[""].rows}
    count, of = evaluated["verdicts"]["missed"], evaluated["images"]["anomalous"]
    assert rows["defective plates that PASS"] == [f"{count} of {of}"] * 3
    assert rows["image AUROC, both phases"] == [f"{evaluated['auroc']:.4f}"] * 3
    assert rows["training with calibration, s"] == ["–"] * 3, "it was trained elsewhere"
    assert float(found.figures["missed_upper_95"]) > count / of


def test_a_draw_holds_other_plates_for_another_seed_and_the_whole_test_folder(tiny_model: Tiny, tmp_path: Path) -> None:
    drawn = [seeds.drawn(tiny_model.data, tmp_path / str(seed), 4, seed) for seed in (0, 1, 0)]
    names = [[path.name for path in reading.find(folder / "train" / "good")] for folder in drawn]
    assert [len(each) for each in names] == [4, 4, 4]
    assert names[0] == names[2] != names[1]
    assert len(reading.find(drawn[0] / "test" / "good")) == len(reading.find(tiny_model.data / "test" / "good"))


def test_a_grey_copy_has_every_photograph_and_no_colour(
    tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(seeds, "measure", lambda data, **_: asked.append(data))
    grey.measure(tiny_model.data, out=tmp_path)
    assert asked == [tmp_path / "plates"]
    names = [sample.path.relative_to(tiny_model.data) for sample in data_sets.test(tiny_model.data)]
    assert [sample.path.relative_to(asked[0]) for sample in data_sets.test(asked[0])] == names
    photo = reading.read(asked[0] / names[0])
    assert (photo == photo[..., :1]).all()


@pytest.fixture
def trained(tiny_model: Tiny, evaluated: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The options of each training; every model is the tiny one."""
    asked: list[tuple[str, ...]] = []

    def train(_data: Path, model: Path, *options: str) -> None:
        asked.append(options)
        model.parent.mkdir(parents=True, exist_ok=True)
        model.symlink_to(tiny_model.model)

    monkeypatch.setattr(models, "train", train)
    monkeypatch.setattr(models, "evaluate", lambda *_: evaluated)
    return asked


def test_sets_compare_with_no_network_on_colour_and_grey_and_make_nothing_twice(
    tiny_model: Tiny, evaluated: dict[str, Any], trained: list[tuple[str, ...]], tmp_path: Path
) -> None:
    found = sets.measure([tiny_model.data], out=tmp_path, seeds=[0, 1], grey=True)
    assert {options[5] for options in trained} == {"none", "efficientnet-lite0"}
    assert len(trained) == 8
    name = tiny_model.data.name
    assert list(found.tables) == ["", f" {name}", f" {name} grey"]
    assert [row[0] for row in found.tables[""].rows] == [
        f"{each}: {step}" for each in (name, f"{name} grey") for step in sets.COMPARED
    ]
    rows = {row[0]: list(row[1:]) for row in found.tables[f" {name}"].rows}
    counts = evaluated["verdicts"]
    not_passed = counts["false_alarms"] + counts["reviewed_normal"]
    for suffix in ("", ", no network"):
        assert rows[f"good parts not passed{suffix}"] == [f"{not_passed} of {evaluated['images']['normal']}"] * 4
        assert (
            rows[f"defective parts passed{suffix}"] == [f"{counts['missed']} of {evaluated['images']['anomalous']}"] * 4
        )
    assert rows["weights of colour, line, texture"] == ["–"] * 4, "the tiny model has no texture features"
    assert sets.measure([tiny_model.data], out=tmp_path, seeds=[0, 1], grey=True) == found
    assert len(trained) == 8


def test_the_ladder_of_sets_begins_with_the_settings_of_0_1_0_and_makes_no_step_twice(
    tiny_model: Tiny, trained: list[tuple[str, ...]], tmp_path: Path
) -> None:
    found = sets.measure([tiny_model.data], out=tmp_path, seeds=[0], ladder=True)
    assert [row[0].partition(": ")[2] for row in found.tables[" ladder"].rows] == list(sets.LADDER)
    told = [(Path(options[1]).stem, options[5]) for options in trained]
    assert told == [("surface", "none"), ("surface", sets.LITE), ("reference", "none"), ("reference", sets.LITE)], (
        "a square set has no tiles of its own"
    )
    first, last = (config.load(tmp_path / f"{name}.toml").surface for name in ("reference", "surface"))
    assert (first.smooth, first.further_fractions, first.fine_fractions) == (4.0, (), ())
    assert (last.smooth, last.further_fractions, last.fine_fractions) == (2.0, (0.001, 0.1), (0.001, 0.005, 0.02))


def test_a_step_s_count_is_the_worst_seed_with_its_interval() -> None:
    run = {"images": {"normal": 13, "anomalous": 36}, "auroc": 1.0, "passed": 0, "not_passed": 0, "separation": 1.5}
    found = [run | {"core_s": 10.0}, run | {"auroc": 0.9, "passed": 2, "not_passed": 1, "core_s": 12.0}]
    assert list(sets.summary(found).values()) == [
        "0.9500 (0.9000)",
        "1 of 13 (0.2% to 36.0%)",
        "2 of 36 (0.7% to 18.7%)",
        "1.50 (1.50)",
        "11",
    ]


def test_the_author_s_table_has_a_row_for_each_alpha(
    tiny_model: Tiny, evaluated: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "evaluate", lambda *_: evaluated)
    table = alpha.measure(tiny_model.model, tiny_model.data).tables[""]
    assert [row[0] for row in table.rows] == [f"{row['alpha']:.1f}" for row in evaluated["alpha_table"]]
    assert table.rows[0][4] == f"{evaluated['alpha_table'][0]['missed']} of {evaluated['images']['anomalous']}"


def test_the_large_record_is_intact_and_spread_over_time(tmp_path: Path) -> None:
    with Records.open(str(tmp_path / "records.db")) as opened:
        records.fill(opened, 400)
        audit = opened.audit()
        assert (audit.breaks, opened.counts().received, opened.head().entries) == ((), 400, 400)
        first, last = opened.get(1), opened.get(400)
        assert (last.received - first.received).total_seconds() == pytest.approx(2 * 399)
        assert opened.reviewers()
        rows = records.compare(opened, opened, 1)
        assert {"queue", "find: REJECT", "review"} <= {row["question"] for row in rows}
        assert next(row["plates"] for row in rows if row["question"] == "find: newest") == 50
        assert opened.audit().intact


def test_other_light_is_noticed_and_told_by_light_and_plates_before(
    tiny_model: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "BEFORE", (20,))
    rows = drift.measure(tiny_model.model, tiny_model.data, lights=[0.9], runs=2).tables[""].rows
    assert [row[:2] for row in rows] == [["× 0.9 after 20 plates", "2 of 2"]]
    assert float(rows[0][2]) <= float(rows[0][3])


def test_a_real_scratch_is_cut_out_along_its_mask_and_laid_on(tmp_path: Path) -> None:
    photo, mask = np.full((256, 256, 3), 90, np.uint8), np.zeros((256, 256, 3), np.uint8)
    mask[100:110, 50:150] = 255
    photo[100:110, 50:150] = 200
    reading.write_png(tmp_path / "photo.png", photo)
    reading.write_png(tmp_path / "mask.png", mask)
    (found,) = scratches.cut(tmp_path / "photo.png", tmp_path / "mask.png", 256)
    assert found.length_px == pytest.approx(100, abs=1)
    assert found.width_px == pytest.approx(10, abs=0.2)
    plate = np.full((256, 256, 3), 90, np.uint8)
    changed = (scratches.composite(plate, found, 0.5) != plate).any(axis=2)
    height, width = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
    assert 5 <= len(height) <= 11
    assert 50 <= len(width) <= 56


def test_two_versions_are_compared_to_the_last_bit() -> None:
    def said(score: float | None, verdict: str | None) -> dict[str, Any]:
        others = {"p_value": 0.5, "surface": 1.0, "reconstruction_error": 0.1, "latent_error": 0.2}
        return {"score": score, "verdict": verdict, "reason": "", "defects": [], **others}

    these = {"a": said(0.5, "PASS"), "b": said(None, None), "c": said(1.5, "REJECT")}
    others = {**these, "c": said(np.nextafter(1.5, 2), "REVIEW")}
    limits = {"threshold": 1.25, "review": 0.9, "alpha": 0.5}
    rows = {row[0]: row[1:] for row in versions.compare(these, others, limits, limits | {"review": 0.875})}
    assert rows["score"] == ["2 of 3", "2.22e-16"]
    assert rows["verdict"] == ["2 of 3", "–"]
    assert rows["surface"] == ["3 of 3", "0"]
    assert rows["limit for REJECT"] == ["1 of 1", "0"]
    assert rows["limit for PASS"] == ["0 of 1", "0.025"]


def test_another_version_must_be_another_one(tiny_model: Tiny, tmp_path: Path) -> None:
    import sys

    with pytest.raises(SystemExit, match="runs the Platewatch of this checkout"):
        versions.measure(Path(sys.executable), tiny_model.data, out=tmp_path)
