"""Classical detectors of scikit-learn on histograms and edges: Gaussian mixture, nearest neighbour, one-class SVM.

Every detector is fitted to good plates alone; a higher score is worse.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import OneClassSVM

from platewatch.arrays import Doubles
from platewatch.exploration.plate_features import PlateFeatures, coarse_roots, roots

Score = Callable[[Doubles], Doubles]
"""(N, F) features → (N,) scores."""


@dataclass(frozen=True)
class Detector:
    """A detector: its name, its features in words, the features' function, and the function that fits it."""

    name: str
    looks_at: str
    features: Callable[[PlateFeatures], Doubles]
    fit: Callable[[Doubles, int], Score]


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
