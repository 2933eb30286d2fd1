"""A training run begins with its settings, and continues only where the same loop goes on."""

import math

import keras
import pytest
import tensorflow as tf
from small_models import mlp

from vg_keras.capture.plan import Choice
from vg_keras.recording import Recording


class Receiver:
    """Notes what a recording tells it."""

    def __init__(self):
        self.num_records, self.num_bytes = 3, 1000
        self.begun, self.costs, self.strategies, self.num_resets = [], [], [], 0

    def open(self, strategy):
        self.strategies.append(strategy)

    def begin(self, beginning):
        self.begun.append(beginning)

    def close(self, cost):
        self.costs.append(cost)

    def reset(self):
        self.num_resets += 1


class Observer:
    """What is looked at of an observer: what the optimizers have counted."""

    choice = Choice()

    def __init__(self, counted=0, per_step=1):
        self.counts, self.per_step = {1: counted}, per_step


class Trained:
    """A model that is trained in several runs, by a custom loop or by `fit`."""

    def __init__(self, update_freq="auto"):
        self.receiver = Receiver()
        self.recording = Recording(update_freq, 0.05, self.receiver)
        self.model = mlp()
        self.optimizers = [keras.optimizers.SGD(0.25)]

    def run(self, observer, steps=3, continues=False):
        """Trains for some steps, and returns how the training run has begun."""
        self.recording.open(self.model)
        self.recording.begin(observer, self.model, self.optimizers, continues)
        for _ in range(steps):
            self.recording.count.take(1)
            observer.counts = {1: observer.counts[1] + observer.per_step}
        self.recording.close(observer)
        return self.receiver.begun[-1]


def test_a_training_run_begins_with_the_settings_of_its_model():
    trained = Trained(update_freq=7)
    beginning = trained.run(Observer())
    (optimizer,) = beginning.settings.optimizers

    assert beginning.settings.update_freq == 7
    assert beginning.settings.quantities == Choice().quantities
    assert (optimizer.type, optimizer.learning_rate) == ("SGD", 0.25)
    assert beginning.resumed_from is None
    assert trained.receiver.strategies == [tf.distribute.get_strategy()]


@pytest.mark.parametrize("per_step", [0, 1, 5])
def test_each_fit_is_a_training_run_that_tells_where_it_goes_on(per_step):
    trained, observer = Trained(), Observer(per_step=per_step)
    first, second = trained.run(observer), trained.run(observer)

    assert first.id != second.id
    assert (first.resumed_from, second.resumed_from) == (None, 3)
    assert trained.recording.count.next == 6


def test_training_that_was_restored_from_a_backup_is_resumed():
    assert Trained().run(Observer(40)).resumed_from == 40


def test_a_loop_that_goes_on_is_the_same_training_run():
    trained, observer = Trained(), Observer()
    first, second = (trained.run(observer, continues=True) for _ in range(2))

    assert second is first


@pytest.mark.parametrize("change", ["another loop", "other steps", "a fit between", "now a fit"])
def test_any_other_training_is_another_run(change):
    trained, observer = Trained(), Observer()
    trained.run(observer, continues=True)
    if change == "other steps":
        observer.counts = {1: 100}
    if change == "a fit between":
        trained.run(observer, steps=0)
    next_observer = Observer(3) if change == "another loop" else observer
    second = trained.run(next_observer, continues=change != "now a fit")

    earlier = [beginning.id for beginning in trained.receiver.begun[:-1]]

    assert second.id not in earlier


def test_another_model_starts_from_zero():
    trained = Trained()
    trained.run(Observer(), continues=True)
    trained.recording.schedule.interval = 50
    trained.recording.reset()

    assert trained.recording.count.next == 0
    assert trained.recording.schedule.interval is None
    assert trained.receiver.num_resets == 1


def test_a_loop_does_not_go_on_after_a_reset():
    trained, observer = Trained(), Observer()
    first = trained.run(observer, steps=0, continues=True)
    trained.recording.reset()
    second = trained.run(observer, steps=0, continues=True)

    assert second.id != first.id
    assert second.resumed_from is None


def test_the_cost_is_told_at_the_end():
    trained = Trained()
    trained.recording.schedule.interval = 20
    trained.run(Observer())
    (cost,) = trained.receiver.costs

    assert (cost.num_records, cost.num_bytes, cost.interval) == (3, 1000, 20)
    assert math.isnan(cost.fraction)
    assert cost == trained.recording.cost


def test_a_training_run_without_a_step_can_be_closed():
    trained = Trained()
    trained.recording.close(None)

    assert len(trained.receiver.costs) == 1
