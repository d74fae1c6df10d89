"""Plots show the given values, also with few or none."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from platewatch.evaluation import plots
from platewatch.evaluation.plots import AlphaPoint
from platewatch.evaluation.report import figure_png


def _draw(figure: Figure) -> tuple[int, int]:
    with Image.open(io.BytesIO(figure_png(figure))) as image:
        return image.size


def _texts(figure: Figure) -> str:
    figure.draw_without_rendering()
    found = [text.get_text() for axes in figure.axes for text in [axes.title, *axes.get_yticklabels(), *axes.texts]]
    found += [axes.get_title(loc="left") for axes in figure.axes]
    return " | ".join(found)


def test_score_distributions_name_each_class_and_the_limits() -> None:
    classes = {"good": np.array([0.4, 0.5]), "scratches": np.array([1.4, 1.9, 2.4])}
    figure = plots.score_distributions(classes, threshold=1.5, review=1.2)
    texts = _texts(figure)
    assert "good (2)" in texts
    assert "scratches (3)" in texts
    assert "threshold 1.5, REVIEW from 1.2" in texts
    assert figure.axes[0].get_xscale() == "linear"
    drawn = [len(np.asarray(points.get_offsets())) for points in figure.axes[0].collections]
    assert drawn[:2] == [2, 3]


@pytest.mark.parametrize(("scores", "scale"), [([0.01, 9.0], "log"), ([0.0, 9.0], "linear"), ([-1.0, 9.0], "linear")])
def test_the_axis_is_logarithmic_only_where_that_can_be(scores: list[float], scale: str) -> None:
    figure = plots.score_distributions({"good": np.array(scores)}, threshold=1.5, review=1.5)
    assert figure.axes[0].get_xscale() == scale
    _draw(figure)


def test_empty_classes_draw() -> None:
    _draw(plots.score_distributions({"good": np.empty(0), "rust": np.empty(0)}, threshold=1.0, review=1.0))
    _draw(plots.score_distributions({}, threshold=1.0, review=0.5))


def test_roc_curves_show_their_areas() -> None:
    line = np.array([0.0, 1.0])
    figure = plots.roc_curves({"both phases": (line, line, 0.5), "surface": (line, line, None)})
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["both phases, area 0.500", "surface"]


def test_the_alpha_plot_shows_both_ways_of_counting() -> None:
    points = [AlphaPoint(0.1, None, 0.0, 0, 13), AlphaPoint(0.5, 0.9, 1.0, 3, 0), AlphaPoint(0.9, 1.0, 1.0, 0, 0)]
    figure = plots.alpha_table(points, chosen=0.8)
    above, below = figure.axes
    assert np.asarray(above.lines[0].get_ydata())[1:].tolist() == [0.9, 1.0]
    heights = [patch.get_height() for patch in below.patches]  # type: ignore[attr-defined]  # bars, so rectangles
    assert heights == [0, 3, 0, 13, 0, 0]
    assert below.get_ylim()[1] > 13
    _draw(figure)


def test_losses_draw_every_run_that_has_them() -> None:
    history = [{"loss_adv": 0.7, "loss_con": 1 / epoch, "loss_lat": 0.1} for epoch in (1, 2, 3)]
    figure = plots.losses({"fold 1": history, "final": history[:1], "none": []})
    by_title = {axes.get_title(loc="left"): len(axes.lines) for axes in figure.axes}
    assert by_title["contextual (loss_con)"] == 2
    assert by_title["discriminator (loss_discriminator)"] == 0
    _draw(figure)


def test_reconstructions_share_one_scale() -> None:
    dark, light = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 40, np.uint8)
    figure = plots.reconstructions([dark, dark], [dark, light], ["a.png", "b.png"])
    shown = [(image.get_clim(), np.asarray(image.get_array())) for axes in figure.axes for image in axes.images]
    differences = [(limits, values) for limits, values in shown if values.ndim == 2]
    assert [limits for limits, _ in differences] == [(0, 0.3)] * 2
    assert [float(values.max()) for _, values in differences] == pytest.approx([0, 40 / 255])
    _draw(figure)
    _draw(plots.reconstructions([], []))


def test_the_same_figure_gives_the_same_bytes() -> None:
    first, second = (plots.score_distributions({"good": np.array([0.4, 0.5])}, 1.0, 0.9) for _ in range(2))
    assert figure_png(first) == figure_png(second)
