"""Patch features from the maps of a network's stages, as one graph: a photograph in, one vector for each 8×8 px out.

As in PatchCore (arXiv 2106.08265, section 3.1) maps are averaged over 3×3 places and brought to one size. Here each
stage's vector is divided by its own length in every patch, so that no stage outweighs the others.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from platewatch.arrays import Doubles, Floats

_SMALLEST = 1e-6


class PatchFeatures(nn.Module):
    """Features (N, S/8, S/8, F) float32 of photographs (N, S, S, 3) uint8 RGB; `stages` gives maps of their pixels."""

    def __init__(self, stages: nn.Module, projection: tuple[Floats, Floats] | None = None) -> None:
        """`projection`: the mean (G,) and the axes (G, F) on which the G joined features are projected; None: F = G."""
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor
        self.stages, self.projects = stages, projection is not None
        if projection is not None:
            mean, axes = (torch.from_numpy(np.ascontiguousarray(each)) for each in projection)
            self.register_buffer("weight", axes.T[:, :, None, None].contiguous())
            self.register_buffer("bias", -(mean @ axes))

    def forward(self, photos: Tensor) -> Tensor:
        maps: Sequence[Tensor] = self.stages(photos.permute(0, 3, 1, 2).float())
        side = photos.shape[1] // 8
        joined = torch.cat([_at(each, side) for each in maps], dim=1)
        if self.projects:
            joined = functional.conv2d(joined, self.weight, self.bias)
        return joined.permute(0, 2, 3, 1)


def _at(features: Tensor, side: int) -> Tensor:
    """One stage's map, averaged over 3×3 places, at `side` × `side` places, each place's vector of length 1.

    Means and lengths are convolutions: ONNX Runtime takes a tenth of its poolings' and sums' time for them. A sum in
    place of a mean changes no vector of length 1; only before an enlargement the number of summands counts.
    """
    channels, width = features.shape[1], features.shape[-1]
    step = max(1, width // side)
    kernel = torch.ones(channels, 1, 3 * step, 3 * step)  # 3×3 places, each of step × step
    features = functional.conv2d(features, kernel, stride=step, padding=step, groups=channels)
    if width < side:
        places = functional.conv2d(torch.ones(1, 1, width, width), torch.ones(1, 1, 3, 3), padding=1)
        features = functional.interpolate(features / places, size=(side, side), mode="bilinear", align_corners=False)
    length = functional.conv2d(features * features, torch.ones(1, channels, 1, 1)).sqrt()
    return features / length.clamp_min(_SMALLEST)


def principal_axes(features: Floats, count: int) -> tuple[Floats, Floats]:
    """Mean (G,) and the `count` axes (G, F) of the largest variance of (M, G) features; all G if `count` is larger."""
    mean: Doubles = features.mean(axis=0, dtype=np.float64)
    covariance = np.cov(features.T.astype(np.float64))
    axes = np.linalg.eigh(covariance)[1][:, ::-1][:, :count]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # an axis has no direction of its own
    return mean.astype(np.float32), (axes * signs).astype(np.float32)
