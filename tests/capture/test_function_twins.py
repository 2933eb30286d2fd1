"""A user's `tf.function` is recorded through a twin and stays free of monitoring code."""

import functools
import gc
import random
import threading
import warnings
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from reference import weights_of
from small_models import compiled, fit, light_monitor, reset_keras

from vg_keras import GradientMonitor
from vg_keras.capture import function_twins

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]

X = np.random.default_rng(0).normal(size=[64, 4]).astype("f")
Y = X[:, :2]
KINDS = {
    "graph": tf.function,
    "xla": lambda step: tf.function(step, jit_compile=True),
}


def steps_of(monitor):
    return [record.step for record in monitor.records]


def model_and_step(kind=tf.function):
    reset_keras()
    model = keras.Sequential(
        [keras.Input([4]), layers.Dense(8, "tanh"), layers.Dropout(0.5, seed=1), layers.Dense(2)]
    )
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)

    @kind
    def train_step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return model, optimizer, train_step


def run(monitor, model, optimizer, train_step, num_steps=4):
    with monitor.watch(model, optimizer) as watch:
        for i in range(num_steps):
            with watch.step():
                train_step(X[8 * i : 8 * i + 8], Y[8 * i : 8 * i + 8])


def graphs_of(function):
    return [concrete.graph for concrete in function._list_all_concrete_functions()]


def test_the_function_is_the_same_as_without_a_monitor():
    def operations(is_watched):
        model, optimizer, train_step = model_and_step()
        if is_watched:
            run(GradientMonitor(None, 2), model, optimizer, train_step)
        train_step(X[:8], Y[:8])
        (graph,) = graphs_of(train_step)
        return [(op.name, op.type) for op in graph.get_operations()]

    assert operations(True) == operations(False)


def test_a_reopened_watch_continues():
    model, optimizer, train_step = model_and_step()
    monitor = GradientMonitor(None, 3)
    for _ in range(3):
        run(monitor, model, optimizer, train_step)

    assert steps_of(monitor) == [0, 3, 6, 9]
    assert all(len(record.activation_gradients) == 2 for record in monitor.records)


def test_a_second_monitor_records_without_further_tracing():
    model, optimizer, train_step = model_and_step()
    run(light_monitor(None, 2), model, optimizer, train_step)
    calls = []
    model.layers[0].call = lambda x, call=model.layers[0].call: calls.append(x) or call(x)
    gc.collect()
    monitor = light_monitor(None, 3)
    run(monitor, model, optimizer, train_step)

    assert steps_of(monitor) == [4, 6]
    assert calls == []


@pytest.mark.grappler
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_loop_trains_the_same_with_and_without_the_monitor(kind):
    def trained(monitor):
        model, optimizer, train_step = model_and_step(kind)
        train_step(X[:8], Y[:8])
        if monitor:
            run(monitor, model, optimizer, train_step)
        else:
            for i in range(4):
                train_step(X[8 * i : 8 * i + 8], Y[8 * i : 8 * i + 8])
        train_step(X[:8], Y[:8])
        return [w.tobytes() for w in model.get_weights()]

    assert trained(GradientMonitor(None, 2)) == trained(None)


@pytest.mark.grappler
def test_a_function_that_changed_since_its_trace_is_left_alone():
    def trained(monitor):
        model, optimizer, train_step = model_and_step()
        train_step(X[:8], Y[:8])
        model.layers[1].rate = 0.1  # TensorFlow does not notice the change
        if monitor:
            run(monitor, model, optimizer, train_step)
        else:
            for i in range(4):
                train_step(X[8 * i : 8 * i + 8], Y[8 * i : 8 * i + 8])
        return [w.tobytes() for w in model.get_weights()]

    monitor = GradientMonitor(None, "batch")
    with pytest.warns(UserWarning, match="no longer the one that was traced") as caught:
        weights = trained(monitor)

    assert weights == trained(None)
    assert monitor.records == []
    (message,) = [str(warning.message) for warning in caught]
    assert message.startswith("The tf.function 'train_step' is no longer the one that was traced: ")
    assert message.endswith(
        ". Such a change takes effect only in a new tf.function. This one is not recorded, because "
        "a recorded step would train differently: create it again with `tf.function`."
    )


class StepIsFunction(keras.Sequential):
    """Decorates Keras's train step."""

    train_step = tf.function(keras.Model.train_step)


def made(**how):
    reset_keras()
    model = StepIsFunction([keras.Input([4]), layers.Dense(8, "relu"), layers.Dense(2)])
    return compiled(model, **how)


WAYS = {"graph": {}, "xla": {"jit_compile": True}, "several steps": {"steps_per_execution": 2}}


@functools.cache
def weights_without_monitor(way, num_fits):
    """The weights of a model after that many fits."""
    model = made(**WAYS[way])
    for _ in range(num_fits):
        fit(model, X, Y)
    return weights_of(model)


@pytest.mark.grappler
@pytest.mark.parametrize(
    ("is_trained_before", "update_freq", "way"),
    [
        (False, 1, "graph"),
        (False, 3, "graph"),
        (True, 1, "graph"),
        (True, 3, "graph"),
        (True, 3, "xla"),
        (False, 3, "several steps"),
        (True, 1, "several steps"),
    ],
)
def test_a_train_step_that_is_a_function_is_recorded(is_trained_before, update_freq, way):
    model = made(**WAYS[way])
    if is_trained_before:
        fit(model, X, Y)
    monitor = GradientMonitor(None, update_freq)
    fit(model, X, Y, [monitor])

    first = 8 * is_trained_before
    due = [step for step in range(first, first + 8) if step % update_freq == 0 or step == first]
    assert steps_of(monitor) == due
    assert all(len(record.activations) == 2 for record in monitor.records)
    assert weights_of(model) == weights_without_monitor(way, 1 + is_trained_before)


@pytest.mark.parametrize("how", [WAYS["graph"], WAYS["several steps"]], ids=["one", "several"])
def test_a_train_step_that_is_a_function_stops_recording_with_the_monitor(how):
    def operations(monitors):
        model = made(**how)
        fit(model, X, Y, monitors)
        fit(model, X, Y)
        graphs = graphs_of(model.train_step)
        return [[op.type for op in graph.get_operations()] for graph in graphs]

    plain = operations([])

    assert operations([GradientMonitor(None, 3)]) == plain
    assert operations([GradientMonitor(None, "batch")]) == plain


class CallIsFunction(layers.Layer):
    """Decorates its `call`."""

    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(8, "sigmoid")

    @tf.function
    def call(self, x):
        return self.inner(x)


@pytest.mark.filterwarnings("ignore:The outputs of:UserWarning")
def test_a_layer_whose_call_is_a_function_keeps_its_own_trace():
    def operations(is_monitored):
        reset_keras()
        model = keras.Sequential([CallIsFunction(), layers.Dense(2)])
        model(X[:1])
        fit(compiled(model), X, Y, [GradientMonitor(None, 3)] if is_monitored else [])
        model(X[:8])
        graphs = graphs_of(model.layers[0].call)
        return [[op.type for op in graph.get_operations()] for graph in graphs]

    assert operations(True) == operations(False)


def test_functions_within_functions_are_recorded():
    model, optimizer, inner = model_and_step()

    @tf.function
    def train_twice(x, y):
        for _ in range(2):
            inner(x, y)

    monitor = light_monitor(None, 2)
    run(monitor, model, optimizer, train_twice)

    assert len(monitor.records) > 1
    assert len(graphs_of(inner)) == 1
    assert not [op for op in graphs_of(inner)[0].get_operations() if "Scatter" in op.type]


def test_a_method_and_a_function_with_a_signature_are_recorded():
    model, optimizer, _ = model_and_step()

    class Trainer:
        @tf.function(input_signature=[tf.TensorSpec([None, 4]), tf.TensorSpec([None, 2])])
        def step(self, x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
            variables = model.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)

    monitor = light_monitor(None, 2)
    run(monitor, model, optimizer, Trainer().step)

    assert steps_of(monitor) == [0, 2]


def test_a_function_unrelated_to_the_model_is_traced_once():
    model, optimizer, train_step = model_and_step()
    traces = []

    @tf.function
    def augmented(x):
        traces.append(x)
        return -x

    monitor = light_monitor(None, 2)
    run(monitor, model, optimizer, lambda x, y: train_step(augmented(tf.constant(x)), y))

    assert steps_of(monitor) == [0, 2]
    assert len(traces) == 1


def test_an_error_in_the_function_propagates_and_restores_the_class():
    model, optimizer, _ = model_and_step()
    call = type(tf.function(len)).__call__

    @tf.function
    def failing(x, y):
        raise KeyError("by the test")

    with pytest.raises(KeyError, match="by the test"):
        run(GradientMonitor(None), model, optimizer, failing)

    assert type(tf.function(len)).__call__ is call


def test_a_function_in_another_thread_gets_no_twin(monkeypatch):
    model, optimizer, train_step = model_and_step()
    _kept_alive, _, other_step = model_and_step()

    def step(x, y):
        thread = threading.Thread(target=other_step, args=(x, y))
        thread.start()
        thread.join()
        train_step(x, y)

    seen = []
    redirected = function_twins._twin_of
    monkeypatch.setattr(
        function_twins,
        "_twin_of",
        lambda function, *rest: (
            seen.append(function.python_function),
            redirected(function, *rest),
        )[1],
    )
    run(light_monitor(None, "batch"), model, optimizer, step)

    assert len(seen) == 4
    assert set(seen) == {train_step.python_function}


def test_all_twins_are_freed_with_the_function():
    model, optimizer, train_step = model_and_step()
    monitor = GradientMonitor(None, 2)
    run(monitor, model, optimizer, train_step)
    found = [weakref.ref(model), weakref.ref(train_step)]
    del model, optimizer, train_step, monitor
    gc.collect()

    assert [reference() for reference in found] == [None, None]


def both():
    """Returns two models that one function trains, and that function."""
    reset_keras()
    models = [keras.Sequential([keras.Input([4]), layers.Dense(2)]) for _ in range(2)]
    optimizers = [keras.optimizers.SGD(0.1) for _ in models]

    @tf.function
    def train_step(x, y):
        for model, optimizer in zip(models, optimizers, strict=True):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x) - y) ** 2)
            variables = model.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)

    return models, optimizers, train_step


@pytest.mark.parametrize("frequencies", [("batch", "batch"), (2, 3), (3, "batch")])
def test_two_models_trained_by_one_function_can_each_have_a_monitor(frequencies):
    def operations(is_watched):
        models, optimizers, train_step = both()
        monitors = [light_monitor(None, frequency) for frequency in frequencies]
        if is_watched:
            first, second = (
                monitor.watch(model, optimizer)
                for monitor, model, optimizer in zip(monitors, models, optimizers, strict=True)
            )
            with first, second:
                for i in range(6):
                    with first.step(), second.step():
                        train_step(X[8 * i : 8 * i + 8], Y[8 * i : 8 * i + 8])
            for monitor, frequency in zip(monitors, frequencies, strict=True):
                every = 1 if frequency == "batch" else frequency
                assert steps_of(monitor) == list(range(0, 6, every))
                assert all(len(record.gradients) == 2 for record in monitor.records)
        train_step(X[:8], Y[:8])
        return [op.type for op in graphs_of(train_step)[0].get_operations()]

    assert operations(True) == operations(False)


def test_two_monitors_of_one_loop_record_the_same_values():
    model, optimizer, train_step = model_and_step()
    monitors = [light_monitor(None, 2), light_monitor(None, 2)]
    first, second = (monitor.watch(model, optimizer) for monitor in monitors)
    with first, second:
        for _ in range(4):
            with first.step(), second.step():
                train_step(X[:8], Y[:8])

    assert [steps_of(monitor) for monitor in monitors] == [[0, 2], [0, 2]]


def test_arguments_may_have_any_name():
    model, optimizer, train_step = model_and_step()

    @tf.function
    def step(function, args, kwargs):
        train_step(function, args)

    monitor = light_monitor(None, "batch")
    with monitor.watch(model, optimizer) as watch, watch.step():
        step(function=tf.constant(X[:8]), args=tf.constant(Y[:8]), kwargs=1)

    assert steps_of(monitor) == [0]


def test_a_second_monitor_also_warns_why_nothing_is_recorded():
    model, optimizer, train_step = model_and_step()
    train_step(X[:8], Y[:8])
    model.layers[1].rate = 0.1
    for _ in range(2):
        with pytest.warns(UserWarning, match="no longer the one that was traced"):
            run(light_monitor(None), model, optimizer, train_step)


def test_models_whose_train_step_is_a_function_are_freed():
    found = []
    for _ in range(3):
        model = made()
        fit(model, X, Y, [GradientMonitor(None, 3)])
        found.append(weakref.ref(model))
    del model
    gc.collect()

    assert [reference() for reference in found] == [None] * 3


def test_models_that_a_function_takes_as_arguments_are_freed():
    @tf.function
    def train(model, optimizer, x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x) - y) ** 2)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    found = []
    for _ in range(3):
        model, optimizer, own_step = model_and_step()
        monitor = GradientMonitor(None, 2)
        run(monitor, model, optimizer, lambda x, y, m=model, o=optimizer: train(m, o, x, y))
        found.append(weakref.ref(model))
        assert steps_of(monitor) == [0, 2]
    del model, optimizer, own_step, monitor
    gc.collect()

    assert [reference() for reference in found] == [None] * 3


class DrawsWhileTraced(keras.Sequential):
    """Adds noise that NumPy and Python draw while the step is traced."""

    def train_step(self, data):
        x, y = data
        noise = np.random.normal(size=[4]).astype("f") + random.random()
        return super().train_step((x + noise, y))


@pytest.mark.grappler
@pytest.mark.parametrize("is_trained_before", [False, True])
@pytest.mark.parametrize("update_freq", [1, 3])
def test_numbers_drawn_while_a_step_is_traced_are_the_same_in_recorded_steps(
    update_freq, is_trained_before
):
    def trained(monitors):
        reset_keras()
        random.seed(0)
        model = DrawsWhileTraced([keras.Input([4]), layers.Dense(2)])
        compiled(model)
        if is_trained_before:
            fit(model, X, Y)
        state = random.getstate()[1][:5]
        fit(model, X, Y, monitors)
        weights = [w.tobytes() for w in model.get_weights()]
        return weights, np.random.rand(), random.random(), state

    with warnings.catch_warnings():  # a model that was already trained gets another draw
        warnings.filterwarnings("ignore", "The train step of the model")
        assert trained([light_monitor(None, update_freq)]) == trained([])


@pytest.mark.grappler
@pytest.mark.parametrize("update_freq", [1, 3])
def test_numbers_drawn_while_a_function_is_traced_are_the_same_in_recorded_steps(update_freq):
    def trained(is_watched):
        random.seed(0)
        model, optimizer, inner = model_and_step()

        @tf.function
        def train_step(x, y):
            first = np.random.normal(size=[4]).astype("f")
            inner(x + first, y)
            inner(x + random.random(), y)

        if is_watched:
            run(light_monitor(None, update_freq), model, optimizer, train_step)
        else:
            for i in range(4):
                train_step(X[8 * i : 8 * i + 8], Y[8 * i : 8 * i + 8])
        return [w.tobytes() for w in model.get_weights()], np.random.rand(), random.random()

    assert trained(True) == trained(False)
