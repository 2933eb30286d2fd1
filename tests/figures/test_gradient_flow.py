"""The picture of the gradient flow, checked by its colors and labels."""

import dataclasses
import math

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from scripted_records import layer, model_of, sketch_of, training_of

from vg_keras.figures import gradient_flow
from vg_keras.profiles import profile
from vg_keras.record import Record


def training(*rows, names=None):
    """A training run whose layers have these norms, one row for each record."""
    paths = names or [f"layer_{i}" for i in range(len(rows[0]))]
    model = model_of(*(layer(path, "kernel", output_shape=(None, 1)) for path in paths))
    records = [
        Record(
            10 * number,
            0.0,
            {},
            activation_gradients={
                path: sketch_of([norm])
                for path, norm in zip(paths, row, strict=True)
                if norm is not None
            },
        )
        for number, row in enumerate(rows)
    ]
    return training_of(*records, model=model)


def drawn(*rows, **how):
    axes = gradient_flow(training(*rows, **how), Figure().add_subplot())
    (picture,) = axes.get_images()
    return axes, picture.get_array()


def test_layers_are_rows_from_the_input_and_records_are_columns():
    axes, colors = drawn([1e-8, 1.0], [1e-4, 1.0], [1e2, 1.0])

    assert colors.shape[:2] == (2, 3)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["01_layer_0", "02_layer_1"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "10", "20"]
    assert not np.array_equal(colors[0, 0], colors[0, 1])
    assert np.array_equal(colors[1, 0], colors[1, 2])


def test_the_ends_of_the_scale_are_those_of_viridis():
    _, colors = drawn([1e-8, 1e2, 1e-30, 1e30])

    assert colors[:, 0, :3].tolist() == [[68, 1, 84], [253, 231, 36]] * 2


def test_the_same_norm_has_the_same_color_in_every_training_run():
    _, one = drawn([1e-3, 1e-6])
    _, other = drawn([1e2, 1e-3, 1.0])

    assert np.array_equal(one[0, 0], other[1, 0])


@pytest.mark.parametrize(
    ("norm", "color", "label"),
    [
        (0.0, [255, 255, 255], "exactly 0"),
        (math.nan, [255, 45, 45], "NaN or infinite"),
        (math.inf, [255, 45, 45], "NaN or infinite"),
        (None, [154, 154, 154], "not recorded"),
    ],
)
def test_what_has_no_logarithm_has_a_color_of_its_own_and_a_legend(norm, color, label):
    axes, colors = drawn([1.0, 1.0], [norm, 1.0])

    assert colors[0, 1, :3].tolist() == color
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [label]


def test_finite_norms_need_no_legend():
    axes, _ = drawn([1e-8, 1.0])

    assert axes.get_legend() is None


def test_of_many_layers_some_are_labeled():
    axes, colors = drawn([1.0] * 150)

    assert colors.shape[0] == 150
    assert len(axes.get_yticks()) == 11
    assert axes.get_yticklabels()[0].get_text() == "001_layer_0"
    assert axes.get_yticklabels()[-1].get_text() == "150_layer_149"


def test_a_long_name_is_shortened_in_the_middle():
    name = "encoder/block_12/attention/query"
    axes, _ = drawn([1.0], names=[name])
    (label,) = [t.get_text() for t in axes.get_yticklabels()]

    assert label == "01_encod…attention/query"
    assert len(label) == 24


def test_layers_can_be_renamed():
    found = profile(training([1.0]), "activation_gradient_norm")
    axes = gradient_flow(dataclasses.replace(found, labels=("first",)), Figure().add_subplot())

    assert [t.get_text() for t in axes.get_yticklabels()] == ["first"]


def test_both_axes_and_the_scale_say_what_they_show():
    figure = Figure()
    axes = gradient_flow(training([1.0]), figure.add_subplot())
    _, scale = figure.axes

    assert axes.get_xlabel() == "recorded step"
    assert axes.get_ylabel() == "layer, from the input"
    assert scale.get_ylabel() == "norm of the gradient"
    assert [t.get_text() for t in scale.get_yticklabels()] == [
        *("1e-8", "1e-6", "1e-4", "1e-2", "1", "1e2"),
    ]


def test_a_training_run_without_records_raises():
    with pytest.raises(ValueError, match="a training run with records of gradients, L2 norm"):
        gradient_flow(training_of(), Figure().add_subplot())


def test_several_training_runs_are_drawn_side_by_side_with_one_scale():
    axes = gradient_flow({"$one$": training([1e-4, 1.0]), "other": training([1e-4])})
    pyplot.close(axes[0].figure)
    first, second = (ax.get_images()[0].get_array() for ax in axes)

    assert [ax.get_title() for ax in axes] == ["$one$", "other"]
    assert np.array_equal(first[0, 0], second[0, 0])
    assert len(axes[0].figure.axes) == 3


def test_without_outputs_the_gradients_of_kernels_are_drawn():
    record = Record(0, 0.0, {"layer_0/kernel": sketch_of([1e-8])})
    found = training_of(record, model=model_of(layer("layer_0", "kernel")))
    axes = gradient_flow(found, Figure().add_subplot())

    assert [t.get_text() for t in axes.get_yticklabels()] == ["01_layer_0/kernel"]
    assert axes.get_images()[0].get_array()[0, 0, :3].tolist() == [68, 1, 84]


def test_if_one_training_run_has_no_outputs_the_kernels_of_all_are_drawn():
    record = Record(0, 0.0, {"layer_0/kernel": sketch_of([1.0])})
    without = training_of(record, model=model_of(layer("layer_0", "kernel")))
    both = dataclasses.replace(record, activation_gradients={"layer_0": sketch_of([1.0])})
    model = model_of(layer("layer_0", "kernel", output_shape=(None, 1)))
    axes = gradient_flow([without, training_of(both, model=model)], Figure().subplots(1, 2))

    assert [ax.get_yticklabels()[0].get_text() for ax in axes] == ["01_layer_0/kernel"] * 2


def test_a_training_run_without_the_quantity_is_named():
    model = model_of(layer("a", "kernel", output_shape=(None, 1)))
    runs = {
        "has": training_of(Record(0, 0.0, {}, dead_units={"a": 0.0}), model=model),
        "lacks": training_of(Record(0, 0.0, {"a/kernel": sketch_of([1.0])}), model=model),
    }
    with pytest.raises(ValueError, match=r"in every training run\. Received: none in lacks\.$"):
        gradient_flow(runs, quantity="dead_units")


def test_negative_values_have_a_linear_scale():
    found = profile(training([1.0, -3.0]), "activation_gradients", "mean")
    axes = gradient_flow(found, Figure().add_subplot())

    assert axes.get_images()[0].get_array()[:, 0, :3].tolist() == [[253, 231, 36], [68, 1, 84]]
    assert axes.get_legend() is None


@pytest.mark.parametrize("quantity", ["", "loss", "no such"])
def test_a_quantity_without_layers_is_refused(quantity):
    found = training_of(Record(0, 0.0, {}, loss=1.0), model=model_of(layer("a", "kernel")))
    with pytest.raises(ValueError, match=f"Received: quantity='{quantity}'"):
        gradient_flow(found, quantity=quantity)


def test_of_another_quantity_the_scale_spans_its_values():
    figure = Figure()
    gradient_flow(training([1e-3, 0.9]), figure.add_subplot(), quantity="activation_gradients")
    scale = figure.axes[1]

    assert scale.get_ylabel() == "activation gradients, RMS"
    assert scale.get_ylim() == (-5, 1)


def test_a_fraction_of_zero_is_a_value():
    record = Record(0, 0.0, {}, dead_units={"layer_0": 0.0, "layer_1": 1.0})
    model = model_of(*(layer(f"layer_{i}", "kernel", output_shape=(None, 1)) for i in range(2)))
    axes = gradient_flow(
        training_of(record, model=model), Figure().add_subplot(), quantity="dead_units"
    )
    colors = axes.get_images()[0].get_array()

    assert colors[:, 0, :3].tolist() == [[68, 1, 84], [253, 231, 36]]
    assert axes.get_legend() is None
