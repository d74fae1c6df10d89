"""Upsampling convolution of the decoder: nearest-neighbour upsampling and 3×3 convolution, with fused weights."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TAPS = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))
"""Along one axis: row i marks the weights of the 3×3 kernel whose sum is weight i of the fused kernel."""
_FUSED_FROM = 16  # px a side: on smaller pictures fusing the weights takes longer than it saves


class UpsamplingConvolution(nn.Conv2d):
    """Nearest-neighbour upsampling by 2, then a 3×3 convolution with padding 1: (N, C, P, P) → (N, D, 2P, 2P).

    After upsampling, several of the nine weights multiply the same input pixel. With `fused` these are summed in
    advance into a transposed convolution with a 4×4 kernel and stride 2: equal results, half of the multiplications.
    """

    fusing: Tensor
    """(16, 9): the matrix from the 3×3 weights to the fused 4×4 weights."""

    def __init__(self, before: int, width: int, *, bias: bool, fused: bool) -> None:
        super().__init__(before, width, 3, padding=1, bias=bias)
        self.is_fused = fused
        along = torch.tensor(_TAPS)
        self.register_buffer("fusing", torch.kron(along, along), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_fused or x.shape[-1] < _FUSED_FROM:
            return super().forward(F.interpolate(x, scale_factor=2))
        return F.conv_transpose2d(x, self._fused_weight(), self.bias, stride=2, padding=1)

    def fused(self) -> nn.ConvTranspose2d:
        """The equivalent transposed convolution, for inference."""
        inner, outer, has_bias = self.in_channels, self.out_channels, self.bias is not None
        layer = nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1, bias=has_bias, device="meta")  # no random init
        weights = self.state_dict() | {"weight": self._fused_weight().detach()}
        layer.load_state_dict(weights, assign=True)
        return layer.eval()

    def _fused_weight(self) -> Tensor:
        """The weights of the transposed convolution: (in_channels, out_channels, 4, 4)."""
        weight = self.weight.permute(0, 2, 3, 1).flatten(1, 2)  # (out_channels, 9, in_channels)
        return (self.fusing @ weight).view(self.out_channels, 4, 4, self.in_channels).permute(3, 0, 1, 2)
