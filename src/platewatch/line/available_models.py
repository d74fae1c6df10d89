"""Available models: the model folders of one folder, and the manifest of each, read again when its file changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from platewatch.errors import ModelError
from platewatch.model import model_folder


@dataclass(frozen=True)
class AvailableModel:
    """A model folder that could be taken into service."""

    model_id: str
    folder: Path
    in_service: bool
    good_plates: int
    threshold: float

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values; of the folder only its name."""
        return {
            "model_id": self.model_id,
            "folder": self.folder.name,
            "in_service": self.in_service,
            "good_plates": self.good_plates,
            "threshold": self.threshold,
        }


def among(models_folder: Path, in_service: Iterable[Path]) -> tuple[AvailableModel, ...]:
    """The models of a folder and those in service, by folder name; damaged ones are left out."""
    serving = set(in_service)
    found = []
    for folder in sorted(
        serving | {path.parent.resolve() for path in models_folder.glob(f"*/{model_folder.MANIFEST}")}
    ):
        try:
            manifest = manifest_of(folder)
        except ModelError:
            continue
        good = len(manifest.calibration)
        found.append(AvailableModel(manifest.model_id, folder, folder in serving, good, manifest.threshold))
    return tuple(found)


def manifest_of(folder: Path) -> model_folder.Manifest:
    """The manifest of a model folder; raises ModelError."""
    try:
        found = (folder / model_folder.MANIFEST).stat()
    except OSError:
        return model_folder.load_manifest(folder)
    return _known(folder, (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=256)
def _known(folder: Path, _stamp: tuple[int, int, int]) -> model_folder.Manifest:
    return model_folder.load_manifest(folder)
