"""Good plates seen by detectors that never saw them: for each fold a surface and a network fitted without its plates.

They pass through the same export and runtime as the final ones, and go when the model is written.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platewatch import export, gates, inspector, surface
from platewatch.config import Config
from platewatch.forge import forge
from platewatch.gates import Limits
from platewatch.images import Array
from platewatch.inspection import Verdict
from platewatch.inspector import RawNumbers
from platewatch.preflight import GoodPlates, Progress
from platewatch.runtime import Network
from platewatch.surface import Surface
from platewatch.train import Trained
from platewatch.verdict import Decision

PARITY = 8
"""Plates on which an exported network is compared with torch."""
FORGED = 2
"""Defects tried on each good plate, one at a time."""


@dataclass(frozen=True)
class FoldDetectors:
    """A surface and a network, fitted to all good plates but those of one fold."""

    plates: Array
    """The numbers of the plates that they never saw."""
    surface: Surface
    network: Network


@dataclass(frozen=True)
class OutOfFold:
    """Raw numbers of every good plate, by detectors that never saw it; float64, in the plates' order."""

    good: Array
    """(N, 3): surface, reconstruction error, latent error."""
    map_score: Array
    """(N,): the network's anomaly map, pooled."""
    forged: Array
    """(FORGED · N, 3): as `good`, with a defect forged onto each plate."""


def detectors(
    plates: GoodPlates, folds: Sequence[tuple[Array, Trained]], final: Surface, config: Config, progress: Progress
) -> tuple[FoldDetectors, ...]:
    """The detectors of each fold, given as (held-out plates, network trained without them); units are the final's."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (fold, trained) in enumerate(folds):
            progress("exporting the folds", number, len(folds))
            of_fold = surface.refit(final, np.delete(plates.photos, fold, axis=0), config.seed)
            path = Path(folder) / f"fold-{number}.onnx"
            export.export(trained, config, path, plates.photos[fold[:PARITY]])
            made.append(FoldDetectors(fold, of_fold, Network(path)))
    progress("exporting the folds", len(folds), len(folds))
    return tuple(made)


def score(plates: GoodPlates, folds: Sequence[FoldDetectors], config: Config, progress: Progress) -> OutOfFold:
    """Score every plate, and the same with defects forged onto it, by the surface and network of its fold."""
    good: dict[int, RawNumbers] = {}
    forged: list[RawNumbers] = []
    rng = np.random.default_rng(config.seed)
    for fold in folds:
        for plate in fold.plates:
            photo, frame = plates.photos[plate], plates.frames[plate]
            good[plate] = inspector.measure(fold.surface, fold.network, photo, frame)
            damaged = [forge(photo, rng)[0] for _ in range(FORGED)]
            forged += [inspector.measure(fold.surface, fold.network, each, frame) for each in damaged]
            progress("scoring out of fold", len(good), len(plates.paths))
    ordered = [good[each] for each in range(len(plates.paths))]
    return OutOfFold(
        good=np.array([each.numbers for each in ordered]),
        map_score=np.array([surface.pool(each.network_map) for each in ordered]),
        forged=np.array([each.numbers for each in forged]),
    )


def judge(
    plates: GoodPlates, folds: Sequence[FoldDetectors], decision: Decision, limits: Limits
) -> Callable[[int, Array], Verdict]:
    """Judges a prepared photograph of a good plate, given by its number, as the line would, by its fold's detectors.

    It may be called by several threads at once.
    """
    of_plate = {int(plate): fold for fold in folds for plate in fold.plates}

    def verdict(plate: int, photo: Array) -> Verdict:
        frame, fold = plates.frames[plate], of_plate[plate]
        if gates.judgeable(gates.measure(frame.cut(photo)), limits) is not None:
            return Verdict.REVIEW
        return decision.verdict(decision.score(*inspector.measure(fold.surface, fold.network, photo, frame).numbers))

    return verdict
