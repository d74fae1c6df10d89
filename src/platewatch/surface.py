"""Phase one: the surface. Colour and lines of every small cell, compared with cells of good plates.

Two banks hold what good cells look like: their colour (mean and spread of CIE Lab) and their lines (how strong the
detail is at several widths and along its two main directions). A cell's distance to the nearest good cell, in units
that good plates set themselves, is its anomaly. Fits in seconds, needs NumPy and OpenCV alone.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np

from platewatch.images import Array

CELL = 8  # px: a cell's side in the prepared photograph
_WINDOW = 2.5  # px: a cell looks this far around itself (standard deviation of a Gaussian)
_BANDS = (0.7, 1.4, 2.8, 5.6)  # px: widths between which detail is measured, an octave apart
_DIRECTIONS = (1.0, 2.0)  # px: blur before the gradients whose main direction is measured
_LIGHTNESS = 0.6  # lightness weighs less than colour: a lamp changes it first
_FAINTEST = 0.3  # in L of 0..100: detail below this is the camera's noise
_BANK = 12288  # cells kept in each bank
_INNER_FOLDS = 3
_SMOOTH = 3.0  # px: blur of the finished map
POOL_SHARE = 0.002  # the score is the mean over this share of the map's largest places: small defects count too


@dataclass(frozen=True)
class SurfaceResult:
    """What phase one sees on one plate: `colour_map` and `line_map` (S, S) float32 ≥ 0; the worse of them is the score.

    In map and score 1 is the highest that is expected of a good plate.
    """

    score: float
    colour_map: Array
    line_map: Array

    @property
    def anomaly_map(self) -> Array:
        """Both maps in one, (S, S) float32: the root of their summed squares."""
        both: Array = np.hypot(self.colour_map, self.line_map)
        return both


@dataclass(frozen=True)
class Surface:
    """The banks of good cells, each (M, features) float32, and the distance in each that counts as 1."""

    colour_bank: Array
    line_bank: Array
    colour_unit: float
    line_unit: float

    def inspect(self, photo: Array, inside: Array) -> SurfaceResult:
        """Compare a prepared (S, S, 3) uint8 photograph; `inside` (S, S) bool leaves out the padding around it."""
        colour, line = describe(photo)
        maps = (
            _to_map(_nearest(colour, self.colour_bank) / self.colour_unit, photo.shape[0]),
            _to_map(_nearest(line, self.line_bank) / self.line_unit, photo.shape[0]),
        )
        colour_map, line_map = (np.where(inside, each, np.float32(0)) for each in maps)
        return SurfaceResult(max(pool(colour_map), pool(line_map)), colour_map, line_map)

    def arrays(self) -> dict[str, Array]:
        """Everything as named arrays, for an npz without objects; `from_arrays` is the inverse."""
        return {name: np.asarray(value, dtype=np.float32) for name, value in asdict(self).items()}

    @staticmethod
    def from_arrays(arrays: dict[str, Array]) -> "Surface":
        """The Surface that `arrays` gave; raises KeyError when one is missing."""
        units = float(arrays["colour_unit"]), float(arrays["line_unit"])
        return Surface(arrays["colour_bank"], arrays["line_bank"], *units)


def fit(photos: Array, seed: int) -> Surface:
    """Learn the good cells of (N, S, S, 3) uint8 prepared photographs, N at least 2; the same seed, the same banks."""
    described = [describe(photo) for photo in photos]
    colour, line = (np.stack([each[part] for each in described]) for part in (0, 1))
    order = np.random.default_rng(seed).permutation(len(photos))
    return Surface(
        colour_bank=_bank(colour, seed),
        line_bank=_bank(line, seed),
        colour_unit=_unit(colour, photos.shape[1], order, seed),
        line_unit=_unit(line, photos.shape[1], order, seed),
    )


def describe(photo: Array) -> tuple[Array, Array]:
    """Colour (C, C, 6) and line (C, C, 8) features, float32, of each of the C = S / CELL cells a side."""
    lab = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return _at_cells(_colour(lab)), _at_cells(_line(np.ascontiguousarray(lab[..., 0])))


def pool(anomaly_map: Array, share: float = POOL_SHARE) -> float:
    """The mean over the largest `share` of a map's places."""
    count = max(1, round(share * anomaly_map.size))
    flat = anomaly_map.ravel()
    return float(np.partition(flat, flat.size - count)[-count:].mean(dtype=np.float64))


def expected_highest(scores: Sequence[float] | Array) -> float:
    """The highest score expected of a good plate, whatever few odd ones scored: the unit of scores and maps.

    Three robust standard deviations above the median of the logs.
    """
    logs = np.log(np.maximum(scores, 1e-9))
    spread = 1.4826 * float(np.median(np.abs(logs - np.median(logs))))
    return float(np.exp(np.median(logs) + 3 * spread))


def _colour(lab: Array) -> Array:
    weighted = lab * np.array([_LIGHTNESS, 1, 1], np.float32)
    mean = _blur(weighted, _WINDOW)
    spread = np.sqrt(np.maximum(_blur(weighted * weighted, _WINDOW) - mean * mean, 0))
    return np.concatenate([mean, spread], axis=2)


def _line(lightness: Array) -> Array:
    """Log energy of each band of widths, then of gradients along and across their main direction (structure tensor)."""
    energies = []
    finer = lightness
    for width in _BANDS:
        coarser = _blur(lightness, width)
        band = finer - coarser
        energies.append(_blur(band * band, max(_WINDOW, 1.5 * width)))
        finer = coarser
    for width in _DIRECTIONS:
        smooth = _blur(lightness, width)
        gx, gy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
        xx, yy, xy = _blur(gx * gx, _WINDOW), _blur(gy * gy, _WINDOW), _blur(gx * gy, _WINDOW)
        apart = np.sqrt((xx - yy) ** 2 + 4 * xy * xy)
        energies += [(xx + yy + apart) / 2, (xx + yy - apart) / 2]
    logs: Array = np.log(np.sqrt(np.maximum(np.stack(energies, axis=2), 0)) + _FAINTEST)
    return logs


def _blur(picture: Array, width: float) -> Array:
    return cv2.GaussianBlur(picture, (0, 0), width, borderType=cv2.BORDER_REFLECT)


def _at_cells(features: Array) -> Array:
    return np.ascontiguousarray(features[CELL // 2 :: CELL, CELL // 2 :: CELL])


def _bank(features: Array, seed: int) -> Array:
    """At most _BANK cells drawn at random from (N, C, C, F) features: what is rare on good plates stays rare."""
    cells = features.reshape(-1, features.shape[-1])
    rng = np.random.default_rng(seed)
    return np.ascontiguousarray(cells[rng.permutation(len(cells))[:_BANK]])


def _unit(features: Array, size: int, order: Array, seed: int) -> float:
    """The highest score expected of a good plate, each good plate compared with other plates' cells only."""
    scores = []
    for fold in range(_INNER_FOLDS):
        held_out = order[fold::_INNER_FOLDS]
        bank = _bank(np.delete(features, held_out, axis=0), seed)
        scores += [pool(_to_map(_nearest(features[plate], bank), size)) for plate in held_out]
    return expected_highest(scores)


def _nearest(features: Array, bank: Array) -> Array:
    """Euclidean distance of each (C, C, F) cell to its nearest in the (M, F) bank: (C, C) float32."""
    centre = bank.mean(axis=0)  # subtracted so that float32 loses nothing in the squares
    cells, bank = features.reshape(-1, features.shape[-1]) - centre, bank - centre
    squares = (bank * bank).sum(axis=1) - 2 * (cells @ bank.T)
    nearest = squares.min(axis=1) + (cells * cells).sum(axis=1)
    distances: Array = np.sqrt(np.maximum(nearest, 0)).reshape(features.shape[:2]).astype(np.float32)
    return distances


def _to_map(cells: Array, size: int) -> Array:
    return _blur(cv2.resize(cells, (size, size), interpolation=cv2.INTER_LINEAR), _SMOOTH)
