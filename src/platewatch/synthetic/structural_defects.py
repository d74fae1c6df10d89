"""Artificial defects made of the part's own texture: cracks, pasted pieces, missing pieces, blur, smear, warps, stains.

Each function gives a layer: where the defect lies, and what is there in place of the photograph. `hard_defects` sets
their strength. Sizes are proportional to the photograph's side S, unless a `diameter_px` is given: then the opacity is
0 or 1, and the defect has the area of a disc of that diameter, as far as it fits on the object.
"""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from platewatch.arrays import Array, Dtype, Floats, Mask, Photo, Points, Same
from platewatch.synthetic.compositing import blob, noise, spot, strokes

Layer = tuple[Floats, Floats]
"""Opacity (S, S) in 0..1, and paint (S, S, 3) in 0..255."""

Kind = Callable[[Photo, Mask, Sequence[Photo], np.random.Generator], Layer]
"""Makes a layer for a photograph (S, S, 3) uint8, its object (S, S) bool, and others (h, w, 3) without padding."""

SizedKind = Callable[[Photo, Mask, Sequence[Photo], np.random.Generator, float], Layer]
"""The same, of a given diameter in px."""

_PATHS = 24  # points of a crack
_CANDIDATES = 4  # places compared for a piece that does not belong there


def crack(photo: Photo, inside: Mask, _others: Sequence[Photo], rng: np.random.Generator) -> Layer:
    """A meandering crack of 1 to 2 px at S = 256 that tapers off, in a tone of the part's own dark tail."""
    side = photo.shape[0]
    length = side * np.exp(rng.uniform(np.log(0.06), np.log(0.5)))
    turns = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, rng.uniform(0.1, 0.45), _PATHS))
    steps = length / _PATHS * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    path = spot(inside, rng) + np.cumsum(steps, axis=0) - steps.sum(axis=0) / 2
    taper = np.sin(np.linspace(0.25, np.pi - 0.25, _PATHS - 1))
    widths = np.maximum(side / 256 * rng.uniform(1, 2) * taper, 0.5)
    opacity = strokes(side, np.stack([path[:-1], path[1:]], axis=1), widths, np.ones(_PATHS - 1))
    return opacity, _even(photo, _tail(photo, inside, rng.uniform(0.002, 0.05)) * rng.uniform(0.7, 1))


def stain(photo: Photo, inside: Mask, _others: Sequence[Photo], rng: np.random.Generator) -> Layer:
    """A ragged spot in a tone of the part's own dark or bright tail."""
    dark = rng.uniform() < 0.5
    level = rng.uniform(0.002, 0.1)
    return _spot(photo, inside, rng), _even(photo, _tail(photo, inside, level if dark else 1 - level))


def cut_paste(
    photo: Photo, inside: Mask, _others: Sequence[Photo], rng: np.random.Generator, diameter_px: float | None = None
) -> Layer:
    """A rotated rectangle of the part pasted elsewhere on it (CutPaste, arXiv 2104.04015)."""
    return _pasted(
        photo, around(photo, inside), _on_part(inside, rng), inside, rng, scar=False, diameter_px=diameter_px
    )


def scar(photo: Photo, inside: Mask, _others: Sequence[Photo], rng: np.random.Generator) -> Layer:
    """A long thin rectangle of the part pasted elsewhere on it (CutPaste-scar)."""
    return _pasted(photo, around(photo, inside), _on_part(inside, rng), inside, rng, scar=True)


def foreign(photo: Photo, inside: Mask, others: Sequence[Photo], rng: np.random.Generator) -> Layer:
    """A rectangle or a scar of another good photograph; of the same one where there is no other."""
    is_scar = bool(rng.uniform() < 0.5)
    if not others:
        return _pasted(photo, around(photo, inside), _on_part(inside, rng), inside, rng, scar=is_scar)
    source = others[int(rng.integers(len(others)))]
    return _pasted(photo, source, _place(source, rng), inside, rng, scar=is_scar)


def missing(
    photo: Photo, inside: Mask, _others: Sequence[Photo], rng: np.random.Generator, diameter_px: float | None = None
) -> Layer:
    """A piece broken out of the part's outline; on a part that fills the frame, neighbouring texture in its place."""
    if around(inside, inside).all():
        return _spot(photo, inside, rng, diameter_px=diameter_px), _neighbouring(photo, inside, rng)
    outline = np.argwhere(inside & (cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0))[:, ::-1]
    opacity = _spot(photo, inside, rng, outline[rng.integers(len(outline))].astype(float), diameter_px)
    near = cv2.dilate((opacity > 0).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    ground = photo[near & ~inside] if (near & ~inside).any() else photo[~inside]
    grain = rng.normal(0, 1, photo.shape[:2])[..., None] * ground.std()
    return opacity, np.asarray(np.clip(np.median(ground, axis=0) + np.minimum(grain, 3), 0, 255), np.float32)


def additional(
    photo: Photo, inside: Mask, others: Sequence[Photo], rng: np.random.Generator, diameter_px: float | None = None
) -> Layer:
    """A ragged piece of the part where it does not belong: of four pieces the one that is least like its new place."""
    opacity = _spot(photo, inside, rng, diameter_px=diameter_px)
    source = others[int(rng.integers(len(others)))] if len(others) and rng.uniform() < 0.5 else around(photo, inside)
    where = opacity > 0.5 if (opacity > 0.5).any() else opacity > 0
    middle = np.argwhere(where).mean(axis=0)[::-1] if where.any() else np.zeros(2)
    pieces = [_turned(source, _place(source, rng), middle, rng.uniform(0, 360), len(photo)) for _ in range(_CANDIDATES)]
    change = [float(np.abs(piece[where] - photo[where]).mean()) if where.any() else 0.0 for piece in pieces]
    return opacity, pieces[int(np.argmax(change))]


def blur(
    photo: Photo, inside: Mask, _others: Sequence[Photo], rng: np.random.Generator, diameter_px: float | None = None
) -> Layer:
    """A place that is out of focus or polished: its texture is blurred."""
    width = photo.shape[0] / 256 * rng.uniform(0.8, 4)
    return _spot(photo, inside, rng, diameter_px=diameter_px), _float(cv2.GaussianBlur(photo, (0, 0), width))


def smear(
    photo: Photo, inside: Mask, _others: Sequence[Photo], rng: np.random.Generator, diameter_px: float | None = None
) -> Layer:
    """A place that is smeared or ground in one direction."""
    side = photo.shape[0]
    centre, angle = spot(inside, rng), rng.uniform(0, np.pi)
    long = diameter_px or side * np.exp(rng.uniform(np.log(0.05), np.log(0.3)))
    reach = max(3, round(long * rng.uniform(0.3, 0.8)))
    kernel = strokes(
        2 * reach + 1,
        reach + reach / 2 * np.array([[[-np.cos(angle), -np.sin(angle)], [np.cos(angle), np.sin(angle)]]]),
        np.ones(1),
        np.ones(1),
    )
    x, y = _axes(side, centre)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    away = np.hypot(along / (long / 2), across / (long / 2 * rng.uniform(0.15, 0.6)))
    soft = np.clip(2 * (1.25 - away), 0, 1).astype(np.float32)
    opacity = soft if diameter_px is None else _of_area(_float(-away), inside, diameter_px)
    return opacity, _float(cv2.filter2D(photo, cv2.CV_32F, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT))


def warp(photo: Photo, inside: Mask, _others: Sequence[Photo], rng: np.random.Generator) -> Layer:
    """Structure that is bent: moved by up to a few px in the middle of the place, not at all at its edge."""
    side = photo.shape[0]
    radius, angle = side * rng.uniform(0.04, 0.15), rng.uniform(0, 2 * np.pi)
    x, y = _axes(side, spot(inside, rng))
    strength = np.clip(1 - np.hypot(x, y) / radius, 0, 1) ** 2 * radius * rng.uniform(0.2, 0.6)
    rows, columns = np.indices((side, side), np.float32)
    left, top, _, _ = cv2.boundingRect(inside.view(np.uint8))
    source = columns - left + strength * np.cos(angle), rows - top + strength * np.sin(angle)
    source_x, source_y = (each.astype(np.float32) for each in source)
    moved = cv2.remap(around(photo, inside), source_x, source_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return (np.hypot(x, y) < radius).astype(np.float32), _float(moved)


KINDS: Mapping[str, Kind] = {
    "crack": crack,
    "stain": stain,
    "cut_paste": cut_paste,
    "scar": scar,
    "foreign": foreign,
    "missing": missing,
    "additional": additional,
    "blur": blur,
    "smear": smear,
    "warp": warp,
}

SIZED: Mapping[str, SizedKind] = {
    "missing": missing,
    "additional": additional,
    "cut_paste": cut_paste,
    "blur": blur,
    "smear": smear,
}
"""The kinds that can be made in a given size."""


def around(picture: Same[Dtype], inside: Mask) -> Same[Dtype]:
    """The smallest rectangle (h, w, …) of an (S, S, …) array around an object (S, S) bool."""
    left, top, width, height = cv2.boundingRect(inside.view(np.uint8))
    return picture[top : top + height, left : left + width]


def _spot(
    photo: Photo,
    inside: Mask,
    rng: np.random.Generator,
    centre: Points | None = None,
    diameter_px: float | None = None,
) -> Floats:
    """The opacity (S, S) of a ragged spot of 2 to 25 % of the side, with a hard or a soft edge."""
    side = photo.shape[0]
    drawn = side / 2 * np.exp(rng.uniform(np.log(0.02), np.log(0.25)))
    radius = drawn if diameter_px is None else diameter_px / 2
    field = blob(spot(inside, rng) if centre is None else centre, max(radius, 1.5), noise(side, radius, rng))
    if diameter_px is not None:
        return _of_area(field, inside, diameter_px)
    return np.asarray(np.clip(field * np.float32(rng.choice([1.5, 4.0, 12.0])), 0, 1), np.float32)


def _of_area(field: Floats, inside: Mask, diameter_px: float) -> Floats:
    """Opacity 1 where a field (S, S) is largest on the object: as many px as a disc of this diameter has, 0 elsewhere.

    All of the object where it has fewer px.
    """
    opacity = np.zeros(field.shape, np.float32)
    on_object = np.flatnonzero(inside)
    count = min(max(1, round(np.pi / 4 * diameter_px**2)), len(on_object))
    opacity.ravel()[on_object[np.argpartition(field.ravel()[on_object], -count)[-count:]]] = 1
    return opacity


def _pasted(
    photo: Photo,
    source: Photo,
    origin: Points,
    inside: Mask,
    rng: np.random.Generator,
    *,
    scar: bool,
    diameter_px: float | None = None,
) -> Layer:
    """A rotated rectangle (scar: long and thin) about a point of a source (h, w, 3), pasted somewhere on the object."""
    side = photo.shape[0]
    if scar:
        size = side * rng.uniform([0.008, 0.05], [0.04, 0.25])
    else:
        area, stretch = np.exp(rng.uniform(np.log(5e-4), np.log(0.04))), np.exp(rng.uniform(-1, 1))
        area = area if diameter_px is None else np.pi / 4 * (diameter_px / side) ** 2
        size = side * np.sqrt([area * stretch, area / stretch])
    to = spot(inside, rng)
    paint = _turned(source, origin, to, rng.uniform(0, 360), side)
    if diameter_px is not None:
        x, y = _axes(side, to)
        angle = rng.uniform(0, np.pi)
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        away = np.maximum(np.abs(along) / size[0], np.abs(across) / size[1])
        return _of_area(_float(-away), inside, diameter_px), paint
    opacity = np.zeros((side, side), np.uint8)
    box = cv2.boxPoints((tuple(to), tuple(np.maximum(size, 2.0)), rng.uniform(0, 360)))
    cv2.fillConvexPoly(opacity, np.rint(box).astype(np.int32), (1,))
    return opacity.astype(np.float32), paint


def _neighbouring(photo: Photo, inside: Mask, rng: np.random.Generator) -> Floats:
    """The object moved by 3 to 15 % of the side."""
    left, top, _, _ = cv2.boundingRect(inside.view(np.uint8))
    angle, far = rng.uniform(0, 2 * np.pi), len(photo) * rng.uniform(0.03, 0.15)
    to = np.array([left + far * np.cos(angle), top + far * np.sin(angle)])
    return _turned(around(photo, inside), np.zeros(2), to, 0, len(photo))


def _on_part(inside: Mask, rng: np.random.Generator) -> Points:
    """A random point (x, y) of the object in `around` it."""
    left, top, _, _ = cv2.boundingRect(inside.view(np.uint8))
    return np.asarray(spot(inside, rng) - np.array([left, top]), np.float64)


def _place(source: Photo, rng: np.random.Generator) -> Points:
    """A random point (x, y) of a source (h, w, 3)."""
    return rng.uniform(0, [source.shape[1], source.shape[0]])


def _turned(source: Photo, origin: Points, to: Points, degrees: float, side: int) -> Floats:
    """A source (h, w, 3) turned about `origin`, which comes to lie at `to` (x, y) of (S, S, 3); mirrored beyond it."""
    turn: Array = cv2.getRotationMatrix2D((0, 0), degrees, 1)
    turn[:, 2] = to - turn[:, :2] @ origin
    return _float(cv2.warpAffine(source, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def _tail(photo: Photo, inside: Mask, level: float) -> Floats:
    """The colour (3,) of the object's pixels about a quantile of their brightness."""
    pixels = photo[inside].astype(np.float32)
    bright = pixels.sum(axis=1)
    near = np.abs(bright - np.quantile(bright, level)) <= 3
    return np.asarray(pixels[near].mean(axis=0) if near.any() else pixels[np.argmin(bright)], np.float32)


def _even(photo: Photo, colour: Floats) -> Floats:
    return np.broadcast_to(colour.astype(np.float32), photo.shape)


def _axes(side: int, centre: Points) -> tuple[Floats, Floats]:
    """Coordinates x (1, S) and y (S, 1) relative to `centre`."""
    axis = np.arange(side, dtype=np.float32)
    return axis[None] - np.float32(centre[0]), axis[:, None] - np.float32(centre[1])


def _float(picture: Array) -> Floats:
    return np.asarray(picture, np.float32)
