"""Candidates: which plates a candidate and the model in service both judge, and when a candidate is refused.

The plates come from people's reviews. Good ones that are held out by their hash are never trained on. All defective
ones are compared, missed ones included. The comparison changes no threshold. A plate without a score is never trained
on, because its photograph did not pass the checks. Both models also judge photographs made unusable. A limit looser
than that of the model in service needs a person's reason.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from platewatch.arrays import Photo
from platewatch.errors import InputError
from platewatch.inspection import Inspection, Verdict
from platewatch.line import protections
from platewatch.line.comparison import Candidate, Comparison, Judged, Pair, UnusablePair
from platewatch.model.inspector import Inspector
from platewatch.model.model_folder import Manifest
from platewatch.progress import Progress
from platewatch.records import Judgement, Outcome, Records, Reviewed
from platewatch.records.exports import held_out

FEWEST = 5
"""Fewest held-out good plates with which a difference can be significant: 0.5 ** 5 < LEVEL < 0.5 ** 4."""
LEVEL = 0.05
"""A candidate that passes fewer held-out good plates is refused when the p-value is at most this."""
TRAINED = "challenger_trained"
"""The event in the record: the figures of a comparison, refused or not."""


@dataclass(frozen=True)
class Material:
    """The reviewed plates by use; each photograph once, with its newest plate."""

    training: tuple[Reviewed, ...]
    """Reviewed as good, to learn from; those that joined an earlier candidate's training join again."""
    new: int
    """Number of those that the model in service was not trained on."""
    held_out: tuple[Reviewed, ...]
    """Reviewed as good; no model was trained on them."""
    defective: tuple[Reviewed, ...]
    """Reviewed as defective; for the comparison."""
    contradictory: tuple[Reviewed, ...]
    """The same photograph was reviewed as good and as defective; not used."""
    missing: tuple[Reviewed, ...]
    """Their photographs are no longer kept."""
    unscored: tuple[Reviewed, ...] = ()
    """Reviewed as good, but without a score; not used."""

    @property
    def missed(self) -> tuple[Reviewed, ...]:
        """Defective plates that passed at the line."""
        return tuple(plate for plate in self.defective if plate.outcome is Outcome.PASS)


def gather(records: Records, champion: Manifest, part_type: str = "") -> Material:
    """A part type's reviewed plates that the record holds; `champion` is the manifest of its model in service."""
    reviewed = records.reviewed(part_type=part_type)
    good = {_key(plate): plate for plate in reviewed if plate.judgement is Judgement.GOOD}
    defective = {_key(plate): plate for plate in reviewed if plate.judgement is Judgement.DEFECTIVE}
    known = {plate.sha256 for plate in champion.calibration}
    both = good.keys() & defective.keys()
    usable = {key: plate for key, plate in good.items() if key not in both and plate.photograph_kept and plate.scored}
    training = {key: plate for key, plate in usable.items() if not held_out(key)}
    return Material(
        training=tuple(training.values()),
        new=len(training.keys() - known),
        held_out=tuple(plate for key, plate in usable.items() if held_out(key) and key not in known),
        defective=tuple(plate for key, plate in defective.items() if key not in both and plate.photograph_kept),
        contradictory=tuple(good[key] for key in sorted(both)),
        missing=tuple(plate for plate in (*good.values(), *defective.values()) if not plate.photograph_kept),
        unscored=tuple(plate for plate in good.values() if not plate.scored),
    )


def check(material: Material) -> None:
    """Raise InputError when there are no new good plates, or too few held-out ones for the comparison."""
    if not material.new:
        raise InputError(
            "reviewed plates", "none new was called good", expected="one at least", remedy="review more plates first"
        )
    if len(material.held_out) < FEWEST:
        seen = material.new + len(material.held_out)
        raise InputError(
            "reviewed plates",
            f"{seen} were called good, {len(material.held_out)} of them held out to compare by",
            expected=f"{FEWEST} (one in five is held out)",
            remedy="review more plates first",
        )


@dataclass(frozen=True)
class Training:
    """Facts about a candidate's training, for its comparison."""

    unusable: Mapping[str, Photo]
    """Unusable photographs, (H, W, 3) uint8 RGB, by name."""
    findings: tuple[str, ...] = ()
    """What preflight found."""
    loosened_because: str = ""
    """The reason that a person gave for allowing looser limits."""


def compare(
    material: Material,
    champion: Inspector,
    challenger: Inspector,
    photograph: Callable[[int], bytes | None],
    progress: Progress,
    *,
    training: Training,
) -> Comparison:
    """Have both judge held-out good plates, defective ones and unusable photographs, and decide.

    `photograph` gives a plate's bytes.
    """
    plates = [*material.held_out, *material.defective]
    pairs = []
    for done, plate in enumerate(plates, start=1):
        pairs.append(_judge(plate, photograph(plate.number) or b"", champion, challenger))
        progress("comparing both models", done, len(plates))
    good, defective = pairs[: len(material.held_out)], pairs[len(material.held_out) :]
    unusable = [
        UnusablePair(name, _judged(champion.inspect(photo)), _judged(challenger.inspect(photo)))
        for name, photo in training.unusable.items()
    ]
    loosened = protections.looser(champion.manifest, challenger.manifest)
    refused = [*refusals(good, defective), *unusable_refusals(unusable)]
    if loosened and not training.loosened_because:
        refused.append(f"loosens limits that protect, and nobody gave a reason: {'; '.join(loosened)}")
    return Comparison(
        champion=_candidate(champion),
        challenger=_candidate(challenger),
        held_out=tuple(good),
        defective=tuple(defective),
        trained_on=len(material.training),
        gone=len(material.missing),
        contradictory=len(material.contradictory),
        chance=chance(good),
        refused=tuple(refused),
        unscored=len(material.unscored),
        unusable=tuple(unusable),
        findings=training.findings,
        loosened=loosened,
        loosened_because=training.loosened_because,
    )


def unusable_refusals(pairs: Sequence[UnusablePair]) -> Iterator[str]:
    """Why the candidate is refused: it gives PASS or REJECT to an unusable photograph."""
    judged = [
        pair
        for pair in pairs
        if pair.challenger.passed
        or (pair.champion.verdict is Verdict.REVIEW and pair.challenger.verdict is not Verdict.REVIEW)
    ]
    if judged:
        names = ", ".join(f"{pair.name} {pair.challenger.verdict}" for pair in judged[:5])
        names += " …" if len(judged) > 5 else ""
        yield f"judges {len(judged)} of {len(pairs)} unusable photographs in place of sending them to review: {names}"


def refusals(good: Sequence[Pair], defective: Sequence[Pair]) -> Iterator[str]:
    """Why the candidate is refused: it passes a defective plate that is caught now, or passes too few good ones."""
    lost = [pair for pair in defective if pair.challenger.passed and not pair.champion.passed]
    if lost:
        names = ", ".join(pair.name for pair in lost[:5]) + (" …" if len(lost) > 5 else "")
        yield f"passes {len(lost)} of {len(defective)} defective plates that the model in service catches: {names}"
    value = chance(good)
    if value <= LEVEL:
        had, has = sum(pair.champion.passed for pair in good), sum(pair.challenger.passed for pair in good)
        yield (
            f"passes {has} of {len(good)} held-out good plates, the model in service {had}: "
            f"chance alone does so in {value:.1%} of comparisons, refused at {LEVEL:.0%} or less"
        )


def chance(good: Sequence[Pair]) -> float:
    """The p-value: probability that by chance so many of the plates on which both differ count against the candidate.

    The exact, paired, one-sided test of McNemar (1947) in its binomial form.
    """
    against = sum(pair.champion.passed and not pair.challenger.passed for pair in good)
    differing = sum(pair.champion.passed != pair.challenger.passed for pair in good)
    tails = sum(math.comb(differing, count) for count in range(against, differing + 1))
    return float(tails / 2**differing)


def _key(plate: Reviewed) -> str:
    """The photograph's SHA-256; the plate's number when it has no photograph."""
    return plate.photograph_sha256 or f"{plate.number:064x}"


def _judge(plate: Reviewed, photograph: bytes, champion: Inspector, challenger: Inspector) -> Pair:
    missed = plate.judgement is Judgement.DEFECTIVE and plate.outcome is Outcome.PASS
    by_both = (_judged(each.inspect(photograph)) for each in (champion, challenger))
    return Pair(plate.number, plate.name, missed, *by_both)


def _judged(found: Inspection) -> Judged:
    return Judged(found.verdict, found.score, found.threshold)


def _candidate(inspector: Inspector) -> Candidate:
    promise = inspector.manifest.promise
    return Candidate(inspector.manifest.model_id, promise.good_plates, promise.false_alarm_rate, promise.upper_95)
