"""The networks have the published size, and the Scorer judges every plate by itself."""

import math
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from platewatch import config
from platewatch.config import Config, NetworkConfig
from platewatch.errors import InputError
from platewatch.skipganomaly.network import Discriminator, Generator, Scorer, initialise, shrink

SMALL = {"resolution": 32, "encoder": (8, 16), "discriminator": (8, 16), "feature_size": 8, "cut_skips": 1}


def small(image_size: int = 64, resolution: int = 32, **score: Any) -> Config:
    plain = {"tolerance": 0, "colours": "mean", **score}
    return config.preset("fast", image_size=image_size, network={**SMALL, "resolution": resolution}, score=plain)


def scorer(settings: Config, mean: float = 0.4) -> Scorer:
    rng = torch.Generator().manual_seed(0)
    networks = Generator(settings.network), Discriminator(settings.network)
    for network in networks:
        initialise(network, rng)
    return Scorer(*networks, mean, settings)


def photos(count: int, side: int = 64) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8))


class Grey(nn.Module):
    """Reconstructs every plate as the training mean."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


@pytest.mark.parametrize(("network", "parameters", "gflop"), [(Generator, 28.90, 35.4), (Discriminator, 2.81, 3.3)])
def test_the_reference_has_the_published_size(network: type[nn.Module], parameters: float, gflop: float) -> None:
    """A multiply-add counts as two operations, at 256×256."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        module = network(config.preset("reference").network)
        module(torch.empty(1, 3, 256, 256))
    assert sum(weight.numel() for weight in module.parameters()) / 1e6 == pytest.approx(parameters, abs=0.005)
    assert counter.get_total_flops() / 1e9 == pytest.approx(gflop, abs=0.05)


@pytest.mark.parametrize("cut_skips", [0, 1, 2, 4])
def test_skips_are_cut_from_the_finest_inwards(cut_skips: int) -> None:
    with torch.device("meta"):
        generator = Generator(NetworkConfig(cut_skips=cut_skips))
        x_hat = generator(torch.empty(2, 3, 256, 256))
    assert x_hat.shape == (2, 3, 256, 256)
    inputs = [layer.in_channels for layer in generator.decoder.modules() if isinstance(layer, nn.Conv2d)]
    inputs += [layer.in_channels for layer in generator.last.modules() if isinstance(layer, nn.Conv2d)]
    joined = [width == 2 * plain for width, plain in zip(inputs[1:], (512, 256, 128, 64), strict=True)]
    assert joined == [True] * (4 - cut_skips) + [False] * cut_skips


def test_all_skips_cut_pass_nothing_but_the_innermost_block() -> None:
    settings = NetworkConfig(resolution=32, encoder=(8, 16), cut_skips=1)
    generator = Generator(settings).eval()
    generator.encoder[-1].register_forward_hook(lambda *_: torch.zeros(1, 16, 8, 8))
    first, second = generator(torch.rand(1, 3, 32, 32)), generator(torch.rand(1, 3, 32, 32))
    assert torch.equal(first, second)


def test_one_encoder_block_is_enough() -> None:
    generator = Generator(NetworkConfig(resolution=32, encoder=(8,), discriminator=(8,)))
    assert generator(torch.rand(2, 3, 32, 32)).shape == (2, 3, 32, 32)


def test_every_weight_is_drawn_from_the_given_generator() -> None:
    first, second = (Generator(NetworkConfig(resolution=32, encoder=(32, 64))) for _ in range(2))
    for generator in (first, second):
        initialise(generator, torch.Generator().manual_seed(3))
    for (name, one), two in zip(first.named_parameters(), second.parameters(), strict=True):
        assert torch.equal(one, two), name
        if one.ndim == 4:
            assert one.std().item() == pytest.approx(0.02, rel=0.1), name
            assert abs(one.mean().item()) < 0.002, name


def test_norm_momentum_reaches_every_norm() -> None:
    norms = [m for m in Generator(NetworkConfig(norm_momentum=0.05)).modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 5 * 4 + 4
    assert {norm.momentum for norm in norms} == {0.05}


@pytest.mark.parametrize("score", [{}, {"tolerance": 2, "colours": "opponent", "blur": 3.0, "pool_fraction": 0.02}])
@pytest.mark.parametrize(("image_size", "resolution"), [(64, 32), (64, 64), (96, 64)])
def test_what_the_scorer_gives(image_size: int, resolution: int, score: dict[str, Any]) -> None:
    judge = scorer(small(image_size, resolution, **score))
    with torch.no_grad():
        scores = judge(photos(3, image_size))
    assert [(tuple(part.shape), part.dtype) for part in scores] == [
        ((3,), torch.float32),
        ((3,), torch.float32),
        ((3, image_size, image_size), torch.float32),
        ((3, resolution, resolution, 3), torch.uint8),
    ]
    assert not any(module.training for module in judge.modules())


def test_the_published_score_is_the_plain_means() -> None:
    judge = scorer(small(64, 64, blur=0.0, pool_fraction=1.0), mean=0.3)
    batch = photos(2)
    with torch.no_grad():
        scores = judge(batch)
        x = batch.permute(0, 3, 1, 2) / 255 - 0.3
        x_hat = judge.generator(x)
        f, f_hat = judge.discriminator(x)[0], judge.discriminator(x_hat)[0]
    torch.testing.assert_close(scores.reconstruction_error, (x_hat - x).abs().mean(dim=(1, 2, 3)))
    torch.testing.assert_close(scores.latent_error, ((f - f_hat) ** 2).mean(dim=1))
    torch.testing.assert_close(scores.anomaly_map, (x_hat - x).abs().mean(dim=1))


@pytest.mark.parametrize("level", [0, 1, 2, 128, 255])
def test_content_never_changes_the_scaling(level: int) -> None:
    """Invariant 2: a black or nearly black photograph is divided by 255 like any other."""
    judge = scorer(small(blur=1.0), mean=0.25)
    judge.generator = Grey()  # type: ignore[assignment] # stands in for the Generator
    scores = judge(torch.full((1, 64, 64, 3), level, dtype=torch.uint8))
    assert scores.reconstruction_error.item() == pytest.approx(abs(level / 255 - 0.25), rel=1e-5)
    assert scores.reconstruction.unique().tolist() == [round(0.25 * 255)]


def test_a_plate_is_judged_alike_in_any_batch() -> None:
    """Invariant 4."""
    judge = scorer(small(blur=1.0, pool_fraction=0.05, tolerance=1, colours="opponent"))
    batch = photos(5)
    with torch.no_grad():
        together, alone = judge(batch), [judge(photo[None]) for photo in batch]
    for whole, parts in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(whole, torch.cat(parts), rtol=1e-6, atol=1e-6)


def test_pooling_takes_the_top_pixels() -> None:
    judge = scorer(small(64, 64, blur=0.0, pool_fraction=0.01), mean=0.0)
    judge.generator = Grey()  # type: ignore[assignment] # stands in for the Generator
    photo = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    photo[0, :4, :10] = 255  # 40 of the 41 places pooled
    assert judge(photo).reconstruction_error.item() == pytest.approx(40 / 41)


class Still(nn.Module):
    """Reconstructs every plate as the given one."""

    def __init__(self, plate: Tensor) -> None:
        super().__init__()
        self.plate = plate

    def forward(self, x: Tensor) -> Tensor:
        return self.plate.expand_as(x)


@pytest.mark.parametrize(
    ("shift", "tolerance", "tolerated"), [(1, 0, False), (1, 1, True), (3, 2, False), (3, 3, True)]
)
def test_a_displaced_edge_costs_nothing_within_the_tolerance(shift: int, tolerance: int, *, tolerated: bool) -> None:
    settings = {"blur": 0.0, "pool_fraction": 1.0, "tolerance": tolerance}
    judge = scorer(small(64, 64, **settings), mean=0.0)
    photo = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    photo[:, :, 30:] = 255
    judge.generator = Still(photo.roll(shift, dims=2).permute(0, 3, 1, 2) / 255)  # type: ignore[assignment] # stands in
    scores = judge(photo)
    inner = scores.anomaly_map[:, :, 8:]  # what was rolled in from the other side is an error all the same
    assert (inner.max().item() == 0) is tolerated


def test_a_spot_on_a_uniform_reconstruction_is_an_error_at_any_tolerance() -> None:
    for tolerance in (0, 1, 3):
        judge = scorer(small(64, 64, blur=0.0, pool_fraction=1.0, tolerance=tolerance), mean=0.0)
        judge.generator = Grey()  # type: ignore[assignment] # stands in for the Generator
        photo = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
        photo[0, 20:22, 20:22] = 102
        assert judge(photo).anomaly_map[0, 20:22, 20:22].unique().tolist() == pytest.approx([0.4])


def test_colour_counts_beside_lightness() -> None:
    """Grey differs by its lightness alone; the same mean error in one colour differs by more."""
    judge = scorer(small(64, 64, blur=0.0, pool_fraction=1.0, colours="opponent"), mean=0.0)
    judge.generator = Grey()  # type: ignore[assignment] # stands in for the Generator
    photos = torch.zeros(3, 64, 64, 3, dtype=torch.uint8)
    photos[0] = 51
    photos[1, ..., 0] = 153
    photos[2, ..., 1] = 153
    scores = judge(photos)
    assert scores.reconstruction_error.tolist() == pytest.approx([0.2, math.hypot(0.2, 0.3, 0.2), math.hypot(0.2, 0.4)])


@pytest.mark.parametrize("blur", [0.5, 1.0, 4.0, 32.0])
def test_blur_spreads_without_adding(blur: float) -> None:
    judge = scorer(small(blur=blur, pool_fraction=1.0), mean=0.0)
    judge.generator = Grey()  # type: ignore[assignment] # stands in for the Generator
    photo = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    photo[0, 31:33, 31:33] = 255
    scores = judge(photo)
    assert scores.anomaly_map.max() < 0.8
    assert scores.anomaly_map.argmax() // 64 in (30, 31, 32, 33)
    if blur <= 1:  # wider, and the border's reflections count twice
        assert scores.reconstruction_error.item() == pytest.approx(1 / 32**2, rel=1e-3)


@pytest.mark.parametrize(("size", "side"), [(64, 32), (96, 32), (96, 64), (100, 33), (64, 64)])
def test_shrink_is_the_area_mean(size: int, side: int) -> None:
    photo = np.random.default_rng(1).random((size, size, 3), dtype=np.float32)
    shrunk = shrink(torch.from_numpy(photo).permute(2, 0, 1)[None], side)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(shrunk, cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA), atol=1e-5)


def test_shrink_never_enlarges() -> None:
    with pytest.raises(InputError, match="resolution 64: larger than image_size 32"):
        shrink(torch.zeros(1, 3, 32, 32), 64)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"resolution": 100}, "cannot be halved 5 times"),
        ({"cut_skips": 5}, "only 4 skip connections"),
        ({"encoder": ()}, "at least one block"),
    ],
)
def test_networks_that_cannot_be_built_are_refused(values: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        config.preset("reference", network=values)


def test_initial_output_is_finite_for_both_presets() -> None:
    for name in ("fast", "reference"):
        settings = config.preset(name, network={"encoder": (4, 4, 4, 4, 4), "discriminator": (4, 4, 4, 4)})
        with torch.no_grad():
            scores = scorer(settings)(photos(1, settings.image_size))
        assert math.isfinite(scores.reconstruction_error.item() + scores.latent_error.item())
