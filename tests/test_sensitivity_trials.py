"""Sensitivity trials count out-of-fold verdicts under damage and illumination, whatever the number of threads."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import tiny
from platewatch.arrays import Array
from platewatch.config import Config
from platewatch.decision.intervals import clopper_pearson
from platewatch.decision.sensitivity_summary import STRUCTURAL, Kind, Sensitivity, StructuralKind
from platewatch.decision.verdict import Decision
from platewatch.inspection import Verdict
from platewatch.learning import fitting, out_of_fold, sensitivity_trials
from platewatch.learning.out_of_fold import Detectors
from platewatch.learning.preflight import GoodPlates
from platewatch.learning.sensitivity_trials import GridPoint, Judge, damage, illumination_trials
from platewatch.model.inspector import Inspector
from platewatch.model.scoring import Checks, NetworkNumbers, RawNumbers
from platewatch.photographs import preparation, quality
from platewatch.photographs.completeness import CompletenessLimits
from platewatch.photographs.quality import QualityLimits
from platewatch.progress import Progress, silent
from platewatch.surface.detector import SurfaceResult

PASS, REVIEW, REJECT = Verdict.PASS, Verdict.REVIEW, Verdict.REJECT
SIDE = 96


def settings(**changes: object) -> Config:
    grid = {
        "widths": (2.0, 6.0),
        "diameters": (6.0, 20.0),
        "contrasts": (0.1, 0.2, 0.5),
        "plates": 4,
        "brightnesses": (0.5, 1.2),
        "structural_diameters": (),
    }
    return tiny.settings(sensitivity=grid | changes)


def good(count: int = 9, width: int = 192, height: int = 192, *, plain: bool = False) -> GoodPlates:
    """Grey plates on a lighter wall, or a plain wall alone, each with noise of its own."""
    photos = []
    for plate in range(count):
        photo = np.full((height, width, 3), 170, np.uint8)
        if not plain:
            cv2.rectangle(photo, (width // 6, height // 6), (width * 5 // 6, height * 5 // 6), (90, 100, 110), -1)
        noise = np.random.default_rng(plate).integers(0, 4, photo.shape, dtype=np.uint8)
        photos.append(preparation.prepare(photo + noise, SIDE))
    frame = preparation.frame(width, height, SIDE)
    paths = tuple(Path(f"{plate}.png") for plate in range(count))
    return GoodPlates(paths, ("",) * count, np.stack(photos), (frame,) * count, ((width, height),) * count, (), ())


def defect_trials(
    plates: GoodPlates, undamaged: list[Verdict], judge: Judge, config: Config, progress: Progress
) -> Sensitivity:
    tried = sensitivity_trials.try_defects(plates, undamaged, judge, config, progress)
    return sensitivity_trials.summarise(plates, undamaged, tried, config)


class Strict:
    """Judges by the strongest change of the photograph: up to 12 % PASS, up to 30 % REVIEW; remembers what it saw."""

    def __init__(self, plates: GoodPlates, pause: float = 0.0) -> None:
        self.plates, self.pause = plates, pause
        self.seen: list[tuple[int, str]] = []
        self._lock = threading.Lock()

    def __call__(self, plate: int, photo: Array) -> Verdict:
        with self._lock:
            self.seen.append((plate, hashlib.sha256(photo.tobytes()).hexdigest()))
            wait = self.pause * (len(self.seen) % 3)
        time.sleep(wait)  # out of order
        change = np.abs(photo.astype(int) - self.plates.photos[plate]).max() / 255
        return PASS if change <= 0.12 else REVIEW if change <= 0.3 else REJECT


def test_found_is_what_does_not_pass_with_its_interval() -> None:
    plates = good()
    stated = defect_trials(plates, [PASS] * 9, Strict(plates), settings(), silent)
    for kind, sizes in (("scratch", (2, 6)), ("rust", (6, 20))):
        trials = stated.scratch if kind == "scratch" else stated.rust
        assert [(each.size_px, each.contrast) for each in trials] == [(s, c) for s in sizes for c in (0.1, 0.2, 0.5)]
        assert {each.plates for each in trials} == {4}
    by_contrast = {each.contrast: (each.found, each.rejected, each.interval) for each in stated.scratch}
    assert by_contrast[0.1] == (0, 0, clopper_pearson(0, 4))
    assert by_contrast[0.2] == (4, 0, clopper_pearson(4, 4))
    assert by_contrast[0.5] == (4, 4, clopper_pearson(4, 4))


def test_only_plates_that_pass_undamaged_are_used_spread_over_all_of_them() -> None:
    plates = good(20)
    undamaged = [REVIEW, REJECT, *[PASS] * 16, REVIEW, REVIEW]
    judge = Strict(plates)
    stated = defect_trials(plates, undamaged, judge, settings(), silent)
    assert {plate for plate, _ in judge.seen} == {2, 7, 12, 17}
    assert (stated.good_plates, stated.passing, stated.rust[0].plates) == (20, 16, 4)
    few = defect_trials(plates, [PASS, *[REVIEW] * 19], judge, settings(), silent)
    assert (few.passing, few.rust[0].plates) == (1, 1)


def test_without_a_passing_plate_no_defect_is_tried() -> None:
    plates = good()
    judge = Strict(plates)
    stated = defect_trials(plates, [REVIEW] * 9, judge, settings(), silent)
    assert judge.seen == []
    assert (stated.passing, stated.scratch[0].plates, stated.scratch[0].interval) == (0, 0, (0, 1))
    assert stated.scratch[0].fraction is None


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the figures nor a single photograph; the seed changes both."""
    plates = good()

    def run(threads: int, pause: float, seed: int = 0) -> tuple[object, Counter[tuple[int, str]]]:
        monkeypatch.setattr(sensitivity_trials, "cores", lambda: threads)
        judge, chosen = Strict(plates, pause), tiny.settings(seed=seed, sensitivity=settings().sensitivity.__dict__)
        judged = [each(plates, [PASS] * 9, judge, chosen, silent) for each in (defect_trials, illumination_trials)]
        return judged, Counter(judge.seen)

    alone = run(1, 0)
    assert run(6, 0.002) == alone
    assert run(1, 0, seed=1)[1] != alone[1]


def test_a_plate_is_damaged_in_one_place_at_every_contrast() -> None:
    plates, chosen = good(), settings()
    for point in (GridPoint("scratch", 3, 0.2), GridPoint("rust", 9, 0.2)):
        faint, strong = (
            (damage(plates, 3, point._replace(level=level), chosen)[0] != plates.photos[3]).any(axis=2)
            for level in (0.2, 0.5)
        )
        assert np.array_equal(faint, strong)
        other = (damage(plates, 4, point, chosen)[0] != plates.photos[4]).any(axis=2)
        assert not np.array_equal(faint, other)


@pytest.mark.parametrize("plain", [True, False], ids=["plain wall", "plate"])
@pytest.mark.parametrize("shape", [(192, 60), (30, 192), (192, 192)])
@pytest.mark.parametrize("kind", ["scratch", "rust"])
def test_a_defect_lies_on_the_photograph_not_on_the_padding(kind: Kind, shape: tuple[int, int], plain: bool) -> None:
    """On a plain wall there is no object to keep to; a spot may be wider than the photograph."""
    plates = good(8, *shape, plain=plain)
    inside = plates.frames[0].inside(SIDE)
    for plate in range(8):
        for size_px in (5, 24):
            point = GridPoint(kind, size_px, 0.4)
            changed = (damage(plates, plate, point, settings())[0] != plates.photos[plate]).any(axis=2)
            assert not changed[~inside].any()
            assert changed.sum() >= 5


def raw(score: float) -> RawNumbers:
    blank = np.zeros((SIDE, SIDE), np.float32)
    return RawNumbers(SurfaceResult(score, blank, (blank, blank)), NetworkNumbers(1, 1, blank))


def test_defects_that_choose_alpha_and_weight_lie_on_the_photograph(monkeypatch: pytest.MonkeyPatch) -> None:
    plates, scored = good(6, 192, 60, plain=True), list[Array]()
    inside = plates.frames[0].inside(SIDE)

    def measure(_surface: Any, _network: Any, photo: Array, _frame: Any) -> RawNumbers:
        scored.append(photo)
        return raw(1)

    monkeypatch.setattr("platewatch.model.scoring.measure", measure)
    detectors = Detectors(Left(), range(6), [(np.arange(6), "network")])  # type: ignore[arg-type, list-item]
    out_of_fold.score(plates, detectors, settings(), silent)
    damaged = [photo for photo in scored if not any(np.array_equal(photo, each) for each in plates.photos)]
    assert len(damaged) == 6 * out_of_fold.DEFECTS_PER_PLATE
    for photo in damaged:
        changed = min(((photo != each).any(axis=2) for each in plates.photos), key=np.count_nonzero)
        assert not changed[~inside].any()


def test_lengths_are_those_of_the_photographs() -> None:
    plates = good(9, 192, 120)
    stated = defect_trials(plates, [PASS] * 9, Strict(plates), settings(length=0.5), silent)
    assert (stated.photo_side, stated.scale, stated.length_px, stated.mm_per_px) == (192, 0.5, 48, None)
    assert stated.length(3) == "6 px"
    chosen = tiny.settings(mm_per_px=0.25, sensitivity=settings().sensitivity.__dict__)
    assert defect_trials(plates, [PASS] * 9, Strict(plates), chosen, silent).length(3) == "6 px (1.5 mm)"


def test_a_scratch_has_the_width_length_and_contrast_that_are_stated() -> None:
    plates = good()
    before, after = plates.photos[2], damage(plates, 2, GridPoint("scratch", 4, 0.4), settings(length=0.4))[0]
    change = np.abs(after.astype(int) - before).max(axis=2) / 255
    (_, (width, length), _) = cv2.minAreaRect(np.argwhere(change > 0.2).astype(np.float32))
    assert change.max() == pytest.approx(0.4, abs=0.02)
    assert max(width, length) == pytest.approx(0.4 * SIDE, abs=3)
    assert (change > 0.2).sum() == pytest.approx(4 * 0.4 * SIDE, rel=0.2)


def test_a_rust_spot_has_the_diameter_and_contrast_that_are_stated() -> None:
    plates = good()
    before, after = plates.photos[2], damage(plates, 2, GridPoint("rust", 16, 0.3), settings())[0]
    change = np.abs(after.astype(int) - before).max(axis=2) / 255
    assert (change > 0).sum() == pytest.approx(np.pi / 4 * 16**2, rel=0.02)
    assert change[change > 0].mean() == pytest.approx(0.3, abs=0.03)


def test_all_good_plates_are_judged_under_every_illumination_and_counted() -> None:
    plates = good(9)
    judge = Strict(plates)
    undamaged = [PASS] * 7 + [REVIEW, REJECT]
    levels = illumination_trials(plates, undamaged, judge, settings(brightnesses=(0.5, 1.0, 1.25)), silent)
    assert [(each.brightness, each.warmth) for each in levels] == [(0.5, 0), (1, 0), (1.25, 0), (1, -0.08), (1, 0.08)]
    counts = [(each.passed, each.review, each.reject) for each in levels]
    assert counts == [(0, 0, 9), (7, 1, 1), (0, 9, 0), (9, 0, 0), (9, 0, 0)]
    assert Counter(plate for plate, _ in judge.seen) == dict.fromkeys(range(9), 4), "as photographed is known already"
    assert [each.interval for each in levels[:2]] == [clopper_pearson(9, 9), clopper_pearson(1, 9)]
    bare = illumination_trials(plates, undamaged, judge, settings(brightnesses=(), warmth=0), silent)
    assert [(each.brightness, each.warmth, each.plates) for each in bare] == [(1, 0, 9)]


def test_progress_counts_every_photograph() -> None:
    plates, reported = good(), list[tuple[str, int, int]]()
    for each in (defect_trials, illumination_trials):
        each(plates, [PASS] * 9, Strict(plates), settings(), lambda *news: reported.append(news))
    stages: dict[str, list[int]] = {}
    for stage, done, total in reported:
        stages.setdefault(stage, []).append(done)
        assert total == {"sensitivity trials": 4 * 12, "illumination trials": 9 * 4}[stage]
    assert stages == {"sensitivity trials": [*range(1, 49)], "illumination trials": [*range(1, 37)]}


def test_an_interruption_ends_it_at_the_next_plate() -> None:
    plates = good()
    judge = Strict(plates, 0.01)

    def interrupt(_stage: str, done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        defect_trials(plates, [PASS] * 9, judge, settings(), interrupt)
    assert len(judge.seen) < 20


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, object]]:
    """Every score is 0.5; the fixture lists the detectors that gave it."""
    calls: list[tuple[object, object]] = []

    def score(surface: object, network: object, *_: object) -> RawNumbers:
        calls.append((surface, network))
        return raw(0.5)

    monkeypatch.setattr("platewatch.model.scoring.measure", score)
    return calls


class Left:
    """A surface that gives the numbers of the photographs left out."""

    def without(self, photos: Array) -> str:
        return f"less {list(map(int, photos))}"


@pytest.mark.parametrize(("review", "threshold", "verdict"), [(0.6, 0.7, PASS), (0.4, 0.7, REVIEW), (0.3, 0.4, REJECT)])
def test_a_plate_is_judged_by_its_own_fold_as_on_the_line(
    measured: list[tuple[object, object]], review: float, threshold: float, verdict: Verdict
) -> None:
    plates = good(4)
    networks: list[Any] = [(np.array(each), f"n{each}") for each in ([0, 2], [1, 3])]
    detectors = Detectors(Left(), [0, 1, 0, 1], networks)  # type: ignore[arg-type]
    decision = Decision(0.5, 1, 1, weight=1, review=review, threshold=threshold)
    judge: Callable[[int, Array], Verdict] = out_of_fold.judge(
        plates, detectors, decision, Checks(quality.limits(plates.conditions()), None)
    )
    assert judge(2, plates.photos[2]) is verdict
    assert judge(3, plates.photos[3]) is verdict
    assert measured == [("less [0, 2]", "n[0, 2]"), ("less [1, 3]", "n[1, 3]")]
    black = np.zeros_like(plates.photos[0])
    assert judge(0, black) is REVIEW, "an unusable photograph goes to a person"
    assert len(measured) == 2


def test_undamaged_verdicts_come_from_out_of_fold_scores(
    measured: list[tuple[object, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plates, decision = good(4), Decision(0.5, 1, 1, weight=1, review=0.6, threshold=1)
    networks: list[Any] = [(np.arange(4), "network")]
    detectors = Detectors(Left(), range(4), networks)  # type: ignore[arg-type]
    monkeypatch.setattr("platewatch.learning.out_of_fold.score", lambda *_: None)
    monkeypatch.setattr("platewatch.learning.fitting._decide", lambda *_: (decision, np.array([0.5, 0.7, 1.2, 0.6])))
    made = fitting._calibrate(plates, detectors, settings(brightnesses=(), warmth=0), silent)
    assert [(each.passed, each.review, each.reject) for each in made.light] == [(2, 1, 1)]
    assert (made.sensitivity.passing, made.sensitivity.good_plates) == (2, 4)


def test_no_limit_is_looser_than_those_of_the_model_to_replace(
    measured: list[tuple[object, object]], monkeypatch: pytest.MonkeyPatch, inspector: Inspector
) -> None:
    """Whatever a retraining learns from, each protection of the model in service stays."""
    plates, decision = good(4), Decision(0.5, 1, 1, weight=1, review=0.6, threshold=1)
    detectors = Detectors(Left(), range(4), [(np.arange(4), "network")])  # type: ignore[arg-type, list-item]
    monkeypatch.setattr("platewatch.learning.out_of_fold.score", lambda *_: None)
    monkeypatch.setattr("platewatch.learning.fitting._decide", lambda *_: (decision, np.full(4, 0.5)))
    own = fitting._calibrate(plates, detectors, settings(brightnesses=(), warmth=0), silent)
    framing = own.checks.completeness
    assert framing is not None
    stricter = replace(
        inspector.manifest,
        decision=replace(decision, review=0.5, threshold=0.9),
        quality_limits=QualityLimits(
            darkest=own.checks.quality.darkest + 1, most_clipped=0.1, least_sharp=0, least_contrast=99
        ),
        completeness=CompletenessLimits({"aspect": (0.0, 0.001), "down": (0.4, 0.6)}),
    )
    held = fitting._calibrate(plates, detectors, settings(brightnesses=(), warmth=0), silent, stricter)
    assert (held.decision.review, held.decision.threshold) == (0.5, 0.9)
    assert held.checks.quality == replace(
        stricter.quality_limits, least_sharp=own.checks.quality.least_sharp, least_contrast=99
    )
    assert held.checks.completeness is not None
    assert held.checks.completeness.ranges["aspect"] == (0.0, 0.001)
    assert held.checks.completeness.ranges.keys() == framing.ranges.keys() | {"down"}
    looser = replace(stricter, decision=replace(decision, review=9.0, threshold=9.0), completeness=None)
    unchanged = fitting._calibrate(plates, detectors, settings(brightnesses=(), warmth=0), silent, looser)
    assert unchanged.decision == decision


def test_the_model_holds_the_results_of_all_trials(inspector: Inspector) -> None:
    """On the tiny model: the whole grid, the illuminations, and the plates as they are."""
    manifest, tried = inspector.manifest, tiny.settings().sensitivity
    found = manifest.sensitivity
    sizes = {"scratch": tried.widths, "rust": tried.diameters}
    for kind, trials in (("scratch", found.scratch), ("rust", found.rust)):
        assert [(each.size_px, each.contrast) for each in trials] == [
            (s, c) for s in sizes[kind] for c in tried.contrasts
        ]
        assert {each.plates for each in trials} == {min(tried.plates, found.passing)}
        assert all(each.rejected <= each.found <= each.plates for each in trials)
        assert all(each.interval == clopper_pearson(each.found, each.plates) for each in trials)
    verdicts = Counter(manifest.decision.verdict(plate.score) for plate in manifest.calibration)
    assert (found.good_plates, found.passing) == (tiny.GOOD, verdicts[PASS])
    assert (found.photo_side, found.scale) == (128, 96 / 128)
    usual = next(each for each in manifest.light if (each.brightness, each.warmth) == (1, 0))
    assert (usual.passed, usual.review, usual.reject) == (verdicts[PASS], verdicts[REVIEW], verdicts[REJECT])
    assert [(each.brightness, each.warmth) for each in manifest.light] == [(0.8, 0), (1, 0), (1, -0.08), (1, 0.08)]
    assert {each.plates for each in manifest.light} == {tiny.GOOD}


STRUCTURE: dict[str, object] = {"structural_diameters": (8.0, 16.0), "strengths": (0.5, 1.0), "structural_plates": 3}


def test_structural_kinds_are_tried_at_each_size_and_strength_and_their_contrast_is_measured() -> None:
    plates = good()
    judge = Strict(plates)
    stated = defect_trials(plates, [PASS] * 9, judge, settings(**STRUCTURE), silent)
    assert [(each.kind, each.size_px, each.strength) for each in stated.structural] == [
        (kind, size, strength) for kind in STRUCTURAL for size in (8, 16) for strength in (0.5, 1)
    ]
    pieces = [each for each in stated.structural if each.kind == "additional"]
    for faint, full in zip(pieces[::2], pieces[1::2], strict=True):
        assert full.contrast == pytest.approx(80 / 255, abs=0.03), "wall on the plate, or plate on the wall"
        assert faint.contrast == pytest.approx(full.contrast / 2, rel=0.05)
        assert (full.plates, full.found, full.rejected, full.interval) == (3, 3, 3, clopper_pearson(3, 3))
        assert (faint.plates, faint.found, faint.rejected) == (3, 3, 0)
    assert len({plate for plate, _ in judge.seen}) == 5, "3 plates of their own choice and 4 of scratches"


def test_a_structural_defect_that_changes_nothing_is_not_counted() -> None:
    even = np.full((4, SIDE, SIDE, 3), 120, np.uint8)
    plates = replace(good(4), photos=even)
    stated = defect_trials(plates, [PASS] * 4, Strict(plates), settings(**STRUCTURE), silent)
    blurred = [each for each in stated.structural if each.kind == "blur"]
    assert {(each.plates, each.found, each.contrast) for each in blurred} == {(0, 0, 0.0)}


@pytest.mark.parametrize("kind", STRUCTURAL)
def test_a_structural_defect_depends_on_seed_plate_and_kind_and_lies_on_the_photograph(kind: StructuralKind) -> None:
    plates, chosen = good(4, 192, 60, plain=True), settings(**STRUCTURE)
    point, inside = GridPoint(kind, 12, 1), plates.frames[0].inside(SIDE)
    once, mask = damage(plates, 1, point, chosen)
    assert np.count_nonzero(mask) == pytest.approx(np.pi / 4 * 12**2, abs=1)
    assert np.array_equal(once, damage(plates, 1, point, chosen)[0])
    assert not (once != plates.photos[1]).any(axis=2)[~inside].any()
    again = tiny.settings(seed=1, sensitivity=chosen.sensitivity.__dict__)
    assert not np.array_equal(once, damage(plates, 1, point, again)[0])
    assert not np.array_equal(once != plates.photos[1], damage(plates, 2, point, chosen)[0] != plates.photos[2])


def test_examples_are_the_weakest_found_and_the_strongest_missed_of_each_kind() -> None:
    plates, chosen = good(), settings(contrasts=(0.03, 0.2, 0.5))
    tried = sensitivity_trials.try_defects(plates, [PASS] * 9, Strict(plates), chosen, silent)
    found = sensitivity_trials.summarise(plates, [PASS] * 9, tried, chosen)
    shown = sensitivity_trials.examples(plates, tried, found, chosen)
    assert [(each.kind, each.verdict is PASS) for each in shown] == [
        (kind, missed) for kind in ("scratch", "rust") for missed in (False, True)
    ]
    for each in shown:
        of_kind = [
            one for one in tried if one.point.kind == each.kind and (one.verdict is PASS) == (each.verdict is PASS)
        ]
        choose = max if each.verdict is PASS else min
        best = choose(of_kind, key=lambda one: one.visibility)
        assert np.array_equal(each.photo, damage(plates, best.plate, best.point, chosen)[0])
        left, top, width, height = each.box
        changed = (each.photo != plates.photos[best.plate]).any(axis=2)
        assert changed[top : top + height, left : left + width].sum() == changed.sum()
        assert each.words[0] == f"{found.length(best.point.size_px)} {'wide' if each.kind == 'scratch' else 'across'}"
