"""The published network in eager torch, float32: the reference for the speed of a verdict in `platewatch bench`."""

import torch

from platewatch import config
from platewatch.arrays import Photos
from platewatch.skipganomaly.export import run_torch
from platewatch.skipganomaly.network import Discriminator, Generator, Scorer, initialise


class ReferenceNetwork:
    """The published network with random weights; trained weights would take the same time."""

    def __init__(self) -> None:
        """Build the network and limit torch to one thread in this process."""
        torch.set_num_threads(1)
        settings = config.preset("reference")
        rng = torch.Generator().manual_seed(0)
        generator, discriminator = Generator(settings.network), Discriminator(settings.network)
        for network in (generator, discriminator):
            initialise(network, rng)
        self._scorer = Scorer(generator, discriminator, 0.5, settings)
        self.image_size = settings.image_size
        """Side S of the input, px."""

    def score(self, photos: Photos) -> float:
        """Mean reconstruction error of (N, S, S, 3) uint8 photographs."""
        return float(run_torch(self._scorer, photos).reconstruction_error.mean())
