"""Photographs that are not square: nothing is painted, learned, counted or shown on the padding of the prepared square.

1130×460 and 500×1260 px are the sizes of two published sets of photographs (screws, commutators).
"""

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

import tiny
from platewatch.arrays import Array, Photo
from platewatch.config import SurfaceConfig, TrainingConfig
from platewatch.errors import InputError
from platewatch.evaluation import plots, report
from platewatch.evaluation.evaluator import MaskedMaps
from platewatch.exploration import plate_features
from platewatch.learning import out_of_fold
from platewatch.learning.preflight import GoodPlates
from platewatch.learning.sensitivity_trials import GridPoint, damage
from platewatch.model.scoring import NetworkNumbers, RawNumbers
from platewatch.photographs import preparation, robust
from platewatch.photographs.foreground import find_framed_object
from platewatch.photographs.overlay import overlay
from platewatch.photographs.preparation import Frame
from platewatch.progress import silent
from platewatch.skipganomaly.augmentation import augment
from platewatch.surface import bank, detector, features, fusion
from platewatch.surface.detector import Surface, SurfaceResult
from platewatch.synthetic.artificial_defects import random_defect

SIDE = 96
SIZES = pytest.mark.parametrize("size", [(1130, 460), (500, 1260)], ids=["1130x460", "500x1260"])
FEW = SurfaceConfig(bank=2048)


def textured(seed: int, size: tuple[int, int]) -> Photo:
    """A grey part that fills the frame: smooth grain, and stripes along the borders, which the padding repeats."""
    rng, (width, height) = np.random.default_rng(seed), size
    grain = cv2.resize(rng.normal(0, 1, (24, 24)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.normal(0, 1, (height // 8, width // 8)).astype(np.float32), size)
    photo: Photo = np.clip(120 + 14 * (grain + fine), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    return photo


def plate(seed: int, size: tuple[int, int]) -> tuple[Photo, Frame]:
    return preparation.prepare(textured(seed, size), SIDE), preparation.frame(*size, SIDE)


def good(count: int, size: tuple[int, int]) -> GoodPlates:
    photos, frames = zip(*(plate(seed, size) for seed in range(count)), strict=True)
    names = tuple(map(str, range(count)))
    return GoodPlates(names, names, np.stack(photos), frames, (size,) * count, (), ())  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=[(1130, 460), (500, 1260)], ids=["1130x460", "500x1260"])
def plates(request: pytest.FixtureRequest) -> GoodPlates:
    return good(6, request.param)


@pytest.fixture(scope="module")
def fitted(plates: GoodPlates) -> Surface:
    return detector.fit(plates.photos, 0, FEW, plates.insides())


@SIZES
@pytest.mark.parametrize("whole", [True, False], ids=["whole photograph", "few pixels"])
def test_random_defects_are_painted_on_the_photograph_alone(size: tuple[int, int], whole: bool) -> None:
    """Of a part of a few pixels, most draws are too small, so that the last resort is painted."""
    photo, frame = plate(0, size)
    inside, rng = frame.inside(SIDE), np.random.default_rng(0)
    on_part = find_framed_object(photo, frame) if whole else np.zeros_like(inside)
    if not whole:
        on_part[frame.top + 2 : frame.top + 30 : 9, frame.left + 2 : frame.left + 30 : 9] = True
    for _ in range(60):
        damaged, mask = random_defect(photo, rng, on_part)
        changed = (damaged != photo).any(axis=2)
        assert not mask[~inside].any()
        assert not changed[~inside].any()
        assert np.count_nonzero(changed) >= 3


@SIZES
def test_augmentation_paints_on_the_photograph_alone(size: tuple[int, int]) -> None:
    photo, frame = plate(0, size)
    inside = frame.inside(SIDE)
    settings = TrainingConfig(
        defect_probability=1, flip_horizontal=0, flip_vertical=0, rotation_degrees=0, any_angle=0, brightness_range=0
    )
    batch = np.stack([photo] * 24), np.stack([find_framed_object(photo, frame)] * 24)
    x_input, x = augment(*batch, settings, np.random.default_rng(0))
    changed = (x_input != x).any(axis=3)
    assert changed.any(axis=(1, 2)).all()
    assert not changed[:, ~inside].any()


def test_defects_that_choose_weights_are_on_the_photograph(plates: GoodPlates, monkeypatch: pytest.MonkeyPatch) -> None:
    scored, blank = list[Array](), np.zeros((SIDE, SIDE), np.float32)
    raw = RawNumbers(SurfaceResult(1, blank, (blank, blank)), NetworkNumbers(1, 1, blank))

    def measure(_surface: Any, _network: Any, photo: Array, _frame: Any) -> RawNumbers:
        scored.append(photo)
        return raw

    monkeypatch.setattr("platewatch.model.scoring.measure", measure)
    fake = SimpleNamespace(of=lambda _plate: (None, None))
    out_of_fold.score(plates, fake, tiny.settings(), silent)  # type: ignore[arg-type]
    inside = plates.frames[0].inside(SIDE)
    each = 1 + out_of_fold.DEFECTS_PER_PLATE
    assert len(scored) == each * len(plates.photos)
    for number, photo in enumerate(scored):
        changed = (photo != plates.photos[number // each]).any(axis=2)
        assert changed.any() == (number % each > 0)
        assert not changed[~inside].any()


@pytest.mark.parametrize("kind", ["scratch", "rust"])
def test_sensitivity_trials_paint_on_the_photograph_alone(plates: GoodPlates, kind: Any) -> None:
    inside = plates.frames[0].inside(SIDE)
    for number in range(len(plates.photos)):
        for size_px in (2, 20):
            photo = damage(plates, number, GridPoint(kind, size_px, 0.3), tiny.settings())[0]
            changed = (photo != plates.photos[number]).any(axis=2)
            assert not changed[~inside].any()
            assert np.count_nonzero(changed) >= 3


def test_phase_one_learns_no_patch_of_the_padding(plates: GoodPlates, fitted: Surface) -> None:
    """The padding of other photographs may be changed at will: banks and scales stay the same."""
    inside = plates.frames[0].inside(SIDE)
    shown = bank.shown(inside, FEW.patch)
    colour = [features.describe(photo, FEW)[0] for photo in plates.photos]
    padding = {patch.tobytes() for each in colour for patch in each[~shown]}
    assert fitted.coresets is not None
    assert len(padding) > 100
    assert not any(patch.tobytes() in padding for patch in fitted.coresets[0].sample)


def test_what_lies_deep_in_the_padding_changes_neither_score_nor_map(plates: GoodPlates, fitted: Surface) -> None:
    """32 px are as far as a patch's windows reach."""
    frame = plates.frames[0]
    inside = frame.inside(SIDE)
    near = cv2.dilate(inside.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
    for photo in plates.photos[:2]:
        marked = photo.copy()
        marked[~near] = (255, 0, 255)
        one, other = fitted.inspect(photo, inside), fitted.inspect(marked, inside)
        assert not other.anomaly_map[~inside].any()
        core = cv2.erode(inside.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
        assert np.array_equal(one.maps[0][core], other.maps[0][core])


def test_a_score_pools_over_the_photograph_not_over_the_square(plates: GoodPlates, fitted: Surface) -> None:
    inside = plates.frames[0].inside(SIDE)
    seen = fitted.inspect(plates.photos[0], inside)
    pairs = zip(FEW.score_fractions, fitted.score_scales, strict=True)
    pooled = [fusion.pool(seen.anomaly_map[inside], fraction) / scale for fraction, scale in pairs]
    assert seen.score == pytest.approx(max(pooled))


def test_scales_are_those_of_the_photographs(plates: GoodPlates, fitted: Surface) -> None:
    """The scales are the good plates' own, without the padding, whose distances would be small."""
    inside = plates.frames[0].inside(SIDE)
    peaks = [
        fusion.pool(fitted.without([number]).inspect(photo, inside).anomaly_map, inside=inside)
        for number, photo in enumerate(plates.photos)
    ]
    assert robust.limit(peaks) == pytest.approx(1, rel=1e-3)


@SIZES
def test_features_of_a_whole_plate_leave_out_the_padding(size: tuple[int, int]) -> None:
    photo, frame = plate(0, size)
    inside, masked = plate_features.find_plate(photo, frame)
    assert not inside[~frame.inside(SIDE)].any()
    assert masked == (not np.array_equal(inside, frame.inside(SIDE)))


@SIZES
def test_pixel_metrics_count_the_photograph_alone(size: tuple[int, int], tmp_path: Any) -> None:
    """A map that is wrong on the padding, and right on the photograph, has no error."""
    photo, frame = plate(0, size)
    mask = np.zeros(size[::-1], np.uint8)
    mask[200:300, 200:300] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    anomaly_map = preparation.prepare(mask[..., None].repeat(3, axis=2), SIDE)[..., 0].astype(np.float32) / 255
    anomaly_map[~frame.inside(SIDE)] = 9.0
    seen = SimpleNamespace(
        **dict.fromkeys(("anomaly_map", "surface_map", "network_map"), anomaly_map),
        **{"prepared": photo, "frame": frame, "bank_maps": ()},
    )
    pixels = MaskedMaps(None)
    sample = SimpleNamespace(mask=tmp_path / "mask.png", label=1, path=tmp_path / "0.png")
    pixels.add(sample, seen)  # type: ignore[arg-type]
    assert pixels.failures == []
    assert pixels.masks[0].size == frame.width * frame.height
    found = pixels.summary()
    assert found is not None
    assert found.auroc == pytest.approx(1, abs=0.01)
    assert found.average_precision == pytest.approx(1, abs=0.1)


@SIZES
def test_overlay_and_report_show_the_map_without_its_padding(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map that is strong on the padding alone leaves the photograph as it is."""
    photo, (prepared, frame) = textured(0, size), plate(0, size)
    anomaly_map = np.where(frame.inside(SIDE), np.float32(0), np.float32(9))
    assert np.array_equal(overlay(photo, frame.cut(anomaly_map)), photo)
    shown = list[Photo]()

    def drawn(picture: Photo, _side: int) -> str:
        shown.append(picture)
        return ""

    monkeypatch.setattr(report, "jpeg_uri", drawn)
    seen = SimpleNamespace(
        photo=photo, prepared=prepared, frame=frame, anomaly_map=anomaly_map, inspection=SimpleNamespace(defects=())
    )
    inspector = SimpleNamespace(examine=lambda _path: seen, reconstruct=lambda square: square[::2, ::2])
    report.card(SimpleNamespace(path="0.png", label=0, mask=None), inspector, 96)  # type: ignore[arg-type]
    wide = size[0] / size[1]
    assert [picture.shape[1] / picture.shape[0] for picture in shown] == pytest.approx([wide] * 3, rel=0.05)
    assert np.array_equal(shown[2], photo)


@SIZES
def test_a_reconstruction_is_drawn_without_its_padding(size: tuple[int, int]) -> None:
    photo, frame = plate(0, size)
    small = preparation.frame(*size, SIDE // 2)
    originals, copies = plots.without_padding(photo[None], photo[None, ::2, ::2], [size])
    assert originals[0].shape == copies[0].shape == (small.height, small.width, 3)
    assert np.abs(originals[0].mean() - frame.cut(photo).mean()) < 1


def test_an_object_without_a_pixel_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="object for an artificial defect"):
        random_defect(textured(0, (64, 64)), np.random.default_rng(0), np.zeros((64, 64), bool))
