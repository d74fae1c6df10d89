"""Reads phase one's file, surface.npz: float32 arrays of known names, shapes and ranges (plain_arrays)."""

import numpy as np

from platewatch.arrays import Floats
from platewatch.config import SurfaceConfig
from platewatch.model import plain_arrays
from platewatch.model.plain_arrays import Shape
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
    with plain_arrays.refused(name):
        fusion = fusion or Fusion.default(settings, 3 if texture else 2)
        scores = len(poolings(settings, fusion))
        return Surface.from_arrays(_arrays(data, settings, texture_length, scores), settings, fusion, texture)


def _arrays(data: bytes, settings: SurfaceConfig, texture_length: int, scores: int) -> dict[str, Floats]:
    """All arrays, with so many `scores`' scales; raises ValueError for other names, types, shapes, sizes or values."""
    widths = {"colour_cells": features.COLOUR_LENGTH, "line_cells": features.line_length(settings)}
    widths |= {"texture_cells": texture_length} if texture_length else {}
    shapes: dict[str, Shape] = dict.fromkeys([name.replace("_cells", "_unit") for name in widths], ())
    shapes["map_unit"] = ()
    shapes["score_units"] = (scores,)
    shapes |= {"level": ()} if settings.levelling_range else {}

    def check(name: str, shape: Shape) -> None:
        expected = shapes.get(name, (shape[0] if shape else 0, widths.get(name)))
        most = settings.texture_bank if name == "texture_cells" else settings.bank
        if shape != expected or (name in widths and not 1 <= shape[0] <= most * MOST_AREAS):
            raise ValueError(f"{name} has the shape {shape}")

    arrays = plain_arrays.read(data, dict.fromkeys([*shapes, *widths], np.float32), _MOST_BYTES, check)
    for name, values in arrays.items():
        if not (np.abs(values) <= _LARGEST).all():  # NaN too
            raise ValueError(f"{name} has values that no photograph gives")
        if name not in widths and not (values >= _SMALLEST).all():
            raise ValueError(f"{name} is below {_SMALLEST}")
    return arrays
