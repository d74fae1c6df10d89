"""Classical detectors of scikit-learn on histograms and edges: Gaussian mixture, nearest neighbour, one-class SVM.

Every detector is fitted to good plates alone; a higher score is worse.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import OneClassSVM

from platewatch.arrays import Array, Doubles, Grey, Mask, Photo
from platewatch.photographs import colour, foreground, preparation

Score = Callable[[Doubles], Doubles]
"""(N, F) features → (N,) scores."""

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


@dataclass(frozen=True)
class Detector:
    """A detector: its name, its features in words, the features' function, and the function that fits it."""

    name: str
    looks_at: str
    features: Callable[[PlateFeatures], Doubles]
    fit: Callable[[Doubles, int], Score]


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


def _mixture(good: Doubles, seed: int) -> Score:
    """Negative log likelihood of a mixture of one to three Gaussians, chosen by the Bayesian information criterion."""
    candidates = [
        GaussianMixture(count, covariance_type="diag", reg_covar=1e-4, random_state=seed).fit(good)
        for count in range(1, 1 + min(3, max(1, len(good) // 10)))
    ]
    best = min(candidates, key=lambda mixture: float(mixture.bic(good)))
    return lambda features: -best.score_samples(features)


def _nearest(good: Doubles, seed: int) -> Score:  # noqa: ARG001 - one signature for all detectors
    """Distance to the nearest good plate."""
    neighbours = NearestNeighbors(n_neighbors=1).fit(good)
    return lambda features: np.asarray(neighbours.kneighbors(features)[0][:, 0])


def _nearest_scaled(good: Doubles, seed: int) -> Score:
    """Distance to the nearest good plate, each feature divided by its standard deviation."""
    centre, scale = good.mean(axis=0), good.std(axis=0) + 1e-6
    score = _nearest((good - centre) / scale, seed)
    return lambda features: score((features - centre) / scale)


def _one_class(good: Doubles, seed: int) -> Score:  # noqa: ARG001 - one signature for all detectors
    """Negative decision function of a one-class SVM; kernel width: the median squared distance of good plates."""
    squares = euclidean_distances(good, squared=True)
    width = float(np.median(squares[~np.eye(len(good), dtype=bool)]))
    machine = OneClassSVM(nu=0.1, gamma=1 / max(width, 1e-9)).fit(good)
    return lambda features: -machine.decision_function(features)


DETECTORS = (
    Detector("histograms: Gaussian mixture", "the plate's colours as a whole", coarse_roots, _mixture),
    Detector("histograms: nearest neighbour", "the plate's colours as a whole", roots, _nearest),
    Detector("histograms: one-class SVM", "the plate's colours as a whole", roots, _one_class),
    Detector("edges: nearest neighbour", "edge strength and directions", lambda plate: plate.edges, _nearest_scaled),
)
