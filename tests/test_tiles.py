"""Large photographs in overlapping tiles: the map has no seam, and the photograph counts as one.

Tiles of 64 px stand for those of 256 px, and a photograph of 400×300 px for one of 12 megapixels.
"""

import cv2
import numpy as np
import pytest

import small_backbone
import tiny
from platewatch.arrays import Photo
from platewatch.model.inspector import Inspector
from platewatch.model.network_file import check_features
from platewatch.photographs import preparation, reading
from platewatch.synthetic.rendered_plates import render

TILE, SIDE = 64, 160  # three tiles along the longer side


def plate(seed: int) -> Photo:
    """A rendered plate of 400×300 px with the noise of a camera."""
    square = render("good", seed, 300)[0]
    photo = cv2.copyMakeBorder(square, 0, 0, 50, 50, cv2.BORDER_REFLECT_101)
    noise = np.random.default_rng(seed).normal(0, 2, photo.shape)
    return np.asarray(np.clip(np.rint(photo + noise), 0, 255), np.uint8)


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    folder = tmp_path_factory.mktemp("tiles")
    (folder / "data").mkdir()
    for number in range(8):
        reading.write_png(folder / "data" / f"{number}.png", plate(number))
    with pytest.MonkeyPatch.context() as patch:
        small_backbone.install(patch)
        for module in ("learning.fitting", "learning.fusing"):
            patch.setattr(f"platewatch.{module}.TILE", TILE)
        backbone = small_backbone.weights(folder)
        tiny.learn(
            folder / "data", folder / "model", preset="surface", backbone=backbone, image_size=SIDE, min_images=8
        )
    return Inspector(folder / "model", threads=1)


def test_the_side_is_that_of_three_tiles(inspector: Inspector) -> None:
    assert preparation.side_of_tiles(3, TILE) == SIDE
    assert check_features((inspector.folder / "backbone.onnx").read_bytes(), "backbone")[0] == TILE


def test_limits_and_bound_are_by_photograph(inspector: Inspector) -> None:
    manifest = inspector.manifest
    assert len(manifest.calibration) == manifest.promise.good_plates == 8


def test_the_map_has_no_seam_and_nothing_on_the_padding(inspector: Inspector) -> None:
    seen = inspector.examine(plate(101), all_phases=True)
    inside = seen.frame.inside(SIDE)
    assert not inside.all()
    for each in (seen.anomaly_map, *seen.bank_maps):
        assert not each[~inside].any()
    steps = np.abs(np.diff(seen.frame.cut(seen.bank_maps[2]), axis=1)).max(axis=0)
    borders = [56 - 1, 104 - 1]  # tiles begin at 0, 48 and 96 px; each gives the patches up to the middle of an overlap
    assert steps[borders].max() <= np.delete(steps, borders).max()


def test_a_spot_is_found_at_its_place(inspector: Inspector) -> None:
    photo = plate(102)
    spotted = photo.copy()
    cv2.circle(spotted, (170, 110), 5, (200, 90, 40), -1, cv2.LINE_AA)
    before, after = inspector.examine(photo).inspection, inspector.examine(spotted).inspection
    assert before.score is not None
    assert after.score is not None
    assert after.score > max(before.score, inspector.manifest.threshold)
    left, top, width, height = after.defects[0].box
    assert left <= 170 <= left + width
    assert top <= 110 <= top + height
    assert width * height < 0.02 * 400 * 300
