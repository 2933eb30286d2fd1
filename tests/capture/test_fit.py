"""A capture of `fit` exists once per train function and choice, and records single executions."""

import pytest
import tensorflow as tf
from small_models import BATCH_SIZE, compiled, mlp, regression_data

from vg_keras.capture.fit import FitCapture, capture_of
from vg_keras.capture.plan import Choice
from vg_keras.capture.train_function import (
    NotCalledError,
    OccupiedError,
    own_train_function,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("graphs_as_traced")]


class Recorder:
    """Notes the steps that are received."""

    def __init__(self):
        self.calls = []

    def run_probe(self):
        self.calls.append("probe")

    def receive(self, observer):
        self.calls.append([replicas[0].step for replicas in observer.read()])

    def warn_once(self, message):
        self.calls.append(message)


def trainable(**how):
    """A compiled model with its train function."""
    model = compiled(mlp(), **how)
    model.make_train_function()
    return model


def batches(number=1):
    return iter(tf.data.Dataset.from_tensor_slices(regression_data(number)).batch(BATCH_SIZE))


def test_the_same_choice_gives_the_same_capture():
    model = trainable()
    first = capture_of(model, Choice(), 2)

    assert capture_of(model, Choice(), 2) is first
    assert capture_of(model, Choice(), 1000) is first  # of single steps, each is armed by itself
    assert capture_of(model, Choice(), 1) is not first
    assert capture_of(model, Choice(updates=False), 2) is not first


def test_with_several_steps_per_execution_each_frequency_has_its_own_capture():
    model = trainable(steps_per_execution=4)
    first = capture_of(model, Choice(), 2)

    assert capture_of(model, Choice(), 2) is first
    assert capture_of(model, Choice(), 3) is not first


def test_a_model_that_is_compiled_again_needs_another_capture():
    model = trainable()
    capture = capture_of(model, Choice(), 1)
    before = capture.serves(model), capture.serves(trainable())
    compiled(model)
    model.make_train_function()

    assert before == (True, False)
    assert not capture.serves(model)
    assert capture_of(model, Choice(), 1) is not capture


@pytest.mark.parametrize(
    ("steps", "every", "first", "expected"),
    [(1, 1, 5, [5]), (1, 3, 5, [5]), (4, 1, 5, [5, 6, 7, 8]), (4, 2, 6, [6, 8])],
)
def test_only_the_next_execution_is_recorded(steps, every, first, expected):
    model, recorder = trainable(steps_per_execution=steps), Recorder()
    own = model.train_function
    capture, data = capture_of(model, Choice(), every), batches(2 * steps)
    capture.record_next(first, 5, 0, recorder)
    is_armed = model.train_function is not own and own_train_function(model) is own
    model.train_function(data)
    is_restored = model.train_function is own
    model.train_function(data)

    assert (is_armed, is_restored) == (True, True)
    assert recorder.calls == ["probe", expected]
    assert model.optimizer.iterations.numpy() == 2 * steps


def test_two_monitors_cannot_record_the_same_execution():
    model, recorder = trainable(), Recorder()
    capture = capture_of(model, Choice(), 1)
    capture.record_next(0, 0, 3, recorder)
    with pytest.raises(OccupiedError):
        capture.record_next(0, 0, 3, Recorder())
    model.train_function(batches())

    assert recorder.calls == ["probe", [0]]


def test_an_armed_execution_that_was_never_run_is_reported_and_disarmed():
    model, recorder = trainable(), Recorder()
    own, capture = model.train_function, capture_of(model, Choice(), 1)
    capture.record_next(0, 0, 0, recorder)
    with pytest.raises(NotCalledError):
        capture.record_next(1, 1, 1, recorder)

    assert model.train_function is own
    assert recorder.calls == []


def test_a_model_without_optimizer_is_an_error():
    model = mlp()
    model.compile(optimizer=None, loss="mse")
    model.make_train_function()
    with pytest.raises(ValueError, match="optimizer") as caught:
        FitCapture(model, Choice(), 1)

    assert model.name in str(caught.value)


def test_data_that_have_ended_end_the_epoch_as_without_a_monitor():
    model, recorder = trainable(), Recorder()
    own, data = model.train_function, batches()
    own(data)
    capture_of(model, Choice(), 1).record_next(1, 1, 1, recorder)
    with pytest.raises((StopIteration, tf.errors.OutOfRangeError)):
        model.train_function(data)

    assert model.train_function is own
    assert recorder.calls == ["probe"]
