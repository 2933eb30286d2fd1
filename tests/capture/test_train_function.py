"""The recording train function replaces the model's own for one execution only."""

import contextlib
from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf
from small_models import compiled, fit, mlp, regression_data

from vg_keras.capture.train_function import (
    NotCalledError,
    OccupiedError,
    RecordingTrainFunction,
    own_train_function,
    restore,
)

pytestmark = pytest.mark.usefixtures("graphs_as_traced")


class Recorder:
    """A fake observer that records its calls."""

    def __init__(self):
        self.calls = []

    num_steps = 1

    def prepare(self):
        pass

    def noting_traces(self):
        return contextlib.nullcontext()

    def begin_execution(self, first, start):
        self.calls.append(("execution", first, start))

    def continue_execution(self):
        self.calls.append(("continued",))

    def begin_step(self, data):
        self.calls.append(("step",))

    @contextlib.contextmanager
    def watching(self, left_alone):
        self.calls.append(("watching",))
        try:
            yield
        finally:
            self.calls.append(("watched",))


def nothing():
    """Does nothing when called."""


def recording(before, receive):
    """Fakes the receiver of the records."""
    return SimpleNamespace(run_probe=before, receive=lambda observer: receive())


@pytest.fixture
def model():
    model = compiled(mlp(depth=0))
    fit(model, *regression_data(1))
    return model


def batches(num_batches=1):
    """Returns an iterator such as `fit` passes to a train function."""
    dataset = tf.data.Dataset.from_tensor_slices(regression_data(1)).batch(8)
    return iter(dataset.take(num_batches))


def test_creating_one_leaves_the_model_unchanged(model):
    own, names = model.train_function, set(vars(model))
    RecordingTrainFunction(model, Recorder())

    assert model.train_function is own
    assert set(vars(model)) == names


def test_once_armed_it_replaces_the_models_own(model):
    own = model.train_function
    function = RecordingTrainFunction(model, Recorder())
    function.arm(0, 0, 0, recording(nothing, nothing))

    assert model.train_function is function
    assert own_train_function(model) is own


def test_it_runs_once_and_is_removed(model):
    own, recorder = model.train_function, Recorder()
    function = RecordingTrainFunction(model, recorder)
    before, receive = (lambda name=name: recorder.calls.append((name,)) for name in ("b", "r"))
    function.arm(5, 4, 0, recording(before, receive))
    logs = function(batches())

    assert model.train_function is own
    assert set(logs) == {"loss"}
    assert recorder.calls == [
        ("b",),
        ("execution", 5, 4),
        ("watching",),
        ("step",),
        ("watched",),
        ("r",),
    ]


def test_the_model_has_its_own_train_function_while_it_runs(model):
    own, seen = model.train_function, []
    function = RecordingTrainFunction(model, Recorder())
    note = lambda: seen.append(model.train_function)  # noqa: E731
    function.arm(0, 0, 0, recording(note, note))
    function(batches())

    assert [one is own for one in seen] == [True, True]


def test_records_are_received_after_each_execution(model):
    received = []
    function = RecordingTrainFunction(model, Recorder())
    for first in (3, 4):
        function.arm(
            first, first, first, recording(nothing, lambda first=first: received.append(first))
        )
        function(batches())

    assert received == [3, 4]


def test_a_failed_execution_records_nothing_and_restores_the_models_own(model):
    own, recorder, received = model.train_function, Recorder(), []
    function = RecordingTrainFunction(model, recorder)
    function.arm(0, 0, 0, recording(nothing, lambda: received.append(1)))
    with pytest.raises((StopIteration, tf.errors.OutOfRangeError)):
        function(batches(0))

    assert model.train_function is own
    assert received == []
    assert recorder.calls[-1] == ("watched",)


def test_a_failure_before_the_execution_restores_the_models_own(model):
    def fail():
        raise KeyError

    own, recorder = model.train_function, Recorder()
    function = RecordingTrainFunction(model, recorder)
    function.arm(0, 0, 0, recording(fail, nothing))
    with pytest.raises(KeyError):
        function(batches())

    assert model.train_function is own
    assert recorder.calls == []


def test_left_armed_by_one_fit_it_does_not_record_the_next(model):
    recorder, received = Recorder(), []
    function = RecordingTrainFunction(model, recorder)
    function.arm(0, 0, 0, recording(nothing, lambda: received.append(1)))
    model.history = keras.callbacks.History()  # `fit` creates a new one each time
    logs = function(batches())

    assert set(logs) == {"loss"}
    assert recorder.calls == received == []


def test_a_second_one_cannot_be_armed_for_the_same_execution(model):
    first, second = (RecordingTrainFunction(model, Recorder()) for _ in range(2))
    first.arm(0, 0, 0, recording(nothing, nothing))
    with pytest.raises(OccupiedError):
        second.arm(0, 0, 0, recording(nothing, nothing))

    assert model.train_function is first


@pytest.mark.parametrize("is_same", [True, False])
def test_an_armed_one_that_was_never_called_is_detected(model, is_same):
    own = model.train_function
    first, other = (RecordingTrainFunction(model, Recorder()) for _ in range(2))
    first.arm(0, 0, 0, recording(nothing, nothing))
    with pytest.raises(NotCalledError):
        (first if is_same else other).arm(3, 3, 3, recording(nothing, nothing))

    assert model.train_function is own


def test_it_matches_the_model_until_the_next_compile(model):
    function = RecordingTrainFunction(model, Recorder())
    before = function.belongs_to(model)
    compiled(model)
    model.make_train_function()

    assert before
    assert not function.belongs_to(model)


def test_it_does_not_match_another_model(model):
    function = RecordingTrainFunction(model, Recorder())
    other = compiled(mlp(depth=0))
    other.make_train_function()

    assert not function.belongs_to(other)


def test_disarming_restores_the_models_own(model):
    own = model.train_function
    RecordingTrainFunction(model, Recorder()).arm(0, 0, 0, recording(nothing, nothing))
    restore(model)

    assert model.train_function is own
