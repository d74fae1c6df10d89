"""Classical detectors: a plate's histogram and edges as numbers, and what scikit-learn learns from good plates'.

Every detector learns from good plates alone and gives a score that is higher for worse.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import OneClassSVM

from platewatch.arrays import Array
from platewatch.photographs import colour, foreground, preparation

Score = Callable[[Array], Array]
"""(N, F) features → (N,) scores."""

BINS = 64
"""Bins of each channel's histogram, over 0..255."""


@dataclass(frozen=True)
class Plate:
    """One photograph in numbers, all of them over the plate alone.

    `histogram` (3, BINS) float64, shares of R, G, B, each row's sum 1; `edges` (F,) float64, the same when the plate is
    turned; `measures` by name, in grey levels; `covered` the plate's share of the photograph; `masked` whether a
    background was told from the plate, so that `covered` is below 1.
    """

    histogram: Array
    edges: Array
    measures: dict[str, float]
    covered: float
    masked: bool
    grey: bool


@dataclass(frozen=True)
class Detector:
    """A name, what it looks at, and how it learns from good plates."""

    name: str
    looks_at: str
    features: Callable[[Plate], Array]
    fit: Callable[[Array, int], Score]


def find_plate(photo: Array, frame: preparation.Frame) -> tuple[Array, bool]:
    """Where the plate lies in a prepared (S, S, 3) photograph, (S, S) bool, and whether a background was masked out."""
    pictured = frame.inside(len(photo))
    found = foreground.find_object(photo)
    inside = found & pictured
    if found.all() or not inside.any():
        return pictured, False
    return inside, True


def describe(photo: Array, frame: preparation.Frame) -> Plate:
    """Put a prepared (S, S, 3) uint8 photograph into numbers."""
    inside, masked = find_plate(photo, frame)
    pixels = photo[inside]
    bright = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    strength, edges = _edges(bright, inside, masked)
    grey = colour.is_grey(photo)
    names = () if grey else ("red", "green", "blue")
    measures = {name: float(pixels[:, channel].mean()) for channel, name in enumerate(names)}
    measures |= {"brightness": float(bright[inside].mean()), "unevenness": float(bright[inside].std())}
    counts = [np.bincount(pixels[:, channel] // (256 // BINS), minlength=BINS) for channel in range(3)]
    return Plate(
        histogram=np.stack(counts) / len(pixels),
        edges=edges,
        measures=measures | {"edge strength": strength},
        covered=float(inside.mean() / max(frame.width * frame.height / inside.size, 1e-9)),
        masked=masked,
        grey=grey,
    )


def _edges(bright: Array, inside: Array, masked: bool) -> tuple[float, Array]:
    """Mean Sobel magnitude in grey levels per px; its log quantiles and the sorted shares of nine directions."""
    if masked:  # the plate's own outline is no finding
        margin = max(1, round(len(bright) / 64))
        core = cv2.erode(inside.astype(np.uint8), np.ones((2 * margin + 1,) * 2, np.uint8)) > 0
        inside = core if core.any() else inside
    across = cv2.Sobel(bright, cv2.CV_32F, 1, 0, scale=1 / 8)[inside]
    down = cv2.Sobel(bright, cv2.CV_32F, 0, 1, scale=1 / 8)[inside]
    magnitude = np.hypot(across, down)
    direction = np.floor(np.arctan2(down, across) / np.pi * 9).astype(int) % 9
    shares = np.bincount(direction, weights=magnitude, minlength=9) / max(float(magnitude.sum()), 1e-9)
    spread = np.log(np.quantile(magnitude, (0.5, 0.75, 0.9, 0.97, 0.995)) + 0.5)
    return float(magnitude.mean()), np.concatenate([spread, np.sort(shares)[::-1]])


def roots(plate: Plate) -> Array:
    """Square roots of the histogram (3·BINS,): their Euclidean distance is Hellinger's, kind to small shares."""
    return np.asarray(np.sqrt(plate.histogram).ravel())


def coarse_roots(plate: Plate) -> Array:
    """The same with four bins made one."""
    return np.asarray(np.sqrt(plate.histogram.reshape(3, BINS // 4, 4).sum(axis=2)).ravel())


def _mixture(good: Array, seed: int) -> Score:
    """One to three Gaussians, as many as the Bayesian information criterion likes best."""
    candidates = [
        GaussianMixture(count, covariance_type="diag", reg_covar=1e-4, random_state=seed).fit(good)
        for count in range(1, 1 + min(3, max(1, len(good) // 10)))
    ]
    best = min(candidates, key=lambda mixture: float(mixture.bic(good)))
    return lambda features: -best.score_samples(features)


def _nearest(good: Array, seed: int) -> Score:  # noqa: ARG001 - all detectors are fitted alike
    """Distance to the nearest good plate."""
    neighbours = NearestNeighbors(n_neighbors=1).fit(good)
    return lambda features: np.asarray(neighbours.kneighbors(features)[0][:, 0])


def _nearest_scaled(good: Array, seed: int) -> Score:
    """The same, each number in units of its spread over good plates."""
    centre, unit = good.mean(axis=0), good.std(axis=0) + 1e-6
    score = _nearest((good - centre) / unit, seed)
    return lambda features: score((features - centre) / unit)


def _one_class(good: Array, seed: int) -> Score:  # noqa: ARG001 - all detectors are fitted alike
    """A support vector machine's border around good plates, its kernel as wide as they lie apart."""
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
