"""The overlay has one colour scale for all plates, and boxes at their places."""

import numpy as np
import pytest

from platewatch.arrays import Array
from platewatch.inspection import Defect, Evidence
from platewatch.photographs.overlay import FAINT, FULL, boxed, colours, heat, overlay


def _photo(height: int = 120, width: int = 160) -> Array:
    return np.full((height, width, 3), (70, 90, 140), np.uint8)


def _defect(box: tuple[int, int, int, int]) -> Defect:
    return Defect(box, box[2] * box[3], float(max(box[2:])), 2.0, Evidence(colour=0.5, line=0.5))


def test_a_good_plate_gets_no_colour() -> None:
    photo = _photo()
    assert np.array_equal(overlay(photo, np.full((30, 40), FAINT, np.float32)), photo)


def test_the_same_value_gets_the_same_colour_whatever_else_is_on_the_plate() -> None:
    calm, wild = np.full((30, 40), 1.5, np.float32), np.full((30, 40), 1.5, np.float32)
    wild[:5] = 50
    assert np.array_equal(overlay(_photo(), calm)[80:], overlay(_photo(), wild)[80:])


def test_more_is_drawn_stronger_and_saturates() -> None:
    away = [
        float(np.abs(overlay(_photo(), np.full((30, 40), value, np.float32)).astype(int) - _photo()).mean())
        for value in (1.05, 1.3, 1.6, FULL, 10 * FULL)
    ]
    assert 2 < away[0] < away[1] < away[2] < away[3] == away[4]


@pytest.mark.parametrize("paint", [(70, 90, 140), (96, 60, 40), (40, 40, 42)])  # blue, rust, a dark picture
def test_a_reject_s_map_and_its_contour_at_the_limit_show_on_any_paint(paint: tuple[int, int, int]) -> None:
    found = np.zeros((30, 40), np.float32)
    found[10:20, 15:30] = 1.25  # what real rejects reach
    photo = np.full((240, 320, 3), paint, np.uint8)
    drawn = overlay(photo, found).astype(int)
    assert np.abs(drawn[120, 180] - photo[120, 180]).max() > 36
    across = drawn[120, :180]
    edge = np.flatnonzero((across == (0, 255, 255)).all(axis=1))
    assert len(edge)
    assert abs(edge[0] - 120) < 10, "the contour is where the map exceeds the limit"
    layer = heat(found).astype(int)
    assert layer.shape == (768, 1024, 4)
    assert ((layer == (0, 255, 255, 255)).all(axis=2)).any()
    assert layer[10, 10, 3] == 0


def test_the_map_is_drawn_at_its_place() -> None:
    heat = np.zeros((30, 40), np.float32)
    heat[:, 30:] = 3
    changed = (overlay(_photo(), heat) != _photo()).any(axis=2)
    assert changed[:, 125:].all()
    assert not changed[:, :115].any()


def test_the_scale_rises_in_brightness_and_clips() -> None:
    row = colours(np.linspace(0, FULL, 50, dtype=np.float32)[None]).astype(int).sum(axis=2)[0]
    assert (np.diff(row) >= -3).all()  # rounding of the table
    assert np.array_equal(colours(np.array([[-1.0, 9.0]], np.float32)), colours(np.array([[0.0, FULL]], np.float32)))


@pytest.mark.parametrize("size", [(120, 160), (900, 1200)])
def test_boxes_are_drawn_around_their_place_and_grow_with_the_picture(size: tuple[int, int]) -> None:
    height, width = size
    box = (width // 4, height // 4, width // 2, height // 2)
    drawn = (
        overlay(_photo(height, width), np.zeros((30, 40), np.float32), [_defect(box)]) != _photo(height, width)
    ).any(axis=2)
    line = drawn[height // 2, : width // 2].sum()
    assert drawn[height // 2, width // 4]
    assert 2 <= line <= max(5, width / 60)
    assert not drawn[height // 2, width // 4 + width // 30 : width // 2].any()
    assert not drawn[int(height * 0.8) :].any()


@pytest.mark.parametrize("box", [(0, 0, 160, 120), (150, 110, 40, 40), (-5, -5, 20, 20), (159, 119, 1, 1)])
def test_boxes_at_the_edge_stay_within_the_picture(box: tuple[int, int, int, int]) -> None:
    picture = overlay(_photo(), np.zeros((30, 40), np.float32), [_defect(box)])
    assert picture.shape == _photo().shape
    assert picture.dtype == np.uint8


def test_the_photograph_itself_is_not_drawn_on() -> None:
    photo = _photo()
    overlay(photo, np.full((30, 40), 3, np.float32), [_defect((5, 5, 20, 20))])
    assert np.array_equal(photo, _photo())


def test_boxes_alone_are_those_of_the_overlay_and_leave_the_photograph_as_it_is() -> None:
    photo, defects = _photo(), [_defect((20, 30, 40, 50)), _defect((90, 10, 20, 20))]
    before = photo.copy()
    assert np.array_equal(boxed(photo, defects), overlay(photo, np.zeros((2, 2), np.float32), defects))
    assert np.array_equal(photo, before)
