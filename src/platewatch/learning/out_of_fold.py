"""Good plates seen by what never saw them: cells of the other plates, and a network trained without their fold.

A surface without one plate is the final surface less that plate's cells: it costs nothing to leave out one at a time.
Networks pass through the same export and runtime as the final one, and go when the model is written.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from platewatch.arrays import Array
from platewatch.config import Config
from platewatch.decision.verdict import Decision
from platewatch.inspection import Verdict
from platewatch.learning.preflight import GoodPlates, Preflight
from platewatch.model import scoring
from platewatch.model.runtime import Network
from platewatch.model.scoring import RawNumbers, Scores
from platewatch.photographs.preparation import Frame
from platewatch.photographs.quality import QualityLimits
from platewatch.progress import Progress
from platewatch.skipganomaly import export
from platewatch.skipganomaly.training import Trained
from platewatch.surface import detector
from platewatch.surface.detector import Surface
from platewatch.synthetic.artificial_defects import random_defect

PARITY = 8
"""Plates on which an exported network is compared with torch."""
DEFECTS_PER_PLATE = 2
"""Defects tried on each good plate, one at a time."""


_KEPT = 8  # surfaces ready to be searched: who works through the plates one after the other needs no more


class Detectors:
    """Both phases for each good plate, by what never saw it or a near duplicate of it."""

    def __init__(self, fitted: Surface, groups: Sequence[int], folds: Sequence[tuple[Array, Network]]) -> None:
        """`fitted` knows all plates; those of one group are near duplicates; a network comes with what it never saw."""
        self._groups = np.asarray(groups)
        self._networks = {int(plate): network for held_out, network in folds for plate in held_out}

        @lru_cache(maxsize=_KEPT)
        def without(group: int) -> Surface:
            return fitted.without(np.flatnonzero(self._groups == group))

        self._without = without

    def of(self, plate: int) -> tuple[Surface, Network]:
        """The surface and the network that judge the plate of this number; may be asked by several threads at once."""
        return self._without(int(self._groups[plate])), self._networks[plate]


@dataclass(frozen=True)
class OutOfFold:
    """Raw numbers of every good plate, by detectors that never saw it; float64, in the plates' order."""

    good: Array
    """(N, 3): surface, reconstruction error, latent error."""
    map_score: Array
    """(N,): the network's anomaly map, pooled."""
    artificial: Array
    """(FORGED · N, 3): as `good`, with a defect forged onto each plate."""


def detectors(
    found: Preflight, folds: Sequence[tuple[Array, Trained]], final: Surface, config: Config, progress: Progress
) -> Detectors:
    """The detectors of every good plate; each fold is given as its plates and the network trained without them."""
    networks = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (fold, trained) in enumerate(folds):
            progress("exporting the folds", number, len(folds))
            path = Path(folder) / f"fold-{number}.onnx"
            export.export(trained, config, path, found.plates.photos[fold[:PARITY]])
            networks.append((fold, Network(path)))
    progress("exporting the folds", len(folds), len(folds))
    return Detectors(final, found.groups, networks)


def score(plates: GoodPlates, seen_by: Detectors, config: Config, progress: Progress) -> OutOfFold:
    """Score every plate, and the same with defects forged onto it, by detectors that never saw it."""
    good, artificial = list[RawNumbers](), list[RawNumbers]()
    rng = np.random.default_rng(config.seed)
    for plate, (photo, frame) in enumerate(zip(plates.photos, plates.frames, strict=True)):
        detectors = seen_by.of(plate)
        good.append(scoring.measure(*detectors, photo, frame))
        damaged = [random_defect(photo, rng)[0] for _ in range(DEFECTS_PER_PLATE)]
        artificial += [scoring.measure(*detectors, each, frame) for each in damaged]
        progress("scoring out of fold", len(good), len(plates.paths))
    return OutOfFold(
        good=np.array([each.numbers for each in good]),
        map_score=np.array([detector.pool(each.network_map) for each in good]),
        artificial=np.array([each.numbers for each in artificial]),
    )


def judge(
    plates: GoodPlates, seen_by: Detectors, decision: Decision, limits: QualityLimits
) -> Callable[[int, Array], Verdict]:
    """Judges a prepared photograph of a good plate, given by its number, as the line would, by what never saw it.

    It may be called by several threads at once.
    """

    def verdict(plate: int, photo: Array) -> Verdict:
        def measure(photo: Array, frame: Frame) -> Scores:
            return scoring.measure_weighted(*seen_by.of(plate), photo, frame, decision)

        return scoring.judge_prepared(photo, plates.frames[plate], decision, limits, measure).verdict

    return verdict
