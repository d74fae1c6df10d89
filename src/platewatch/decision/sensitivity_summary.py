"""What a model finds and how it takes another light: counts as kept in the manifest, and the sentences they give.

Good plates were judged by detectors that never saw them, once with a defect of known size and contrast forged onto
them, once under another lamp. Lengths are px of the prepared photograph; in words they become px of the photograph as
it came, and mm where its scale is known.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from platewatch.config import STRICT

Kind = Literal["scratch", "rust"]
KINDS: tuple[Kind, ...] = ("scratch", "rust")
Number = Annotated[int, Field(ge=0)]

FOUND = 0.95
"""A defect counts as found when it is found on this share of plates,"""
UNSEEN = 0.5
"""and as not seen when it is found on less than this."""


@dataclass(frozen=True, config=STRICT)
class Trial:
    """One defect, forged onto so many good plates that PASS without it."""

    size_px: Annotated[float, Field(gt=0)]
    """A scratch's width, a rust spot's diameter."""
    contrast: Annotated[float, Field(gt=0, le=1)]
    """Change of the strongest channel, as a share of its range."""
    plates: Number
    found: Number
    """Of these, how many did not PASS."""
    rejected: Number
    """Of these, how many were even REJECT."""
    interval: tuple[float, float]
    """95 % interval of the share found (Clopper–Pearson, two-sided)."""

    @property
    def share(self) -> float | None:
        """The share found, None out of nothing."""
        return self.found / self.plates if self.plates else None


@dataclass(frozen=True, config=STRICT)
class Sensitivity:
    """What was forged onto good plates and found."""

    photo_side: Annotated[int, Field(gt=0)]
    """Longer side in px of the good photographs as they came, the median of them."""
    scale: Annotated[float, Field(gt=0)]
    """Px of the prepared photograph for each px of such a photograph."""
    mm_per_px: Annotated[float, Field(gt=0)] | None
    """What one px of such a photograph shows of the plate, where that is known."""
    length_px: Annotated[float, Field(gt=0)]
    """Length of each scratch."""
    good_plates: Number
    passing: Number
    """Good plates that PASS undamaged: only these show whether a defect makes the difference."""
    scratch: tuple[Trial, ...]
    rust: tuple[Trial, ...]

    def trials(self, kind: Kind) -> tuple[Trial, ...]:
        """The trials of one kind, sizes ascending, for each size contrasts ascending."""
        return self.scratch if kind == "scratch" else self.rust

    def length(self, px: float) -> str:
        """Px of the prepared photograph in words: '8 px (0.8 mm)', of the photograph as it came."""
        photo_px = px / self.scale
        return f"{_short(photo_px, 3)} px" + (f" ({_short(photo_px * self.mm_per_px, 2)} mm)" if self.mm_per_px else "")


@dataclass(frozen=True, config=STRICT)
class Illumination:
    """Verdicts on the good plates under one lamp."""

    brightness: Annotated[float, Field(gt=0)]
    """What every channel was multiplied by; 1 for as photographed."""
    warmth: float
    """The share by which red was raised and blue lowered."""
    passed: Number
    review: Number
    reject: Number
    interval: tuple[float, float]
    """95 % interval of the share in REJECT (Clopper–Pearson, two-sided)."""

    @property
    def plates(self) -> int:
        return self.passed + self.review + self.reject

    @property
    def name(self) -> str:
        """The lamp in words."""
        parts = [f"{percent(abs(self.brightness - 1))} {'brighter' if self.brightness > 1 else 'darker'}"] * (
            self.brightness != 1
        )
        parts += [f"{percent(abs(self.warmth))} {'warmer' if self.warmth > 0 else 'colder'}"] * (self.warmth != 0)
        return " and ".join(parts) or "as photographed"


def smallest(trials: Sequence[Trial], contrast: float) -> Trial | None:
    """The smallest size at this contrast that was found, as was every larger one tried; None when there is none."""
    best = None
    for trial in sorted(trials, key=lambda each: -each.size_px):
        if trial.contrast == contrast:
            if trial.share is None or trial.share < FOUND:
                return best
            best = trial
    return best


def sentences(found: Sensitivity, kind: Kind) -> tuple[str, ...]:
    """For each contrast, faintest first, the smallest defect found, or that not even the largest was; one for none."""
    trials = found.trials(kind)
    if _nothing(trials):
        return (_none(found, kind),)
    return tuple(_at(found, kind, contrast) for contrast in contrasts(trials))


def summary_sentence(found: Sensitivity, kind: Kind) -> str:
    """One sentence: the smallest defect found at the faintest contrast from which on, at all stronger ones, one was."""
    trials = found.trials(kind)
    if _nothing(trials):
        return _none(found, kind)
    *fainter, contrast = contrasts(trials)
    while fainter and smallest(trials, contrast) and smallest(trials, fainter[-1]):
        contrast = fainter.pop()
    return _at(found, kind, contrast)


def unseen(found: Sensitivity, kind: Kind) -> tuple[str, ...]:
    """For each contrast the defects found on under half of the plates: those up to a size in one, others one by one."""
    said = []
    for contrast in contrasts(found.trials(kind)):
        trials = sorted(
            (each for each in found.trials(kind) if each.contrast == contrast), key=lambda each: each.size_px
        )
        missed = [trial.share is not None and trial.share < UNSEEN for trial in trials]
        small = missed.index(False) if False in missed else len(missed)  # so many of the smallest, without a gap
        if small:
            said.append(f"{_defect(found, kind, trials[small - 1])}, or smaller: {_counted(trials[small - 1])}")
        rest = zip(trials[small:], missed[small:], strict=True)
        said += [f"{_defect(found, kind, trial)}: {_counted(trial)}" for trial, is_missed in rest if is_missed]
    return tuple(said)


def costly(lights: Sequence[Illumination]) -> tuple[Illumination, ...]:
    """The lamps under which more than twice as many good plates do not PASS as in the light of the photographs."""
    usual = max([1, *(each.plates - each.passed for each in lights if (each.brightness, each.warmth) == (1, 0))])
    return tuple(each for each in lights if each.plates - each.passed > 2 * usual)


def contrasts(trials: Sequence[Trial]) -> tuple[float, ...]:
    """The contrasts that were tried, ascending."""
    return tuple(sorted({trial.contrast for trial in trials}))


def percent(share: float) -> str:
    """A share in whole percent, or tenths where it has them; the sign stays with its number where a line breaks."""
    return f"{round(100 * share, 1):g}\u00a0%"


_NAMES: dict[Kind, str] = {"scratch": "scratch", "rust": "rust spot"}
_ACROSS: dict[Kind, str] = {"scratch": "wide", "rust": "across"}


def _defect(found: Sensitivity, kind: Kind, trial: Trial) -> str:
    size = f"{found.length(trial.size_px)} {_ACROSS[kind]}"
    long = f" and {found.length(found.length_px)} long" if kind == "scratch" else ""
    return f"a {_NAMES[kind]} {size}{long} at {percent(trial.contrast)} contrast"


def _nothing(trials: Sequence[Trial]) -> bool:
    return not any(trial.share is not None and trial.share >= FOUND for trial in trials)


def _at(found: Sensitivity, kind: Kind, contrast: float) -> str:
    """What was found at this contrast."""
    trial = smallest(found.trials(kind), contrast)
    if trial:
        return f"{_defect(found, kind, trial)}: found on {_counted(trial)}"
    at = [each for each in found.trials(kind) if each.contrast == contrast]
    largest = max(at, key=lambda each: each.size_px)
    best = _best(at)
    only = f"even {_defect(found, kind, largest)}: found on only {_counted(largest)}"
    return only if best is largest else f"{only}; the best found, {_defect(found, kind, best)}: {_counted(best)}"


def _none(found: Sensitivity, kind: Kind) -> str:
    """That nothing was found on enough plates, not even what was found on most of them."""
    best = _best(found.trials(kind))
    if not best.plates:
        return f"{_NAMES[kind]}: nothing can be stated, no good plate passes undamaged"
    only = f"the best found, {_defect(found, kind, best)}, on only {_counted(best)}"
    return f"no {_NAMES[kind]} that was tried is found on {percent(FOUND)} of plates: {only}"


def _best(trials: Sequence[Trial]) -> Trial:
    """The trial that was found most often; of equals the largest, at the strongest contrast."""
    return max(trials, key=lambda trial: (trial.share or 0, trial.size_px, trial.contrast))


def _short(number: float, digits: int) -> str:
    """The number with so many digits that mean something, never as a power of ten."""
    return f"{float(f'{number:.{digits}g}'):,.10g}"


def _counted(trial: Trial) -> str:
    low, high = (round(100 * edge) for edge in trial.interval)
    return f"{trial.found} of {trial.plates} plates (95\u00a0% interval {low} to {high}\u00a0%)"
