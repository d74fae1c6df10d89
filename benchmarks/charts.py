"""One figure of line charts, a panel for each thing that varies."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from platewatch.evaluation.plots import BLUE, GREEN, ORANGE, VERMILION

Series = tuple[str, Sequence[float], Sequence[float], str]
"""Label, x, y, and matplotlib's format string: `o-` is a line with points, `--` a dashed line."""


def lines(panels: Mapping[str, Sequence[Series]], x: str, y: str, *, log: bool = False, alike: int = 1) -> Figure:
    """One panel for each title, four in a row, in per cent unless `log`; `alike` successive series share a colour."""
    rows, columns = -(-len(panels) // 4), min(4, len(panels))
    figure = Figure(figsize=(4.2 * columns, 3.6 * rows + 0.4), layout="constrained")
    for place, (title, series) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        for number, (label, across, up, style) in enumerate(series):
            colour = (VERMILION, ORANGE, BLUE, GREEN)[number // alike]
            axes.plot(across, up, style, color=colour, lw=2, mfc="white", mew=1.5, label=label)
        axes.set(title=title, xlabel=x, ylabel=y)
        axes.set(xscale="log", yscale="log") if log else axes.set(ylim=(-4, 104))
        axes.grid(True, color="#dddddd", lw=0.8)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure
