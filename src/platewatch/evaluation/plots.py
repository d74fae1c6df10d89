"""Plots of an evaluation: score distributions, ROC curves, alpha table, losses, reconstructions; one Figure each.

Colours are safe for colour-blind readers. Matplotlib's global state is not used, so that threads may plot in parallel.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from platewatch.arrays import Doubles, Photo, Photos
from platewatch.evaluation.figures import Axes, Figure, FuncFormatter, LogLocator, NullFormatter, colormaps
from platewatch.photographs import preparation

# Okabe and Ito's palette for colour-blind readers, without yellow, which cannot be seen on white
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
_CYCLE = (BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE, BLACK)
_ROWS = ("#666666", BLUE, GREEN, PURPLE, SKY, BLACK)  # without the colours of threshold and REVIEW band
_SIZE = 12
_LOG_FROM = 6.0  # ratio of largest to smallest score above which the axis is logarithmic

LOSSES = {
    "loss_con": "contextual",
    "loss_adv": "adversarial",
    "loss_lat": "latent",
    "loss_discriminator": "discriminator",
}


class AlphaPoint(NamedTuple):
    """One alpha of the author's table; None where precision is undefined."""

    alpha: float
    precision_good: float | None
    recall_good: float | None
    missed: int
    false_alarms: int


def score_distributions(
    classes: Mapping[str, Doubles], threshold: float, review: float, title: str = "Scores by class"
) -> Figure:
    """One row of points per class, (N,) scores each, with the REVIEW band and the threshold."""
    figure, axes = _figure(8.6, 1.6 + 0.62 * len(classes))
    jitter = np.random.default_rng(0)  # the same on every run
    everything = np.concatenate([np.asarray(scores, float) for scores in classes.values()] or [np.empty(0)])
    log = _prefers_log(np.append(everything, [threshold, review]))
    for row, (name, scores) in enumerate(classes.items()):
        height = row + jitter.uniform(-0.26, 0.26, len(scores))
        axes.scatter(scores, height, s=30, color=_ROWS[row % len(_ROWS)], alpha=0.75, linewidths=0, label=name)
        if len(scores):
            axes.plot([np.median(scores)] * 2, [row - 0.36, row + 0.36], color=BLACK, lw=1.6)
    if review < threshold:
        axes.axvspan(review, threshold, color=ORANGE, alpha=0.22, lw=0, zorder=0)
    axes.axvline(threshold, color=VERMILION, lw=2)
    axes.set_yticks(range(len(classes)), [f"{name} ({len(scores)})" for name, scores in classes.items()])
    axes.set_ylim(len(classes) - 0.45, -0.55)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    _grid(axes, "x")
    axes.set_xlabel("score" + (", log axis" if log else ""))
    note = f"threshold {threshold:.4g}" + (f", REVIEW from {review:.4g}" if review < threshold else "")
    axes.set_title(f"{title}: {note}", loc="left", fontsize=_SIZE + 1)
    return figure


def roc_curves(curves: Mapping[str, tuple[Doubles, Doubles, float | None]]) -> Figure:
    """ROC curves by name: (false positive rate, true positive rate, area), rates in [0, 1]."""
    figure, axes = _figure(5.6, 5.2)
    for index, (name, (false_positive, true_positive, area)) in enumerate(curves.items()):
        label = name if area is None else f"{name}, area {area:.3f}"
        style = ("-", "--", ":")[index % 3]  # to tell curves apart without colour
        axes.plot(false_positive, true_positive, style, color=_CYCLE[index % len(_CYCLE)], lw=2.4, label=label)
    axes.plot([0, 1], [0, 1], color="#999999", lw=1)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xlabel("good plates above the limit")
    axes.set_ylabel("defective plates above the limit")
    _grid(axes, "both")
    axes.legend(loc="lower right", frameon=False)
    axes.set_title("ROC curve over all limits", loc="left", fontsize=_SIZE + 1)
    return figure


def alpha_table(points: Sequence[AlphaPoint], chosen: float | None = None) -> Figure:
    """The alpha table as a plot over alpha: precision and recall of *good* above, missed and false alarms below."""
    figure = Figure(figsize=(7.2, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    alphas = [point.alpha for point in points]
    precision = [np.nan if point.precision_good is None else point.precision_good for point in points]
    recall = [np.nan if point.recall_good is None else point.recall_good for point in points]
    above.plot(alphas, precision, "o-", color=BLUE, lw=2, label="precision (good)")
    above.plot(alphas, recall, "s--", color=GREEN, lw=2, label="recall (good)")
    above.set_ylim(-0.03, 1.08)
    below.bar(np.array(alphas) - 0.018, [point.missed for point in points], 0.034, color=VERMILION, label="missed")
    alarms = [point.false_alarms for point in points]
    below.bar(np.array(alphas) + 0.018, alarms, 0.034, color=SKY, hatch="//", edgecolor=BLACK, label="false alarms")
    below.set_ylim(0, max([point.missed + 1 for point in points] + [alarm + 1 for alarm in alarms] + [4]))
    below.yaxis.get_major_locator().set_params(integer=True)
    below.set_ylabel("plates")
    below.set_xticks(alphas)
    below.set_xlabel("alpha: weight of the reconstruction error in the score")
    for axes in (above, below):
        _plain(axes)
        _grid(axes, "y")
        if chosen is not None:
            axes.axvline(chosen, color=BLACK, lw=1, ls=":")
        axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    return figure


def losses(runs: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Loss curves: one panel per loss, one line per run; `runs` has for each epoch the losses by name."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    for axes, (key, title) in zip(figure.subplots(2, 2).flat, LOSSES.items(), strict=True):
        for index, (name, history) in enumerate(runs.items()):
            points = [(epoch, values[key]) for epoch, values in enumerate(history, start=1) if key in values]
            colour = _CYCLE[index % len(_CYCLE)]
            if points:
                axes.plot(*zip(*points, strict=True), color=colour, lw=1.8, label=name, marker="." * (len(points) < 3))
        _plain(axes)
        _grid(axes, "y")
        axes.set_title(f"{title} ({key})", loc="left", fontsize=_SIZE + 1)
        axes.set_xlabel("epoch")
    if len(runs) > 1:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(runs), 5), frameon=False)
    return figure


def without_padding(
    photos: Photos, reconstructed: Photos, sizes: Sequence[tuple[int, int]]
) -> tuple[list[Photo], list[Photo]]:
    """Prepared photographs (N, S, S, 3) and reconstructions (N, R, R, 3) uint8 for `reconstructions`, without padding.

    `sizes` are (width, height) of the photographs as taken, px. Both are (h, w, 3) at the reconstruction's resolution.
    """
    side = reconstructed.shape[1]
    frames = [preparation.frame(*size, side) for size in sizes]
    originals = [preparation.prepare(photo, side) for photo in photos]
    cut = [[frame.cut(each) for frame, each in zip(frames, part, strict=True)] for part in (originals, reconstructed)]
    return cut[0], cut[1]


def reconstructions(originals: Sequence[Photo], reconstructed: Sequence[Photo], names: Sequence[str] = ()) -> Figure:
    """Photographs, their reconstructions, and the mean absolute differences on one scale, 0 to 0.3 of the range.

    `originals` and `reconstructed` are (h, w, 3) uint8 each, without padding; a pair is of one size.
    """
    count = max(1, len(originals))
    figure = Figure(figsize=(1.75 * count + 0.9, 5.6), layout="constrained")
    grid = figure.subplots(3, count, squeeze=False)
    shade = colormaps["inferno"]
    for column, (original, copy) in enumerate(zip(originals, reconstructed, strict=True)):
        difference = np.abs(original.astype(np.float32) - copy).mean(axis=2) / 255
        grid[0, column].imshow(original)
        grid[1, column].imshow(copy)
        image = grid[2, column].imshow(difference, cmap=shade, vmin=0, vmax=0.3)
        if column < len(names):
            grid[0, column].set_title(names[column], fontsize=_SIZE - 2)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    for axes, label in zip(grid[:, 0], ("photograph", "reconstruction", "difference"), strict=True):
        axes.set_ylabel(label, fontsize=_SIZE)
    if len(originals):
        figure.colorbar(image, ax=grid[2, :].tolist(), fraction=0.05, pad=0.01)
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    _plain(axes)
    return figure, axes


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=_SIZE)
    axes.xaxis.label.set_fontsize(_SIZE)
    axes.yaxis.label.set_fontsize(_SIZE)


def _grid(axes: Axes, which: str) -> None:
    axes.grid(True, axis=which, color="#dddddd", lw=0.8)  # type: ignore[arg-type]  # a Literal in the stubs
    axes.set_axisbelow(True)


def _prefers_log(values: Doubles) -> bool:
    """Whether all values are positive and their largest ratio is above _LOG_FROM."""
    return bool(len(values) and values.min() > 0 and values.max() / values.min() > _LOG_FROM)
