"""A custom training loop is recorded like `fit`, with the numbers of a twin."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from kinds_of_training import GAN
from layers_and_models import TARGET, VECTORS, attention, dense, sequential
from reference import assert_is_sketch_of
from small_models import light_monitor, reset_keras
from twin import expected_steps
from way import BATCH_SIZE, Way

from vg_keras import GradientMonitor, read_run

pytestmark = pytest.mark.usefixtures("graphs_as_traced")

MLP = Way(
    "loop",
    sequential([4], dense(8, "relu", kernel_regularizer="l2"), dense(2)),
    VECTORS,
    TARGET,
)


@functools.cache
def expected():
    """The expected contents of each of the three steps."""
    return expected_steps(MLP, (0, 1, 2))


def model_and_optimizer(make=MLP.model):
    reset_keras()
    return make(), keras.optimizers.SGD(0.1)


def step_of(model, optimizer, loss_of=None):
    def train_step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
            loss += sum(model.losses)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return train_step


def batches(num=3, x=VECTORS):
    return [
        (x[i * BATCH_SIZE : (i + 1) * BATCH_SIZE], TARGET[i * BATCH_SIZE : (i + 1) * BATCH_SIZE])
        for i in range(num)
    ]


def run(watch, train_step, data):
    with watch:
        for x, y in data:
            with watch.step():
                train_step(tf.constant(x), tf.constant(y))


KINDS = {
    "eager": lambda step: step,
    "tf.function": tf.function,
    "tf.function(jit_compile=True)": lambda step: tf.function(step, jit_compile=True),
}


def assert_agree(record, expected, rel=2e-4):
    assert set(record.gradients) == set(expected.gradients)
    for path, gradient in expected.gradients.items():
        assert_is_sketch_of(record.gradients[path], gradient, rel)
        update = np.linalg.norm(expected.after[path] - expected.before[path])
        assert record.update_norms[path] == pytest.approx(update, rel=1e-3, abs=1e-6)
    for path, sketch in record.activations.items():
        assert_is_sketch_of(sketch, expected.outputs[path], rel)
        assert_is_sketch_of(record.activation_gradients[path], expected.output_gradients[path], rel)


@pytest.mark.grappler
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_each_step_is_recorded(tmp_path, kind):
    model, optimizer = model_and_optimizer()
    monitor = GradientMonitor(tmp_path, "batch")
    run(monitor.watch(model, optimizer), kind(step_of(model, optimizer)), batches())

    assert [record.step for record in monitor.records] == [0, 1, 2]
    assert [record.step for record in read_run(tmp_path).latest.records] == [0, 1, 2]
    for record in monitor.records:
        assert len(record.activations) == 2
        assert_agree(record, expected()[record.step])


def test_only_due_steps_are_recorded():
    model, optimizer = model_and_optimizer()
    monitor = light_monitor(None, 2)
    train_step = tf.function(step_of(model, optimizer))
    run(monitor.watch(model, optimizer), train_step, batches())

    assert [record.step for record in monitor.records] == [0, 2]


@pytest.mark.grappler
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_loop_trains_the_same_with_and_without_the_monitor(kind):
    def trained(is_watched):
        model, optimizer = model_and_optimizer()
        train_step = kind(step_of(model, optimizer))
        if is_watched:
            run(GradientMonitor(None, 2).watch(model, optimizer), train_step, batches())
        else:
            for x, y in batches():
                train_step(tf.constant(x), tf.constant(y))
        return [w.tobytes() for w in model.get_weights()]

    assert trained(True) == trained(False)


def test_the_first_step_of_each_epoch_is_recorded_if_the_loop_marks_epochs():
    model, optimizer = model_and_optimizer()
    train_step = tf.function(step_of(model, optimizer))
    monitor = light_monitor(None, "epoch")
    with monitor.watch(model, optimizer) as watch:
        for _ in range(2):
            watch.begin_epoch()
            for x, y in batches():
                with watch.step():
                    train_step(tf.constant(x), tf.constant(y))

    assert [record.step for record in monitor.records] == [0, 3]


@pytest.mark.parametrize("kind", [KINDS["eager"], KINDS["tf.function"]])
def test_a_model_built_by_its_first_step_is_recorded_from_that_step(kind):
    reset_keras()
    model = keras.Sequential([keras.layers.Dense(8, "relu"), keras.layers.Dense(2)])
    optimizer = keras.optimizers.SGD(0.1)
    monitor = GradientMonitor(None, "batch")
    run(monitor.watch(model, optimizer), kind(step_of(model, optimizer)), batches())

    assert [record.step for record in monitor.records] == [0, 1, 2]
    assert [len(record.activation_gradients) for record in monitor.records] == [2, 2, 2]


@pytest.mark.parametrize("kind", [KINDS["eager"], KINDS["tf.function"]])
def test_two_optimizers_each_with_its_own_gradients(kind):
    reset_keras()
    model = GAN()
    model.compile([keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)])
    critic, generator = model.critic_optimizer, model.generator_optimizer

    def train_step(real, _):
        # Both gradients are taken before either is applied, as in many tutorials.
        with tf.GradientTape() as of_critic, tf.GradientTape() as of_generator:
            critic_loss, generator_loss = model.critic_loss(real), model.generator_loss(real)
        own = model.generator.trainable_variables, model.critic.trainable_variables
        gradients = [of_generator.gradient(generator_loss, own[0])]
        gradients.append(of_critic.gradient(critic_loss, own[1]))
        generator.apply(gradients[0], own[0])
        critic.apply(gradients[1], own[1])

    real = tf.constant(VECTORS[:BATCH_SIZE])
    with tf.GradientTape(persistent=True) as tape:
        losses = model.critic_loss(real), model.generator_loss(real)
    parts = [model.critic.trainable_variables, model.generator.trainable_variables]
    expected = {
        v.path: tape.gradient(loss, v.value).numpy()
        for loss, part in zip(losses, parts, strict=True)
        for v in part
    }
    monitor = GradientMonitor(None, "batch")
    run(monitor.watch(model, [critic, generator]), kind(train_step), batches(1))

    (record,) = monitor.records
    assert set(record.gradients) == set(expected)
    for path, gradient in expected.items():
        assert_is_sketch_of(record.gradients[path], gradient)


def epoch_of(train_step):
    """Returns a function that trains on all batches of a dataset, and the dataset."""

    @tf.function
    def train_epoch(data):
        for x, y in data:
            train_step(x, y)

    data = tf.data.Dataset.from_tensor_slices((VECTORS, TARGET)).batch(BATCH_SIZE)
    return train_epoch, data


def test_a_dataset_loop_inside_of_the_function_is_recorded_by_its_last_step():
    model, optimizer = model_and_optimizer()
    train_epoch, data = epoch_of(step_of(model, optimizer))
    monitor = GradientMonitor(None, "batch")
    with monitor.watch(model, optimizer) as watch, watch.step():
        train_epoch(data)

    (record,) = monitor.records
    assert record.step == 2
    assert_agree(record, expected()[2])


@pytest.mark.parametrize("kind", [KINDS["eager"], KINDS["tf.function"]])
def test_a_python_loop_inside_the_step_is_recorded_by_its_last_batch(kind):
    model, optimizer = model_and_optimizer()
    train_step = step_of(model, optimizer)

    @kind
    def train_on_all(xs, ys):
        for x, y in zip(xs, ys, strict=True):
            train_step(x, y)

    xs, ys = ([tf.constant(part) for part in parts] for parts in zip(*batches(), strict=True))
    monitor = GradientMonitor(None, "batch")
    with monitor.watch(model, optimizer) as watch:
        for _ in range(2):
            with watch.step():
                train_on_all(xs, ys)

    assert [record.step for record in monitor.records] == [2, 5]
    assert_agree(monitor.records[0], expected()[2])


def test_attention_in_a_compiled_step_is_recorded():
    way = Way(
        "attention", attention, np.random.default_rng(0).normal(size=[8, 5, 3]).astype("f"), TARGET
    )
    expected = expected_steps(way, (0,))
    model, optimizer = model_and_optimizer(attention)
    train_step = tf.function(step_of(model, optimizer), jit_compile=True)
    monitor = GradientMonitor(None)
    run(monitor.watch(model, optimizer), train_step, batches(1, way.x))

    (record,) = monitor.records
    for path, gradient in expected[0].gradients.items():
        assert_is_sketch_of(record.gradients[path], gradient, 1e-3)


@pytest.mark.parametrize("kind", [KINDS["eager"], KINDS["tf.function"]], ids=["eager", "graph"])
def test_a_function_that_was_traced_before_is_recorded(kind):
    model, optimizer = model_and_optimizer()
    train_step = kind(step_of(model, optimizer))
    data = batches()
    train_step(*map(tf.constant, data[0]))
    monitor = GradientMonitor(None, "batch")
    run(monitor.watch(model, optimizer), train_step, data[1:])

    assert int(optimizer.iterations) == 3
    assert [record.step for record in monitor.records] == [1, 2]
    for record in monitor.records:
        assert_agree(record, expected()[record.step])


def test_a_missing_optimizer_raises():
    model, _ = model_and_optimizer()
    with pytest.raises(ValueError, match="Pass the optimizer of your loop"):
        GradientMonitor(None).watch(model)
    with pytest.raises(TypeError, match="must be a Keras optimizer"):
        GradientMonitor(None).watch(model, "sgd")


def test_the_optimizer_of_a_compiled_model_is_found():
    model, optimizer = model_and_optimizer()
    model.compile(optimizer)
    monitor = GradientMonitor(None, "batch")
    run(monitor.watch(model), step_of(model, optimizer), batches(1))

    assert len(monitor.records) == 1


def test_the_model_is_restored_after_the_loop():
    model, optimizer = model_and_optimizer()
    monitor = GradientMonitor(None, "batch")
    run(monitor.watch(model, optimizer), step_of(model, optimizer), batches(1))

    assert "apply" not in vars(optimizer)
    assert not [layer for layer in model._flatten_layers() if "call" in vars(layer)]
    assert type(model.layers[0].kernel.regularizer) is keras.regularizers.L2


def test_train_on_batch_is_recorded():
    model, optimizer = model_and_optimizer()
    model.compile(optimizer, "mse")
    monitor = GradientMonitor(None, 2)
    run(monitor.watch(model), lambda x, y: model.train_on_batch(x, y), batches())

    assert [record.step for record in monitor.records] == [0, 2]
    assert [len(record.activation_gradients) for record in monitor.records] == [2, 2]


def test_a_concrete_function_warns_that_it_cannot_be_recorded():
    model, optimizer = model_and_optimizer()
    train_step = tf.function(step_of(model, optimizer))
    concrete = train_step.get_concrete_function(*map(tf.constant, batches()[0]))
    monitor = GradientMonitor(None, "batch")
    with pytest.warns(UserWarning, match="nothing is recorded") as caught:
        run(monitor.watch(model, optimizer), concrete, batches())

    (message,) = [str(warning.message) for warning in caught]
    assert message == (
        "The train step of the model 'sequential' passed no gradient of a monitored variable to "
        "the `apply` of a Keras optimizer: nothing is recorded. What a concrete function or a "
        "SavedModel runs can't be seen."
    )
    assert monitor.records == []


def test_a_function_recreated_in_each_epoch_is_recorded():
    model, optimizer = model_and_optimizer()
    monitor = GradientMonitor(None, "epoch")
    for _ in range(3):
        run(monitor.watch(model, optimizer), tf.function(step_of(model, optimizer)), batches())

    assert [record.step for record in monitor.records] == [0, 3, 6]


@pytest.mark.parametrize(("update_freq", "expected"), [(1, [2, 5, 8, 11]), (6, [2, 8])])
def test_steps_that_train_on_many_batches_are_numbered_by_their_batches(update_freq, expected):
    model, optimizer = model_and_optimizer()
    train_epoch, data = epoch_of(step_of(model, optimizer))
    monitor = light_monitor(None, update_freq)
    with monitor.watch(model, optimizer) as watch:
        for _ in range(4):
            with watch.step():
                train_epoch(data)

    assert [record.step for record in monitor.records] == expected


def test_a_watch_that_was_not_entered_raises():
    model, optimizer = model_and_optimizer()
    watch = GradientMonitor(None).watch(model, optimizer)
    with pytest.raises(RuntimeError, match="Enter the watch first"), watch.step():
        pass


def test_one_monitor_does_not_watch_two_models_at_once():
    (first, optimizer), (second, _) = model_and_optimizer(), model_and_optimizer()
    monitor = GradientMonitor(None)
    with monitor.watch(first, optimizer), pytest.raises(RuntimeError) as caught:
        monitor.watch(second, optimizer)
    with monitor.watch(second, optimizer):
        pass

    assert str(caught.value) == (
        "This GradientMonitor is already watching the model 'sequential'. "
        "Use one monitor per model, or exit the other watch first."
    )
