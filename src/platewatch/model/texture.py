"""Texture features of a prepared photograph of any size, by a network with an input of fixed size, in tiles."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from platewatch.arrays import Floats, Mask, Photo
from platewatch.model.network_file import PATCH
from platewatch.model.runtime import FeatureNetwork
from platewatch.photographs.preparation import OVERLAP


class TextureFeatures:
    """Gives the texture features of photographs; may be shared by threads.

    Of two tiles that overlap, each gives the features up to the middle of the overlap: a patch near a tile's border
    sees too little of its surroundings.
    """

    def __init__(self, network: FeatureNetwork) -> None:
        """`network` takes tiles."""
        self._network = network

    def __call__(self, photo: Photo, inside: Mask) -> Floats:
        """Features (S/8, S/8, F) float32 of a prepared (S, S, 3) uint8 photograph; S is at least a tile's side.

        Tiles that lie wholly on the padding, where `inside` (S, S) bool is False, are left out: features are 0 there.
        """
        side, tile = len(photo), self._network.image_size
        if side == tile:
            whole: Floats = self._network.run(photo[None])[0]
            return whole
        features = np.zeros((side // PATCH, side // PATCH, self._network.length), np.float32)
        rows, columns = (_span(np.asarray(inside.any(axis=axis))) for axis in (1, 0))
        for top, upper in _tiles(*rows, side, tile):
            for left, across in _tiles(*columns, side, tile):
                found = self._network.run(photo[None, top : top + tile, left : left + tile])[0]
                features[_shifted(upper, top), _shifted(across, left)] = found[upper, across]
        return features


def _span(present: Mask) -> tuple[int, int]:
    """First index and the one after the last of the True of (S,) bool; 0 and S when there is none."""
    found = np.flatnonzero(present)
    return (int(found[0]), int(found[-1]) + 1) if len(found) else (0, len(present))


def _tiles(first: int, last: int, side: int, tile: int) -> Iterator[tuple[int, slice]]:
    """Starts of tiles that cover the px from `first` to `last` of `side`, and which patches of each tile are used."""
    length = last - first
    count = 1 if length <= tile else -(-(length - OVERLAP) // (tile - OVERLAP))
    lowest, highest = first, max(first, last - tile)
    if length <= tile:  # in the middle
        lowest = highest = min(max(0, first - (tile - length) // 2), side - tile)
    starts = [round(each / PATCH) * PATCH for each in np.linspace(lowest, highest, count)]
    starts = [min(max(0, each), side - tile) for each in starts]
    borders = [0, *((one + tile + other) // 2 // PATCH * PATCH for one, other in pairwise(starts)), side]
    for start, (begin, end) in zip(starts, pairwise(borders), strict=True):
        yield start, slice(max(0, begin - start) // PATCH, min(tile, end - start) // PATCH)


def _shifted(patches: slice, start: int) -> slice:
    return slice(patches.start + start // PATCH, patches.stop + start // PATCH)
