"""Of a training run, its kernels are drawn under the names that they have in TensorBoard."""

import dataclasses

import numpy as np
import pytest
from scripted_records import sketch_of, training_of

from vg_keras.figures.inputs import axis_label, drawn, label_of
from vg_keras.profiles import profile
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
    assert axis_label(profile(TRAINING, "global_gradient_norm")) == "global gradient norm"


def test_a_statistic_is_named():
    found = profile(TRAINING, "gradients", "max_abs")

    assert axis_label(found) == "gradients, max abs\n(loss per unit of the variable)"
    assert label_of(profile(TRAINING, "gradients")) == "gradients, RMS"


def test_all_training_runs_of_a_log_can_be_passed():
    first, second = drawn(Run(None, (TRAINING, TRAINING)), "gradients")

    assert [first.name, second.name] == ["m (1)", "m (2)"]


def test_a_name_that_two_would_have_loses_none():
    other = dataclasses.replace(TRAINING, model=dataclasses.replace(MODEL, name="m (1)"))

    assert len(drawn([TRAINING, TRAINING, other], "gradients")) == 3


@pytest.mark.parametrize("runs", [5, "logs", [1.0], {"a": None}, [TRAINING, "logs"]])
def test_anything_else_is_refused(runs):
    message = r"such as `monitor.run.latest` or `read_run\(log_dir\).latest`, .* Received: "
    with pytest.raises(TypeError, match=message):
        drawn(runs, "gradients")


def test_profiles_of_different_quantities_are_refused():
    profiles = [profile(TRAINING, "gradients"), profile(TRAINING, "gradient_norm")]
    message = r"must have one quantity\. Received: gradients, gradient_norm\.$"
    with pytest.raises(ValueError, match=message):
        drawn(profiles, "gradients")
