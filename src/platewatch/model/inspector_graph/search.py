"""The search for the nearest patch of a memory bank in a graph: the product's lists, as matrix products."""

import numpy as np

from platewatch.arrays import Floats
from platewatch.model.inspector_graph.graph import Graph
from platewatch.surface.nearest_neighbours import PROBE_RATIO, NearestNeighbours


def distances(graph: Graph, features: str, bank: Floats, count: int) -> str:
    """The distances (N,) of `count` = N patches (N, F) to their nearest ones in a `bank` (M, F).

    Each list of the index gets one product, with the queries that scan it; so a distance is the one of
    `NearestNeighbours.distances`.
    """
    index = NearestNeighbours.of(bank)
    queries = graph.add("Sub", features, index.centre)
    lists = [each.T for each in index.inverted_lists]  # (M of the list, F + 1): −v and |v|² / 2
    scanned = graph.add_several("Split", len(lists), _scanned(graph, queries, index), axis=0, num_outputs=len(lists))
    rows, halves = list[str](), list[str]()
    for own, which in zip(lists, scanned, strict=True):
        row = graph.reshape(graph.add("NonZero", graph.reshape(which, count)), -1)
        middle = -own[:, :-1].mean(axis=0)
        rows.append(row)
        halves.append(_halves(graph, graph.add("Gather", queries, row, axis=0), -own[:, :-1], middle))
    most = np.full(count, np.finfo(np.float32).max, np.float32)
    places, found = (graph.add("Concat", *each, axis=0) for each in (rows, halves))
    nearest = graph.add("ScatterElements", most, places, found, axis=0, reduction="min")
    return graph.add("Sqrt", graph.add("Max", graph.add("Mul", nearest, 2.0), 0.0))


def _scanned(graph: Graph, queries: str, index: NearestNeighbours) -> str:
    """(L, N) bool: whether a query (N, F) scans a list: its centroid is hardly farther than the nearest one."""
    centroids, halves_of = index.centroids[:, :-1], index.centroids[:, -1:]
    products = graph.add("MatMul", centroids, graph.add("Transpose", queries, perm=[1, 0]))
    halves = graph.add("Add", products, halves_of)
    same = graph.add("Mul", graph.reduce("ReduceSum", graph.add("Mul", queries, queries), 1), 0.5)
    least = graph.reduce("ReduceMin", halves, 0)
    nearest = graph.add("Sqrt", graph.add("Mul", graph.add("Max", graph.add("Add", least, same), 0.0), 2.0))
    farther = graph.add("Mul", nearest, PROBE_RATIO), graph.add("Add", nearest, float(index.slack))
    farthest = graph.add("Min", *farther)
    limit = graph.add("Sub", graph.add("Mul", graph.add("Mul", farthest, farthest), 0.5), same)
    return graph.add("LessOrEqual", halves, graph.add("Max", limit, least))


def _halves(graph: Graph, queries: str, own: Floats, middle: Floats) -> str:
    """Half the squared distance of each of (P, F) queries to the nearest of a list's patches (M, F): (P,).

    Both are taken from the list's mean, so that float32 loses little.
    """
    centred = graph.add("Sub", queries, middle)
    patches = own - middle
    lengths = np.einsum("mf,mf->m", patches, patches) / 2
    products = graph.add("Gemm", centred, np.ascontiguousarray(-patches.T), lengths)
    least = graph.reduce("ReduceMin", products, 1)
    return graph.add(
        "Add", least, graph.add("Mul", graph.reduce("ReduceSum", graph.add("Mul", centred, centred), 1), 0.5)
    )
