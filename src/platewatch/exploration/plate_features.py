"""Features of one photograph, over the part without its background: histograms, edges, and measures with names."""

from dataclasses import dataclass

import cv2
import numpy as np

from platewatch.arrays import Array, Doubles, Grey, Mask, Photo
from platewatch.photographs import colour, foreground, preparation

BINS = 64
"""Bins of each channel's histogram, over 0..255."""


@dataclass(frozen=True)
class PlateFeatures:
    """Histogram, edges and measures of one photograph, taken over the plate without its background."""

    histogram: Doubles
    """(3, BINS) float64: histograms of R, G and B; each sums to 1."""
    edges: Doubles
    """(F,) float64: edge features that do not depend on the plate's rotation."""
    measures: dict[str, float]
    """Named measures in grey levels, e.g. brightness and edge strength."""
    covered: float
    """Fraction of the photograph that the plate covers."""
    masked: bool
    """Whether a background was found and masked out."""
    grey: bool
    """Whether the photograph is grey."""


def find_plate(photo: Photo, frame: preparation.Frame) -> tuple[Mask, bool]:
    """The plate's mask (S, S) bool in a prepared (S, S, 3) photograph, and whether a background was masked out."""
    within, found = frame.inside(len(photo)), foreground.find_framed_object(photo, frame)
    return found, not np.array_equal(found, within)


def describe(photo: Photo, frame: preparation.Frame) -> PlateFeatures:
    """The features of a prepared (S, S, 3) uint8 photograph."""
    inside, masked = find_plate(photo, frame)
    pixels = photo[inside]
    bright: Array = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    strength, edges = _edges(bright, inside, masked)
    grey = colour.is_grey(photo)
    names = () if grey else ("red", "green", "blue")
    measures = {name: float(pixels[:, channel].mean()) for channel, name in enumerate(names)}
    measures |= {"brightness": float(bright[inside].mean()), "unevenness": float(bright[inside].std())}
    counts = [np.bincount(pixels[:, channel] // (256 // BINS), minlength=BINS) for channel in range(3)]
    return PlateFeatures(
        histogram=np.stack(counts) / len(pixels),
        edges=edges,
        measures=measures | {"edge strength": strength},
        covered=float(inside.mean() / max(frame.width * frame.height / inside.size, 1e-9)),
        masked=masked,
        grey=grey,
    )


def _edges(bright: Grey, inside: Mask, masked: bool) -> tuple[float, Doubles]:
    """Mean Sobel magnitude in grey levels per px, and features (14,).

    The features are five log quantiles of the magnitude and the sorted fractions of nine directions.
    """
    if masked:  # without the plate's own outline
        margin = max(1, round(len(bright) / 64))
        core = cv2.erode(inside.astype(np.uint8), np.ones((2 * margin + 1,) * 2, np.uint8)) > 0
        inside = core if core.any() else inside
    across = cv2.Sobel(bright, cv2.CV_32F, 1, 0, scale=1 / 8)[inside]
    down = cv2.Sobel(bright, cv2.CV_32F, 0, 1, scale=1 / 8)[inside]
    magnitude = np.hypot(across, down)
    direction = np.floor(np.arctan2(down, across) / np.pi * 9).astype(int) % 9
    fractions = np.bincount(direction, weights=magnitude, minlength=9) / max(float(magnitude.sum()), 1e-9)
    quantiles = np.log(np.quantile(magnitude, (0.5, 0.75, 0.9, 0.97, 0.995)) + 0.5)
    return float(magnitude.mean()), np.concatenate([quantiles, np.sort(fractions)[::-1]])


def roots(plate: PlateFeatures) -> Doubles:
    """Square roots of the histogram (3·BINS,): their Euclidean distance is the Hellinger distance."""
    return np.asarray(np.sqrt(plate.histogram).ravel())


def coarse_roots(plate: PlateFeatures) -> Doubles:
    """Square roots of the histogram with groups of four bins merged (3·BINS / 4,)."""
    return np.asarray(np.sqrt(plate.histogram.reshape(3, BINS // 4, 4).sum(axis=2)).ravel())
