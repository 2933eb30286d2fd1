"""The figure over the steps shows the values of the records and nothing else."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from scripted_gradients import PATHS, record, sketch, training

from vg_keras import Record
from vg_keras.figures.gradient_norm_by_step import gradient_norm_by_step


@pytest.fixture
def axes():
    return Figure().subplots()


def test_each_variable_has_a_line_over_the_steps(axes):
    gradient_norm_by_step(training(record(0, 1e-3, 1.0), record(10, 2e-3, 2.0)), axes, PATHS)
    lines = axes.get_lines()

    assert [line.get_label() for line in lines] == PATHS
    assert lines[0].get_xdata().tolist() == [0, 10]
    assert [line.get_ydata().tolist() for line in lines] == [[1e-3, 2e-3], [1.0, 2.0]]
    assert axes.get_yscale() == "log"


def test_labels_replace_paths_in_the_legend(axes):
    gradient_norm_by_step(training(record(0, 1.0, 2.0)), axes, PATHS, ["one", "two"])

    assert axes.get_legend_handles_labels()[1] == ["one", "two"]


def test_an_absent_or_nonfinite_gradient_leaves_a_gap(axes):
    diverged = Record(20, 0.0, {PATHS[0]: sketch(1.0, infinities=1), PATHS[1]: sketch(4.0)})
    gradient_norm_by_step(training(record(0, 1.0, 2.0), record(10, 3.0), diverged), axes, PATHS)
    first, second = (line.get_ydata() for line in axes.get_lines())

    assert first.tolist()[:2] == [1.0, 3.0]
    assert np.isnan(first[2])
    assert np.isnan(second[1])


def test_lines_of_one_figure_have_different_colors(axes):
    gradient_norm_by_step(training(record(0, 1.0, 2.0)), axes, PATHS)

    assert len({line.get_color() for line in axes.get_lines()}) == 2


def test_all_variables_are_shown_by_default(axes):
    gradient_norm_by_step(training(record(0, 1.0, 2.0)), axes)

    assert [line.get_label() for line in axes.get_lines()] == PATHS
