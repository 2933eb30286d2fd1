"""The figure over the steps shows the values of the records and nothing else."""

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from scripted_gradients import PATHS, record, sketch, training

from vg_keras import Record, figures, profile
from vg_keras.profiles import Profile

TRAINING = training(record(0, 1e-3, 1.0), record(10, 2e-3, 2.0))


@pytest.fixture
def axes():
    return Figure().subplots()


def test_each_variable_has_a_line_over_the_steps(axes):
    assert figures.by_step(TRAINING, axes) is axes
    lines = axes.get_lines()

    assert [line.get_label() for line in lines] == ["01_first/kernel", "02_second/kernel"]
    assert lines[0].get_xdata().tolist() == [0, 10]
    assert [line.get_ydata().tolist() for line in lines] == [[1e-3, 2e-3], [1.0, 2.0]]
    assert len({line.get_color() for line in lines}) == 2
    assert axes.get_yscale() == "log"


def test_an_absent_or_nonfinite_gradient_leaves_a_gap(axes):
    diverged = Record(20, 0.0, {PATHS[0]: sketch(1.0, infinities=1), PATHS[1]: sketch(4.0)})
    figures.by_step(training(record(0, 1.0, 2.0), record(10, 3.0), diverged), axes)
    first, second = (line.get_ydata() for line in axes.get_lines())

    assert first.tolist()[:2] == [1.0, 3.0]
    assert np.isnan(first[2])
    assert np.isnan(second[1])


def test_a_zero_leaves_a_gap_and_a_point_by_itself_has_a_marker(axes):
    figures.by_step(training(*(record(10 * i, 1.0, i % 2) for i in range(3))), axes)
    first, second = axes.get_lines()

    assert first.get_markevery() == []
    assert np.array_equal(second.get_ydata(), [np.nan, 1.0, np.nan], equal_nan=True)
    assert second.get_markevery() == [1]


def test_one_record_is_a_point(axes):
    figures.by_step(training(record(0, 1.0, 2.0)), axes)

    assert [line.get_markevery() for line in axes.get_lines()] == [[0], [0]]
    assert axes.get_lines()[0].get_marker() == "."


def test_negative_values_have_a_linear_axis(axes):
    figures.by_step(profile(training(record(0, -1.0, 1.0)), "gradients", "mean"), axes)

    assert axes.get_yscale() == "linear"
    assert axes.get_ylabel().startswith("gradients, mean\n")


def test_a_quantity_of_the_whole_model_has_no_legend():
    axes = figures.by_step(training(Record(0, 0.0, {}, loss=1.0)), quantity="loss")
    pyplot.close(axes.figure)

    assert axes.get_legend() is None
    assert axes.get_ylabel() == "loss"


def test_the_style_of_the_lines_can_be_chosen(axes):
    figures.by_step(TRAINING, axes, linestyle=":", color="black")

    assert {line.get_linestyle() for line in axes.get_lines()} == {":"}
    assert {line.get_color() for line in axes.get_lines()} == {"black"}


def test_large_steps_are_written_out(axes):
    figures.by_step(training(record(10_000_000, 1.0, 2.0), record(30_000_000, 1.0, 2.0)), axes)
    axes.figure.canvas.draw()

    assert "20,000,000" in [text.get_text() for text in axes.get_xticklabels()]


def test_more_than_three_training_runs_are_drawn_in_rows():
    every = figures.by_step([TRAINING] * 4)
    width, height = every[0].figure.get_size_inches()
    rows = {round(ax.get_position().y0, 3) for ax in every}
    pyplot.close(every[0].figure)

    assert len(every[0].figure.axes) == 4
    assert (width, height) == (15, 7.6)
    assert len(rows) == 2


def test_axes_can_be_an_array():
    every = figures.by_step([TRAINING] * 4, Figure().subplots(2, 2))

    assert all(len(ax.get_lines()) == 2 for ax in every)


def test_a_profile_is_drawn_as_it_is(axes):
    figures.by_step(profile(TRAINING, "gradients").only(PATHS[1:]), axes)
    (line,) = axes.get_lines()

    assert line.get_label() == "02_second/kernel"
    assert axes.get_ylabel() == "gradients, RMS\n(loss per unit of the variable)"


def test_several_training_runs_are_drawn_side_by_side_on_one_scale():
    left, right = figures.by_step({"$one$": TRAINING, "other": training(record(0, 1e-9, 1.0))})
    pyplot.close(left.figure)

    assert [ax.get_title() for ax in (left, right)] == ["$one$", "other"]
    assert left.get_ylim() == right.get_ylim()
    assert left.get_ylim()[0] < 1e-9
    assert left.get_legend() is None
    assert right.get_legend().get_texts()[0].get_text() == "01_first/kernel"


def test_the_legend_names_a_dozen_of_many_lines():
    paths = tuple(f"layer_{i}" for i in range(150))
    values = np.ones((2, 150))
    axes = figures.by_step(Profile("gradients", np.arange(2), paths, values, values > 0))
    pyplot.close(axes.figure)
    named = [text.get_text() for text in axes.get_legend().get_texts()]

    assert len(axes.get_lines()) == 150
    assert named[0] == "layer_0"
    assert named[-1] == "layer_149"
    assert len(named) == 12


def test_as_many_axes_as_training_runs_are_needed(axes):
    with pytest.raises(ValueError, match=r"`axes` must be 2 Matplotlib Axes\. Received: 1\."):
        figures.by_step([TRAINING, TRAINING], [axes])


def test_training_runs_of_different_models_each_have_a_legend():
    shorter = profile(TRAINING, "gradient_norm").only(PATHS[1:])
    left, right = figures.by_step([TRAINING, shorter])
    pyplot.close(left.figure)
    texts = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in (left, right)]

    assert texts == [["01_first/kernel", "02_second/kernel"], ["02_second/kernel"]]
