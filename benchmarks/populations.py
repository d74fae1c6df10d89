"""Sources of good plates' scores for `simulation`: rendered plates, the scores of a model, and formulas."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy import special

from benchmarks.harness import say
from platewatch.arrays import Doubles
from platewatch.model import model_folder
from platewatch.photographs import preparation
from platewatch.surface import detector
from platewatch.synthetic import rendered_plates

_SIZE = 128  # px: small pictures are rendered and scored faster; their scores are exchangeable too
LEARNT = 50
_SPREAD = 0.2  # standard deviation of the log scores of grouped plates
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(100)  # quadrature over a standard normal variable
_FURTHER = 10  # plates for p-values after each split
Above = Callable[[Doubles], Doubles]
"""Thresholds (T,) → the fraction of the judged plates above each."""


class Split(NamedTuple):
    """Good plates for calibration, and those that are judged afterwards."""

    scores: Doubles  # (n,) of the calibration plates
    further: Doubles  # (10,) of judged plates; fewer when fewer are left
    above: Above
    judged: int | None = None  # number of judged plates; None when the fraction is exact
    groups: tuple[int, ...] | None = None  # the group of each of `scores`; then `above` is the fraction of groups

    @property
    def independent(self) -> int:
        """The number of calibration plates, or of their groups."""
        return len(set(self.groups)) if self.groups else len(self.scores)


@dataclass(frozen=True)
class Endless:
    """A distribution of scores: `draw` gives n scores, `above` is exact."""

    name: str
    draw: Callable[[Generator, int], Doubles]
    above: Above

    def split(self, rng: Generator, count: int) -> Split:
        """`count` random plates for calibration; all others are judged."""
        scores = self.draw(rng, count + _FURTHER)
        return Split(scores[:count], scores[count:], self.above)


@dataclass(frozen=True)
class Grouped:
    """Log-normal plates in groups of `size` whose log scores have the correlation `alike` within a group.

    `count` of a split is the number of groups. A group is above a threshold when any of its plates is.
    """

    size: int
    alike: float

    @property
    def name(self) -> str:
        return f"groups of {self.size}, correlation {self.alike:g}".replace("0.", ".")

    def draw(self, rng: Generator, count: int) -> Doubles:
        """The scores of `count` groups, (count, size)."""
        shared, own = rng.standard_normal((count, 1)), rng.standard_normal((count, self.size))
        return np.asarray(np.exp(_SPREAD * (np.sqrt(self.alike) * shared + np.sqrt(1 - self.alike) * own)))

    def above(self, limits: Doubles) -> Doubles:
        """The fraction of groups with a plate above each limit: exact up to quadrature."""
        deviations = np.log(limits)[:, None] / _SPREAD - np.sqrt(self.alike) * _NODES
        within = special.ndtr(deviations / np.sqrt(1 - self.alike)) ** self.size
        return np.asarray(1 - within @ _WEIGHTS / _WEIGHTS.sum())

    def split(self, rng: Generator, count: int) -> Split:
        """`count` random groups for calibration, and one plate of each of 10 further groups."""
        groups = tuple(np.repeat(np.arange(count), self.size).tolist())
        return Split(self.draw(rng, count).ravel(), self.draw(rng, _FURTHER)[:, 0], self.above, groups=groups)


@dataclass(frozen=True)
class Plates:
    """Some of the plates calibrate, all others are judged. `beyond` is used when less than half would be left."""

    name: str
    scores: Doubles
    beyond: Endless | None = None

    def split(self, rng: Generator, count: int) -> Split:
        if self.beyond and 2 * count > len(self.scores):
            return self.beyond.split(rng, count)
        mixed = rng.permutation(self.scores)
        rest = np.sort(mixed[count:])
        above: Above = lambda limits: 1 - np.searchsorted(rest, limits, side="right") / len(rest)  # noqa: E731
        return Split(mixed[:count], mixed[count : count + _FURTHER], above, len(rest))


def bells(name: str, weights: Doubles, centres: Doubles, widths: Doubles) -> Endless:
    """Plates whose log scores are a mixture of normal distributions, (K,) each."""

    def draw(rng: Generator, count: int) -> Doubles:
        kinds = rng.choice(len(weights), count, p=weights)
        return np.asarray(np.exp(centres[kinds] + widths[kinds] * rng.standard_normal(count)))

    above: Above = lambda limits: special.ndtr((centres - np.log(limits)[:, None]) / widths) @ weights  # noqa: E731
    return Endless(name, draw, above)


def pareto(name: str, index: float) -> Endless:
    """Plates with P(score > s) = s^−index, s ≥ 1: without a variance below 2."""
    above: Above = lambda limits: np.maximum(limits, 1.0) ** -index  # noqa: E731
    return Endless(name, lambda rng, count: 1 + rng.pareto(index, count), above)


def smoothed(name: str, scores: Doubles) -> Endless:
    """Log scores drawn with replacement, each with normal noise of Silverman's width .9 min(σ, IQR / 1.34) m^(−1/5)."""
    logs, ones = np.log(scores), np.ones(len(scores))
    quarters = np.subtract(*np.percentile(logs, [75, 25]))
    width = 0.9 * min(float(logs.std(ddof=1)), float(quarters) / 1.34) * len(logs) ** -0.2
    return bells(name, ones / len(logs), logs, width * ones)


def formulas() -> list[Endless]:
    """Populations of a known distribution: the log-normal one that `limit` assumes, and three others."""
    return [
        bells("lognormal", np.array([1.0]), np.array([0.0]), np.array([0.2])),
        bells("lognormal, 10 % glaring", np.array([0.9, 0.1]), np.array([0, np.log(3)]), np.array([0.2, 0.3])),
        pareto("heavy tail (Pareto 1.5)", 1.5),
        bells("two kinds, 55 : 45", np.array([0.55, 0.45]), np.array([0, 1.5]), np.array([0.01, 0.01])),
    ]


def grouped() -> list[Grouped]:
    """Groups of 4 and 8 plates that are alike in part and nearly the same."""
    return [Grouped(size, alike) for size in (4, 8) for alike in (0.5, 0.9)]


def of_model(folder: Path) -> Plates:
    """The out-of-fold scores of a model's good plates."""
    scores = np.array([plate.score for plate in model_folder.load_manifest(folder).calibration])
    name = f"{len(scores)} real plates, {folder.name}"
    return Plates(name, scores, smoothed(name, scores))


def rendered(count: int, seed: int) -> Plates:
    """`count` rendered good plates, scored by a detector fitted to 50 others; 2,000 take two minutes."""
    say(f"rendering and scoring {count} plates")
    photos = [rendered_plates.render("good", 100_000 * seed + plate, _SIZE)[0] for plate in range(LEARNT + count)]
    photos = [preparation.prepare(photo, _SIZE) for photo in photos]
    learnt, inside = detector.fit(np.stack(photos[:LEARNT]), seed), np.ones((_SIZE, _SIZE), bool)
    scores = [learnt.inspect(photo, inside).score for photo in photos[LEARNT:]]
    return Plates(f"{count} rendered plates", np.array(scores))
