"""One quantity of a training run as an array that distinguishes missing from nonfinite values."""

import math

import numpy as np
import pytest
from scripted_records import MODEL, full_record, layer, model_of, sketch_of, training_of

from vg_keras import Record, profile
from vg_keras.profiles import STATISTICS
from vg_keras.quantities import CHARTS, QUANTITIES

TWO_LAYERS = model_of(
    layer("a", "kernel", output_shape=(None, 3)), layer("b", "kernel", output_shape=(None, 3))
)


def gradients(step, **values):
    sketches = {f"{name}/kernel": sketch_of(numbers) for name, numbers in values.items()}
    return Record(step, float(step), sketches)


def test_rows_are_steps_and_columns_are_paths_from_input_to_output():
    records = [gradients(0, b=[3, 4], a=[6, 8]), gradients(5, b=[1, 1], a=[0, 0])]
    found = profile(training_of(*records, model=TWO_LAYERS), "gradients", "norm")

    assert found.quantity == "gradients"
    assert found.steps.tolist() == [0, 5]
    assert found.paths == ("a/kernel", "b/kernel")
    assert found.values == pytest.approx(np.array([[10, 5], [0, math.sqrt(2)]]))
    assert found.recorded.all()


def test_missing_values_are_distinguished_from_nonfinite_ones():
    records = [gradients(0, a=[math.nan, 1]), gradients(1, a=[1], b=[2])]
    found = profile(training_of(*records, model=TWO_LAYERS), "gradients")

    assert np.array_equal(found.values, [[math.nan, math.nan], [1, 2]], equal_nan=True)
    assert found.recorded.tolist() == [[True, False], [True, True]]


def test_a_path_without_records_is_left_out():
    found = profile(training_of(gradients(0, b=[1]), model=TWO_LAYERS), "gradient_norm")

    assert found.paths == ("b/kernel",)


def test_a_training_run_without_records_has_an_empty_profile():
    found = profile(training_of(model=TWO_LAYERS), "gradients")

    assert (found.values.shape, found.paths) == ((0, 0), ())


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("gradients", 5 / math.sqrt(2)),
        ("gradient_norm", 5),
        ("update_ratio", 0.25),
        ("weight_norms", 2),
        ("examples", 8),
        ("saturated_units", 0.25),
        ("activation_gradient_rms_per_example", 8 * math.sqrt(3 / 4)),
        ("global_gradient_norm", 5),
    ],
)
def test_quantities_and_charts_have_profiles(quantity, expected):
    found = profile(training_of(full_record(7)), quantity)

    assert found.values == pytest.approx(np.array([[expected]]))
    assert found.steps.tolist() == [7]


def test_every_quantity_and_every_scalar_chart_has_a_profile():
    training = training_of(full_record(), model=MODEL)
    names = {q.name for q in QUANTITIES} - {"gradient_flow"}
    names |= {
        kind
        for kind, (_, chart) in CHARTS.items()
        if chart.read is not None and not chart.only_kernels
    }

    assert {name for name in names if profile(training, name).values.shape != (1, 1)} == set()


def test_an_unknown_quantity_raises_and_the_known_ones_are_listed():
    with pytest.raises(ValueError, match="`quantity` must be one of") as caught:
        profile(training_of(), "gradient")

    assert "update_ratio" in str(caught.value)
    assert str(caught.value).endswith("Received: quantity='gradient'.")


def test_an_unknown_statistic_raises_and_the_known_ones_are_listed():
    with pytest.raises(ValueError, match=r"must be one of rms, norm, .* statistic='bogus'\.$"):
        profile(training_of(full_record()), "gradients", "bogus")
    found = [profile(training_of(full_record()), "gradients", name) for name in STATISTICS]

    assert all(one.values.shape == (1, 1) for one in found)
