"""Fused upsampling convolutions give the outputs and gradients of the unfused ones."""

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


def unfused(layer: UpsamplingConvolution, x: Tensor) -> Tensor:
    return F.conv2d(F.interpolate(x, scale_factor=2), layer.weight, layer.bias, padding=1)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("side", [1, 5, upsampling._FUSED_FROM - 1, upsampling._FUSED_FROM, 23])
def test_outputs_and_gradients_are_those_of_upsampling_and_convolution(side: int, bias: bool) -> None:
    layer, x = layer_and_picture(side, bias=bias)
    x.requires_grad_()
    results = []
    for compute in (layer, lambda x: unfused(layer, x)):
        y = compute(x)
        results.append((y, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("bias", [True, False])
def test_the_layer_for_inference_gives_the_same_output(bias: bool) -> None:
    layer, x = layer_and_picture(7, bias=bias)
    state = torch.get_rng_state()
    fused = layer.fused()
    torch.testing.assert_close(fused(x), unfused(layer, x))
    assert (fused.bias is not None) is bias
    assert torch.equal(torch.get_rng_state(), state)  # training uses the global generator


def test_only_weight_and_bias_are_in_the_state() -> None:
    assert list(UpsamplingConvolution(6, 4, bias=True, fused=True).state_dict()) == ["weight", "bias"]
