"""Texture features in a graph: the network of the model folder on each tile, joined as model/texture.py joins them."""

import numpy as np

from platewatch.arrays import Indices, Mask
from platewatch.model import network_file
from platewatch.model.inspector_graph.geometry import Axis, Geometry
from platewatch.model.inspector_graph.graph import Graph
from platewatch.model.network_file import FEATURES, INPUT, PATCH
from platewatch.model.texture import tiles


def features(graph: Graph, geometry: Geometry, picture: str, network: bytes) -> tuple[str, int, int]:
    """Features (A · B, F) of the part's patches, A and B; `picture` (S, S, 3) uint8, `network` is an ONNX file."""
    tile, length = network_file.check_features(network, "backbone")
    axes = geometry.rows, geometry.columns
    rows, columns = (slice(*(each // PATCH for each in axis.part)) for axis in axes)
    cells, counts, found = tile // PATCH, [1, 1], picture
    for number, axis in enumerate(axes):
        starts = [_starts(axis, covered, tile) for covered in axis.covered]
        counts[number] = max(map(len, starts))
        if geometry.size > tile:
            px = [_pixels(each, counts[number], tile) for each in starts]
            found = graph.add("Gather", found, geometry.choose(px), axis=number)
    down, across = counts
    split = graph.reshape(found, down, tile, across, tile, 3)
    if down * across > 1:
        split = graph.add("Transpose", split, perm=[0, 2, 1, 3, 4])
    batch = graph.reshape(split, down * across, tile, tile, 3)
    (each,) = graph.take(network, "texture/", {INPUT: batch}, (FEATURES,))
    if down * across > 1:
        each = graph.reshape(each, down, across, cells, cells, length)
        each = graph.add("Transpose", each, perm=[0, 2, 1, 3, 4])
    whole = graph.reshape(each, down * cells, across * cells, length)
    for number, (axis, part) in enumerate(zip(axes, (rows, columns), strict=True)):
        places = [_places(axis, covered, tile)[part] for covered in axis.covered]
        if any(not np.array_equal(place, np.arange(counts[number] * cells)) for place in places):
            whole = graph.add("Gather", whole, geometry.choose(places), axis=number)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    return graph.reshape(whole, height * width, length), height, width


def _covered(axis: Axis, covered: tuple[int, int]) -> Mask:
    """(S / 8,) bool: the patches with a part of the photograph."""
    inside = np.zeros(axis.size, bool)
    inside[slice(*covered)] = True
    return np.asarray(inside.reshape(-1, PATCH).any(axis=1))


def _starts(axis: Axis, covered: tuple[int, int], tile: int) -> list[int]:
    """The first patch of each tile."""
    return [start for start, _ in tiles(_covered(axis, covered), tile // PATCH)]


def _pixels(starts: list[int], count: int, tile: int) -> Indices:
    """(count · tile,): the px of the tiles; the last one stands for those that other frames have more."""
    firsts = [*starts, *[starts[-1]] * (count - len(starts))]
    return np.concatenate([np.arange(first * PATCH, first * PATCH + tile) for first in firsts])


def _places(axis: Axis, covered: tuple[int, int], tile: int) -> Indices:
    """(S / 8,): for each patch of the photograph its place among the patches of all tiles, one tile after another."""
    cells = tile // PATCH
    if axis.size == tile:
        return np.arange(cells)
    places = np.zeros(axis.size // PATCH, np.int64)
    for number, (start, own) in enumerate(tiles(_covered(axis, covered), cells)):
        places[own] = number * cells + np.arange(own.start, own.stop) - start
    return places
