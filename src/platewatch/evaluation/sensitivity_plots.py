"""Plots of the sensitivity trials: fraction found by size and contrast, and verdicts under other illumination."""

from collections.abc import Sequence

import numpy as np

from platewatch.decision.sensitivity_summary import Illumination, Kind, Sensitivity, contrasts, percent
from platewatch.evaluation.figures import Axes, Figure, colormaps
from platewatch.evaluation.plots import BLACK, BLUE, ORANGE, VERMILION

_SHADES = colormaps["Blues"]  # one hue: darker is more, also in grey print
_BARS = (
    ("PASS", BLUE, ""),
    ("REVIEW", ORANGE, "//"),
    ("REJECT", VERMILION, "xx"),
)  # hatches for readers without colour


def sensitivity(found: Sensitivity) -> Figure:
    """For scratches and rust spots a heat map of the fraction of plates on which each size and contrast was found."""
    rows = len(contrasts(found.scratch))
    figure = Figure(figsize=(9.6, 1.9 + 0.5 * rows), layout="constrained")
    left, right = figure.subplots(1, 2)
    _table(left, found, "scratch", f"Scratches, {found.length(found.length_px)} long")
    _table(right, found, "rust", "Rust spots")
    left.set_ylabel("contrast", fontsize=12)
    return figure


def illumination(levels: Sequence[Illumination]) -> Figure:
    """Stacked bars of the verdicts on the good plates under each of `levels`, at least one."""
    figure = Figure(figsize=(8.6, 1.3 + 0.42 * len(levels)), layout="constrained")
    axes = figure.subplots()
    start = np.zeros(len(levels))
    counts = np.array([[each.passed, each.review, each.reject] for each in levels], float)
    fractions = counts / levels[0].plates
    for (name, colour, hatch), width, count in zip(_BARS, fractions.T, counts.T, strict=True):
        axes.barh(range(len(levels)), width, left=start, color=colour, edgecolor="white", hatch=hatch, label=name)
        for row in np.flatnonzero(count):
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            place = start[row] + width[row] / 2
            axes.text(place, int(row), f"{count[row]:.0f}", ha="center", va="center", fontsize=11, bbox=box)
        start = start + width
    axes.set_yticks(range(len(levels)), [each.name for each in levels])
    axes.set_ylim(len(levels) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xticks(np.linspace(0, 1, 5), [percent(each) for each in np.linspace(0, 1, 5)])
    axes.set_xlabel(f"fraction of {levels[0].plates} good plates", fontsize=12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=12)
    axes.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, fontsize=12)
    return figure


def _table(axes: Axes, found: Sensitivity, kind: Kind, title: str) -> None:
    trials = found.trials(kind)
    rows, columns = contrasts(trials), sorted({trial.size_px for trial in trials})
    fractions = np.zeros((len(rows), len(columns)))
    for trial in trials:
        row, column = rows.index(trial.contrast), columns.index(trial.size_px)
        fractions[row, column] = fraction = trial.fraction or 0.0
        words = percent(round(fraction, 2)) if trial.plates else "–"
        colour = "white" if fraction > 0.8 else BLACK
        axes.text(column, row, words, ha="center", va="center", color=colour, fontsize=12)
    axes.imshow(fractions, cmap=_SHADES, vmin=0, vmax=1.15, aspect="auto")
    axes.set_xticks(range(len(columns)), [found.length(size).replace(" (", "\n").strip(")") for size in columns])
    axes.set_yticks(range(len(rows)), [percent(contrast) for contrast in rows])
    axes.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axes.grid(True, which="minor", color="white", lw=2)
    axes.tick_params(which="both", length=0, labelsize=12)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("width" if kind == "scratch" else "diameter", fontsize=12)
    axes.set_title(title, loc="left", fontsize=13)
