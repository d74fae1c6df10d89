"""One prepared photograph: quality and completeness check → detectors → score → verdict; the only such sequence."""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol, TypeVar

import numpy as np

from platewatch.arrays import Floats, Mask, Photo
from platewatch.decision.verdict import Decision
from platewatch.inspection import Verdict
from platewatch.model.runtime import Network, NetworkResult
from platewatch.photographs import completeness, part_shape, quality
from platewatch.photographs.completeness import CompletenessLimits
from platewatch.photographs.part_shape import Examined, Finding, ShapeCheck
from platewatch.photographs.preparation import Frame
from platewatch.photographs.quality import Conditions, QualityLimits
from platewatch.photographs.region import Region
from platewatch.surface.detector import Surface, SurfaceResult

T = TypeVar("T")

Phase = Literal["surface", "skipganomaly"]
"""A detector: phase one or phase two."""
PHASES: frozenset[Phase] = frozenset(("surface", "skipganomaly"))


def weighted(decision: Decision) -> frozenset[Phase]:
    """The phases that have weight in the score."""
    weights: dict[Phase, float] = {"surface": decision.weight, "skipganomaly": 1 - decision.weight}
    return frozenset(phase for phase, weight in weights.items() if weight > 0)


class Stage(Protocol):
    """Runs one stage of judging a photograph; its name is `prepare`, `quality`, `shape`, `surface` or `network`."""

    def __call__(self, name: str, work: Callable[[], T], /) -> T:
        """Run `work()` and return its result."""


def run_stage(_name: str, work: Callable[[], T], /) -> T:
    """The Stage that only runs the work; the speed benchmark passes one that also measures its time."""
    return work()


@dataclass(frozen=True)
class Checks:
    """The limits within which a photograph is judged."""

    quality: QualityLimits
    completeness: CompletenessLimits | None
    """None for a model folder of format 6 or older."""
    shape: ShapeCheck | None = None
    """None where the good parts have no common pose. It takes a PASS back, and no detector's input depends on it."""

    region: Region | None = None
    """None where everything is inspected."""

    def examine(self, photo: Photo, size: tuple[int, int]) -> tuple[Conditions, str | None]:
        """The Conditions of a prepared (H, W, 3) uint8 photograph without its padding, and why it cannot be judged.

        `size` is (width, height) of the photograph as taken, px.
        """
        conditions = quality.measure(photo)
        unusable = quality.reason_unusable(conditions, self.quality)
        if unusable is None and self.completeness is not None:
            unusable = completeness.reason_incomplete(completeness.measure(photo, size), self.completeness)
        return conditions, unusable

    def stricter(self, other: "Checks") -> "Checks":
        """The checks of quality and completeness that a photograph passes when it passes both."""
        known = [each.completeness for each in (self, other) if each.completeness is not None]
        both = completeness.stricter(*known) if len(known) > 1 else next(iter(known), None)
        return Checks(quality.stricter(self.quality, other.quality), both)


@dataclass(frozen=True)
class NetworkNumbers:
    """Phase two's output for one prepared photograph."""

    reconstruction_error: float
    latent_error: float
    anomaly_map: Floats
    """(S, S) float32, not divided by `Decision.network_map_scale`."""


@dataclass(frozen=True)
class RawNumbers:
    """The detectors' output for one prepared photograph, before the decision; None for a phase that was not run."""

    first: SurfaceResult | None
    second: NetworkNumbers | None

    @property
    def surface(self) -> float | None:
        """Phase one's score."""
        return None if self.first is None else self.first.score

    @property
    def reconstruction_error(self) -> float | None:
        return None if self.second is None else self.second.reconstruction_error

    @property
    def latent_error(self) -> float | None:
        return None if self.second is None else self.second.latent_error

    @property
    def numbers(self) -> tuple[float | None, float | None, float | None]:
        """Surface score, reconstruction error, latent error: the arguments of `Decision.score`."""
        return self.surface, self.reconstruction_error, self.latent_error


@dataclass(frozen=True)
class ScoredPhoto:
    """A prepared photograph after the checks, detectors and decision."""

    conditions: Conditions
    verdict: Verdict
    unusable: str | None = None
    """Why the photograph failed a check; then no detector is run, and `raw` and `score` are None."""
    raw: RawNumbers | None = None
    score: float | None = None
    shape: Examined | None = None
    """None for a model without a shape check."""
    frame: Frame | None = None
    """The photograph's frame, with the region where there is one; None where it was not scored."""


def judge_prepared(
    prepared: Photo,
    frame: Frame,
    decision: Decision,
    checks: Checks,
    measure: Callable[[Photo, Frame], RawNumbers],
    *,
    size: tuple[int, int],
    stage: Stage = run_stage,
) -> ScoredPhoto:
    """Checks → shape check → region → detectors → score → verdict, for one prepared (S, S, 3) uint8 RGB photograph.

    A part whose shape or place differs from the good ones is REVIEW in place of PASS.

    `size` is (width, height) of the photograph as taken, px.
    The line, the out-of-fold verdicts and the speed benchmark all call it. `measure` runs the detectors.
    """
    conditions, unusable = stage("quality", lambda: checks.examine(frame.cut(prepared), size))
    if unusable is not None:
        return ScoredPhoto(conditions, Verdict.REVIEW, unusable)
    shape, check = None, checks.shape
    if check is not None:
        shape = stage("shape", lambda: part_shape.examine(frame.cut(prepared), check))
    seen = inspected(prepared, frame, checks.region, shape)
    if seen is None:
        return ScoredPhoto(conditions, Verdict.REVIEW, NO_PLACE, shape=shape)
    raw = measure(*seen)
    score = decision.score(*raw.numbers)
    decided = decision.verdict(score)
    shape = (
        None if shape is None else replace(shape, findings=tuple(_in_region(shape.findings, seen[1], len(prepared))))
    )
    if shape is not None and shape.findings and decided is Verdict.PASS:
        decided = Verdict.REVIEW
    return ScoredPhoto(conditions, decided, None, raw, score, shape, seen[1])


NO_PLACE = "the part's pose is not sure, so it is not known where the region to inspect lies"


def inspected(
    prepared: Photo, frame: Frame, region: Region | None, shape: Examined | None
) -> tuple[Photo, Frame] | None:
    """The prepared photograph as detectors see it, and its frame; None where the region's place is not known."""
    if region is None:
        return prepared, frame
    matrix = None if shape is None or shape.placed is None else shape.placed.matrix
    where = region.on(frame, len(prepared), matrix)
    return None if where is None else region.blanked(prepared, frame, where)


def _in_region(findings: Sequence[Finding], seen: Frame, side: int) -> Iterator[Finding]:
    """The findings that are not wholly outside the region."""
    inside = seen.cut(seen.inside(side))
    for each in findings:
        left, top, right, bottom = (max(0, round(edge)) for edge in each.box or (0, 0, 0, 0))
        if each.box is None or inside[top : max(top + 1, bottom + 1), left : max(left + 1, right + 1)].any():
            yield each


def measure(
    surface: Surface,
    network: Network | None,
    prepared: Photo,
    frame: Frame,
    phases: Collection[Phase] = PHASES,
    *,
    every_bank: bool = False,
    beside: Executor | None = None,
    stage: Stage = run_stage,
) -> RawNumbers:
    """The raw numbers of one prepared (S, S, 3) uint8 photograph by the `phases`; maps are 0 on the padding.

    `every_bank` as in `Surface.inspect`. Phase two is not run where there is no network. With an executor `beside` it
    runs there, in parallel with phase one.
    """
    inside = frame.inside(prepared.shape[0])

    def look() -> SurfaceResult:
        return stage("surface", lambda: surface.inspect(prepared, inside, every_bank=every_bank))

    if network is None or "skipganomaly" not in phases:
        return RawNumbers(look() if "surface" in phases else None, None)
    redraw = partial(stage, "network", partial(network.run, prepared[None]))
    if "surface" not in phases:
        return RawNumbers(None, _numbers(redraw(), inside))
    waiting = beside.submit(redraw) if beside is not None else None
    first = look()
    return RawNumbers(first, _numbers(redraw() if waiting is None else waiting.result(), inside))


def _numbers(found: NetworkResult, inside: Mask) -> NetworkNumbers:
    errors = float(found.reconstruction_error[0]), float(found.latent_error[0])
    return NetworkNumbers(*errors, np.where(inside, found.anomaly_map[0], np.float32(0)))
