"""Reads and writes the region's file, region.npz: one array of 0 and 1, no pickle."""

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from platewatch.config import STRICT
from platewatch.model import plain_arrays
from platewatch.photographs.region import Region

_LARGEST, _MOST_BYTES = 4096, 2**25
Byte = Annotated[int, Field(ge=0, le=255)]


@dataclass(frozen=True, config=STRICT)
class RegionSettings:
    """The region as the manifest states it."""

    in_part: bool
    """Whether it moves with the part; otherwise it lies in the picture."""
    fraction: Annotated[float, Field(gt=0, le=1)]
    """How much of the picture, or of the part's frame, is inspected."""
    fill: tuple[Byte, Byte, Byte]
    """RGB with which everything else is painted before a detector sees it."""
    source: Annotated[str, Field(max_length=1000)]
    """Name of the file that gave it."""


def settings(region: Region, source: str) -> RegionSettings:
    """What the manifest states."""
    return RegionSettings(region.in_part, float(region.mask.mean()), region.fill, source)


def write(path: Path, region: Region) -> None:
    """Write the region's mask; raises OSError as the file system does."""
    np.savez_compressed(path, allow_pickle=False, mask=region.mask.astype(np.uint8))


def digest(data: bytes) -> str:
    """The region's hash, as records state it."""
    return hashlib.sha256(data).hexdigest()


def read(data: bytes, stated: RegionSettings, name: str) -> Region:
    """The region in the file's bytes; raises ModelError, naming the file `name`, for anything else."""
    with plain_arrays.refused(name):
        mask = plain_arrays.read(data, {"mask": np.uint8}, _MOST_BYTES)["mask"]
        if mask.ndim != 2 or not 1 <= min(mask.shape) <= max(mask.shape) <= _LARGEST:
            raise ValueError(f"mask has the shape {mask.shape}")
        if mask.max() != 1:
            raise ValueError("mask is empty or holds other numbers than 0 and 1")
        return Region(mask.astype(bool), stated.in_part, stated.fill)
