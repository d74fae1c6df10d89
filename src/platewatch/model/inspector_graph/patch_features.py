"""Colour and line features of patches in a graph: the same steps as surface/features.py."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from platewatch.arrays import Floats
from platewatch.config import SurfaceConfig
from platewatch.model.inspector_graph.colour_table import lab
from platewatch.model.inspector_graph.geometry import Geometry
from platewatch.model.inspector_graph.graph import Graph
from platewatch.surface import features

_SOBEL = np.array([1, 2, 1], np.float32) / 8, np.array([-1, 0, 1], np.float32)


@dataclass(frozen=True)
class _Level:
    """A picture (1, 3, H, W) of the part, blurred by a Gaussian of `width` px, sampled at every `every`-th px."""

    picture: str
    width: float = 0.0
    every: int = 1


class PatchFeatures:
    """Colour (A · B, 6) and line (A · B, F) features of the part of a picture; features outside of the window vary."""

    def __init__(self, graph: Graph, geometry: Geometry, picture: str, settings: SurfaceConfig) -> None:
        """`picture` (S, S, 3): whole numbers from 0 to 255, uint8 or float32."""
        self._graph, self._geometry, self._settings = graph, geometry, settings
        (top, bottom), (left, right) = geometry.rows.part, geometry.columns.part
        corners = (np.array(each, np.int64) for each in ([top, left], [bottom, right], [0, 1]))
        part = graph.add("Slice", picture, *corners)
        self._level = _Level(lab(graph, part, bottom - top, right - left))
        self.count = (bottom - top) // settings.patch, (right - left) // settings.patch
        """Patches (A, B) of the part."""

    def colour(self) -> str:
        """Weighted means and spreads of L, a and b."""
        graph, picture, window = self._graph, self._level.picture, self._settings.colour_window
        mean = self._patches(self._level, picture, window)
        square = self._patches(self._level, graph.add("Mul", picture, picture), window)
        variance = graph.add("Max", graph.add("Sub", square, graph.add("Mul", mean, mean)), 0.0)
        both = graph.add("Concat", mean, graph.add("Sqrt", variance), axis=1)
        weights = np.array([self._settings.lightness, 1, 1] * 2, np.float32).reshape(1, 6, 1, 1)
        return self._listed(graph.add("Mul", both, weights), 6)

    def line(self) -> str:
        """Log amplitudes of the bands, then along and across the main direction."""
        graph, settings = self._graph, self._settings
        levels, energies = [self._level], list[str]()
        for width in settings.bands:
            finer, coarser = levels[-1], self._blurred(levels[-1], width)
            band = graph.add("Sub", finer.picture, coarser.picture)
            window = max(settings.line_window, 1.5 * width)
            energies.append(self._patches(finer, graph.add("Mul", band, band), window))
            levels.append(self._halved(coarser) if width >= features.SMOOTH else coarser)
        for width in settings.directions:
            smooth = self._blurred(next(each for each in reversed(levels) if each.width < width), width)
            energies += self._directions(smooth)
        amplitudes = graph.add("Sqrt", graph.add("Max", graph.add("Concat", *energies, axis=1), 0.0))
        lines = graph.add("Log", graph.add("Add", amplitudes, settings.noise_floor))
        return self._listed(lines, features.line_length(settings))

    def _directions(self, level: _Level) -> tuple[str, str]:
        """Energies along and across: the eigenvalues of each channel's structure tensor."""
        graph = self._graph
        smooth, difference = ((each / sqrt(level.every)).astype(np.float32) for each in _SOBEL)
        gx = self._filtered(level, smooth, difference, "reflect")
        gy = self._filtered(level, difference, smooth, "reflect")
        pairs = (gx, gx), (gy, gy), (gx, gy)
        window = self._settings.line_window
        xx, yy, xy = (self._patches(level, graph.add("Mul", *pair), window) for pair in pairs)
        apart, twice = graph.add("Sub", xx, yy), graph.add("Mul", xy, 2.0)
        squares = graph.add("Add", graph.add("Mul", apart, apart), graph.add("Mul", twice, twice))
        root, total = graph.add("Sqrt", squares), graph.add("Add", xx, yy)
        along, across = (graph.add("Mul", graph.add(each, total, root), 0.5) for each in ("Add", "Sub"))
        return along, across

    def _blurred(self, level: _Level, width: float) -> _Level:
        kernel = _kernel(sqrt(width**2 - level.width**2) / level.every)
        return _Level(self._filtered(level, kernel, kernel, "symmetric"), width, level.every)

    def _halved(self, level: _Level) -> _Level:
        if level.every > 1:
            return level
        numbers = [np.array(each, np.int64) for each in ([0, 0], [2**31, 2**31], [2, 3], [2, 2])]
        return _Level(self._graph.add("Slice", level.picture, *numbers), level.width, 2)

    def _filtered(self, level: _Level, down: Floats, across: Floats, mode: str) -> str:
        """Each channel convolved by `down` along columns and by `across` along rows, reflected at the window's borders.

        Along rows it is a matrix product: the reflection costs nothing.
        """
        graph, rows, columns = self._graph, self._geometry.rows, self._geometry.columns
        chosen = self._geometry.choose(rows.reflected(level.every, len(down) // 2, mode))
        continued = graph.add("Gather", level.picture, chosen, axis=2)
        weights = np.broadcast_to(down[:, None], (3, 1, len(down), 1)).astype(np.float32)
        convolved = graph.add("Conv", continued, weights, group=3)
        matrices = [each.T.copy() for each in columns.filters(level.every, across, mode)]
        return graph.add("MatMul", convolved, self._geometry.choose(matrices))

    def _patches(self, level: _Level, values: str, window: float) -> str:
        """The means (1, 3, A, B) over a Gaussian window of at least a patch."""
        graph, patch = self._graph, self._settings.patch
        rows, columns, side = *self.count, patch // level.every
        blocks = graph.reshape(values, 1, 3, rows, side, columns, side)
        means = graph.reduce("ReduceMean", blocks, 3, 5)
        width = features.patch_blur(window, patch, level.every)
        if not width:
            return means
        down = self._geometry.choose(self._geometry.rows.blurs(patch, width))
        across = self._geometry.choose([each.T for each in self._geometry.columns.blurs(patch, width)])
        return graph.add("MatMul", graph.add("MatMul", down, means), across)

    def _listed(self, values: str, length: int) -> str:
        """(1, F, A, B) → (A · B, F)."""
        rows, columns = self.count
        return self._graph.reshape(self._graph.add("Transpose", values, perm=[0, 2, 3, 1]), rows * columns, length)


def _kernel(width: float) -> Floats:
    """The kernel by which `features.blur` blurs: what it makes of a single pixel."""
    side = 2 * int(8 * width + 2) + 1
    impulse = np.zeros((side, 1), np.float32)
    impulse[side // 2] = 1
    found = features.blur(impulse, width)[:, 0]
    place = np.flatnonzero(found)
    return found[place[0] : place[-1] + 1]
