"""Texture features of a prepared photograph of any size, by a network with an input of fixed size, in tiles."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from platewatch.arrays import Floats, Mask, Photo
from platewatch.model.network_file import PATCH
from platewatch.model.runtime import FeatureNetwork
from platewatch.photographs.preparation import overlap


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
        cells, count = side // PATCH, tile // PATCH
        features = np.zeros((cells, cells, self._network.length), np.float32)
        covered: Mask = np.asarray(inside.reshape(cells, PATCH, cells, PATCH).any(axis=(1, 3)))
        for top, rows in tiles(np.asarray(covered.any(axis=1)), count):
            for left, columns in tiles(np.asarray(covered.any(axis=0)), count):
                y, x = top * PATCH, left * PATCH
                found = self._network.run(photo[None, y : y + tile, x : x + tile])[0]
                features[rows, columns] = found[_shifted(rows, -top), _shifted(columns, -left)]
        return features


def tiles(covered: Mask, count: int) -> Iterator[tuple[int, slice]]:
    """First patch of each tile of `count` patches, and the patches that it gives; `covered` (C,) is True where needed.

    Tiles lie evenly between the first and the last patch that is needed.
    """
    needed = np.flatnonzero(covered)
    first, last = (int(needed[0]), int(needed[-1]) + 1) if len(needed) else (0, len(covered))
    length, shared = last - first, overlap(count)
    if length <= count:
        start = min(max(0, first - (count - length) // 2), len(covered) - count)
        yield start, slice(first, last)
        return
    tiles = -(-(length - shared) // (count - shared))
    starts = [first + round(each * (length - count) / (tiles - 1)) for each in range(tiles)]
    borders = [first, *((one + count + other) // 2 for one, other in pairwise(starts)), last]
    for start, (begin, end) in zip(starts, pairwise(borders), strict=True):
        yield start, slice(begin, end)


def _shifted(patches: slice, by: int) -> slice:
    return slice(patches.start + by, patches.stop + by)
