"""From numbers to a decision and a sentence: the only place where a score meets a threshold."""

import math
from collections.abc import Sequence
from types import EllipsisType
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from platewatch.arrays import Array
from platewatch.config import STRICT
from platewatch.inspection import Defect, Evidence, Verdict
from platewatch.photographs.preparation import Frame

_SMALLEST = 12  # px of the prepared photograph: less is the camera's noise
_MOST = 50  # defects listed at most; what is left out is in the map all the same


@dataclass(frozen=True, config=STRICT)
class Decision:
    """Everything that turns the detectors' numbers into a verdict; kept in the manifest, apart from the weights."""

    alpha: Annotated[float, Field(ge=0, le=1)]
    """Phase two's score is alpha · reconstruction error + (1 − alpha) · latent error."""
    network_scale: Annotated[float, Field(gt=0)]
    """Phase two's score that counts as 1, the highest expected of a good plate."""
    network_map_scale: Annotated[float, Field(gt=0)]
    """The same for its anomaly map."""
    weight: Annotated[float, Field(ge=0, le=1)]
    """The plate's score is weight · surface + (1 − weight) · Skip-GANomaly, each in its unit; 1: surface alone."""
    review: float
    """Scores above this are not PASS."""
    threshold: float
    """Scores above this are REJECT."""

    def network_score(self, reconstruction_error: float, latent_error: float) -> float:
        """Phase two's score in its own unit: 1 is the highest expected of a good plate."""
        return (self.alpha * reconstruction_error + (1 - self.alpha) * latent_error) / self.network_scale

    def score(self, surface: float, reconstruction_error: float, latent_error: float) -> float:
        """The plate's score: both phases, weighed, each in units of what is expected of good plates."""
        return self.weight * surface + (1 - self.weight) * self.network_score(reconstruction_error, latent_error)

    def join(self, surface_map: Array, network_map: Array) -> Array:
        """Both phases' maps (S, S) float32, each in its unit, in one: the root of their squares, weighed as the scores.

        Where both are 1 it is 1. A sum would let the network's blur soften what the surface draws sharply.
        """
        first, second = np.float32(self.weight), np.float32(1 - self.weight)
        joined: Array = np.sqrt((first * surface_map) ** 2 + (second * network_map) ** 2)  # NumPy's hypot is slow
        joined /= np.hypot(first, second)
        return joined

    def verdict(self, score: float) -> Verdict:
        """PASS up to `review`, REVIEW up to `threshold`, REJECT above and for what is no number."""
        if score <= self.review:
            return Verdict.PASS
        return Verdict.REVIEW if score <= self.threshold else Verdict.REJECT


@dataclass(frozen=True, config=STRICT)
class FalseAlarmBound:
    """What false-alarm rate the good plates support."""

    asked: Annotated[float, Field(gt=0, lt=1)]
    """The false-alarm rate that was asked for."""
    false_alarm_rate: float
    """The rate expected of a further good plate, on average: (1 + good plates above the threshold) / (n + 1)."""
    upper_95: float
    """With 95 % confidence the rate is no higher (Clopper–Pearson, one-sided)."""
    floor: float
    """The lowest rate that so many plates can promise: 1 / (n + 1)."""
    good_plates: int
    promised: bool
    """Whether `asked` is at least `false_alarm_rate`."""
    plates_needed: int
    """Good plates that it takes to promise `asked`, on average."""
    plates_needed_95: int
    """The same with 95 % confidence, when none of them is above the threshold."""


def plates_needed(rate: float) -> int:
    """Good plates from which on a false-alarm rate is possible on average: the smallest n with 1 / (n + 1) ≤ `rate`."""
    return math.ceil(1 / rate - 1 - 1e-9)


def p_value(score: float, good_scores: Sequence[float]) -> float:
    """The share of good plates at least this bad: (1 + #{good ≥ score}) / (n + 1).

    Conformal: at most a share p of further good plates gets a value of p or less (Vovk, Gammerman, Shafer 2005, 2.20).
    """
    worse = sum(good >= score for good in good_scores)
    return (1 + worse) / (len(good_scores) + 1)


def evidence(colour_map: Array, line_map: Array, where: Array | EllipsisType = ...) -> Evidence:
    """How much of the anomaly within `where`, bool like the maps, is colour and how much line, by summed squares."""
    colour = float(np.square(colour_map[where], dtype=np.float64).sum())
    line = float(np.square(line_map[where], dtype=np.float64).sum())
    share = round(colour / (colour + line), 4) if colour + line > 0 else 0.5
    return Evidence(colour=share, line=round(1 - share, 4))


def defects(
    anomaly_map: Array, colour_map: Array, line_map: Array, frame: Frame, size: tuple[int, int]
) -> tuple[Defect, ...]:
    """The places where the map (S, S) exceeds 1, or stands out most when none does; worst first, at most 50.

    `size` is the photograph's (width, height) in px; no box reaches beyond it.
    """
    level = min(1.0, 0.7 * float(anomaly_map.max()))
    count, labels, stats, _ = cv2.connectedComponentsWithStats((anomaly_map > level).astype(np.uint8))
    large = [each for each in range(1, count) if stats[each, cv2.CC_STAT_AREA] >= _SMALLEST]

    def describe(number: int) -> Defect:
        left, top, width, height = (int(stats[number, column]) for column in range(4))
        around = slice(top, top + height), slice(left, left + width)
        place = labels[around] == number
        box, area, length = _measure(place, (left, top), frame, size)
        peak = round(float(anomaly_map[around][place].max()), 4)
        return Defect(box, area, length, peak, evidence(colour_map[around], line_map[around], place))

    found = [describe(each) for each in large]
    return tuple(sorted(found, key=lambda defect: -defect.peak * defect.area_px)[:_MOST])


def _measure(
    place: Array, corner: tuple[int, int], frame: Frame, size: tuple[int, int]
) -> tuple[tuple[int, int, int, int], int, float]:
    """Box, area and longest extent, in px of the photograph, of a place (H, W) bool of the prepared square.

    `corner` is where its upper left lies in the square, as x and y.
    """
    outline, _ = cv2.findContours(place.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=corner)
    points = np.concatenate(outline)
    left, top, width, height = cv2.boundingRect(points)
    x, across = _span(left - frame.left, width, frame.width, size[0])
    y, down = _span(top - frame.top, height, frame.height, size[1])
    area = int(place.sum()) * size[0] * size[1] / (frame.width * frame.height)
    extent = max(cv2.minAreaRect(points)[1]) + 1
    return (x, y, across, down), max(1, round(area)), round(float(extent) / frame.scale, 1)


def _span(start: int, length: int, framed: int, full: int) -> tuple[int, int]:
    """A stretch of the `framed` px that a photograph takes in the square → start and length on its own `full` px."""
    first, last = max(0, start) * full // framed, -(-min(framed, start + length) * full // framed)
    return first, last - first


def reason(verdict: Verdict, p: float, good_plates: int, found: Sequence[Defect], size: tuple[int, int]) -> str:
    """The verdict in one sentence; `size` is the photograph's (width, height) in px."""
    if verdict is Verdict.PASS:
        return "looks like the good plates"
    standing = (
        f"{'worse than all' if p <= 1 / (good_plates + 1) else f'worse than {1 - p:.0%} of'} {good_plates} good plates"
    )
    surely = "" if verdict is Verdict.REJECT else ", not surely defective: look at it"
    if not found:  # the network's features differ, or no place is large enough to list
        return f"{standing}: as a whole, in no single place{surely}"
    worst = found[0]
    kind = (
        "mostly colour or brightness"
        if worst.evidence.colour >= 0.75
        else "mostly line"
        if worst.evidence.line >= 0.65
        else "colour and line"
    )
    share = worst.area_px / (size[0] * size[1])
    places = "1 place" if len(found) == 1 else f"{len(found)} places, the worst"
    return f"{standing}: {kind} in {places} {_corner(worst, size)}, {share:.1%} of the picture{surely}"


def _corner(defect: Defect, size: tuple[int, int]) -> str:
    x, y, width, height = defect.box
    column = ("left", "centre", "right")[min(2, int(3 * (x + width / 2) / size[0]))]
    row = ("upper", "middle", "lower")[min(2, int(3 * (y + height / 2) / size[1]))]
    return "in the middle" if (row, column) == ("middle", "centre") else f"{row} {column}"
