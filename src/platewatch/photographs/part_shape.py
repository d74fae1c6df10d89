"""Shape check: additional and missing holes, cut corners, less material than the good parts, turned, other side up.

Everything is measured in the part's frame (part_frame.py) and compared with limits (shape_limits.py).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass as checked

from platewatch.arrays import Doubles, Grey, Labels, Mask, Photo
from platewatch.config import STRICT
from platewatch.photographs import part_frame, pose
from platewatch.photographs.part_frame import MARGIN, Placed, Template
from platewatch.photographs.pose import Outline

_CORNER, _WINDOW = 0.045, 0.04  # sides of a corner's triangle and of the window of `less`; of the longer side


@checked(frozen=True, config=STRICT)
class ShapeLimits:
    """Highest measures with which a part passes, and how it may lie; stored in the manifest."""

    level: Annotated[int, Field(ge=0, le=255)]
    """Presence, of 255, up to which a place is background seen through the part; 0: no check of additional holes."""
    less: Annotated[float, Field(ge=0)]
    """Area that is missing in one place, as a fraction of the part's frame."""
    corners: Annotated[tuple[float, ...], Field(max_length=4)]
    """Area that is missing at each corner of the frame, as a fraction of it; empty where there are not four sides."""
    covered: Annotated[tuple[float, ...], Field(max_length=100)]
    """Fraction of each hole that is covered."""
    unlike: Annotated[float, Field(ge=0, le=1)]
    """Mean difference from the good parts."""
    turned: tuple[float, float] | None
    """Lowest and highest direction of the frame's x axis in the photograph, degrees, clockwise; None: any."""
    mirrored: bool
    """Whether good parts lie on either side."""


@dataclass(frozen=True)
class Good:
    """What the good parts are like in their frame."""

    template: Template
    open: Mask
    """(h, w): where the background is seen on any good part, or next to it."""
    least: Grey
    """(h, w) uint8: the least material around each place on any good part."""
    holes: Labels
    """(h, w): the number of each hole, from 1; 0 elsewhere."""


@dataclass(frozen=True)
class ShapeCheck:
    """The check of one part type: what the good parts are like, and the limits."""

    good: Good
    limits: ShapeLimits


@dataclass(frozen=True)
class Finding:
    """One way in which a part is not as the good ones."""

    check: str
    """`present`, `hole`, `covered`, `corner`, `less`, `unlike`, `turned` or `mirrored`."""
    reason: str
    box: tuple[float, float, float, float] | None
    """Left, top, right, bottom in px of the photograph that was examined; None for the part as a whole."""


@dataclass(frozen=True)
class Measured:
    """A part in its frame, and its measures in comparison with good parts."""

    placed: Placed
    values: Mapping[str, float]
    """By the names of ShapeLimits; `corner0` to `corner3`, `covered0` and on."""
    places: Mapping[str, Mask]
    """(h, w): where it has an additional hole, less material, and each hole of the good parts."""


@dataclass(frozen=True)
class Examined:
    """A photograph's part, its pose, and how it differs from the good parts."""

    outline: Outline | None
    """None where no part surely stands out in full."""
    placed: Placed | None
    """None where the pose is not sure."""
    findings: tuple[Finding, ...]


def examine(photo: Photo, check: ShapeCheck) -> Examined:
    """The part on an (h, w, 3) uint8 RGB photograph without padding, its pose, and how it differs from good ones."""
    found = pose.find(photo)
    placed = None if found is None else part_frame.place(found, check.good.template)
    if found is None or placed is None:
        why = "no part with such an outline stands out in full from the background" if found else _ABSENT
        return Examined(found, None, (Finding("present", f"the part's pose is not sure: {why}", None),))
    seen = part_frame.warp_levels(closed(found), placed.matrix, placed.material.shape)
    return Examined(
        found, placed, tuple(_findings(measure(placed, seen, check.good, check.limits.level), check.limits))
    )


_ABSENT = "no part stands out in full from the background"


def closed(found: Outline) -> Grey:
    """The presence without background narrower than 3 px: (h, w) uint8."""
    return np.asarray(cv2.morphologyEx(found.presence, cv2.MORPH_CLOSE, _CROSS), np.uint8)


_CROSS = np.asarray(cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), np.uint8)


def measure(placed: Placed, seen: Grey, good: Good, level: int) -> Measured:
    """The measures of a part; `seen` is its closed presence in the frame, (h, w) uint8."""
    values, places = {"unlike": placed.mismatch}, dict[str, Mask]()
    hole = separate(seen <= level, good.open) if level else np.zeros(seen.shape, bool)
    if hole.any():
        places["hole"] = hole
    values["hole"] = float(np.count_nonzero(hole)) / hole.size
    sums = lacking(placed.material)
    less = cv2.subtract(sums, good.least)
    worst = int(less.max())
    values["less"] = worst / 255 * _window(less.shape) ** 2 / less.size
    if worst:
        places["less"] = less >= max(1, worst // 2)
    if good.template.four_sided:
        values |= {f"corner{k}": area for k, area in enumerate(_corners(placed.solid))}
    for number in range(int(good.holes.max())):
        places[f"covered{number}"] = good.holes == number + 1
        values[f"covered{number}"] = float(placed.material[places[f"covered{number}"]].mean()) / 255
    return Measured(placed, values, places)


def lacking(material: Grey) -> Grey:
    """The mean lack of material around each place of the frame, (h, w) uint8; none outside the part's rectangle."""
    inner = np.zeros(material.shape, np.uint8)
    cut = (slice(MARGIN, -MARGIN),) * 2
    inner[cut] = 255 - material[cut]
    side = _window(material.shape)
    return np.asarray(cv2.blur(inner, (side, side)), np.uint8)


def _window(shape: tuple[int, ...]) -> int:
    return max(3, round(_WINDOW * max(shape))) | 1


def separate(low: Mask, known: Mask) -> Mask:
    """The regions of a mask (h, w) that touch no place of `known`."""
    if not (low & ~known).any():
        return np.zeros_like(low)
    count, labels = cv2.connectedComponents(low.view(np.uint8))
    touching = np.zeros(count, bool)
    touching[np.unique(labels[known & low])] = True
    touching[0] = True
    return np.asarray(~touching[labels])


def _corners(solid: Grey) -> Iterator[float]:
    """Missing area in the triangle at each corner, clockwise from the upper left, as a fraction of the frame."""
    side = _corner_side(solid.shape)
    inner = solid[MARGIN:-MARGIN, MARGIN:-MARGIN]
    triangle = np.add(*np.indices((side, side))) < side
    for turned in (inner, inner[:, ::-1], inner[::-1, ::-1], inner[::-1]):
        yield float((255 - turned[:side, :side][triangle].astype(float)).sum()) / 255 / solid.size


def _corner_side(shape: tuple[int, ...]) -> int:
    return max(5, round(_CORNER * max(shape)))


def direction(placed: Placed) -> float:
    """The direction of the frame's x axis in the photograph, degrees from -180 to 180, clockwise."""
    back = np.linalg.inv(placed.matrix)
    height, width = placed.material.shape
    ends = back @ np.array([[0.25 * width, 0.75 * width], [height / 2, height / 2], [1, 1]])
    (x0, x1), (y0, y1) = ends[0] / ends[2], ends[1] / ends[2]
    return float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))


def difference(angle: float, other: float) -> float:
    """How far an angle is from another, -180 to 180 degrees."""
    return (angle - other + 180) % 360 - 180


def _findings(found: Measured, limits: ShapeLimits) -> Iterator[Finding]:
    values, placed = found.values, found.placed
    if values["unlike"] > limits.unlike:
        expected = f"at most {limits.unlike:.1%} expected"
        yield Finding(
            "unlike", f"another shape than the good parts ({values['unlike']:.1%} of it differs, {expected})", None
        )
    if "hole" in found.places:
        yield Finding("hole", f"additional hole ({values['hole']:.2%} of the part)", _box(found.places["hole"], placed))
    for number, most in enumerate(limits.covered):
        if values[f"covered{number}"] > most:
            share = f"{values[f'covered{number}']:.0%} of a hole is covered, at most {most:.0%} expected"
            yield Finding(
                "covered", f"missing or covered hole ({share})", _box(found.places[f"covered{number}"], placed)
            )
    for number, most in enumerate(limits.corners):
        if values[f"corner{number}"] > most:
            area = f"{values[f'corner{number}']:.2%} of the part is missing there, at most {most:.2%} expected"
            yield Finding("corner", f"cut corner ({area})", _corner_box(number, placed))
    if values["less"] > limits.less:
        area = f"{values['less']:.2%} of the part, at most {limits.less:.2%} expected"
        yield Finding("less", f"material is missing in one place ({area})", _box(found.places["less"], placed))
    if limits.turned is not None:
        low, high = limits.turned
        away = difference(direction(placed), (low + high) / 2)
        if abs(away) > (high - low) / 2:
            expected = f"at most {(high - low) / 2:.0f}° either way expected"
            yield Finding("turned", f"turned by {away:+.0f}° from the middle of the good parts ({expected})", None)
    if placed.mirrored and not limits.mirrored:
        yield Finding("mirrored", "the part lies with its other side up", None)


def _box(place: Mask, placed: Placed) -> tuple[float, float, float, float]:
    """Box around a place of the frame, px of the photograph."""
    y, x = np.nonzero(place)
    return _back(np.array([[x.min(), y.min()], [x.max() + 1, y.max() + 1]], float) - 0.5, placed)


def _corner_box(number: int, placed: Placed) -> tuple[float, float, float, float]:
    height, width = placed.material.shape
    side = _corner_side((height, width))
    left = MARGIN if number in (0, 3) else width - MARGIN - side
    top = MARGIN if number in (0, 1) else height - MARGIN - side
    return _back(np.array([[left, top], [left + side, top + side]], float), placed)


def _back(corners: Doubles, placed: Placed) -> tuple[float, float, float, float]:
    (left, top), (right, bottom) = corners
    rectangle = np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]])
    points = cv2.perspectiveTransform(rectangle, np.linalg.inv(placed.matrix))[0]
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)
