"""An observer measures the steps it watches, and nothing of any other step."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_models import mlp, reset_keras
from tapped import X, gradients_of, in_modes

from vg_keras.capture import gather, observer
from vg_keras.capture.due_steps import EveryStep, StepsOfExecution
from vg_keras.capture.observer import Observer
from vg_keras.capture.plan import Choice

STEP = 7


class Observed:
    """A model with an optimizer, and an observer of its steps."""

    def __init__(self, model=None, due_steps=None):
        self.model = model or mlp(inputs=3)
        self.optimizer = keras.optimizers.SGD(0.5)
        strategy = tf.distribute.get_strategy()
        due_steps = due_steps or EveryStep()
        self.observer = Observer(self.model, [self.optimizer], Choice(), due_steps, strategy)

    def step(self):
        self.observer.begin_step()
        gradients = gradients_of(self.model)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return gradients

    def watched(self, step=None):
        self.observer.begin_execution(STEP)
        with self.observer.watching():
            return (step or self.step)()

    def steps(self):
        """The numbers of the steps in the buffer."""
        return [replicas[0].step for replicas in self.observer.read()]


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_a_watched_step_is_recorded(mode):
    observed = Observed()
    observed.optimizer.build(observed.model.trainable_variables)
    gradients = observed.watched(in_modes(observed.step)[mode])
    (replicas,) = observed.observer.read()
    record = observed.observer.decoder().record(replicas, (), 1.0)
    norms = [np.linalg.norm(gradient) for gradient in gradients]

    assert record.step == STEP
    assert [g.norm for g in record.gradients.values()] == pytest.approx(norms, rel=1e-5)
    assert list(record.activations) == ["sequential/dense", "sequential/dense_1"]
    assert (observed.observer.num_stored, observed.observer.num_traced) == (1, int(mode != "eager"))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_step_outside_of_watching_is_not_recorded(error):
    observed = Observed()

    def fail():
        raise error

    with pytest.raises(error):
        observed.watched(fail)
    observed.step()

    assert observed.steps() == []
    assert observed.observer.num_stored == 0


def test_a_new_execution_starts_with_an_empty_buffer():
    observed = Observed()
    observed.watched()
    first = observed.steps()
    observed.observer.begin_execution(STEP + 1)

    assert first == [STEP]
    assert observed.steps() == []


def test_a_model_without_variables_is_prepared_by_its_first_step():
    reset_keras()
    observed = Observed(keras.Sequential([layers.Dense(2), layers.Dense(1)]))
    before = observed.steps(), observed.observer.absences(is_final=True)

    def step():
        observed.model(X)
        return observed.step()

    observed.watched(step)

    assert before == ([], [])
    assert observed.steps() == [STEP]
    assert len(observed.observer.description.variables) == 4


def test_nothing_can_be_decoded_before_it_is_read():
    observed = Observed()
    observed.watched()
    with pytest.raises(RuntimeError, match="has been read"):
        observed.observer.decoder()
    observed.observer.read()

    assert observed.observer.decoder().model == observed.observer.description


def test_whether_an_optimizer_received_anything_is_known():
    observed = Observed()
    watcher = observed.observer
    found = []
    for step in (watcher.begin_step, tf.function(lambda: watcher.begin_step(), autograph=False)):
        observed.watched(step)
        found.append((watcher.has_seen_no_gradient, watcher.cannot_record))
    observed.watched(tf.function(observed.step, autograph=False))
    found.append((watcher.has_seen_no_gradient, watcher.cannot_record))

    assert found == [(True, False), (True, True), (False, False)]


def test_an_error_of_measuring_becomes_one_failure(monkeypatch):
    observed, errors = Observed(), []
    before = observed.model.trainable_variables[0].numpy()

    def fail(optimizer):
        errors.append(KeyError(f"error {len(errors)}"))
        raise errors[-1]

    monkeypatch.setattr(gather, "loss_scale", fail)
    gradients = [observed.watched() for _ in range(2)]
    (failure,) = observed.observer.failures
    change = before - observed.model.trainable_variables[0].numpy()

    assert repr(errors[0]) in failure
    assert change == pytest.approx(0.5 * (gradients[0][0] + gradients[1][0]).numpy(), rel=1e-4)


def test_one_thread_may_nest_watching_and_another_may_not_join():
    observed, errors = Observed(), []

    def watch():
        try:
            with observed.observer.watching():
                observed.step()
        except RuntimeError as error:
            errors.append(str(error))

    def nested():
        with observed.observer.watching():
            thread = threading.Thread(target=watch)
            thread.start()
            thread.join()
        return observed.step()

    observed.watched(nested)

    assert len(errors) == 1
    assert "Another thread" in errors[0]
    assert observed.observer.num_stored == 1


def test_an_execution_that_needs_too_much_memory_is_split(monkeypatch):
    whole = Observed(due_steps=StepsOfExecution(12, 1)).observer.num_steps
    monkeypatch.setattr(observer, "MAX_BUFFER_BYTES", 600_000)  # 17 kB per row, 8 rows per slot
    split = Observed(due_steps=StepsOfExecution(12, 1)).observer.num_steps

    assert whole == 12
    assert split == 3


def test_functions_that_read_the_model_are_recognized():
    observed = Observed()
    reads = tf.function(lambda x: observed.model(x), autograph=False)
    other = tf.function(lambda x: 2 * x, autograph=False)

    assert observed.observer.reads_model(reads.get_concrete_function(X))
    assert not observed.observer.reads_model(other.get_concrete_function(X))
