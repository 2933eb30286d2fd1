"""A model is checked before it is trained, and left as it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from reference import weights_of
from small_models import mlp, regression_data

from vg_keras import check

pytestmark = pytest.mark.usefixtures("graphs_as_traced")

X, Y = regression_data(10)


def model_of(*hidden, head=None):
    model = keras.Sequential([keras.Input(X.shape[1:]), *hidden, head or layers.Dense(Y.shape[1])])
    model.compile("adam", "mse")
    return model


def dense(activation="relu", **how):
    return layers.Dense(8, activation=activation, **how)


def codes(verdict):
    return [diagnosis.code for diagnosis in verdict.diagnoses]


def residual(x, kernel_initializer):
    return x + layers.Dense(8, kernel_initializer=kernel_initializer)(layers.Dense(8)(x))


def with_branches(kernel_initializer):
    inputs = keras.Input(X.shape[1:])
    x = dense()(inputs)
    for _ in range(3):
        x = residual(x, kernel_initializer)
    model = keras.Model(inputs, layers.Dense(Y.shape[1])(x))
    model.compile("adam", "mse")
    return model


def test_a_healthy_model_has_no_problem():
    verdict = check(model_of(*(dense() for _ in range(4))), X, Y)

    assert codes(verdict) == []
    assert str(verdict).startswith("GradientMonitor: no problem found in 1 record, step 0.\nThe fi")
    assert verdict.not_applied == ()


SICK = {
    "VG101": lambda: [dense("sigmoid") for _ in range(8)],
    "VG102": lambda: [dense(kernel_initializer=random_normal(10.0)) for _ in range(6)],
    "VG201": lambda: [dense(bias_initializer=keras.initializers.Constant(-99.0))],
    "VG202": lambda: [dense("tanh", kernel_initializer=random_normal(50.0))],
    "VG502": lambda: [dense(kernel_initializer=keras.initializers.Constant(0.1)) for _ in range(2)],
}
"""Makes the hidden layers of a sick model, by the code of its diagnosis."""


def random_normal(stddev):
    return keras.initializers.RandomNormal(stddev=stddev, seed=0)


@pytest.mark.parametrize("code", SICK)
def test_a_sick_model_is_found(code):
    # If the units of the last layer differ, their gradients make those before it differ too.
    head = layers.Dense(Y.shape[1], kernel_initializer="ones") if code == "VG502" else None
    inputs = np.tile(X, [30, 1])[:256], np.tile(Y, [30, 1])[:256]

    assert codes(check(model_of(*SICK[code](), head=head), *inputs)) == [code]


def test_branches_that_are_zero_at_first_are_no_problem():
    assert codes(check(with_branches("zeros"), X, Y)) == []


@pytest.mark.parametrize("where", ["x", "y"])
def test_nonfinite_data_is_found(where):
    x, y = X.copy(), Y.copy()
    (x if where == "x" else y)[3, 0] = np.nan
    (diagnosis,) = check(model_of(dense()), x, y).diagnoses

    assert (diagnosis.code, diagnosis.evidence["nonfinite"]) == ("VG301", 1)
    assert diagnosis.message == "1 value of the data is NaN or infinite."


def test_a_dataset_and_arrays_give_the_same_verdict():
    model = model_of(*(dense("sigmoid") for _ in range(8)))
    from_arrays = check(model, X, Y)
    from_dataset = check(model, tf.data.Dataset.from_tensor_slices((X, Y)).batch(len(X)))

    assert from_dataset == from_arrays


class Scaled(layers.Layer):
    """Multiplies by a single trainable number."""

    def build(self, shape):
        self.scale = self.add_weight(shape=[], initializer="ones")

    def call(self, x):
        return self.scale * x


def test_a_variable_that_is_a_single_number_is_no_obstacle():
    assert codes(check(model_of(dense(), Scaled()), X, Y)) == []


def test_small_batches_of_a_dataset_are_joined():
    model = model_of(dense(bias_initializer=keras.initializers.Constant(-99.0)))
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).repeat(30).batch(2)

    assert codes(check(model, batches)) == ["VG201"]


@pytest.mark.parametrize("x", [X.tolist(), (one for one in [X])], ids=["lists", "generator"])
def test_what_is_no_array_is_rejected(x):
    with pytest.raises(TypeError, match=r"^`x`, `y` and `sample_weight` must be arrays"):
        check(model_of(dense()), x, Y)


def test_a_model_without_trainable_variables_is_rejected():
    model = model_of(dense())
    model.trainable = False
    with pytest.raises(ValueError, match=r"^Expected a model with trainable variables"):
        check(model, X, Y)


def test_only_the_first_examples_are_used():
    x = np.concatenate([X, np.full_like(X, np.nan)])

    assert codes(check(model_of(dense()), x, np.tile(Y, [2, 1]), batch_size=len(X))) == []


def test_the_model_is_left_as_it_was():
    model = model_of(layers.BatchNormalization(), dense(), layers.Dropout(0.5))
    before = weights_of(model)
    random = keras.random.uniform([1], seed=keras.random.SeedGenerator(1))
    check(model, X, Y)

    assert weights_of(model) == before
    assert keras.random.uniform([1], seed=keras.random.SeedGenerator(1)) == random
    assert model.optimizer.iterations == 0


def test_a_model_that_is_not_built_is_checked():
    model = keras.Sequential([dense(), layers.Dense(Y.shape[1])])
    model.compile("adam", "mse")

    assert codes(check(model, X, Y)) == []


def test_a_rule_can_be_silenced():
    model = model_of(*(dense("sigmoid") for _ in range(8)))

    assert codes(check(model, X, Y, ignore=("VG101",))) == []


def test_a_model_that_is_not_compiled_is_rejected():
    model = mlp()
    with pytest.raises(ValueError, match=rf"^Expected a compiled model\. Received: '{model.name}'"):
        check(model, X, Y)


def test_a_batch_of_another_shape_is_rejected():
    model = model_of(dense())
    with pytest.raises(ValueError, match=rf"^The model '{model.name}' fails on the batch: "):
        check(model, X[:, :1], Y)


def test_something_else_is_rejected():
    with pytest.raises(TypeError, match="Received"):
        check("model", X, Y)
