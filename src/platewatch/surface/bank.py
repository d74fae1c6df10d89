"""The memory bank of one kind of patch feature, and the anomaly map of distances from it."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from platewatch.arrays import Array, Floats, Mask
from platewatch.surface.features import blur
from platewatch.surface.nearest_neighbours import NearestNeighbours

STEP = 32
"""px: every patch's side divides it, and a prepared photograph's side is a multiple of it."""


@dataclass(frozen=True)
class Bank:
    """The memory bank of one kind of feature."""

    patches: Floats
    """(M, F) float32 features of good patches."""
    scale: float
    """Distances are divided by this, so that the robust 3σ limit of good plates is 1 on the map."""

    @cached_property
    def _index(self) -> NearestNeighbours:
        return NearestNeighbours.of(self.patches)

    def map(self, features: Floats, inside: Mask, smooth: float) -> Floats:
        """The anomaly map (H, W) float32 of (A, B, F) features, 0 outside of `inside` (H, W) bool.

        It is blurred by a Gaussian with the standard deviation `smooth` px.
        Patches that lie wholly on the padding are not searched: their distances would blur into the map.
        """
        anomaly_map = np.zeros(inside.shape, np.float32)
        if not inside.any():
            return anomaly_map
        patch = len(inside) // len(features)
        rows, columns = _box(shown(inside, patch))
        distances = _distances(features[rows, columns], self._index) / np.float32(self.scale)
        blurred = to_map(distances, patch, smooth)
        pixels = tuple(slice(each.start * patch, each.stop * patch) for each in (rows, columns))
        anomaly_map[pixels] = np.where(inside[pixels], blurred, np.float32(0))
        return anomaly_map


def shown(inside: Mask, patch: int) -> Mask:
    """(A, B) bool: the patches with at least one pixel in `inside` (patch · A, patch · B) bool."""
    rows, columns = (side // patch for side in inside.shape)
    return np.asarray(inside.reshape(rows, patch, columns, patch).any(axis=(1, 3)))


def window(inside: Mask) -> tuple[slice, slice]:
    """Rows and columns of the part of a square that holds the photograph, up to the next multiple of 32 px."""
    rows, columns = (slice(each.start * STEP, each.stop * STEP) for each in _box(shown(inside, STEP)))
    return rows, columns


def _box(mask: Mask) -> tuple[slice, slice]:
    """Rows and columns of the smallest rectangle around the True of (A, B) bool; all where there is none."""
    if not mask.any():
        return slice(0, len(mask)), slice(0, mask.shape[1])
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(top, top + height), slice(left, left + width)


def _distances(features: Floats, bank: NearestNeighbours) -> Floats:
    """The distance of each of (A, B, F) patches to its nearest neighbour in the bank: (A, B) float32."""
    rows, columns, length = features.shape
    return bank.distances(np.ascontiguousarray(features).reshape(rows * columns, length)).reshape(rows, columns)


def to_map(patches: Floats, patch: int, smooth: float) -> Floats:
    """The values (A, B) of patches, blurred by `smooth` px and enlarged to (A · patch, B · patch) px."""
    height, width = patches.shape
    enlarged: Array = cv2.resize(
        blur(patches, smooth / patch), (width * patch, height * patch), interpolation=cv2.INTER_LINEAR
    )
    return enlarged
