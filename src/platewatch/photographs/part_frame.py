"""The part's own frame: the good parts laid over each other, and a part brought into their frame.

Parts with four sides are brought there by their corners, others by middle, area and direction of their outline. Which
way round a part lies, and on which side, is what makes it most like the mean of the good parts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from platewatch.arrays import Doubles, Floats, Grey, Points
from platewatch.photographs.pose import Outline

MARGIN = 6
"""Background around the part in its frame, px."""
SURE = 0.12
"""Presence from which a place is surely part; less may be background through a hole."""

_LONGEST = 192  # longer side of the part in its frame at most, px
_ANGLES = 128  # directions of an outline that is compared with the template's
_SQUARE = 0.15  # sides whose ln of the ratio is less may be each other's
_STARTS, _ROUNDS = 4, 3  # parts from which a template grows, and rounds of turning the good parts alike
_FLIPS = ((False, False), (True, True), (True, False), (False, True))


@dataclass(frozen=True)
class Placed:
    """A part brought into the template's frame."""

    material: Grey
    """(h, w) uint8: 0 background, 255 part."""
    solid: Grey
    """(h, w) uint8: as `material`, with everything inside the outline filled."""
    matrix: Doubles
    """(3, 3): from px of the photograph into px of the frame."""
    mirrored: bool
    mismatch: float
    """Mean difference from the template, 0 to 1."""


@dataclass(frozen=True)
class Template:
    """The mean of the good parts in their frame."""

    four_sided: bool
    mean: Grey
    """(h, w) uint8: 0 background, 255 part."""
    profile: Doubles
    """(128,): the outline's distance from its middle by direction, in roots of its area; zeros if `four_sided`."""

    @cached_property
    def few(self) -> Floats:
        """Every second pixel of the mean, 0 to 1."""
        return np.asarray(self.mean[::2, ::2] / np.float32(255), np.float32)

    @cached_property
    def telling(self) -> Floats:
        """How well each place of `few` tells the ways round apart."""
        ways = ((1, -1), (-1, 1), (-1, -1))
        return np.asarray(
            np.max([np.square(self.few - self.few[::down, ::across]) for down, across in ways], axis=0), np.float32
        )


def learn(found: Sequence[Outline]) -> tuple[Template, list[Placed | None]]:
    """The template of at least one good part, and each part in its frame; None for one without such a pose.

    Of the templates that some of the parts start, it is the one that all are most like.
    """
    four_sided = 2 * sum(each.corners is not None for each in found) > len(found)
    able = [each for each in found if not four_sided or each.corners is not None]
    shape = _frame(able, four_sided=four_sided)
    starts = sorted({round(place) for place in np.linspace(0, len(able) - 1, _STARTS)})
    learned = [_grown(able[start], found, shape, four_sided=four_sided) for start in starts]
    return min(learned, key=lambda each: float(np.median([one.mismatch for one in each[1] if one is not None])))


def _grown(
    first: Outline, found: Sequence[Outline], shape: tuple[int, int], *, four_sided: bool
) -> tuple[Template, list[Placed | None]]:
    """The template that grows from the first part: in each round all are laid on the mean of the round before."""
    ring = np.zeros(_ANGLES) if four_sided else profile(first.polygon)
    template = Template(four_sided, np.zeros(shape, np.uint8), ring)
    start = place(first, template)
    assert start is not None  # noqa: S101 - it has the corners that are needed
    template = replace(template, mean=start.material)
    for _ in range(_ROUNDS):
        placed = [place(each, template) for each in found]
        mean = np.mean([each.material for each in placed if each is not None], axis=0)
        template = replace(template, mean=np.rint(mean).astype(np.uint8))
    return template, placed


def _frame(found: Sequence[Outline], *, four_sided: bool) -> tuple[int, int]:
    """Height and width of the frame, from the sizes of the good parts."""
    if four_sided:
        height, width = np.median([sorted(_sides(each.corners)) for each in found if each.corners is not None], axis=0)
    else:
        height = width = np.median([2 * profile(each.polygon).max() * np.sqrt(each.area) for each in found])
    scale = min(1.0, _LONGEST / float(width))
    return round(float(height) * scale) + 2 * MARGIN, round(float(width) * scale) + 2 * MARGIN


def place(found: Outline, template: Template) -> Placed | None:
    """Bring a part into the template's frame; None when it has no pose of this kind.

    Of the ways round, it is the one in which the part is most like the template where the template tells them apart.
    """
    if template.four_sided and found.corners is None:
        return None
    ways = _by_corners(found.corners, template) if found.corners is not None and template.four_sided else None
    sure = cv2.convertScaleAbs(found.presence, alpha=1 / SURE)
    best, least = None, np.inf
    for matrix, flips in ways or _by_outline(found, template):
        laid = np.asarray(
            cv2.warpPerspective(sure, matrix, template.mean.shape[::-1], flags=cv2.INTER_LINEAR), np.uint8
        )
        for flip_x, flip_y in flips:
            turned: Grey = laid[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
            apart = np.abs(turned[::2, ::2] / np.float32(255) - template.few)
            unlike = float((apart * template.telling).sum()) + 0.01 * float(apart.sum())
            if unlike < least:
                least, whole = unlike, _flip(template.mean.shape, x=flip_x, y=flip_y) @ matrix
                best = Placed(turned, turned, whole, bool(np.linalg.det(whole[:2, :2]) < 0), float(apart.mean()))
    assert best is not None  # noqa: S101 - there is at least one way
    filled = cv2.fillPoly(np.zeros_like(found.presence), [found.polygon.astype(np.int32)], (255,))
    solid = cv2.warpPerspective(filled, best.matrix, template.mean.shape[::-1], flags=cv2.INTER_LINEAR)
    return replace(best, material=np.ascontiguousarray(best.material), solid=np.asarray(solid, np.uint8))


def warp_levels(presence: Grey, matrix: Doubles, shape: tuple[int, ...]) -> Grey:
    """A map of the photograph (h, w) uint8 in the frame of this shape; no values are mixed."""
    laid = cv2.warpPerspective(presence, matrix, (shape[1], shape[0]), flags=cv2.INTER_NEAREST)
    return np.asarray(laid, np.uint8)


Way = tuple[Doubles, Sequence[tuple[bool, bool]]]
"""A matrix into the frame, and the flips of the frame over x and y that are tried with it."""


def _by_corners(corners: Points, template: Template) -> list[Way]:
    """The ways to lay the four corners on the frame's; long sides on long ones where they are clearly longer."""
    height, width = template.mean.shape
    first, second = _sides(corners)
    wide, shape = np.log(first / second), np.log((width - 2 * MARGIN) / (height - 2 * MARGIN))
    starts = [0, 1] if min(abs(wide), abs(shape)) < _SQUARE else [0 if wide * shape > 0 else 1]
    low, right, bottom = MARGIN - 0.5, width - MARGIN - 0.5, height - MARGIN - 0.5
    target = np.array([(low, low), (right, low), (right, bottom), (low, bottom)], np.float32)
    return [
        (np.asarray(cv2.getPerspectiveTransform(np.roll(corners, -start, axis=0).astype(np.float32), target)), _FLIPS)
        for start in starts
    ]


def _by_outline(found: Outline, template: Template) -> Iterator[Way]:
    """By middle and area, turned, as it is and mirrored, so that the outline is most like the template's."""
    height, width = template.mean.shape
    centre, area = _middle(found.polygon)
    own = profile(found.polygon)
    scale = (width / 2 - MARGIN) / float(template.profile.max() * np.sqrt(area))
    for mirrored in (False, True):
        angle = _turn(own[::-1] if mirrored else own, template.profile)
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]]) @ np.diag([1.0, -1.0 if mirrored else 1.0])
        matrix = np.eye(3)
        matrix[:2, :2] = turn
        matrix[:2, 2] = np.array([(width - 1) / 2, (height - 1) / 2]) - turn @ centre
        yield matrix, _FLIPS[:1]


def profile(polygon: Points) -> Doubles:
    """The outline's distance from its middle in 128 directions, in roots of its area; (128,)."""
    centre, area = _middle(polygon)
    away = polygon - centre
    angles, reach = np.arctan2(away[:, 1], away[:, 0]), np.hypot(*away.T)
    order = np.argsort(angles, kind="stable")
    at = -np.pi + 2 * np.pi * (np.arange(_ANGLES) + 0.5) / _ANGLES
    return np.asarray(np.interp(at, angles[order], reach[order], period=2 * np.pi) / np.sqrt(area))


def _turn(own: Doubles, other: Doubles) -> float:
    """The angle, radians, by which the profile `own` has to be turned to be most like the `other`."""
    own, other = own - own.mean(), other - other.mean()
    alike = np.fft.irfft(np.conj(np.fft.rfft(own)) * np.fft.rfft(other), _ANGLES)
    best = int(np.argmax(alike))
    before, here, after = alike[best - 1], alike[best], alike[(best + 1) % _ANGLES]
    bend = before - 2 * here + after
    return float(2 * np.pi / _ANGLES * (best + (0.5 * (before - after) / bend if bend < 0 else 0)))


def _flip(shape: tuple[int, ...], *, x: bool, y: bool) -> Doubles:
    flip = np.diag([-1.0 if x else 1.0, -1.0 if y else 1.0, 1.0])
    flip[:2, 2] = (shape[1] - 1) * x, (shape[0] - 1) * y
    return flip


def _middle(polygon: Points) -> tuple[Points, float]:
    """Middle and area of an outline."""
    found = cv2.moments(polygon.astype(np.float32))
    area = max(found["m00"], 1e-9)
    return np.array([found["m10"] / area, found["m01"] / area]), area


def _sides(corners: Points) -> tuple[float, float]:
    """Mean length of the first and third side, and of the second and fourth."""
    lengths = np.hypot(*(np.roll(corners, -1, axis=0) - corners).T)
    return float(lengths[0] + lengths[2]) / 2, float(lengths[1] + lengths[3]) / 2
