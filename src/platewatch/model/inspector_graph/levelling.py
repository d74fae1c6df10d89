"""Levelling of the brightness in a graph: the same steps as `photographs.illumination.level`."""

import numpy as np

from platewatch.model.inspector_graph.geometry import Geometry
from platewatch.model.inspector_graph.graph import FLOAT, Graph

_LUMA = np.array([[9798], [19235], [3735]], np.float32)  # OpenCV's integers for Rec. 601; together 2^15


def levelled(graph: Graph, geometry: Geometry, picture: str, target: float, most: float) -> str:
    """The picture (S, S, 3) uint8 with the mean luma of the photograph in it brought to `target`, in float32.

    Every value is a whole number from 0 to 255, as after rounding to uint8. The factor is from 1 / `most` to `most`.
    """
    size = geometry.size
    pixels = graph.add("Cast", picture, to=FLOAT)
    luma = graph.add("Floor", graph.add("Mul", graph.add("Add", graph.add("MatMul", pixels, _LUMA), 2.0**14), 2.0**-15))
    down = geometry.choose([each[None] / each.sum() for each in geometry.rows.inside()])
    across = geometry.choose([each[:, None] / each.sum() for each in geometry.columns.inside()])
    mean = graph.add("MatMul", graph.add("MatMul", down, graph.reshape(luma, size, size)), across)
    factor = graph.add("Div", target, graph.add("Max", graph.reshape(mean, 1, 1, 1), 1.0))
    bounded = graph.add("Min", graph.add("Max", factor, 1 / most), most)
    return graph.add("Min", graph.add("Round", graph.add("Mul", pixels, bounded)), 255.0)
