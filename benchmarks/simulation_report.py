"""What benchmarks/simulation.py found, as tables in Markdown and as a picture."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from PIL import Image

import runs
from platewatch.evaluation.plots import BLUE, GREEN, VERMILION

_Value = TypeVar("_Value")

COLOURS = (BLUE, VERMILION, GREEN)
MARKERS = ("o", "s", "D")


NOISE = 4.0
"""Standard errors within which a figure is as promised."""


@dataclass(frozen=True)
class Check:
    """One promise, held against what came of it; all are shares, of good plates or of splits."""

    population: str
    plates: int
    """That calibrate."""
    what: str
    """`rate`, `asked`, `upper_95`, `p_value`, `plates_needed`, `plates_needed_95`; `not_pass` is shown only."""
    at: float
    """The rate asked for, or the p-value."""
    realised: float
    promised: float
    """No less than `realised`; for upper_95 and plates_needed_95 no more."""
    standard_error: float
    excess: float
    """How far beyond the promise, in standard errors; negative on the safe side."""

    @property
    def kept(self) -> bool:
        return self.excess <= NOISE

    def __str__(self) -> str:
        far = f"{self.realised:.4f} against {self.promised:.4f}, standard error {self.standard_error:.4f}"
        return f"{self.population}, {self.plates} plates: {far}"


def table(found: Sequence[Check]) -> str:
    """A row for each population and promise, a column for each number of plates that calibrate; all in per cent."""
    counts = _distinct(check.plates for check in found if check.what == "rate")
    rows = []
    for name in _distinct(check.population for check in found):
        own = [check for check in found if check.population == name]
        rows += [(name, label, *map(_cell, checks)) for label, checks in _rows(own)]
    return runs.markdown(("good plates", "in %", *(f"n = {count}" for count in counts)), rows)


def _rows(own: Sequence[Check]) -> list[tuple[str, list[Check]]]:
    """The rows of one population, each with its checks in the order of the numbers of plates."""

    def of(what: str, at: float) -> list[Check]:
        return [check for check in own if check.what == what and check.at == at]

    rates = _distinct(check.at for check in own if check.what == "rate")
    limits = [of("upper_95", rate) for rate in rates]
    worst = [min(each, key=lambda check: check.realised - check.promised) for each in zip(*limits, strict=True)]
    rows = [(f"REJECT, asked {100 * rate:g}", of("rate", rate)) for rate in rates]
    rows += [("splits within the 95 % limit", worst), ("p ≤ 5 %", of("p_value", 0.05))]
    return [*rows, ("not PASS", [check for check in own if check.what == "not_pass"])]


def _cell(check: Check) -> str:
    text = f"{100 * check.realised:.1f}"
    if check.what in {"rate", "upper_95"}:
        text += f" / {100 * check.promised:.1f}"
    return text if check.kept or check.what == "not_pass" else f"**{text}**"


def needed(found: Sequence[Check]) -> str:
    """Whether the rate asked for is kept with as many plates as are said to be needed, a row for each population."""
    own = [check for check in found if check.what.startswith("plates_needed")]
    heads = _distinct((check.what, check.at, check.plates) for check in own)
    heads.sort()
    titles = [f"{plates} plates, {100 * rate:g} % asked" for _, rate, plates in heads]
    rows = []
    for name in _distinct(check.population for check in own):
        by = {(check.what, check.at, check.plates): check for check in own if check.population == name}
        rows.append((name, *(_needed_cell(by[head]) for head in heads)))
    return runs.markdown(("good plates", *titles), rows)


def _needed_cell(check: Check) -> str:
    what = "cost" if check.what == "plates_needed" else "of splits within"
    text = f"{100 * check.realised:.1f} % {what}"
    return text if check.kept else f"**{text}**"


def figure(found: Sequence[Check], noise: float) -> Figure:
    """Realised over promised false-alarm rate, one panel a population; the band is the noise of so many splits."""
    names = _distinct(check.population for check in found)
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    drawn = Figure(figsize=(3.1 * columns + 0.4, 2.9 * rows + 1.1), layout="constrained")
    panels = drawn.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        _panel(panel, [check for check in found if check.population == name and check.what == "rate"], noise)
        panel.set_title(name, loc="left", fontsize=10)
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    for panel in panels[max(0, len(names) - columns) : len(names)]:
        panel.set_xlabel("good plates that calibrate")
        panel.tick_params(labelbottom=True)
    for panel in panels[::columns]:
        panel.set_ylabel("good plates REJECTed")
    handles, labels = panels[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=10)
    title = f"False-alarm rate, realised against promised; band: {noise:g} standard errors of the difference"
    drawn.suptitle(title, x=0.01, ha="left", fontsize=13)
    return drawn


def save(drawn: Figure, path: Path) -> None:
    """Write a PNG of 64 colours: a third of the size, and nothing to see of it."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, dpi=100)
    picture = Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)


def _panel(axes: Axes, rates: Sequence[Check], noise: float) -> None:
    for at, colour, marker in zip(_distinct(check.at for check in rates), COLOURS, MARKERS, strict=True):
        own = [check for check in rates if check.at == at]
        plates = [check.plates for check in own]
        promised = np.array([check.promised for check in own])
        band = noise * np.array([check.standard_error for check in own])
        axes.fill_between(plates, np.maximum(promised - band, 1e-5), promised + band, color=colour, alpha=0.18, lw=0)
        axes.plot(plates, promised, color=colour, lw=1.4, label=f"promised, asked {100 * at:g} %")
        realised = [check.realised for check in own]
        axes.plot(plates, realised, marker, ms=4.5, mfc="white", mec=colour, mew=1.3, label="realised")
    axes.set(xscale="log", yscale="log", ylim=(0.003, 0.25))
    axes.xaxis.set_major_locator(FixedLocator([5, 10, 20, 54, 100, 200, 500]))
    axes.yaxis.set_major_locator(FixedLocator([0.001, 0.003, 0.01, 0.03, 0.1, 0.2]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", lw=0.7)
    axes.tick_params(labelsize=9)


def _distinct(values: Iterable[_Value]) -> list[_Value]:
    return list(dict.fromkeys(values))
