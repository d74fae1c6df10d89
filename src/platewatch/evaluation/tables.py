"""An Evaluation as tables: the same rows for the terminal and for the page; what prints them is the command line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from platewatch.decision import sensitivity_summary
from platewatch.decision.sensitivity_summary import Illumination, Kind, Sensitivity
from platewatch.decision.verdict import FalseAlarmBound
from platewatch.evaluation.metrics import Interval, Proportion
from platewatch.evaluation.results import Evaluation, Phase
from platewatch.photographs.data_sets import ANOMALOUS

_PERCENT = "\u00a0%"  # the sign stays with its number where a line breaks


@dataclass(frozen=True)
class Sheet:
    """One table in words: a title, the columns' names, rows of texts."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def rich(self) -> Table:
        """The table for a terminal: first column to the left, numbers to the right."""
        table = Table(title=self.title, title_justify="left", title_style="bold")
        for index, name in enumerate(self.head):
            table.add_column(name, justify="right" if index else "left")
        for row in self.rows:
            table.add_row(*row)
        return table


def verdicts(evaluation: Evaluation) -> Table:
    """Verdicts folder by folder for a terminal."""
    return verdict_sheet(evaluation).rich()


def alpha(evaluation: Evaluation) -> Table:
    """The author's table for a terminal."""
    return alpha_sheet(evaluation).rich()


def phases(evaluation: Evaluation) -> Table:
    """The phases' figures for a terminal."""
    return phase_sheet(evaluation).rich()


def verdict_sheet(evaluation: Evaluation) -> Sheet:
    """Verdicts folder by folder: missed of a defect, false alarms of good plates, with 95 % intervals."""
    rows = []
    for counts in evaluation.defects:
        numbers = map(str, (counts.images, counts.passed, counts.review, counts.reject))
        name = "missed" if counts.label == ANOMALOUS else "false alarms"
        rows.append((counts.defect, *numbers, f"{counts.mistakes.count} {name}", interval(counts.mistakes.interval)))
    missed, review = evaluation.missed, evaluation.reviewed_anomalous.count
    together = map(str, (missed.of, missed.count, review, missed.of - missed.count - review))
    rows.append(("all defective", *together, f"{missed.count} missed", interval(missed.interval)))
    head = ("plates", "images", "PASS", "REVIEW", "REJECT", "mistakes", "95 % interval")
    return Sheet("Verdicts; REVIEW is counted apart", head, tuple(rows))


def alpha_sheet(evaluation: Evaluation) -> Sheet:
    """The author's table, and beside it what it means: missed defects and false alarms out of how many."""
    rows = []
    for row in evaluation.alpha_table:
        shares = (number(row.precision_good), number(row.recall_good))
        rows.append((f"{row.alpha:.1f}", f"{row.threshold:.4g}", *shares, out_of(row.missed), out_of(row.false_alarms)))
    title = "Skip-GANomaly alone, as its author counts: limit = 95th percentile of training scores, good is positive"
    return Sheet(title, ("alpha", "limit", "precision", "recall", "missed", "false alarms"), tuple(rows))


def phase_sheet(evaluation: Evaluation) -> Sheet:
    """Image and pixel figures of each phase and of both together."""
    pixel, spread = evaluation.pixel, evaluation.auroc_interval
    figures = (pixel.auroc, pixel.average_precision, pixel.aupro) if pixel else (None, None, None)
    edges = f"{spread[0]:.3f} to {spread[1]:.3f}" if spread else "–"
    rows = (
        ("surface", *_phase(evaluation.surface)),
        ("Skip-GANomaly", *_phase(evaluation.skipganomaly)),
        ("both", number(evaluation.auroc), edges, number(evaluation.average_precision), *map(number, figures)),
    )
    head = ("phase", "AUROC", "95 % interval", "AP", "pixel AUROC", "pixel AP", "AUPRO")
    return Sheet("Phases: how well scores and maps tell defective from good", head, rows)


def sensitivity_sheet(found: Sensitivity, kind: Kind) -> Sheet:
    """Each scratch or rust spot that was forged onto good plates: on how many it was found, and with which verdict."""
    rows = []
    for trial in found.trials(kind):
        counts = (f"{trial.found} of {trial.plates}", interval(trial.interval), str(trial.rejected))
        rows.append((found.length(trial.size_px), sensitivity_summary.percent(trial.contrast), *counts))
    size, name = ("width", "Scratches") if kind == "scratch" else ("diameter", "Rust spots")
    title = f"{name}, {found.length(found.length_px)} long" if kind == "scratch" else name
    return Sheet(title, (size, "contrast", "found", "95 % interval", "REJECT"), tuple(rows))


def light_sheet(levels: Sequence[Illumination]) -> Sheet:
    """Verdicts on the good plates under each lamp."""
    rows = [(each.name, *map(str, (each.passed, each.review, each.reject)), interval(each.interval)) for each in levels]
    return Sheet(
        "Good plates under another light", ("light", "PASS", "REVIEW", "REJECT", "REJECT, 95 % interval"), tuple(rows)
    )


def bound_words(promise: FalseAlarmBound) -> str:
    """The promise and its limit in sentences."""
    asked, kept = percent(promise.asked), "is kept on average" if promise.promised else "cannot be promised"
    few = f"; on average it takes {promise.plates_needed} good plates" if not promise.promised else ""
    words = (
        f"On {promise.good_plates} good plates, each scored by detectors that never saw it, the limit for REJECT costs "
        f"{percent(promise.false_alarm_rate)} of good plates on average and, with 95 % confidence, at most "
        f"{percent(promise.upper_95)}. The {asked} asked for {kept}: so many plates promise nothing below "
        f"{percent(promise.floor)}{few}. "
    )
    if promise.upper_95 > promise.asked:
        words += (
            f"With 95 % confidence {asked} takes {promise.plates_needed_95} good plates and a limit that none of them "
            f"exceeds (--false-alarm-rate {math.ceil(1e4 / (promise.plates_needed_95 + 1)) / 1e4:g}). "
        )
    return words + "Nothing is promised about defects: training saw none."


def number(value: float | None) -> str:
    """A figure to three digits, a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A share in percent, a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f}{_PERCENT}"


def interval(edges: Interval) -> str:
    """An interval in percent."""
    return f"{100 * edges[0]:.1f} to {100 * edges[1]:.1f}{_PERCENT}"


def out_of(share: Proportion) -> str:
    """A count out of how many."""
    return f"{share.count} of {share.of}"


def _phase(phase: Phase) -> tuple[str, ...]:
    return number(phase.auroc), "", "", number(phase.pixel_auroc), "", ""
