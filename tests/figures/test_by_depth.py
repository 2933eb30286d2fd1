"""The figure over the depth shows one record of each training run, and nothing else."""

import dataclasses

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from scripted_gradients import PATHS, record, sketch, training
from scripted_records import layer, model_of, training_of

from vg_keras import figures
from vg_keras.profiles import Profile
from vg_keras.record import Record, VariableDescription

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
    assert [line.get_label() for line in lines] == ["one, step 10", "$other$, step 0"]
    assert len({line.get_color() for line in lines}) == 2
    assert len({line.get_marker() for line in lines}) == 2
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "one, step 10",
        "$other$, step 0",
    ]


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
    assert axes.get_ylim() == (-0.03, 1.03)


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


def test_values_that_are_not_finite_leave_a_gap_and_their_neighbors_have_markers(axes):
    paths = tuple(f"layer_{i}" for i in range(100))
    values = np.ones((1, 100))
    values[0, [50, 52]] = np.nan, 0.0
    figures.by_depth(Profile("gradients", np.arange(1), paths, values, values != 2), axes)
    (line,) = axes.get_lines()

    assert np.flatnonzero(np.isnan(line.get_ydata())).tolist() == [50, 52]
    assert 51 in line.get_markevery()
    assert len(line.get_markevery()) == 11


def test_a_training_run_without_a_finite_value_says_so(axes):
    diverged = training(Record(0, 0.0, {path: sketch(1.0, 1) for path in PATHS}))
    figures.by_depth({"sick": diverged, "well": TRAINING}, axes)
    alone = figures.by_depth(diverged, Figure().subplots())

    assert [line.get_label() for line in axes.get_lines()] == [
        "sick (no value to draw), step 0",
        "well, step 10",
    ]
    assert not axes.texts
    assert [text.get_text() for text in alone.texts] == ["no value to draw"]
    assert alone.get_yticks().tolist() == []


@pytest.mark.parametrize("number", [8, 9])
def test_a_ninth_line_is_dashed(axes, number):
    figures.by_depth([TRAINING] * number, axes)
    first, last = axes.get_lines()[0], axes.get_lines()[-1]

    assert (first.get_color() == last.get_color()) == (number == 9)
    assert last.get_linestyle() == ("--" if number == 9 else "-")


def test_depth_begins_at_one_in_a_deep_model(axes):
    paths = tuple(f"layer_{i}" for i in range(150))
    values = np.ones((1, 150))
    figures.by_depth(Profile("gradients", np.arange(1), paths, values, values > 0), axes)
    low, high = axes.get_xlim()

    assert all(tick >= 1 for tick in axes.get_xticks() if low <= tick <= high)
    assert high > 150


def test_the_step_is_told(axes):
    figures.by_depth([TRAINING, TRAINING], axes, step=9)

    assert axes.get_xlabel() == "layer, from the input to the output (step 0)"
    assert [line.get_label() for line in axes.get_lines()] == ["small (1)", "small (2)"]


def test_small_differences_look_small(axes):
    figures.by_depth(training(record(0, 0.5, 1.0)), axes)
    low, high = axes.get_ylim()

    assert high / low > 1e6


def test_the_smallest_and_the_largest_numbers_can_be_drawn(axes):
    values = np.array([[5e-324, 1.7e308]])
    found = Profile("gradients", np.arange(1), ("a", "b"), values, values > 0)
    figures.by_depth(found, axes)
    axes.figure.canvas.draw()

    assert axes.get_ylim() == (np.finfo(float).tiny, 1.7e308)


def test_two_figures_on_the_same_axes_share_a_scale(axes):
    for value in (1e-9, 1.0):
        figures.by_depth(training(record(0, value, value)), axes)
    low, high = axes.get_ylim()

    assert low < 1e-9
    assert high > 1


def test_layers_without_a_value_keep_their_place(axes):
    model = model_of(*(layer(name, "kernel", output_shape=(None, 2)) for name in "abcd"))
    found = training_of(Record(0, 0.0, {}, dead_units={"b": 0.0, "d": 0.5}), model=model)
    figures.by_depth(found, axes, quantity="dead_units")
    (line,) = axes.get_lines()

    assert line.get_xdata().tolist() == [1, 2, 3, 4]
    assert np.array_equal(line.get_ydata(), [np.nan, 0.0, np.nan, 0.5], equal_nan=True)


def test_without_records_of_kernels_the_other_variables_are_drawn(axes):
    weights = tuple(
        VariableDescription(f"dense/{name}", shape, "float32")
        for name, shape in (("kernel", (2, 3)), ("bias", (3,)))
    )
    model = model_of(dataclasses.replace(layer("dense"), variables=weights))
    figures.by_depth(training_of(Record(0, 0.0, {"dense/bias": sketch(0.5)}), model=model), axes)

    assert np.array_equal(axes.get_lines()[0].get_ydata(), [np.nan, 0.5], equal_nan=True)


def test_many_training_runs_have_a_legend_beside_the_axes():
    axes = figures.by_depth([TRAINING] * 4)
    axes.figure.canvas.draw()
    legend, inside = axes.get_legend().get_window_extent(), axes.get_window_extent()
    pyplot.close(axes.figure)

    assert legend.x0 >= inside.x1


def test_a_long_name_is_shortened(axes):
    figures.by_depth({"experiment_with_a_very_long_name_fold_1": TRAINING}, axes)

    assert axes.get_lines()[0].get_label() == "experime…ong_name_fold_1"


def test_a_quantity_of_the_whole_model_raises(axes):
    message = r"Received: quantity='loss'\. `figures.by_step` draws it\."
    with pytest.raises(ValueError, match=message):
        figures.by_depth(training(Record(0, 0.0, {}, loss=1.0)), axes, quantity="loss")


def test_a_step_that_is_no_integer_raises(axes):
    with pytest.raises(TypeError, match=r"`step` must be an integer or None\. Received: step='x'"):
        figures.by_depth(TRAINING, axes, step="x")


def test_several_axes_raise():
    with pytest.raises(ValueError, match=r"must be a single Matplotlib Axes\. Received: 4\."):
        figures.by_depth(TRAINING, Figure().subplots(2, 2))


def test_names_are_no_formulas_even_with_latex():
    with mpl.rc_context({"text.usetex": True}):
        axes = figures.by_depth({"a_1": TRAINING, r"$\frac$": TRAINING})
    pyplot.close(axes.figure)

    assert not any(text.get_usetex() for text in axes.get_legend().get_texts())
    assert not any(text.get_parse_math() for text in axes.get_legend().get_texts())


def test_layers_of_the_same_name_have_the_same_place(axes):
    deeper = model_of(*(layer(name, "kernel") for name in ("first", "extra", "second")))
    gradients = {path: sketch(float(i)) for i, path in enumerate(deeper.variables, 1)}
    figures.by_depth([TRAINING, training_of(Record(0, 0.0, gradients), model=deeper)], axes)
    short, long = axes.get_lines()

    assert short.get_xdata().tolist() == [1, 3]
    assert long.get_xdata().tolist() == [1, 2, 3]
