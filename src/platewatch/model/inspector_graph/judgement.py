"""The judgement in a graph: maps, fusion, pooled values, both phases' score, limits and p-value."""

import numpy as np

from platewatch.arrays import Floats
from platewatch.decision.verdict import Decision
from platewatch.model.inspector_graph import search, texture
from platewatch.model.inspector_graph.geometry import Geometry
from platewatch.model.inspector_graph.graph import FLOAT, INT64, Graph
from platewatch.model.inspector_graph.levelling import levelled
from platewatch.model.inspector_graph.patch_features import PatchFeatures
from platewatch.model.network_file import INPUT, OUTPUTS
from platewatch.surface import fusion
from platewatch.surface.detector import Surface
from platewatch.surface.fusion import Fusion, Pooling
from platewatch.surface.patches import TEXTURE_PATCH


class SurfaceGraph:
    """Phase one in a graph."""

    def __init__(self, graph: Graph, geometry: Geometry, surface: Surface) -> None:
        self._graph, self._geometry, self._surface, self._settings = graph, geometry, surface, surface.settings

    def judge(self, picture: str, backbone: bytes | None) -> tuple[str, str]:
        """Score () and anomaly map (S, S) of a picture (S, S, 3) uint8; `backbone` gives the texture features."""
        graph, surface, settings = self._graph, self._surface, self._settings
        maps = self._maps(picture, backbone)
        fused = graph.add("Div", self._fused(surface.fusion, maps), surface.map_scale)
        fine = surface.fusion.fine(settings) if settings.fine_fractions else None
        fine_map = self._fused(fine, maps) if fine else ""
        poolings = fusion.poolings(settings, surface.fusion)
        scales = dict(zip(poolings, surface.score_scales, strict=True))
        values = [self._pooled(fused, [each for each in poolings if not each.fine], scales)]
        if fine_map:
            finer = [each for each in poolings if each.fine]
            values.append(self._pooled(fine_map, finer, scales))
            fused = graph.add("Max", fused, graph.add("Div", fine_map, scales[finer[0]]))
        return graph.reduce("ReduceMax", graph.add("Concat", *values, axis=0), 0), fused

    def _maps(self, picture: str, backbone: bytes | None) -> list[str]:
        """The maps of the banks that have weight, empty names for the others."""
        graph, geometry, settings = self._graph, self._geometry, self._settings
        used, maps = [weight > 0 for weight in self._surface.fusion.weights], list[str]()
        patches = PatchFeatures(graph, geometry, self._seen(picture), settings) if any(used[:2]) else None
        for number, bank in enumerate(self._surface.banks):
            if not used[number]:
                maps.append("")
                continue
            if number < 2:
                assert patches is not None  # noqa: S101 - one of both is used
                found = patches.line() if number else patches.colour()
                side, smooth = int(settings.patch), settings.smooth
                rows, columns = patches.count
            else:
                assert backbone is not None  # noqa: S101 - the folder has it where there is a third bank
                found, rows, columns = texture.features(graph, geometry, picture, backbone)
                side, smooth = TEXTURE_PATCH, settings.texture_smooth
            distances = search.distances(graph, found, bank.patches, rows * columns)
            down = geometry.choose([each / np.float32(bank.scale) for each in geometry.rows.enlargements(side, smooth)])
            across = geometry.choose([each.T.copy() for each in geometry.columns.enlargements(side, smooth)])
            enlarged = graph.add("MatMul", down, graph.reshape(distances, rows, columns))
            maps.append(graph.add("MatMul", enlarged, across))
        return maps

    def _seen(self, picture: str) -> str:
        """The picture of which colour and lines are seen: levelled, where the model levels."""
        level, most = self._surface.level, 1 + self._settings.levelling_range
        return picture if level is None else levelled(self._graph, self._geometry, picture, level, most)

    def _fused(self, how: Fusion, maps: list[str]) -> str:
        """The fused map (S, S), as `Fusion.of`."""
        graph = self._graph
        weighted = [graph.add("Mul", each, weight) for each, weight in zip(maps, how.weights, strict=True) if weight]
        if how.power == 1 or len(weighted) == 1:
            return graph.add("Sum", *weighted)
        return graph.add("Sqrt", graph.add("Sum", *(graph.add("Mul", each, each) for each in weighted)))

    def _pooled(self, anomaly_map: str, poolings: list[Pooling], scales: dict[Pooling, float]) -> str:
        """The pooled values (n,) of a map (S, S), each divided by its scale."""
        graph, most = self._graph, self._settings.pool_area
        counts = list[Floats]()
        for frame in self._geometry.frames:
            fractions = [each.fraction for each in poolings]
            counts.append(np.array(fusion.counts(fractions, frame.width * frame.height, most), np.float32)[:, None])
        largest = int(max(each.max() for each in counts))
        flat = graph.reshape(anomaly_map, -1)
        top = graph.add_several("TopK", 2, flat, np.array([largest], np.int64), largest=1, sorted=1)[0]
        count = self._geometry.choose(counts)
        taken = graph.add("Cast", graph.add("Less", np.arange(largest, dtype=np.float32)[None], count), to=FLOAT)
        totals = graph.add("MatMul", taken, graph.reshape(top, largest, 1))
        means = graph.reshape(graph.add("Div", totals, count), len(poolings))
        return graph.add("Div", means, np.array([scales[each] for each in poolings], np.float32))


def second(graph: Graph, geometry: Geometry, picture: str, network: bytes, decision: Decision) -> tuple[str, str]:
    """Phase two: its score () and its map (S, S), each 1 at the limit of good plates."""
    size = geometry.size
    batch = graph.reshape(picture, 1, size, size, 3)
    errors = graph.take(network, "network/", {INPUT: batch}, OUTPUTS[:3])
    alpha, scale, map_scale = decision.alpha, decision.network_scale, decision.network_map_scale
    assert alpha is not None and scale is not None and map_scale is not None  # noqa: S101, PT018 - there is a network
    weighted = [graph.add("Mul", error, by / scale) for error, by in zip(errors, (alpha, 1 - alpha), strict=False)]
    rows, columns = geometry.rows.inside(), geometry.columns.inside()
    shown = graph.reshape(geometry.choose(rows), size, 1), graph.reshape(geometry.choose(columns), 1, size)
    inside = graph.add("Mul", graph.add("Mul", *shown), 1 / map_scale)
    anomaly_map = graph.add("Mul", graph.reshape(errors[2], size, size), inside)
    return graph.reshape(graph.add("Sum", *weighted)), anomaly_map


def fused(graph: Graph, phases: list[tuple[str, str]], weight: float) -> tuple[str, str]:
    """Score and map of both phases, as `Decision.score` and `Decision.fuse_maps`; of one phase its own."""
    if len(phases) == 1:
        return phases[0]
    weights = weight, 1 - weight
    score = graph.add("Sum", *(graph.add("Mul", each, by) for (each, _), by in zip(phases, weights, strict=True)))
    maps = [graph.add("Mul", each, by) for (_, each), by in zip(phases, weights, strict=True)]
    root = graph.add("Sqrt", graph.add("Sum", *(graph.add("Mul", each, each) for each in maps)))
    return score, graph.add("Div", root, float(np.hypot(*weights)))


def verdict(graph: Graph, score: str, decision: Decision) -> str:
    """0 PASS, 1 REVIEW, 2 REJECT, of a score (1,): (1,) int64; 2 for NaN."""
    kept = [graph.add("LessOrEqual", score, limit) for limit in (decision.review, decision.threshold)]
    passed, not_rejected = (graph.add("Cast", each, to=INT64) for each in kept)
    return graph.add("Sub", graph.add("Sub", np.array([2], np.int64), passed), not_rejected)


def p_value(graph: Graph, score: str, good_scores: tuple[float, ...]) -> str:
    """The conformal p-value (1,) of a score (1,), from the stored scores of good plates out of fold."""
    good = np.array(good_scores, np.float32)
    worse = graph.add("Cast", graph.add("GreaterOrEqual", good, score), to=FLOAT)
    count = graph.add("Add", graph.reduce("ReduceSum", worse, 0, keepdims=True), 1.0)
    return graph.add("Div", count, float(len(good) + 1))
