"""Reads phase one's file, surface.npz, after checking names, types, shapes and sizes in the arrays' headers.

The file may come from elsewhere. No pickle is loaded: arrays are plain float32.
"""

import zipfile
from io import BytesIO
from math import prod
from typing import IO

import numpy as np
from numpy.lib import format as npy

from platewatch.arrays import Floats
from platewatch.config import SurfaceConfig
from platewatch.errors import ModelError
from platewatch.surface import features
from platewatch.surface.detector import Surface
from platewatch.surface.fusion import Fusion, poolings
from platewatch.surface.patches import MOST_AREAS, Texture

_MOST_BYTES = 2**29
"""Size of all arrays together; the default banks have at most 8 MB."""
_LARGEST = 1e4
"""Largest value in a bank: colours are at most about 200, log amplitudes at most about 10."""

_SMALLEST = 9e-7
"""Smallest scale: `fit` sets at least 1e-6, rounded to float32; a smaller one could overflow."""

Shape = tuple[int, ...]


def read(
    data: bytes,
    settings: SurfaceConfig,
    name: str,
    *,
    fusion: Fusion | None = None,
    texture: Texture | None = None,
    texture_length: int = 0,
) -> Surface:
    """The Surface in the bytes of surface.npz; raises ModelError, naming the file `name`, for anything else.

    `fusion` says how the maps become one; None: as by default. `texture` gives texture features of this
    length; None for a model without them.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            fusion = fusion or Fusion.default(settings, 3 if texture else 2)
            scores = len(poolings(settings, fusion))
            return Surface.from_arrays(_arrays(archive, settings, texture_length, scores), settings, fusion, texture)
    except Exception as error:  # zipfile raises a dozen classes for a damaged archive
        why = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(name, f"cannot be read ({why})", remedy="restore the file or train again") from error


def _arrays(archive: zipfile.ZipFile, settings: SurfaceConfig, texture_length: int, scores: int) -> dict[str, Floats]:
    """All arrays, with so many `scores`' scales; raises ValueError for other names, types, shapes, sizes or values."""
    widths = {"colour_cells": features.COLOUR_LENGTH, "line_cells": features.line_length(settings)}
    widths |= {"texture_cells": texture_length} if texture_length else {}
    shapes: dict[str, Shape] = dict.fromkeys([name.replace("_cells", "_unit") for name in widths], ())
    shapes["map_unit"] = ()
    shapes["score_units"] = (scores,)
    shapes |= {"level": ()} if settings.levelling_range else {}
    members = {each.filename.removesuffix(".npy"): each for each in archive.infolist()}
    if members.keys() != shapes.keys() | widths.keys() or len(members) != len(archive.infolist()):
        raise ValueError(f"holds {sorted(members)[:8]}, expected {sorted(shapes.keys() | widths.keys())}")
    if sum(each.file_size for each in members.values()) > _MOST_BYTES:
        raise ValueError(f"larger than {_MOST_BYTES} bytes")
    arrays = {}
    for name, member in members.items():
        with archive.open(member) as file:
            shape = _shape(file, name, member.file_size)
            expected = shapes.get(name, (shape[0] if shape else 0, widths.get(name)))
            most = settings.texture_bank if name == "texture_cells" else settings.bank
            if shape != expected or (name in widths and not 1 <= shape[0] <= most * MOST_AREAS):
                raise ValueError(f"{name} has the shape {shape}")
            arrays[name] = _values(file, name, shape)
        if name not in widths and not (arrays[name] >= _SMALLEST).all():
            raise ValueError(f"{name} is below {_SMALLEST}")
    return arrays


def _shape(file: IO[bytes], name: str, size: int) -> Shape:
    """The shape in an array's header; raises ValueError unless it is float32, row by row, and as long as the file."""
    if npy.read_magic(file) != (1, 0):
        raise ValueError(f"{name} is of another format")
    shape, is_fortran, dtype = npy.read_array_header_1_0(file)
    if dtype != np.dtype("<f4") or is_fortran:
        raise ValueError(f"{name} is no plain array of float32")
    if file.tell() + 4 * prod(shape) != size:
        raise ValueError(f"{name} is not as long as its shape {shape}")
    return shape


def _values(file: IO[bytes], name: str, shape: Shape) -> Floats:
    data = file.read()  # read to the end, where the archive compares its checksum
    values: Floats = np.frombuffer(data, np.float32).reshape(shape)
    if not (np.abs(values) <= _LARGEST).all():  # NaN too
        raise ValueError(f"{name} has values that no photograph gives")
    return values
