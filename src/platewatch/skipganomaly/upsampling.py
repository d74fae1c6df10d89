"""The decoder's layer: doubles a picture's side and convolves it, with taps added up where they fall on one place."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_TAPS = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))
"""Along one side: which of the three taps on the doubled picture each of four taps on the picture itself adds up."""
_FUSED_FROM = 16  # px a side: on smaller pictures adding up the taps takes training longer than it spares


class UpsamplingConvolution(nn.Conv2d):
    """Doubles the side, each place four times the same, then convolves with 3×3 taps; padded, so that the side stays.

    Several of nine taps fall on one place of the picture as it was. Added up beforehand, where `summed`, they are a
    transposed convolution with 4×4 taps, of which each new place meets 2×2: the same numbers for half of the
    multiplications.
    """

    sums: Tensor

    def __init__(self, before: int, width: int, *, bias: bool, fused: bool) -> None:
        super().__init__(before, width, 3, padding=1, bias=bias)
        self.is_fused = fused
        along = torch.tensor(_TAPS)
        self.register_buffer("sums", torch.kron(along, along), persistent=False)  # (16, 9)

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_fused or x.shape[-1] < _FUSED_FROM:
            return super().forward(F.interpolate(x, scale_factor=2))
        return F.conv_transpose2d(x, self._sum(), self.bias, stride=2, padding=1)

    def fused(self) -> nn.ConvTranspose2d:
        """The same layer with its taps added up once and for all, to be used and not to be trained."""
        inner, outer, has_bias = self.in_channels, self.out_channels, self.bias is not None
        layer = nn.ConvTranspose2d(inner, outer, 4, stride=2, padding=1, bias=has_bias, device="meta")  # draws nothing
        weights = self.state_dict() | {"weight": self._sum().detach()}
        layer.load_state_dict(weights, assign=True)
        return layer.eval()

    def _sum(self) -> Tensor:
        """The 4×4 taps as a transposed convolution has them: (in_channels, out_channels, 4, 4)."""
        taps = self.weight.permute(0, 2, 3, 1).flatten(1, 2)  # (O, 9, I)
        return (self.sums @ taps).view(self.out_channels, 4, 4, self.in_channels).permute(3, 0, 1, 2)
