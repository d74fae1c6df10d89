"""The reference network's score in eager torch, float32: what a verdict's time is measured against."""

import torch

from platewatch import config
from platewatch.skipganomaly.export import Photos, run_torch
from platewatch.skipganomaly.network import Discriminator, Generator, Scorer, initialise


class ReferenceNetwork:
    """The published network with random weights: trained ones take the same time."""

    def __init__(self) -> None:
        """Build it; torch takes one thread from then on, so that core time is not spent on waiting for each other."""
        torch.set_num_threads(1)
        settings = config.preset("reference")
        rng = torch.Generator().manual_seed(0)
        generator, discriminator = Generator(settings.network), Discriminator(settings.network)
        for network in (generator, discriminator):
            initialise(network, rng)
        self._scorer = Scorer(generator, discriminator, 0.5, settings)
        self.image_size = settings.image_size
        """Side in px of the photographs that it takes."""

    def score(self, photos: Photos) -> float:
        """Score (N, S, S, 3) uint8 photographs."""
        return float(run_torch(self._scorer, photos).reconstruction_error.mean())
