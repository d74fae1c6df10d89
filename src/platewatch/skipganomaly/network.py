"""Skip-GANomaly's networks: Generator (U-Net), Discriminator, and the Scorer that computes errors and is exported.

Akçay et al. 2019, arXiv 1901.08954; choices that the paper leaves open are in docs/log.md. In shapes N is the batch, S
the side of the prepared photograph, R the side of the network's input (`NetworkConfig.resolution`).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from platewatch.config import Config, NetworkConfig
from platewatch.errors import InputError
from platewatch.skipganomaly.upsampling import UpsamplingConvolution


class Generator(nn.Module):
    """Reconstructs a plate: a U-Net of strided encoder blocks and as many upsampling blocks.

    Input and output (N, 3, R, R) float32. The input is in [0, 1] less the training mean, the output in (-1, 1).
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        widths, momentum = config.encoder, config.norm_momentum
        self.cut_skips = config.cut_skips
        self.encoder = nn.ModuleList(
            nn.Sequential(
                *_conv(before, width, kernel=4, stride=2, momentum=momentum),
                *(layer for _ in range(config.convolutions) for layer in _conv(width, width, momentum=momentum)),
            )
            for before, width in zip((3, *widths[:-1]), widths, strict=True)
        )
        self.decoder = nn.ModuleList()
        before = widths[-1]
        for depth in reversed(range(len(widths) - 1)):
            upsampling = UpsamplingConvolution(before, widths[depth], bias=False, fused=config.fused_upsampling)
            self.decoder.append(nn.Sequential(upsampling, *_norm(widths[depth], momentum)))
            before = widths[depth] * (2 if self._has_skip(depth) else 1)
        self.last = nn.Sequential(UpsamplingConvolution(before, 3, bias=True, fused=config.fused_upsampling), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        encoded = []
        for block in self.encoder:
            x = block(x)  # (N, encoder[i], R / 2^(i + 1), same)
            encoded.append(x)
        for depth, block in zip(reversed(range(len(encoded) - 1)), self.decoder, strict=True):
            x = block(x)
            if self._has_skip(depth):
                x = torch.cat([x, encoded[depth]], dim=1)
        x_hat: Tensor = self.last(x)  # (N, 3, R, R)
        return x_hat

    def _has_skip(self, depth: int) -> bool:
        """Whether the skip connection of an encoder block is kept; depth 0 is the outermost, with the finest detail."""
        return depth >= self.cut_skips


class Discriminator(nn.Module):
    """Tells photographs from reconstructions; the latent error compares its features of both.

    Input (N, 3, R, R) float32; output the feature (N, feature_size) and the real/fake logit (N,).
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        widths = config.discriminator
        self.blocks = nn.Sequential(
            *(
                layer
                for before, width in zip((3, *widths[:-1]), widths, strict=True)
                for layer in _conv(before, width, kernel=4, stride=2, momentum=config.norm_momentum, slope=0.2)
            )
        )
        self.feature = nn.Linear(widths[-1], config.feature_size)
        # computed from the feature: otherwise no loss would train the feature
        self.logit = nn.Linear(config.feature_size, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled = self.blocks(x).mean(dim=(2, 3))  # (N, discriminator[-1])
        feature: Tensor = self.feature(pooled)
        return feature, self.logit(feature).squeeze(1)


class Scores(NamedTuple):
    """The outputs of the exported graph, in this order; scales and limits are applied later, from manifest.json."""

    reconstruction_error: Tensor
    """(N,) float32: mean of the error map's top `pool_fraction` pixels."""
    latent_error: Tensor
    """(N,) float32: mean of (f − f̂)² over the discriminator's feature."""
    anomaly_map: Tensor
    """(N, S, S) float32: the error map |x̂ − x| as ScoreConfig sets it, enlarged."""
    reconstruction: Tensor
    """(N, R, R, 3) uint8: the reconstructed plate, for people."""


class Scorer(nn.Module):
    """Errors and maps from photographs: the module that is exported, scaling included.

    Input (N, S, S, 3) uint8 RGB as `preparation.prepare` gives it. Scaling does not depend on the photograph (invariant
    2). The two networks are not copied; they are set to evaluation mode.
    """

    mean: Tensor
    blur: Tensor

    def __init__(self, generator: Generator, discriminator: Discriminator, mean: float, config: Config) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.image_size, self.resolution = config.image_size, config.network.resolution
        self.score = config.score
        self.pooled_places = max(1, round(config.score.pool_fraction * self.resolution**2))
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("blur", _blur(config.score.blur, self.resolution))  # (R, R)
        self.eval()

    def forward(self, photos: Tensor) -> Scores:
        x = shrink(photos.permute(0, 3, 1, 2).float(), self.resolution) / 255 - self.mean  # (N, 3, R, R)
        x_hat = self.generator(x)
        feature, _ = self.discriminator(x)
        feature_hat, _ = self.discriminator(x_hat)
        errors = self._compare(x, x_hat)  # (N, 1, R, R)
        if self.score.blur > 0:
            errors = self.blur @ errors @ self.blur.T
        reconstruction = ((x_hat + self.mean).clamp(0, 1) * 255).round().to(torch.uint8)
        return Scores(
            reconstruction_error=self._pool(errors.flatten(1)),
            latent_error=(feature - feature_hat).square().mean(dim=1),
            anomaly_map=self._enlarge(errors).squeeze(1),
            reconstruction=reconstruction.permute(0, 2, 3, 1),
        )

    def _compare(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """The error map (N, 1, R, R): distance of x from the range of x̂ within the tolerance, channels combined."""
        if self.score.colours == "opponent":
            x, x_hat = opponent(x), opponent(x_hat)
        if self.score.tolerance == 0:
            errors = (x_hat - x).abs()
        else:
            errors = (x - _largest(x_hat, self.score.tolerance)).relu()
            errors = errors + (-x - _largest(-x_hat, self.score.tolerance)).relu()
        if self.score.colours == "mean":
            return errors.mean(dim=1, keepdim=True)
        return errors.square().sum(dim=1, keepdim=True).sqrt()

    def _pool(self, errors: Tensor) -> Tensor:
        if self.pooled_places < self.resolution**2:
            errors = errors.topk(self.pooled_places, dim=1, sorted=False).values
        return errors.mean(dim=1)

    def _enlarge(self, errors: Tensor) -> Tensor:
        if self.image_size == self.resolution:
            return errors
        return F.interpolate(errors, size=(self.image_size, self.image_size), mode="bilinear", align_corners=False)


def initialise(module: nn.Module, rng: torch.Generator) -> None:
    """Random weights from N(0, 0.02), batch norm's scales from N(1, 0.02), biases 0 (DCGAN, arXiv 1511.06434)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            centre = 1.0 if isinstance(layer, nn.BatchNorm2d) else 0.0
            nn.init.normal_(layer.weight, centre, 0.02, generator=rng)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def recalibrate_batch_norm(generator: Generator, discriminator: Discriminator, batches: Sequence[Tensor]) -> None:
    """Recalibrate the batch-norm statistics of averaged weights with batches (B, 3, R, R) of good plates, B ≥ 2.

    Averaged weights have no running statistics of their own (arXiv 1803.05407, section 3.2). The discriminator's come
    from the plates and from their reconstructions. Leaves the generator in evaluation mode.
    """
    update_bn(batches, generator)
    with torch.no_grad():
        reconstructed = [generator.eval()(x) for x in batches]
    update_bn([*batches, *reconstructed], discriminator)


def opponent(x: Tensor) -> Tensor:
    """Opponent colours (N, 3, R, R) of RGB: lightness, yellow–blue, green–purple; the last two are 0 for grey."""
    red, green, blue = x.chunk(3, dim=1)
    return torch.cat([(red + green + blue) / 3, (red - blue) / 2, (2 * green - red - blue) / 3], dim=1)


def _largest(x: Tensor, radius: int) -> Tensor:
    """The largest value of each channel in the square of ± `radius` px around each pixel."""
    return F.max_pool2d(x, 2 * radius + 1, stride=1, padding=radius)


def shrink(x: Tensor, side: int) -> Tensor:
    """Downsample (N, C, S, S) float to (N, C, side, side): each pixel is the mean of the area that it covers.

    Raises InputError when `side` is larger than S.
    """
    size = x.shape[-1]
    if side == size:
        return x
    if side > size:
        raise InputError(
            f"network.resolution {side}", f"larger than image_size {size}", remedy="raise image_size or lower it"
        )
    if size % side == 0:
        return F.avg_pool2d(x, size // side)
    weights = _area_weights(size, side).to(x)
    return weights @ x @ weights.T


def _area_weights(size: int, side: int) -> Tensor:
    """Matrix (side, size) float32 that averages `size` px down to `side` px; rows add up to 1."""
    edges = torch.arange(side + 1, dtype=torch.float64) * (size / side)
    pixels = torch.arange(size, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return (overlap.clamp(min=0) * (side / size)).float()


def _blur(spread: float, side: int) -> Tensor:
    """Matrix (side, side) float32 of a Gaussian blur along one axis, reflected at the ends."""
    reach = min(math.ceil(3 * spread), side - 1)  # a reflection comes from within the map
    away = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (away / max(spread, 1e-6)).square())
    reflected = F.pad(torch.eye(side, dtype=torch.float64)[None], (reach, reach), mode="reflect")[0]
    return (reflected.unfold(1, len(weights), 1) @ (weights / weights.sum())).T.float()


def _conv(
    before: int, width: int, *, kernel: int = 3, stride: int = 1, momentum: float, slope: float = 0.0
) -> list[nn.Module]:
    """Convolution, batch norm, ReLU (LeakyReLU if `slope` > 0); no bias, because batch norm subtracts it."""
    return [
        nn.Conv2d(before, width, kernel, stride, padding=1, bias=False),
        *_norm(width, momentum, slope),
    ]


def _norm(width: int, momentum: float, slope: float = 0.0) -> list[nn.Module]:
    return [
        nn.BatchNorm2d(width, momentum=momentum),
        nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True),
    ]
