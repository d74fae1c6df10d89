"""Lengths and areas in mm: by the part's own pose and size where it has one, else by one scale of the picture."""

from dataclasses import replace

import numpy as np

from platewatch.config import Config
from platewatch.inspection import Defect, Millimetres, Scale
from platewatch.photographs import scale
from platewatch.photographs.part_frame import MARGIN
from platewatch.photographs.part_shape import Examined
from platewatch.photographs.preparation import Frame
from platewatch.photographs.scale import Plane

_EDGE = 0.5  # px of the prepared photograph: standard deviation of a place's edge


def plane(config: Config, found: Examined | None, frame: Frame, size: tuple[int, int]) -> Plane | None:
    """From px of the original photograph of this (width, height) into mm; None where no scale is known.

    With `Config.part_mm` each part's pose gives it, and a part without a pose has none.
    """
    if config.part_mm is None:
        return None if config.mm_per_px is None else scale.plane_of_picture(config.mm_per_px, config.mm_uncertainty)
    if found is None or found.placed is None or found.outline is None or found.outline.corners is None:
        return None
    across, down = frame.width / size[0], frame.height / size[1]
    to_shown = np.array([[across, 0, 0.5 * across - 0.5], [0, down, 0.5 * down - 0.5], [0, 0, 1]])
    height, width = found.placed.material.shape
    corners = found.outline.corners
    shortest = float(np.hypot(*(np.roll(corners, -1, axis=0) - corners).T).min())
    inner = width - 2 * MARGIN, height - 2 * MARGIN
    return scale.plane_of_part(found.placed.matrix @ to_shown, inner, MARGIN, config.part_mm, shortest)


def stated(found: Plane | None, size: tuple[int, int]) -> Scale | None:
    """The scale in the middle of the photograph, as an Inspection holds it."""
    if found is None:
        return None
    return Scale(round(found.mm_per_px(size[0] / 2, size[1] / 2), 6), round(found.uncertainty, 5), found.by_part)


def measured(defect: Defect, found: Plane | None, px: float) -> Defect:
    """The defect with its size in mm; `px` is how many px of the photograph one of the prepared one is."""
    if found is None:
        return defect
    left, top, width, height = defect.box
    mm = found.mm_per_px(left + width / 2, top + height / 2)
    edge = _EDGE * px * mm
    length, area = defect.length_px * mm, defect.area_px * mm**2
    around = 2 * (width + height) * mm
    size = Millimetres(
        length_mm=round(length, 4),
        length_uncertainty_mm=round(float(np.hypot(found.uncertainty * length, np.sqrt(2) * edge)), 4),
        area_mm2=round(area, 4),
        area_uncertainty_mm2=round(float(np.hypot(2 * found.uncertainty * area, around * edge)), 4),
    )
    return replace(defect, size_mm=size)
