"""Networks as they are before training, good enough to run, and their exported graph."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from platewatch import config
from platewatch.arrays import Photos
from platewatch.skipganomaly.export import ExportReport, export
from platewatch.skipganomaly.network import Discriminator, Generator, initialise
from platewatch.skipganomaly.training import Trained

CONFIG = config.preset(
    "fast",
    image_size=64,
    network={"resolution": 32, "encoder": (8, 16), "discriminator": (8, 16), "feature_size": 8, "cut_skips": 1},
    score={"blur": 1.0, "pool_fraction": 0.05},
)
PHOTOS: Photos = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


def networks(seed: int = 0) -> Trained:
    rng = torch.Generator().manual_seed(seed)
    generator, discriminator = Generator(CONFIG.network), Discriminator(CONFIG.network)
    for network in (generator, discriminator):
        initialise(network, rng)
    return Trained(generator.eval(), discriminator.eval(), 0.4, ())


def build(folder: Path) -> None:
    """`model/network.onnx` with those of seed 0, and in report.json what `export` says of it."""
    (folder / "model").mkdir()
    report = export(networks(), CONFIG, folder / "model" / "network.onnx", PHOTOS)
    (folder / "report.json").write_text(json.dumps(asdict(report)))


def report(folder: Path) -> ExportReport:
    """What `export` said."""
    return ExportReport(**json.loads((folder / "report.json").read_text()))
