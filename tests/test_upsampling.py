"""Taps added up beforehand draw and learn what the convolution of the doubled picture does."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from platewatch.skipganomaly import upsampling
from platewatch.skipganomaly.upsampling import UpsamplingConvolution


def layer_and_picture(side: int, *, bias: bool) -> tuple[UpsamplingConvolution, Tensor]:
    rng = torch.Generator().manual_seed(0)
    layer = UpsamplingConvolution(6, 4, bias=bias, fused=True).double()
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, generator=rng)
    return layer, torch.randn(2, 6, side, side, generator=rng, dtype=torch.float64)


def plainly(layer: UpsamplingConvolution, x: Tensor) -> Tensor:
    return F.conv2d(F.interpolate(x, scale_factor=2), layer.weight, layer.bias, padding=1)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("side", [1, 5, upsampling._FUSED_FROM - 1, upsampling._FUSED_FROM, 23])
def test_it_draws_and_learns_as_on_the_doubled_picture(side: int, bias: bool) -> None:
    layer, x = layer_and_picture(side, bias=bias)
    x.requires_grad_()
    results = []
    for draw in (layer, lambda x: plainly(layer, x)):
        y = draw(x)
        results.append((y, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("bias", [True, False])
def test_summed_up_for_good_it_is_a_plain_layer(bias: bool) -> None:
    layer, x = layer_and_picture(7, bias=bias)
    state = torch.get_rng_state()
    fused = layer.fused()
    torch.testing.assert_close(fused(x), plainly(layer, x))
    assert (fused.bias is not None) is bias
    assert torch.equal(torch.get_rng_state(), state)  # training draws from it elsewhere


def test_only_the_taps_are_kept() -> None:
    assert list(UpsamplingConvolution(6, 4, bias=True, fused=True).state_dict()) == ["weight", "bias"]
