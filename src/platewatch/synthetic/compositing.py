"""Compositing of artificial defects: tones, noise, strokes, and opacity over a photograph."""

import cv2
import numpy as np

from platewatch.arrays import Doubles, Floats, Mask, Photo, Points
from platewatch.photographs.colour import is_grey

Palette = tuple[tuple[int, int, int], ...]

STEEL: Palette = ((205, 205, 198), (150, 148, 138), (104, 96, 80))
RUST: Palette = ((168, 98, 30), (112, 76, 38), (70, 52, 34))
SOIL: Palette = ((15, 15, 15), (70, 55, 35), (240, 240, 235))

FAINT = 1 / 16
"""Opacity below this is set to 0, so that the mask ends where the defect ends visibly."""


def composite(photo: Photo, opacity: Floats, paint: Floats) -> tuple[Photo, Mask]:
    """The photograph with `paint` over it at `opacity` (S, S), and the mask (S, S) bool where opacity ≥ FAINT."""
    mask = opacity >= FAINT
    damaged = photo.copy()
    x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
    box = np.s_[y : y + h, x : x + w]
    before = photo[box].astype(np.float32)
    weight = np.where(mask[box], opacity[box], 0)[..., None]
    after = before + weight * ((paint[box] if paint.ndim == 3 else paint) - before)
    damaged[box] = np.clip(np.rint(after), 0, 255).astype(np.uint8)
    return damaged, mask


def shifted(photo: Photo, opacity: Floats, towards: Floats, contrast: float, mottle: Floats | None = None) -> Floats:
    """Paint (S, S, 3): the photograph shifted towards a colour so that the strongest channel changes by `contrast`.

    `mottle` (S, S) multiplies the shift.
    """
    base = photo[opacity >= FAINT].mean(axis=0) if (opacity >= FAINT).any() else photo.mean(axis=(0, 1))
    difference = towards - base
    if np.abs(difference).max() < 1:
        difference = np.full(3, 128.0) - base + 0.5
    step = difference / np.abs(difference).max() * contrast * 255
    overshoot = [np.abs(np.clip(base + s, 0, 255) - base - s).max() for s in (step, -step)]
    step = step if overshoot[0] <= overshoot[1] else -step
    shift = step.astype(np.float32) * (1 if mottle is None else mottle[..., None])
    return np.asarray(np.clip(photo + shift, 0, 255), np.float32)


def tone(photo: Photo, palette: Palette, rng: np.random.Generator) -> Floats:
    """A random colour between two of the palette's, (3,), a little lighter or darker; grey for a grey photograph."""
    first, second = rng.choice(len(palette), 2)
    weight = rng.uniform()
    tone = (np.array(palette[first]) * weight + np.array(palette[second]) * (1 - weight)) * rng.uniform(0.8, 1.2)
    grey = is_grey(photo[::8, ::8]) and is_grey(photo)
    return np.clip(np.full(3, tone @ (0.299, 0.587, 0.114)) if grey else tone, 0, 255).astype(np.float32)


def noise(side: int, grain_px: float, rng: np.random.Generator) -> Floats:
    """Smooth noise (S, S) of three octaves, about standard normal; the largest grains are `grain_px` wide."""
    total = np.zeros((side, side), np.float32)
    for octave, weight in enumerate((0.8, 0.5, 0.35)):
        grains = int(np.clip(side / max(grain_px, 2) * 2**octave, 2, min(side, 256)))
        grid = rng.standard_normal((grains, grains), dtype=np.float32)
        total += np.float32(weight * 1.4) * cv2.resize(grid, (side, side), interpolation=cv2.INTER_LINEAR)
    return total


def mottled(photo: Photo, palette: Palette, grain_px: float, rng: np.random.Generator) -> Floats:
    """Paint (S, S, 3) that varies between two tones of the palette."""
    weight = np.clip(0.5 + 0.6 * noise(photo.shape[0], grain_px, rng), 0, 1)
    first, second = tone(photo, palette, rng), tone(photo, palette, rng)
    # channel by channel: three times as fast as broadcasting over a last axis of three
    return np.asarray(cv2.merge([weight * (a - b) + b for a, b in zip(first, second, strict=True)]), np.float32)


def spot(inside: Mask, rng: np.random.Generator) -> Points:
    """A random point (x, y) on the object."""
    y, x = rng.integers(0, inside.shape[0], (2, 64))
    hit = int(np.argmax(inside[y, x]))
    return np.array([x[hit], y[hit]], float)


def place(shape: Points, inside: Mask, rng: np.random.Generator) -> Points:
    """The points (n, 2) rotated and moved: of 64 random poses the one with most points on the object."""
    side = inside.shape[0]
    angle = rng.uniform(0, 2 * np.pi, 64)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(64, 2, 2)
    points = np.einsum("tij,nj->tni", turn, shape) + rng.uniform(0, side - 1, (64, 1, 2))
    pixels = np.clip(np.rint(points), 0, side - 1).astype(int)
    within = ((points >= 0) & (points <= side - 1)).all(axis=2)
    return np.asarray(points[np.argmax((inside[pixels[..., 1], pixels[..., 0]] & within).mean(axis=1))])


def strokes(side: int, lines: Points, widths: Doubles, levels: Doubles, fine: int = 4) -> Floats:
    """Opacity (S, S) of n lines (n, points, 2) with `widths` (n,) px and opacities `levels` (n,).

    The lines are drawn at `fine` times the resolution and averaged down.
    """
    margin = float(widths.max()) + 1
    low = np.clip(np.floor(lines.min(axis=(0, 1)) - margin), 0, side - 1).astype(int)
    high = np.clip(np.ceil(lines.max(axis=(0, 1)) + margin), low + 1, side).astype(int)
    width, height = high - low
    canvas = np.zeros((height * fine, width * fine), np.uint8)
    points = np.rint((lines - low + 0.5) * fine - 0.5).astype(np.int32)
    for k in np.argsort(levels):
        thickness = max(1, 2 * round((float(widths[k]) * fine - 1) / 2))  # OpenCV draws an even n as n + 1 px
        cv2.polylines(canvas, [points[k]], False, (float(levels[k] * 255),), thickness)
    opacity = np.zeros((side, side), np.float32)
    small = cv2.resize(canvas, (int(width), int(height)), interpolation=cv2.INTER_AREA)
    opacity[low[1] : high[1], low[0] : high[0]] = small / np.float32(255)
    return opacity


def blob(centre: Points, radius: float, ragged: Floats) -> Floats:
    """A field (S, S) that falls from 1 at `centre` to 0 at about `radius` px, its edge ragged by noise (S, S)."""
    axis = np.arange(len(ragged), dtype=np.float32)
    away = np.hypot(axis[None] - np.float32(centre[0]), axis[:, None] - np.float32(centre[1])) / np.float32(radius)
    return np.asarray(1 - away + np.float32(0.3) * ragged, np.float32)
