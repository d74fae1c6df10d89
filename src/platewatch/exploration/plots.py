"""Plots of an exploration: examples with histograms, mean histograms, measures, AUROCs; one Figure each."""

from collections.abc import Sequence

import numpy as np

from platewatch.arrays import Doubles
from platewatch.evaluation.figures import Axes, Figure, FuncFormatter
from platewatch.evaluation.plots import BLACK, BLUE, GREEN, VERMILION
from platewatch.exploration.findings import TEST, Exploration, Group, Row

_CHANNELS = (("R", VERMILION, "-"), ("G", GREEN, "--"), ("B", BLUE, "-."))
_GREY = (("R = G = B", BLACK, "-"),)


def examples(found: Exploration) -> Figure:
    """For a good plate and one of each defect: the photograph, the masked plate and its histogram."""
    groups = [group for group in found.groups if group.name != TEST]
    figure = Figure(figsize=(9.6, 2.5 * len(groups)), layout="constrained")
    grid = figure.subplots(len(groups), 3, squeeze=False, width_ratios=(1, 1, 1.9))
    for row, group in zip(grid, groups, strict=True):
        photo = group.example.photo
        # chequered background, which no plate looks like
        board = 205 + 35 * ((np.indices(photo.shape[:2]) // max(2, len(photo) // 32)).sum(axis=0) % 2)
        alone = np.where(group.example.inside[..., None], photo, board[..., None].astype(np.uint8))
        for axes, picture, title in ((row[0], photo, group.name), (row[1], alone, "plate alone")):
            axes.imshow(picture)
            axes.set(xticks=[], yticks=[])
            axes.set_title(title, loc="left", fontsize=11)
        _curves(row[2], group.example.histogram, None, _channels(found))
        row[2].set_title("histogram over the plate", loc="left", fontsize=11)
    grid[0, 2].legend(frameon=False, ncols=3, loc="upper right")
    grid[-1, 2].set_xlabel("channel value, 0 to 255")
    return figure


def histograms(found: Exploration) -> Figure:
    """The mean histograms of the groups with a band of ± one standard deviation."""
    groups = found.groups
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(9.6, 2.7 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(groups) :]:
        axes.set_visible(False)
    for axes, group in zip(grid.flat, groups, strict=False):
        _curves(axes, group.histogram, group.spread, _channels(found))
        axes.set_title(f"{group.name} ({group.count})", loc="left", fontsize=11)
    for axes in grid.flat[max(0, len(groups) - columns) : len(groups)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("channel value, 0 to 255")
    grid.flat[0].legend(frameon=False, ncols=3, loc="upper right")
    return figure


def measure(found: Exploration, name: str, unit: str) -> Figure:
    """One measure of every plate: one row of points per group, with a line at the median."""
    groups: Sequence[Group] = [group for group in found.groups if name in group.measures]
    figure = Figure(figsize=(9, 1.1 + 0.55 * len(groups)), layout="constrained")
    axes = figure.subplots()
    jitter = np.random.default_rng(0)  # the same on every run
    for row, group in enumerate(groups):
        values = group.measures[name]
        colour = BLUE if group.name in (found.groups[0].name, TEST) else VERMILION
        axes.scatter(values, row + jitter.uniform(-0.25, 0.25, len(values)), s=28, color=colour, alpha=0.7, lw=0)
        axes.plot([np.median(values)] * 2, [row - 0.36, row + 0.36], color=BLACK, lw=1.6)
    axes.set_yticks(range(len(groups)), [f"{group.name} ({group.count})" for group in groups])
    axes.set_ylim(len(groups) - 0.45, -0.55)
    axes.set_xlabel(f"{name}, {unit}")
    _plain(axes, "x")
    return figure


def areas(rows: Sequence[Row]) -> Figure:
    """AUROCs with intervals: one panel per kind of defect, one row per detector or measure; dotted line: chance."""
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.areas))
    figure = Figure(figsize=(2.2 + 2.4 * max(2, len(kinds)), 1.2 + 0.42 * len(rows)), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0], kinds, strict=True):
        for place, row in enumerate(rows):
            if area := row.areas.get(kind):
                axes.plot([area.low, area.high], [place, place], color=BLUE, lw=2.4, solid_capstyle="butt")
                axes.plot(area.value, place, "o", color=BLUE, ms=7)
        axes.axvline(0.5, color=BLACK, lw=1, ls=":")
        axes.set_title(kind, loc="left", fontsize=11)
        axes.set_xlim(-0.03, 1.03)
        axes.set_xticks((0, 0.5, 1), ("0", ".5", "1"))
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        _plain(axes, "x")
    figure.supxlabel("image AUROC against good test plates, with its 95 % interval", fontsize=11)
    return figure


def _channels(found: Exploration) -> tuple[tuple[str, str, str], ...]:
    return _GREY if found.grey == found.count else _CHANNELS


def _curves(axes: Axes, mean: Doubles, spread: Doubles | None, channels: tuple[tuple[str, str, str], ...]) -> None:
    """Histograms (3, bins) in %, on a square-root axis so that small values show."""
    bins = mean.shape[1]
    middle = (np.arange(bins) + 0.5) * 256 / bins
    for channel, (name, colour, style) in enumerate(channels):
        percent = 100 * mean[channel]
        axes.plot(middle, percent, style, color=colour, lw=1.8, label=name)
        if spread is not None:
            band = 100 * spread[channel]
            axes.fill_between(middle, np.maximum(percent - band, 0), percent + band, color=colour, alpha=0.18, lw=0)
    axes.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
    axes.set_ylim(bottom=0)
    axes.set_yticks([tick for tick in (0, 1, 5, 10, 20, 40, 60, 80, 100) if tick <= axes.get_ylim()[1]])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    axes.set_xlim(0, 256)
    axes.set_xticks((0, 64, 128, 192, 255))
    _plain(axes, "both")


def _plain(axes: Axes, grid: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=10)
    axes.grid(True, axis=grid, color="#dddddd", lw=0.8)  # type: ignore[arg-type]  # a Literal in the stubs
    axes.set_axisbelow(True)
