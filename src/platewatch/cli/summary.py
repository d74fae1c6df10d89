"""Preflight, model, verification and comparison as tables for the terminal."""

from collections import Counter
from typing import TYPE_CHECKING

from rich.table import Table

from platewatch.decision import sensitivity_summary
from platewatch.decision.verdict import plates_needed

if TYPE_CHECKING:  # `verify` shows its table where training's libraries are not installed
    from platewatch.config import Config
    from platewatch.evaluation.bench import Bench
    from platewatch.learning.preflight import Preflight
    from platewatch.line.comparison import Comparison
    from platewatch.model.model_folder import Manifest
    from platewatch.model.verification import Verification

_SHOWN = 8  # names in a list before it is cut
_BAR = 40  # characters of the longest bar


def preflight(found: "Preflight", config: "Config") -> tuple[Table, ...]:
    """What was found among the good photographs, and what training on them will take and can promise."""
    plates, asked = found.plates, config.calibration.false_alarm_rate
    table = _sheet("Preflight")
    table.add_row("good photographs", str(len(plates.paths)))
    sizes = Counter(f"{width}×{height}" for width, height in plates.sizes).most_common()
    table.add_row("sizes in px", _list([f"{size} ({count})" for size, count in sizes]))
    table.add_row("unreadable", _list([error for _, error in plates.failed]))
    table.add_row(
        "exact duplicates, left out", _list([f"{one.name} = {other.name}" for one, other in plates.duplicates])
    )
    near = [f"{one.name} ~ {other.name}" for one, other in found.near_duplicates]
    table.add_row("near duplicates, kept in one fold", _list(near))
    table.add_row(
        "odd ones, kept: look at them", "\n".join(f"{path.name}: {why}" for path, why in found.outliers) or "none"
    )
    networks = config.calibration.folds + 1
    table.add_row("training steps", f"{found.steps} for {networks} networks ({networks - 1} folds and the final one)")
    promise = f"no less than {found.floor:.1%} on average"
    if asked < found.floor:
        promise += f"; {asked:.1%} asked for takes {plates_needed(asked)} plates: done as well as can be, not promised"
    table.add_row("false-alarm rate so many plates can promise", promise)
    return (table,)


def model(manifest: "Manifest") -> tuple[Table, ...]:
    """The finished model: its limits, its promise, what it finds, and where more is said."""
    promise, decision = manifest.promise, manifest.decision
    table = _sheet(f"Model {manifest.model_id}")
    table.add_row("REVIEW from score", f"{decision.review:.3f}")
    table.add_row("REJECT from score", f"{decision.threshold:.3f}")
    table.add_row("alpha, chosen on forged defects", f"{decision.alpha:.1f}")
    table.add_row("weight of the surface, chosen likewise", f"{decision.weight:.1f}")
    expected = f"{promise.false_alarm_rate:.1%} of good plates on average, at most {promise.upper_95:.1%} (95 %)"
    table.add_row("false alarms to expect", f"{expected}, from {promise.good_plates} good plates")
    for kind in sensitivity_summary.KINDS:
        table.add_row(
            "found, forged onto good plates", sensitivity_summary.summary_sentence(manifest.sensitivity, kind)
        )
    table.add_row("what it finds and what it does not", "model-card.md in the model folder")
    if not promise.promised:
        needed = f"{promise.plates_needed} plates on average, {promise.plates_needed_95} with 95 % confidence"
        table.add_row(
            f"asked for {promise.asked:.1%}: not promised", f"it takes {needed}, none of them above the limit"
        )
    return (table,)


def verification(found: "Verification") -> tuple[Table, ...]:
    """What `verify` checked and computed again."""
    table = _sheet(f"Model {found.model_id}")
    table.add_row("files with the right SHA-256", str(found.files))
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
    """The stages of a verdict with a bar for each, and what a line asks of a machine."""
    stages = Table(title="Core-ms a plate", title_justify="left", title_style="bold")
    stages.add_column("stage", no_wrap=True)
    stages.add_column("core-ms", justify="right")
    stages.add_column("", no_wrap=True)
    longest = max(found.stages.values())
    for name, spent in found.stages.items():
        stages.add_row(name, f"{spent:.2f}", "█" * max(1, round(_BAR * spent / longest)))
    table = _sheet("This machine")
    table.add_row("processor", f"{found.machine['processor']}, {found.machine['cores']} cores for this process")
    table.add_row("judged", found.photos)
    table.add_row("complete verdict, from a decoded photograph", f"{found.verdict_core_ms:.1f} core-ms")
    if found.reference_core_ms is None or found.reference_ratio is None:
        table.add_row("reference network in torch", "torch is not installed here: not measured")
    else:
        table.add_row("reference network in torch, float32", f"{found.reference_core_ms:.0f} core-ms")
        table.add_row("the same over the verdict", f"{found.reference_ratio:.1f} ×")
    table.add_row("from files to verdicts, every core", f"{found.plates_per_s:.1f} plates/s")
    latency = found.latency_ms
    spread = f"99th percentile {latency.p99:.1f} ms, {latency.p99 / latency.median:.1f} × the median"
    table.add_row("one plate, from file to verdict", f"median {latency.median:.1f} ms, {spread}")
    table.add_row("memory", f"{found.resident_mb:.0f} MB")
    return stages, table


def comparison(found: "Comparison") -> tuple[Table, ...]:
    """A challenger and the model in service on the same plates."""
    figures = found.figures()
    table = _sheet(f"Challenger {found.challenger.model_id} against {found.champion.model_id}")
    table.add_row("reviewed good plates that joined the training", str(found.trained_on))
    for name, words in (("held_out", "held-out good plates that pass"), ("defective", "defective plates that PASS")):
        had, has, plates = (figures[name][key] for key in ("champion_passes", "challenger_passes", "plates"))
        table.add_row(words, f"{has} of {plates}; by the model in service {had}")
    table.add_row("chance alone passes so many fewer good ones in", f"{found.chance:.1%} of comparisons")
    missed = [pair.name for pair in found.defective if pair.missed]
    table.add_row("missed at the line, now in the challenge", _list(missed))
    table.add_row("false alarms to expect", _expected(found))
    table.add_row("left out", f"{found.gone} without photograph, {found.contradictory} called good and defective")
    table.add_row("the gate", "accepted: it may be taken into service" if found.accepted else "REFUSED")
    return (table,)


def _expected(found: "Comparison") -> str:
    new, old = found.challenger, found.champion
    now = (
        f"{new.false_alarm_rate:.1%} on average, at most {new.upper_95:.1%} (95 %), from {new.good_plates} good plates"
    )
    return f"{now}; the model in service {old.false_alarm_rate:.1%}, {old.upper_95:.1%}, {old.good_plates}"


def _sheet(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _list(names: list[str]) -> str:
    rest = f"\n… and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "\n".join(names[:_SHOWN]) + rest if names else "none"
