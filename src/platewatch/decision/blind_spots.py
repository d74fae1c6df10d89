"""Blind spots in sentences: for each kind of artificial defect the sizes and contrasts that were not found."""

from collections.abc import Sequence

from platewatch.decision.intervals import clopper_pearson
from platewatch.decision.sensitivity_summary import (
    FOUND,
    KINDS,
    NAMES,
    STRUCTURAL,
    Kind,
    Sensitivity,
    StructuralKind,
    StructuralTrial,
    Trial,
    counted,
    percent,
    smallest,
)

ALL_KINDS: tuple[Kind | StructuralKind, ...] = (*KINDS, *STRUCTURAL)


def sentences(found: Sensitivity) -> tuple[str, ...]:
    """One sentence for each kind that was tried: what was not found on at least FOUND of the plates."""
    return tuple(sentence(found, kind) for kind in ALL_KINDS if tried(found, kind))


def sentence(found: Sensitivity, kind: Kind | StructuralKind) -> str:
    """The sizes and contrasts of one kind that were not found on at least FOUND of the plates."""
    trials = [trial for trial in tried(found, kind) if trial.plates]
    name = NAMES[kind].capitalize()
    if kind == "scratch":
        name += f", {found.length(found.length_px)} long"
    if not trials:
        why = "no good plate passes without a defect" if not found.passing else "it changes too little on these plates"
        return f"{name}: not tested, because {why}."
    levels = sorted({trial.level for trial in trials})
    missed = [text for level in levels for text in _missed(found, kind, [t for t in trials if t.level == level])]
    if missed:
        return f"{name}: not found on at least {percent(FOUND)} of plates: {'; '.join(missed)}."
    least = min(trials, key=lambda trial: (trial.size_px, trial.contrast))
    smallest_one = f"{defect(found, kind, least)}, on {counted(least)}"
    return (
        f"{name}: all that were tried are found on at least {percent(FOUND)} of plates; the smallest: {smallest_one}."
    )


def few_words(found: Sensitivity) -> str:
    """How little the trials of fewest plates can show; empty where there were none."""
    fewest = min((trial.plates for kind in ALL_KINDS for trial in tried(found, kind) if trial.plates), default=0)
    if not fewest:
        return ""
    missed = percent(round(1 - clopper_pearson(fewest, fewest)[0], 2))
    return (
        f"Some of these were tried on {fewest} plates only: where all {fewest} are found, up to {missed} of such"
        " defects could still pass (95\u00a0% interval). A real defect may differ from all of these."
    )


def structural_summary(found: Sensitivity) -> str:
    """Which structural kinds are found at full strength, and from which size; empty without trials that count."""
    seen, unseen = list[str](), list[str]()
    for kind in STRUCTURAL:
        trials = [trial for trial in found.structural_trials(kind) if trial.plates]
        least = smallest(trials, max((trial.strength for trial in trials), default=1))
        if least:
            seen.append(f"{NAMES[kind]} from {found.length(least.size_px)}")
        elif trials:
            unseen.append(NAMES[kind])
    none = f"not found on {percent(FOUND)} of plates: {', '.join(unseen)}" if unseen else ""
    return "; ".join(part for part in (", ".join(seen), none) if part)


def tried(found: Sensitivity, kind: Kind | StructuralKind) -> tuple[Trial, ...]:
    """The trials of a kind of either sort; empty in older models for the structural kinds."""
    painted: dict[str, tuple[Trial, ...]] = {"scratch": found.scratch, "rust": found.rust}
    return painted.get(kind) or tuple(trial for trial in found.structural if trial.kind == kind)


def _missed(found: Sensitivity, kind: Kind | StructuralKind, trials: Sequence[Trial]) -> list[str]:
    """The sizes missed at one level: those from the smallest on in one text, each further one in its own."""
    trials = sorted(trials, key=lambda trial: trial.size_px)
    found_at = [place for place, trial in enumerate(trials) if trial.is_found]
    small = found_at[0] if found_at else len(trials)  # number of the smallest sizes, all missed
    texts = [("up to " if small > 1 else "") + _counted(found, kind, trials[small - 1])] if small else []
    return texts + [_counted(found, kind, trial) for trial in trials[small:] if not trial.is_found]


def _counted(found: Sensitivity, kind: Kind | StructuralKind, trial: Trial) -> str:
    return f"{defect(found, kind, trial)} ({counted(trial).replace(' (', ', ')}"


def defect(found: Sensitivity, kind: Kind | StructuralKind, trial: Trial) -> str:
    """Size and contrast of one trial, and the strength where it is not full."""
    faint = isinstance(trial, StructuralTrial) and trial.strength < 1
    strength = f" (strength {percent(trial.level)})" if faint else ""
    return f"{found.length(trial.size_px)} {across(kind)} at {percent(trial.contrast)} contrast{strength}"


def across(kind: Kind | StructuralKind) -> str:
    """What the size of a kind measures: a width, or a diameter."""
    return "wide" if kind == "scratch" else "across"
