"""Good photographs that a model folder keeps as small pictures, to show beside a plate what good looks like."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from platewatch.arrays import Floats, Photo
from platewatch.errors import ModelError, NotFound
from platewatch.model import model_folder
from platewatch.model.model_folder import Manifest
from platewatch.photographs import likeness, reading, thumbnails
from platewatch.photographs.preparation import Frame

_SIDE, _QUALITY = 320, 70  # of pictures that are made of an older model's plates


@dataclass(frozen=True)
class GoodExamples:
    """The good photographs of one model: files as WebP, and the reduced pictures by which they are compared."""

    files: tuple[bytes, ...]
    reduced: tuple[Floats, ...]

    def nearest(self, photo: Photo) -> bytes:
        """The WebP file of the good photograph that is most like the (H, W, 3) uint8 one."""
        return self.files[likeness.nearest(photo, self.reduced)]


def load(folder: Path, manifest: Manifest) -> GoodExamples:
    """The good photographs of a model folder; of an older one the few plates that `verify` judges again.

    Raises ModelError when a file is missing or altered, NotFound when the folder has none.
    """
    names = sorted(name for name in manifest.files if name.startswith(f"{model_folder.EXAMPLES}/"))
    if names:
        files = [_checked(folder, manifest, name) for name in names]
        photos = [reading.read(data) for data in files]
    else:
        photos = _replayed(folder, manifest)
        files = [thumbnails.webp(photo, _SIDE, _QUALITY) for photo in photos]
    if not files:
        what = "its folder keeps no good photograph"
        raise NotFound(f"model {manifest.model_id}", what, remedy="train with the setting examples above 0")
    return GoodExamples(tuple(files), tuple(map(likeness.small, photos)))


def _replayed(folder: Path, manifest: Manifest) -> list[Photo]:
    found = []
    for plate in manifest.replay:
        prepared = reading.read(_checked(folder, manifest, plate.file))
        found.append(Frame(*plate.frame).cut(prepared))
    return found


def _checked(folder: Path, manifest: Manifest, name: str) -> bytes:
    data = model_folder.read_file(folder, name)
    if hashlib.sha256(data).hexdigest() != manifest.files.get(name):
        raise ModelError(folder / name, "altered since it was written (SHA-256 differs)", remedy="restore it")
    return data
