"""Whether other processes train in step with this one is read from the strategy's cluster."""

from types import SimpleNamespace

import pytest
import tensorflow as tf

from vg_keras.capture.devices import (
    is_one_of_several_workers,
    suffix_of_worker,
    wait_for_devices,
)


def strategy_of(jobs, task_type, task_id):
    """Returns a fake strategy with only its resolved cluster."""
    cluster = tf.train.ClusterSpec(jobs)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver
    return SimpleNamespace(cluster_resolver=resolver(cluster, "", task_type, task_id))


ONE_WORKER = {"worker": ["a:1"]}
WORKERS = {"worker": ["a:1", "b:1"]}
WITH_CHIEF = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}


@pytest.mark.parametrize(
    ("jobs", "task_type", "task_id", "are_several", "suffix"),
    [
        (ONE_WORKER, "worker", 0, False, ""),
        (WORKERS, "worker", 0, True, ""),
        (WORKERS, "worker", 1, True, "_worker_1"),
        (WITH_CHIEF, "chief", 0, True, ""),
        (WITH_CHIEF, "worker", 0, True, "_worker_0"),
        (WITH_CHIEF, "worker", 1, True, "_worker_1"),
        ({"chief": ["a:1"], "evaluator": ["b:1"]}, "evaluator", 0, True, "_evaluator_0"),
        ({"chief": ["a:1"]}, "chief", 0, False, ""),
        (WORKERS, "", 0, False, ""),
        ({}, "", None, False, ""),
    ],
)
def test_every_worker_but_the_chief_has_a_suffix(jobs, task_type, task_id, are_several, suffix):
    strategy = strategy_of(jobs, task_type, task_id)

    assert is_one_of_several_workers(strategy) == are_several
    assert suffix_of_worker(strategy) == suffix


@pytest.mark.parametrize("kind", ["default", "two replicas", "no resolver"])
def test_a_single_process_has_no_other_workers(kind, two_replicas):
    default = tf.distribute.get_strategy()
    strategies = {"default": default, "two replicas": two_replicas}
    strategy = strategies.get(kind, SimpleNamespace(cluster_resolver=None))

    assert not is_one_of_several_workers(strategy)
    assert suffix_of_worker(strategy) == ""


@pytest.fixture
def asked(monkeypatch):
    """Counts how often devices were asked to finish, and sets what they raise."""
    asked = SimpleNamespace(times=0, error=None)

    def sync_devices():
        asked.times += 1
        if asked.error is not None:
            raise asked.error

    monkeypatch.setattr(tf.test.experimental, "sync_devices", sync_devices)
    return asked


def test_devices_that_cannot_be_asked_are_not_waited_for(asked):
    asked.error = tf.errors.UnimplementedError(None, None, "no such device")
    wait_for_devices()

    assert asked.times == 1


def test_any_other_error_of_waiting_is_raised(asked):
    asked.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        wait_for_devices()


def test_the_real_devices_can_be_waited_for():
    value = tf.reduce_sum(tf.ones([100, 100]))
    wait_for_devices()

    assert value.numpy() == 10_000
