"""The figure of the loss has one line for each training run."""

import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from scripted_records import training_of

from vg_keras import Record, figures


def test_each_training_run_has_a_line():
    one = training_of(Record(0, 0.0, {}, loss=2.0), Record(5, 0.0, {}, loss=-1.0))
    other = training_of(Record(0, 0.0, {}, loss=3.0))
    axes = figures.loss({"one": one, "other": other})
    pyplot.close(axes.figure)
    first, second = axes.get_lines()

    assert first.get_xdata().tolist() == [0, 5]
    assert first.get_ydata().tolist() == [2.0, -1.0]
    assert second.get_ydata().tolist() == [3.0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "other"]


def test_without_a_loss_there_is_nothing_to_draw():
    with pytest.raises(ValueError, match="a training run with records of loss"):
        figures.loss(training_of(Record(0, 0.0, {})), Figure().subplots())
