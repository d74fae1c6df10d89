"""Out-of-fold scores: every good plate is scored by detectors fitted without it.

The surface is leave-one-group-out: the final banks without the patches of the plate's group. The network is trained
without the plate's fold; it goes through the same export and runtime as the final one and is deleted when the model is
written.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from platewatch.arrays import Doubles, Indices, Photo
from platewatch.config import Config
from platewatch.decision.verdict import Decision
from platewatch.inspection import Verdict
from platewatch.learning.preflight import GoodPlates
from platewatch.model import scoring
from platewatch.model.runtime import Network
from platewatch.model.scoring import Checks, RawNumbers
from platewatch.photographs.preparation import Frame
from platewatch.progress import Progress
from platewatch.surface import fusion
from platewatch.surface.detector import Surface
from platewatch.synthetic.hard_defects import hard_defect

DEFECTS_PER_PLATE = 4
"""Number of artificial defects on each good plate, one at a time, to choose alpha and weight."""

_KEPT = 64  # surfaces kept in memory, of about 2 MB; each plate's is used for its score and for its trials


def leaving_out(fitted: Surface, groups: Sequence[int]) -> Callable[[int], Surface]:
    """A function that gives the surface without the plates of one of the `groups` (N,); it keeps the newest few."""
    numbers = np.asarray(groups)

    @lru_cache(maxsize=_KEPT)
    def without(group: int) -> Surface:
        return fitted.without(np.flatnonzero(numbers == group))

    return without


class Detectors:
    """For each good plate the detectors fitted without its group."""

    def __init__(self, fitted: Surface, groups: Sequence[int], folds: Sequence[tuple[Indices, Network]]) -> None:
        """`fitted`: the surface of all plates. `groups`: the number of each plate's group.

        `folds`: for each fold the numbers of its plates, and the network trained without them; none without phase two.
        """
        self._groups = np.asarray(groups)
        self._networks = {int(plate): network for held_out, network in folds for plate in held_out}
        self._without = leaving_out(fitted, groups)

    def of(self, plate: int) -> tuple[Surface, Network | None]:
        """The surface and the network for the plate of this number; may be called by several threads at once."""
        return self._without(int(self._groups[plate])), self._networks.get(plate)


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold raw numbers of the N good plates; float64, in the plates' order; NaN for what was not measured."""

    good: Doubles
    """(N, 3): surface score, reconstruction error, latent error."""
    map_score: Doubles
    """(N,): the network's anomaly map, pooled."""
    artificial: Doubles
    """(DEFECTS_PER_PLATE · N, 3): as `good`, of plates with one artificial defect each; (0, 3) without phase two."""


def score(plates: GoodPlates, detectors: Detectors, config: Config, progress: Progress) -> OutOfFold:
    """Score every good plate out of fold, as it is and with artificial defects."""
    good, artificial = list[RawNumbers](), list[RawNumbers]()
    rng = np.random.default_rng(config.seed)
    cut = [frame.cut(photo) for photo, frame in zip(plates.photos, plates.frames, strict=True)]
    for plate, (photo, frame) in enumerate(zip(plates.photos, plates.frames, strict=True)):
        pair = detectors.of(plate)
        good.append(scoring.measure(*pair, photo, frame))
        if config.skipganomaly:  # they choose alpha and the phases' weight
            others = cut[:plate] + cut[plate + 1 :]
            damaged = [hard_defect(photo, rng, plates.parts[plate], others)[0] for _ in range(DEFECTS_PER_PLATE)]
            artificial += [scoring.measure(*pair, each, frame) for each in damaged]
        progress("scoring out of fold", len(good), len(plates.paths))
    return OutOfFold(
        good=np.array([each.numbers for each in good], float),
        map_score=np.array(
            [
                fusion.pool(each.second.anomaly_map, inside=inside) if each.second else np.nan
                for each, inside in zip(good, plates.insides(), strict=True)
            ]
        ),
        artificial=np.array([each.numbers for each in artificial], float).reshape(-1, 3),
    )


def judge(
    plates: GoodPlates, detectors: Detectors, decision: Decision, checks: Checks
) -> Callable[[int, Photo], Verdict]:
    """A function that gives the out-of-fold verdict on a prepared photograph of the good plate of a number.

    The checks are included. Only detectors with weight are run. The function may be called by several threads at once.
    """
    phases = scoring.weighted(decision)

    def verdict(plate: int, photo: Photo) -> Verdict:
        def measure(photo: Photo, frame: Frame) -> RawNumbers:
            return scoring.measure(*detectors.of(plate), photo, frame, phases)

        frame, size = plates.frames[plate], plates.sizes[plate]
        return scoring.judge_prepared(photo, frame, decision, checks, measure, size=size).verdict

    return verdict
