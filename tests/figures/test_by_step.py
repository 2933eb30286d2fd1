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
    assert named[:2] == ["layer_0", "layer_13"]
    assert len(named) == 12


def test_as_many_axes_as_training_runs_are_needed(axes):
    with pytest.raises(ValueError, match=r"as many as training runs, 2\. Received: 1 axes"):
        figures.by_step([TRAINING, TRAINING], [axes])


def test_training_runs_of_different_models_each_have_a_legend():
    shorter = profile(TRAINING, "gradients").only(PATHS[1:])
    left, right = figures.by_step([TRAINING, shorter])
    pyplot.close(left.figure)
    texts = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in (left, right)]

    assert texts == [["01_first/kernel", "02_second/kernel"], ["02_second/kernel"]]
