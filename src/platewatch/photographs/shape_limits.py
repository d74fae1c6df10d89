"""Limits of the shape check, learned from good photographs alone: each part is measured by those of other groups.

A part type has this check when nearly all of its good photographs show the part in full, in one pose.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from platewatch.arrays import Array, Labels, Mask, Masks, Photo
from platewatch.photographs import part_frame, pose
from platewatch.photographs.part_frame import MARGIN, Placed, Template
from platewatch.photographs.part_shape import (
    Good,
    ShapeCheck,
    ShapeLimits,
    closed,
    difference,
    direction,
    lacking,
    measure,
    separate,
)

FEWEST = 20
"""Good parts with a pose, at least, for shape limits."""

_ALIKE = 0.09  # mean difference from the template of a part that is like it
_LEVELS = (32, 23, 16, 11, 8)  # of 255: presence up to which a place may be background through a hole
_HOLE = 0.002  # smallest hole of the good parts whose area is checked, of the frame
_MARGIN = 1.35  # factor on the largest out-of-fold measure
_OUTLIER = 2.0  # times the next smaller measure
_SLACK: Mapping[str, float] = {"less": 2e-4, "corner": 5e-5, "covered": 0.1, "unlike": 0.01}
"""Added to each limit: fractions of the frame, of the hole's area, and of the greatest difference."""
_TURN, _TURNED_MARGIN = 45.0, 3.0  # degrees: parts that turn farther than this have no limit; added to the range


def learn(photos: Sequence[Photo], groups: Sequence[int], template: Template | None = None) -> ShapeCheck | None:
    """The check that good photographs (h, w, 3) uint8 without padding set; None where parts have no common pose.

    `groups`: the number of each photograph's group; a part is compared with those of other groups alone.
    `template`: that of the model before, which the parts are then brought into.
    """
    found = [pose.find(photo) for photo in photos]
    shown = [each for each in found if each is not None]
    most = 1 + len(photos) // 50
    if len(shown) < max(FEWEST, len(photos) - most):
        return None
    if template is None:
        template, placed = part_frame.learn(shown)
    else:
        placed = [part_frame.place(each, template) for each in shown]
    numbers = [group for group, each in zip(groups, found, strict=True) if each is not None]
    alike = [
        (number, outline, each)
        for number, outline, each in zip(numbers, shown, placed, strict=True)
        if each is not None and each.mismatch <= _ALIKE
    ]
    if len(alike) < max(FEWEST, len(photos) - most) or len({number for number, _, _ in alike}) < 3:
        return None
    parts = [each for _, _, each in alike]
    seen = np.stack([part_frame.warp_levels(closed(one), each.matrix, template.mean.shape) for _, one, each in alike])
    return _calibrated(template, parts, seen, np.array([number for number, _, _ in alike]), most)


def _calibrated(template: Template, parts: Sequence[Placed], seen: Array, groups: Array, most: int) -> ShapeCheck:
    """The check with limits from measures of each part by the parts of other groups."""
    material = np.stack([each.material for each in parts])
    lacks = np.stack([lacking(each) for each in material])
    holes = _holes(template)
    level = _level(seen, groups, most)

    def without(group: int | None) -> Good:
        kept = groups != group if group is not None else np.ones(len(groups), bool)
        return _good(template, holes, seen[kept] <= level, lacks[kept])

    values = list[Mapping[str, float]]()
    for group in dict.fromkeys(groups.tolist()):
        good = without(group)
        values += [
            measure(parts[each], seen[each], good, level).values for each in np.flatnonzero(groups == group).tolist()
        ]
    limits = ShapeLimits(
        level=level,
        less=_highest(values, "less", "less", 0),
        corners=_corner_limits(values, most) if template.four_sided else (),
        covered=tuple(_highest(values, f"covered{number}", "covered", most) for number in range(int(holes.max()))),
        unlike=min(1.0, _highest(values, "unlike", "unlike", most)),
        turned=_turned([direction(each) for each in parts]),
        mirrored=any(each.mirrored for each in parts),
    )
    return ShapeCheck(without(None), limits)


def _good(template: Template, holes: Labels, low: Masks, lacks: Array) -> Good:
    largest = np.asarray(lacks.max(axis=0), np.uint8)
    least = cv2.dilate(largest, np.ones((3, 3), np.uint8))
    return Good(template, _known(np.asarray(low.any(axis=0), bool)), np.asarray(least, np.uint8), holes)


def _known(low: Mask) -> Mask:
    """Where background is no additional hole: where good parts have it, next to that, and outside the part."""
    known = np.asarray(cv2.dilate(low.view(np.uint8), np.ones((3, 3), np.uint8)), bool)
    outside = np.ones(known.shape, bool)
    outside[MARGIN:-MARGIN, MARGIN:-MARGIN] = False
    return known | outside


def _level(seen: Array, groups: Array, most: int) -> int:
    """The highest level at which nearly no good part seems to have a hole that no part of another group has."""
    for level in _LEVELS:
        low = seen <= level
        count = low.sum(axis=0)
        false = 0
        for group in dict.fromkeys(groups.tolist()):
            own = groups == group
            known = _known(np.asarray(count > low[own].sum(axis=0), bool))
            false += sum(bool(separate(each, known).any()) for each in low[own])
        if false < most:
            return level
    return 0


def stricter(one: ShapeLimits, other: ShapeLimits) -> ShapeLimits:
    """The limits of `one`, none of them looser than those of `other`; corners and holes go by their size."""
    return ShapeLimits(
        level=max(one.level, other.level),
        less=min(one.less, other.less),
        corners=_lower(one.corners, other.corners),
        covered=_lower(one.covered, other.covered),
        unlike=min(one.unlike, other.unlike),
        turned=one.turned,
        mirrored=one.mirrored and other.mirrored,
    )


def _lower(own: Sequence[float], others: Sequence[float]) -> tuple[float, ...]:
    """Each of the limits, or that of the same rank of the others where it is lower; a frame may be turned."""
    if len(own) != len(others):
        return tuple(own)
    found = np.array(own)
    order = np.argsort(found, kind="stable")
    found[order] = np.minimum(found[order], np.sort(others))
    return tuple(found.tolist())


def _holes(template: Template) -> Labels:
    """The holes of the mean part, numbered: regions without material that do not reach the frame's border."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((template.mean < 128).astype(np.uint8), connectivity=4)
    height, width = template.mean.shape
    numbered = np.zeros(template.mean.shape, np.intp)
    for each in range(1, count):
        left, top, across, down, area = (int(value) for value in stats[each])
        inside = left > 0 and top > 0 and left + across < width and top + down < height
        if inside and area >= _HOLE * labels.size and numbered.max() < 100:
            numbered[labels == each] = numbered.max() + 1
    return numbered


def _highest(values: Sequence[Mapping[str, float]], name: str, kind: str, most: int) -> float:
    """The limit of a measure: above the largest out-of-fold value that is no outlier."""
    ordered = np.sort([each[name] for each in values])
    kept = len(ordered)
    while len(ordered) - kept < most and ordered[kept - 1] > _OUTLIER * ordered[kept - 2] + _SLACK[kind]:
        kept -= 1
    return float(_MARGIN * ordered[kept - 1] + _SLACK[kind])


def _corner_limits(values: Sequence[Mapping[str, float]], most: int) -> tuple[float, ...]:
    """One limit for each corner, all as far above what is common at this corner: a notch is no cut corner."""
    areas = np.array([[each[f"corner{number}"] for number in range(4)] for each in values])
    common = np.median(areas, axis=0)
    above = [{"corner": max(0.0, float(each))} for each in (areas - common).max(axis=1)]
    return tuple(float(each) + _highest(above, "corner", "corner", most) for each in common)


def _turned(angles: Sequence[float]) -> tuple[float, float] | None:
    """Lowest and highest of the directions with a margin; None where they are far apart."""
    middle = float(np.degrees(np.angle(np.exp(1j * np.radians(angles)).mean())))
    away = np.array([difference(each, middle) for each in angles])
    if np.abs(away).max() > _TURN:
        return None
    margin = max(_TURNED_MARGIN, float(away.std()))
    return middle + float(away.min()) - margin, middle + float(away.max()) + margin
