"""Metrics of scores and maps against labels and masks: AUROC, AP, AUPRO, ROC curve, proportions with intervals.

A metric that the data do not allow (one class only, no masks) is None, never NaN.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from platewatch.arrays import Doubles, Floats, Labels, Mask
from platewatch.decision.intervals import Interval, clopper_pearson

FPR_LIMIT = 0.3
"""AUPRO integrates up to this false positive rate of pixels, as in the MVTec benchmark."""

_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Proportion:
    """`count` out of `of`, with its 95 % interval."""

    count: int
    of: int

    @property
    def rate(self) -> float | None:
        """The proportion; None when `of` is 0."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> Interval:
        """The exact 95 % interval (Clopper–Pearson); 0 to 1 when `of` is 0."""
        return clopper_pearson(self.count, self.of)

    def as_dict(self) -> dict[str, float | int | list[float] | None]:
        """Plain JSON values: count, of, rate, interval."""
        return {"count": self.count, "of": self.of, "rate": self.rate, "interval": list(self.interval)}


@dataclass(frozen=True)
class PixelFigures:
    """Pixel metrics of maps against masks; None without defective or without good pixels."""

    auroc: float | None
    average_precision: float | None
    aupro: float | None


def auroc(labels: Labels, scores: Doubles) -> float | None:
    """Area under the ROC curve of (N,) scores, anomalous (1) expected higher; ties count half."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - the model card, which takes its tables from here, needs none

    return float(roc_auc_score(labels, scores)) if _both(labels) else None


def average_precision(labels: Labels, scores: Doubles) -> float | None:
    """Average precision of (N,) scores with anomalous (1) as the positive class."""
    from sklearn.metrics import average_precision_score  # noqa: PLC0415 - as above

    return float(average_precision_score(labels, scores)) if _both(labels) else None


def roc(labels: Labels, scores: Doubles) -> tuple[Doubles, Doubles]:
    """False and true positive rates from (0, 0) to (1, 1); raises ValueError without both classes."""
    from sklearn.metrics import roc_curve  # noqa: PLC0415 - as above

    if not _both(labels):
        raise ValueError("a ROC curve needs both classes")
    false_positive, true_positive, _ = roc_curve(labels, scores)
    return false_positive, true_positive


def auroc_interval(area: float, normal: int, anomalous: int) -> Interval:
    """The 95 % interval of an AUROC measured on `normal` and `anomalous` plates.

    Newcombe's method 5 (Statistics in Medicine 25, 2006): all areas whose Hanley–McNeil interval contains the measured
    one. At an area of 1 it keeps a width, where DeLong's and the bootstrap's intervals have none.
    """
    spare = (normal + anomalous) / 2 - 1

    def reaches(true: float) -> bool:
        spread = 1 + spare * (1 - true) / (2 - true) + spare * true / (1 + true)
        return abs(area - true) <= _Z95 * math.sqrt(true * (1 - true) * spread / (normal * anomalous))

    return _edge(area, 0.0, reaches), _edge(area, 1.0, reaches)


def pixel_figures(maps: Sequence[Floats], masks: Sequence[Mask]) -> PixelFigures:
    """Pixel AUROC, average precision and AUPRO of float maps against bool masks, one (H, W) pair per plate.

    Exact, also with ties: all pixels are sorted once, without bins. 150 plates of 256×256 take about two seconds and
    0.5 GB.
    """
    values = np.concatenate([np.asarray(part, np.float32).ravel() for part in maps] or [np.empty(0, np.float32)])
    overlap, regions = _overlap_weights(masks)
    if not regions or not (overlap == 0).any():
        return PixelFigures(None, None, None)
    order = np.argsort(values)[::-1]
    ordered = values[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)  # last pixel of each tie
    del ordered, values
    overlap = overlap[order]
    del order
    found = np.cumsum(overlap > 0, dtype=np.int64)[ends]
    false = ends + 1 - found
    covered = np.cumsum(overlap)[ends] / regions
    precision = found / (ends + 1)
    recall = np.append(0.0, found / found[-1])
    false_rate = np.append(0.0, false / false[-1])
    return PixelFigures(
        auroc=_trapezoid(false_rate, recall),
        average_precision=float(np.sum(np.diff(recall) * precision)),
        aupro=_area_up_to(false_rate, np.append(0.0, covered), FPR_LIMIT),
    )


def _both(labels: Labels) -> bool:
    return len(np.unique(labels)) == 2


def _edge(inside: float, outside: float, reaches: Callable[[float], bool]) -> float:
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if reaches(middle) else (inside, middle)
    return inside


def _overlap_weights(masks: Sequence[Mask]) -> tuple[Doubles, int]:
    """For all pixels of all masks 1 / size of their defective region (8-connected), 0 for good; number of regions."""
    parts, regions = [np.empty(0)], 0
    for mask in masks:
        count, names = cv2.connectedComponents(np.ascontiguousarray(mask, np.uint8), connectivity=8)
        sizes = np.bincount(names.ravel(), minlength=count).astype(np.float64)
        weight = np.divide(1.0, sizes, out=np.zeros_like(sizes), where=sizes > 0)
        weight[0] = 0.0
        parts.append(weight[names.ravel()])
        regions += count - 1
    return np.concatenate(parts), regions


def _area_up_to(x: Doubles, y: Doubles, limit: float) -> float:
    """The area under a rising curve from 0 to `limit`, divided by `limit`; linear between points."""
    inside = x <= limit
    last = float(np.interp(limit, x, y))
    return _trapezoid(np.append(x[inside], limit), np.append(y[inside], last)) / limit


def _trapezoid(x: Doubles, y: Doubles) -> float:
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2)
