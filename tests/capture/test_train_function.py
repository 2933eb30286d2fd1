"""The recording train function takes the place of the model's own for one execution only."""

import pytest
import tensorflow as tf
from small_models import compiled, fit, mlp, regression_data

from vg_keras.capture.train_function import (
    OccupiedError,
    RecordingTrainFunction,
    own_train_function,
    put_back,
    step_counter,
)


class Recorder:
    """Writes down what it is called with."""

    def __init__(self):
        self.calls = []

    def begin_execution(self, first):
        self.calls.append(("execution", first))

    def begin_step(self, step):
        self.calls.append(("step",))

    def keep(self, optimizer, gradients, variables):
        self.calls.append(("keep", len(gradients), [v.path for v in variables]))


@pytest.fixture
def model():
    model = compiled(mlp(depth=0))
    fit(model, *regression_data(1))
    return model


def batches(num_batches=1):
    """An iterator such as `fit` hands to a train function."""
    dataset = tf.data.Dataset.from_tensor_slices(regression_data(1)).batch(8)
    return iter(dataset.take(num_batches))


def test_making_one_leaves_the_model_as_it_is(model):
    own, names = model.train_function, set(vars(model))
    RecordingTrainFunction(model, Recorder())

    assert model.train_function is own
    assert set(vars(model)) == names


def test_armed_it_stands_in_for_the_own_one(model):
    own = model.train_function
    function = RecordingTrainFunction(model, Recorder())
    function.arm(0, lambda: None)

    assert model.train_function is function
    assert own_train_function(model) is own


def test_it_runs_once_and_is_gone(model):
    own, recorder, received = model.train_function, Recorder(), []
    function = RecordingTrainFunction(model, recorder)
    function.arm(5, lambda: received.append(list(recorder.calls)))
    logs = function(batches())

    assert model.train_function is own
    assert logs is not None
    assert [call[0] for call in received[0]] == ["execution", "step", "keep"]
    assert received[0][0] == ("execution", 5)
    assert received[0][2] == ("keep", 2, ["sequential/dense/kernel", "sequential/dense/bias"])


def test_what_is_received_follows_each_execution(model):
    received = []
    function = RecordingTrainFunction(model, Recorder())
    for first in (3, 4):
        function.arm(first, lambda first=first: received.append(first))
        function(batches())

    assert received == [3, 4]


def test_after_a_failure_nothing_is_received_and_the_own_one_is_back(model):
    own, received = model.train_function, []
    function = RecordingTrainFunction(model, Recorder())
    function.arm(0, lambda: received.append(1))
    with pytest.raises((StopIteration, tf.errors.OutOfRangeError)):
        function(batches(0))

    assert model.train_function is own
    assert received == []
    assert "apply" not in vars(model.optimizer)


def test_a_second_one_cannot_be_armed_for_the_same_execution(model):
    first, second = (RecordingTrainFunction(model, Recorder()) for _ in range(2))
    first.arm(0, lambda: None)
    with pytest.raises(OccupiedError):
        second.arm(0, lambda: None)

    assert model.train_function is first


def test_it_belongs_to_the_model_until_that_is_compiled_again(model):
    function = RecordingTrainFunction(model, Recorder())
    before = function.belongs_to(model)
    compiled(model)
    model.make_train_function()

    assert before
    assert not function.belongs_to(model)


def test_it_belongs_to_no_other_model(model):
    function = RecordingTrainFunction(model, Recorder())
    other = compiled(mlp(depth=0))
    other.make_train_function()

    assert not function.belongs_to(other)


def test_it_is_put_back_where_it_was_left_armed(model):
    own = model.train_function
    RecordingTrainFunction(model, Recorder()).arm(0, lambda: None)
    put_back(model)

    assert model.train_function is own


def test_steps_are_counted_by_the_optimizer_of_the_model(model):
    assert step_counter(model) is model.optimizer.iterations


def test_a_model_without_optimizer_is_refused():
    with pytest.raises(ValueError, match="optimizer") as caught:
        step_counter(mlp(depth=0))

    assert str(caught.value) == (
        "Expected a model with an optimizer. Received: 'sequential', which has none, "
        "neither by `compile` nor as an attribute. Compile it with one."
    )
