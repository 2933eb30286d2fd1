"""The figure of the loss has one line for each training run."""

import math

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


def test_many_records_have_some_markers_and_a_point_by_itself_has_one():
    losses = [1.0] * 100
    losses[70], losses[72] = math.nan, math.nan
    records = [Record(step, 0.0, {}, loss=loss) for step, loss in enumerate(losses)]
    axes = figures.loss(training_of(*records), Figure().subplots())
    (line,) = axes.get_lines()

    assert line.get_markevery() == [0, 10, 20, 30, 40, 50, 60, 70, 71, 80, 90]
    assert line.get_marker() == "o"


def test_a_loss_that_is_never_finite_says_so():
    found = training_of(Record(0, 0.0, {}, loss=math.nan))
    axes = figures.loss({"a": found}, Figure().subplots())

    assert [text.get_text() for text in axes.texts] == ["no value to draw"]
    assert axes.get_lines()[0].get_label() == "a (no value to draw)"


def test_steps_are_integers():
    axes = figures.loss(training_of(Record(7, 0.0, {}, loss=1.0)), Figure().subplots())

    assert [tick for tick in axes.get_xticks() if tick % 1] == []


def test_without_a_loss_there_is_nothing_to_draw():
    with pytest.raises(ValueError, match="a training run with records of loss"):
        figures.loss(training_of(Record(0, 0.0, {})), Figure().subplots())
