"""Unusable photographs, made from good ones; every model has to give them REVIEW."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from platewatch.arrays import Photo
from platewatch.errors import InputError
from platewatch.photographs import reading

_MADE_OF = 3
"""Number of training photographs that they are made from."""


def from_training(paths: Sequence[Path], bits: int | None = None) -> Mapping[str, Photo]:
    """The fixed set, by name: made from the first, the middle and the last training photograph. One that is not
    readable is replaced by the next. `bits` is the camera's bit depth, as for `reading.read`. Raises InputError when
    none is readable.
    """
    chosen = sorted({int(place) for place in np.linspace(0, len(paths) - 1, min(_MADE_OF, len(paths))).round()})
    made = dict[str, Photo]()
    for place in chosen:
        path, photo = _first_readable([*paths[place:], *paths[:place]], bits)
        made |= {f"{how} ({path.name})": spoiled for how, spoiled in spoil(photo).items()}
    return made


def _first_readable(paths: Sequence[Path], bits: int | None) -> tuple[Path, Photo]:
    for path in paths[:-1]:
        with suppress(InputError):
            return path, reading.read(path, bits=bits)
    return paths[-1], reading.read(paths[-1], bits=bits)


def spoil(photo: Photo) -> Mapping[str, Photo]:
    """A photograph (H, W, 3) uint8 RGB made unusable in each way: empty, dark, clipped, blurred, cut off."""
    height, width = photo.shape[:2]
    rim = np.concatenate([photo[0], photo[-1], photo[:, 0], photo[:, -1]])
    noise = np.random.default_rng(0).normal(0, 1, photo.shape)
    blurred = cv2.GaussianBlur(photo, (0, 0), max(height, width) / 12)
    return {
        "empty": np.clip(np.median(rim, axis=0) + noise, 0, 255).astype(np.uint8),
        "dark": photo // np.uint8(24),
        "clipped": np.clip(photo * 8.0 + 120, 0, 255).astype(np.uint8),
        "blurred": np.asarray(blurred, np.uint8),
        "cut off at half its width": np.ascontiguousarray(photo[:, : max(1, width // 2)]),
        "cut off at half its height": np.ascontiguousarray(photo[: max(1, height // 2)]),
    }
