"""The plots of the sensitivity trials show the counts that they are given."""

import numpy as np
from matplotlib.figure import Figure

from fake_inspector import LIGHT, SENSITIVITY
from platewatch.decision.sensitivity_summary import Sensitivity, Trial
from platewatch.evaluation import sensitivity_plots


def _texts(figure: Figure, panel: int) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text().replace("\u00a0", " ") for text in figure.axes[panel].texts]


def test_every_field_shows_its_fraction_and_every_axis_its_sizes() -> None:
    figure = sensitivity_plots.sensitivity(SENSITIVITY)
    scratch, rust = figure.axes
    assert _texts(figure, 0) == ["5 %", "60 %", "45 %", "100 %"]
    assert [text.get_position() for text in scratch.texts] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert np.asarray(scratch.images[0].get_array()).tolist() == [[0.05, 0.45], [0.6, 1]]
    assert [each.get_text() for each in scratch.get_xticklabels()] == ["2 px\n0.5 mm", "4 px\n1 mm"]
    assert [each.get_text().replace("\u00a0", " ") for each in rust.get_yticklabels()] == ["10 %", "30 %"]
    assert scratch.get_title(loc="left") == "Scratches, 16 px (4 mm) long"


def test_a_field_without_plates_is_a_dash() -> None:
    nothing = (Trial(1, 0.1, 0, 0, 0, (0, 1)),)
    assert _texts(sensitivity_plots.sensitivity(Sensitivity(64, 1, None, 8, 3, 0, nothing, nothing)), 0) == ["–"]


def test_the_bar_of_an_illumination_adds_up_to_all_plates() -> None:
    figure = sensitivity_plots.illumination(LIGHT)
    widths = np.array([[bar.get_width() for bar in bars] for bars in figure.axes[0].containers])
    starts = np.array([[bar.get_x() for bar in bars] for bars in figure.axes[0].containers])
    assert np.allclose(starts, np.cumsum(widths, axis=0) - widths)
    assert np.allclose(widths.T, np.array([[20, 6, 4], [25, 5, 0], [25, 4, 1]]) / 30)
    assert _texts(figure, 0) == ["20", "25", "25", "6", "5", "4", "4", "1"]
    names = [each.get_text().replace("\u00a0", " ") for each in figure.axes[0].get_yticklabels()]
    assert names == ["25 % darker", "as photographed", "4 % warmer"]
