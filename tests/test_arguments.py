"""Invalid input raises before training begins, with a message that says how to fix it."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference import weights_of
from small_models import compiled, fit, mlp, regression_data

from vg_keras import GradientMonitor
from vg_keras.log.charts import KINDS

EXPECTED_FREQ = "`update_freq` must be 'auto', 'epoch', 'batch' or a positive integer. "


@pytest.mark.parametrize(
    ("update_freq", "error", "mend"),
    [
        (0, ValueError, "Use update_freq=1 to record every step."),
        (-1, ValueError, "Use update_freq=1 to record every step."),
        ("bach", ValueError, "Use update_freq='auto'."),
        ("", ValueError, "Use update_freq='auto'."),
        (2.5, TypeError, "Use update_freq='auto'."),
        (2.0, TypeError, "Use update_freq='auto'."),
        (None, TypeError, "Use update_freq='auto'."),
        ([1], TypeError, "Use update_freq='auto'."),
    ],
)
def test_an_invalid_update_freq_raises(update_freq, error, mend):
    with pytest.raises(error) as caught:
        GradientMonitor(None, update_freq)

    assert type(caught.value) is error
    assert str(caught.value) == f"{EXPECTED_FREQ}Received: update_freq={update_freq!r}. {mend}"


@pytest.mark.parametrize("update_freq", [True, False])
def test_a_bool_update_freq_raises(update_freq):
    with pytest.raises(TypeError) as caught:
        GradientMonitor(None, update_freq)

    assert str(caught.value) == (
        f"{EXPECTED_FREQ}Received: update_freq={update_freq!r}. Use update_freq='auto'."
    )


def test_a_numpy_integer_is_a_valid_update_freq():
    monitor = GradientMonitor(None, np.int64(2))
    fit(compiled(mlp(depth=0)), *regression_data(3), [monitor])

    assert [record.step for record in monitor.records] == [0, 2]


@pytest.mark.parametrize("log_dir", [5, "", b"logs", 2.5, ["logs"], False])
def test_a_log_dir_that_is_not_a_path_raises(log_dir):
    with pytest.raises(TypeError) as caught:
        GradientMonitor(log_dir)

    assert str(caught.value) == (
        "`log_dir` must be the path of a directory, or None to write nothing. "
        f"Received: log_dir={log_dir!r}."
    )


def message_of_log_dir(log_dir):
    """Tries to train with this log_dir, checks that nothing was trained, and returns the error."""
    model = compiled(mlp(depth=0))
    before = weights_of(model)
    with pytest.raises(ValueError, match="log_dir") as caught:
        fit(model, *regression_data(1), [GradientMonitor(log_dir)])

    assert weights_of(model) == before
    return str(caught.value)


def test_a_log_dir_below_a_file_raises(tmp_path):
    (tmp_path / "file").write_text("")
    log_dir = str(tmp_path / "file" / "sub")

    assert message_of_log_dir(log_dir) == (
        "`log_dir` must be a directory that can be created and written to. "
        f"Received: log_dir={log_dir!r}. {tmp_path}/file is not a directory. Use another directory."
    )


def test_a_log_dir_that_is_a_file_raises(tmp_path):
    (tmp_path / "file").write_text("")
    log_dir = str(tmp_path / "file")

    assert message_of_log_dir(log_dir) == (
        "`log_dir` must be a directory that can be created and written to. "
        f"Received: log_dir={log_dir!r}. {tmp_path}/file is not a directory. Use another directory."
    )


def test_a_log_dir_whose_run_is_a_file_raises(tmp_path):
    (tmp_path / "gradients").write_text("")

    assert message_of_log_dir(str(tmp_path)).startswith(
        "`log_dir` must be a directory that can be created and written to. "
        f"Received: log_dir={str(tmp_path)!r}. "
    )


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a directory none can write to")
def test_an_unwritable_log_dir_raises():
    message = message_of_log_dir("/proc/self/logs")

    assert message.startswith(
        "`log_dir` must be a directory that can be created and written to. "
        "Received: log_dir='/proc/self/logs'. "
    )
    assert message.endswith(". Use another directory.")


EXPECTED_VARIABLES = (
    "`variables` must match at least one trainable variable of the model. Received: "
)


@pytest.mark.parametrize("variables", ["kernel", ["conv*", "x"], []])
def test_a_filter_that_matches_nothing_raises_and_lists_the_choices(variables):
    model = compiled(mlp(depth=1))
    before = weights_of(model)
    with pytest.raises(ValueError, match="`variables`") as caught:
        fit(model, *regression_data(1), [GradientMonitor(None, variables=variables)])

    assert str(caught.value) == (
        f"{EXPECTED_VARIABLES}variables={variables!r}, which matches none of "
        "sequential/dense/kernel, sequential/dense/bias, "
        "sequential/dense_1/kernel, sequential/dense_1/bias."
    )
    assert weights_of(model) == before


@pytest.mark.parametrize("how", [{}, {"jit_compile": True}, {"run_eagerly": True}])
def test_a_filter_that_matches_nothing_in_an_unbuilt_model_raises_at_step_one(how):
    keras.utils.clear_session()
    model = compiled(keras.Sequential([keras.layers.Dense(2)]), **how)
    with pytest.raises(ValueError, match="`variables`") as caught:
        fit(model, *regression_data(1), [GradientMonitor(None, variables="conv*")])

    assert str(caught.value) == (
        f"{EXPECTED_VARIABLES}variables='conv*', which matches none of "
        "sequential/dense/kernel, sequential/dense/bias."
    )
    assert "apply" not in vars(model.optimizer)


@pytest.mark.parametrize("variables", [5, [5]])
def test_a_variable_filter_of_the_wrong_type_raises(variables):
    with pytest.raises(TypeError) as caught:
        GradientMonitor(None, variables=variables)

    assert str(caught.value) == (
        "`variables` must be a pattern of paths such as '*/kernel', a list of patterns, a "
        f"function from a variable to bool, or None. Received: variables={variables!r}."
    )


@pytest.mark.parametrize("activations", [5, [5]])
def test_a_layer_filter_of_the_wrong_type_raises(activations):
    with pytest.raises(TypeError) as caught:
        GradientMonitor(None, activations=activations)

    assert str(caught.value) == (
        "`activations` must be a pattern of paths such as '*/kernel', a list of patterns, a "
        f"function from a layer to bool, or None. Received: activations={activations!r}."
    )


def test_a_layer_filter_that_matches_nothing_raises_and_lists_the_choices():
    model = compiled(mlp(depth=1))
    before = weights_of(model)
    with pytest.raises(ValueError, match="`activations`") as caught:
        fit(model, *regression_data(1), [GradientMonitor(None, activations="conv*")])

    assert str(caught.value) == (
        "`activations` must match at least one layer of the model. "
        "Received: activations='conv*', which matches none of sequential/dense, sequential/dense_1."
    )
    assert weights_of(model) == before


@pytest.mark.parametrize("charts", ["gradients", 5, True])
def test_charts_that_are_not_a_list_raise(charts):
    with pytest.raises(TypeError) as caught:
        GradientMonitor(None, charts=charts)

    assert str(caught.value) == (
        "`charts` must be a list of kinds of charts, 'all', or None for the default ones. "
        f"Received: charts={charts!r}."
    )


def test_unknown_charts_raise():
    with pytest.raises(ValueError, match="`charts`") as caught:
        GradientMonitor(None, charts=["gradients", "norms", 5])

    assert str(caught.value) == (
        f"`charts` must be a subset of {', '.join(KINDS)}. Received: 'norms', 5."
    )


def test_a_model_without_an_optimizer_raises():
    class NoOptimizer(keras.Model):
        def train_step(self, data):
            return {}

    model = NoOptimizer(name="no_optimizer")
    model.compile(optimizer=None)
    with pytest.raises(ValueError, match="optimizer") as caught:
        fit(model, *regression_data(1), [GradientMonitor(None)])

    assert str(caught.value) == (
        "Expected a model with an optimizer. Received: 'no_optimizer', which has none, "
        "neither by `compile` nor as an attribute. Compile it with one."
    )


@pytest.mark.parametrize("backend", ["jax", "torch", "numpy"])
def test_another_backend_raises(monkeypatch, backend):
    # Keras can import installed backends only, and TensorFlow is the only one here.
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    with pytest.raises(RuntimeError) as caught:
        GradientMonitor(None)

    assert str(caught.value) == (
        f"GradientMonitor needs Keras on the TensorFlow backend. Received: backend {backend!r}. "
        "Set the environment variable KERAS_BACKEND=tensorflow before Keras is imported."
    )


def test_a_train_step_that_applies_nothing_warns_once():
    class Idle(keras.Model):
        def train_step(self, data):
            return {"loss": tf.zeros([])}

    keras.utils.clear_session()
    model = compiled(Idle(name="idle"))
    monitor = GradientMonitor(None, "batch")
    with pytest.warns(UserWarning, match="passed no gradient") as caught:
        fit(model, *regression_data(3), [monitor])

    (warning,) = caught
    assert str(warning.message) == (
        "The train step of the model 'idle' passed no gradient of a monitored variable to "
        "the `apply` of a Keras optimizer: nothing is recorded. What a concrete function or a "
        "SavedModel runs can't be seen."
    )
    assert monitor.records == []
