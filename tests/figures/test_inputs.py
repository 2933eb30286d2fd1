"""Of a training run, its kernels are drawn under the names that they have in TensorBoard."""

import numpy as np
import pytest
from scripted_records import sketch_of, training_of

from vg_keras.figures.inputs import axis_label, drawn
from vg_keras.record import LayerDescription, ModelDescription, Record, Run, VariableDescription


def described(path):
    shapes = {"kernel": (2, 2), "bias": (2,)}
    variables = (VariableDescription(f"{path}/{name}", shapes[name], "float32") for name in shapes)
    return LayerDescription(path, "Dense", None, tuple(variables))


MODEL = ModelDescription("m", (described("m/dense_7"), described("m/out")))
GRADIENTS = {path: sketch_of([1.0]) for path in MODEL.variables}
TRAINING = training_of(Record(0, 0.0, GRADIENTS), model=MODEL)


def test_of_variables_only_kernels_are_drawn():
    (found,) = drawn(TRAINING, "gradients")

    assert found.profile.paths == ("m/dense_7/kernel", "m/out/kernel")
    assert found.profile.labels == ("01_dense/kernel", "02_out/kernel")
    assert found.name == ""


def test_without_kernels_all_variables_are_drawn():
    biases = {path: sketch for path, sketch in GRADIENTS.items() if path.endswith("bias")}
    (found,) = drawn(training_of(Record(0, 0.0, biases), model=MODEL), "gradients")

    assert found.profile.paths == ("m/dense_7/bias", "m/out/bias")


def test_another_quantity_is_drawn_if_there_are_no_records_of_the_first():
    (found,) = drawn(TRAINING, "activation_gradient_norm", "gradient_norm")

    assert found.profile.quantity == "gradient_norm"
    assert np.array_equal(found.profile.values, [[1.0, 1.0]])


def test_a_quantity_outside_of_the_menu_has_a_label_too():
    assert axis_label("global_gradient_norm") == "global gradient norm"


def test_all_training_runs_of_a_log_can_be_passed():
    first, second = drawn(Run(None, (TRAINING, TRAINING)), "gradients")

    assert [first.name, second.name] == ["m (1)", "m (2)"]


def test_anything_else_is_refused():
    with pytest.raises(TypeError, match=r"such as `monitor.run.latest`, .* Received: runs=5\.$"):
        drawn(5, "gradients")
