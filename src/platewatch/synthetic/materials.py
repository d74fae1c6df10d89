"""Materials of a rendered plate's front: blue paint, rust and scratches as maps of colour, height and gloss.

Plate coordinates: the plate is 1 high and 1.3 wide, (0, 0) is its centre. A field (h, w) float32 holds one number per
texel. Noise is generated from coarse to fine, so that one seed gives the same plate at any resolution.
"""

from dataclasses import dataclass, replace
from statistics import NormalDist

import cv2
import numpy as np
from numpy.random import Generator, default_rng

from platewatch.arrays import Array, Doubles, Floats, Grey, Points

Colour = tuple[float, float, float]

ASPECT = 1.3
BROWN, OLIVE, ORANGE, SCALE = (70, 51, 27), (90, 74, 37), (136, 82, 22), (130, 132, 115)
PITS, SCUFF, STREAK, METAL = (44, 28, 18), (30, 92, 168), (84, 66, 36), (186, 178, 154)


@dataclass(frozen=True)
class Material:
    """Maps of a plate's front: colour (h, w, 3) RGB 0 to 255; height (h, w); gloss and defect (h, w) 0 to 1."""

    colour: Floats
    height: Floats
    gloss: Floats
    defect: Floats


@dataclass(frozen=True)
class _Bundle:
    """A bundle of scratches: centre, angle in radians, length and breadth in plate heights, strength 0 to 1."""

    middle: Points
    angle: float
    length: float
    breadth: float
    strength: float


# ---- materials


def paint(rng: Generator, rim: Floats) -> Material:
    """Blue paint with orange peel and chipped edges, on some plates with a dull speck that is no defect.

    `rim` (h, w) is the distance of every texel from the nearest edge, in plate heights, here and below.
    """
    shape = rim.shape
    blue = rng.uniform(118, 138)
    base = np.array([rng.uniform(3, 9), blue * rng.uniform(0.3, 0.42), blue], dtype=np.float32)
    colour = base * (1 + 0.02 * noise(rng, shape, 3, 3))[..., None]
    clouds = step(noise(rng, shape, 2, 6, gain=0.75) - rng.uniform(0.2, 1.6), 2.2)
    peel = rng.uniform(0.03, 0.14) + rng.choice([0.12, 0.3, 0.6], p=[0.45, 0.4, 0.15]) * clouds
    height = peel * noise(rng, shape, 64, 3, gain=0.85)
    chips = step(noise(rng, shape, 14, 4, gain=0.8) - rng.uniform(0.7, 1.6), 0.3) * np.exp(-((rim / 0.007) ** 2))
    colour = blend(colour, SCUFF, 0.8 * chips)
    if rng.random() < 0.25:
        colour, height = _speckle(rng, colour, height)
    return Material(colour, height - _bevel(rim), np.ones(shape, np.float32), np.zeros(shape, np.float32))


def rust(rng: Generator, rim: Floats, *, grey: float, orange: float) -> Material:
    """Unpainted steel, brown to olive; `orange` and `grey` are the fractions of fresh rust and of mill scale."""
    shape = rim.shape
    fine, grain = noise(rng, shape, 20, 5, gain=0.75), noise(rng, shape, 90, 3, gain=0.9)
    colour = blend(np.full((*shape, 3), BROWN, np.float32), OLIVE, step(noise(rng, shape, 3, 6) + 0.4 * fine, 1.4))
    loose = (noise(rng, shape, 3, 5, gain=0.6) + 0.35 * fine + 0.15 * grain) / 1.07
    fresh = step(loose - NormalDist().inv_cdf(1 - orange), 0.9)
    colour = blend(colour, ORANGE, rng.uniform(0.4, 0.85) * fresh)
    detail = rng.uniform(0.2, 0.7)
    scale = noise(rng, shape, 2, 5, gain=0.55) + detail * noise(rng, shape, 14, 5, gain=0.8)
    plates = step(scale / (1 + detail**2) ** 0.5 - NormalDist().inv_cdf(1 - grey), 0.3)
    colour = blend(colour, SCALE, plates * np.clip(0.5 + 0.2 * fine + 0.1 * grain, 0.1, 0.85))
    colour = blend(colour, PITS, 0.75 * step(noise(rng, shape, 7, 5, gain=0.8) - rng.uniform(1.5, 2.2), 0.3))
    colour = colour * (1 + 0.08 * grain + 0.06 * fine)[..., None]
    height = 0.15 * fine + 0.3 * grain + 0.2 * plates - _bevel(rim)
    return Material(colour, height, 0.25 * plates, np.ones(shape, np.float32))


def half_paint(rng: Generator, rim: Floats) -> Material:
    """Paint with a straight border, beyond which the plate is unpainted steel."""
    under = rust(rng, rim, grey=rng.uniform(0.15, 0.6), orange=rng.uniform(0.01, 0.05))
    over, bare = paint(rng, rim), _bare_part(rng, rim.shape)
    height = over.height + bare * (under.height - over.height) - 0.4 * bare  # the thickness of the paint
    gloss = over.gloss + bare * (under.gloss - over.gloss)
    return Material(blend(over.colour, under.colour, bare), height, gloss, bare)


def abrade(rng: Generator, material: Material) -> Material:
    """Scratch the paint off in one or two bundles of scratches, faint to obvious."""
    strength = rng.uniform(0.4, 1)
    for _ in range(2 if rng.random() < 0.35 else 1):
        bearing, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.55, 0.9)  # between the hole and an edge
        middle = reach * np.array([np.cos(bearing) * ASPECT / 2, np.sin(bearing) * 0.5])
        size = rng.uniform(0.24, 0.5), rng.uniform(0.1, 0.26)
        material = _scratch(rng, material, _Bundle(middle, rng.uniform(0, np.pi), *size, strength))
        strength *= rng.uniform(0.5, 1)
    return replace(material, defect=_outline_by_hand(material.defect))


def _speckle(rng: Generator, colour: Floats, height: Floats) -> tuple[Floats, Floats]:
    """Add a bubble in the paint, on some plates brown in the middle; good plates have it too."""
    x, y = places(colour.shape)
    at = rng.choice([-1, 1], 2) * rng.uniform([0.28, 0.2], [0.55, 0.4])
    spot = (1.2 + 0.5 * noise(rng, colour.shape, 24, 2)) * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 0.018**2)
    tone = SCUFF if rng.random() < 0.7 else OLIVE
    return blend(colour, tone, 0.55 * step(spot - 0.8, 0.3)), np.asarray(height + 1.5 * spot, dtype=np.float32)


def _bare_part(rng: Generator, shape: tuple[int, ...]) -> Floats:
    """The unpainted part (h, w), 0 to 1: beyond a straight border, in a band, or at a corner."""
    x, y = places(shape)
    layout = rng.choice(["side", "band", "corner"], p=[0.5, 0.25, 0.25])
    spread = {"side": 0.12, "band": 0.05, "corner": 0.3}[layout]
    angle = rng.integers(4) * np.pi / 2 + rng.normal(0, spread) + (np.pi / 4 if layout == "corner" else 0)
    across = x * np.cos(angle) + y * np.sin(angle) + 0.0025 * noise(rng, shape, 20, 3)
    half = abs(np.cos(angle)) * ASPECT / 2 + abs(np.sin(angle)) / 2
    if layout == "band":
        inside = half * rng.uniform(0.35, 0.65) - np.abs(across - rng.normal(0, 0.08))
    else:
        inside = across - half * rng.uniform(-0.05, 0.5)
    return step(inside, 0.004)


def _scratch(rng: Generator, material: Material, bundle: _Bundle) -> Material:
    """Apply one bundle: a streaky rust-brown patch, then strokes of scuffed paint, rust and bare metal."""
    shape, strength = material.defect.shape, bundle.strength
    streaks = _streaks(rng, shape, bundle.angle + rng.normal(0, 0.1))
    bare = _bare_patch(rng, bundle, streaks)
    tone = np.array(STREAK if rng.random() < 0.6 else BROWN, np.float32)
    mottled = (1 + 0.1 * streaks + 0.2 * noise(rng, shape, 40, 3, gain=0.9))[..., None] * tone
    colour, touched = blend(material.colour, mottled, strength**0.5 * bare), bare
    for exposed, fraction in zip((SCUFF, STREAK, METAL), rng.dirichlet([2.4, 1.2, 0.5]), strict=True):
        count = int(fraction * rng.uniform(80, 320) * strength**1.5) + 4
        cover = _strokes(rng, shape, bundle, count)
        if exposed is METAL and rng.random() < 0.45:
            gouge = replace(bundle, angle=bundle.angle + rng.normal(0, 0.5), length=0.7 * bundle.length)
            wide = _strokes(rng, shape, gouge, int(rng.integers(3, 8)), width=0.03)
            cover = np.maximum(cover, wide * step(_streaks(rng, shape, gouge.angle) + 0.9, 1.6))
        opacity = rng.uniform(0.6, 1.0) * strength**0.4 * np.clip(0.85 + 0.25 * streaks, 0.25, 1)
        colour = blend(colour, exposed, opacity * cover)
        touched = np.maximum(touched, cover)
    height = material.height * (1 - 0.7 * touched) - 0.5 * touched
    return Material(colour, height, material.gloss * (1 - 0.8 * touched), np.maximum(material.defect, touched))


def _bare_patch(rng: Generator, bundle: _Bundle, streaks: Floats) -> Floats:
    """Where a bundle has worn through the paint (h, w), 0 to 1: streaks, densest in the middle."""
    x, y = places(streaks.shape)
    x, y = x - np.float32(bundle.middle[0]), y - np.float32(bundle.middle[1])
    along = (x * np.cos(bundle.angle) + y * np.sin(bundle.angle)) / bundle.length
    across = (y * np.cos(bundle.angle) - x * np.sin(bundle.angle)) / bundle.breadth
    blob = np.exp(-(along**2) - across**2).astype(np.float32)
    worn = streaks + 3.5 * blob - rng.uniform(2.6, 3.8) - 0.8 * (1 - bundle.strength)
    return step(worn, 0.35) * step(blob - 0.25, 0.2)


def _strokes(rng: Generator, shape: tuple[int, ...], bundle: _Bundle, count: int, width: float = 0.0024) -> Floats:
    """Coverage (h, w), 0 to 1, of `count` tapered, slightly curved strokes of a bundle."""
    to_texels = np.linalg.inv(plate_from_texels(shape))
    along = np.array([np.cos(bundle.angle), np.sin(bundle.angle)])
    axes = np.array([bundle.length * along, bundle.breadth * np.array([-along[1], along[0]])])
    fan, blunt = rng.uniform(0.04, 0.2), (3 if width < 0.01 else 5)
    t = np.linspace(-1, 1, 15)[:, None]
    ribbons = []
    for _ in range(count):
        heading = bundle.angle + rng.normal(0, fan)
        ahead = np.array([np.cos(heading), np.sin(heading)])
        middle = bundle.middle + rng.normal(0, 0.5, 2) @ axes
        half = bundle.length * rng.uniform(0.15, 0.7)
        bend = rng.normal(0, 0.06) * half * t**2 * np.array([-ahead[1], ahead[0]])
        widths = width * rng.lognormal(0, 0.45) * (1 - np.abs(t[:, 0]) ** blunt) * rng.uniform(0.8, 1.1, 15)
        ribbons.append(project(to_texels, ribbon(middle + half * t * ahead + bend, widths)))
    return coverage(ribbons, shape, finer=3)


def _outline_by_hand(touched: Floats) -> Floats:
    """The region (h, w) of a bundle as a person would outline it: gaps closed, single ends left out."""
    h = touched.shape[0]
    closed = cv2.morphologyEx((touched > 0.1).astype(np.uint8), cv2.MORPH_CLOSE, _disc(0.05 * h))
    grown = cv2.dilate(cv2.morphologyEx(closed, cv2.MORPH_OPEN, _disc(0.008 * h)), _disc(0.012 * h))
    return np.asarray(cv2.GaussianBlur(grown.astype(np.float32), (0, 0), max(0.012 * h, 0.3)), dtype=np.float32)


def _disc(radius: float) -> Grey:
    side = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)


def _bevel(rim: Floats) -> Floats:
    return np.asarray(2 * np.exp(-((rim / 0.007) ** 2)), dtype=np.float32)


# ---- fields


def noise(rng: Generator, shape: tuple[int, ...], grains: float, octaves: int, gain: float = 0.5) -> Floats:
    """Smooth noise (h, w) with standard deviation about 1.

    The coarsest octave has `grains` grains per plate height; each finer one has twice as many and is weaker by `gain`.
    """
    # a generator of its own: the number of octaves, which depends on the size, must not change later random numbers
    rng = default_rng(rng.integers(2**63))
    h, w = shape[:2]
    field, power = np.zeros((h, w), np.float32), 0.0
    for octave in range(octaves):
        rows = round(grains * 2**octave) + 2
        if octave and rows > h:
            break
        grid = rng.standard_normal((rows, round(rows * ASPECT)), dtype=np.float32)
        field += gain**octave * cv2.resize(grid, (w, h), interpolation=cv2.INTER_CUBIC)
        power += gain ** (2 * octave)
    return field * np.float32(1.35 / power**0.5)  # cubic interpolation lowers the standard deviation by a quarter


def _streaks(rng: Generator, shape: tuple[int, ...], angle: float) -> Floats:
    """Noise (h, w) stretched along `angle` in radians, standard deviation about 1."""
    rng = default_rng(rng.integers(2**63))
    h, w = shape[:2]
    turn = cv2.getRotationMatrix2D((0, 0), -np.degrees(angle), 1.0)
    field = np.zeros((h, w), np.float32)
    for rows, columns, weight in ((30, 5, 0.8), (90, 9, 0.8), (240, 34, 0.7)):
        grid = rng.standard_normal((rows, columns), dtype=np.float32)
        to_plate = turn @ np.array([[1.8 * h / columns, 0, -0.9 * h], [0, 1.8 * h / rows, -0.9 * h], [0, 0, 1]])
        to_plate[:, 2] += [w / 2, h / 2]
        field += weight * cv2.warpAffine(grid, to_plate, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return field


def step(field: Floats, softness: float) -> Floats:
    """A smooth step (h, w): 0 where the field is below 0, 1 above, with a transition `softness` wide."""
    t = np.clip(field / softness + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def blend(colour: Floats, other: Floats | Colour, weight: Floats) -> Floats:
    """`colour` (h, w, 3) with `other` over it at opacity `weight` (h, w) of 0 to 1."""
    return np.asarray(colour + weight[..., None] * (np.asarray(other, np.float32) - colour), dtype=np.float32)


def places(shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Plate coordinates x (1, w) and y (h, 1) of every texel."""
    h, w = shape[:2]
    x, y = np.arange(w, dtype=np.float32)[None], np.arange(h, dtype=np.float32)[:, None]
    return (x - np.float32((w - 1) / 2)) / np.float32(h), (y - np.float32((h - 1) / 2)) / np.float32(h)


def plate_from_texels(shape: tuple[int, ...]) -> Doubles:
    """The matrix (3, 3) from texels (column, row) to plate coordinates."""
    h, w = shape[:2]
    return np.array([[1, 0, (1 - w) / 2], [0, 1, (1 - h) / 2], [0, 0, h]]) / h


# ---- shapes


def project(matrix: Array, points: Points) -> Points:
    """Points (N, 2) transformed by a projective matrix (3, 3) float64."""
    return np.asarray(cv2.perspectiveTransform(points[None], matrix)[0], dtype=np.float64)


def ribbon(points: Points, widths: Doubles) -> Points:
    """The outline (2N, 2) of a line through `points` (N, 2) that is `widths` (N,) wide."""
    run = np.gradient(points, axis=0)
    across = np.column_stack([-run[:, 1], run[:, 0]]) / (np.linalg.norm(run, axis=1)[:, None] + 1e-12)
    side = across * widths[:, None] / 2
    return np.concatenate([points + side, (points - side)[::-1]])


def coverage(polygons: list[Points], shape: tuple[int, ...], finer: int = 2) -> Floats:
    """The fraction of every px (h, w) that the polygons cover, 0 to 1; (0, 0) is the centre of the first px."""
    h, w = shape[:2]
    canvas = np.zeros((h * finer, w * finer), np.uint8)
    for polygon in polygons:
        exact = np.round(((polygon + 0.5) * finer - 0.5) * 64).astype(np.int32)
        cv2.fillPoly(canvas, [exact], (255,), cv2.LINE_AA if finer == 2 else cv2.LINE_8, 6)
    return np.asarray(cv2.resize(canvas, (w, h), interpolation=cv2.INTER_AREA), dtype=np.float32) / np.float32(255)
