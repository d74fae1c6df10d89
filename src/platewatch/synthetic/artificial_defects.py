"""Artificial defects (scratch, rust, stain, dent, bare metal, CutPaste) painted onto good photographs, with masks.

They are used in training, to choose alpha and weight, and for the sensitivity summary. Every function takes its random
numbers from `rng`, returns a new photograph, and a mask that is True where pixels were changed. Sizes are proportional
to the photograph's side S. A grey photograph gets grey defects.
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from platewatch.arrays import Floats, Mask, Photo, Points
from platewatch.errors import InputError
from platewatch.photographs.foreground import find_object, strongest_channel
from platewatch.synthetic.compositing import (
    RUST,
    SOIL,
    STEEL,
    blob,
    composite,
    mottled,
    noise,
    place,
    shifted,
    spot,
    strokes,
    tone,
)

Layer = tuple[Floats, Floats]
"""Opacity (S, S) in 0..1, and paint (S, S, 3) or (3,) in 0..255."""

Kind = Callable[[Photo, Mask, np.random.Generator], Layer]
"""Makes a layer for a photograph (S, S, 3) uint8 and its object (S, S) bool."""

VISIBLE = 6.0
"""Least mean change of a random defect's pixels, in the strongest channel of 0..255; fainter ones are drawn again."""
SMALLEST = 1e-4
"""Least area of a random defect as a fraction of the photograph, and at least three pixels; smaller ones are drawn
again."""


def random_defect(photo: Photo, rng: np.random.Generator, inside: Mask | None = None) -> tuple[Photo, Mask]:
    """Paint one defect of random kind, size and strength onto the object (the whole photograph if none is found).

    `photo` is (S, S, 3) uint8 RGB, S ≥ 32. Returns a photograph of the same shape and an (S, S) bool mask that is never
    empty. `inside` is the object, if it is known already; where the photograph has padding it must be given
    (`find_framed_object`), and nothing is painted on the padding. Raises InputError for another shape or dtype, and for
    an `inside` without a pixel.
    """
    _check(photo)
    inside = find_object(photo) if inside is None else inside
    check(photo, inside)
    for _ in range(8):
        opacity, paint = _KINDS[rng.integers(len(_KINDS))](photo, inside, rng)
        # the square root makes most defects strong and some of them subtle
        opacity = np.where(inside, opacity * np.float32(np.sqrt(rng.uniform(0.06, 1))), 0)
        damaged, mask = composite(photo, opacity, paint)
        difference = np.asarray(cv2.absdiff(damaged, photo), np.uint8)
        change = cv2.mean(strongest_channel(difference), mask.view(np.uint8))[0]
        if np.count_nonzero(mask) >= max(3, SMALLEST * mask.size) and change >= VISIBLE:
            return damaged, mask
    return visible_scratch(photo, inside, rng)


def scratch(
    photo: Photo,
    rng: np.random.Generator,
    *,
    width_px: float,
    length_px: float,
    contrast: float,
    inside: Mask | None = None,
) -> tuple[Photo, Mask]:
    """Paint one slightly curved scratch of this width and length onto the object, as far as it fits.

    `contrast` is the change of the strongest channel, as a fraction of the range 0..255, in pixels that the scratch
    covers fully (less where 0 or 255 is reached). Partly covered pixels change in proportion. Widths are exact to a
    quarter px.
    `inside` (S, S) bool is the object, if it is known already. Raises InputError for a photograph that is not (S, S, 3)
    uint8, or a number out of its bounds.
    """
    _check(photo, width_px=width_px, length_px=length_px, contrast=contrast)
    steps = np.linspace(-1, 1, 9)
    along = steps / 2 * max(length_px - width_px, 0)  # round ends add the width
    bow = rng.uniform(-0.03, 0.03) * length_px * (1 - steps**2)
    line = place(np.stack([along, bow], axis=1), find_object(photo) if inside is None else inside, rng)
    fine = int(np.clip(2048 / length_px, 4, 16))
    opacity = strokes(photo.shape[0], line[None], np.array([width_px]), np.ones(1), fine)
    return composite(photo, opacity, shifted(photo, opacity, tone(photo, STEEL, rng), contrast))


def rust(
    photo: Photo, rng: np.random.Generator, *, diameter_px: float, contrast: float, inside: Mask | None = None
) -> tuple[Photo, Mask]:
    """Paint one rust spot with the area of a disc of this diameter onto the object, as far as it fits.

    The spot has a ragged edge and a mottled colour. `contrast` is the change of the strongest channel, as a fraction of
    the range 0..255, averaged over the spot (less where 0 or 255 is reached).
    `inside` as for `scratch`. Raises InputError for a photograph that is not (S, S, 3) uint8, or a number out of its
    bounds.
    """
    _check(photo, diameter_px=diameter_px, contrast=contrast)
    turn = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1) * diameter_px / 2
    points = place(np.concatenate([np.zeros((1, 2)), ring]), find_object(photo) if inside is None else inside, rng)
    side = photo.shape[0]
    field = blob(points[0], diameter_px / 2, noise(side, diameter_px / 2, rng)).ravel()
    count = int(np.clip(round(np.pi / 4 * diameter_px**2), 1, field.size))
    flat = np.zeros(field.size, np.float32)
    flat[np.argpartition(field, -count)[-count:]] = 1
    opacity = flat.reshape(side, side)
    mottle = 1 + 0.25 * np.clip(noise(side, diameter_px / 4, rng), -2, 2)
    mottle /= mottle[opacity > 0].mean()
    return composite(photo, opacity, shifted(photo, opacity, tone(photo, RUST, rng), contrast, mottle))


def visible_scratch(photo: Photo, inside: Mask, rng: np.random.Generator) -> tuple[Photo, Mask]:
    """A scratch of contrast 0.25 through a point of the object, within the object's convex hull."""
    side = photo.shape[0]
    hull, points = np.zeros(inside.shape, np.uint8), np.argwhere(inside)[:, ::-1]
    cv2.fillConvexPoly(hull, cv2.convexHull(points.astype(np.int32)), (1,))
    angle, middle = rng.uniform(0, np.pi), points[rng.integers(len(points))]
    line = middle + np.linspace(-side / 8, side / 8, 5)[:, None] * [np.cos(angle), np.sin(angle)]
    opacity = strokes(side, line[None], np.array([max(1.5, side / 128)]), np.ones(1)) * hull
    return composite(photo, opacity, shifted(photo, opacity, tone(photo, STEEL, rng), 0.25))


def check(photo: Photo, inside: Mask) -> None:
    """Raise InputError for a photograph that is not (S, S, 3) uint8, and for an object (S, S) without a pixel."""
    _check(photo)
    if not inside.any():
        raise InputError(
            "object for an artificial defect", "no pixel", expected="a part", remedy="use find_framed_object"
        )


def _check(photo: Photo, **numbers: float) -> None:
    if photo.ndim != 3 or photo.shape[0] != photo.shape[1] or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise InputError(
            "photograph for an artificial defect",
            f"{photo.dtype} {photo.shape}",
            expected="uint8 (S, S, 3)",
            remedy="use preparation.prepare",
        )
    for name, value in numbers.items():
        top = 1.0 if name == "contrast" else float(photo.shape[0])
        if not 0 < value <= top:
            raise InputError(f"{name} {value}", expected=f"above 0 and at most {top:g}", remedy="choose another value")


def _scratches(photo: Photo, inside: Mask, rng: np.random.Generator) -> Layer:
    """A bundle of fine scratches in about one direction, usually with ragged strokes where paint is torn off."""
    side = photo.shape[0]
    centre, angle = spot(inside, rng), rng.uniform(0, 2 * np.pi)
    reach = rng.uniform(0.04, 0.2) * side
    length = rng.uniform(0.05, 0.35) * side
    fine = _bundle(rng, centre, count=int(rng.integers(6, 50)), angle=angle, reach=reach, length=length)
    widths, levels = rng.uniform(0.001, 0.006, len(fine)) * side, rng.uniform(0.15, 0.9, len(fine))
    for _ in range(int(rng.integers(0, 5))):
        torn = centre + rng.normal(0, 0.7 * reach, 2)
        lean, wide, long = angle + rng.normal(0, 0.4), rng.uniform(0.005, 0.025) * side, rng.uniform(0.03, 0.12) * side
        gouge = _bundle(rng, torn, count=9, angle=lean, reach=wide, length=long, fan=0.05)
        fine = np.concatenate([fine, gouge])
        widths = np.concatenate([widths, rng.uniform(0.004, 0.01, 9) * side])
        levels = np.concatenate([levels, rng.uniform(0.6, 1, 9)])
    paint = mottled(photo, STEEL + RUST[1:], 0.02 * side, rng)
    return strokes(side, fine, np.maximum(widths, 0.5), levels), paint


def _bundle(
    rng: np.random.Generator,
    centre: Points,
    *,
    count: int,
    angle: float,
    reach: float,
    length: float,
    fan: float = 0.2,
) -> Points:
    """`count` slightly curved lines (count, 6, 2): centres spread by `reach` px, angles by `fan` radians."""
    turn = angle + rng.normal(0, fan, (count, 1))
    half = length * rng.uniform(0.25, 1, (count, 1)) / 2
    along = np.linspace(-1, 1, 6)[None] * half
    across = rng.normal(0, 0.06, (count, 1)) * half * (1 - np.linspace(-1, 1, 6)[None] ** 2)
    middle = centre + rng.normal(0, reach, (count, 2))
    x = middle[:, :1] + along * np.cos(turn) - across * np.sin(turn)
    y = middle[:, 1:] + along * np.sin(turn) + across * np.cos(turn)
    return np.stack([x, y], axis=2)


def _single(photo: Photo, inside: Mask, rng: np.random.Generator) -> Layer:
    """One long scratch: bare metal, or only lighter or darker than the paint."""
    side = photo.shape[0]
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.08, 0.7) * side
    line = _bundle(rng, spot(inside, rng), count=1, angle=angle, reach=0, length=length)
    return (
        strokes(side, line, np.array([max(0.75, side * rng.uniform(0.002, 0.012))]), np.ones(1)),
        tone(photo, STEEL + SOIL[::2], rng),
    )


def _rust_spots(photo: Photo, inside: Mask, rng: np.random.Generator) -> Layer:
    """One to five mottled rust spots near each other, with ragged edges."""
    side = photo.shape[0]
    centre = spot(inside, rng)
    opacity = np.zeros((side, side), np.float32)
    largest = np.exp(rng.uniform(np.log(0.015), np.log(0.3))) * side
    ragged = noise(side, largest / 2, rng)
    for k in range(int(rng.integers(1, 6))):
        away = centre + rng.normal(0, 1.5 * largest, 2) * (k > 0)
        field = blob(away, max(1.0, largest * rng.uniform(0.3, 1)), ragged)
        np.maximum(opacity, np.clip(3 * field, 0, 1), out=opacity)
    return opacity, mottled(photo, RUST, max(2.0, largest / 3), rng)


def _bare(photo: Photo, inside: Mask, rng: np.random.Generator) -> Layer:
    """Missing paint: beyond a straight border, within a strip, or (one in eight) everywhere."""
    side = photo.shape[0]
    middle, angle = spot(inside, rng), rng.uniform(0, 2 * np.pi)
    axis = np.arange(side, dtype=np.float32)
    far = (axis[None] - np.float32(middle[0])) * np.float32(np.cos(angle))
    far = far + (axis[:, None] - np.float32(middle[1])) * np.float32(np.sin(angle))
    shape = rng.integers(8)
    if shape == 0:
        far = np.full((side, side), 1, np.float32)
    elif shape < 4:
        far = np.float32(rng.uniform(0.05, 0.25) * side) - np.abs(far)
    grain = rng.uniform(0.01, 0.1) * side
    return np.clip(far + 0.5, 0, 1), mottled(photo, RUST + STEEL[1:], grain, rng)


def _stain(photo: Photo, inside: Mask, rng: np.random.Generator) -> Layer:
    """A soft film of soil or chalk, sometimes thinner in the middle."""
    side = photo.shape[0]
    radius = rng.uniform(0.03, 0.2) * side
    field = blob(spot(inside, rng), radius, noise(side, radius, rng))
    opacity = np.clip(1.5 * field, 0, 1)
    if rng.uniform() < 0.3:
        opacity *= np.clip(1.3 - field, 0.2, 1)
    return opacity * np.float32(rng.uniform(0.2, 0.7)), tone(photo, SOIL, rng)


def _dent(photo: Photo, inside: Mask, rng: np.random.Generator) -> Layer:
    """A dent: bright on the side that faces the light source, dark on the other."""
    side = photo.shape[0]
    centre, angle = spot(inside, rng), rng.uniform(0, 2 * np.pi)
    axis = np.arange(side, dtype=np.float32)
    x, y = axis[None] - np.float32(centre[0]), axis[:, None] - np.float32(centre[1])
    width = np.float32(rng.uniform(0.015, 0.08) * side)
    # first derivative of a Gaussian, 1 at its two peaks
    slope = (x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))) / width
    slope = slope * np.exp(np.float32(0.5) - (x**2 + y**2) / (2 * width**2))
    paint = np.where(slope[..., None] > 0, np.float32(255), np.float32(0)).repeat(3, axis=2)
    return np.abs(slope) * np.float32(rng.uniform(0.3, 0.8)), paint


def _cut_and_paste(photo: Photo, inside: Mask, rng: np.random.Generator) -> Layer:
    """A rotated rectangle of the photograph pasted elsewhere, lighter or darker (CutPaste, arXiv 2104.04015)."""
    side = photo.shape[0]
    if rng.uniform() < 0.5:
        width, height = rng.uniform([0.01, 0.05], [0.05, 0.2]) * side
    else:
        area, stretch = rng.uniform(0.01, 0.1), np.exp(rng.uniform(-1.2, 1.2))
        width, height = np.sqrt(area * stretch) * side, np.sqrt(area / stretch) * side
    to, source = spot(inside, rng), rng.uniform(0, side, 2)
    turn, degrees = cv2.getRotationMatrix2D((0, 0), angle := rng.uniform(0, 360), 1), angle
    turn[:, 2] = to - turn[:, :2] @ source
    lighter = rng.uniform(0.08, 0.3) * rng.choice([-1, 1])
    moved = cv2.warpAffine(photo, turn, (side, side), borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    opacity = np.zeros((side, side), np.uint8)
    box = cv2.boxPoints((tuple(to), (max(width, 2.0), max(height, 2.0)), -degrees))
    cv2.fillConvexPoly(opacity, np.rint(box).astype(np.int32), (1,))
    return opacity.astype(np.float32), moved + np.float32(255 * lighter)


PAINTED: Mapping[str, Kind] = {
    "scratches": _scratches,
    "scratch": _single,
    "rust": _rust_spots,
    "bare": _bare,
    "soil": _stain,
    "dent": _dent,
    "lighter_patch": _cut_and_paste,
}
"""The kinds by name."""

_KINDS = (_scratches, *PAINTED.values())  # scratches twice as often
