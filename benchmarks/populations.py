"""Where the good plates' scores of benchmarks/simulation.py come from: rendered plates, a model's own, and formulas."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.random import Generator
from scipy import special

from platewatch import config
from platewatch.arrays import Array
from platewatch.model import model_folder
from platewatch.photographs import preparation
from platewatch.surface import detector, nearest_neighbours
from platewatch.synthetic import rendered_plates

_SIZE = 128  # px: a smaller picture is rendered and scored faster, and exchangeable all the same
_LEARNT = 50
_FURTHER = 10  # plates for p-values after each split


@dataclass(frozen=True)
class Split:
    """Good plates to calibrate on, and those that are judged then."""

    scores: Array
    """(n,) of the plates that calibrate."""
    further: Array
    """(10,) of the plates that are judged; fewer where no more are left."""
    above: Callable[[Array], Array]
    """Thresholds (T,) → the share of the judged plates above each."""
    judged: int | None
    """How many plates are judged; None when the share is exact."""


class Population(Protocol):
    """Good plates that can be split again and again."""

    @property
    def name(self) -> str: ...

    def split(self, rng: Generator, count: int) -> Split:
        """`count` plates that calibrate, drawn at random; the rest is judged."""


@dataclass(frozen=True)
class Plates:
    """So many plates and no more: some calibrate, all the others are judged."""

    name: str
    scores: Array

    def split(self, rng: Generator, count: int) -> Split:
        mixed = rng.permutation(self.scores)
        rest = np.sort(mixed[count:])

        def above(thresholds: Array) -> Array:
            share: Array = 1 - np.searchsorted(rest, thresholds, side="right") / len(rest)
            return share

        return Split(mixed[:count], mixed[count : count + _FURTHER], above, len(rest))


@dataclass(frozen=True)
class Bells:
    """Endlessly many plates whose log scores are a mixture of normal distributions: each share above is exact."""

    name: str
    shares: Array
    centres: Array
    spreads: Array

    def split(self, rng: Generator, count: int) -> Split:
        kinds = rng.choice(len(self.shares), count + _FURTHER, p=self.shares)
        scores = np.exp(self.centres[kinds] + self.spreads[kinds] * rng.standard_normal(len(kinds)))
        return Split(scores[:count], scores[count:], self._above, None)

    def _above(self, thresholds: Array) -> Array:
        steps = (np.log(thresholds)[:, None] - self.centres) / self.spreads
        share: Array = special.ndtr(-steps) @ self.shares
        return share


@dataclass(frozen=True)
class Pareto:
    """Endlessly many plates with P(score > s) = s^−index, s ≥ 1: without a variance below 2."""

    name: str
    index: float

    def split(self, rng: Generator, count: int) -> Split:
        scores = 1 + rng.pareto(self.index, count + _FURTHER)
        return Split(scores[:count], scores[count:], lambda limits: np.maximum(limits, 1.0) ** -self.index, None)


@dataclass(frozen=True)
class Resampled:
    """A model's own plates: split while at least half of them are left to judge, beyond that a smoothed bootstrap."""

    plates: Plates
    beyond: Bells

    @property
    def name(self) -> str:
        return self.plates.name

    def split(self, rng: Generator, count: int) -> Split:
        enough = 2 * count <= len(self.plates.scores)
        return (self.plates if enough else self.beyond).split(rng, count)


def smoothed(found: Plates) -> Bells:
    """Log scores drawn with replacement, each with normal noise of Silverman's width .9 min(σ, IQR / 1.34) m^(−1/5)."""
    logs = np.log(found.scores)
    quarters = np.subtract(*np.percentile(logs, [75, 25]))
    width = 0.9 * min(float(logs.std(ddof=1)), float(quarters) / 1.34) * len(logs) ** -0.2
    each = np.ones(len(logs))
    return Bells(found.name, each / len(logs), logs, each * width)


def formulas() -> list[Population]:
    """Populations of a known shape: as `limit` takes them to be, and three that are not."""
    glaring = np.array([0.9, 0.1]), np.array([0, np.log(3)]), np.array([0.2, 0.3])
    two_kinds = np.array([0.55, 0.45]), np.array([0, 1.5]), np.array([0.01, 0.01])
    return [
        Bells("lognormal", np.array([1.0]), np.array([0.0]), np.array([0.2])),
        Bells("lognormal, 10 % glaring", *glaring),
        Pareto("heavy tail (Pareto 1.5)", 1.5),
        Bells("two kinds, 55 : 45", *two_kinds),
    ]


def of_model(folder: Path) -> Resampled:
    """The out-of-fold scores of a model's good plates."""
    scores = np.array([plate.score for plate in model_folder.load_manifest(folder).calibration])
    found = Plates(f"{len(scores)} real plates, {folder.name}", scores)
    return Resampled(found, smoothed(found))


def rendered(folder: Path, count: int, seed: int, progress: Callable[[int, int], None]) -> Plates:
    """`count` rendered good plates, scored by a surface that learnt from 50 others; kept in `folder`.

    The file is named by the code that gave the scores: what another phase one gave is not taken for this one's.
    """
    sources = b"".join(
        Path(str(room.__file__)).read_bytes() for room in (detector, nearest_neighbours, config, rendered_plates)
    )
    cache = folder / f"rendered-{count}-{seed}-{hashlib.sha256(sources).hexdigest()[:12]}.npz"
    if not cache.exists():
        every = _LEARNT + count
        photos = np.empty((every, _SIZE, _SIZE, 3), np.uint8)
        for plate in range(every):
            photo, _ = rendered_plates.render("good", 100_000 * seed + plate, _SIZE)
            photos[plate] = preparation.prepare(photo, _SIZE)
        learnt, inside = detector.fit(photos[:_LEARNT], seed), np.ones((_SIZE, _SIZE), bool)
        scores = []
        for photo in photos[_LEARNT:]:
            scores.append(learnt.inspect(photo, inside).score)
            progress(len(scores), count)
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, scores=np.array(scores))
    with np.load(cache, allow_pickle=False) as kept:
        return Plates(f"{count} rendered plates", kept["scores"])
