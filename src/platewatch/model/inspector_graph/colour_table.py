"""CIE Lab of 8-bit colours in a graph: OpenCV's table of 33³ colours and its interpolation between eight of them."""

from itertools import product

import cv2
import numpy as np

from platewatch.arrays import Array, Floats
from platewatch.model.inspector_graph.graph import FLOAT, INT64, Graph

_SIDE, _FINE, _ONE = 33, 16, 2**14  # colours a side, steps between two, and the integer for 1.0 in OpenCV
_STEPS = np.array([100, 256, 256], np.float32) / _ONE  # of L, a and b, which OpenCV rounds to
_SMALLEST = np.array([0, -128, -128], np.float32)
_CORNERS = list(product((0, 1), repeat=3))


def lab(graph: Graph, picture: str, height: int, width: int) -> str:
    """Lab (1, 3, height, width) float32 of a picture (height, width, 3), as `photographs.colour.lab`.

    The picture has whole numbers from 0 to 255.

    OpenCV converts float pictures by a table: each channel lies between two of 33 levels, in sixteenths.
    """
    count, cells = height * width, _SIDE - 1
    levels = graph.add("Cast", graph.add("Transpose", picture, perm=[2, 0, 1]), to=FLOAT)
    integers = graph.add("Round", graph.add("Mul", graph.reshape(levels, 3, count), _ONE / 255))
    steps = graph.add("Floor", graph.add("Mul", integers, cells * _FINE / _ONE))
    below = graph.add("Min", graph.add("Floor", graph.add("Mul", steps, 1 / _FINE)), cells - 1.0)
    part = graph.add("Sub", graph.add("Mul", steps, 1 / _FINE), below)
    pairs = graph.add("Concat", graph.add("Sub", 1.0, part), part, axis=0)  # (2 · 3, P)
    strides = np.array([[cells**2, cells, 1]], np.float32)
    place = graph.add("Cast", graph.reshape(graph.add("MatMul", strides, below), count), to=INT64)
    corners = graph.add("Transpose", graph.add("Gather", _table(), place, axis=0), perm=[1, 0])
    weights = list[str]()
    for axis in range(3):
        both = graph.add("Gather", pairs, np.array([axis, axis + 3], np.int64), axis=0)
        shape = [1, 1, 1, count]
        shape[axis] = 2
        weights.append(graph.reshape(both, *shape))
    weight = graph.reshape(graph.add("Mul", graph.add("Mul", weights[0], weights[1]), weights[2]), 8, 1, count)
    weighted = graph.add("Mul", graph.reshape(corners, 8, 3, count), weight)
    found = graph.add("Floor", graph.add("Add", graph.reduce("ReduceSum", weighted, 0), 0.5))
    found = graph.add("Add", graph.add("Mul", found, _STEPS[:, None]), _SMALLEST[:, None])
    return graph.reshape(found, 1, 3, height, width)


def _table() -> Floats:
    """(32³, 8 · 3) float32: the steps of L, a and b of the eight colours around each cell of the table."""
    levels = np.arange(_SIDE, dtype=np.float32) / (_SIDE - 1)
    colours: Array = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    converted: Array = cv2.cvtColor(colours.reshape(_SIDE * _SIDE, _SIDE, 3), cv2.COLOR_RGB2LAB)
    steps = np.rint((converted.reshape(_SIDE, _SIDE, _SIDE, 3) - _SMALLEST) / _STEPS)
    ends = {0: slice(0, -1), 1: slice(1, None)}
    corners = [steps[ends[red], ends[green], ends[blue]] for red, green, blue in _CORNERS]
    return np.stack(corners, axis=3).reshape(-1, 8 * 3).astype(np.float32)
