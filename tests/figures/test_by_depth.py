"""The figure over the depth shows one record of each training run, and nothing else."""

import matplotlib as mpl
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from scripted_gradients import record, sketch, training
from scripted_records import layer, model_of, training_of

from vg_keras import figures
from vg_keras.record import Record

TRAINING = training(record(0, 1e-3, 1.0), record(10, 2e-3, 3.0))


@pytest.fixture
def axes():
    return Figure().subplots()


def test_depth_is_counted_from_one(axes):
    figures.by_depth(TRAINING, axes, step=0, label="net", linestyle="--")
    (line,) = axes.get_lines()

    assert line.get_xdata().tolist() == [1, 2]
    assert line.get_ydata().tolist() == [1e-3, 1.0]
    assert (line.get_label(), line.get_linestyle()) == ("net", "--")
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == "gradients, L2 norm\n(loss per unit of the variable)"


@pytest.mark.parametrize(("step", "values"), [(None, [2e-3, 3.0]), (9, [1e-3, 1.0])])
def test_the_last_record_that_is_not_later_is_drawn(axes, step, values):
    figures.by_depth(TRAINING, axes, step=step)

    assert axes.get_lines()[0].get_ydata().tolist() == values


def test_a_step_before_the_first_record_raises(axes):
    with pytest.raises(ValueError, match=r"before the first recorded step, 0\. Received: step=-1"):
        figures.by_depth(TRAINING, axes, step=-1)


def test_several_training_runs_are_lines_with_different_colors_and_markers():
    axes = figures.by_depth({"one": TRAINING, "$other$": training(record(0, 4.0, 5.0))})
    lines = axes.get_lines()
    pyplot.close(axes.figure)

    assert [line.get_ydata().tolist() for line in lines] == [[2e-3, 3.0], [4.0, 5.0]]
    assert [line.get_label() for line in lines] == ["one", "$other$"]
    assert len({line.get_color() for line in lines}) == 2
    assert len({line.get_marker() for line in lines}) == 2
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "$other$"]


def test_a_sequence_of_training_runs_is_named_after_the_models(axes):
    figures.by_depth([TRAINING, TRAINING], axes)

    assert [line.get_label() for line in axes.get_lines()] == ["small (1)", "small (2)"]


def test_a_fraction_has_a_linear_axis(axes):
    model = model_of(*(layer(name, "kernel", output_shape=(None, 2)) for name in "ab"))
    found = training_of(Record(0, 0.0, {}, dead_units={"a": 0.0, "b": 0.5}), model=model)
    figures.by_depth(found, axes, quantity="dead_units")

    assert axes.get_lines()[0].get_ydata().tolist() == [0.0, 0.5]
    assert axes.get_yscale() == "linear"
    assert axes.get_ylabel() == "dead units, fraction"


def test_lines_can_be_seen_on_a_dark_background():
    with mpl.rc_context({"axes.facecolor": "black"}):
        dark = figures.by_depth(TRAINING, Figure().subplots())
    light = figures.by_depth(TRAINING, Figure().subplots())

    assert dark.get_lines()[0].get_color() == "#56b4e9"
    assert light.get_lines()[0].get_color() == "#0072b2"


def test_a_training_run_without_records_raises(axes):
    with pytest.raises(ValueError, match="a training run with records of gradients, L2 norm"):
        figures.by_depth(training(), axes)


def test_no_training_run_raises(axes):
    with pytest.raises(ValueError, match=r"Expected a training run .* Received: \[\]"):
        figures.by_depth([], axes)


def test_layers_of_the_same_name_have_the_same_place(axes):
    deeper = model_of(*(layer(name, "kernel") for name in ("first", "extra", "second")))
    gradients = {path: sketch(float(i)) for i, path in enumerate(deeper.variables, 1)}
    figures.by_depth([TRAINING, training_of(Record(0, 0.0, gradients), model=deeper)], axes)
    short, long = axes.get_lines()

    assert short.get_xdata().tolist() == [1, 3]
    assert long.get_xdata().tolist() == [1, 2, 3]
