"""Tables and sentences of an evaluation, for the terminal, the report and the model card; the false-alarm bound."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from platewatch.decision import calibration, sensitivity_summary
from platewatch.decision.intervals import Interval
from platewatch.decision.sensitivity_summary import Illumination, Kind, Sensitivity
from platewatch.decision.verdict import HOLDS, FalseAlarmBound, bound_sentence
from platewatch.evaluation.later import Later
from platewatch.evaluation.metrics import Proportion
from platewatch.evaluation.results import Evaluation, Phase
from platewatch.model.model_folder import Manifest
from platewatch.photographs.data_sets import ANOMALOUS

_PERCENT = "\u00a0%"  # with a space that does not break


@dataclass(frozen=True)
class Sheet:
    """One table: title, names of the columns, rows of texts."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def rich(self) -> Table:
        """The table for a terminal, first column left-aligned, all others right-aligned."""
        table = Table(title=self.title, title_justify="left", title_style="bold")
        for index, name in enumerate(self.head):
            table.add_column(name, justify="right" if index else "left")
        for row in self.rows:
            table.add_row(*row)
        return table


def verdicts(evaluation: Evaluation) -> Table:
    """The verdicts per folder, for a terminal."""
    return verdict_sheet(evaluation).rich()


def alpha(evaluation: Evaluation) -> Table:
    """The alpha table, for a terminal."""
    return alpha_sheet(evaluation).rich()


def phases(evaluation: Evaluation) -> Table:
    """The metrics of each phase, for a terminal."""
    return phase_sheet(evaluation).rich()


def verdict_sheet(evaluation: Evaluation) -> Sheet:
    """Verdicts per folder: missed plates of a defect, false alarms of good plates, with 95 % intervals."""
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
    """The alpha table, with numbers of missed defects and false alarms."""
    rows = []
    for row in evaluation.alpha_table:
        rates = (number(row.precision_good), number(row.recall_good))
        rows.append((f"{row.alpha:.1f}", f"{row.threshold:.4g}", *rates, out_of(row.missed), out_of(row.false_alarms)))
    title = "Skip-GANomaly alone, in its author's form: limit = 95th percentile of training scores, good is positive"
    return Sheet(title, ("alpha", "limit", "precision", "recall", "missed", "false alarms"), tuple(rows))


def phase_sheet(evaluation: Evaluation) -> Sheet:
    """Image and pixel metrics of each phase, of each bank of phase one, and of both phases fused."""
    pixel, spread = evaluation.pixel, evaluation.auroc_interval
    figures = (pixel.auroc, pixel.average_precision, pixel.aupro) if pixel else (None, None, None)
    edges = f"{spread[0]:.3f} to {spread[1]:.3f}" if spread else "–"
    rows = (
        ("surface", *_phase(evaluation.surface)),
        *(
            (f"surface, {name} alone", *_phase(each))
            for name, each in evaluation.banks.items()
            if each.auroc is not None
        ),
        ("Skip-GANomaly", *_phase(evaluation.skipganomaly)),
        ("both", number(evaluation.auroc), edges, number(evaluation.average_precision), *map(number, figures)),
    )
    head = ("phase", "AUROC", "95 % interval", "AP", "pixel AUROC", "pixel AP", "AUPRO")
    return Sheet("Phases: how well scores and maps separate defective from good", head, rows)


def sensitivity_sheet(found: Sensitivity, kind: Kind) -> Sheet:
    """For each size and contrast the number of plates on which it was found, its interval, and the number of REJECT."""
    rows = []
    for trial in found.trials(kind):
        counts = (f"{trial.found} of {trial.plates}", interval(trial.interval), str(trial.rejected))
        rows.append((found.length(trial.size_px), sensitivity_summary.percent(trial.contrast), *counts))
    size, name = ("width", "Scratches") if kind == "scratch" else ("diameter", "Rust spots")
    title = f"{name}, {found.length(found.length_px)} long" if kind == "scratch" else name
    return Sheet(title, (size, "contrast", "found", "95 % interval", "REJECT"), tuple(rows))


def structural_sheet(found: Sensitivity) -> Sheet:
    """For each structural kind, size and strength on how many plates it was found, as `sensitivity_sheet`."""
    rows = []
    for trial in found.structural:
        counts = (f"{trial.found} of {trial.plates}", interval(trial.interval), str(trial.rejected))
        name, size = sensitivity_summary.NAMES[trial.kind], found.length(trial.size_px)
        levels = sensitivity_summary.percent(trial.strength), sensitivity_summary.percent(trial.contrast)
        rows.append((name, size, *levels, *counts))
    head = ("kind", "diameter", "strength", "contrast", "found", "95 % interval", "REJECT")
    return Sheet("Defects made of the part's own texture", head, tuple(rows))


def illumination_sheet(levels: Sequence[Illumination]) -> Sheet:
    """Verdicts on the good plates under each illumination."""
    rows = [(each.name, *map(str, (each.passed, each.review, each.reject)), interval(each.interval)) for each in levels]
    return Sheet(
        "Good plates under another light", ("light", "PASS", "REVIEW", "REJECT", "REJECT, 95 % interval"), tuple(rows)
    )


def bound_words(bound: FalseAlarmBound) -> str:
    """The bound on false alarms, and how many good plates the target takes."""
    target, words = sensitivity_summary.percent(bound.asked), bound_sentence(bound)
    plates = "groups of good plates" if bound.by_group else "good plates"
    if not bound.promised:
        words += f" To expect ≤ {target}, train on {bound.plates_needed} {plates} or more."
    if bound.upper_95 > bound.asked:
        words += (
            f" For ≤ {target} with 95{_PERCENT} confidence, train on {bound.plates_needed_95} {plates} or more with "
            f"--false-alarm-rate {math.ceil(1e4 / (bound.plates_needed_95 + 1)) / 1e4:g}: then none of them is above "
            "the REJECT limit."
        )
    return f"{words} This bound is about good plates. There is no bound on missed defects: training saw no defects."


def later(found: Later) -> Table:
    """The bound beside what was seen on good plates photographed later, for a terminal."""
    return later_sheet(found).rich()


def later_sheet(found: Later) -> Sheet:
    """The bound beside what was seen on good plates photographed later, with 95 % intervals."""
    bound = found.bound
    stated = f"{percent(bound.false_alarm_rate)} expected", f"up to {percent(bound.upper_95)}"
    named = f"bound of {bound.counted} groups" if bound.by_group else "bound"
    rows = [(f"{named}, {HOLDS}", str(bound.good_plates), *stated, "–", "–")]
    if found.groups is not None:
        rows.append(("seen later, by group", f"{found.groups.of} groups", *_counted(found.groups), "–", "–"))
    rows.append(("seen later", str(found.plates), *_counted(found.rejected), *_counted(found.not_passed)))
    head = ("good plates", "plates", "REJECT", "95 %", "REVIEW or REJECT", "95 % interval")
    return Sheet("Good plates photographed later, beside the bound", head, tuple(rows))


def later_words(found: Later) -> str:
    """What the comparison with the bound says, and what to do."""
    left_out = f" {found.trained_on} photographs were left out: the model was trained on them." * (found.trained_on > 0)
    counted = found.bound.by_group and found.groups is None
    apart = " The bound counts groups, what was seen counts plates: no rule gives their groups." * counted
    if found.beyond_bound:
        said = (
            "More of them are REJECT than the bound allows: the line is not as it was, or the training photographs do "
            "not show how good plates vary. Train again with good plates of several days, and tell them with --group."
        )
    else:
        said = "What was seen does not contradict the bound."
    return said + apart + left_out


def _counted(value: Proportion) -> tuple[str, str]:
    return f"{value.count} ({percent(value.rate)})", interval(value.interval)


def limit_words(manifest: Manifest) -> str:
    """How far few good plates lower the PASS limit, and what more of them would do; empty where they are enough."""
    rate, count = manifest.config.calibration.review_rate, len(manifest.group_scores)
    few = calibration.few_plates([plate.score for plate in manifest.calibration], rate, count)
    if few is None:
        return ""
    what = "groups of good plates" if manifest.promise.by_group else "good plates"
    more = [
        f"{each - count} more: PASS up to about {limit:.3f}, a bound of {100 / (each + 1):.1f}{_PERCENT} or more"
        for each, limit in few.more
    ]
    return (
        f"{count} {what} are few, so the PASS limit errs towards REVIEW: {few.limit:.3f} in place of "
        f"{few.unlowered:.3f}, and more good plates are REVIEW. If the spread stays, {what} would change it thus: "
        f"{'; '.join(more)}."
    )


def number(value: float | None) -> str:
    """A number with three decimals; a dash for None."""
    return "–" if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A fraction in percent with one decimal; a dash for None."""
    return "–" if value is None else f"{100 * value:.1f}{_PERCENT}"


def interval(edges: Interval) -> str:
    """An interval of fractions in percent."""
    return f"{100 * edges[0]:.1f} to {100 * edges[1]:.1f}{_PERCENT}"


def out_of(value: Proportion) -> str:
    """A proportion as text, e.g. 3 of 5."""
    return f"{value.count} of {value.of}"


def _phase(phase: Phase) -> tuple[str, ...]:
    return number(phase.auroc), "", "", number(phase.pixel_auroc), "", ""
