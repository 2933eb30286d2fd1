"""The figure over the depth shows the values of one record and nothing else."""

import pytest
from matplotlib.figure import Figure
from scripted_gradients import PATHS, record, training

from vg_keras.figures.gradient_norm_by_depth import gradient_norm_by_depth

TRAINING = training(record(0, 1e-3, 1.0), record(10, 2e-3, 3.0))


@pytest.fixture
def axes():
    return Figure().subplots()


def test_depth_is_counted_from_one(axes):
    gradient_norm_by_depth(TRAINING, axes, PATHS, 0, label="net", linestyle="--")
    (line,) = axes.get_lines()

    assert line.get_xdata().tolist() == [1, 2]
    assert line.get_ydata().tolist() == [1e-3, 1.0]
    assert (line.get_label(), line.get_linestyle()) == ("net", "--")


def test_the_last_step_and_all_variables_are_shown_by_default(axes):
    gradient_norm_by_depth(TRAINING, axes)

    assert axes.get_lines()[0].get_ydata().tolist() == [2e-3, 3.0]


@pytest.mark.parametrize("found", [TRAINING, training()])
def test_an_unrecorded_step_raises(axes, found):
    with pytest.raises(ValueError, match=r"`step` must be a recorded step.*Received: step=5\."):
        gradient_norm_by_depth(found, axes, step=5)
