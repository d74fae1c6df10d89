"""Large photographs in overlapping tiles: the map has no seam, and the photograph counts as one."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from platewatch.model.inspector import Inspector
from platewatch.model.network_file import check_features
from platewatch.photographs import preparation
from tiled import SIDE, TILE, plate


@pytest.fixture(scope="module")
def inspector(tiled_model: Path) -> Inspector:
    return Inspector(tiled_model, threads=1)


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
    cv2.circle(spotted, (170, 110), 8, (200, 90, 40), -1, cv2.LINE_AA)
    before, after = inspector.examine(photo).inspection, inspector.examine(spotted).inspection
    assert before.score is not None
    assert after.score is not None
    assert after.score > max(before.score, inspector.manifest.threshold)
    left, top, width, height = after.defects[0].box
    assert left <= 170 <= left + width
    assert top <= 110 <= top + height
    assert width * height < 0.02 * 400 * 300
