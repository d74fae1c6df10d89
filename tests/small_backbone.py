"""A network of three convolutions that stands for one of timm: models with texture features without real weights."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import Tensor, nn


class Stages(nn.Module):
    """Three convolutions of stride 4, 8 and 16."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_info = SimpleNamespace(reduction=lambda: [2, 4, 8, 16])
        self.pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
        self.convolutions = nn.ModuleList(nn.Conv2d(3, 8, stride, stride) for stride in (4, 8, 16))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [each(x) for each in self.convolutions]


def install(patch: pytest.MonkeyPatch) -> None:
    """A module timm whose every network is `Stages`."""
    module = ModuleType("timm")
    vars(module)["create_model"] = lambda _name, **_options: Stages()
    patch.setitem(sys.modules, "timm", module)


def weights(folder: Path) -> str:
    """Write random weights into the folder, the same at each call; returns the value for `--backbone`."""
    torch.manual_seed(0)
    torch.save(Stages().state_dict(), folder / "weights.pth")
    return f"timm:small={folder / 'weights.pth'}"
