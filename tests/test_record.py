"""What a record says of its numbers: by hand, with NaN, nothing, and zero."""

import dataclasses
import math

import numpy as np
import pytest
from scripted_records import full_record, layer, model_of, sketch_of, training_of

from vg_keras.record import (
    LayerDescription,
    ModelDescription,
    Record,
    Run,
    VariableDescription,
)

PATH = "dense/kernel"


def record_with(**mappings):
    return Record(0, 0.0, **{"gradients": {}} | mappings)


def test_a_missing_path_raises_an_error_that_lists_similar_ones_or_all():
    record = record_with(
        gradients={"net/dense/kernel": sketch_of([1.0]), "net/dense/bias": sketch_of([1.0])},
        update_norms={f"net/layer_{i}": 1.0 for i in range(12)},
    )
    with pytest.raises(KeyError) as similar:
        record.gradients["dense/kernel"]
    with pytest.raises(KeyError) as all_of_them:
        record.update_ratio("x")
    with pytest.raises(KeyError) as none:
        record.weights["x"]

    assert str(similar.value) == (
        "'dense/kernel' is not a recorded path. Similar paths: net/dense/kernel."
    )
    assert str(all_of_them.value) == (
        "'x' is not a recorded path. Recorded paths: "
        f"{', '.join(f'net/layer_{i}' for i in range(10))} and 2 more."
    )
    assert str(none.value) == "'x' is not a recorded path. Recorded paths: none."


def test_a_record_is_shown_in_one_line():
    record = record_with(gradients={"a": sketch_of([3.0]), "b": sketch_of([4.0])})

    assert repr(record) == "<Record of step 0: 2 variables, 0 layers, global gradient norm 5>"


def test_records_are_equal_by_their_numbers_and_nan_equals_nan():
    with_nan = [record_with(update_norms={PATH: math.nan}) for _ in range(2)]
    others = [
        record_with(update_norms={PATH: 1.0}),
        record_with(update_norms={"other": math.nan}),
        record_with(),
    ]

    assert with_nan[0] == with_nan[1]
    assert hash(with_nan[0]) == hash(with_nan[1])
    assert all(other != with_nan[0] for other in others)
    assert with_nan[0] != "a record"


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Record)])
def test_records_that_differ_in_any_attribute_are_not_equal(name):
    full = full_record()
    others = {"step": 4, "wall_time": math.nan, "without_gradient": ("dense/bias",)}
    others |= {"loss": None, "nonfinite_data": None}
    empty = others.get(name, {})

    assert full == full_record()
    assert dataclasses.replace(full, **{name: empty}) != full


def test_the_gradient_of_the_loss_alone_is_the_whole_one_where_nothing_is_added():
    whole, alone, other = sketch_of([3.0]), sketch_of([2.0]), sketch_of([5.0])
    record = record_with(gradients={PATH: whole, "other": other}, data_loss_gradients={PATH: alone})

    assert record.data_loss_gradient(PATH) is alone
    assert record.data_loss_gradient("other") is other


@pytest.mark.parametrize(
    ("gradients", "expected"),
    [
        ([[3.0, 4.0], [12.0]], 13.0),
        ([[3.0, 4.0]], 5.0),
        ([[0.0]], 0.0),
        ([[1e30, 1e30], [1e30]], math.sqrt(3) * 1e30),
        ([[3.0], [math.nan]], math.nan),
        ([[math.inf], [4.0]], math.nan),
        ([], math.nan),
    ],
)
def test_the_global_norm_is_of_all_gradients_together(gradients, expected):
    record = record_with(gradients={str(i): sketch_of(g) for i, g in enumerate(gradients)})

    assert record.global_gradient_norm == pytest.approx(expected, rel=1e-7, nan_ok=True)


@pytest.mark.parametrize(
    ("update", "weight", "expected"),
    [
        (0.5, 2.0, 0.25),
        (0.0, 2.0, 0.0),
        (0.5, 0.0, None),
        (0.0, 0.0, None),
        (math.nan, 2.0, math.nan),
        (math.nan, 0.0, math.nan),
        (math.inf, 2.0, math.nan),
    ],
)
def test_an_update_is_compared_with_the_weight_unless_that_is_zero(update, weight, expected):
    record = record_with(update_norms={PATH: update}, weight_norms={PATH: weight})
    is_defined = expected is not None

    assert record.has_update_ratio(PATH) == is_defined
    ratio = expected if is_defined else math.nan
    assert record.update_ratio(PATH) == pytest.approx(ratio, nan_ok=True)


def test_an_update_that_was_not_recorded_has_no_ratio():
    assert not record_with().has_update_ratio(PATH)


def test_a_signal_per_example_does_not_depend_on_the_batch_size():
    of_examples = np.array([[1.0, -2.0], [3.0, 4.0], [0.0, 2.0], [1.0, 1.0]])
    rms = math.sqrt((of_examples**2).mean())
    record = record_with(
        activation_gradients={"dense": sketch_of(of_examples.ravel() / 4)}, examples={"dense": 4}
    )

    assert record.activation_gradient_rms_per_example("dense") == pytest.approx(rms)


def test_a_model_lists_its_variables_and_its_outputs_layer_by_layer():
    first = layer("first", "kernel", "bias", output_shape=(None, 3))
    model = model_of(first, layer("second", "kernel"), layer("third", output_shape=(None, 1)))

    assert model.variables == ("first/kernel", "first/bias", "second/kernel")
    assert model.outputs == ("first", "third")
    assert (model_of().variables, model_of().outputs) == ((), ())


def test_the_latest_training_run_is_the_last_one():
    first, second = training_of(id="first"), training_of(id="second")
    with pytest.raises(LookupError, match=r"Received: path=logs\.$"):
        _ = Run("logs", ()).latest

    assert Run("logs", (first, second)).latest is second


def test_what_is_printed_of_a_training_run_tells_how_much_there_is_of_it():
    records = [full_record(step) for step in (3, 4, 9)]
    printed = [repr(training_of(*records[:number])) for number in (0, 1, 3)]
    run = repr(Run("logs", (training_of(),), ("the end is damaged.",)))

    assert printed[0].endswith("'small': 0 records>")
    assert printed[1].endswith("'small': 1 record, step 3>")
    assert printed[2].endswith("'small': 3 records, step 3 to 9>")
    assert run.startswith("<Run logs: 1 training run\n")
    assert run.endswith("damage: the end is damaged.>")


def test_kernels_are_variables_with_several_axes_that_are_no_biases():
    shapes = {"kernel": (3, 4), "bias": (2, 4), "gamma": (4,), "embeddings": (9, 2), "scale": ()}
    variables = tuple(VariableDescription(f"a/{n}", shape, "") for n, shape in shapes.items())
    model = ModelDescription("m", (LayerDescription("a", "Dense", None, variables),))

    assert model.kernels == ("a/kernel", "a/embeddings")


def test_variables_and_layers_belong_to_a_layer():
    model = model_of(layer("a", "kernel", "bias"), layer("b"))

    assert model.layer_of == {"a": "a", "b": "b", "a/kernel": "a", "a/bias": "a"}
