"""One prepared photograph: quality and completeness check → detectors → score → verdict; the only such sequence."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from platewatch.arrays import Floats, Photo
from platewatch.decision.verdict import Decision
from platewatch.inspection import Verdict
from platewatch.model.runtime import Network
from platewatch.photographs import completeness, quality
from platewatch.photographs.completeness import CompletenessLimits
from platewatch.photographs.preparation import Frame
from platewatch.photographs.quality import Conditions, QualityLimits
from platewatch.surface.detector import Surface

T = TypeVar("T")


class Stage(Protocol):
    """Runs one stage of judging a photograph; its name is `prepare`, `quality`, `surface` or `network`."""

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
        """The checks that a photograph passes when it passes both."""
        known = [each.completeness for each in (self, other) if each.completeness is not None]
        both = completeness.stricter(*known) if len(known) > 1 else next(iter(known), None)
        return Checks(quality.stricter(self.quality, other.quality), both)


@dataclass(frozen=True)
class Scores:
    """The detectors' scores of one prepared photograph, before the decision; 0 for a detector that was not run."""

    surface: float
    reconstruction_error: float
    latent_error: float

    @property
    def numbers(self) -> tuple[float, float, float]:
        """Surface score, reconstruction error, latent error: the arguments of `Decision.score`."""
        return self.surface, self.reconstruction_error, self.latent_error


@dataclass(frozen=True)
class RawNumbers(Scores):
    """The detectors' output for one prepared photograph, before the decision; maps are (S, S) float32."""

    colour_map: Floats
    line_map: Floats
    surface_map: Floats
    network_map: Floats
    """Phase two's map, not divided by `Decision.network_map_scale`."""


S = TypeVar("S", bound=Scores)


@dataclass(frozen=True)
class ScoredPhoto(Generic[S]):
    """A prepared photograph after the checks, detectors and decision."""

    conditions: Conditions
    verdict: Verdict
    unusable: str | None = None
    """Why the photograph failed a check; then no detector is run, and `raw` and `score` are None."""
    raw: S | None = None
    score: float | None = None


def judge_prepared(
    prepared: Photo,
    frame: Frame,
    decision: Decision,
    checks: Checks,
    measure: Callable[[Photo, Frame], S],
    *,
    size: tuple[int, int],
    stage: Stage = run_stage,
) -> ScoredPhoto[S]:
    """Checks → detectors → score → verdict, for one prepared (S, S, 3) uint8 RGB photograph.

    `size` is (width, height) of the photograph as taken, px.
    The line, the out-of-fold verdicts and the speed benchmark all call it. `measure` runs the detectors.
    """
    conditions, unusable = stage("quality", lambda: checks.examine(frame.cut(prepared), size))
    if unusable is not None:
        return ScoredPhoto(conditions, Verdict.REVIEW, unusable)
    raw = measure(prepared, frame)
    score = decision.score(*raw.numbers)
    return ScoredPhoto(conditions, decision.verdict(score), None, raw, score)


def measure(
    surface: Surface,
    network: Network,
    prepared: Photo,
    frame: Frame,
    *,
    beside: Executor | None = None,
    stage: Stage = run_stage,
) -> RawNumbers:
    """Both phases' raw numbers of one prepared (S, S, 3) uint8 photograph; maps are 0 on the padding.

    With an executor `beside` phase two runs there, in parallel with phase one.
    """
    inside = frame.inside(prepared.shape[0])
    waiting = beside.submit(stage, "network", lambda: network.run(prepared[None])) if beside else None
    first = stage("surface", lambda: surface.inspect(prepared, inside))
    second = waiting.result() if waiting else stage("network", lambda: network.run(prepared[None]))
    return RawNumbers(
        surface=first.score,
        reconstruction_error=float(second.reconstruction_error[0]),
        latent_error=float(second.latent_error[0]),
        colour_map=first.colour_map,
        line_map=first.line_map,
        surface_map=first.anomaly_map,
        network_map=np.where(inside, second.anomaly_map[0], np.float32(0)),
    )


def measure_weighted(surface: Surface, network: Network, prepared: Photo, frame: Frame, decision: Decision) -> Scores:
    """Scores only; a detector with weight 0 is not run."""
    first, second = 0.0, (0.0, 0.0)
    if decision.weight > 0:
        first = surface.inspect(prepared, frame.inside(prepared.shape[0])).score
    if decision.weight < 1:
        seen = network.run(prepared[None])
        second = float(seen.reconstruction_error[0]), float(seen.latent_error[0])
    return Scores(first, *second)
