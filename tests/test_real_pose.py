"""On the real photographs, where they are at hand: plates are posed as they were outlined by hand, other parts not."""

import json
import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from platewatch.arrays import Array, Points
from platewatch.photographs import data_sets, pose, preparation, reading
from platewatch.photographs.pose import Outline

SETS = Path(os.environ.get("PLATEWATCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
DATA = SETS / "metal_plate"
DRAWN = json.loads((Path(__file__).parent / "plate_outlines.json").read_text(encoding="utf-8"))["outlines"]
"""Drawn by hand before any finder was written."""
SIZE = 256

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no real plates; set PLATEWATCH_DATA")


@cache
def shown(path: Path) -> Array:
    photo = reading.read(path)
    return preparation.frame(photo.shape[1], photo.shape[0], SIZE).cut(preparation.prepare(photo, SIZE))


def find(path: Path, *, grey: bool) -> Outline | None:
    photo = shown(path)
    if grey:
        photo = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), np.uint8)[..., None].repeat(3, axis=2)
    return pose.find(photo)


def mask(outline: Points, scale: float) -> Array:
    picture = np.zeros((1024, 1024), np.uint8)
    points = np.rint(16 * ((outline + 0.5) * scale - 0.5)).astype(np.int32)
    return np.asarray(cv2.fillPoly(picture, [points], 1, shift=4), bool)


@pytest.mark.parametrize("grey", [False, True])
def test_every_plate_has_its_four_corners(grey: bool) -> None:
    paths = sorted(path for path in DATA.rglob("*.png") if "ground_truth" not in path.parts)[::3]
    found = [find(path, grey=grey) for path in paths]
    assert [path for path, each in zip(paths, found, strict=True) if each is None or each.corners is None] == []


@pytest.mark.parametrize("grey", [False, True])
def test_plates_are_outlined_as_by_hand(grey: bool) -> None:
    overlaps = {}
    for name, drawn in DRAWN.items():
        found = find(DATA / name, grey=grey)
        assert found is not None
        own, other = mask(found.polygon, 1024 / SIZE), mask(np.array(drawn), 2)
        overlaps[name] = np.count_nonzero(own & other) / np.count_nonzero(own | other)
    assert len(overlaps) == 20
    assert {name: each for name, each in overlaps.items() if each < 0.93} == {}


@pytest.mark.parametrize("name", ["commutator", "solar_mono"])
def test_parts_that_fill_the_picture_have_no_pose(name: str) -> None:
    paths = data_sets.training(SETS / name)[::6] if (SETS / name).is_dir() else []
    assert [path for path in paths if find(path, grey=False) is not None] == []
