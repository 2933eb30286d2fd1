"""Every kind of model and of data is recorded with the gradients of its own variables."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from reference import assert_is_sketch_of, gradients_by_tape
from small_models import BATCH_SIZE, compiled, fit, light_monitor, mlp, regression_data

from vg_keras import GradientMonitor, read_run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]


@pytest.fixture(autouse=True)
def fresh_names():
    keras.utils.clear_session()


def first_record(model, x, y, **how):
    """Trains on all data as one batch; returns the record, and gradients of a tape before it."""
    expected = gradients_by_tape(model, x, y, how.get("sample_weight"))
    monitor = GradientMonitor(None)
    fit(model, x, y, [monitor], batch_size=len(y), **how)
    return monitor.records[0], expected


def assert_agree(record, expected):
    assert list(record.gradients) == list(expected)
    for path, gradient in expected.items():
        assert_is_sketch_of(record.gradients[path], gradient)


def test_a_sequential_model_without_an_input_is_recorded_from_its_first_step(tmp_path):
    model = compiled(keras.Sequential([layers.Dense(3, activation="relu"), layers.Dense(2)]))
    monitor = GradientMonitor(tmp_path, "batch")
    fit(model, *regression_data(3), [monitor])
    run = read_run(tmp_path)

    paths = [
        f"sequential/{layer}/{name}"
        for layer in ("dense", "dense_1")
        for name in ("kernel", "bias")
    ]
    assert [list(record.gradients) for record in monitor.records] == [paths] * 3
    assert run.latest.model.variables == tuple(paths)
    assert [record.step for record in run.latest.records] == [0, 1, 2]


def test_an_unbuilt_model_is_recorded_in_eager_mode():
    x, y = regression_data(1)
    keras.utils.set_random_seed(0)
    built = compiled(keras.Sequential([keras.Input([4]), layers.Dense(3), layers.Dense(2)]))
    expected = gradients_by_tape(built, x, y)
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    monitor = GradientMonitor(None)
    model = compiled(keras.Sequential([layers.Dense(3), layers.Dense(2)]), run_eagerly=True)
    fit(model, x, y, [monitor])

    (record,) = monitor.records
    for sketch, gradient in zip(record.gradients.values(), expected.values(), strict=True):
        assert_is_sketch_of(sketch, gradient)


class Subclassed(keras.Model):
    """Nested lists of layers, a nested model, a layer used twice and a weight of its own."""

    def __init__(self):
        super().__init__()
        self.towers = [[layers.Dense(4), layers.Dense(4)], [layers.Dense(4)]]
        self.inner = keras.Sequential([layers.Dense(4, activation="tanh"), layers.Dense(4)])
        self.shared = layers.Dense(4)
        self.out = layers.Dense(2)
        self.scale = self.add_weight(shape=[4], initializer="ones", name="scale")

    def call(self, x):
        for tower in self.towers:
            for layer in tower:
                x = layer(x)
        x = self.shared(self.shared(self.inner(x)))
        return self.out(x * self.scale)


def test_a_subclassed_model_is_recorded():
    x, y = regression_data(1)
    model = Subclassed()
    model(x)
    record, expected = first_record(compiled(model), x, y)

    assert len(record.gradients) == 15
    assert set(record.gradients) == set(expected)
    for path, gradient in expected.items():
        assert_is_sketch_of(record.gradients[path], gradient)


def test_an_unbuilt_subclassed_model_is_recorded():
    x, y = regression_data(1)
    model = Subclassed()
    monitor = GradientMonitor(None)
    fit(compiled(model), x, y, [monitor])

    assert set(monitor.records[0].gradients) == {v.path for v in model.trainable_variables}


@pytest.mark.parametrize("kind", [list, tuple, lambda pair: dict(zip("ab", pair, strict=True))])
def test_layers_in_attributes_of_any_kind_are_recorded(kind):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = kind([layers.Dense(3), layers.Dense(2)])
            self.sizes = kind([3, 2])

        def call(self, x):
            for part in self.parts.values() if isinstance(self.parts, dict) else self.parts:
                x = part(x)
            return x

    monitor = light_monitor(None)
    fit(compiled(Model()), *regression_data(1), [monitor])

    assert [sketch.count for sketch in monitor.records[0].gradients.values()] == [12, 3, 6, 2]


def test_frozen_layers_are_absent():
    model = mlp(depth=2)
    model.layers[1].trainable = False
    record, expected = first_record(compiled(model), *regression_data(1))

    assert [path for path in record.gradients if "dense_1/" in path] == []
    assert len(record.gradients) == 4
    assert record.without_gradient == ()
    assert_agree(record, expected)


def test_layers_frozen_between_fits_are_absent_from_then_on():
    model = compiled(mlp(depth=1))
    monitor = GradientMonitor(None, "batch")
    fit(model, *regression_data(1), [monitor])
    model.layers[0].trainable = False
    compiled(model, model.optimizer)
    fit(model, *regression_data(1), [monitor])

    assert [len(record.gradients) for record in monitor.records] == [4, 2]


class WithUnusedLayer(keras.Model):
    def __init__(self):
        super().__init__()
        self.used, self.unused = layers.Dense(2, name="used"), layers.Dense(2, name="unused")
        self.used.build([None, 4])
        self.unused.build([None, 4])

    def call(self, x):
        return self.used(x)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_variables_without_a_gradient_are_listed(tmp_path, jit_compile):
    model = compiled(WithUnusedLayer(), jit_compile=jit_compile)
    monitor = light_monitor(tmp_path, "batch")
    with pytest.warns(UserWarning, match="Gradients do not exist for variables"):
        fit(model, *regression_data(2), [monitor])

    for record in (*monitor.records, *read_run(tmp_path).latest.records):
        assert [path.split("/")[-2:] for path in record.gradients] == [
            ["used", "kernel"],
            ["used", "bias"],
        ]
        assert [path.split("/")[-2:] for path in record.without_gradient] == [
            ["unused", "kernel"],
            ["unused", "bias"],
        ]


@pytest.mark.parametrize("how", [{"jit_compile": True}, {"run_eagerly": True}])
def test_an_embedding_with_repeated_rows_is_recorded(how):
    x = np.array([[1, 1, 5], [5, 1, 7], [0, 5, 5]])
    y = np.random.default_rng(0).normal(size=[3, 2]).astype(np.float32)
    model = keras.Sequential(
        [
            keras.Input([3], dtype="int32"),
            layers.Embedding(10, 4),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    record, expected = first_record(compiled(model, **how), x, y)

    assert record.gradients["sequential/embedding/embeddings"].zeros == 6 * 4
    assert_agree(record, expected)


def test_a_recurrent_network_is_recorded_under_xla():
    x = np.random.default_rng(0).normal(size=[4, 5, 3]).astype(np.float32)
    y = np.ones([4, 2], np.float32)
    model = keras.Sequential([keras.Input([5, 3]), layers.LSTM(4), layers.Dense(2)])
    record, expected = first_record(compiled(model, jit_compile=True), x, y)

    assert len(record.gradients) == 5
    assert_agree(record, expected)


def test_a_convolution_with_batch_normalization_is_recorded():
    x = np.random.default_rng(0).normal(size=[6, 8, 8, 1]).astype(np.float32)
    y = np.arange(6) % 3
    model = keras.Sequential(
        [
            keras.Input([8, 8, 1]),
            layers.Conv2D(3, 3),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    # The gradient of the convolution's bias is zero apart from rounding, so it is left out.
    compiled(model, loss="sparse_categorical_crossentropy", jit_compile=True)
    record, expected = first_record(model, x, y)

    bias = "sequential/conv2d/bias"
    assert list(record.gradients) == list(expected)
    assert record.gradients[bias].max_abs < 1e-6
    for path in set(expected) - {bias}:
        assert_is_sketch_of(record.gradients[path], expected[path])


def test_variables_with_equal_paths_are_distinguished(tmp_path):
    first, second = layers.Dense(3, name="same"), layers.Dense(2, name="same")

    class Twice(keras.Model):
        def __init__(self):
            super().__init__(name="twice")
            self.first, self.second = first, second

        def call(self, x):
            return self.second(self.first(x))

    x, y = regression_data(1)
    model = Twice()
    model(x)
    monitor = GradientMonitor(tmp_path)
    fit(compiled(model), x, y, [monitor])

    counts = {path: s.count for path, s in read_run(tmp_path).latest.records[0].gradients.items()}
    assert list(counts.values()) == [12, 3, 6, 2]
    assert list(counts) == [
        "twice/same/kernel",
        "twice/same/bias",
        "twice/same/kernel_1",
        "twice/same/bias_1",
    ]


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x) // BATCH_SIZE

    def __getitem__(self, i):
        batch = slice(i * BATCH_SIZE, (i + 1) * BATCH_SIZE)
        return self.x[batch], self.y[batch]


def generator(x, y):
    batches = Batches(x, y)
    while True:
        for i in range(len(batches)):
            yield batches[i]


KINDS_OF_DATA = {
    "tf.data": lambda x, y: tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH_SIZE),
    "generator": generator,
    "PyDataset": Batches,
}


def norms(*data, **how):
    monitor = light_monitor(None, "batch")
    fit(compiled(mlp(depth=1)), *data, callbacks=[monitor], epochs=2, **how)
    return [[s.norm for s in record.gradients.values()] for record in monitor.records]


@functools.cache
def norms_of_arrays():
    return norms(*regression_data(3))


@pytest.mark.parametrize("kind", KINDS_OF_DATA.values(), ids=KINDS_OF_DATA)
def test_other_kinds_of_data_give_the_same_records(kind):
    data = kind(*regression_data(3))
    recorded = norms(data, None, batch_size=None, steps_per_epoch=3)

    assert len(recorded) == 6
    assert recorded == norms_of_arrays()
