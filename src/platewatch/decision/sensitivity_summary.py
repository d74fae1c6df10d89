"""Sensitivity summary: smallest artificial defects found, and verdicts under other illumination, in sentences.

The counts come from the manifest. Good plates were judged out of fold: with one artificial defect of known size and
contrast each, and with other illumination. Lengths in the manifest are px of the prepared photograph; sentences state
them in px of the original photograph, and in mm where `mm_per_px` is known.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from platewatch.config import STRICT

Kind = Literal["scratch", "rust"]
KINDS: tuple[Kind, ...] = ("scratch", "rust")
StructuralKind = Literal["missing", "additional", "cut_paste", "blur", "smear"]
STRUCTURAL: tuple[StructuralKind, ...] = ("missing", "additional", "cut_paste", "blur", "smear")
"""Defects made of the part's own texture: their size and opacity are fixed, their contrast is what comes out."""
NAMES: dict[Kind | StructuralKind, str] = {
    "scratch": "scratch",
    "rust": "rust spot",
    "missing": "missing piece",
    "additional": "additional piece",
    "cut_paste": "pasted piece",
    "blur": "blurred place",
    "smear": "smeared place",
}
Number = Annotated[int, Field(ge=0)]

FOUND = 0.95
"""A defect of one size and contrast counts as found if it is found on at least this fraction of the plates."""


@dataclass(frozen=True, config=STRICT)
class Trial:
    """One artificial defect of one size and contrast, tried on good plates that PASS without it."""

    size_px: Annotated[float, Field(gt=0)]
    """Width of the scratch or diameter of the rust spot, px of the prepared photograph."""
    contrast: Annotated[float, Field(gt=0, le=1)]
    """Change of the strongest channel, as a fraction of its range."""
    plates: Number
    """Plates on which it was tried."""
    found: Number
    """Plates on which the verdict was not PASS."""
    rejected: Number
    """Plates on which the verdict was REJECT."""
    interval: tuple[float, float]
    """95 % interval of the fraction found (Clopper–Pearson, two-sided)."""

    @property
    def fraction(self) -> float | None:
        """The fraction of plates on which it was found; None without plates."""
        return self.found / self.plates if self.plates else None

    @property
    def level(self) -> float:
        """What was fixed beside the size: the contrast; of a structural defect the strength."""
        return self.contrast

    @property
    def is_found(self) -> bool:
        """Whether it was found on at least FOUND of the plates."""
        return self.fraction is not None and self.fraction >= FOUND


@dataclass(frozen=True, config=STRICT)
class StructuralTrial(Trial):
    """One structural defect of one kind, size and strength; `size_px` is its diameter."""

    contrast: Annotated[float, Field(ge=0, le=1)]
    """Median over the plates of the mean change of the strongest channel, as a fraction of its range."""
    kind: StructuralKind
    strength: Annotated[float, Field(gt=0, le=1)]
    """Opacity of what is there in place of the photograph."""

    @property
    def level(self) -> float:
        return self.strength


@dataclass(frozen=True, config=STRICT)
class Sensitivity:
    """The trials with artificial defects on good plates."""

    photo_side: Annotated[int, Field(gt=0)]
    """Median of the longer sides of the original good photographs, px."""
    scale: Annotated[float, Field(gt=0)]
    """Px of the prepared photograph per px of an original photograph of that size."""
    mm_per_px: Annotated[float, Field(gt=0)] | None
    """Millimetres per px of the original photographs, where known."""
    length_px: Annotated[float, Field(gt=0)]
    """Length of every scratch, px of the prepared photograph."""
    good_plates: Number
    passing: Number
    """Good plates with verdict PASS before any defect; only these are used for trials."""
    scratch: tuple[Trial, ...]
    rust: tuple[Trial, ...]
    structural: tuple[StructuralTrial, ...] = ()
    """By kind, then by size, then by strength. Empty in models that were trained before there were such trials."""

    def trials(self, kind: Kind) -> tuple[Trial, ...]:
        """The trials of one kind, by size, then by contrast, ascending."""
        return self.scratch if kind == "scratch" else self.rust

    def structural_trials(self, kind: StructuralKind) -> tuple[StructuralTrial, ...]:
        """The trials of one structural kind, by size, then by strength."""
        return tuple(trial for trial in self.structural if trial.kind == kind)

    def length(self, px: float) -> str:
        """A length in px of the prepared photograph as text in px of the original one, e.g. '8 px (0.8 mm)'."""
        photo_px = px / self.scale
        return f"{_short(photo_px, 3)} px" + (f" ({_short(photo_px * self.mm_per_px, 2)} mm)" if self.mm_per_px else "")


@dataclass(frozen=True, config=STRICT)
class Illumination:
    """Verdicts on the good plates under one illumination."""

    brightness: Annotated[float, Field(gt=0)]
    """Factor of all channels; 1 for as photographed."""
    warmth: float
    """Fraction by which red is raised and blue lowered."""
    passed: Number
    review: Number
    reject: Number
    interval: tuple[float, float]
    """95 % interval of the fraction with REJECT (Clopper–Pearson, two-sided)."""

    @property
    def plates(self) -> int:
        return self.passed + self.review + self.reject

    @property
    def name(self) -> str:
        """The illumination in words, e.g. '25 % darker'."""
        parts = [f"{percent(abs(self.brightness - 1))} {'brighter' if self.brightness > 1 else 'darker'}"] * (
            self.brightness != 1
        )
        parts += [f"{percent(abs(self.warmth))} {'warmer' if self.warmth > 0 else 'colder'}"] * (self.warmth != 0)
        return " and ".join(parts) or "as photographed"


def smallest(trials: Sequence[Trial], level: float) -> Trial | None:
    """The size from which on every size was found at this level; None when the largest was missed."""
    best = None
    for trial in sorted(trials, key=lambda each: -each.size_px):
        if trial.level == level:
            if not trial.is_found:
                return best
            best = trial
    return best


def sentences(found: Sensitivity, kind: Kind) -> tuple[str, ...]:
    """One sentence per contrast, ascending: the smallest defect found, or that the largest was missed.

    A single sentence if nothing was found at any contrast.
    """
    trials = found.trials(kind)
    if _nothing(trials):
        return (_none(found, kind),)
    return tuple(_at(found, kind, contrast) for contrast in contrasts(trials))


def summary_sentence(found: Sensitivity, kind: Kind) -> str:
    """One sentence: the smallest defect found at the lowest contrast from which on every contrast has one."""
    trials = found.trials(kind)
    if _nothing(trials):
        return _none(found, kind)
    *fainter, contrast = contrasts(trials)
    while fainter and smallest(trials, contrast) and smallest(trials, fainter[-1]):
        contrast = fainter.pop()
    return _at(found, kind, contrast)


def costly(levels: Sequence[Illumination]) -> tuple[Illumination, ...]:
    """The illuminations under which more than twice as many good plates do not PASS as under the original one."""
    usual = max([1, *(each.plates - each.passed for each in levels if (each.brightness, each.warmth) == (1, 0))])
    return tuple(each for each in levels if each.plates - each.passed > 2 * usual)


def contrasts(trials: Sequence[Trial]) -> tuple[float, ...]:
    """The contrasts of the trials, ascending, without repetition."""
    return tuple(sorted({trial.contrast for trial in trials}))


def percent(fraction: float) -> str:
    """A fraction as percent with at most one decimal; the space before the sign does not break."""
    return f"{round(100 * fraction, 1):g}\u00a0%"


_ACROSS: dict[Kind, str] = {"scratch": "wide", "rust": "across"}


def _defect(found: Sensitivity, kind: Kind, trial: Trial) -> str:
    size = f"{found.length(trial.size_px)} {_ACROSS[kind]}"
    long = f" and {found.length(found.length_px)} long" if kind == "scratch" else ""
    return f"a {NAMES[kind]} {size}{long} at {percent(trial.contrast)} contrast"


def _nothing(trials: Sequence[Trial]) -> bool:
    return not any(trial.is_found for trial in trials)


def _at(found: Sensitivity, kind: Kind, contrast: float) -> str:
    """The sentence for one contrast."""
    trial = smallest(found.trials(kind), contrast)
    if trial:
        return f"{_defect(found, kind, trial)}: found on {counted(trial)}"
    at = [each for each in found.trials(kind) if each.contrast == contrast]
    largest = max(at, key=lambda each: each.size_px)
    best = _best(at)
    only = f"even {_defect(found, kind, largest)}: found on only {counted(largest)}"
    return only if best is largest else f"{only}; most often found: {_defect(found, kind, best)}, on {counted(best)}"


def _none(found: Sensitivity, kind: Kind) -> str:
    """The sentence for a kind of which no size and contrast was found on enough plates."""
    best = _best(found.trials(kind))
    if not best.plates:
        return f"{NAMES[kind]}: not tested, because no good plate passes without a defect"
    only = f"most often found: {_defect(found, kind, best)}, on only {counted(best)}"
    return f"no {NAMES[kind]} that was tried is found on {percent(FOUND)} of plates; {only}"


def _best(trials: Sequence[Trial]) -> Trial:
    """The trial that was found most often; of equals the one with the largest size, then the strongest contrast."""
    return max(trials, key=lambda trial: (trial.fraction or 0, trial.size_px, trial.contrast))


def _short(number: float, digits: int) -> str:
    """The number with `digits` significant digits, never in exponential notation."""
    return f"{float(f'{number:.{digits}g}'):,.10g}"


def counted(trial: Trial) -> str:
    """On how many plates it was found, with the interval, e.g. '3 of 10 plates (95 % interval 7 to 65 %)'."""
    low, high = (round(100 * edge) for edge in trial.interval)
    return f"{trial.found} of {trial.plates} plates (95\u00a0% interval {low} to {high}\u00a0%)"
