"""Reads and writes the region's file, region.npz: one array of 0 and 1, no pickle."""

import hashlib
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from platewatch.config import STRICT
from platewatch.errors import ModelError
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
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            if sum(each.file_size for each in archive.infolist()) > _MOST_BYTES:
                raise ValueError(f"larger than {_MOST_BYTES} bytes")
        with np.load(BytesIO(data), allow_pickle=False) as found:
            mask = found["mask"]
        if mask.dtype != np.uint8 or mask.ndim != 2 or not 1 <= min(mask.shape) <= max(mask.shape) <= _LARGEST:
            raise ValueError(f"mask is {mask.dtype} of the shape {mask.shape}")
        if mask.max() != 1:
            raise ValueError("mask is empty or holds other numbers than 0 and 1")
        return Region(mask.astype(bool), stated.in_part, stated.fill)
    except Exception as error:  # zipfile raises a dozen classes for a damaged archive
        why = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(name, f"cannot be read ({why})", remedy="restore the file or train again") from error
