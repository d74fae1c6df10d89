"""Verdict: fuse scores and maps, compare with the limits, list defects, p-value, and the verdict's sentence."""

import math
from collections.abc import Sequence
from types import EllipsisType
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from platewatch.arrays import Floats, Mask
from platewatch.config import STRICT
from platewatch.decision.sensitivity_summary import percent
from platewatch.inspection import Defect, Evidence, Verdict
from platewatch.photographs.preparation import Frame

HOLDS = "while the line stays as it was"
"""The condition of every bound: same kind of part, camera, light and process as in the training photographs."""
FEW = 20
"""Fewer groups than this say little; the bound is marked."""

_SMALLEST = 12  # px of the prepared photograph; smaller regions are camera noise
_NAMED = 0.2  # fraction from which the third kind is named as well
_MOST = 50  # defects listed at most; the map shows all


@dataclass(frozen=True, config=STRICT)
class Decision:
    """The parameters that turn the detectors' raw numbers into a score and a verdict; stored in the manifest."""

    alpha: Annotated[float, Field(ge=0, le=1)] | None
    """Phase two's raw score is alpha · reconstruction error + (1 − alpha) · latent error. This and both scales are None
    in a model without phase two."""
    network_scale: Annotated[float, Field(ge=1e-12)] | None
    """Robust 3σ limit of phase two's raw score on good plates; the score is divided by it."""
    network_map_scale: Annotated[float, Field(ge=1e-12, le=1e30)] | None
    """Robust 3σ limit of phase two's pooled anomaly map on good plates; the map is divided by it."""
    weight: Annotated[float, Field(ge=0, le=1)]
    """The plate's score is weight · surface score + (1 − weight) · Skip-GANomaly score; 1 is the surface alone."""
    review: float
    """The PASS limit: scores above it are not PASS."""
    threshold: float
    """The REJECT limit: scores above it are REJECT."""

    def __post_init__(self) -> None:
        absent = {each is None for each in (self.alpha, self.network_scale, self.network_map_scale)}
        if absent == {True, False} or (absent == {True} and self.weight != 1):
            raise ValueError("alpha, network_scale and network_map_scale: expected three numbers, or none and weight 1")

    @property
    def has_network(self) -> bool:
        """Whether the model has a phase two."""
        return self.alpha is not None

    def network_score(self, reconstruction_error: float, latent_error: float) -> float:
        """Phase two's score; 1 is the robust 3σ limit of good plates. NaN in a model without phase two."""
        if self.alpha is None or self.network_scale is None:
            return math.nan
        return (self.alpha * reconstruction_error + (1 - self.alpha) * latent_error) / self.network_scale

    def score(self, surface: float | None, reconstruction_error: float | None, latent_error: float | None) -> float:
        """The plate's score: the weighted mean of both phases' scores.

        The numbers of a phase without weight are not used. NaN where a phase with weight was not run (None).
        """
        first, *errors = (math.nan if each is None else each for each in (surface, reconstruction_error, latent_error))
        if self.weight == 1:
            return first
        second = self.network_score(*errors)
        return second if self.weight == 0 else self.weight * first + (1 - self.weight) * second

    def fuse_maps(self, surface_map: Floats, network_map: Floats | None) -> Floats:
        """The weighted root mean square of both phases' maps, (S, S) float32, with the weights of the scores.

        Where both are 1 it is 1. A weighted mean would show more of the network's blur beside the surface's sharp map.
        Without phase two's map it is the surface's.
        """
        if self.weight == 1 or network_map is None:
            return surface_map
        first, second = np.float32(self.weight), np.float32(1 - self.weight)
        fused: Floats = np.sqrt((first * surface_map) ** 2 + (second * network_map) ** 2)  # NumPy's hypot is slow
        fused /= np.hypot(first, second)
        return fused

    def verdict(self, score: float) -> Verdict:
        """PASS up to `review`, REVIEW up to `threshold`, REJECT above it and for NaN."""
        if score <= self.review:
            return Verdict.PASS
        return Verdict.REVIEW if score <= self.threshold else Verdict.REJECT


@dataclass(frozen=True, config=STRICT)
class FalseAlarmBound:
    """The bound on the false-alarm rate that n good plates support: target, expected, upper 95 %."""

    asked: Annotated[float, Field(gt=0, lt=1)]
    """The target: the false-alarm rate of the configuration."""
    false_alarm_rate: float
    """Expected rate: (1 + good plates above the threshold) / (n + 1)."""
    upper_95: float
    """Upper 95 % confidence limit of the rate (Clopper–Pearson, one-sided)."""
    floor: float
    """Lowest expected rate that n plates can show: 1 / (n + 1)."""
    good_plates: int
    promised: bool
    """Whether the expected rate is at most the target."""
    plates_needed: int
    """Number of good plates from which `floor` is at most the target."""
    plates_needed_95: int
    """Number of good plates from which `upper_95` is at most the target if none of them is above the threshold."""
    groups: int | None = None
    """Number n of groups that the bound counts: plates of one group are alike, and a group is above the threshold when
    any of its plates is. None in older models, which count plates."""

    @property
    def counted(self) -> int:
        """The number n of independent draws behind the bound: groups, or plates where there are none."""
        return self.groups or self.good_plates

    @property
    def by_group(self) -> bool:
        """Whether the bound counts groups of several plates."""
        return self.counted < self.good_plates

    @property
    def few(self) -> bool:
        """Whether the bound is from fewer than 20 groups or plates."""
        return self.counted < FEW


def bound_sentence(bound: FalseAlarmBound) -> str:
    """The bound in words: target, expected rate, upper 95 % limit, lowest rate that can be shown, when it holds."""
    counted = f"{bound.counted} groups ({bound.good_plates} plates)" if bound.by_group else f"{bound.counted} plates"
    words = (
        f"You asked for ≤ {percent(bound.asked)}. Expect {percent(bound.false_alarm_rate)}; "
        f"up to {percent(bound.upper_95)} is possible ({percent(0.95)}), {HOLDS}. "
        f"{counted} cannot show less than {percent(bound.floor)}."
    )
    if bound.by_group:
        words += (
            " The rates count groups of plates that are alike: a group counts as soon as one of its plates is REJECT, "
            "so single plates are REJECT no more often."
        )
    if bound.few:
        words += f" FEW {'GROUPS' if bound.by_group else 'PLATES'}: fewer than {FEW} say little about all others."
    return words


def plates_needed(rate: float) -> int:
    """The smallest number n of good plates that can show a false-alarm rate: 1 / (n + 1) ≤ `rate`."""
    return math.ceil(1 / rate - 1 - 1e-9)


def p_value(score: float, good_scores: Sequence[float]) -> float:
    """The conformal p-value of a score: (1 + #{good ≥ score}) / (n + 1).

    Of further good plates at most a fraction p gets a value of p or less (Vovk, Gammerman, Shafer 2005, eq. 2.20).
    Where plates of one group are alike, `good_scores` are the largest scores of the groups.
    """
    worse = sum(good >= score for good in good_scores)
    return (1 + worse) / (len(good_scores) + 1)


def evidence(maps: Sequence[Floats], where: Mask | EllipsisType = ...) -> Evidence:
    """The fractions of colour, line and texture in the sum of squares of their maps within `where` (S, S) bool.

    `maps` are those of colour, line and, where the model has it, texture, (S, S) float32; 0 where they have no weight.
    """
    squares = np.array([float(np.vdot(each[where], each[where])) for each in maps])
    total = squares.sum()
    colour, *others = squares / total if total > 0 else np.full(len(maps), 1 / len(maps))
    texture = round(float(others[1]), 4) if len(others) > 1 else None
    rounded = round(float(colour), 4)
    return Evidence(colour=rounded, line=max(0.0, round(1 - rounded - (texture or 0), 4)), texture=texture)


def defects(anomaly_map: Floats, maps: Sequence[Floats], frame: Frame, size: tuple[int, int]) -> tuple[Defect, ...]:
    """The regions where the map (S, S) exceeds 1, or 70 % of its maximum if that is less; worst first, at most 50.

    Regions are 8-connected and at least 12 px of the prepared photograph. `maps` are those of `evidence`. `size` is the
    original photograph's (width, height) in px; boxes lie within it.
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
        return Defect(box, area, length, peak, evidence([each[around] for each in maps], place))

    found = [describe(each) for each in large]
    return tuple(sorted(found, key=lambda defect: -defect.peak * defect.area_px)[:_MOST])


def _measure(
    place: Mask, corner: tuple[int, int], frame: Frame, size: tuple[int, int]
) -> tuple[tuple[int, int, int, int], int, float]:
    """Box, area and longest extent, in px of the original photograph, of a region (H, W) bool of the prepared square.

    `corner` is the x and y of the region's upper left corner in the square.
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
    """Start and length of an interval, scaled from the `framed` px of the square to the photograph's `full` px."""
    first, last = max(0, start) * full // framed, -(-min(framed, start + length) * full // framed)
    return first, last - first


def reason(
    verdict: Verdict, p: float, good: int, found: Sequence[Defect], size: tuple[int, int], *, what: str = "good plates"
) -> str:
    """The verdict in one sentence; `size` is the photograph's (width, height) in px.

    `good`: the number of scores behind the p-value. `what`: plates, or groups of plates.
    """
    if verdict is Verdict.PASS:
        return "looks like the good plates"
    standing = f"{'worse than all' if p <= 1 / (good + 1) else f'worse than {1 - p:.0%} of'} {good} {what}"
    surely = "" if verdict is Verdict.REJECT else ", not surely defective: look at it"
    if not found:  # only the latent error is high, or every region is too small to list
        return f"{standing}: as a whole, in no single place{surely}"
    worst = found[0]
    fraction = worst.area_px / (size[0] * size[1])
    places = "1 place" if len(found) == 1 else f"{len(found)} places, the worst"
    return (
        f"{standing}: {_kind(worst.evidence)} in {places} {_corner(worst, size)}, {fraction:.1%} of the picture{surely}"
    )


def _kind(evidence: Evidence) -> str:
    """What most of an anomaly is, in words."""
    if evidence.colour >= 0.75:
        return "mostly colour or brightness"
    if evidence.line >= 0.65:
        return "mostly line"
    if evidence.texture is None:
        return "colour and line"
    if evidence.texture >= 0.65:
        return "mostly texture or shape"
    named = {"colour": evidence.colour, "line": evidence.line, "texture": evidence.texture}
    words = [name for name, fraction in named.items() if fraction >= min(_NAMED, sorted(named.values())[1])]
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _corner(defect: Defect, size: tuple[int, int]) -> str:
    x, y, width, height = defect.box
    column = ("left", "centre", "right")[min(2, int(3 * (x + width / 2) / size[0]))]
    row = ("upper", "middle", "lower")[min(2, int(3 * (y + height / 2) / size[1]))]
    return "in the middle" if (row, column) == ("middle", "centre") else f"{row} {column}"
