"""Training of phase two: the final network and one per fold, exported, checked against torch, and drawn.

Imported only where a network is trained: torch and matplotlib are not needed for phase one.
"""

import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platewatch.arrays import Indices
from platewatch.config import Config
from platewatch.decision.sensitivity_summary import Illumination, Sensitivity
from platewatch.decision.verdict import Decision
from platewatch.errors import ModelError
from platewatch.evaluation import plots, sensitivity_plots
from platewatch.learning.preflight import GoodPlates
from platewatch.model import model_folder
from platewatch.model.runtime import Network
from platewatch.model.scoring import RawNumbers
from platewatch.model.thread_limits import cores
from platewatch.photographs import preparation
from platewatch.progress import Progress
from platewatch.skipganomaly import export
from platewatch.skipganomaly.network import Scorer
from platewatch.skipganomaly.training import Trained, fit_network

_PARITY = 8  # plates in an export's parity check


@dataclass(frozen=True)
class PhaseTwo:
    """The trained networks."""

    config: Config
    plates: GoodPlates
    final: Trained
    """Trained on all plates."""
    folds: tuple[tuple[Indices, Trained], ...]
    """For each fold the numbers of its plates, and the network trained without them."""

    def export_folds(self, progress: Progress) -> list[tuple[Indices, Network]]:
        """Each fold's network through the same export and runtime as on the line; no file is left."""
        networks = []
        with tempfile.TemporaryDirectory() as folder:
            for number, (fold, trained) in enumerate(self.folds):
                progress("exporting the folds", number, len(self.folds))
                path = Path(folder) / f"fold-{number}.onnx"
                export.export(trained, self.config, path, self.plates.photos[fold[:_PARITY]])
                networks.append((fold, Network(path)))
        progress("exporting the folds", len(self.folds), len(self.folds))
        return networks

    def write(self, folder: Path) -> Network:
        """Export the final network into the model folder and load it; raises ModelError when parity fails."""
        export.export(self.final, self.config, folder / model_folder.NETWORK, self.plates.photos[:_PARITY])
        return Network(folder / model_folder.NETWORK)

    def check_parity(self, numbers: Sequence[RawNumbers], decision: Decision) -> None:
        """Raise ModelError if the verdict on any training plate differs between torch and the runtime."""
        scorer = Scorer(self.final.generator, self.final.discriminator, self.final.mean, self.config)
        expected = export.run_torch(scorer, self.plates.photos)
        for plate, seen in enumerate(numbers):
            errors = float(expected.reconstruction_error[plate]), float(expected.latent_error[plate])
            by_torch = decision.verdict(decision.score(seen.surface, *errors))
            by_runtime = decision.verdict(decision.score(*seen.numbers))
            if by_torch is not by_runtime:
                raise ModelError(
                    "export",
                    f"training plate {plate} is {by_torch} by torch and {by_runtime} by ONNX Runtime",
                    remedy="nothing was written: train again, and report it if it stays",
                )

    def draw(self, folder: Path, network: Network, found: Sensitivity, light: Sequence[Illumination]) -> None:
        """Write the plots as PNG: sensitivity, illumination, loss curves, reconstructions beside their originals."""
        folder.mkdir()
        sensitivity_plots.sensitivity(found).savefig(folder / "sensitivity.png", dpi=144)
        sensitivity_plots.illumination(light).savefig(folder / "light.png", dpi=144)
        plots.losses({"final network": self.final.history}).savefig(folder / "losses.png")
        shown = np.linspace(0, len(self.plates.photos) - 1, 4).round().astype(int)
        photos, sizes = self.plates.photos[shown], [self.plates.sizes[plate] for plate in shown]
        plots.reconstructions(*plots.without_padding(photos, network.reconstruct(photos), sizes)).savefig(
            folder / "reconstructions.png", dpi=72
        )


def train(
    plates: GoodPlates, held_out: tuple[Indices, ...], config: Config, checkpoints: Path, progress: Progress
) -> PhaseTwo:
    """Train the final network and one network per fold, in parallel on all cores, each on one thread."""
    numbers = np.arange(len(plates.photos))
    parts = [numbers, *(np.delete(numbers, fold) for fold in held_out)]
    frames = [preparation.frame(*size, config.network.resolution) for size in plates.sizes]
    done = [0] * len(parts)
    stop, lock = threading.Event(), threading.Lock()

    def train_one(number: int) -> Trained:
        def on_epoch(epoch: int, _losses: dict[str, float]) -> None:
            with lock:
                done[number] = epoch
                progress("training networks", sum(done), config.training.epochs * len(parts))

        def on_step() -> None:
            if stop.is_set():
                raise KeyboardInterrupt

        return fit_network(
            plates.photos[parts[number]],
            config,
            seed=1000 * config.seed + number,  # fewer than 1000 folds: no two networks share a seed
            frames=[frames[plate] for plate in parts[number]],
            checkpoint=checkpoints / f"network-{number}.safetensors",
            on_epoch=on_epoch,
            on_step=on_step,
        )

    with ThreadPoolExecutor(max_workers=cores()) as pool:
        runs = [pool.submit(train_one, number) for number in range(len(parts))]
        try:
            wait(runs, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()  # trainings still running end at their next step
            pool.shutdown(cancel_futures=True)
    failures = [run.exception() for run in runs if not run.cancelled()]
    for failure in sorted((each for each in failures if each), key=lambda each: isinstance(each, KeyboardInterrupt)):
        raise failure
    final, *others = (run.result() for run in runs)
    return PhaseTwo(config, plates, final, tuple(zip(held_out, others, strict=True)))
