"""Where a photograph lies in the prepared square: which frames are possible, and what depends on them in the graph.

A photograph that is not square is padded by repeating its border (photographs/preparation.py). The graph finds the
frame from the picture: columns or rows that repeat the border. It is one of those that the completeness check allows.
Blurs and enlargements along one axis become matrices, made by the functions that the product itself uses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp

import numpy as np

from platewatch.arrays import Array, Floats, Indices
from platewatch.model.inspector_graph.graph import INT32, INT64, Graph
from platewatch.model.model_folder import Manifest
from platewatch.photographs.preparation import Frame
from platewatch.surface import bank, features
from platewatch.surface.bank import STEP

Interval = tuple[int, int]
"""First and last + 1."""


def frames(manifest: Manifest) -> tuple[Frame, ...]:
    """The frames that photographs of this model have in the prepared square, from the flattest to the narrowest.

    Those of the aspect ratios that the completeness check allows; without such a limit, those from the one to the other
    extreme of the stored plates.
    """
    size, limits = manifest.config.image_size, manifest.completeness
    allowed = None if limits is None else limits.ranges.get("aspect")
    if allowed is None:
        found = [each[4] - each[3] for each in (plate.frame for plate in manifest.replay)] or [0]
        return tuple(_frame(size, each) for each in range(min(found), max(found) + 1))
    return tuple(_frame(size, each) for each in range(_narrowing(size, allowed[1]), _narrowing(size, allowed[0]) + 1))


def _narrowing(size: int, aspect: float) -> int:
    """Height less width of the frame of a photograph with this ln(width / height)."""
    narrow = max(1, round(size * exp(-abs(aspect))))
    return size - narrow if aspect < 0 else narrow - size


def _frame(size: int, narrowing: int) -> Frame:
    width, height = size - max(0, narrowing), size + min(0, narrowing)
    return Frame(1.0, (size - width) // 2, (size - height) // 2, width, height)


def _hull(intervals: Sequence[Interval]) -> Interval:
    return min(first for first, _ in intervals), max(last for _, last in intervals)


@dataclass(frozen=True)
class Axis:
    """Rows or columns of the prepared square, for each possible frame; lengths in px."""

    size: int
    covered: tuple[Interval, ...]
    """Where the photograph lies."""

    @property
    def windows(self) -> list[Interval]:
        """The part with the photograph, up to the next multiple of 32 px (`bank.window`)."""
        return [(first // STEP * STEP, -(-last // STEP) * STEP) for first, last in self.covered]

    @property
    def part(self) -> Interval:
        """The union of the windows."""
        return _hull(self.windows)

    def inside(self) -> list[Floats]:
        """(S,) float32: 1 on the photograph."""
        return [_rows(self.size, each, np.ones(each[1] - each[0], np.float32)) for each in self.covered]

    def reflected(self, every: int, radius: int, mode: str) -> list[Indices]:
        """Indices in the part, sampled at every `every`-th px, that continue the window by reflection.

        They reach `radius` beyond both ends of the part. `mode` is `symmetric` (border repeated) or `reflect`.
        """
        start, end = (each // every for each in self.part)
        found = []
        for first, last in self.windows:
            own = np.arange(first // every - start, last // every - start)
            before, after = first // every - start + radius, end - last // every + radius
            found.append(np.pad(own, (before, after), mode=mode).astype(np.int64))  # type: ignore[call-overload]
        return found

    def filters(self, every: int, kernel: Floats, mode: str) -> list[Floats]:
        """Matrices (P, P) that convolve the part, sampled at every `every`-th px, with a kernel (odd length,)."""
        places = np.arange((self.part[1] - self.part[0]) // every)
        found = []
        for indices in self.reflected(every, len(kernel) // 2, mode):
            matrix = np.zeros((len(places), len(places)), np.float32)
            for shift, weight in enumerate(kernel):
                np.add.at(matrix, (places, indices[places + shift]), weight)
            found.append(matrix)
        return found

    def blurs(self, patch: int, width: float) -> list[Floats]:
        """Matrices (A, A) that blur the part's patches by `width` patches, reflected at the window's borders."""
        start, end = (each // patch for each in self.part)
        found = []
        for first, last in self.windows:
            own = slice(first // patch - start, last // patch - start)
            matrix = np.zeros((end - start, end - start), np.float32)
            matrix[own, own] = _matrix(own.stop - own.start, lambda patches: features.blur(patches, width))
            found.append(matrix)
        return found

    def enlargements(self, patch: int, smooth: float) -> list[Floats]:
        """Matrices (S, A) from the part's patches to the px of the map, 0 outside of the photograph (`Bank.map`)."""
        start, end = (each // patch for each in self.part)
        found = []
        for covered in self.covered:
            first, last = covered[0] // patch, -(-covered[1] // patch)
            matrix = np.zeros((self.size, end - start), np.float32)
            own = _matrix(last - first, lambda patches: bank.to_map(patches, patch, smooth)[:, :1])
            shown = own[covered[0] - first * patch : covered[1] - first * patch]
            matrix[slice(*covered), first - start : last - start] = shown
            found.append(matrix)
        return found


def _matrix(length: int, along: Callable[[Floats], Floats]) -> Floats:
    """The matrix of a linear map of columns (length, 1) to columns, from what it makes of each unit vector."""
    return np.concatenate([along(each[:, None]) for each in np.eye(length, dtype=np.float32)], axis=1)


def _rows(size: int, interval: Interval, values: Floats) -> Floats:
    found = np.zeros((size, *values.shape[1:]), np.float32)
    found[slice(*interval)] = values
    return found


class Geometry:
    """The possible frames in a graph, and the number of the one that a picture has."""

    def __init__(self, graph: Graph, picture: str, possible: Sequence[Frame], size: int) -> None:
        """`picture` (S, S, 3) uint8."""
        self._graph, self.frames, self.size = graph, tuple(possible), size
        self.rows = Axis(size, tuple((each.top, each.top + each.height) for each in possible))
        self.columns = Axis(size, tuple((each.left, each.left + each.width) for each in possible))
        self._number = self._found(picture) if len(self.frames) > 1 else ""

    def choose(self, of_frames: Sequence[Array]) -> str:
        """The value for the picture's frame; `of_frames` has one for each of the possible ones."""
        kinds = dict[bytes, int]()
        which = np.array([kinds.setdefault(each.tobytes(), len(kinds)) for each in of_frames], np.int64)
        different = [of_frames[int(np.argmax(which == number))] for number in range(len(kinds))]
        if len(different) == 1:
            return self._graph.constant(different[0])
        number = self._graph.add("Gather", which, self._number, axis=0)
        return self._graph.add("Gather", np.stack(different), number, axis=0)

    def _found(self, picture: str) -> str:
        """The number of the picture's frame: as wide or high as what the padding leaves."""
        graph = self._graph
        first, last = (each.height - each.width for each in (self.frames[0], self.frames[-1]))
        missing = [
            graph.add("Min", self._padding(picture, axis), np.array(most, np.int64))
            for axis, most in ((1, max(last, 0)), (0, max(-first, 0)))
        ]
        is_narrow = graph.add("GreaterOrEqual", *missing)
        narrowing = graph.add("Where", is_narrow, missing[0], graph.add("Neg", missing[1]))
        bounds = np.array(first, np.int64), np.array(last, np.int64)
        within = graph.add("Min", graph.add("Max", narrowing, bounds[0]), bounds[1])
        return graph.add("Sub", within, bounds[0])

    def _padding(self, picture: str, axis: int) -> str:
        """The number of columns (axis 1) or rows (axis 0) that are padding, from the equal ones at both ends."""
        graph, size = self._graph, self.size
        pixels = graph.add("Cast", picture, to=INT32)
        here, next_ = (
            graph.add("Slice", pixels, *(np.array([each], np.int64) for each in (start, start + size - 1, axis)))
            for start in (0, 1)
        )
        change = graph.reduce("ReduceMax", graph.add("Abs", graph.add("Sub", next_, here)), 1 - axis, 2)
        changes = graph.add("Cast", graph.add("Greater", change, np.array(0, np.int32)), to=INT32)
        before, last = (graph.add("ArgMax", changes, axis=0, keepdims=0, select_last_index=each) for each in (0, 1))
        after = graph.add("Sub", np.array(size - 2, np.int64), last)
        more = graph.add("Cast", graph.add("Greater", after, before), to=INT64)  # the odd px is behind the photograph
        both = graph.add("Min", before, after)
        return graph.add("Add", graph.add("Add", both, both), more)
