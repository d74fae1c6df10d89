"""Tables for the terminal: preflight, trained model, verification, speed benchmark, comparison with a candidate."""

from collections import Counter
from typing import TYPE_CHECKING

from rich.table import Table

from platewatch.decision import blind_spots, sensitivity_summary
from platewatch.decision.verdict import HOLDS, bound_sentence, plates_needed
from platewatch.inspection import Verdict

if TYPE_CHECKING:  # `verify` also works without the libraries for training
    from platewatch.config import Config
    from platewatch.evaluation.bench import Bench
    from platewatch.learning.preflight import Preflight
    from platewatch.line.comparison import Comparison
    from platewatch.model.model_folder import Manifest
    from platewatch.model.verification import Verification

_SHOWN = 8  # names shown of a list
_BAR = 40  # characters of the longest bar


def preflight(found: "Preflight", config: "Config") -> tuple[Table, ...]:
    """The good photographs, duplicates and outliers, training steps, and the lowest false-alarm rate they can show."""
    plates, target = found.plates, config.calibration.false_alarm_rate
    table = _sheet("Preflight")
    table.add_row("good photographs", str(len(plates.paths)))
    sizes = Counter(f"{width}×{height}" for width, height in plates.sizes).most_common()
    table.add_row("sizes in px", _list([f"{size} ({count})" for size, count in sizes]))
    if plates.bits is not None:
        table.add_row("bit depth", f"{plates.bits} bits, where the files have more; kept in the model")
    table.add_row("not readable or not usable", _list([error for _, error in plates.failed]))
    table.add_row(
        "exact duplicates, left out", _list([f"{one.name} = {other.name}" for one, other in plates.duplicates])
    )
    near = [f"{one.name} ~ {other.name}" for one, other in found.near_duplicates]
    table.add_row("near duplicates, kept in one fold", _list(near))
    if found.groups.rule:
        sizes_of = Counter(found.groups.names)
        shown = _list([f"{name} ({count})" for name, count in sizes_of.items()])
        table.add_row(f"{found.groups.count} groups by {found.groups.rule}", shown)
    table.add_row(
        "outliers, kept: look at them", "\n".join(f"{path.name}: {why}" for path, why in found.outliers) or "none"
    )
    if found.warnings:
        table.add_row("look at these before you train", "\n".join(found.warnings))
    networks = config.calibration.folds + 1
    steps = f"{found.steps} for {networks} networks ({networks - 1} folds and the final one)"
    table.add_row("training steps", steps if config.skipganomaly else "none: no network is trained")
    floor = f"{found.floor:.1%}"
    if target < found.floor:
        floor += (
            f"; for ≤ {target:.1%}, use {plates_needed(target)} {'groups' if found.groups.rule else 'plates'} or more"
        )
    table.add_row("lowest false-alarm rate that can be shown", floor)
    return (table,)


def model(manifest: "Manifest", few: str = "") -> tuple[Table, ...]:
    """The trained model: limits, weights, false-alarm bound and sensitivity.

    `few`: how far few good plates lower the PASS limit, from `evaluation.tables.limit_words`.
    """
    bound, decision = manifest.promise, manifest.decision
    table = _sheet(f"Model {manifest.model_id}")
    table.add_row("REVIEW above score", f"{decision.review:.3f}")
    table.add_row("REJECT above score", f"{decision.threshold:.3f}")
    if few:
        table.add_row("few good plates", few)
    if decision.alpha is not None:
        table.add_row("alpha, chosen on artificial defects", f"{decision.alpha:.1f}")
        table.add_row("weight of the surface, chosen on them too", f"{decision.weight:.1f}")
    table.add_row("false alarms", bound_sentence(bound))
    if not bound.promised:
        needed = f"{bound.plates_needed} (expected), {bound.plates_needed_95} (95 %) with none above the limit"
        table.add_row(f"{'groups' if bound.by_group else 'good plates'} needed for ≤ {bound.asked:.1%}", needed)
    for kind in sensitivity_summary.KINDS:
        table.add_row("artificial defects found", sensitivity_summary.summary_sentence(manifest.sensitivity, kind))
    if structural := blind_spots.structural_summary(manifest.sensitivity):
        table.add_row("of the part's own texture", structural)
    table.add_row("what it finds and what it misses", "model-card.md in the model folder")
    return (table,)


def verification(found: "Verification") -> tuple[Table, ...]:
    """Files, versions and replayed plates that `verify` checked."""
    table = _sheet(f"Model {found.model_id}")
    table.add_row("files with the right SHA-256", str(found.files))
    who = found.signer
    name = f" ({who.name})" if who is not None and who.name else ""
    table.add_row("signed by", "nobody" if who is None else who.key.fingerprint[:16] + name)
    for name, (trained, here) in found.versions.items():
        table.add_row(name, f"{here or 'not installed'}" + ("" if trained == here else f", trained with {trained}"))
    for replay in found.replays:
        word = "equal" if replay.equal else "NOT EQUAL"
        table.add_row(
            f"{replay.file}, {replay.runtime}",
            f"score {replay.score:.6f}, largest difference {replay.difference:.1e}: {word}",
        )
    return (table,)


def bench(found: "Bench") -> tuple[Table, ...]:
    """The core time of each stage with a bar, and latency, throughput and memory."""
    stages = Table(title="Core-ms per plate", title_justify="left", title_style="bold")
    stages.add_column("stage", no_wrap=True)
    stages.add_column("core-ms", justify="right")
    stages.add_column("", no_wrap=True)
    longest = max(found.stages.values())
    for name, duration in found.stages.items():
        stages.add_row(name, f"{duration:.2f}", "█" * max(1, round(_BAR * duration / longest)))
    table = _sheet("This machine")
    table.add_row("processor", f"{found.machine['processor']}, {found.machine['cores']} cores for this process")
    table.add_row("photographs", found.photos)
    table.add_row("verdict, from a decoded photograph", f"{found.verdict_core_ms:.1f} core-ms")
    if found.reference_core_ms is None or found.reference_ratio is None:
        table.add_row("reference network in torch", "torch is not installed here: not measured")
    else:
        table.add_row("reference network in torch, float32", f"{found.reference_core_ms:.0f} core-ms")
        table.add_row("reference network / verdict", f"{found.reference_ratio:.1f} ×")
    if found.texture_core_ms is not None:
        table.add_row("the texture network's part of surface", f"{found.texture_core_ms:.1f} core-ms")
    throughput = f"{found.plates_per_s:.1f} plates/s, {found.plates_per_h:,} plates an hour, without a record"
    table.add_row("throughput, from files to verdicts, all cores", throughput)
    cameras = [f"{count} at {pace:g}/s" for pace, count in found.cameras.items() if count]
    table.add_row("cameras that it keeps up with", " or ".join(cameras) or "none")
    table.add_row("what limits it", found.limit)
    latency = found.latency_ms
    p99 = f"99th percentile {latency.p99:.1f} ms, {latency.p99 / latency.median:.1f} × the median"
    table.add_row("latency, from file to verdict", f"median {latency.median:.1f} ms, {p99}")
    table.add_row("memory", f"{found.resident_mb:.0f} MB")
    return stages, table


def comparison(found: "Comparison") -> tuple[Table, ...]:
    """A candidate and the model in service on the same plates."""
    figures = found.figures()
    table = _sheet(f"Candidate {found.challenger.model_id} and model in service {found.champion.model_id}")
    table.add_row("reviewed good plates added to the training", str(found.trained_on))
    for name, words in (("held_out", "held-out good plates that PASS"), ("defective", "defective plates that PASS")):
        before, after, plates = (figures[name][key] for key in ("champion_passes", "challenger_passes", "plates"))
        table.add_row(words, f"{after} of {plates}; model in service {before}")
    table.add_row("probability of that many fewer good ones by chance", f"{found.chance:.1%}")
    missed = [pair.name for pair in found.defective if pair.missed]
    table.add_row("of the defective plates, missed at the line", _list(missed))
    table.add_row("false alarms to expect", _expected(found))
    stopped = sum(pair.challenger.verdict is Verdict.REVIEW for pair in found.unusable)
    table.add_row("unusable photographs that get REVIEW", f"{stopped} of {len(found.unusable)}")
    left_out = f"{found.gone} without photograph, {found.unscored} without score"
    table.add_row("left out", f"{left_out}, {found.contradictory} reviewed as good and defective")
    if found.loosened:
        table.add_row("looser than the model in service", _list(list(found.loosened)))
    table.add_row("result", "accepted: may be taken into service" if found.accepted else "REFUSED")
    return (table,)


def _expected(found: "Comparison") -> str:
    new, old = found.challenger, found.champion
    texts = (
        f"{each.false_alarm_rate:.1%}, up to {each.upper_95:.1%} (95 %), from {each.good_plates} good plates, {HOLDS}"
        for each in (new, old)
    )
    return "; model in service ".join(texts)


def _sheet(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _list(names: list[str]) -> str:
    rest = f"\n… and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "\n".join(names[:_SHOWN]) + rest if names else "none"
