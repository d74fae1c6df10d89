"""Reads and writes the shape check's file, shape.npz: plain uint8 and float64 arrays, no pickle."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from platewatch.arrays import Array
from platewatch.model import plain_arrays
from platewatch.photographs.part_frame import MARGIN, Template
from platewatch.photographs.part_shape import Good, ShapeCheck, ShapeLimits

_LARGEST = 256  # longer side of a frame, px
_MOST_BYTES = 2**20
_TYPES: Mapping[str, type[np.generic]] = {
    **dict.fromkeys(("mean", "open", "least", "holes"), np.uint8),
    "profile": np.float64,
}


def write(path: Path, good: Good) -> None:
    """Write what the good parts are like; raises OSError as the file system does."""
    arrays = {"mean": good.template.mean, "open": good.open.astype(np.uint8), "least": good.least}
    arrays |= {"holes": good.holes.astype(np.uint8)}
    np.savez_compressed(path, allow_pickle=False, profile=good.template.profile, **arrays)


def read(data: bytes, limits: ShapeLimits, name: str) -> ShapeCheck:
    """The shape check in the file's bytes; raises ModelError, naming the file `name`, for anything else."""
    with plain_arrays.refused(name):
        return ShapeCheck(_good(plain_arrays.read(data, _TYPES, _MOST_BYTES), limits), limits)


def _good(arrays: dict[str, Array], limits: ShapeLimits) -> Good:
    """The arrays as a value; raises ValueError for other shapes or values."""
    shape, profile = arrays["mean"].shape, arrays["profile"]
    if len(shape) != 2 or not 4 * MARGIN <= min(shape) <= max(shape) <= _LARGEST:
        raise ValueError(f"mean has the shape {shape}")
    for each in _TYPES.keys() - {"profile"}:
        if arrays[each].shape != shape:
            raise ValueError(f"{each} has the shape {arrays[each].shape}")
    four_sided = len(limits.corners) == 4
    if profile.shape != (128,) or not (profile >= 0).all() or not (profile < 100).all():
        raise ValueError("profile is out of bounds")
    if not four_sided and not profile.min() > 0:
        raise ValueError("profile has no outline")
    if int(arrays["holes"].max()) != len(limits.covered):
        raise ValueError(f"{int(arrays['holes'].max())} holes, the manifest has {len(limits.covered)}")
    template = Template(four_sided, arrays["mean"], profile)
    return Good(template, arrays["open"].astype(bool), arrays["least"], arrays["holes"].astype(np.intp))
